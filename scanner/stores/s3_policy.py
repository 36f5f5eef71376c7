"""Bucket policies: which statements open a bucket to everybody, and whom they name.

"Public" is AWS's rule ("The meaning of public" in the S3 user guide on blocking public access): a
statement is public unless it grants to fixed principals, or its condition holds one of a list of
keys to fixed values, which have no wildcard and no policy variable. On top of the rule:
a condition that is also true when the key is missing (``...IfExists``, ``ForAllValues:``) fixes
nothing, and a Deny that covers the same actions and resources for everybody takes a statement back.
Pure functions over the policy document; nothing here calls AWS.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

from detectors.records import dataclass

READ_ACTIONS = ("s3:GetObject", "s3:GetObjectVersion")
LIST_ACTIONS = ("s3:ListBucket", "s3:ListBucketVersions")
WRITE_ACTIONS = (
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:PutObjectAcl",
    "s3:PutBucketAcl",
    "s3:PutBucketPolicy",
    "s3:DeleteBucketPolicy",
    "s3:AbortMultipartUpload",
    "s3:RestoreObject",
)

# keys whose fixed value ties a request to somebody in particular, in lower case
_TYING_KEYS = frozenset(
    {
        "aws:sourceip",
        "aws:sourcearn",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:sourceowner",
        "aws:sourceaccount",
        "aws:sourceorgid",
        "aws:sourceorgpaths",
        "aws:principalarn",
        "aws:principalaccount",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:userid",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
        "s3:dataaccesspointarn",
        "s3:dataaccesspointaccount",
        "kms:calleraccount",
    }
)
_ARN_KEYS = frozenset({"aws:sourcearn", "aws:principalarn", "s3:dataaccesspointarn"})
_EQUAL = frozenset(
    {"stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike", "ipaddress"}
)
_UNEQUAL = frozenset(
    {
        "stringnotequals",
        "stringnotequalsignorecase",
        "stringnotlike",
        "arnnotequals",
        "arnnotlike",
        "notipaddress",
    }
)
# the widest address range that is not public, in bits of prefix
_NARROW = {4: 8, 6: 32}


class BadPolicy(ValueError):
    """The document is not a policy; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, in lists. ``principals`` are (type, value) pairs, ``*`` for both when the
    principal is a bare ``*``; empty where the statement has none."""

    label: str
    allow: bool
    principals: tuple[tuple[str, str], ...]
    but_principals: bool
    """True when ``principals`` stood in NotPrincipal: everybody but these"""
    actions: tuple[str, ...]
    but_actions: bool
    resources: tuple[str, ...]
    but_resources: bool
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...] = field(default=())
    """(operator, key, values), operator and key in lower case; all must hold"""
    variables: bool = False
    """whether ``${aws:username}`` and the like mean something: in the newer policy language only"""

    def may_do(self, actions: tuple[str, ...]) -> tuple[str, ...]:
        """Those of ``actions`` that the statement speaks of."""
        return tuple(
            action
            for action in actions
            if any(_glob(pattern, action, fold=True) for pattern in self.actions)
            is not self.but_actions
        )

    def touches(self, scope: str) -> bool:
        """Whether it speaks of anything that the pattern ``scope`` (an ARN) matches."""
        if self.but_resources:
            return not any(covers(pattern, scope) for pattern in self.resources)
        return any(meet(pattern, scope) for pattern in self.resources)

    @property
    def everybody(self) -> bool:
        """Whether the principal element alone lets everybody in."""
        return self.but_principals or any("*" in value for _, value in self.principals)


def parse(text: str | bytes | Mapping[str, Any]) -> tuple[Statement, ...]:
    """The statements of a policy document. Raises ``BadPolicy``."""
    if isinstance(text, Mapping):
        document: Any = text
    else:
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            raise BadPolicy("expected a JSON document") from None
    if not isinstance(document, Mapping):
        raise BadPolicy("expected a JSON object")
    statements = document.get("Statement", [])
    if isinstance(statements, Mapping):
        statements = [statements]
    if not isinstance(statements, list):
        raise BadPolicy("Statement: expected a list")
    newer = document.get("Version") == "2012-10-17"
    return tuple(_statement(number, body, newer) for number, body in enumerate(statements, 1))


def _statement(number: int, body: Any, newer: bool) -> Statement:
    if not isinstance(body, Mapping) or body.get("Effect") not in {"Allow", "Deny"}:
        raise BadPolicy(f"statement {number}: expected an object whose Effect is Allow or Deny")
    sid = body.get("Sid")
    return Statement(
        label=f"statement {sid}" if isinstance(sid, str) and sid else f"statement {number}",
        allow=body["Effect"] == "Allow",
        principals=tuple(_principals(body.get("Principal", body.get("NotPrincipal")))),
        but_principals="Principal" not in body and "NotPrincipal" in body,
        actions=_strings(body.get("Action", body.get("NotAction"))),
        but_actions="Action" not in body and "NotAction" in body,
        resources=_strings(body.get("Resource", body.get("NotResource"))),
        but_resources="Resource" not in body and "NotResource" in body,
        conditions=tuple(_conditions(body.get("Condition"), number)),
        variables=newer,
    )


def _strings(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, bool):
        return ("true" if value else "false",)
    if isinstance(value, int | float):
        return (str(value),)
    if isinstance(value, list):
        return tuple(text for item in value for text in _strings(item))
    return ()


def _principals(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield ("*" if value == "*" else "AWS", value)
    elif isinstance(value, Mapping):
        for kind, names in value.items():
            yield from ((str(kind), name) for name in _strings(names))


def _conditions(value: Any, number: int) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    if value is None:
        return
    if not isinstance(value, Mapping):
        raise BadPolicy(f"statement {number}: Condition: expected an object")
    for operator, keys in value.items():
        if not isinstance(keys, Mapping):
            raise BadPolicy(f"statement {number}: Condition: {operator}: expected an object")
        for key, values in keys.items():
            yield str(operator).lower(), str(key).lower(), _strings(values)


# --- the rule -------------------------------------------------------------------------------------


def public(
    statements: tuple[Statement, ...],
    actions: tuple[str, ...] | None = None,
    scopes: tuple[str, ...] = ("*",),
) -> tuple[Statement, ...]:
    """The statements that let everybody do one of ``actions`` (any, when None) on what
    the ARN patterns ``scopes`` match."""
    return tuple(
        statement
        for statement in statements
        if statement.allow
        and statement.everybody
        and (actions is None or statement.may_do(actions))
        and any(statement.touches(scope) for scope in scopes)
        and not _ties(statement.conditions)
        and not any(_takes_back(deny, statement, actions) for deny in statements)
    )


def _ties(conditions: tuple[tuple[str, str, tuple[str, ...]], ...]) -> bool:
    """Whether the conditions, all of which must hold, tie a request to fixed somebodies."""
    present = {
        key
        for operator, key, values in conditions
        if operator == "null" and set(values) == {"false"}
    }
    for operator, key, values in conditions:
        quantifier, _, bare = operator.rpartition(":")
        without = bare.removesuffix("ifexists")
        true_when_missing = without != bare or quantifier == "forallvalues"
        if true_when_missing and key not in present:
            continue
        if without in _EQUAL and _fixed(key, values):
            return True
    return False


def _fixed(key: str, values: tuple[str, ...]) -> bool:
    if key not in _TYING_KEYS or not values:
        return False
    if key == "aws:sourceip":
        return all(_narrow(value) for value in values)
    if key == "aws:userid":
        # "outside the pattern AROLEID:*": the sessions of a role are named by whoever starts them
        return all(_no_wildcard(value) and not _ROLE_SESSION.match(value) for value in values)
    if key in _ARN_KEYS:
        return all(_arn_fixed(value) for value in values)
    return all(_no_wildcard(value) for value in values)


_ROLE_SESSION = re.compile(r"AROA[A-Z0-9]+:")


def _no_wildcard(value: str) -> bool:
    return bool(value) and not any(mark in value for mark in ("*", "?", "${"))


def _arn_fixed(value: str) -> bool:
    """An ARN is fixed when its account is; one without an account, such as a bucket's, when
    all of it is. One of IAM or STS without an account names nobody and fixes nothing."""
    parts = value.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or not all(map(_no_wildcard, parts[1:3])):
        return False
    service, account, resource = parts[2], parts[4], parts[5]
    if account:
        return _no_wildcard(account)
    return service not in {"iam", "sts"} and _no_wildcard(resource)


def _narrow(value: str) -> bool:
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        return False
    return network.prefixlen >= _NARROW[network.version]


def _takes_back(deny: Statement, allowed: Statement, actions: tuple[str, ...] | None) -> bool:
    """Whether a Deny leaves of a public Allow nothing, or fixed somebodies only."""
    if deny.allow or deny.but_actions or deny.but_resources:
        return False
    if allowed.but_actions or allowed.but_resources:
        patterns_covered = "*" in deny.actions and "*" in deny.resources
    else:
        wanted = allowed.may_do(actions) if actions is not None else allowed.actions
        patterns_covered = all(
            any(covers(pattern.lower(), action.lower()) for pattern in deny.actions)
            for action in wanted
        ) and all(
            any(covers(pattern, resource) for pattern in deny.resources)
            for resource in allowed.resources
        )
    if not patterns_covered:
        return False
    if deny.but_principals:  # everybody but fixed ones
        return not deny.conditions and not any("*" in value for _, value in deny.principals)
    if not any(value == "*" for _, value in deny.principals):
        return False
    # "unless from here": each condition holds for all but fixed somebodies
    return all(
        operator.removesuffix("ifexists") in _UNEQUAL and _fixed(key, values)
        for operator, key, values in deny.conditions
    )


def denies_only_plain_http(statement: Statement) -> bool:
    """Whether a Deny is about requests without TLS and nothing else."""
    return (
        not statement.allow
        and bool(statement.conditions)
        and all(
            operator.removesuffix("ifexists") == "bool"
            and key == "aws:securetransport"
            and values == ("false",)
            for operator, key, values in statement.conditions
        )
    )


def tls_only(statements: tuple[Statement, ...], scope: str) -> bool:
    """Whether everybody is denied to read what ``scope`` matches without TLS."""
    return any(
        denies_only_plain_http(statement)
        and not statement.but_principals
        and any(value == "*" for _, value in statement.principals)
        and "s3:GetObject" in statement.may_do(READ_ACTIONS)
        and not statement.but_resources
        and any(covers(pattern, scope) for pattern in statement.resources)
        for statement in statements
    )


# --- wildcards ------------------------------------------------------------------------------------


def _glob(pattern: str, text: str, fold: bool = False) -> bool:
    """Whether a pattern with ``*`` and ``?`` matches all of a text."""
    if fold:
        pattern, text = pattern.lower(), text.lower()
    return covers(pattern, text)


def covers(pattern: str, other: str) -> bool:
    """Whether ``pattern`` matches all that ``other`` matches. Each ``*`` and ``?`` of ``other`` is
    taken as a character that only ``*`` (or, for ``?``, also ``?``) matches: exact for texts,
    and never too generous for patterns."""
    at, back, mark = 0, -1, 0
    i = 0
    while i < len(other):
        if at < len(pattern) and pattern[at] == "*":
            back, mark = at, i
            at += 1
        elif at < len(pattern) and other[i] != "*" and pattern[at] in {other[i], "?"}:
            at += 1
            i += 1
        elif back >= 0:
            mark += 1
            at, i = back + 1, mark
        else:
            return False
    return all(char == "*" for char in pattern[at:])


def meet(one: str, other: str) -> bool:
    """Whether some text matches both patterns."""
    reachable = {0}
    for j in range(len(other) + 1):
        # positions of ``one`` after skipping its stars for nothing
        spread = set()
        for i in reachable:
            spread.add(i)
            while i < len(one) and one[i] == "*":
                i += 1
                spread.add(i)
        if j == len(other):
            return len(one) in spread
        reachable = set()
        for i in spread:
            if other[j] == "*":
                # ``other`` may take any number of characters: all later positions can be met
                reachable.update(range(i, len(one) + 1))
            elif i < len(one) and one[i] == "*":
                reachable.add(i)
            elif i < len(one) and (one[i] in {other[j], "?"} or other[j] == "?"):
                reachable.add(i + 1)
        if not reachable:
            return False
    return False
