"""Who could read a bucket. The cases follow the tables and examples of the IAM user guide ("Policy
evaluation logic", "Permissions boundaries", "AWS JSON policy elements: Principal") and the S3 user
guide (access points, SSE-KMS), with names of our own."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from scanner.model import Grant
from scanner.stores import iam_account
from scanner.stores.s3_controls import Answer
from scanner.stores.s3_facts import Scope
from scanner.stores.s3_readers import Surroundings, readers
from tests.stores.policies import (
    BUCKET,
    OBJECTS,
    OTHER,
    OWN,
    ROLE,
    ROOT,
    SCOPE,
    USER,
    account,
    around,
    document,
    judged,
    statement,
    states,
    via,
)
from tests.stores.test_s3_facts import ALL_ON, DENIED, OPEN, PRIVATE, policy

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


def test_a_part_of_the_objects_is_told() -> None:
    def parts(*statements: dict[str, Any], scope: Scope = SCOPE) -> dict[str, bool]:
        found = judged(around(account(user=tuple(statements))), scope=scope)
        return {grant.principal: grant.part for grant in found.grants}

    assert parts(statement()) == {USER: False, ROOT: False}
    assert parts(statement(Resource=f"{BUCKET}/a*"))[USER]
    assert not parts(statement(Resource=f"{BUCKET}/a*"), scope=Scope("b", "abc"))[USER]
    assert parts(statement(), statement("Deny", Action="*", Resource=f"{BUCKET}/a*"))[USER]
    halves = (statement(Resource=f"{BUCKET}/a*"), statement(NotResource=f"{BUCKET}/a*"))
    halves[1].pop("Resource")
    assert not parts(*halves)[USER]


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
    assert grant == Grant("everyone", "public", "allow", "bucket policy, statement Open", part=True)
