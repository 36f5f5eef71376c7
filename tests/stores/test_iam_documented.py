"""Who could read, held against what the IAM, S3 and KMS guides say of each element: a table of
single cases, written from the documentation and not from the evaluator.

Each says what the user ``ann`` (with the tag Team=cards), the role ``app/etl`` and others may do
with some object of the bucket; whoever is not named may nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from scanner.stores import s3_policy
from scanner.stores.s3_controls import Answer
from scanner.stores.s3_readers import EVERYONE, Key, Point
from tests.stores.policies import (
    OBJECTS,
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
)
from tests.stores.test_s3_facts import ALL_ON

SESSION = f"arn:aws:sts::{OWN}:assumed-role/etl/nightly"
KEY = f"arn:aws:kms:eu-west-1:{OWN}:key/k1"
POINT = f"arn:aws:s3:eu-west-1:{OWN}:accesspoint/ap"
Statements = tuple[dict[str, Any], ...]


def allow(**more: Any) -> dict[str, Any]:
    return statement(**more)


def deny(**more: Any) -> dict[str, Any]:
    return statement("Deny", **more)


def when(operator: str, key: str, *values: str) -> dict[str, Any]:
    return {"Condition": {operator: {key: list(values)}}}


def key(*statements: dict[str, Any]) -> dict[str, Any]:
    parsed = s3_policy.parse(document(*statements))
    return {"key": Key(KEY, OWN, parsed)}


def use(effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": "kms:Decrypt", "Resource": "*", **more}


def point(*statements: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"points": (Point("ap", POINT, OWN, s3_policy.parse(document(*statements)), **more),)}


ALL = {"Principal": "*"}
ANN, ETL = {"Principal": {"AWS": USER}}, {"Principal": {"AWS": ROLE}}
NIGHTLY = {"Principal": {"AWS": SESSION}}
ACCOUNT = {"Principal": {"AWS": ROOT}}
THEIRS = {"Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"}}
THROUGH = f"{POINT}/object/*"
DELEGATED = allow(
    **ALL,
    Action="s3:*",
    Resource=[OBJECTS, "arn:aws:s3:::b"],
    **when("StringEquals", "s3:DataAccessPointAccount", OWN),
)


@dataclass(frozen=True)
class Case:
    says: str
    expected: dict[str, str]
    user: Statements = ()
    role: Statements = ()
    bucket: Statements = ()
    boundary: Statements | None = None
    around: dict[str, Any] = field(default_factory=dict)
    controls: dict[str, Answer] = field(default_factory=dict)


YES, IF = "allow", "conditional"
ORG = {"organisation": "o-1"}

CASES = [
    # --- NotAction, NotResource, NotPrincipal
    Case(
        "Allow NotAction s3:PutObject gives the rest",
        {USER: YES},
        user=({"Effect": "Allow", "NotAction": "s3:PutObject", "Resource": "*"},),
    ),
    Case(
        "Allow NotAction s3:Get* gives no reading",
        {},
        user=({"Effect": "Allow", "NotAction": "s3:Get*", "Resource": "*"},),
    ),
    Case(
        "Deny NotAction iam:* denies all of S3",
        {},
        user=(allow(), {"Effect": "Deny", "NotAction": "iam:*", "Resource": "*"}),
    ),
    Case(
        "Deny NotAction s3:GetObject leaves GetObject",
        {USER: YES},
        user=(allow(), {"Effect": "Deny", "NotAction": "s3:GetObject", "Resource": "*"}),
    ),
    Case(
        "Allow NotResource of this bucket gives nothing here",
        {},
        user=({"Effect": "Allow", "Action": "s3:*", "NotResource": OBJECTS},),
    ),
    Case(
        "Allow NotResource of a folder gives the others",
        {USER: YES},
        user=({"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::b/hr/*"},),
    ),
    Case(
        "Deny NotResource of a folder leaves the folder",
        {USER: YES},
        user=(allow(), {"Effect": "Deny", "Action": "s3:*", "NotResource": "arn:aws:s3:::b/in/*"}),
    ),
    Case(
        "Deny NotPrincipal spares the user named with its account",
        {USER: YES},
        user=(allow(),),
        role=(allow(),),
        bucket=(deny(NotPrincipal={"AWS": [USER, ROOT]}),),
    ),
    # --- conditions: missing keys
    Case(
        "Null true: the key must be missing; aws:SourceArn is, in a call of one's own",
        {USER: YES},
        user=(allow(**when("Null", "aws:SourceArn", "true")),),
    ),
    Case(
        "Null false: the key must be there; a user has a name",
        {USER: YES},
        user=(allow(**when("Null", "aws:username", "false")),),
    ),
    Case(
        "Null false of a name that a role has not",
        {},
        role=(allow(**when("Null", "aws:username", "false")),),
    ),
    Case(
        "ForAllValues is true where the key is missing",
        {ROLE: YES},
        role=(allow(**when("ForAllValues:StringEquals", "aws:username", "ann")),),
    ),
    Case(
        "ForAnyValue is false where the key is missing",
        {},
        role=(allow(**when("ForAnyValue:StringEquals", "aws:username", "ann")),),
    ),
    Case(
        "a negated operator is true where the key is missing",
        {ROLE: YES},
        role=(allow(**when("StringNotEquals", "aws:username", "ann")),),
    ),
    Case(
        "StringEquals is false where the key is missing",
        {},
        role=(allow(**when("StringEquals", "aws:username", "ann")),),
    ),
    Case(
        "IfExists is true where the key is missing",
        {ROLE: YES},
        role=(allow(**when("StringEqualsIfExists", "aws:username", "ann")),),
    ),
    Case(
        "a Deny on aws:CalledVia by ForAnyValue does not meet a direct call",
        {USER: YES},
        user=(
            allow(),
            deny(**when("ForAnyValue:StringEquals", "aws:CalledVia", "athena.amazonaws.com")),
        ),
    ),
    # --- conditions: values
    Case(
        "several values of a key are alternatives",
        {USER: YES},
        user=(allow(**when("StringEquals", "aws:username", "bob", "ann")),),
    ),
    Case(
        "several keys must all hold",
        {},
        user=(
            allow(
                Condition={"StringEquals": {"aws:username": "ann", "aws:PrincipalTag/Team": "hr"}}
            ),
        ),
    ),
    Case(
        "a tag of the user",
        {USER: YES},
        user=(allow(**when("StringEquals", "aws:PrincipalTag/Team", "cards")),),
    ),
    Case(
        "a negated operator with several values: none of them",
        {},
        user=(allow(**when("StringNotEquals", "aws:username", "ann", "bob")),),
    ),
    Case(
        "StringEquals knows no wildcards",
        {},
        user=(allow(**when("StringEquals", "aws:username", "a*")),),
    ),
    Case(
        "StringLike does", {USER: YES}, user=(allow(**when("StringLike", "aws:username", "a?n")),)
    ),
    Case(
        "ArnLike: a star does not reach over a colon",
        {},
        user=(allow(**when("ArnLike", "aws:PrincipalArn", "arn:aws:*:user/ann")),),
    ),
    Case(
        "ArnEquals has wildcards too",
        {USER: YES},
        user=(allow(**when("ArnEquals", "aws:PrincipalArn", f"arn:aws:iam::{OWN}:user/*")),),
    ),
    Case(
        "aws:PrincipalArn of a session is the role with its path",
        {ROLE: YES},
        role=(allow(**when("ArnLike", "aws:PrincipalArn", f"arn:aws:iam::{OWN}:role/app/*")),),
    ),
    Case(
        "a date that has passed",
        {},
        user=(allow(**when("DateLessThan", "aws:CurrentTime", "2025-01-01T00:00:00Z")),),
    ),
    Case(
        "TLS is the caller's to choose",
        {USER: YES},
        user=(allow(), deny(**when("Bool", "aws:SecureTransport", "false"))),
    ),
    Case(
        "an old TLS version is not",
        {USER: YES},
        user=(allow(), deny(**when("NumericLessThan", "s3:TlsVersion", "1.2"))),
    ),
    Case(
        "an address leaves it open",
        {USER: IF},
        user=(allow(**when("IpAddress", "aws:SourceIp", "203.0.113.0/24")),),
    ),
    Case(
        "a Deny outside a VPC endpoint leaves it open",
        {USER: IF},
        user=(allow(),),
        bucket=(deny(**ALL, **when("StringNotEquals", "aws:SourceVpce", "vpce-1a2b3c4d")),),
    ),
    Case(
        "a Deny without MFA leaves it open",
        {USER: IF},
        user=(allow(), deny(**when("BoolIfExists", "aws:MultiFactorAuthPresent", "false"))),
    ),
    Case(
        "a tag of the object leaves it open",
        {USER: IF},
        user=(allow(**when("StringEquals", "s3:ExistingObjectTag/open", "yes")),),
    ),
    # --- policy variables
    Case(
        "a folder of one's own",
        {USER: YES},
        user=(allow(Resource="arn:aws:s3:::b/home/${aws:username}/*"),),
    ),
    Case(
        "a variable that a role has not matches nothing",
        {},
        role=(allow(Resource="arn:aws:s3:::b/home/${aws:username}/*"),),
    ),
    Case(
        "a variable with a default",
        {ROLE: YES},
        role=(allow(Resource="arn:aws:s3:::b/home/${aws:username, 'all'}/*"),),
    ),
    Case(
        "a tag as a variable",
        {USER: YES},
        user=(
            allow(
                **when("StringEquals", "aws:username", "ann"),
                Resource="arn:aws:s3:::b/${aws:PrincipalTag/Team}/*",
            ),
        ),
    ),
    # --- boundaries, sessions, accounts
    Case("a boundary that is silent ends identity policies", {}, user=(allow(),), boundary=()),
    Case(
        "it does not limit a bucket policy that names the user",
        {USER: YES},
        bucket=(allow(**ANN),),
        boundary=(),
    ),
    Case("it limits one that names the role", {}, bucket=(allow(**ETL),), boundary=()),
    Case(
        "it does not limit one that names a session of the role",
        {SESSION: YES},
        bucket=(allow(**NIGHTLY),),
        boundary=(),
    ),
    Case(
        "nor one for everybody with the ARN of the role as a condition",
        {ROLE: YES, SESSION: YES},
        bucket=(allow(**ALL, **when("ArnEquals", "aws:PrincipalArn", ROLE)), allow(**NIGHTLY)),
        boundary=(),
    ),
    Case("a Deny in the boundary ends everything", {}, bucket=(allow(**ANN),), boundary=(deny(),)),
    Case(
        "to name the own account gives its users nothing by itself", {}, bucket=(allow(**ACCOUNT),)
    ),
    Case(
        "a Deny for the account is one for all in it",
        {},
        user=(allow(),),
        role=(allow(),),
        bucket=(deny(**ACCOUNT),),
    ),
    Case(
        "an account by its number is the account",
        {OTHER: YES},
        bucket=(allow(Principal={"AWS": OTHER}),),
    ),
    Case("a whole other account", {f"arn:aws:iam::{OTHER}:root": YES}, bucket=(allow(**THEIRS),)),
    Case(
        "a service of AWS for its own account only",
        {"logs.amazonaws.com": IF},
        bucket=(
            allow(
                Principal={"Service": "logs.amazonaws.com"},
                **when("StringEquals", "aws:SourceAccount", OWN),
            ),
        ),
    ),
    Case(
        "aws:PrincipalOrgID keeps out who is in no organisation",
        {EVERYONE: IF, USER: YES, ROLE: YES},
        bucket=(allow(**ALL, **when("StringEquals", "aws:PrincipalOrgID", "o-1")),),
        around=ORG,
    ),
    # --- what AWS blocks
    Case("everybody", {EVERYONE: YES, USER: YES, ROLE: YES}, bucket=(allow(**ALL),)),
    Case(
        "RestrictPublicBuckets leaves the account of the owner",
        {USER: YES, ROLE: YES},
        bucket=(allow(**ALL),),
        controls={"bucket_block": Answer(ALL_ON)},
    ),
    Case(
        "the same block of the account",
        {USER: YES, ROLE: YES},
        bucket=(allow(**ALL),),
        controls={"account_block": Answer(ALL_ON)},
    ),
    Case(
        "one public statement cuts off other accounts, too",
        {USER: YES, ROLE: YES},
        bucket=(allow(**ALL), allow(**THEIRS)),
        controls={"bucket_block": Answer(ALL_ON)},
    ),
    Case(
        "without a public one they stay",
        {f"arn:aws:iam::{OTHER}:root": YES},
        bucket=(allow(**THEIRS),),
        controls={"bucket_block": Answer(ALL_ON)},
    ),
    Case(
        "BlockPublicPolicy refuses new policies and changes nothing of those that are there",
        {EVERYONE: YES, USER: YES, ROLE: YES},
        bucket=(allow(**ALL),),
        controls={"bucket_block": Answer({**ALL_ON, "RestrictPublicBuckets": False})},
    ),
    # --- access points
    Case(
        "a bucket that leaves it to access points gives nothing by itself", {}, bucket=(DELEGATED,)
    ),
    Case(
        "with a point that names the user",
        {USER: YES},
        bucket=(DELEGATED,),
        around=point(allow(**ANN, Resource=THROUGH)),
    ),
    Case(
        "a point that denies the user",
        {},
        bucket=(DELEGATED,),
        around=point(allow(**ANN, Resource=THROUGH), deny(**ANN, Resource=THROUGH)),
    ),
    Case(
        "a point in a VPC is open from there only",
        {USER: IF},
        bucket=(DELEGATED,),
        around=point(allow(**ANN, Resource=THROUGH), vpc="vpc-1"),
    ),
    Case(
        "a point gives nothing that the bucket does not",
        {},
        around=point(allow(Principal={"AWS": f"arn:aws:iam::{OTHER}:root"}, Resource=THROUGH)),
    ),
    # --- KMS
    Case(
        "a key whose policy does not name the account ignores identity policies",
        {USER: IF},
        user=(allow(), use()),
        around=key(use(**ETL)),
    ),
    Case(
        "one that names the account leaves it to them",
        {USER: YES},
        user=(allow(), use()),
        around=key(use(**ACCOUNT, Action="kms:*")),
    ),
    Case(
        "that alone gives nobody anything",
        {USER: IF},
        user=(allow(),),
        around=key(use(**ACCOUNT, Action="kms:*")),
    ),
    Case(
        "a key policy that names the user is enough",
        {USER: YES},
        user=(allow(),),
        around=key(use(**ANN)),
    ),
    Case(
        "the key AWS manages for S3: everybody of the account, through S3",
        {USER: YES},
        user=(allow(),),
        around=key(
            use(
                Principal={"AWS": "*"},
                Action=["kms:Decrypt"],
                Condition={
                    "StringEquals": {
                        "kms:CallerAccount": OWN,
                        "kms:ViaService": "s3.eu-west-1.amazonaws.com",
                    }
                },
            )
        ),
    ),
    Case(
        "kms:ViaService of another service",
        {USER: IF},
        user=(allow(),),
        around=key(
            use(**ANN, **when("StringEquals", "kms:ViaService", "rds.eu-west-1.amazonaws.com"))
        ),
    ),
    Case(
        "a Deny in the key policy",
        {USER: IF},
        user=(allow(), use()),
        around=key(use(**ACCOUNT), use("Deny", **ANN)),
    ),
    # --- wildcards
    Case(
        "a star within a segment reaches over slashes",
        {USER: YES},
        user=(allow(Resource="arn:aws:s3:::b/2024*.csv"),),
    ),
    Case("the bucket alone is none of its objects", {}, user=(allow(Resource="arn:aws:s3:::b"),)),
    Case(
        "a name that begins alike is another bucket",
        {},
        user=(allow(Resource="arn:aws:s3:::b-archive/*"),),
    ),
    Case("a pattern for both", {USER: YES}, user=(allow(Resource="arn:aws:s3:::b*"),)),
    # --- ACLs
    Case(
        "where the owner is enforced ACLs count for nothing",
        {},
        controls={
            "acl": Answer(
                [
                    {
                        "Grantee": {"URI": "http://acs.amazonaws.com/groups/global/AllUsers"},
                        "Permission": "READ",
                    }
                ]
            )
        },
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)
def test_as_documented(case: Case) -> None:
    known = around(account(case.user, case.role, boundary=case.boundary), **case.around)
    assert states(judged(known, *case.bucket, **case.controls)) == case.expected
