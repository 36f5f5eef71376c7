"""Through the key of the bucket and its access points. Cases of the S3 user guide (SSE-KMS, access
points) and the KMS developer guide (key policies, grants)."""

from __future__ import annotations

from typing import Any

from scanner.stores import s3_policy
from scanner.stores.s3_facts import Scope
from scanner.stores.s3_readers import Key, Point
from tests.stores.policies import (
    BUCKET,
    OTHER,
    OWN,
    ROLE,
    ROOT,
    USER,
    account,
    around,
    document,
    judged,
    statement,
    states,
    via,
)

# --- the key --------------------------------------------------------------------------------------

KEY = f"arn:aws:kms:eu-west-1:{OWN}:key/k1"


def key(*statements: dict[str, Any], **more: Any) -> Key:
    return Key(KEY, OWN, s3_policy.parse(document(*statements)), **more)


def use(effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": "kms:Decrypt", "Resource": "*", **more}


def test_the_key_has_to_let_them_decrypt_too() -> None:
    root = use(Principal={"AWS": ROOT}, Action="kms:*", Sid="Root")
    both = (statement(), use(Resource=KEY))
    with_root = judged(around(account(user=both, role=(statement(),)), key=key(root)))
    assert states(with_root) == {USER: "allow", ROLE: "conditional"}
    assert "kms:Decrypt is not allowed" in via(with_root, ROLE) and KEY in via(with_root, ROLE)
    assert via(with_root, USER).endswith("; inline policy own, statement 2")
    # without the account in the key's policy, identity policies say nothing of the key
    alone = judged(around(account(user=both), key=key(use(Principal={"AWS": ROLE}))))
    assert states(alone) == {USER: "conditional"}
    direct = judged(around(account(user=(statement(),)), key=key(use(Principal={"AWS": USER}))))
    assert states(direct) == {USER: "allow"} and "key policy" in via(direct, USER)
    refused = key(root, use("Deny", Principal={"AWS": USER}))
    assert states(judged(around(account(user=both), key=refused))) == {USER: "conditional"}
    unseen = judged(around(account(user=both), key=key(doubt="who may use the key is not known")))
    assert states(unseen) == {USER: "unknown"} and "not known" in unseen.doubts[0]


def test_conditions_of_a_key_on_the_way_it_is_used() -> None:
    def state(**condition: Any) -> str | None:
        body = use(Principal={"AWS": USER}, Condition={"StringEquals": condition})
        known = around(account(user=(statement(),)), key=key(body, bucket_key=True))
        return states(judged(known)).get(USER)

    assert state(**{"kms:ViaService": "s3.eu-west-1.amazonaws.com"}) == "allow"
    assert state(**{"kms:ViaService": "rds.eu-west-1.amazonaws.com"}) == "conditional"
    assert state(**{"kms:CallerAccount": OWN}) == "allow"
    assert state(**{"kms:EncryptionContext:aws:s3:arn": BUCKET}) == "allow"
    assert state(**{"aws:SourceVpc": "vpc-1"}) == "conditional"


# --- access points --------------------------------------------------------------------------------

POINT = f"arn:aws:s3:eu-west-1:{OWN}:accesspoint/pt"


def point(*statements: dict[str, Any], **more: Any) -> Point:
    return Point("pt", POINT, OWN, s3_policy.parse(document(*statements)), **more)


def through(**more: Any) -> dict[str, Any]:
    return statement(Resource=f"{POINT}/object/in/*", **more)


DELEGATED = statement(Principal="*", Condition={"StringEquals": {"s3:DataAccessPointAccount": OWN}})


def test_through_an_access_point_both_policies_have_to_allow() -> None:
    opened = point(through(Principal={"AWS": OTHER}))
    assert states(judged(around(account()), DELEGATED)) == {}  # not without the point
    found = judged(around(account(), points=(opened,)), DELEGATED)
    assert states(found) == {OTHER: "allow"}
    assert via(found, OTHER) == (
        "bucket policy, statement 1; policy of access point pt, statement 1,"
        " through access point pt"
    )
    assert states(judged(around(account(), points=(opened,)))) == {}
    assert (
        states(judged(around(account(), points=(opened,)), DELEGATED, scope=Scope("b", "x"))) == {}
    )
    public = judged(around(account(), points=(point(through(Principal="*")),)), DELEGATED)
    assert states(public)["everyone"] == "allow"
    shut = point(through(Principal="*"), restricted=True)
    assert "everyone" not in states(judged(around(account(), points=(shut,)), DELEGATED))
    inside = point(through(Principal={"AWS": OTHER}), vpc="vpc-1")
    found = judged(around(account(), points=(inside,)), DELEGATED)
    assert states(found) == {OTHER: "conditional"} and "vpc-1" in via(found, OTHER)
    with_identity = account(user=(statement(Resource=f"{POINT}/object/*"),))
    assert states(judged(around(with_identity, points=(point(),)), DELEGATED)) == {USER: "allow"}
