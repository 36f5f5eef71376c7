"""Files in every form, whole, damaged and hostile."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scanner.access import cloudtrail_files
from scanner.access.cloudtrail_files import Notes, events
from scanner.access.cloudtrail_records import Event
from scanner.contracts import Source
from scanner.errors import Reason, Unreadable
from tests.access.trails import delivered, event


def read(data: bytes) -> tuple[list[Event], Notes]:
    notes = Notes()
    return list(events(Source(io.BytesIO(data), "name"), notes)), notes


def ids(found: list[Event]) -> list[Any]:
    return [each.event_id for each in found]


def text(value: Any, **options: Any) -> bytes:
    return json.dumps(value, **options).encode()


RECORDS = [event(key="a}],{"), event(key='"\\'), event(key="ü\u2028"), event(key="\U0001f4b3")]
IDS = [record["eventID"] for record in RECORDS]
REORDERED = [dict(reversed(record.items())) for record in RECORDS]


@pytest.mark.parametrize(
    "data",
    [
        delivered(*RECORDS),
        text({"Records": RECORDS}),
        text({"Records": RECORDS}, indent=2),
        b"\xef\xbb\xbf" + text({"Records": RECORDS}),
        text({"Source": 1, "Records": RECORDS}),
        text(RECORDS),
        text(RECORDS, indent=1, ensure_ascii=False),
        text({"Records": REORDERED}, indent=1),
        b"\n".join(text(record) for record in RECORDS),
        b"\r\n\r\n".join(text(record) for record in REORDERED),
        b"".join(text(record) for record in RECORDS),
        b"".join(text({"Records": [record]}) for record in RECORDS),
        gzip.compress(text({"Records": RECORDS[:2]}))
        + gzip.compress(text({"Records": RECORDS[2:]})),
        text([{"source": "aws.s3", "detail-type": "x", "detail": record} for record in RECORDS]),
    ],
)
def test_every_form_gives_the_same_records(data: bytes) -> None:
    found, notes = read(data)
    assert ids(found) == IDS
    assert (notes.files, notes.records, notes.unparsed, notes.broken) == (1, 4, 0, 0)


def test_one_record_in_a_file() -> None:
    assert ids(read(text(RECORDS[0], indent=2))[0]) == IDS[:1]


def test_the_careful_way_and_the_fast_way_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloudtrail_files, "_at_once", lambda data: None)
    monkeypatch.setattr(cloudtrail_files, "_STEP", 37)
    assert ids(read(delivered(*RECORDS))[0]) == IDS


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 50,
        b"an ordinary log line\n" * 500,
        text({"awsAccountId": "1", "digestStartTime": "x", "logFiles": [{"s3Bucket": "b"}]}),
        text([{"level": "info", "message": "of an application"}] * 3),
        b"[" * 5000,
        b'{"a":' * 5000,
        text({"Records": []}),
    ],
)
def test_what_is_not_of_cloudtrail_is_passed_over_and_counted(data: bytes) -> None:
    found, notes = read(data)
    assert found == []
    assert (notes.other, notes.files, notes.unparsed) == (1, 0, 0)


def test_five_minute_summaries_are_not_events() -> None:
    found, notes = read(text({"Records": [{"eventCategory": "Aggregated", "eventSource": "s3"}]}))
    assert found == [] and notes.aggregated == 1


def test_a_cut_file_gives_what_came_before_and_is_counted() -> None:
    data = delivered(*(event() for _ in range(2000)))
    found, notes = read(data[: len(data) // 2])
    assert 0 < len(found) < 2000
    assert notes.broken == 1 and notes.unparsed == 1
    plain = text({"Records": RECORDS})
    found, notes = read(plain[: len(plain) - 100])
    assert ids(found) == IDS[:3] and notes.unparsed == 1


def test_a_corrupt_stream_is_counted() -> None:
    data = bytearray(delivered(*(event() for _ in range(200))))
    data[len(data) // 2] ^= 0xFF
    _, notes = read(bytes(data))
    assert notes.broken + notes.unparsed >= 1
    assert read(b"\x1f\x8b" + b"garbage" * 10)[1].broken == 1


@pytest.mark.parametrize(
    "bad",
    [
        '{"eventVersion": "1", "eventName": tru',
        '{"eventVersion": "1", "x": "a\x01b"}',
        '{"eventVersion": ' + "[" * 50_000,
        '{"eventVersion": ' + "9" * 5_000 + "}",
        "null",
        '"a string"',
        "{}",
    ],
)
def test_a_bad_record_costs_only_itself(bad: str) -> None:
    good = [json.dumps(record) for record in RECORDS]
    for joiner in ("\n", ","):
        lines = joiner.join([*good[:2], bad, *good[2:]])
        data = lines if joiner == "\n" else f'{{"Records":[{lines}]}}'
        found, notes = read(data.encode())
        assert ids(found) == IDS
        assert notes.unparsed >= 1


def test_bytes_that_are_not_utf8_cost_nothing_else() -> None:
    data = text({"Records": RECORDS}).replace(b"cards.csv", b"\xff\xfe")
    data = data.replace(b"arn:aws:s3", b"\xff\xfe", 1)
    assert ids(read(data)[0]) == IDS


def test_a_source_that_fails_says_so() -> None:
    class Failing(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            raise Unreadable(Reason.UNREACHABLE)

    with pytest.raises(Unreadable):
        list(events(Source(Failing(), "name"), Notes()))  # type: ignore[arg-type] - raw on purpose


class _Endless(io.RawIOBase):
    """``head``, then ``size`` bytes of the same, then ``tail``; never held as a whole."""

    def __init__(self, head: bytes, size: int, tail: bytes) -> None:
        self._pieces = self._make(head, size, tail)
        self._rest = b""

    @staticmethod
    def _make(head: bytes, size: int, tail: bytes) -> Iterator[bytes]:
        yield head
        for _ in range(size >> 16):
            yield b"x" * (1 << 16)
        yield tail

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = next(self._pieces, b"")
        part, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


@pytest.mark.parametrize("lead", [b'{"eventVersion":"', b'{"Records":[{"eventName":"'])
def test_a_line_without_an_end_takes_no_memory(lead: bytes) -> None:
    good = text(RECORDS[0])
    file = io.BufferedReader(_Endless(good + b"\n" + lead, 100 << 20, b'"}\n' + text(RECORDS[1])))
    notes = Notes()
    tracemalloc.start()
    found = ids(list(events(Source(file, "name"), notes)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == IDS[:2]
    assert notes.unparsed >= 1
    assert peak < 150 << 20


@given(
    st.lists(
        st.one_of(
            st.sampled_from([text(record) for record in RECORDS]),
            st.binary(max_size=20),
            st.sampled_from([b"{", b"}", b"[", b"]", b",", b"\n", b'"', b'{"Records":[', b"\\"]),
        ),
        max_size=12,
    )
)
@settings(max_examples=60, deadline=None)
def test_no_bytes_raise_or_go_uncounted(pieces: list[bytes]) -> None:
    assume(not b"\n".join(pieces).startswith(b"PAR1"))  # another format
    found, notes = read(b"\n".join(pieces))
    assert notes.files + notes.other == 1
    assert notes.records == len(found)


@given(st.integers(0, 10_000), st.sampled_from([delivered, lambda *r: text({"Records": r})]))
@settings(max_examples=60, deadline=None)
def test_any_prefix_of_a_file_gives_a_prefix_of_the_records(
    cut: int, form: Callable[..., bytes]
) -> None:
    found, notes = read(form(*RECORDS)[:cut])
    assert ids(found) == IDS[: len(found)]
    assert len(found) == 4 or not found or notes.broken + notes.unparsed
