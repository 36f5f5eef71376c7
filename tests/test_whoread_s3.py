"""The whole way: a bucket, a saved account, a trail; could and did, and what would be enough."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests import s3_server
from tests.access import trails
from tests.conftest import Cardtrail, Planted
from tests.stores.policies import document, statement

pytestmark = pytest.mark.xdist_group("demo")
OWN = trails.OWNER


def account() -> dict[str, Any]:
    may = document(statement(Sid="Vault", Resource="arn:aws:s3:::whocould/*"))
    inline = [{"PolicyName": "vault", "PolicyDocument": may}]
    return {
        "UserDetailList": [
            {"UserName": name, "Arn": f"arn:aws:iam::{OWN}:user/{name}", "GroupList": ["staff"]}
            for name in ("alice", "idle")
        ],
        "GroupDetailList": [{"GroupName": "staff", "GroupPolicyList": inline}],
        "RoleDetailList": [
            {
                "RoleName": name,
                "RoleId": f"AROA{name}",
                "Arn": f"arn:aws:iam::{OWN}:role/jobs/{name}",
                "RolePolicyList": inline if name == "app" else [],
            }
            for name in ("app", "former")
        ],
    }


def records(now: datetime) -> Iterator[dict[str, Any]]:
    def at(record: dict[str, Any], minutes: float) -> dict[str, Any]:
        when = now - timedelta(minutes=minutes)
        return {**record, "eventTime": when.strftime("%Y-%m-%dT%H:%M:%SZ")}

    def role(name: str, session: str) -> dict[str, Any]:
        who = trails.role(session, name)
        who["sessionContext"]["sessionIssuer"]["arn"] = f"arn:aws:iam::{OWN}:role/jobs/{name}"
        return who

    for half_hours in range(52):
        yield at(trails.management(), 30 * half_hours + 1)
    for number in range(5):
        who = role("app", f"i-{number}")
        yield at(trails.event(key="cards.csv", bucket="whocould", who=who), 60 + number)
    yield at(trails.event(key="cards.csv", bucket="whocould", who=role("former", "x")), 300)
    yield at(trails.event(key="plain.txt", bucket="whocould", who=trails.user("alice")), 400)


SELECTORS = {
    "TrailARN": f"arn:aws:cloudtrail:eu-west-1:{OWN}:trail/all",
    "EventSelectors": [
        {
            "ReadWriteType": "All",
            "IncludeManagementEvents": True,
            "DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]}],
        }
    ],
}


@pytest.mark.parametrize("whole", [True, False])
def test_could_and_did(cardtrail: Cardtrail, planted: Planted, whole: bool) -> None:
    s3 = s3_server.bucket(
        "whocould",
        {"cards.csv": f"id,card_number\n1,{planted.pan()}\n".encode(), "plain.txt": b"nothing"},
    )
    s3.put_bucket_ownership_controls(
        Bucket="whocould",
        OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
    )
    folder = cardtrail.cwd
    (folder / "trail").mkdir()
    (folder / "trail" / "a.json.gz").write_bytes(trails.delivered(*records(datetime.now(UTC))))
    (folder / "auth.json").write_text(json.dumps(account()))
    (folder / "selectors.json").write_text(json.dumps(SELECTORS))
    selectors = 'selectors = "selectors.json"\n' if whole else ""
    (folder / "cardtrail.toml").write_text(
        'window_days = 1\n[[store]]\nuri = "s3://whocould"\nidentities = "auth.json"\n'
        f'[[evidence]]\nkind = "cloudtrail"\nuri = "trail"\n{selectors}'
    )
    aws = s3_server.variables()
    scanned = cardtrail("scan", "-q", "-o", "run.json", "-o", "run.html", env=aws)
    assert scanned.code == 1, scanned.err
    record = json.loads(cardtrail("access", "--json", env=aws).out)
    (store,) = record["stores"]
    assert store["could_read_known"] and store["could_read_detail"] == ""
    assert store["coverage"] == ("complete" if whole else "partial"), store["evidence"]
    short = {
        each["principal"].rpartition(":")[2]: each["could_and_did"] for each in store["principals"]
    }
    idle = "never" if whole else "untold"
    assert short == {
        "role/jobs/app": "did",
        "user/alice": "did",
        "role/jobs/former": "how",
        "user/idle": idle,
        "root": idle,
    }
    policy = json.loads(store["least_grant"]["text"])
    assert policy["Statement"][1]["Principal"]["AWS"] == [
        f"arn:aws:iam::{OWN}:role/jobs/app",
        f"arn:aws:iam::{OWN}:user/alice",
    ]
    notes = "\n".join(store["least_grant"]["notes"])
    assert f"need not be kept: arn:aws:iam::{OWN}:user/alice" in notes
    unused = {each["via"]: each["principals"] for each in record["unused_grants"]}
    group = "inline policy vault of group staff, statement Vault"
    assert unused.get(group) == ([f"arn:aws:iam::{OWN}:user/idle"] if whole else None)
    page = (folder / "run.html").read_text()
    assert ("could and never did since" in page) is whole
    assert "did and could not (how?): 1" in page


def test_what_the_bucket_of_the_trail_does_not_keep_is_named_everywhere(
    cardtrail: Cardtrail, planted: Planted
) -> None:
    """A window of three days over a bucket that keeps one; two scans, about two seconds."""
    s3_server.bucket("keptshort", {"cards.csv": f"card_number\n{planted.pan()}\n".encode()})
    beats = (
        {**trails.management(), "eventTime": f"{datetime.now(UTC) - timedelta(hours=n):%FT%TZ}"}
        for n in range(20)
    )
    trail = s3_server.bucket("keptshort-trail", {"AWSLogs/a.json.gz": trails.delivered(*beats)})
    rule: Any = {"ID": "tidy", "Status": "Enabled", "Filter": {}, "Expiration": {"Days": 1}}
    trail.put_bucket_lifecycle_configuration(
        Bucket="keptshort-trail", LifecycleConfiguration={"Rules": [rule]}
    )
    (cardtrail.cwd / "cardtrail.toml").write_text(
        'window_days = 3\n[[store]]\nuri = "s3://keptshort"\n'
        '[[evidence]]\nkind = "cloudtrail"\nuri = "s3://keptshort-trail/AWSLogs"\n'
    )
    aws = s3_server.variables()
    planned = cardtrail("plan", env=aws)
    assert "s3://keptshort-trail/AWSLogs (evidence: cloudtrail)" in planned.out
    scanned = cardtrail("scan", "-q", "-o", "run.json", "-o", "run.html", env=aws)
    assert scanned.code == 1, scanned.err
    said = "S3 deletes logs 1 day after they were written (rule tidy): what was written before"
    store = json.loads(cardtrail("access", "--json", env=aws).out)["stores"][0]
    assert (store["answer"], store["evidence"][0]["coverage"]) == ("cannot-tell", "none")
    assert said in store["evidence"][0]["detail"] and said in planned.out
    for shown in (
        cardtrail("access", env=aws).out,
        cardtrail("access", "incident", "keptshort", env=aws).out,
        *((cardtrail.cwd / name).read_text() for name in ("run.json", "run.html")),
    ):
        assert said in shown and "hours of the window without a record" in shown


def test_a_wrong_file_is_told_before_anything_is_read(cardtrail: Cardtrail) -> None:
    (cardtrail.cwd / "auth.json").write_text("[]")
    (cardtrail.cwd / "cardtrail.toml").write_text(
        '[[store]]\nuri = "s3://whocould"\nidentities = "auth.json"\n'
    )
    result = cardtrail("scan", "-q", env=s3_server.variables())
    assert result.code == 2 and "Traceback" not in result.err
    assert "s3://whocould: identities: " in result.err
    assert "auth.json: expected the output of aws iam" in result.err
