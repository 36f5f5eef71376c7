"""Log groups of CloudWatch: names, pages, faults, and evidence out of them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3.session
import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from scanner.access.cloudtrail import EVIDENCE
from scanner.contracts import FactsAt, Source
from scanner.errors import Reason, Unreadable, UsageError
from scanner.facts import Facts
from scanner.model import Store, Tri, Unit
from scanner.stores.cloudwatch import STORE, LogGroup, pieces
from tests import s3_server
from tests.access.trails import END, START, event
from tests.conftest import Cardtrail, Planted
from tests.examples import costly


@pytest.fixture(autouse=True)
def _aws() -> Iterator[None]:
    with s3_server.environment():
        yield


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    client = boto3.session.Session().client("logs", region_name="eu-west-1")
    monkeypatch.setattr(boto3.session.Session, "client", lambda self, name, **more: client)
    with Stubber(client) as found:
        yield found


def connect(uri: str = "cloudwatch://eu-west-1/group") -> LogGroup:
    opened = STORE.connect(STORE.resolve(uri, {}), lambda name: name)
    assert isinstance(opened, LogGroup)
    return opened


def listed(store: LogGroup) -> list[Unit]:
    return [unit for unit in store.units(lambda name, folder: False) if isinstance(unit, Unit)]


@pytest.mark.parametrize(
    ("target", "uri"),
    [
        ("cloudwatch://eu-west-1//aws/rds/x", "cloudwatch://eu-west-1//aws/rds/x"),
        ("cloudwatch:///plain", "cloudwatch:///plain"),
        (
            "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/rds/x:*",
            "cloudwatch://eu-west-1//aws/rds/x",
        ),
        ("arn:aws-cn:logs:cn-north-1:123456789012:log-group:y", "cloudwatch://cn-north-1/y"),
    ],
)
def test_targets(target: str, uri: str) -> None:
    assert STORE.claims(target)
    assert STORE.resolve(target, {}).uri == uri


@pytest.mark.parametrize("target", ["cloudwatch://", "cloudwatch://x", "cloudwatch://EU/a b"])
def test_targets_that_cannot_be(target: str) -> None:
    with pytest.raises(UsageError, match="expected cloudwatch://REGION/GROUP"):
        STORE.resolve(target, {})


def test_streams_and_events_come_in_pages(stub: Stubber) -> None:
    stub.add_response(
        "describe_log_streams", {"logStreams": [{"logStreamName": "a"}], "nextToken": "t"}
    )
    stub.add_response(
        "describe_log_streams", {"logStreams": [{"logStreamName": "b", "lastIngestionTime": 7}]}
    )
    pages: list[tuple[list[str], str]] = [(["1", "2"], "x"), ([], "y"), (["3\n4"], "z"), ([], "z")]
    for messages, token in pages:
        events: Any = [{"message": text} for text in messages]
        stub.add_response("get_log_events", {"events": events, "nextForwardToken": token})
    store = connect()
    units = listed(store)
    assert [(unit.key, unit.version) for unit in units] == [("a", "0-0"), ("b", "7-0")]
    source = store.open(units[0])
    assert source.file.read() == b"1\n2\n3\n4\n"
    stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("ResourceNotFoundException", Reason.NOT_FOUND),
        ("AccessDeniedException", Reason.ACCESS_DENIED),
        ("ThrottlingException", Reason.THROTTLED),
        ("ServiceUnavailableException", Reason.UNREACHABLE),
        ("InvalidOperationException", Reason.UNSUPPORTED),
        ("Odd <4111111111111111>", Reason.IO_ERROR),
    ],
)
def test_faults(stub: Stubber, code: str, reason: Reason) -> None:
    stub.add_client_error("describe_log_streams", code, "4111111111111111")
    with pytest.raises(Unreadable) as caught:
        listed(connect())
    assert caught.value.reason is reason
    assert "4111" not in caught.value.detail and "S3" not in caught.value.detail


def test_a_stream_that_is_gone_or_denied(stub: Stubber) -> None:
    for code, reason in (
        ("ResourceNotFoundException", Reason.VANISHED),
        ("AccessDeniedException", Reason.ACCESS_DENIED),
    ):
        stub.add_client_error("get_log_events", code)
        with pytest.raises(Unreadable) as caught:
            connect().open(Unit("s", "a", "a")).file.read()
        assert caught.value.reason is reason


def test_facts(stub: Stubber) -> None:
    group: Any = {"logGroupName": "group", "retentionInDays": 30, "kmsKeyId": "arn:x"}
    stub.add_response("describe_log_groups", {"logGroups": [{"logGroupName": "group2"}, group]})
    facts = {fact.control: fact for fact in connect().facts()}
    assert facts["default-encryption"].state is Tri.YES
    assert "KMS key of the account" in facts["default-encryption"].detail
    assert "deleted after 30 days" in facts["versioning"].detail
    stub.add_client_error("describe_log_groups", "AccessDeniedException")
    assert {fact.state for fact in connect().facts()} == {Tri.UNKNOWN}


def test_a_trail_in_a_log_group_is_evidence(tmp_path: Path) -> None:
    client = s3_server.logs_client()
    group, now = "/trail-test", time.time_ns() // 1_000_000
    client.create_log_group(logGroupName=group)
    try:
        for stream in ("123456789012_CloudTrail_eu-west-1", "123456789012_CloudTrail_eu-west-1_2"):
            client.create_log_stream(logGroupName=group, logStreamName=stream)
            messages: Any = [
                {"timestamp": now + n, "message": json.dumps(event(key=str(n)))} for n in range(3)
            ]
            client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=messages)
        store = connect(f"cloudwatch://us-east-1/{group}")

        def open_files(uri: str) -> Iterator[tuple[str, Source]]:
            for unit in listed(store):
                yield unit.name, store.open(unit)

        stores = [Store("s3://pay", "s3")]
        window = (START, END)
        found = EVIDENCE.collect({"uri": "x"}, open_files, stores, window, lambda name: name)
        assert sum(reads.reads or 0 for reads in found["s3://pay"].reads) == 6
    finally:
        client.delete_log_group(logGroupName=group)


# --- read on --------------------------------------------------------------------------------------

MINUTES = st.integers(0, 40 * 1_440)
LATENESS = st.one_of(st.integers(0, 90), st.integers(0, 3_000), st.integers(0, 14 * 1_440))


def at(minute: int) -> datetime:
    return START + timedelta(minutes=minute)


def read_in(
    events: list[tuple[int, int]], runs: list[int]
) -> Iterator[tuple[set[int], list[tuple[int, int]]]]:
    """What each run reads anew, as days and events, of events that are of a minute and came at
    another."""
    known: dict[date, str] = {}
    for run in runs:
        there = sorted(event for event in events if event[1] <= run)
        days, found = set[int](), []
        if there:
            told: Any = {
                "firstEventTimestamp": int(at(there[0][0]).timestamp() * 1000),
                "lastEventTimestamp": int(at(there[-1][0]).timestamp() * 1000),
                "lastIngestionTime": int(at(max(came for _, came in there)).timestamp() * 1000),
            }
            for piece in pieces(told, at(run)):
                if known.get(piece.day) != piece.version:
                    known[piece.day] = piece.version
                    start, end = piece.asked["startTime"], piece.asked["endTime"]
                    days.add((piece.day - START.date()).days)
                    found += [e for e in there if start <= at(e[0]).timestamp() * 1000 < end]
        yield days, found


@costly(100)
@given(
    st.lists(st.tuples(MINUTES, LATENESS), max_size=30),
    st.lists(st.integers(0, 60 * 1_440), max_size=25),
)
def test_no_event_is_lost_however_late_it_came(
    sent: list[tuple[int, int]], runs: list[int]
) -> None:
    """The last run is when AWS takes none any more; those before are anywhere."""
    events = [(minute, minute + late) for minute, late in sent]
    read: set[tuple[int, int]] = set()
    for _, found in read_in(events, [*sorted(runs), 60 * 1_440]):
        read |= set(found)
    assert read == set(events)


def test_a_night_reads_a_day_and_looks_after_four() -> None:
    """Of a stream of a hundred days to which something comes each hour."""
    events = [(60 * hour, 60 * hour + 2) for hour in range(24 * 100)]
    nights = [24 * 60 * day + 120 for day in range(1, 101)]
    days = [days for days, _ in read_in(events, nights)]
    assert days[0] == {0, 1}
    for night, found in enumerate(days[20:99], 21):
        assert found == {night, night - 1, night - 2, night - 5, night - 16}
    assert [found for found, _ in read_in(events, [nights[-1]] * 3)][1:] == [set(), set()]


def test_an_event_that_came_late_to_a_stream_that_ended() -> None:
    """Nothing comes after it that would show that time goes on; it is looked for once more."""
    events = [(600, 600), (601, 1_440 + 240)]
    runs = [1_440 + 180, 1_440 + 300, 2 * 1_440 + 120, 9 * 1_440]
    found = [read for _, read in read_in(events, runs)]
    assert found == [events[:1], events, events, []]


def test_a_stream_without_an_event_has_no_day() -> None:
    assert list(pieces({}, END)) == []


def test_a_trail_in_a_log_group_is_read_on(tmp_path: Path) -> None:
    """Night after night: what did not change is not asked for, what is new is, and adds up."""
    logs, group = s3_server.logs_client(), "/trail-on"
    now = datetime.now(UTC).replace(microsecond=0)
    window = (now - timedelta(days=6), now + timedelta(hours=1))
    asked: list[str] = []
    records = [
        {**event(key=str(n)), "eventTime": f"{now - timedelta(hours=24 * n):%FT%TZ}"}
        for n in range(6)
    ]

    def put(*numbers: int) -> None:
        messages: Any = [
            {
                "timestamp": int((now - timedelta(hours=24 * n)).timestamp() * 1000),
                "message": json.dumps(records[n]),
            }
            for n in numbers
        ]
        logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=messages)

    def night() -> tuple[int, str]:
        store = connect(f"cloudwatch://us-east-1/{group}")
        events = store._client.meta.events
        events.register(
            "before-call.cloudwatch-logs.GetLogEvents",
            lambda params, **more: asked.append(json.loads(params["body"])["startTime"]),
        )
        asked.clear()
        at = FactsAt(tmp_path / "facts", key=b"k")
        found = EVIDENCE.collect(
            *({"uri": "x"}, lambda uri: store.logs(), [Store("s3://pay", "s3")]),
            *(window, lambda name: name),
            facts=at,
        )
        at.close()
        with closing(Facts(tmp_path / "facts")) as facts:
            for batch in at.batches:
                facts.add(batch)
        (result,) = found.values()
        return sum(reads.reads or 0 for reads in result.reads), result.evidence.detail

    logs.create_log_group(logGroupName=group)
    try:
        logs.create_log_stream(logGroupName=group, logStreamName="s")
        put(5, 3, 1)  # with a day between them without an event
        first, detail = night()
        assert (first, len(set(asked))) == (3, 6) and "passed over" not in detail
        assert night()[0] == 3 and asked == []
        put(0)
        count, detail = night()
        midnight = now.replace(hour=0, minute=0, second=0)
        assert count == 4 and set(asked) <= {
            int((midnight - timedelta(days=back)).timestamp() * 1000) for back in (0, 1)
        }
        assert "4 records in 4 files" in detail and "passed over" not in detail
    finally:
        logs.delete_log_group(logGroupName=group)


def test_lines_of_an_application_in_a_log_group(cardtrail: Cardtrail, planted: Planted) -> None:
    """The command, two nights; a day without a line is no odd file. About three seconds."""
    logs, group = s3_server.logs_client(), "/app-on"
    now = datetime.now(UTC)
    cards = planted.allow(cardtrail.cwd / "cards.csv")
    cards.write_text(f"card_number\n{planted.pan()}\n")
    (cardtrail.cwd / "cardtrail.toml").write_text(
        '[[store]]\nuri = "cards.csv"\n[[evidence]]\nkind = "pattern"\n'
        f'uri = "cloudwatch://us-east-1/{group}"\nstore = "file://{cards}"\n'
        "format = '{principal} {time} {method} {object}'\n"
    )

    def put(*days: int) -> None:
        when = [(now - timedelta(days=day, minutes=1)) for day in days]
        messages: Any = [
            {"timestamp": int(at.timestamp() * 1000), "message": f"bob {at:%FT%TZ} GET cards.csv"}
            for at in when
        ]
        logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=messages)

    def night() -> tuple[int, str]:
        done = cardtrail("scan", "-q", "-o", "run.json", env=s3_server.variables())
        assert done.code == 1, done.err
        (store,) = json.loads((cardtrail.cwd / "run.json").read_text())["stores"]
        (found,) = store["access"]["evidence"]
        assert "the log group keeps its events for ever" in found["detail"]
        assert "that fits" not in found["detail"]
        return sum(each["reads"] for each in store["access"]["did_read"]["list"]), found["detail"]

    logs.create_log_group(logGroupName=group)
    try:
        logs.create_log_stream(logGroupName=group, logStreamName="s")
        put(4, 2)
        assert night()[0] == 2
        put(0)
        count, detail = night()
        # a day is over an hour after midnight
        read = 1 + (datetime.now(UTC).hour == 0)
        assert count == 3 and f"files as they were known, {read} read" in detail
    finally:
        logs.delete_log_group(logGroupName=group)


def test_how_long_events_are_kept_may_not_be_asked(stub: Stubber) -> None:
    stub.add_client_error("describe_log_groups", "AccessDeniedException")
    (said,) = connect().kept().remarks
    assert "not known" in said and "these credentials lack logs:DescribeLogGroups" in said
