"""What the answers of a bucket mean: pure cases, then against moto and botocore's Stubber."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from scanner.model import Fact, Tri
from scanner.stores import s3_client, s3_controls
from scanner.stores.s3 import STORE
from scanner.stores.s3_controls import Answer, Controls
from scanner.stores.s3_facts import (
    Scope,
    facts,
    principal_kind,
    public_access,
    public_reading,
)
from scanner.text import seal_around_accounts
from tests import s3_server

SCOPE = Scope("b")
OPEN = {
    "Statement": [
        {
            "Sid": "Open",
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::b/open/*",
        }
    ]
}
ALL_ON = dict.fromkeys(
    ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
)
DENIED = Answer(unknown="AccessDenied: these credentials lack s3:Something")
EVERYONE = "http://acs.amazonaws.com/groups/global/AllUsers"

NESTED = json.dumps(OPEN).replace('"s3:GetObject"', "[" * 600 + "]" * 600)

# a bucket as AWS makes them by default, but without the blocks
PRIVATE = Controls(
    aws=True,
    policy=Answer(),
    policy_status=Answer(),
    acl=Answer([{"Grantee": {"ID": "owner"}, "Permission": "FULL_CONTROL"}]),
    ownership=Answer("BucketOwnerEnforced"),
    bucket_block=Answer(),
    account_block=Answer(),
    encryption=Answer([{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]),
    versioning=Answer({}),
    logging=Answer(),
    object_lock=Answer(),
)


def policy(document: dict[str, Any]) -> Answer:
    return Answer(json.dumps(document))


def acl(uri: str, permission: str) -> Answer:
    return Answer([{"Grantee": {"URI": uri}, "Permission": permission}])


OPEN_POLICY = replace(PRIVATE, policy=policy(OPEN), policy_status=Answer(True))
OPEN_ACL = replace(PRIVATE, ownership=Answer("ObjectWriter"), acl=acl(EVERYONE, "READ"))


@pytest.mark.parametrize(
    ("controls", "state", "words"),
    [
        (PRIVATE, Tri.NO, "ACLs are turned off"),
        (
            OPEN_POLICY,
            Tri.YES,
            "lets anyone read objects (statement Open, on arn:aws:s3:::b/open/*)",
        ),
        (replace(OPEN_POLICY, bucket_block=Answer(ALL_ON)), Tri.NO, "RestrictPublicBuckets cuts"),
        (replace(OPEN_POLICY, account_block=Answer(ALL_ON)), Tri.NO, "of the account: all on"),
        (
            replace(OPEN_POLICY, bucket_block=Answer({**ALL_ON, "RestrictPublicBuckets": False})),
            Tri.YES,
            "BlockPublicAcls, IgnorePublicAcls, BlockPublicPolicy",
        ),
        (replace(OPEN_POLICY, account_block=DENIED), Tri.UNKNOWN, "these credentials lack"),
        (replace(OPEN_POLICY, account_block=DENIED, bucket_block=Answer(ALL_ON)), Tri.NO, ""),
        (replace(PRIVATE, account_block=DENIED, bucket_block=DENIED), Tri.NO, "not known"),
        (replace(PRIVATE, policy=DENIED), Tri.UNKNOWN, "the bucket policy is not known"),
        (replace(PRIVATE, policy=Answer("{")), Tri.UNKNOWN, "could not be understood"),
        (replace(PRIVATE, policy=Answer(NESTED)), Tri.UNKNOWN, "could not be understood"),
        (replace(PRIVATE, policy=DENIED, bucket_block=Answer(ALL_ON)), Tri.NO, ""),
        (
            replace(PRIVATE, policy_status=Answer(True)),
            Tri.YES,
            "AWS calls the bucket policy public",
        ),
        (
            replace(OPEN_POLICY, policy_status=Answer(False)),
            Tri.UNKNOWN,
            "AWS calls the policy not",
        ),
        (OPEN_ACL, Tri.YES, "ACL lets anyone (AllUsers) list the names"),
        (replace(OPEN_ACL, bucket_block=Answer(ALL_ON)), Tri.NO, "IgnorePublicAcls cuts this off"),
        (replace(OPEN_ACL, ownership=Answer("BucketOwnerEnforced")), Tri.NO, ""),
        (replace(OPEN_ACL, ownership=DENIED), Tri.UNKNOWN, "whether ACLs count is not known"),
        (replace(OPEN_ACL, acl=DENIED), Tri.UNKNOWN, "the bucket's ACL is not known"),
        (replace(OPEN_ACL, acl=Answer([])), Tri.UNKNOWN, "ACLs of single objects count"),
    ],
)
def test_public_access(controls: Controls, state: Tri, words: str) -> None:
    fact = public_access(controls, SCOPE)
    assert fact.state is state
    assert words in fact.detail


def test_listing_is_open_but_not_reading() -> None:
    assert public_access(OPEN_ACL, SCOPE).state is Tri.YES
    assert public_reading(replace(OPEN_ACL), SCOPE) is Tri.UNKNOWN  # by ACLs of objects
    listing = {"Statement": [{**OPEN["Statement"][0], "Action": "s3:List*", "Resource": "*"}]}
    controls = replace(PRIVATE, policy=policy(listing))
    assert public_access(controls, SCOPE).state is Tri.YES
    assert public_reading(controls, SCOPE) is Tri.NO
    assert public_reading(OPEN_POLICY, SCOPE) is Tri.YES


def test_only_the_part_of_the_bucket_that_the_store_is_counts() -> None:
    controls = replace(PRIVATE, policy=policy(OPEN))
    assert public_access(controls, Scope("b", "closed")).state is Tri.NO
    assert public_access(controls, Scope("b", "open")).state is Tri.YES
    assert public_access(controls, Scope("b", "open/deeper")).state is Tri.YES


def by_control(controls: Controls) -> dict[str, Fact]:
    return {fact.control: fact for fact in facts(controls, SCOPE)}


def test_the_other_controls() -> None:
    said = by_control(PRIVATE)
    assert [
        said[name].state for name in ("default-encryption", "versioning", "access-logging")
    ] == [
        Tri.YES,
        Tri.NO,
        Tri.NO,
    ]
    assert "SSE-S3" in said["default-encryption"].detail
    key = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "arn:aws:kms:eu-west-1:123456789012:key/k"}
    rich = replace(
        PRIVATE,
        encryption=Answer([{"ApplyServerSideEncryptionByDefault": key}]),
        versioning=Answer({"Status": "Enabled"}),
        logging=Answer({"TargetBucket": "logs", "TargetPrefix": "s3/"}),
        object_lock=Answer(
            {
                "ObjectLockEnabled": "Enabled",
                "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 30}},
            }
        ),
    )
    said = by_control(rich)
    assert "arn:aws:kms:eu-west-1:123456789012:key/k" in said["default-encryption"].detail
    assert "only current versions were scanned" in said["versioning"].detail
    assert "s3://logs/s3/" in said["access-logging"].detail
    assert "COMPLIANCE, 30 days" in said["object-lock"].detail
    blind = replace(
        PRIVATE,
        policy=DENIED,
        encryption=DENIED,
        versioning=DENIED,
        logging=DENIED,
        object_lock=DENIED,
    )
    assert {fact.state for fact in by_control(blind).values()} == {Tri.UNKNOWN}
    assert all("AccessDenied" in fact.detail for fact in by_control(blind).values())


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("AWS", "123456789012", "account"),
        ("AWS", "arn:aws:iam::123456789012:root", "account"),
        ("AWS", "arn:aws:sts::123456789012:assumed-role/r/s", "role-session"),
        ("AWS", "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E1", "service"),
        ("AWS", "AIDAEXAMPLE", "other"),
        ("Federated", "accounts.google.com", "federated"),
        ("CanonicalUser", "79a5", "canonical-user"),
    ],
)
def test_kinds_of_principals(kind: str, name: str, expected: str) -> None:
    assert principal_kind(kind, name) == expected


def test_account_ids_are_left_and_the_rest_is_sealed() -> None:
    text = "on arn:aws:iam::123456789012:role/987654321098, and 123456789012 alone"
    assert seal_around_accounts(text, lambda part: part.replace("0", "X")) == (
        "on arn:aws:iam::123456789012:role/987654321X98, and 123456789X12 alone"
    )
    assert seal_around_accounts("123456789012", lambda part: "sealed") == "sealed123456789012sealed"


# --- asking ---------------------------------------------------------------------------------------


@pytest.fixture
def _aws() -> Iterator[None]:
    with s3_server.environment():
        yield


def of_store(uri: str) -> tuple[dict[str, Fact], list[str]]:
    store = STORE.connect(STORE.resolve(uri, {}), lambda name: name)
    access = store.access()
    assert not access.could_read_known and access.did_read == ()
    return {f.control: f for f in store.facts()}, [grant.principal for grant in access.could_read]


@pytest.mark.usefixtures("_aws")
def test_facts_of_a_real_bucket() -> None:
    s3 = s3_server.bucket("factual")
    said, named = of_store("s3://factual")
    assert said["public-access"].state is Tri.UNKNOWN  # ACLs of objects count in it
    assert said["default-encryption"].state is Tri.NO and named == []
    s3.put_bucket_ownership_controls(
        Bucket="factual",
        OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
    )
    assert of_store("s3://factual")[0]["public-access"].state is Tri.NO
    document = json.dumps(OPEN).replace("arn:aws:s3:::b/", "arn:aws:s3:::factual/")
    s3.put_bucket_policy(Bucket="factual", Policy=document)
    said, named = of_store("s3://factual")
    assert said["public-access"].state is Tri.YES and named == ["everyone"]
    s3.put_public_access_block(Bucket="factual", PublicAccessBlockConfiguration=ALL_ON)
    assert of_store("s3://factual")[0]["public-access"].state is Tri.NO
    s3.put_bucket_versioning(Bucket="factual", VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_encryption(
        Bucket="factual",
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]
        },
    )
    said, _ = of_store("s3://factual")
    assert said["versioning"].state is said["default-encryption"].state is Tri.YES


@pytest.mark.usefixtures("_aws")
@pytest.mark.parametrize(
    ("owned", "answer", "expected"),
    [
        (True, ALL_ON, Answer(ALL_ON)),
        (True, "NoSuchPublicAccessBlockConfiguration", Answer()),
        (
            True,
            "AccessDenied",
            Answer(unknown="AccessDenied: these credentials lack s3:GetAccountPublicAccessBlock"),
        ),
        (
            False,
            None,
            Answer(unknown="the bucket may be of another account than these credentials"),
        ),
    ],
)
def test_the_block_of_the_account(
    owned: bool, answer: Any, expected: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3_server.bucket("accounted")
    connection = s3_client.connect("accounted", "", {})
    connection.aws = True
    clients = {
        name: connection.session.client(name, region_name="us-east-1")
        for name in ("sts", "s3control")
    }
    monkeypatch.setattr(
        connection.session, "client", lambda name, **options: clients[name], raising=True
    )
    with (
        Stubber(connection.client) as s3,
        Stubber(clients["sts"]) as sts,
        Stubber(clients["s3control"]) as control,
    ):
        sts.add_response("get_caller_identity", {"Account": "123456789012"})
        wanted = {"Bucket": "accounted", "ExpectedBucketOwner": "123456789012", "MaxKeys": ANY}
        if owned:
            s3.add_response("list_objects_v2", {"KeyCount": 0}, wanted)
            if isinstance(answer, str):
                control.add_client_error("get_public_access_block", answer)
            else:
                control.add_response(
                    "get_public_access_block",
                    {"PublicAccessBlockConfiguration": answer},
                    {"AccountId": "123456789012"},
                )
        else:
            s3.add_client_error("list_objects_v2", "AccessDenied", http_status_code=403)
        asker = s3_controls.Asker("accounted")
        owner = s3_controls._owner(connection, asker)
        assert s3_controls._account_block(connection, asker, owner) == expected
