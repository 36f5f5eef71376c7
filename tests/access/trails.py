"""Made-up CloudTrail records and files for the tests of evidence."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from scanner.access.cloudtrail import EVIDENCE
from scanner.contracts import EvidenceResult, OpenFiles, Source
from scanner.model import Problem, Store

START = datetime(2026, 3, 1, tzinfo=UTC)
END = START + timedelta(hours=6)
OWNER, FOREIGN = "123456789012", "444455556666"
_ids = count()


def role(session: str = "app-1", name: str = "app", account: str = OWNER) -> dict[str, Any]:
    return {
        "type": "AssumedRole",
        "principalId": f"AROAEXAMPLE:{session}",
        "arn": f"arn:aws:sts::{account}:assumed-role/{name}/{session}",
        "accountId": account,
        "sessionContext": {
            "sessionIssuer": {"type": "Role", "arn": f"arn:aws:iam::{account}:role/{name}"}
        },
    }


def user(name: str = "alice") -> dict[str, Any]:
    return {
        "type": "IAMUser",
        "arn": f"arn:aws:iam::{OWNER}:user/{name}",
        "accountId": OWNER,
        "userName": name,
    }


ANONYMOUS = {"type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL"}
ABROAD = {"type": "AWSAccount", "principalId": "AIDAEXAMPLE", "accountId": FOREIGN}


def event(
    name: str = "GetObject",
    key: str | None = "cards.csv",
    bucket: str = "pay",
    who: Any = None,
    minute: float = 5,
    sent: Any = 100,
    **more: Any,
) -> dict[str, Any]:
    """A data event ``minute`` minutes after START."""
    parameters = {"bucketName": bucket} if key is None else {"bucketName": bucket, "key": key}
    return {
        "eventVersion": "1.11",
        "eventID": f"00000000-0000-0000-0000-{next(_ids):012x}",
        "eventTime": (START + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": "s3.amazonaws.com",
        "eventName": name,
        "awsRegion": "eu-west-1",
        "userIdentity": role() if who is None else who,
        "requestParameters": parameters,
        "additionalEventData": {"bytesTransferredOut": sent},
        "resources": [
            {"type": "AWS::S3::Object", "ARN": f"arn:aws:s3:::{bucket}/{key}"},
            {"type": "AWS::S3::Bucket", "accountId": OWNER, "ARN": f"arn:aws:s3:::{bucket}"},
        ],
        "readOnly": name not in {"CopyObject", "UploadPartCopy", "PutObject"},
        "managementEvent": False,
        "eventCategory": "Data",
        "recipientAccountId": OWNER,
        **more,
    }


def copy(source: str, minute: float = 5, **more: Any) -> dict[str, Any]:
    made = event("CopyObject", "copy.csv", "elsewhere", minute=minute, **more)
    made["requestParameters"]["x-amz-copy-source"] = source
    return made


def management(
    name: str = "DescribeInstances",
    minute: float = 5,
    source: str = "ec2.amazonaws.com",
    **more: Any,
) -> dict[str, Any]:
    return event(
        name,
        minute=minute,
        eventSource=source,
        managementEvent=True,
        eventCategory="Management",
        **more,
    )


def heartbeat() -> list[dict[str, Any]]:
    """A management event in every hour of the window."""
    return [management(minute=60 * hour + 30) for hour in range(6)]


def delivered(*records: Any) -> bytes:
    """A file as CloudTrail writes it."""
    text = json.dumps({"Records": list(records)}, separators=(",", ":"))
    return gzip.compress(text.encode(), mtime=0)


def opener(files: Mapping[str, bytes | Problem]) -> OpenFiles:
    """The files of a folder; another uri names one of them."""

    def open_files(uri: str) -> Iterator[tuple[str, Source | Problem]]:
        for name, data in files.items():
            if uri not in {"folder", name} or (uri == "folder" and name.startswith("_")):
                continue
            if isinstance(data, Problem):
                yield name, data
            else:
                yield name, Source(io.BytesIO(data), name, len(data))

    return open_files


def collect(
    *files: bytes | Problem,
    stores: tuple[str, ...] = ("s3://pay",),
    selectors: Any = None,
    window: tuple[datetime, datetime] = (START, END),
    **settings: Any,
) -> dict[str, EvidenceResult]:
    """Evidence of the files, by store; ``selectors`` is a document to hand over as a file."""
    folder: dict[str, bytes | Problem] = {f"{i:03}.json.gz": data for i, data in enumerate(files)}
    if selectors is not None:
        folder["_selectors.json"] = json.dumps(selectors).encode()
        settings["selectors"] = "_selectors.json"
    return dict(
        EVIDENCE.collect(
            {"uri": "folder", **settings},
            opener(folder),
            [Store(uri, "s3") for uri in stores],
            window,
            lambda name: name.replace("4111111111111111", "[sealed]"),
        )
    )


def one(*files: bytes | Problem, **more: Any) -> EvidenceResult:
    return collect(*files, **more)["s3://pay"]


EVERYTHING = {
    "EventSelectors": [
        {
            "ReadWriteType": "All",
            "IncludeManagementEvents": True,
            "DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]}],
        }
    ]
}
