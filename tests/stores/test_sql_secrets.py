"""Passwords out of AWS (moto): by name and by ARN, text and JSON, and what is said of those that
cannot be had."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import boto3.session
import pytest

from scanner import commands
from scanner.errors import Reason, Unreadable, UsageError
from scanner.stores import mysql_target, postgres_target, sql_options, sql_secrets
from scanner.stores.sqlalchemy_target import check as check_generic
from tests import s3_server

pytestmark = pytest.mark.xdist_group("s3")
SECRET = "correct horse"


@pytest.fixture(scope="module")
def arns() -> Iterator[dict[str, str]]:
    with s3_server.environment():
        session = boto3.session.Session()
        secrets, ssm = session.client("secretsmanager"), session.client("ssm")
        made = {
            name: secrets.create_secret(Name=name, SecretString=text)["ARN"]
            for name, text in {
                "db/plain": SECRET,
                "db/rds": json.dumps({"username": "ann", "password": SECRET, "port": 5432}),
                "db/odd": json.dumps({"pw": SECRET, "port": 5432}),
            }.items()
        }
        made["db/bytes"] = secrets.create_secret(Name="db/bytes", SecretBinary=b"\x00")["ARN"]
        ssm.put_parameter(Name="/db/param", Value=SECRET, Type="SecureString")
        made["/db/param"] = ssm.get_parameter(Name="/db/param")["Parameter"]["ARN"]
        yield made


def test_from_all_the_places_it_can_lie(arns: dict[str, str]) -> None:
    for reference in (
        *("secretsmanager:db/plain", "secretsmanager:db/rds", "secretsmanager:db/rds#password"),
        *("secretsmanager:db/odd#pw", "ssm:/db/param", arns["db/plain"], arns["db/rds"]),
        *(arns["db/odd"] + "#pw", arns["/db/param"]),
    ):
        options = {"password_secret": reference}
        assert sql_options.password(options) == SECRET, reference
    given = postgres_target.parameters("postgresql://h/d", {"password_secret": arns["db/rds"]})
    assert given["password"] == SECRET


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("secretsmanager:db/none", "there is none"),
        ("ssm:/db/none", "there is none"),
        ("secretsmanager:db/bytes", "expected text"),
        ("secretsmanager:db/odd", "field password"),
        ("secretsmanager:db/odd#port", "field port"),
        ("secretsmanager:db/plain#pw", "expected JSON with the field pw"),
    ],
)
def test_what_is_said_when_it_cannot_be_had(
    arns: dict[str, str], reference: str, words: str
) -> None:
    with pytest.raises(Unreadable, match=words) as caught:
        sql_options.password({"password_secret": reference})
    assert caught.value.reason is Reason.CREDENTIALS
    assert SECRET not in repr(caught.value)


def test_without_credentials_of_aws(arns: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    with pytest.raises(Unreadable, match="ssm /db/param: NoCredentialsError"):
        sql_secrets.fetch(sql_secrets.parse("ssm:/db/param", ""))


@pytest.mark.parametrize("given", ["hunter2", "ssm:", "arn:aws:s3:::bucket", "ssm:a b"])
def test_a_reference_that_is_none_is_not_repeated(given: str) -> None:
    for check in (
        lambda o: postgres_target.check("postgresql://h/d", o),
        lambda o: mysql_target.check("mysql://h/d", o),
        lambda o: check_generic("mssql+pymssql://h/d", o),
    ):
        with pytest.raises(UsageError, match="expected secretsmanager:NAME") as caught:
            check({"password_secret": given})
        assert "hunter2" not in str(caught.value)
        with pytest.raises(UsageError, match="password_env or password_secret, found both"):
            check({"password_secret": "ssm:/a", "password_env": "A"})


def test_a_password_file_lies_beside_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "cardtrail.toml"
    file.write_text('[[store]]\nuri = "postgresql://u@h/d"\npassword_file = "secret"\n')
    settings, _ = commands._settings(commands.ScanRequest(config=file))
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    assert sql_options.password(settings.store[0].options) == SECRET
