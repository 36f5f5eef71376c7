"""The least grant of a bucket: two statements for its policy."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import chain
from typing import Any

from scanner.least_parts import Case, no_cards, note_names, sealed
from scanner.whoread import SESSION, Seen

READING = (
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:GetObjectVersionForReplication",
    "s3:GetObjectTorrent",
    "s3:GetObjectVersionTorrent",
)
_POLICY_BYTES = 20_480

_NAMED = re.compile(r"arn:aws[a-z-]*:(?:iam|sts)::\d{12}:(?:root|(?:user|role|federated-user)/.+)")
_ITSELF = frozenset({"user", "role", "root", "role-session", "service-linked-role"})
"""kinds of grants that let in one principal, which they name in full: a role with its path"""
_STRANGER = re.compile(r"account (\d{12}) \((A(?:ROA|IDA)[A-Z0-9]+)(:.*)?\)")
"""somebody of another account, of whom CloudTrail tells the unique id only (``aws:userid``)"""
_TAKEN = re.compile(r"arn:(aws[a-z-]*):sts::(\d{12}):assumed-role/([^/]+)(?:/.*)?")


def write(case: Case) -> tuple[str, list[str]]:
    """The policy, and what to know of it; none that would cut off everybody who read."""
    arns: dict[str, None] = {}
    services: dict[str, None] = {}
    foreign: dict[str, list[str]] = {}
    unnamed = []
    for each in case.keep:
        name = _arn(each)
        service = each.principal.removeprefix("svc:")
        if _NAMED.fullmatch(name) and not sealed(name):
            arns[name] = None
        elif service.endswith(".amazonaws.com"):
            services[service] = None
        elif stranger := _STRANGER.fullmatch(each.principal):
            known = foreign.setdefault(stranger[1], [])
            # of a role with all its sessions
            name = stranger[2] + (":*" if stranger[3] else "")
            known.extend([] if name in known else [name])
        else:
            unnamed.append(each.principal)
    if unnamed and not (arns or services or foreign):
        why = f"a bucket policy of AWS can name nobody who read: {note_names(unnamed)}"
        return "", [f"No least grant can be proposed: {why}."]
    text = json.dumps(_policy(case, sorted(arns), sorted(services), foreign), indent=2)
    return text, list(_notes(case, unnamed, len(text)))


def _arn(each: Seen) -> str:
    own = each.grant is not None and each.grant.kind in _ITSELF
    name = each.grant.principal if own and each.grant else each.principal.partition(SESSION)[0]
    taken = _TAKEN.fullmatch(name)
    return f"arn:{taken[1]}:iam::{taken[2]}:role/{taken[3]}" if taken else name


def _policy(
    case: Case, arns: list[str], services: list[str], foreign: Mapping[str, list[str]]
) -> dict[str, Any]:
    partition = arns[0].split(":")[1] if arns else "aws"
    bucket, _, prefix = case.report.store.uri.removeprefix("s3://").partition("/")
    objects = f"arn:{partition}:s3:::{bucket}/"
    resources = [f"{objects}{prefix}", f"{objects}{prefix}/*"] if prefix else [f"{objects}*"]
    others: dict[str, Any] = {"Bool": {"aws:PrincipalIsAWSService": "false"}}
    if arns:
        others["StringNotEquals"] = {"aws:PrincipalArn": arns}
    if foreign:
        others["StringNotLike"] = {"aws:userid": sorted(chain(*foreign.values()))}
    statements: list[dict[str, Any]] = [
        {
            "Sid": "NobodyElseReads",
            "Effect": "Deny",
            "Principal": "*",
            "Action": list(READING),
            "Resource": resources,
            "Condition": others,
        }
    ]
    who = {
        **({"AWS": arns} if arns else {}),
        **({"Service": services} if services else {}),
    }
    if who:
        statements.append(
            {
                "Sid": "ThoseWhoReadMay",
                "Effect": "Allow",
                "Principal": who,
                "Action": "s3:GetObject",
                "Resource": resources,
            }
        )
    for account, names in sorted(foreign.items()):
        statements.append(
            {
                "Sid": f"ThoseOf{account}May",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:{partition}:iam::{account}:root"},
                "Action": "s3:GetObject",
                "Resource": resources,
                "Condition": {"StringLike": {"aws:userid": sorted(names)}},
            }
        )
    return {"Version": "2012-10-17", "Statement": statements}


def _notes(case: Case, unnamed: list[str], size: int) -> list[str]:
    notes = [
        "Put the statements into the bucket policy beside those that are to stay, and take away the"
        " statements that let in others. The Deny cuts off identity policies too; services of AWS"
        " are not cut off by it."
    ]
    if unnamed:
        notes.append(
            f"Read, and would be cut off, as it cannot be named in a policy: {note_names(unnamed)}."
        )
    apart = [each.principal for each in case.keep if no_cards(each)]
    if apart:
        notes.append(
            "Read no object that holds cards; with those moved apart they need not be kept:"
            f" {note_names(apart)}."
        )
    if size > _POLICY_BYTES:
        notes.append("It is longer than a bucket policy may be (20 KB): name a role for them.")
    return notes
