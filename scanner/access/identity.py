"""Who made a call: the ``userIdentity`` of a CloudTrail record as one name.

Names come from data: a session name is chosen by whoever takes the role, and can hold anything.
They go through ``seal_name``, all but the account id in an ARN's own field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ANONYMOUS = "anonymous (no credentials)"
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Caller:
    """``principal`` is who holds the permission; ``session`` what the caller called itself when it
    took the role, empty where there is no role. ``account`` is the caller's, None if not told."""

    principal: str
    session: str = ""
    account: str | None = None
    anonymous: bool = False
    service: bool = False


def sessions_are_people(principal: str) -> bool:
    """Whether each session of a role is one person: those IAM Identity Center makes, whose session
    name is the user's name. Sessions of other roles are machines that come and go."""
    return "AWSReservedSSO_" in principal


def caller(identity: Any) -> Caller | None:
    """The caller of a record, None when the record does not tell in a form we know."""
    if not isinstance(identity, dict):
        return None
    kind, account = _text(identity, "type"), _text(identity, "accountId")
    if account != "ANONYMOUS_PRINCIPAL" and not re.fullmatch(r"\d{12}", account):
        account = ""
    principal_id, arn = _text(identity, "principalId"), _text(identity, "arn")
    if account == "ANONYMOUS_PRINCIPAL" or principal_id in {"ANONYMOUS_PRINCIPAL", "Anonymous"}:
        return Caller(ANONYMOUS, anonymous=True)
    if kind == "AWSAccount" and not identity.get("accountId") and not principal_id:
        return Caller(ANONYMOUS, anonymous=True)
    if kind == "AWSService" or (not kind and _text(identity, "invokedBy")):
        service = _text(identity, "invokedBy")
        return Caller(service, service=True) if service else None
    if kind in {"AssumedRole", "FederatedUser"}:
        issuer = _issuer(identity)
        name = arn.rpartition("/")[2] or principal_id.rpartition(":")[2]
        if issuer:
            return Caller(issuer, name, account or None)
    if arn:
        return Caller(arn, account=account or None)
    named = _text(identity, "userName") or principal_id
    if kind == "AWSAccount" and account:
        return Caller(f"account {account}" + (f" ({named})" if named else ""), account=account)
    if kind == "IdentityCenterUser":
        behalf = identity.get("onBehalfOf")
        named = _text(behalf, "userId") if isinstance(behalf, dict) else named
    if not named:
        return None
    return Caller(f"{kind or 'unknown'} {named}", account=account or None)


def _issuer(identity: Mapping[str, Any]) -> str:
    context = identity.get("sessionContext")
    issuer = context.get("sessionIssuer") if isinstance(context, dict) else None
    if not isinstance(issuer, dict):
        return ""
    return _text(issuer, "arn") or _text(issuer, "userName")


def _text(mapping: Mapping[str, Any], key: str) -> str:
    value = mapping.get(key)
    return value[:_LONGEST] if isinstance(value, str) else ""


def requester(text: str | None, owner: str) -> Caller:
    """The requester of an S3 server access log: an ARN, a canonical user id, or None without
    credentials. ``owner`` is the canonical id of the bucket's owner."""
    if text is None:
        return Caller(ANONYMOUS, anonymous=True)
    text = text[:_LONGEST]
    arn = _ARN.fullmatch(text)
    if arn:
        taken = _TAKEN_ROLE.fullmatch(arn["rest"])
        if arn["service"] == "sts" and taken:
            role = f"arn:{arn['partition']}:iam::{arn['account']}:role/{taken['role']}"
            return Caller(role, taken["session"], arn["account"])
        return Caller(text, account=arn["account"])
    if _CANONICAL.fullmatch(text):
        if text == owner:
            return Caller("the account of the bucket's owner (root, or not told)")
        return Caller(f"canonical user {text[:16]}", account=text)
    service = text.startswith("svc:") or text == "AmazonS3" or text.endswith(".amazonaws.com")
    return Caller(text, service=service)


_ARN = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):(?P<service>iam|sts)::(?P<account>\d{12}):(?P<rest>.+)"
)
_TAKEN_ROLE = re.compile(r"assumed-role/(?P<role>[^/]+)/(?P<session>.+)")
_CANONICAL = re.compile(r"[0-9a-f]{64}")
