"""Callers of every kind, made from a seed, as CloudTrail writes them, and what each must be called.

    wrong_callers(seed)    # nothing, if every caller is told as who it was made

A role's sessions, those with a source identity, people of IAM Identity Center, services that call
for themselves or for somebody, other accounts, nobody at all. The name that must come out is
written beside each caller when it is made.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from scanner import registry
from scanner.model import Access, Grant, Reads, Store
from scanner.whoread import Relation, people
from tools.account_checks import SEALER, opener
from tools.account_logs import FOREIGN, OWNER, Files, athena, event, lake, lines, packed
from tools.accounts import DENIED, END, READ, Act

_WINDOW = (END - timedelta(days=10), END)
_FORMS: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {
    "CloudTrail": packed,
    "CloudWatch": lines,
    "Athena, JSON": lambda records: lines(map(athena, records)),
    "CloudTrail Lake": lambda records: lines(map(lake, records)),
}


@dataclass(frozen=True)
class Made:
    """``identity`` is the ``userIdentity``; ``role`` whose rights it has, empty when it has none in
    the account."""

    name: str
    identity: Mapping[str, Any]
    role: str = ""
    flag: str = ""
    """anonymous or foreign-account"""


def _taken(role: str, session: str, account: str = OWNER, **more: Any) -> dict[str, Any]:
    """A session of a role; ``role`` is its name with its path."""
    plain = role.rpartition("/")[2]
    issuer = {"type": "Role", "arn": f"arn:aws:iam::{account}:role/{role}", "userName": plain}
    source = more.pop("source", None)
    return {
        "type": "AssumedRole",
        "principalId": f"AROAEXAMPLE:{session}",
        "arn": f"arn:aws:sts::{account}:assumed-role/{plain}/{session}",
        "accountId": account,
        "sessionContext": {"sessionIssuer": issuer, "attributes": {"mfaAuthenticated": "false"}}
        | ({"sourceIdentity": source} if source else {}),
        **more,
    }


def _users(rng: random.Random) -> Iterator[Made]:
    for number in range(rng.randint(1, 3)):
        name = f"user-{number}.x@firm.example"
        arn = f"arn:aws:iam::{OWNER}:user/staff/{name}"
        identity = {"type": "IAMUser", "arn": arn, "accountId": OWNER, "userName": name}
        yield Made(arn, identity, arn)
    root = f"arn:aws:iam::{OWNER}:root"
    yield Made(root, {"type": "Root", "arn": root, "accountId": OWNER}, root)
    federated = f"arn:aws:sts::{OWNER}:federated-user/guest"
    issuer = {"type": "IAMUser", "arn": f"arn:aws:iam::{OWNER}:user/broker"}
    yield Made(
        f"{issuer['arn']} session guest",
        {"type": "FederatedUser", "arn": federated, "accountId": OWNER}
        | {"sessionContext": {"sessionIssuer": issuer}},
        issuer["arn"],
    )


def _sessions(rng: random.Random) -> Iterator[Made]:
    for role in ("etl", "service-role/apps/web"):
        arn = f"arn:aws:iam::{OWNER}:role/{role}"
        for _ in range(rng.randint(1, 3)):
            session = f"i-{rng.getrandbits(60):015x}"
            yield Made(f"{arn} session {session}", _taken(role, session), arn)
            behalf = _taken(role, f"{session}-b", invokedBy="athena.amazonaws.com")
            yield Made(f"{arn} session {session}-b", behalf, arn)
    sso = "aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Support_0123456789abcdef"
    arn = f"arn:aws:iam::{OWNER}:role/{sso}"
    for who in ("ann@firm.example", "bob@firm.example"):
        yield Made(f"{arn} session {who}", _taken(sso, who), arn)
    for role in ("break-glass", "second"):  # taken from the first: who is behind it stays
        arn = f"arn:aws:iam::{OWNER}:role/{role}"
        said = f"{arn} session hop-1, source identity carol"
        yield Made(said, _taken(role, "hop-1", source="carol"), arn)


def _strangers(rng: random.Random) -> Iterator[Made]:
    service = {"type": "AWSService", "invokedBy": "cloudfront.amazonaws.com"}
    yield Made("cloudfront.amazonaws.com", service, "cloudfront.amazonaws.com")
    nobody = {"type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL"}
    yield Made("anonymous (no credentials)", nobody, flag="anonymous")
    abroad = {"type": "AWSAccount", "principalId": "AIDAX", "accountId": FOREIGN}
    yield Made(f"account {FOREIGN} (AIDAX)", abroad, flag="foreign-account")
    arn = f"arn:aws:iam::{FOREIGN}:role/their"
    session = f"s{rng.randrange(99)}"
    yield Made(
        f"{arn} session {session}", _taken("their", session, FOREIGN), flag="foreign-account"
    )


def _all(seed: int) -> tuple[list[tuple[Made, Act]], list[dict[str, Any]]]:
    rng = random.Random(seed)
    done: list[tuple[Made, Act]] = []
    for made in (*_users(rng), *_sessions(rng), *_strangers(rng)):
        for _ in range(rng.randint(1, 6)):
            when = _WINDOW[0] + timedelta(seconds=rng.randrange(10 * 86_400))
            what = DENIED if rng.random() < 0.2 else READ
            done.append((made, Act(when, "", what, rng.randrange(50))))
    rng.shuffle(done)
    records = [
        {**event(number, act), "userIdentity": dict(made.identity)}
        for number, (made, act) in enumerate(done)
    ]
    return done, records


def _read(files: Files) -> tuple[Reads, ...]:
    found = registry.evidence()["cloudtrail"].collect(
        {"uri": "folder"}, opener(files), [Store("s3://pay", "s3")], _WINDOW, SEALER.name
    )
    return tuple(found["s3://pay"].reads)


def wrong_callers(seed: int) -> Iterator[str]:
    """A sentence for each caller that is called otherwise, or counted wrong, in a form of trail."""
    done, records = _all(seed)
    reads = Counter(made.name for made, act in done if act.what == READ)
    denied = Counter(made.name for made, act in done if act.what == DENIED)
    flags = {made.name: made.flag for made, _ in done}
    wanted = {name: (reads[name], denied[name], flags[name]) for name in flags}
    for form, write in _FORMS.items():
        answer = _read({"a": write(records)})
        natures = ("anonymous", "foreign-account")
        found = {
            each.principal: (
                *(each.reads, each.denied),
                next((flag.rule for flag in each.flags if flag.rule in natures), ""),
            )
            for each in answer
        }
        for name in sorted(wanted.keys() | found.keys()):
            if wanted.get(name) != found.get(name):
                yield f"{form}: {name}: wanted {wanted.get(name)}, found {found.get(name)}"
        if form == "CloudTrail":
            yield from _wrong_rights(answer, {made.name: made.role for made, _ in done})


def _wrong_rights(answer: tuple[Reads, ...], roles: Mapping[str, str]) -> Iterator[str]:
    """Every role and user of the account has the right, the others have none: sessions meet the
    right of their role."""
    kinds = {f"arn:aws:iam::{OWNER}:root": "root", "cloudfront.amazonaws.com": "service"}
    able = sorted({role for role in roles.values() if role})
    grants = tuple(Grant(each, kinds.get(each, "role"), "allow", "made so") for each in able)
    access = Access(did_read=answer, could_read=grants, could_read_known=True)
    seen = {reads.principal: each for each in people(access) for reads in each.reads}
    for name, role in roles.items():
        reads = sum(each.reads or 0 for each in (seen[name].reads if name in seen else ()))
        wanted = Relation.REFUSED if not reads else Relation.DID if role else Relation.HOW
        told = seen[name].relation if name in seen else None
        if told is not wanted:
            yield f"{name}: wanted “{wanted}”, found “{told}”"
