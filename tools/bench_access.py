"""``python tools/bench_access.py``: CloudTrail events a second, from gzip on disk to the answer.

On one core, on events made from a seed: files as delivered (so that they are hashed for digests
too), every event a read of the store in question (an event of something else costs less) by one of
300 services in one of its sessions, names sealed, facts written to their file as a scan does it.
Beside it, in turn and in the same run, the plain loop everybody writes: gzip, json.loads, count
reads by principal. ``tools/bench_logs.py`` does the same for logs.

    python tools/bench_access.py --events 200000
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import random
import statistics
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

# ruff: noqa: E402 - the tool runs from a checkout that is not installed
from scanner import registry
from scanner.contracts import FactsAt, Source
from scanner.facts import Facts
from scanner.hygiene import collect_seldom, keep_memory
from scanner.model import Store
from scanner.seal import Sealer

START = datetime(2026, 1, 1, tzinfo=UTC)
PER_FILE = 5_000
P = TypeVar("P")
ACCOUNT = "111122223333"


def event(rng: random.Random, number: int, total: int) -> dict[str, Any]:
    when = START + timedelta(days=30) * (number / total)
    # some services do most of it; each has a few sessions at a time, renewed every six hours
    role = f"service-{min(int(rng.paretovariate(0.6)), 300)}"
    named = f"{role} {when:%j} {when.hour // 6} {rng.randrange(3)}"
    session = f"i-0{hashlib.blake2b(named.encode(), digest_size=8).hexdigest()}"
    key = f"exports/2026/{rng.randrange(12):02}/part-{rng.randrange(200_000):06}.csv.gz"
    agent = "[aws-sdk-java/2.20.26 Linux/5.10.16 OpenJDK_64-Bit_Server_VM/17.0.6+10-LTS]"
    return {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": f"AROAEXAMPLE{role}:{session}",
            "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{session}",
            "accountId": ACCOUNT,
            "accessKeyId": f"ASIA{role[8:]:>06}{session[-6:]}",
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Role",
                    "principalId": f"AROAEXAMPLE{role}",
                    "arn": f"arn:aws:iam::{ACCOUNT}:role/{role}",
                    "accountId": ACCOUNT,
                    "userName": role,
                },
                "attributes": {"creationDate": "2026-01-01T00:00:00Z", "mfaAuthenticated": "false"},
            },
        },
        "eventTime": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": "s3.amazonaws.com",
        "eventName": "GetObject",
        "awsRegion": "eu-west-1",
        "sourceIPAddress": f"10.0.{rng.randrange(256)}.{rng.randrange(256)}",
        "userAgent": agent,
        "requestParameters": {
            "bucketName": "pay",
            "Host": "pay.s3.eu-west-1.amazonaws.com",
            "key": key,
        },
        "responseElements": None,
        "additionalEventData": {
            "SignatureVersion": "SigV4",
            "CipherSuite": "TLS_AES_128_GCM_SHA256",
            "bytesTransferredIn": 0,
            "AuthenticationMethod": "AuthHeader",
            "x-amz-id-2": f"{rng.getrandbits(380):x}",
            "bytesTransferredOut": rng.randrange(1, 1 << 20),
        },
        "requestID": f"{rng.getrandbits(64):016X}",
        "eventID": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "readOnly": True,
        "resources": [
            {"type": "AWS::S3::Object", "ARN": f"arn:aws:s3:::pay/{key}"},
            {"accountId": ACCOUNT, "type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::pay"},
        ],
        "eventType": "AwsApiCall",
        "managementEvent": False,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Data",
        "tlsDetails": {
            "tlsVersion": "TLSv1.3",
            "cipherSuite": "TLS_AES_128_GCM_SHA256",
            "clientProvidedHostHeader": "pay.s3.eu-west-1.amazonaws.com",
        },
    }


def make(folder: Path, events: int) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    rng, paths = random.Random(11), []
    for first in range(0, events, PER_FILE):
        when = START + timedelta(days=30) * (first / events)
        name = f"{ACCOUNT}_CloudTrail_eu-west-1_{when:%Y%m%dT%H%M}Z_{first:016}.json.gz"
        path = folder / name
        records = [event(rng, n, events) for n in range(first, min(events, first + PER_FILE))]
        if not path.exists():
            text = json.dumps({"Records": records}, separators=(",", ":"))
            path.write_bytes(gzip.compress(text.encode(), 6))
        paths.append(path)
    return paths


def ours(
    paths: list[Path],
    facts: Path,
    kind: str = "cloudtrail",
    uri: str = "s3://pay",
    settings: Mapping[str, str] = {"uri": "x"},
) -> int:
    """As a scan does it: collect in steps, add each to the facts, until the answer is there."""
    evidence: Any = registry.evidence()[kind]

    def open_files(uri: str) -> Iterator[tuple[str, Source]]:
        for path in paths:
            with path.open("rb") as file:
                source = Source(file, path.name, path.stat().st_size)
                source.version = str(path.stat().st_size)
                yield path.name, source

    window = (START, START + timedelta(days=31))
    stores, seal = [Store(uri, uri.partition(":")[0])], Sealer(bytes(range(32))).name
    key = b"key of the contents of logs"
    at = FactsAt(facts, key=key)
    while True:
        found = evidence.collect(settings, open_files, stores, window, seal, facts=at)
        at.close()
        with closing(Facts(facts)) as kept:
            for batch in at.batches:
                kept.add(batch)
        if not at.more:
            return sum(reads.reads or 0 for reads in found[uri].reads)
        names = {file.name for batch in at.batches for file in batch.files}
        at = FactsAt(facts, at.done | names, key)


def plain(paths: list[Path]) -> int:
    counts: Counter[str] = Counter()
    for path in paths:
        with gzip.open(path) as file:
            for record in json.load(file)["Records"]:
                if record["eventName"] == "GetObject":
                    counts[record["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"]] += 1
    return counts.total()


def timed(task: Callable[[P], int], paths: P) -> tuple[float, int]:
    start = time.process_time()
    count = task(paths)
    return time.process_time() - start, count


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=ROOT / "bench-out")
    given = parser.parse_args()
    collect_seldom()  # as every process of cardtrail does
    keep_memory()  # as its workers do
    os.environ["TZ"] = "UTC"
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    paths = make(given.folder / f"cloudtrail-{given.events}", given.events)
    size = sum(path.stat().st_size for path in paths)
    print(f"{given.events:,} events in {len(paths)} files, {size / 1e6:.1f} MB packed; one core")
    times: dict[str, list[float]] = {"cardtrail": [], "gzip + json": []}
    kept = 0
    for _ in range(given.rounds):
        with tempfile.TemporaryDirectory() as folder:
            facts = Path(folder) / "facts"
            tasks = {"cardtrail": lambda paths, at=facts: ours(paths, at), "gzip + json": plain}
            for name, task in tasks.items():
                seconds, count = timed(task, paths)
                if count != given.events:
                    sys.exit(f"{name}: {count:,} reads counted, expected {given.events:,}")
                times[name].append(seconds)
            kept = facts.stat().st_size
    for name, seconds in times.items():
        middle = statistics.median(seconds)
        print(
            f"  {name:12} {middle:7.2f} s of processor time  {given.events / middle:9,.0f} events/s"
        )
    ratio = statistics.median(times["gzip + json"]) / statistics.median(times["cardtrail"])
    print(f"  {ratio:.1f} times the plain loop; {kept / given.events:.1f} bytes of facts an event")


if __name__ == "__main__":
    main()
