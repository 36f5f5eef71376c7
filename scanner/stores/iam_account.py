"""The principals of an AWS account with their policies.

They come from the answer of ``GetAccountAuthorizationDetails``, of the live account or saved by
``aws iam get-account-authorization-details > auth.json``. Only statements about reading are kept.
A policy that is named and not in the document makes a doubt, in words, never a silent no.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from detectors.records import dataclass
from scanner.stores import s3_policy
from scanner.stores.iam_conditions import Context
from scanner.stores.iam_evaluate import Levels, Policy, Principal
from scanner.stores.s3_policy import BadPolicy, Statement
from scanner.text import plural

READ_ACTIONS = (
    "s3:GetObject",  # also HeadObject, SelectObjectContent and the source of a copy
    "s3:GetObjectVersion",
    "s3:GetObjectVersionForReplication",
    "s3:GetObjectTorrent",
    "s3:GetObjectVersionTorrent",
)
"""the permissions that give out the content of an object"""
DECRYPT = "kms:Decrypt"


class BadDocument(ValueError):
    """A file is not what it should be; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class Account:
    id: str
    principals: tuple[Principal, ...]


def account(document: Any) -> Account:
    """Raises ``BadDocument``."""
    if not isinstance(document, Mapping) or not any(
        isinstance(document.get(key), list) for key in ("UserDetailList", "RoleDetailList")
    ):
        raise BadDocument(
            "expected the output of aws iam get-account-authorization-details, a JSON object with"
            " UserDetailList, GroupDetailList, RoleDetailList and Policies"
        )
    if document.get("IsTruncated") is True:
        raise BadDocument(
            "IsTruncated is true: expected the whole answer, all pages of it (the AWS command line"
            " joins them unless told not to)"
        )
    reader = _Reader(document)
    found = [*reader.users(), *reader.roles()]
    ids = {each.account for each in found}
    if len(ids) != 1:
        raise BadDocument(
            f"expected the users and roles of one account, found {plural(len(ids), 'account')}"
        )
    (number,) = ids
    partition = found[0].name.split(":")[1]
    return Account(number, (_root(number, partition), *found))


def _root(number: str, partition: str) -> Principal:
    name = f"arn:{partition}:iam::{number}:root"
    values = {
        "aws:principalarn": (name,),
        "aws:principaltype": ("Account",),
        "aws:userid": (number,),
    }
    return Principal(name, "root", number, _context(number, values, {"aws:username"}), ())


class _Reader:
    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._managed = {
            str(each.get("Arn")): _default_version(each) for each in self._list("Policies")
        }
        self._groups = {str(each.get("GroupName")): each for each in self._list("GroupDetailList")}

    def _list(self, key: str) -> list[Mapping[str, Any]]:
        entries = self._document.get(key, [])
        if not isinstance(entries, list) or not all(isinstance(e, Mapping) for e in entries):
            raise BadDocument(f"{key}: expected a list of objects")
        return entries

    def users(self) -> Iterator[Principal]:
        for body in self._list("UserDetailList"):
            arn, number = _arn(body, "UserDetailList")
            policies, missing = self._policies(body, "User", "")
            for name in _names(body, "GroupList"):
                group = self._groups.get(str(name))
                if group is None:
                    missing.append(f"the policies of group {name}")
                    continue
                more, lost = self._policies(group, "Group", f" of group {name}")
                policies, missing = policies + more, missing + lost
            values = {
                "aws:principalarn": (arn,),
                "aws:principaltype": ("User",),
                "aws:username": (str(body.get("UserName", "")),),
                "aws:userid": (str(body.get("UserId", "")),),
                **_tags(body),
            }
            context = _context(number, values, {"aws:principaltag/", "aws:federatedprovider"})
            yield self._principal(body, arn, "user", context, policies, missing)

    def roles(self) -> Iterator[Principal]:
        for body in self._list("RoleDetailList"):
            arn, number = _arn(body, "RoleDetailList")
            policies, missing = self._policies(body, "Role", "")
            values = {
                "aws:principalarn": (arn,),
                "aws:principaltype": ("AssumedRole",),
                # whoever takes the role chooses the name of the session
                "aws:userid": (f"{body.get('RoleId', '')}:*",),
            }
            linked = ":role/aws-service-role/" in arn
            kind = "service-linked-role" if linked else "role"
            context = _context(number, values, {"aws:username"})
            yield self._principal(body, arn, kind, context, policies, missing)

    def _principal(
        self,
        body: Mapping[str, Any],
        arn: str,
        kind: str,
        context: Context,
        policies: list[Policy],
        missing: list[str],
    ) -> Principal:
        boundary = None
        set_ = body.get("PermissionsBoundary")
        if isinstance(set_, Mapping):
            name = str(set_.get("PermissionsBoundaryArn"))
            boundary = self._managed_policy(name, "boundary ", "")
            if boundary is None:
                missing.append(f"its boundary {name}")
        number = arn.split(":")[4]
        doubt = f"not in what was seen of the account: {', '.join(missing)}" if missing else ""
        return Principal(arn, kind, number, context, tuple(policies), boundary, doubt)

    def _policies(
        self, body: Mapping[str, Any], kind: str, whose: str
    ) -> tuple[list[Policy], list[str]]:
        policies, missing = [], []
        for inline in _objects(body.get(f"{kind}PolicyList")):
            name = str(inline.get("PolicyName"))
            statements = _statements(inline.get("PolicyDocument"))
            if statements is None:
                missing.append(f"inline policy {name}{whose}")
            else:
                policies.append(Policy(f"inline policy {name}{whose}", statements))
        for attached in _objects(body.get("AttachedManagedPolicies")):
            arn = str(attached.get("PolicyArn"))
            policy = self._managed_policy(arn, "policy ", whose)
            if policy is None:
                missing.append(f"policy {arn}{whose}")
            else:
                policies.append(policy)
        return policies, missing

    def _managed_policy(self, arn: str, what: str, whose: str) -> Policy | None:
        statements = self._managed.get(arn)
        name = arn.rpartition(":policy/")[2]
        return None if statements is None else Policy(f"{what}{name}{whose}", statements)


def _names(body: Mapping[str, Any], key: str) -> list[str]:
    """Raises ``BadDocument`` when there is something else than a list of names."""
    names = body.get(key) or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BadDocument(f"{key}: expected a list of names")
    return names


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


_ARN = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):(?:user|role)/.+")


def _arn(body: Mapping[str, Any], where: str) -> tuple[str, str]:
    arn = body.get("Arn")
    found = _ARN.fullmatch(arn) if isinstance(arn, str) else None
    if not found:
        raise BadDocument(f"{where}: expected the ARN of a user or role in every Arn")
    return found[0], found[1]


def _default_version(managed: Mapping[str, Any]) -> tuple[Statement, ...] | None:
    for version in _objects(managed.get("PolicyVersionList")):
        if version.get("IsDefaultVersion"):
            return _statements(version.get("Document"))
    return None


def _statements(document: Any) -> tuple[Statement, ...] | None:
    """What a document says of reading; None when it cannot be understood."""
    if isinstance(document, str):  # as the API sends it: JSON, percent-encoded
        document = unquote(document) if document.lstrip()[:1] == "%" else document
    try:
        return about_reading(s3_policy.parse(document))
    except (BadPolicy, RecursionError, TypeError):
        return None


def about_reading(statements: Iterable[Statement]) -> tuple[Statement, ...]:
    wanted = (*READ_ACTIONS, DECRYPT)
    return tuple(statement for statement in statements if statement.may_do(wanted))


def _tags(body: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    return {
        f"aws:principaltag/{tag.get('Key')}".lower(): (str(tag.get("Value", "")),)
        for tag in _objects(body.get("Tags"))
    }


def _context(number: str, values: Mapping[str, tuple[str, ...]], absent: set[str]) -> Context:
    own = {"aws:principalaccount": (number,), "aws:principalisawsservice": ("false",)}
    return Context({**own, **values}, frozenset({*absent, *ONLY_FROM_SERVICES}))


ONLY_FROM_SERVICES = frozenset(
    {
        "aws:sourcearn",
        "aws:sourceaccount",
        "aws:sourceowner",
        "aws:sourceorgid",
        "aws:sourceorgpaths",
        "aws:principalservicename",
        "aws:principalservicenameslist",
        "aws:calledvia",
        "aws:calledviafirst",
        "aws:calledvialast",
    }
)
"""keys that a request made by a principal itself does not have"""


# --- control policies of an organisation ----------------------------------------------------------


def levels(document: Any, what: str) -> Levels:
    """From a list of levels, the root of the organisation first, each a list of policies: the
    documents, or answers of ``aws organizations describe-policy``. A list of policies is one level.
    Raises ``BadDocument``."""
    if not isinstance(document, list) or not document:
        raise BadDocument(
            "expected a list of levels, from the root of the organisation down to the account, each"
            " a list of policies (a document with Statement, or what describe-policy answers)"
        )
    nested = document if all(isinstance(level, list) for level in document) else [document]
    return tuple(
        tuple(_control(each, f"{what}, level {number}") for each in level)
        for number, level in enumerate(nested, 1)
    )


def _control(body: Any, where: str) -> Policy:
    name = ""
    if isinstance(body, Mapping) and isinstance(body.get("Policy"), Mapping):
        body = body["Policy"]
    if isinstance(body, Mapping) and "Content" in body:
        summary = body.get("PolicySummary")
        name = str(summary.get("Name", "")) if isinstance(summary, Mapping) else ""
        body = body["Content"]
    try:
        if isinstance(body, str):
            body = json.loads(body)
        if not isinstance(body, Mapping) or "Statement" not in body:
            raise BadPolicy("expected a policy document with Statement")
        statements = s3_policy.parse(body)
    except (BadPolicy, ValueError, RecursionError) as error:
        said = str(error) if isinstance(error, BadPolicy) else "expected a policy document"
        raise BadDocument(f"{where}: {said}") from None
    return Policy(f"{where} {name}".rstrip(), about_reading(statements))
