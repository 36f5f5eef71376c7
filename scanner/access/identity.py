"""Who made a call: the ``userIdentity`` of a CloudTrail record as one name.

Names come from data: a session name is chosen by whoever takes the role, and can hold anything.
They go through ``seal_name``, all but the account id in an ARN's own field.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from scanner.access.cloudtrail_records import Identity, identity_of
from scanner.whoread import SOURCE

ANONYMOUS = "anonymous (no credentials)"
_LONGEST = 300
_ACCOUNT = re.compile(r"[0-9]{12}")
_NOBODY = frozenset({"ANONYMOUS_PRINCIPAL", "Anonymous", "anonymous"})
"""what CloudTrail calls whoever has no credentials: records of S3 since 2024 the last of them"""


class Caller(msgspec.Struct, frozen=True):
    """``principal`` is who holds the permission; ``session`` what the caller called itself when it
    took the role, empty where there is no role, then, behind ``SOURCE``, the source identity where
    one was set: who is behind it, which stays when a role takes another. ``account`` is the
    caller's, None if not told."""

    principal: str
    session: str = ""
    account: str | None = None
    anonymous: bool = False
    service: bool = False


def one_of_many(principal: str, session: str) -> str:
    """Which of those behind a role a session is of, empty where all of them are one actor. Sessions
    that IAM Identity Center makes have the name of a user; a source identity names somebody, in
    however many sessions. All others are machines that come and go."""
    if "AWSReservedSSO_" in principal:
        return session
    _, source, named = session.partition(SOURCE)
    return source + named


def caller(identity: Identity | None) -> Caller | None:
    """The caller of a record, None when the record does not tell in a form we know."""
    if identity is None:
        return None
    kind, account = _text(identity.kind), _text(identity.account)
    principal_id, arn = _text(identity.principal), _text(identity.arn)
    if account in _NOBODY or principal_id in _NOBODY:
        return Caller(ANONYMOUS, anonymous=True)
    if not _ACCOUNT.fullmatch(account):
        account = ""
    if kind == "AWSAccount" and not identity.account and not principal_id:
        return Caller(ANONYMOUS, anonymous=True)
    if kind == "AWSService" or (not kind and _text(identity.invoked)):
        service = _text(identity.invoked)
        return Caller(service, service=True) if service else None
    if kind in {"AssumedRole", "FederatedUser"}:
        issuer = _issuer(identity)
        name = arn.rpartition("/")[2] or principal_id.rpartition(":")[2]
        if issuer:
            return Caller(issuer, name + _source(identity), account or None)
    if arn:
        return Caller(arn, account=account or None)
    named = _text(identity.name) or principal_id
    if kind == "AWSAccount" and account:
        return Caller(f"account {account}" + (f" ({named})" if named else ""), account=account)
    if kind == "IdentityCenterUser":
        named = _text(identity.behalf.user) if identity.behalf else named
    if not named:
        return None
    return Caller(f"{kind or 'unknown'} {named}", account=account or None)


def _issuer(identity: Identity) -> str:
    issuer = identity.context.issuer if identity.context else None
    return (_text(issuer.arn) or _text(issuer.name)) if issuer else ""


def _source(identity: Identity) -> str:
    source = _text(identity.context.source) if identity.context else ""
    return f"{SOURCE}{source}" if source else ""


def _text(value: Any) -> str:
    if type(value) is not str:
        return ""
    return value if len(value) <= _LONGEST else value[:_LONGEST]


class Callers:
    """``caller`` that remembers: a trail has few callers and many events."""

    _MOST = 20_000

    def __init__(self) -> None:
        self._known: dict[bytes, Caller | None] = {}

    def of(self, identity: msgspec.Raw | bytes) -> Caller | None:
        written = bytes(identity)
        try:
            return self._known[written]
        except KeyError:
            found = caller(identity_of(written))
        if len(self._known) >= self._MOST:
            self._known.clear()
        self._known[written] = found
        return found


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
