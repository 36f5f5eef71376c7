"""The policies in SECURITY.md allow every call that is made of AWS, and no other."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import botocore.session
from botocore import xform_name

ROOT = Path(__file__).resolve().parent.parent
SERVICES = ("s3", "s3control", "sts", "iam", "organizations", "kms", "cloudtrail", "logs")
ELSEWHERE = {"scanner/stores/sql_secrets.py", "scanner/stores/mongodb_session.py"}
"""docs/databases.md says what secrets of databases take; no client of AWS in the other"""
NAMED_OTHERWISE = {
    ("s3", "ListObjectsV2"): "s3:ListBucket",
    ("s3", "HeadObject"): "s3:GetObject",
    ("s3", "GetBucketEncryption"): "s3:GetEncryptionConfiguration",
    ("s3", "GetBucketLifecycleConfiguration"): "s3:GetLifecycleConfiguration",
    ("s3", "GetObjectLockConfiguration"): "s3:GetBucketObjectLockConfiguration",
    ("s3", "GetPublicAccessBlock"): "s3:GetBucketPublicAccessBlock",
    ("s3control", "GetPublicAccessBlock"): "s3:GetAccountPublicAccessBlock",
}
"""operations whose action has another name (Service Authorization Reference)"""
OF_OUTPOSTS = {"GetBucketPolicy", "GetBucketVersioning", "GetBucketLifecycleConfiguration"}
"""of s3control, which has them for another kind of bucket"""
BESIDES = {"kms:Decrypt"}
"""is no call of ours: S3 asks for it when an object is read"""


@cache
def operations() -> dict[str, list[tuple[str, str]]]:
    """Services and operations by the name of the method."""
    session, found = botocore.session.Session(), dict[str, list[tuple[str, str]]]()
    for service in SERVICES:
        for name in session.get_service_model(service).operation_names:
            if service != "s3control" or name not in OF_OUTPOSTS:
                found.setdefault(xform_name(name), []).append((service, name))
    return found


def called(path: Path) -> Iterator[tuple[str, str]]:
    """What a module that has to do with clients names of their methods, as ``client.method`` or
    for a paginator."""
    text = path.read_text()
    if "boto" not in text and "client" not in text:
        return
    for node in ast.walk(ast.parse(text)):
        name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "value", None)
        if isinstance(name, str):
            yield from operations().get(name, ())


def actions() -> set[str]:
    made = set()
    for path in sorted((ROOT / "scanner").rglob("*.py")):
        if str(path.relative_to(ROOT)) not in ELSEWHERE:
            for service, name in called(path):
                own = f"{service.removesuffix('control')}:{name}"
                made.add(NAMED_OTHERWISE.get((service, name), own))
    return made


def documented() -> set[str]:
    """Of all policies in SECURITY.md."""
    allowed: set[str] = set()
    for block in re.findall(r"```json\n(.*?)```", (ROOT / "SECURITY.md").read_text(), re.DOTALL):
        for statement in json.loads(block)["Statement"]:
            action = statement["Action"]
            allowed |= {action} if isinstance(action, str) else set(action)
    return allowed


def test_every_call_is_in_the_policies_and_nothing_else() -> None:
    assert {"cloudtrail:GetTrailStatus", "logs:GetLogEvents", "s3:GetObject"} <= actions()
    assert documented() - BESIDES == actions()


def test_nothing_that_is_allowed_changes_anything() -> None:
    reading = re.compile(r"[a-z0-9]+:(Get|List|Describe|Decrypt$)")
    assert [each for each in documented() if not reading.match(each)] == []


def test_the_permission_that_is_said_to_be_missing_is_one_of_them() -> None:
    """What an answer names when it was refused can be found in the policies."""
    said, ours = set(), "|".join(SERVICES)
    for path in (ROOT / "scanner").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                for each in node.args:
                    text = each.value if isinstance(each, ast.Constant) else None
                    if isinstance(text, str) and re.fullmatch(rf"({ours}):[A-Z][A-Za-z]+", text):
                        said.add(text)
    assert "s3:GetLifecycleConfiguration" in said
    assert said <= documented()
