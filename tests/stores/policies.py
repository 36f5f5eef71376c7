"""Accounts, policies and questions for tests of who could read a bucket."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from scanner.stores import iam_account
from scanner.stores.iam_account import Account
from scanner.stores.s3_controls import Answer
from scanner.stores.s3_facts import Scope
from scanner.stores.s3_readers import Readers, Surroundings, readers
from tests.stores.test_s3_facts import PRIVATE, policy

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
