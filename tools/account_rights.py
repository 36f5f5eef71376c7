"""The rights of an account made from a seed: users, groups, policies, and who then could read.

Who could is judged by the evaluator out of a saved answer of ``get-account-authorization-details``
and a bucket policy; who did comes out of the logs of the account. What the two together must come
to is known, for the rights were given here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scanner.model import Access, Grant
from scanner.stores import iam_account, s3_policy
from scanner.stores.iam_conditions import NO, YES, Context
from scanner.stores.iam_evaluate import Door, Policy, decide
from scanner.whoread import Relation, people
from tools.account_checks import PAY, case
from tools.account_logs import FOREIGN, OWNER, arn
from tools.accounts import NOBODY, READ, Account

_OBJECT = f"arn:aws:s3:::{PAY}/customers/1.json"
_ACTION = "s3:GetObject"
_IDLE = ("idle-by-group", "idle-by-its-own")
_SHUT = ("without-a-policy", "of-another-bucket", "denied", "bounded")
"""users whose policies let them read nothing here"""


def _document(effect: str, resource: str, **more: Any) -> dict[str, Any]:
    statement = {"Effect": effect, "Action": ["s3:Get*"], "Resource": resource, **more}
    return {"Version": "2012-10-17", "Statement": [statement]}


_PAY, _ELSE = _document("Allow", f"arn:aws:s3:::{PAY}/*"), _document("Allow", "arn:aws:s3:::else/*")
_DENY = _document("Deny", "*")
_BOUNDARY = "arn:aws:iam::aws:policy/Boundary"


def details(account: Account) -> tuple[dict[str, Any], frozenset[str]]:
    """What IAM would answer, and the users who then can read: whoever reads can, but for one who
    lost the right since, and some can who never do."""
    readers = sorted({act.who for act in account.acts if act.what == READ and not act.other})
    mine = [who for who in readers if arn(who).split(":")[4:5] == [OWNER]]
    lost = mine[-1]
    users = []
    for number, who in enumerate([*mine, *_IDLE, *_SHUT]):
        user: dict[str, Any] = {"UserName": who, "Arn": arn(who), "Path": "/"}
        own: list[dict[str, Any]] = []
        if who in (lost, "without-a-policy"):
            pass
        elif who == "of-another-bucket":
            own = [{"PolicyName": "own", "PolicyDocument": _ELSE}]
        elif who == "idle-by-group" or (number % 2 and who in mine):
            user["GroupList"] = ["readers"]
        else:
            own = [{"PolicyName": "own", "PolicyDocument": _PAY}]
        if who == "denied":
            own.append({"PolicyName": "no", "PolicyDocument": _DENY})
        if who == "bounded":
            user["PermissionsBoundary"] = {"PermissionsBoundaryArn": _BOUNDARY}
        users.append({**user, "UserPolicyList": own, "AttachedManagedPolicies": []})
    group = {"GroupName": "readers", "Arn": f"arn:aws:iam::{OWNER}:group/readers", "Path": "/"}
    version = {"VersionId": "v1", "IsDefaultVersion": True, "Document": _ELSE}
    managed = {"Arn": _BOUNDARY, "PolicyName": "Boundary", "DefaultVersionId": "v1"}
    document = {
        "UserDetailList": users,
        "RoleDetailList": [],
        "GroupDetailList": [
            {**group, "GroupPolicyList": [{"PolicyName": "read", "PolicyDocument": _PAY}]}
            | {"AttachedManagedPolicies": []}
        ],
        "Policies": [{**managed, "PolicyVersionList": [version]}],
    }
    return document, frozenset(arn(who) for who in [*mine, *_IDLE] if who != lost)


def wrong_rights(account: Account) -> Iterator[str]:
    """A sentence for each principal that could, or did, and is said otherwise."""
    document, able = details(account)
    foreign = _document("Allow", f"arn:aws:s3:::{PAY}/*", Principal={"AWS": FOREIGN})
    door = Door(OWNER, Policy("bucket policy", s3_policy.parse(foreign)))
    grants = []
    for who in iam_account.account(document).principals:
        decision = decide(who, door, _ACTION, _OBJECT, Context())
        if who.kind != "user":
            continue
        if decision.holds not in (YES, NO) or (decision.holds == YES) != (who.name in able):
            yield f"{who.name}: wanted {who.name in able}, found {decision.holds}"
        if decision.holds == YES:
            grants.append(Grant(who.name, "user", "allow", decision.via))
    grants.append(Grant(FOREIGN, "account", "allow", "bucket policy, statement 1"))
    made = case(account, "CloudTrail")
    result = made.collect()[made.form.uri(PAY)]
    access = Access(
        evidence=(result.evidence,),
        did_read=result.reads,
        could_read=tuple(grants),
        could_read_known=True,
    )
    read = {each.principal for each in result.reads if each.reads}
    for seen in people(access):
        wanted = _wanted(seen.principal, able, read)
        if seen.relation is not wanted:
            yield f"{seen.principal}: wanted “{wanted}”, found “{seen.relation}”"
    missing = (able | read) - {each.principal for each in people(access)}
    yield from (f"{name}: in no answer" for name in sorted(missing))


def _wanted(name: str, able: frozenset[str], read: set[str]) -> Relation:
    if name in (FOREIGN, f"account {FOREIGN}") or f":{FOREIGN}:" in name:
        return Relation.DID
    if name == arn(NOBODY):
        return Relation.HOW
    if name in read:
        return Relation.DID if name in able else Relation.HOW
    return Relation.NEVER if name in able else Relation.REFUSED
