"""An account made from a seed, its reads written in every form of log: the counts come out exactly,
every gap is named, and nothing is said never to have been read where something is missing."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from scanner import registry
from scanner.contracts import EvidenceResult
from scanner.known import Known, name_hash
from scanner.model import Access, Coverage, Problem, Store
from tests.access.test_cloudtrail_exports import as_lines, athena, lake
from tests.access.trails import END, EVERYTHING, OWNER, START, delivered, event, management, opener

GATEWAY = "https://rgw.example"
KEYS = [f"dir {n}/f%{n}ü.csv" for n in range(12)]
CARDS = set(KEYS[:4])
STORES = [Store(f"s3://{name}", "s3", options={"endpoint": GATEWAY}) for name in ("pay", "quiet")]
USERS = [f"user{n}" for n in range(8)]


@dataclass(frozen=True)
class Read:
    user: str
    key: str
    minute: int
    sent: int
    denied: bool

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{OWNER}:user/{self.user}"


def account(seed: int) -> list[Read]:
    rng = random.Random(seed)
    made = [
        Read(rng.choice(USERS), rng.choice(KEYS), minute, rng.randrange(5_000), rng.random() < 0.2)
        for minute in range(360)
        for _ in range(rng.randrange(3))
    ]
    rng.shuffle(made)  # logs are in no order
    return made


def records(reads: list[Read]) -> list[dict[str, Any]]:
    return [
        event(
            key=read.key,
            who={"type": "IAMUser", "arn": read.arn, "accountId": OWNER},
            minute=read.minute,
            sent=None if read.denied else read.sent,
            errorCode="AccessDenied" if read.denied else None,
        )
        for read in reads
    ]


def trail(reads: list[Read]) -> dict[str, bytes | Problem]:
    """A file for each hour, with what else happens in an account."""
    files: dict[str, bytes | Problem] = {}
    for hour in range(6):
        mine = records([read for read in reads if read.minute // 60 == hour])
        other = [management(minute=60 * hour + m) for m in (10, 50)]
        files[f"{hour}.json.gz"] = delivered(*mine, *other, event(bucket="other"))
    return files


def access_log(reads: list[Read]) -> dict[str, bytes | Problem]:
    lines = []
    for number, read in enumerate(reads):
        when = START + timedelta(minutes=read.minute)
        result = "403 AccessDenied 243" if read.denied else f"200 - {read.sent or '-'}"
        lines.append(
            f"{'a' * 64} pay [{when:%d/%b/%Y:%H:%M:%S} +0000] 10.0.0.1 {read.arn} R{number:09X}"
            f' REST.GET.OBJECT {quote(quote(read.key))} "GET /{quote(read.key)} HTTP/1.1" {result}'
            f' 5000 7 6 "-" "agent" - host= SigV4 TLS_AES AuthHeader pay.s3 TLSv1.3 - -'
        )
    return {"log": "\n".join(lines).encode()}


def gateway_log(reads: list[Read]) -> dict[str, bytes | Problem]:
    entries = [
        {
            "bucket": "pay",
            "time": (START + timedelta(minutes=read.minute)).isoformat(),
            "user": read.arn,
            "operation": "get_obj",
            "uri": f"GET /pay/{quote(read.key)} HTTP/1.1",
            "http_status": "403" if read.denied else "200",
            "bytes_sent": 243 if read.denied else read.sent,
            "trans_id": f"tx{number}",
        }
        for number, read in enumerate(reads)
    ]
    return {"ops.log": as_lines(entries)}


FORMS: dict[str, tuple[str, Callable[[list[Read]], Mapping[str, bytes | Problem]]]] = {
    "trail": ("cloudtrail", trail),
    "athena": ("cloudtrail", lambda reads: {"a": as_lines([athena(r) for r in records(reads)])}),
    "lake": ("cloudtrail", lambda reads: {"a": as_lines([lake(r) for r in records(reads)])}),
    "access log": ("s3-access-logs", access_log),
    "gateway": ("rgw", gateway_log),
}


def collect(kind: str, files: Mapping[str, bytes | Problem], **more: Any) -> Any:
    folder = {**files, "_selectors.json": json.dumps(EVERYTHING).encode()}
    known = {"s3://pay": Known(len(KEYS), frozenset(map(name_hash, CARDS)))}
    return registry.evidence()[kind].collect(
        {"uri": "folder", **more}, opener(folder), STORES, (START, END), lambda name: name, known
    )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed", range(2))
def test_counts_come_out_exactly(form: str, seed: int) -> None:
    reads, (kind, write) = account(seed), FORMS[form]
    files = write(reads)
    twice = {**files, **{f"copy of {name}": data for name, data in files.items()}}
    result: EvidenceResult = collect(kind, twice)["s3://pay"]
    good = [read for read in reads if not read.denied]
    sent, by = Counter[str](), {each.principal: each for each in result.reads}
    for read in good:
        sent[read.arn] += read.sent
    told = {name: (r.reads, r.denied, r.card_reads, r.bytes, r.objects) for name, r in by.items()}
    assert told == {
        arn: (
            sum(read.arn == arn for read in good),
            sum(read.arn == arn and read.denied for read in reads),
            sum(read.arn == arn and read.key in CARDS for read in good),
            sent[arn],
            len({read.key for read in good if read.arn == arn}),
        )
        for arn in {read.arn for read in reads}
    }
    first = min(read.minute for read in reads if read.arn in by)
    assert min(r.first for r in by.values() if r.first) == START + timedelta(minutes=first)
    assert result.evidence.unparsed == 0


def _cut(files: dict[str, Any]) -> None:
    files["3.json.gz"] = files["3.json.gz"][:-40]


def _lost(files: dict[str, Any]) -> None:
    del files["3.json.gz"]


def _refused(files: dict[str, Any]) -> None:
    files["3.json.gz"] = Problem("access-denied")


def _strange(files: dict[str, Any]) -> None:
    files["x"] = delivered({"eventName": 1}, event(eventTime="noon"))


def _stopped(files: dict[str, Any]) -> None:
    asked = {"requestParameters": {"name": "main"}}
    files["x"] = delivered(management("StopLogging", 90, "cloudtrail.amazonaws.com", **asked))


def _summaries(files: dict[str, Any]) -> None:
    files["x"] = delivered({"eventCategory": "Aggregated"})


def _selected(files: dict[str, Any]) -> None:
    files["x"] = as_lines([athena(event(bucket="other"))])


GAPS = [
    (_cut, "1 files are cut off or corrupt"),
    (_lost, "no record of any kind in 1 hours of the window (2026-03-01 03:00 UTC"),
    (_refused, "1 files could not be read"),
    (_strange, "2 records could not be understood"),
    (_stopped, "StopLogging at 2026-03-01 01:30 UTC"),
    (_summaries, "1 records are five-minute summaries"),
    (_selected, "1 records were put out by a query"),
]


def test_without_a_gap_nobody_is_said_to_have_read_the_quiet_store() -> None:
    found = collect("cloudtrail", trail(account(7)), selectors="_selectors.json")["s3://quiet"]
    assert found.evidence.coverage is Coverage.COMPLETE, found.evidence.detail
    assert Access(evidence=(found.evidence,), did_read=found.reads).answer == "not-read"


@pytest.mark.parametrize(("harm", "words"), GAPS, ids=[harm.__name__ for harm, _ in GAPS])
def test_every_gap_is_named_and_no_zero_is_said(
    harm: Callable[[dict[str, Any]], None], words: str
) -> None:
    files: dict[str, Any] = dict(trail(account(7)))
    harm(files)
    for uri, result in collect("cloudtrail", files, selectors="_selectors.json").items():
        assert words in result.evidence.detail, (uri, result.evidence.detail)
        assert result.evidence.coverage is Coverage.PARTIAL
        if uri == "s3://quiet":
            answer = Access(evidence=(result.evidence,), did_read=result.reads).answer
            assert answer == "cannot-tell"
