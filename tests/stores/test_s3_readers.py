"""Who could read a bucket. The cases follow the tables and examples of the IAM user guide ("Policy
evaluation logic", "Permissions boundaries", "AWS JSON policy elements: Principal") and the S3 user
guide (access points, SSE-KMS), with names of our own."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from scanner.model import Grant
from scanner.stores import iam_account, s3_policy
from scanner.stores.iam_account import Account
from scanner.stores.s3_controls import Answer
from scanner.stores.s3_facts import Scope
from scanner.stores.s3_readers import Key, Point, Readers, Surroundings, readers
from tests.stores.test_s3_facts import ALL_ON, DENIED, OPEN, PRIVATE, policy

OWN, OTHER = "123456789012", "999988887777"
BUCKET, OBJECTS = "arn:aws:s3:::b", "arn:aws:s3:::b/*"
SCOPE = Scope("b")
USER, ROLE = f"arn:aws:iam::{OWN}:user/ann", f"arn:aws:iam::{OWN}:role/app/etl"
ROOT = f"arn:aws:iam::{OWN}:root"
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def statement(effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": "s3:GetObject", "Resource": OBJECTS, **more}


def document(*statements: dict[str, Any], version: str = "2012-10-17") -> dict[str, Any]:
    return {"Version": version, "Statement": list(statements)}


def account(
    user: tuple[dict[str, Any], ...] = (),
    role: tuple[dict[str, Any], ...] = (),
    *,
    group: tuple[dict[str, Any], ...] = (),
    boundary: tuple[dict[str, Any], ...] | None = None,
    number: str = OWN,
    **more: Any,
) -> Account:
    """One user in one group, and one role, each with these statements."""
    edge = f"arn:aws:iam::{number}:policy/edge"
    limit = (
        {}
        if boundary is None
        else {
            "PermissionsBoundary": {
                "PermissionsBoundaryType": "Policy",
                "PermissionsBoundaryArn": edge,
            }
        }
    )

    def inline(name: str, statements: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
        return [{"PolicyName": name, "PolicyDocument": document(*statements)}] if statements else []

    return iam_account.account(
        {
            "UserDetailList": [
                {
                    "UserName": "ann",
                    "UserId": "AIDAANN",
                    "Arn": f"arn:aws:iam::{number}:user/ann",
                    "GroupList": ["staff"],
                    "UserPolicyList": inline("own", user),
                    "Tags": [{"Key": "Team", "Value": "cards"}],
                    **limit,
                    **more,
                }
            ],
            "GroupDetailList": [{"GroupName": "staff", "GroupPolicyList": inline("shared", group)}],
            "RoleDetailList": [
                {
                    "RoleName": "etl",
                    "RoleId": "AROAETL",
                    "Arn": f"arn:aws:iam::{number}:role/app/etl",
                    "RolePolicyList": inline("job", role),
                    **limit,
                }
            ],
            "Policies": [
                {
                    "Arn": edge,
                    "PolicyVersionList": [
                        {"Document": document(), "IsDefaultVersion": False},
                        {"Document": document(*(boundary or ())), "IsDefaultVersion": True},
                    ],
                }
            ],
        }
    )


def around(*accounts: Account, **more: Any) -> Surroundings:
    known = Surroundings(OWN, accounts, region="eu-west-1", now=NOW, doubts=())
    return replace(known, **more)


def judged(
    known: Surroundings, *bucket: dict[str, Any], scope: Scope = SCOPE, **more: Answer
) -> Readers:
    controls = replace(PRIVATE, policy=policy(document(*bucket)) if bucket else Answer(), **more)
    return readers(controls, scope, known, lambda name: name)


def states(found: Readers) -> dict[str, str]:
    """Without the root user, which is in every list."""
    return {grant.principal: grant.state for grant in found.grants if grant.kind != "root"}


def via(found: Readers, name: str) -> str:
    return next(grant.via for grant in found.grants if grant.principal == name)


# --- within one account ---------------------------------------------------------------------------


def test_an_identity_policy_alone_is_enough_and_none_is_not() -> None:
    found = judged(around(account(user=(statement(Sid="Dumps"),))))
    assert states(found) == {USER: "allow"} and found.doubts == ()
    assert via(found, USER) == "inline policy own, statement Dumps"
    assert via(found, ROOT) == "root user of the account"
    assert states(judged(around(account()))) == {}


def test_a_group_gives_its_policies_to_its_users() -> None:
    found = judged(around(account(group=(statement(),))))
    assert states(found) == {USER: "allow"}
    assert via(found, USER) == "inline policy shared of group staff, statement 1"


@pytest.mark.parametrize(
    ("action", "reads"),
    [
        ("s3:GetObject", True),
        ("S3:getobject", True),
        ("s3:Get*", True),
        ("s3:G?tObject", True),
        ("*", True),
        ("s3:GetObjectVersion", True),
        ("s3:GetObjectTorrent", True),
        ("s3:GetObjectVersionForReplication", True),
        ("s3:GetObjectTagging", False),
        ("s3:GetObjectAttributes", False),
        ("s3:ListBucket", False),
        ("s3:PutObject", False),
        ("kms:Decrypt", False),
    ],
)
def test_actions_that_give_out_content(action: str, reads: bool) -> None:
    found = judged(around(account(user=(statement(Action=action),))))
    assert states(found) == ({USER: "allow"} if reads else {})


def test_not_action_and_not_resource() -> None:
    def allowed(**more: Any) -> bool:
        body = {"Effect": "Allow", **more}
        return states(judged(around(account(user=(body,))))) == {USER: "allow"}

    assert allowed(NotAction="iam:*", Resource="*")
    assert not allowed(NotAction="s3:*", Resource="*")
    assert allowed(NotAction="s3:GetObject", Resource="*")  # by GetObjectVersion
    assert allowed(Action="s3:*", NotResource="arn:aws:s3:::other/*")
    assert not allowed(Action="s3:*", NotResource=OBJECTS)
    assert allowed(Action="s3:*", NotResource=f"{BUCKET}/a*")  # by all others


@pytest.mark.parametrize(
    ("resource", "prefix", "reads"),
    [
        ("*", "", True),
        (BUCKET, "", False),
        (f"{BUCKET}*", "", True),
        (f"{BUCKET}/in/*", "", True),
        (f"{BUCKET}/in/*", "in", True),
        (f"{BUCKET}/in/*", "out", False),
        (f"{BUCKET}/in", "in", True),
        (f"{BUCKET}/IN/*", "in", False),
        (f"{BUCKET}/*/x?.csv", "in", True),
        ("arn:aws:s3:::bb/*", "", False),
    ],
)
def test_resources(resource: str, prefix: str, reads: bool) -> None:
    known = around(account(user=(statement(Resource=resource),)))
    assert bool(states(judged(known, scope=Scope("b", prefix)))) is reads


def test_an_explicit_deny_wins_wherever_it_stands() -> None:
    may, deny = statement(), statement("Deny", Action="s3:*")
    for known, bucket in (
        (around(account(user=(may, deny))), ()),
        (around(account(user=(may,), group=(deny,))), ()),
        (around(account(user=(may,), boundary=(may, deny))), ()),
        (around(account(user=(may,))), ({**deny, "Principal": "*"},)),
        (around(account(user=(may,))), ({**deny, "Principal": {"AWS": USER}},)),
        (around(account(user=(may,))), ({**deny, "Principal": {"AWS": OWN}},)),
    ):
        assert states(judged(known, *bucket)) == {}


def test_a_deny_of_part_leaves_the_rest() -> None:
    some = around(account(user=(statement(), statement("Deny", Resource=f"{BUCKET}/a*"))))
    assert states(judged(some)) == {USER: "allow"}
    assert states(judged(some, scope=Scope("b", "abc"))) == {}
    pieces = (
        statement(Resource=[f"{BUCKET}/card-*"]),
        statement("Deny", Resource=f"{BUCKET}/*.csv"),
        statement("Deny", Resource=f"{BUCKET}/card-?*"),
    )
    assert states(judged(around(account(user=pieces)))) == {USER: "allow"}  # the key "card-"
    assert states(judged(around(account(user=(*pieces, statement("Deny")))))) == {}


def test_the_bucket_policy_alone_is_enough_in_the_own_account() -> None:
    known = around(account())
    assert states(judged(known, statement(Principal={"AWS": USER}))) == {USER: "allow"}
    assert states(judged(known, statement(Principal={"AWS": ROLE}))) == {ROLE: "allow"}
    # to name the account leaves it to the account, which has said nothing
    assert states(judged(known, statement(Principal={"AWS": ROOT}))) == {}
    assert states(judged(known, statement(Principal={"AWS": OWN}))) == {}


def test_a_boundary_limits_and_gives_nothing() -> None:
    may, wide = statement(), statement(Action="ec2:*", Resource="*")
    assert states(judged(around(account(user=(may,), boundary=(wide,))))) == {}
    assert states(judged(around(account(user=(), boundary=(may,))))) == {}
    assert states(judged(around(account(user=(may,), boundary=(may,))))) == {USER: "allow"}
    apart = around(
        account(
            user=(statement(Resource=f"{BUCKET}/a*"),),
            boundary=(statement(Resource=f"{BUCKET}/*b"),),
        )
    )
    assert states(judged(apart)) == {USER: "allow"}  # "ab"
    never = around(
        account(
            user=(statement(Resource=f"{BUCKET}/a*"),),
            boundary=(statement(Resource=f"{BUCKET}/b*"),),
        )
    )
    assert states(judged(never)) == {}


def test_a_boundary_limits_a_role_that_is_named_but_not_a_user() -> None:
    """As the guide has it for an implicit denial in the boundary."""
    known = around(account(boundary=(statement(Action="ec2:*", Resource="*"),)))
    named = statement(Principal={"AWS": [USER, ROLE]})
    assert states(judged(known, named)) == {USER: "allow"}
    session = f"arn:aws:sts::{OWN}:assumed-role/etl/nightly"
    assert states(judged(known, statement(Principal={"AWS": session}))) == {session: "allow"}


def test_control_policies_bind_all_but_the_roles_of_services() -> None:
    linked = "AWSServiceRoleForX"
    own = account(user=(statement(),), role=(statement(),))
    path = f"arn:aws:iam::{OWN}:role/aws-service-role/x.amazonaws.com/{linked}"
    roles = [replace(each, name=path, kind="service-linked-role") for each in own.principals[-1:]]
    own = replace(own, principals=(*own.principals, *roles))
    full = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    levels = [[document(full)], [document(statement("Deny", Resource="*"))]]
    scps = iam_account.levels(levels, "scp")
    assert states(judged(around(own, service_control=scps))) == {path: "allow"}
    assert via(judged(around(own)), ROOT) and not any(
        grant.kind == "root" for grant in judged(around(own, service_control=scps)).grants
    )
    silent = iam_account.levels([[document(full)], [document()]], "scp")
    assert states(judged(around(own, service_control=silent))) == {path: "allow"}
    both = iam_account.levels([[document(full)], [document(), document(full)]], "scp")
    assert set(states(judged(around(own, service_control=both)))) == {USER, ROLE, path}
    # those of resources bind other accounts too, those of services do not
    bucket = statement(Principal={"AWS": OTHER})
    assert OTHER in states(judged(around(own, service_control=silent), bucket))
    assert OTHER not in states(judged(around(own, resource_control=silent), bucket))


# --- other accounts -------------------------------------------------------------------------------


def test_another_account_needs_both_sides() -> None:
    theirs = f"arn:aws:iam::{OTHER}:user/ann"
    may = statement()
    bucket = statement(Principal={"AWS": theirs})
    both = around(account(), account(user=(may,), number=OTHER))
    assert states(judged(both, bucket)) == {theirs: "allow"}
    assert states(judged(both, statement(Principal={"AWS": OTHER}))) == {theirs: "allow"}
    assert states(judged(both)) == {}
    assert states(judged(around(account(), account(number=OTHER)), bucket)) == {}
    unseen = judged(around(account()), bucket)
    assert states(unseen) == {theirs: "unknown"}
    assert "policies were not seen" in via(unseen, theirs)
    assert any("not seen" in doubt for doubt in unseen.doubts)
    # the account as a whole was let in, whomever it lets in further
    assert states(judged(around(account()), statement(Principal={"AWS": OTHER}))) == {
        OTHER: "allow"
    }


def test_restricted_public_buckets_leave_the_own_account() -> None:
    known = around(account(user=(statement(),)))
    bucket = (statement(Principal="*"), statement(Principal={"AWS": OTHER}))
    everybody = {"everyone": "allow", OTHER: "allow", USER: "allow", ROLE: "allow"}
    assert states(judged(known, *bucket)) == everybody
    cut = judged(known, *bucket, bucket_block=Answer(ALL_ON))
    assert states(cut) == {USER: "allow", ROLE: "allow"}
    doubtful = states(judged(known, *bucket, account_block=DENIED))
    assert doubtful == {**everybody, "everyone": "unknown", OTHER: "unknown"}
    # a policy that is not public is not cut off
    assert OTHER in states(judged(known, bucket[1], bucket_block=Answer(ALL_ON)))


def test_services_and_others_that_have_no_policies() -> None:
    named = {"Service": "cloudfront.amazonaws.com", "CanonicalUser": "79a59d"}
    distribution = {"StringEquals": {"AWS:SourceArn": f"arn:aws:cloudfront::{OWN}:distribution/E"}}
    found = states(judged(around(account()), statement(Principal=named)))
    assert found == {"cloudfront.amazonaws.com": "allow", "79a59d": "allow"}
    found = states(judged(around(account()), statement(Principal=named, Condition=distribution)))
    assert found == {"cloudfront.amazonaws.com": "conditional"}  # no canonical user is a source


# --- NotPrincipal ---------------------------------------------------------------------------------


def test_not_principal_with_deny() -> None:
    known = around(account(user=(statement(),), role=(statement(),)))
    deny = statement("Deny", NotPrincipal={"AWS": [USER, ROOT]})
    assert states(judged(known, deny)) == {USER: "allow"}
    alone = states(judged(known, statement("Deny", NotPrincipal={"AWS": [USER]})))
    assert alone == {USER: "conditional"}  # AWS wants the account beside it
    role = states(judged(known, statement("Deny", NotPrincipal={"AWS": [ROLE, ROOT]})))
    assert role == {ROLE: "conditional"}  # and the session of a role


def test_not_principal_with_allow_lets_everybody_else_in() -> None:
    found = states(judged(around(account()), statement(NotPrincipal={"AWS": [USER, ROOT]})))
    assert found == {"everyone": "allow", ROLE: "allow"}


# --- conditions and variables ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "state"),
    [
        ({"Bool": {"aws:SecureTransport": "true"}}, "allow"),
        ({"StringEquals": {"aws:username": "ann"}}, "allow"),
        ({"StringEquals": {"aws:username": "Ann"}}, None),
        ({"StringEqualsIgnoreCase": {"AWS:UserName": "ANN"}}, "allow"),
        ({"StringLike": {"aws:username": ["bob", "a*"]}}, "allow"),
        ({"StringNotEquals": {"aws:username": ["bob", "ann"]}}, None),
        ({"StringNotLike": {"aws:username": "b*"}}, "allow"),
        ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/a*"}}, "allow"),
        ({"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}}, None),
        ({"StringEquals": {"aws:PrincipalTag/team": "cards"}}, "allow"),
        ({"StringEquals": {"aws:PrincipalTag/Team": "web"}}, None),
        ({"StringEquals": {"aws:PrincipalTag/Other": "x"}}, None),
        ({"StringEqualsIfExists": {"aws:PrincipalTag/Other": "x"}}, "allow"),
        ({"Null": {"aws:PrincipalTag/Team": "false"}}, "allow"),
        ({"Null": {"aws:PrincipalTag/Team": "true"}}, None),
        ({"DateGreaterThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}}, "allow"),
        ({"DateLessThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}}, None),
        ({"NumericGreaterThanEquals": {"s3:TlsVersion": "1.2"}}, "allow"),
        ({"StringEquals": {"aws:ResourceAccount": OWN}}, "allow"),
        ({"StringEquals": {"aws:PrincipalOrgID": "o-mine"}}, "allow"),
        ({"StringEquals": {"aws:PrincipalOrgID": "o-other"}}, None),
        ({"StringEquals": {"aws:SourceAccount": OWN}}, None),
        ({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}, "conditional"),
        ({"Bool": {"aws:MultiFactorAuthPresent": "true"}}, "conditional"),
        ({"StringEquals": {"s3:ExistingObjectTag/pci": "no"}}, "conditional"),
        ({"StringSparkles": {"aws:username": "ann"}}, "conditional"),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}}, "conditional"),
        ({"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": ["o-mine/*"]}}, "conditional"),
        ({"StringEquals": {"aws:username": []}}, None),
    ],
)
def test_conditions(condition: dict[str, Any], state: str | None) -> None:
    known = around(account(user=(statement(Condition=condition),)), organisation="o-mine")
    assert states(judged(known)).get(USER) == state
    denied = around(
        account(user=(statement(), statement("Deny", Condition=condition))), organisation="o-mine"
    )
    opposite = {"allow": None, None: "allow", "conditional": "conditional"}[state]
    assert states(judged(denied)).get(USER) == opposite


def test_a_condition_names_its_keys_and_who_may_take_it_back() -> None:
    away = {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}
    found = judged(around(account(user=(statement(Condition=away),))))
    assert via(found, USER) == "inline policy own, statement 1; depends on aws:sourceip"
    deny = statement(
        "Deny", Sid="Net", Principal="*", Condition={"NotIpAddress": away["IpAddress"]}
    )
    found = judged(around(account(user=(statement(),))), deny)
    assert via(found, USER) == (
        "inline policy own, statement 1; depends on aws:sourceip; may be refused by bucket policy,"
        " statement Net"
    )


def test_two_conditions_must_both_hold() -> None:
    body = {"StringEquals": {"aws:username": "bob"}, "IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    assert states(judged(around(account(user=(statement(Condition=body),))))) == {}


def test_policy_variables() -> None:
    home = statement(Resource=f"{BUCKET}/home/${{aws:username}}/*")
    known = around(account(group=(home,), role=(home,)))
    assert states(judged(known, scope=Scope("b", "home/ann"))) == {USER: "allow"}
    assert states(judged(known, scope=Scope("b", "home/bob"))) == {}  # and a role has no user name
    tagged = statement(Resource=f"{BUCKET}/${{aws:PrincipalTag/team, 'none'}}/*")
    known = around(account(group=(tagged,)))
    assert states(judged(known, scope=Scope("b", "cards"))) == {USER: "allow"}
    asked = statement(Resource=f"{BUCKET}/${{aws:SourceVpc}}/*")
    assert states(judged(around(account(group=(asked,))))) == {USER: "conditional"}
    # in the older policy language a variable is a text
    old = {
        "UserPolicyList": [
            {"PolicyName": "old", "PolicyDocument": document(home, version="2008-10-17")}
        ]
    }
    assert states(judged(around(account(**old)), scope=Scope("b", "home/ann"))) == {}


def test_the_session_of_a_role_is_named_by_whoever_takes_it() -> None:
    def role(value: str) -> str | None:
        condition = {"StringLike": {"aws:userid": value}}
        return states(judged(around(account(role=(statement(Condition=condition),))))).get(ROLE)

    assert role("AROAETL:*") == "allow"
    assert role("AROAETL:nightly") == "conditional"
    assert role("AROAOTHER:*") is None


def test_a_principal_of_the_organisation() -> None:
    """The usual statement: everybody of our organisation."""
    body = statement(Principal="*", Condition={"StringEquals": {"aws:PrincipalOrgID": "o-mine"}})
    found = judged(around(account(), organisation="o-mine"), body)
    assert states(found) == {USER: "allow", ROLE: "allow", "everyone": "conditional"}
    ours = statement(Principal="*", Condition={"StringEquals": {"aws:PrincipalAccount": OWN}})
    assert states(judged(around(account()), ours)) == {USER: "allow", ROLE: "allow"}


# --- what was not seen ----------------------------------------------------------------------------


def test_a_policy_that_is_not_in_the_document_is_a_doubt() -> None:
    lost = [{"PolicyName": "x", "PolicyArn": "arn:aws:iam::aws:policy/Lost"}]
    found = judged(around(account(AttachedManagedPolicies=lost)))
    assert states(found) == {USER: "unknown"}
    assert "arn:aws:iam::aws:policy/Lost" in via(found, USER) and found.doubts
    # it may hold a Deny
    may = judged(around(account(user=(statement(),), AttachedManagedPolicies=lost)))
    assert states(may) == {USER: "unknown"}
    refused = account(user=(statement("Deny", Action="*"),), AttachedManagedPolicies=lost)
    assert states(judged(around(refused))) == {}
    bound = {"PermissionsBoundary": {"PermissionsBoundaryArn": "arn:aws:iam::aws:policy/Edge"}}
    assert states(judged(around(account(user=(statement(),), **bound)))) == {USER: "unknown"}
    group = judged(around(account(user=(statement(),), GroupList=["gone"])))
    assert states(group) == {USER: "unknown"} and "group gone" in via(group, USER)


def test_a_bucket_policy_that_is_not_known_may_deny() -> None:
    controls = replace(PRIVATE, policy=DENIED)
    known = around(account(user=(statement(),)))
    found = readers(controls, SCOPE, known, lambda name: name)
    assert states(found) == {USER: "unknown"} and "bucket policy" in found.doubts[0]


def test_acls_of_objects_are_a_doubt_only_where_they_count() -> None:
    known = around(account())
    assert judged(known).doubts == ()
    assert "ACLs of single objects" in judged(known, ownership=Answer("ObjectWriter")).doubts[0]
    assert "ACLs" in judged(known, ownership=DENIED).doubts[0]


def test_names_are_sealed_and_account_numbers_are_not() -> None:
    known = around(account(user=(statement(Sid="x4111"),)))
    found = readers(PRIVATE, SCOPE, known, lambda name: name.replace("ann", "***"))
    assert found.grants[-1].principal == f"arn:aws:iam::{OWN}:user/***"


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


# --- without identities ---------------------------------------------------------------------------


def granted(*statements: dict[str, Any], **more: Answer) -> list[tuple[str, str, str]]:
    controls = replace(PRIVATE, policy=policy({"Statement": list(statements)}), **more)
    found = readers(controls, SCOPE, Surroundings(), lambda name: name)
    assert "were not asked" in found.doubts[0]
    return [(grant.principal, grant.kind, grant.state) for grant in found.grants]


def reading(principal: Any, **more: Any) -> dict[str, Any]:
    return statement(Principal=principal, **{"Action": "s3:Get*", **more})


NAMED = f"arn:aws:iam::{OWN}:role/reader"
PLAIN_HTTP = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": "*",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


def test_grants_name_whom_the_policy_lets_read() -> None:
    ip = {"IpAddress": {"aws:SourceIp": "203.0.113.7"}}
    assert granted(
        reading({"AWS": [NAMED, "111122223333"], "Service": "cloudfront.amazonaws.com"}),
        reading({"AWS": USER}, Condition=ip),
        reading({"AWS": "444455556666"}, Action="s3:PutObject"),
        PLAIN_HTTP,
    ) == [
        ("111122223333", "account", "allow"),
        (NAMED, "role", "allow"),
        ("cloudfront.amazonaws.com", "service", "allow"),
        (USER, "user", "conditional"),
    ]


def test_grants_under_doubt() -> None:
    refusing = {**PLAIN_HTTP, "Condition": {"StringNotEquals": {"aws:SourceVpce": "v"}}}
    assert granted(reading({"AWS": NAMED}), refusing) == [(NAMED, "role", "conditional")]
    both = (reading("*"), reading({"AWS": NAMED}))
    assert granted(*both) == [("everyone", "public", "allow"), (NAMED, "role", "allow")]
    cut = granted(*both, bucket_block=Answer(ALL_ON))
    assert {state for _, _, state in cut} == {"conditional"}
    doubtful = granted(*both, account_block=DENIED)
    assert {state for _, _, state in doubtful} == {"unknown"}


def test_a_grant_says_which_statement_decided() -> None:
    controls = replace(PRIVATE, policy=Answer(json.dumps(OPEN)))
    (grant,) = readers(controls, SCOPE, Surroundings(), lambda name: name).grants
    assert grant == Grant("everyone", "public", "allow", "bucket policy, statement Open")
