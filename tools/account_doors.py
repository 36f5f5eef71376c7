"""Buckets made from a seed, with everything that can stand between a principal and an object: its
policies and boundary, control policies, the bucket's policy, Public Access Block, ACLs, an access
point, the key.

    wrong_doors(seed)      # nothing, if who could read comes out as it was built

What must come out follows from what was built (``Own.wanted``, ``_strangers``), not from judging
policies: each layer is there or not, and lets its principal through or does not.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from scanner.stores import iam_account, s3_policy
from scanner.stores.iam_ask import _grant
from scanner.stores.s3_controls import Answer, Controls
from scanner.stores.s3_facts import Scope
from scanner.stores.s3_readers import Key, Point, Surroundings, readers

OWN, PARTNER, UNSEEN, BEHIND = "123456789012", "444455556666", "777788889999", "222233334444"
"""the bucket's account; one whose users are known; one of which nothing is; one that comes in
through the access point"""
_BUCKET = "pay"
_OBJECTS = f"arn:aws:s3:::{_BUCKET}/*"
_POINT = f"arn:aws:s3:eu-west-1:{OWN}:accesspoint/door"
_KEY = f"arn:aws:kms:eu-west-1:{OWN}:key/k1"
_WIDE, _NARROW = (f"arn:aws:iam::{OWN}:policy/{name}" for name in ("wide", "narrow"))
_MANAGED = f"arn:aws:iam::{OWN}:policy/read"
_WAYS = ("none", "else", "inline", "group", "managed")
_READS = ("inline", "group", "managed")
_ACLS = "ACLs of single objects count"


def _statement(effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": "s3:GetObject", "Resource": _OBJECTS, **more}


def _document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


_USE_KEY = _statement(Action="kms:Decrypt", Resource="*")


@dataclass(frozen=True)
class Setting:
    """What holds for the bucket as a whole."""

    public: bool
    """its policy lets anyone read"""
    blocked: bool
    """RestrictPublicBuckets"""
    encrypted: bool
    """with a key of KMS"""
    point: bool
    """it can be read through an access point"""
    acls: bool
    """object ownership lets ACLs count"""

    @property
    def cut_off(self) -> bool:
        return self.public and self.blocked


@dataclass(frozen=True)
class Own:
    """A user or role of the bucket's account, and what of it lets it through."""

    name: str
    kind: str
    way: str
    """how its policies let it read: one of ``_WAYS``"""
    boundary: str = ""
    denied: str = ""
    """by which policy"""
    mfa: bool = False
    """its own policy asks for that"""
    key: str = "none"
    """how it may use the key: none, identity, policy, grant"""
    pointed: bool = False
    """the access point's policy names it"""

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{OWN}:{self.kind}/{self.name}"

    def wanted(self, setting: Setting) -> str | None:
        """None: it cannot."""
        if self.denied:
            return None
        by_itself = self.way in _READS and self.boundary != _NARROW
        let_in = setting.public or (self.pointed and setting.point)
        if not (by_itself or let_in):
            return None
        if setting.encrypted and self.key == "none":
            return "conditional"  # only what is encrypted otherwise
        return "conditional" if self.mfa and not let_in else "allow"

    # --- as IAM tells it

    def told(self) -> dict[str, Any]:
        asked = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
        limit: dict[str, Any] = {"Condition": asked} if self.mfa else {}
        own = []
        if self.way == "else":
            own.append(_statement(Resource="arn:aws:s3:::else/*"))
        if self.way == "inline":
            own.append(_statement(**limit))
        if self.key == "identity":
            own.append(_USE_KEY)
        if self.denied == "own":
            own.append(_statement("Deny"))
        listed = [{"PolicyName": "own", "PolicyDocument": _document(*own)}] if own else []
        managed = [{"PolicyName": "read", "PolicyArn": _MANAGED}] if self.way == "managed" else []
        noun = self.kind.capitalize()
        told: dict[str, Any] = {
            f"{noun}Name": self.name,
            "Arn": self.arn,
            "Path": "/",
            f"{noun}PolicyList": listed,
            "AttachedManagedPolicies": managed,
        }
        if self.way == "group":
            told["GroupList"] = ["readers"]
        if self.boundary:
            told["PermissionsBoundary"] = {"PermissionsBoundaryArn": self.boundary}
        return told


def _own(rng: random.Random, setting: Setting, number: int) -> Own:
    kind = rng.choice(["user", "role"])
    way = rng.choice([each for each in _WAYS if kind == "user" or each != "group"])
    denied = rng.choice(["", "", "", "own", "bucket", "control"])
    pointed = rng.random() < 0.2
    # what a boundary leaves of a bucket's policy depends on whom and how that names: not built here
    bounded = not (setting.public or pointed) and rng.random() < 0.4
    return Own(
        name=f"{'fenced-' if denied == 'control' else ''}{kind}-{number}",
        kind=kind,
        way=way,
        boundary=rng.choice([_WIDE, _NARROW]) if bounded else "",
        denied=denied,
        mfa=way == "inline" and rng.random() < 0.3,
        key=rng.choice(["none", "identity", "policy", "grant"]),
        pointed=pointed,
    )


def _details(principals: list[Own]) -> dict[str, Any]:
    def managed(arn: str, *statements: dict[str, Any]) -> dict[str, Any]:
        version = {"VersionId": "v1", "IsDefaultVersion": True, "Document": _document(*statements)}
        return {"Arn": arn, "PolicyName": arn.rpartition("/")[2], "PolicyVersionList": [version]}

    return {
        "UserDetailList": [each.told() for each in principals if each.kind == "user"],
        "RoleDetailList": [each.told() for each in principals if each.kind == "role"],
        "GroupDetailList": [
            {
                "GroupName": "readers",
                "Arn": f"arn:aws:iam::{OWN}:group/readers",
                "GroupPolicyList": [
                    {"PolicyName": "shared", "PolicyDocument": _document(_statement())}
                ],
            }
        ],
        "Policies": [
            managed(_MANAGED, _statement()),
            managed(_WIDE, _statement(Action=["s3:*", "kms:*"], Resource="*")),
            managed(_NARROW, _statement(Action="s3:*", Resource="arn:aws:s3:::else/*")),
        ],
    }


def _partners() -> dict[str, Any]:
    """One who may on its own side, and one who may not."""

    def user(name: str, *statements: dict[str, Any]) -> dict[str, Any]:
        policy = {"PolicyName": "own", "PolicyDocument": _document(*statements)}
        arn = f"arn:aws:iam::{PARTNER}:user/{name}"
        return {"UserName": name, "Arn": arn, "UserPolicyList": [policy]}

    return {"UserDetailList": [user("may", _statement(), _USE_KEY), user("may-not", _USE_KEY)]}


def _strangers(setting: Setting, with_key: frozenset[str]) -> dict[str, str]:
    """Who else could, and how."""
    found = {}

    def let_in(name: str, account: str) -> None:
        shut = setting.encrypted and account not in with_key
        found[name] = "conditional" if shut else "allow"

    if not setting.cut_off:
        let_in(f"arn:aws:iam::{PARTNER}:user/may", PARTNER)
        let_in(UNSEEN, UNSEEN)
        if setting.point:
            let_in(BEHIND, BEHIND)
        if setting.public:
            let_in("everyone", "")
    return found


def _bucket_policy(setting: Setting, principals: list[Own]) -> dict[str, Any]:
    statements = [_statement(Principal={"AWS": [PARTNER, UNSEEN]}, Sid="Partners")]
    if setting.public:
        statements.append(_statement(Principal="*", Sid="Open"))
    if setting.point:
        through = {"StringEquals": {"s3:DataAccessPointAccount": OWN}}
        statements.append(_statement(Principal="*", Condition=through, Sid="Points"))
    refused = [each.arn for each in principals if each.denied == "bucket"]
    if refused:
        statements.append(_statement("Deny", Principal={"AWS": refused}, Sid="NotThem"))
    return _document(*statements)


def _control_policies() -> list[Any]:
    everything = _document(_statement(Action="*", Resource="*"))
    fence = {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{OWN}:*/fenced-*"}}
    return [[everything], [everything, _document(_statement("Deny", Condition=fence))]]


def _key(principals: list[Own], with_key: frozenset[str]) -> Key:
    """Leaves it to identity policies of the account, names some principals, grants it to others."""
    named = [each.arn for each in principals if each.key == "policy"] + sorted(with_key)
    who = [f"arn:aws:iam::{OWN}:root", *named]
    policy = s3_policy.parse(_document({**_USE_KEY, "Principal": {"AWS": who}}))
    grants = [
        _grant({"GrantId": each.name, "GranteePrincipal": each.arn, "Operations": ["Decrypt"]})
        for each in principals
        if each.key == "grant"
    ]
    return Key(_KEY, OWN, (*policy, *grants))


def _point(principals: list[Own]) -> Point:
    named = [BEHIND, *(each.arn for each in principals if each.pointed)]
    inside = _statement(Principal={"AWS": named}, Resource=f"{_POINT}/object/*")
    return Point("door", _POINT, OWN, s3_policy.parse(_document(inside)))


def _controls(setting: Setting, policy: dict[str, Any]) -> Controls:
    everyone = {"URI": "http://acs.amazonaws.com/groups/global/AllUsers"}
    listed = [{"Grantee": everyone, "Permission": "READ"}] if setting.acls else []
    nothing = Answer()
    return Controls(
        aws=True,
        policy=Answer(json.dumps(policy)),
        policy_status=Answer(setting.public),
        acl=Answer(listed),
        ownership=Answer("ObjectWriter" if setting.acls else "BucketOwnerEnforced"),
        bucket_block=Answer({"RestrictPublicBuckets": True}) if setting.blocked else nothing,
        account_block=nothing,
        encryption=nothing,
        versioning=nothing,
        logging=nothing,
        object_lock=nothing,
    )


def wrong_doors(seed: int, people: int = 24) -> Iterator[str]:
    """A sentence for each principal that is said to be able where it is not, and so on."""
    rng = random.Random(seed)
    setting = Setting(*(rng.random() < share for share in (0.3, 0.5, 0.5, 0.5, 0.3)))
    principals = [_own(rng, setting, number) for number in range(people)]
    strange = (PARTNER, UNSEEN, BEHIND)
    with_key = frozenset(each for each in strange if rng.random() < 0.5)
    around = Surroundings(
        owner=OWN,
        accounts=tuple(map(iam_account.account, (_details(principals), _partners()))),
        service_control=iam_account.levels(_control_policies(), "scps"),
        points=(_point(principals),) if setting.point else (),
        key=_key(principals, with_key) if setting.encrypted else None,
        region="eu-west-1",
        now=datetime(2026, 6, 1, tzinfo=UTC),
        doubts=(),
    )
    controls = _controls(setting, _bucket_policy(setting, principals))
    found = readers(controls, Scope(_BUCKET), around, lambda name: name)
    said = {grant.principal: grant.state for grant in found.grants if grant.kind != "root"}
    wanted: dict[str, str | None] = {each.arn: each.wanted(setting) for each in principals}
    wanted.update(_strangers(setting, with_key))
    for name in sorted(wanted.keys() | said.keys()):
        if wanted.get(name) != said.get(name):
            about = next((each for each in principals if each.arn == name), name)
            yield f"{setting} {about}: wanted {wanted.get(name)}, found {said.get(name)}"
    whole = not any(_ACLS in doubt for doubt in found.doubts)
    if whole == setting.acls or len(found.doubts) != setting.acls:
        yield f"{setting}: the list is called whole: {whole}, doubts {found.doubts}"
