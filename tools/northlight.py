"""Northlight Retail, a small made-up company: the data of the demo and of the end-to-end tests.

The same every time but for dates, which count back from today so that they lie inside the window
that is asked about. Card numbers are made from a seed under real issuer prefixes and satisfy
Luhn; nobody was given them. ``Truth`` says what was planted where.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

PUBLISHED_TEST_PANS = ("4111111111111111", "5555555555554444", "378282246310005")
PREFIXES = (
    ("453912", 16),
    ("402400", 16),
    ("542523", 16),
    ("222310", 16),
    ("374245", 15),
    ("601100", 16),
)
NAMES = (
    "Ines Moreau",
    "Tomas Lindqvist",
    "Aisha Rahman",
    "Grace Okafor",
    "Pavel Novak",
    "Mei Tanaka",
)
ACCOUNT = "111122223333"
EXPORTS, ARCHIVE, ASSETS, TRAIL = (
    "northlight-exports",
    "northlight-archive",
    "northlight-assets",
    "northlight-trail",
)


def make_pan(rng: random.Random) -> str:
    prefix, length = rng.choice(PREFIXES)
    body = prefix + "".join(rng.choices("0123456789", k=length - 1 - len(prefix)))
    total = 0
    for i, char in enumerate(reversed(body)):
        digit = int(char) * (2 if i % 2 == 0 else 1)
        total += digit - 9 if digit > 9 else digit
    return body + str(-total % 10)


@dataclass(slots=True)
class Truth:
    """Distinct live PANs planted in each store, by the last part of its uri."""

    pans: dict[str, set[str]] = field(default_factory=dict)
    reads: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(bucket, principal) -> successful reads written into the trail"""

    def plant(self, store: str, rng: random.Random) -> str:
        pan = make_pan(rng)
        self.pans.setdefault(store, set()).add(pan)
        return pan


# --- stores on disk -------------------------------------------------------------------------------


def fill_logs(folder: Path, today: datetime, truth: Truth) -> None:
    """Application logs, plain and rotated: a debug line leaks a card now and then."""
    rng = random.Random(11)
    folder.mkdir(parents=True, exist_ok=True)
    for back, name in ((0, "checkout.log"), (1, "checkout.log.1.gz"), (2, "checkout.log.2.gz")):
        text = "".join(_log_lines(rng, today - timedelta(days=back), truth)).encode()
        data = text if back == 0 else gzip.compress(text, mtime=0)
        (folder / name).write_bytes(data)


def _log_lines(rng: random.Random, day: datetime, truth: Truth) -> Iterator[str]:
    moment = day.replace(hour=6, minute=0, second=0, microsecond=0)
    for i in range(2_000):
        moment += timedelta(milliseconds=rng.randint(200, 9_000))
        stamp = f"{moment:%Y-%m-%dT%H:%M:%S}.{rng.randint(0, 999):03d}Z"
        order = rng.randint(10**15, 10**16 - 1)
        yield (
            f"{stamp} INFO  checkout order={order} trace={rng.getrandbits(128):032x} "
            f"took_us={rng.randint(800, 90_000)} status=200\n"
        )
        if i % 250 == 97:
            pan = truth.plant("logs", rng)
            yield (
                f'{stamp} DEBUG gateway request {{"cardNumber":"{pan}","expiry":"11/27",'
                f'"holder":"{rng.choice(NAMES)}"}}\n'
            )
        if i % 400 == 11:
            pan = make_pan(rng)
            yield f"{stamp} INFO  receipt card {pan[:6]}******{pan[-4:]} approved\n"


def fill_payments(path: Path, truth: Truth) -> None:
    """The payments database: a clear column nobody remembered, beside tokens and masks."""
    rng = random.Random(12)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT, email TEXT)")
        db.execute(
            "CREATE TABLE payment (id INTEGER PRIMARY KEY, customer_id INTEGER, order_no TEXT, "
            "card_masked TEXT, token TEXT, amount_cents INTEGER)"
        )
        db.execute(
            "CREATE TABLE payment_import_2019 (id INTEGER PRIMARY KEY, card_number TEXT, "
            "exp TEXT, cardholder TEXT)"
        )
        for i in range(400):
            name = rng.choice(NAMES)
            email = f"{name.split()[0].lower()}{i}@example.com"
            db.execute("INSERT INTO customer VALUES (?, ?, ?)", (i, name, email))
            pan = make_pan(rng)
            order = str(rng.randint(10**15, 10**16 - 1))
            row = (i, i, order, f"{pan[:6]}******{pan[-4:]}", f"tok_{rng.getrandbits(96):024x}", i)
            db.execute("INSERT INTO payment VALUES (?, ?, ?, ?, ?, ?)", row)
        for i in range(120):
            row = (i, truth.plant("payments.db", rng), "09/26", rng.choice(NAMES))
            db.execute("INSERT INTO payment_import_2019 VALUES (?, ?, ?, ?)", row)
    db.close()


# --- buckets --------------------------------------------------------------------------------------


def fill_buckets(s3: Any, cloudtrail: Any, today: datetime, truth: Truth) -> None:
    """``s3`` and ``cloudtrail`` are boto3 clients of the local server."""
    for bucket in (EXPORTS, ARCHIVE, ASSETS, TRAIL):
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_ownership_controls(
            Bucket=bucket,
            OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        )
    _fill_exports(s3, truth)
    _fill_archive(s3, truth)
    _fill_assets(s3)
    _fill_trail(s3, cloudtrail, today, truth)


def _fill_exports(s3: Any, truth: Truth) -> None:
    """Open to the public by its policy: a partner once asked for "a link"."""
    rng = random.Random(13)
    public = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "PartnerDownload",
                "Effect": "Allow",
                "Principal": "*",
                "Action": "s3:GetObject",
                "Resource": f"arn:aws:s3:::{EXPORTS}/*",
            }
        ],
    }
    s3.put_bucket_policy(Bucket=EXPORTS, Policy=json.dumps(public))
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(["order_id", "customer", "pan", "amount"])
    for _ in range(300):
        rows.writerow(
            [
                rng.randint(10**15, 10**16 - 1),
                rng.choice(NAMES),
                truth.plant(EXPORTS, rng),
                f"{rng.randint(100, 99_999) / 100:.2f}",
            ]
        )
    s3.put_object(Bucket=EXPORTS, Key="partner/orders-q3.csv", Body=table.getvalue().encode())
    tests = "".join(f"card={pan} result=approved\n" for pan in PUBLISHED_TEST_PANS)
    s3.put_object(Bucket=EXPORTS, Key="qa/gateway-smoke.txt", Body=tests.encode())


def _fill_archive(s3: Any, truth: Truth) -> None:
    """Encrypted by default, which is a fact and not a protection of the PAN (3.5.1.2)."""
    rng = random.Random(14)
    s3.put_bucket_encryption(
        Bucket=ARCHIVE,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]
        },
    )
    s3.put_bucket_versioning(Bucket=ARCHIVE, VersioningConfiguration={"Status": "Enabled"})
    block = dict.fromkeys(
        ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
    )
    s3.put_public_access_block(Bucket=ARCHIVE, PublicAccessBlockConfiguration=block)
    lines = "".join(
        json.dumps({"id": i, "payment": {"card": truth.plant(ARCHIVE, rng)}, "ok": True}) + "\n"
        for i in range(200)
    )
    body = gzip.compress(lines.encode(), mtime=0)
    s3.put_object(Bucket=ARCHIVE, Key="settlement/2023.jsonl.gz", Body=body)


def save_identities(file: Path) -> None:
    """Users, groups and roles of the account, as ``get-account-authorization-details`` would print
    them. All of support may read every bucket, and only Mara ever did."""

    def policy(sid: str, *buckets: str) -> list[dict[str, Any]]:
        statement = {
            "Sid": sid,
            "Effect": "Allow",
            "Action": "s3:GetObject",
            "Resource": [f"arn:aws:s3:::{bucket}/*" for bucket in buckets],
        }
        document = {"Version": "2012-10-17", "Statement": [statement]}
        return [{"PolicyName": sid.lower(), "PolicyDocument": document}]

    iam = f"arn:aws:iam::{ACCOUNT}"
    document = {
        "UserDetailList": [
            {"UserName": name, "Arn": f"{iam}:user/{name}", "GroupList": ["support"]}
            for name in ("ben", "kofi", "lena", "mara")
        ],
        "GroupDetailList": [
            {"GroupName": "support", "GroupPolicyList": policy("All", "northlight-*")}
        ],
        "RoleDetailList": [
            {
                "RoleName": name,
                "RoleId": f"AROA{name.upper()}",
                "Arn": f"{iam}:role/{name}",
                "RolePolicyList": policy("Archive", ARCHIVE),
            }
            for name in ("settlement-batch", "settlement-2019")
        ],
        "Policies": [],
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document, indent=2), encoding="utf-8")


def _fill_assets(s3: Any) -> None:
    """Clean, though full of numbers that look like cards."""
    rng = random.Random(15)
    rows = "".join(f"{rng.randint(10**15, 10**16 - 1)},{rng.randint(1, 9)}\n" for _ in range(2_000))
    s3.put_object(
        Bucket=ASSETS, Key="feeds/order-ids.csv", Body=b"order_id,items\n" + rows.encode()
    )
    page = "<!doctype html><title>Northlight</title><p>Order 1234 5678 at any hour.</p>\n"
    s3.put_object(Bucket=ASSETS, Key="index.html", Body=page.encode())


def _fill_trail(s3: Any, cloudtrail: Any, today: datetime, truth: Truth) -> None:
    """A trail that records reads of the exports and the archive, not of the assets."""
    cloudtrail.create_trail(Name="data-events", S3BucketName=TRAIL)
    selectors = [
        {
            "ReadWriteType": "All",
            "IncludeManagementEvents": False,
            "DataResources": [
                {
                    "Type": "AWS::S3::Object",
                    "Values": [f"arn:aws:s3:::{EXPORTS}/", f"arn:aws:s3:::{ARCHIVE}/"],
                }
            ],
        }
    ]
    cloudtrail.put_event_selectors(TrailName="data-events", EventSelectors=selectors)
    cloudtrail.start_logging(Name="data-events")
    rng = random.Random(16)
    for day in range(13, -1, -1):
        start = (today - timedelta(days=day)).replace(hour=0, minute=0, second=0, microsecond=0)
        if start > today:
            continue
        records = list(_events(rng, start, today, truth))
        body = gzip.compress(json.dumps({"Records": records}).encode(), mtime=0)
        key = (
            f"AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/{start:%Y/%m/%d}/{ACCOUNT}_CloudTrail_us-east-1_"
            f"{start:%Y%m%dT%H%MZ}_{rng.getrandbits(64):016x}.json.gz"
        )
        s3.put_object(Bucket=TRAIL, Key=key, Body=body)


def _events(
    rng: random.Random, start: datetime, until: datetime, truth: Truth
) -> Iterator[dict[str, Any]]:
    role = f"arn:aws:iam::{ACCOUNT}:role/settlement-batch"
    people: list[tuple[str, str, dict[str, Any], int]] = [
        (ARCHIVE, role, _role(role, "nightly"), 6),
        (EXPORTS, "anonymous", {"type": "AWSAccount", "accountId": "ANONYMOUS_PRINCIPAL"}, 3),
        (EXPORTS, "arn:aws:iam::111122223333:user/mara", _user("mara"), 2),
    ]
    for bucket, principal, identity, count in people:
        for _ in range(rng.randint(1, count)):
            moment = start + timedelta(seconds=rng.randint(0, 86_399))
            if moment > until:
                continue
            key = "partner/orders-q3.csv" if bucket == EXPORTS else "settlement/2023.jsonl.gz"
            truth.reads[(bucket, principal)] += 1
            yield _get_object(rng, moment, bucket, key, identity)


def _role(arn: str, session: str) -> dict[str, Any]:
    name = arn.rpartition("/")[2]
    return {
        "type": "AssumedRole",
        "principalId": f"AROAEXAMPLE:{session}",
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{session}",
        "accountId": ACCOUNT,
        "sessionContext": {
            "sessionIssuer": {"type": "Role", "arn": arn, "accountId": ACCOUNT, "userName": name}
        },
    }


def _user(name: str) -> dict[str, Any]:
    return {
        "type": "IAMUser",
        "principalId": "AIDAEXAMPLE",
        "arn": f"arn:aws:iam::{ACCOUNT}:user/{name}",
        "accountId": ACCOUNT,
        "userName": name,
    }


def _get_object(
    rng: random.Random, moment: datetime, bucket: str, key: str, identity: dict[str, Any]
) -> dict[str, Any]:
    return {
        "eventVersion": "1.11",
        "userIdentity": identity,
        "eventTime": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": "s3.amazonaws.com",
        "eventName": "GetObject",
        "awsRegion": "us-east-1",
        "sourceIPAddress": "203.0.113.9",
        "userAgent": "[aws-cli/2.15]",
        "requestParameters": {"bucketName": bucket, "key": key},
        "responseElements": None,
        "additionalEventData": {"bytesTransferredOut": 14_000},
        "requestID": f"{rng.getrandbits(64):016X}",
        "eventID": f"{rng.getrandbits(128):032x}",
        "readOnly": True,
        "resources": [
            {"type": "AWS::S3::Object", "ARN": f"arn:aws:s3:::{bucket}/{key}"},
            {"accountId": ACCOUNT, "type": "AWS::S3::Bucket", "ARN": f"arn:aws:s3:::{bucket}"},
        ],
        "eventType": "AwsApiCall",
        "managementEvent": False,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Data",
    }


CONFIG = """\
# What a small company would write. Paths count from the folder of this file.
profile = "card"
fail_on = "high"

[[store]]
uri = "s3://northlight-exports"
environment = "production"
expected = false
owner = "partner integrations"
identities = "iam.json"   # aws iam get-account-authorization-details

[[store]]
uri = "s3://northlight-archive"
environment = "production"
expected = true
owner = "settlement"
identities = "iam.json"   # aws iam get-account-authorization-details

[[store]]
uri = "s3://northlight-assets"
environment = "production"
expected = false
owner = "web"

[[store]]
uri = "sqlite:///data/payments.db"
environment = "production"
expected = true
owner = "payments"

[[store]]
uri = "data/logs"
environment = "staging"
expected = false
owner = "checkout"

[[evidence]]
kind = "cloudtrail"
uri = "s3://northlight-trail/AWSLogs/"
trail = "data-events"
"""


def today() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
