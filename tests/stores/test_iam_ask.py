"""Asking for everything around a bucket: against moto, with refusals by botocore's Stubber, and
saved files, right and wrong ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3.session
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from scanner.errors import UsageError
from scanner.model import Tri
from scanner.stores import iam_ask, s3_client, s3_controls
from scanner.stores.s3 import S3, STORE
from scanner.stores.s3_client import Connection
from tests import s3_server
from tests.stores.policies import document, statement

OWN = s3_server.ACCOUNT


@pytest.fixture(autouse=True)
def _aws() -> Iterator[None]:
    iam_ask.forget()
    with s3_server.environment():
        yield
    iam_ask.forget()


def on_loopback(made: Any) -> Any:
    """s3control puts the account before the name of the host, which no loopback address has."""

    def plain(request: Any, **rest: Any) -> None:
        request.url = request.url.replace(f"//{OWN}.", "//")

    made.meta.events.register("before-send.s3-control", plain)
    return made


def client(service: str) -> Any:
    make: Any = boto3.session.Session().client
    return on_loopback(make(service, region_name="us-east-1"))


def owned(name: str) -> S3:
    """A store over a bucket of moto, taken for AWS. The bucket has no ACLs that count."""
    connection = s3_client.connect(name, "", {})
    connection.aws = True
    make: Any = connection.session.client
    connection.session.client = lambda name, **more: on_loopback(make(name, **more))  # type: ignore[method-assign] # of this session only
    connection.client.put_bucket_ownership_controls(
        Bucket=name, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    )
    return S3(STORE.resolve(f"s3://{name}", {}), "", connection, lambda text: text)


@pytest.fixture
def people() -> Iterator[None]:
    iam = client("iam")
    allowed = document(statement(Action="s3:Get*", Resource="arn:aws:s3:::askable/*"))
    arn = iam.create_policy(PolicyName="reading", PolicyDocument=json.dumps(allowed))["Policy"][
        "Arn"
    ]
    iam.create_user(UserName="ann")
    iam.create_user(UserName="idle")
    iam.create_group(GroupName="staff")
    iam.attach_group_policy(GroupName="staff", PolicyArn=arn)
    iam.add_user_to_group(GroupName="staff", UserName="ann")
    trust = {"Statement": {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}}
    iam.create_role(RoleName="etl", Path="/app/", AssumeRolePolicyDocument=json.dumps(trust))
    iam.put_role_policy(RoleName="etl", PolicyName="job", PolicyDocument=json.dumps(allowed))
    yield
    iam.remove_user_from_group(GroupName="staff", UserName="ann")
    iam.detach_group_policy(GroupName="staff", PolicyArn=arn)
    iam.delete_group(GroupName="staff")
    for name in ("ann", "idle"):
        iam.delete_user(UserName=name)
    iam.delete_role_policy(RoleName="etl", PolicyName="job")
    iam.delete_role(RoleName="etl")
    iam.delete_policy(PolicyArn=arn)


def could(store: S3) -> dict[str, tuple[str, str]]:
    return {
        grant.principal.rpartition("/")[2]: (grant.state, grant.via)
        for grant in store.access().could_read
        if grant.kind != "root"
    }


@pytest.mark.usefixtures("people")
def test_the_live_account() -> None:
    s3_server.bucket("askable")
    store = owned("askable")
    assert could(store) == {
        "ann": ("allow", "policy reading of group staff, statement 1"),
        "etl": ("allow", "inline policy job, statement 1"),
    }
    access = store.access()
    assert access.could_read_known and access.could_read_detail == "" and access.public is Tri.NO


@pytest.mark.usefixtures("people")
def test_a_saved_account_is_as_good(tmp_path: Path) -> None:
    s3_server.bucket("askable")
    answer = client("iam").get_account_authorization_details()
    answer.pop("ResponseMetadata")
    (tmp_path / "auth.json").write_text(json.dumps(answer, default=str))
    for place in (tmp_path, tmp_path / "auth.json"):
        store = STORE.connect(
            STORE.resolve("s3://askable", {"identities": str(place)}), lambda text: text
        )
        access = store.access()
        assert {g.principal.rpartition("/")[2] for g in access.could_read if g.kind != "root"} == {
            "ann",
            "etl",
        }
        assert not access.could_read_known  # moto counts ACLs of objects
        assert access.could_read_detail == (
            "ACLs of single objects count in this bucket and were not asked"
        )


@pytest.mark.usefixtures("people")
def test_control_policies_of_the_organisation() -> None:
    s3_server.bucket("askable")
    organizations = client("organizations")
    organizations.create_organization(FeatureSet="ALL")
    try:
        store = owned("askable")
        assert "etl" in could(store)  # they do not bind the account that manages it
        root = organizations.list_roots()["Roots"][0]["Id"]
        organizations.enable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
        deny = document(statement("Deny", Resource="*"))
        made = organizations.create_policy(
            Content=json.dumps(deny),
            Name="no-reading",
            Type="SERVICE_CONTROL_POLICY",
            Description="x",
        )["Policy"]["PolicySummary"]["Id"]
        organizations.attach_policy(PolicyId=made, TargetId=root)
        levels = iam_ask._levels(organizations, OWN, "SERVICE_CONTROL_POLICY")
        names = [[each["PolicySummary"]["Name"] for each in level] for level in levels]
        assert ["FullAWSAccess", "no-reading"] in names
        read = iam_ask._read_levels(levels, "service control policy")
        denies = [s for level in read for policy in level for s in policy.statements if not s.allow]
        assert len(denies) == 1
        organizations.detach_policy(PolicyId=made, TargetId=root)
        organizations.delete_policy(PolicyId=made)
    finally:
        organizations.delete_organization()


@pytest.mark.usefixtures("people")
def test_the_key_and_its_grants() -> None:
    s3 = s3_server.bucket("askable")
    kms = client("kms")
    root = {"AWS": f"arn:aws:iam::{OWN}:root"}
    only = document(
        {"Effect": "Allow", "Principal": root, "Action": "kms:Create*", "Resource": "*"}
    )
    key = kms.create_key(Policy=json.dumps(only))["KeyMetadata"]["Arn"]
    rule = {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key},
        "BucketKeyEnabled": True,
    }
    s3.put_bucket_encryption(Bucket="askable", ServerSideEncryptionConfiguration={"Rules": [rule]})
    assert {state for state, _ in could(owned("askable")).values()} == {"conditional"}
    etl = f"arn:aws:iam::{OWN}:role/app/etl"
    kms.create_grant(KeyId=key, GranteePrincipal=etl, Operations=["Decrypt"], Name="nightly")
    found = could(owned("askable"))
    assert found["etl"] == ("allow", "inline policy job, statement 1; key policy, grant nightly")
    assert found["ann"][0] == "conditional" and key in found["ann"][1]
    del rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"]
    s3.put_bucket_encryption(Bucket="askable", ServerSideEncryptionConfiguration={"Rules": [rule]})
    assert could(owned("askable"))["ann"] == (
        "allow",
        "policy reading of group staff, statement 1; key policy, statement of AWS for S3",
    )


def test_access_points() -> None:
    s3 = s3_server.bucket("pointed")
    control = client("s3control")
    control.create_access_point(AccountId=OWN, Name="way", Bucket="pointed")
    arn = control.get_access_point(AccountId=OWN, Name="way")["AccessPointArn"]
    other = {"AWS": "999988887777"}
    control.put_access_point_policy(
        AccountId=OWN,
        Name="way",
        Policy=json.dumps(document(statement(Principal=other, Resource=f"{arn}/object/*"))),
    )
    delegated = statement(
        Principal="*",
        Resource="arn:aws:s3:::pointed/*",
        Condition={"StringEquals": {"s3:DataAccessPointAccount": OWN}},
    )
    s3.put_bucket_policy(Bucket="pointed", Policy=json.dumps(document(delegated)))
    (found,) = could(owned("pointed")).values()
    assert found[0] == "allow" and found[1].endswith("through access point way")
    control.delete_access_point(AccountId=OWN, Name="way")


def refusing(store: S3, services: set[str], monkeypatch: pytest.MonkeyPatch, error: Any) -> None:
    connection: Connection = store._connection
    make: Any = connection.session.client

    def refused(service: str, **options: Any) -> Any:
        made = make(service, **options)
        if service in services:
            monkeypatch.setattr(made, "_make_api_call", error)
        return made

    monkeypatch.setattr(connection.session, "client", refused)


def denied(operation: str, arguments: Any) -> Any:
    raise ClientError({"Error": {"Code": "AccessDenied", "Message": "secret 4111"}}, operation)


def unreachable(operation: str, arguments: Any) -> Any:
    raise EndpointConnectionError(endpoint_url="https://iam.amazonaws.com/4111")


@pytest.mark.parametrize("error", [denied, unreachable])
def test_what_may_not_be_asked_is_a_doubt_with_its_reason(
    error: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = s3_server.bucket("askable")
    rule = {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "k1"}
    }
    s3.put_bucket_encryption(Bucket="askable", ServerSideEncryptionConfiguration={"Rules": [rule]})
    named = statement(
        Principal={"AWS": f"arn:aws:iam::{OWN}:user/u"}, Resource="arn:aws:s3:::askable/*"
    )
    s3.put_bucket_policy(Bucket="askable", Policy=json.dumps(document(named)))
    store = owned("askable")
    refusing(store, {"iam", "organizations", "kms"}, monkeypatch, error)
    access = store.access()
    assert not access.could_read_known and "4111" not in access.could_read_detail
    for said in ("users and roles are not known", "control policies", "who may use key k1"):
        assert said in access.could_read_detail
    assert [grant.state for grant in access.could_read] == ["unknown"]
    if error is denied:
        assert "lack iam:GetAccountAuthorizationDetails" in access.could_read_detail


def test_nobody_is_asked_about_a_bucket_of_another_account(monkeypatch: pytest.MonkeyPatch) -> None:
    s3_server.bucket("askable")
    store = owned("askable")
    monkeypatch.setattr(s3_controls, "owned_by", lambda *arguments: False)
    access = store.access()
    assert not access.could_read_known
    assert "the account that owns the bucket is not known" in access.could_read_detail


# --- saved files ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "text", "says"),
    [
        ("identities", None, "expected a readable file: No such file or directory"),
        ("identities", "{", "expected JSON"),
        ("identities", "[]", "expected the output of aws iam get-account-authorization-details"),
        ("identities", '{"UserDetailList": [], "IsTruncated": true}', "IsTruncated is true"),
        ("identities", '{"UserDetailList": []}', "found 0 accounts"),
        ("identities", '{"UserDetailList": [{"Arn": 4}]}', "expected the ARN of a user or role"),
        ("identities", '{"UserDetailList": [4]}', "UserDetailList: expected a list of objects"),
        ("scps", "{}", "expected a list of levels"),
        ("scps", "[[4]]", "service control policy, level 1: expected a policy document"),
        ("scps", '[{"Statement": [{"Effect": "Perhaps"}]}]', "whose Effect is Allow or Deny"),
        ("scps", '{"rcps": {}}', "expected a list of levels"),
    ],
)
def test_a_wrong_file_is_said_before_the_scan(
    option: str, text: str | None, says: str, tmp_path: Path
) -> None:
    file = tmp_path / "saved.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UsageError) as error:
        STORE.resolve("s3://bbb", {option: str(file)})
    assert says in str(error.value) and f"s3://bbb: {option}: {file}" in str(error.value)


def test_saved_control_policies(tmp_path: Path) -> None:
    full = document({"Effect": "Allow", "Action": "*", "Resource": "*"})
    described = {"Policy": {"PolicySummary": {"Name": "all"}, "Content": json.dumps(full)}}
    file = tmp_path / "scps.json"
    for body, shape in (
        ([full, described], ([2], [])),
        ([[full], [described, full]], ([1, 2], [])),
        ({"scps": [[full]], "rcps": [full]}, ([1], [1])),
    ):
        file.write_text(json.dumps(body))
        found = iam_ask.saved_levels(str(file), "s3://bbb")
        assert tuple([len(level) for level in levels] for levels in found) == shape
    assert found[0][0][0].label == "service control policy, level 1"


def test_an_empty_folder_and_an_account_twice(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"expected \*\.json in this folder"):
        STORE.resolve("s3://bbb", {"identities": str(tmp_path)})
    body = {"RoleDetailList": [{"Arn": f"arn:aws:iam::{OWN}:role/r"}]}
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text(json.dumps(body))
    with pytest.raises(UsageError, match="is there twice"):
        STORE.resolve("s3://bbb", {"identities": str(tmp_path)})
