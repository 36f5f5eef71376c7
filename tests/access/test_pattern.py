"""Reads out of logs whose lines are described, plain and made to mislead."""

from __future__ import annotations

import gzip
import re
import time
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.access.pattern import EVIDENCE
from scanner.access.template import BadTemplate, template
from scanner.contracts import EvidenceResult
from scanner.known import known
from scanner.model import Access, Coverage, Problem, Reads, Store
from tests.access.trails import END, START, opener
from tests.examples import costly

STORE = "s3://pay"
WEB = '{client} - {principal} [{time}] "{method} {object} {*}" {status} {bytes} {*}'
CLF = "%d/%b/%Y:%H:%M:%S %z"


def line(
    user: str = "alice",
    path: str = "/cards.csv",
    *,
    method: str = "GET",
    status: str = "200",
    sent: str = "100",
    minute: float = 5,
    agent: str = "curl/8",
    zone: str = "+0000",
) -> str:
    when = (START + timedelta(minutes=minute)).strftime("%d/%b/%Y:%H:%M:%S")
    request = f"{method} {path} HTTP/1.1"
    return f'192.0.2.1 - {user} [{when} {zone}] "{request}" {status} {sent} "-" "{agent}"'


def collect(
    *files: str | bytes | Problem, cards: tuple[str, ...] = (), **more: Any
) -> EvidenceResult:
    folder = {
        f"{i:03}": data.encode() if isinstance(data, str) else data for i, data in enumerate(files)
    }
    asked = {"uri": "folder", "store": STORE, "format": WEB, "time": CLF, **more}
    stores = [Store(STORE, "s3"), Store("s3://other", "s3")]
    found = EVIDENCE.collect(
        asked,
        opener(folder),
        stores,
        (START, END),
        lambda name: name.replace("4111111111111111", "[sealed]"),
        {STORE: known(9, cards)},
    )
    assert set(found) == {STORE}
    return found[STORE]


def one(*lines: str, **more: Any) -> EvidenceResult:
    return collect("\n".join(lines), **more)


def test_reads_refusals_and_the_rest() -> None:
    result = one(
        line(minute=1),
        line(path="/b", status="206", sent="7", minute=3),
        line(status="304"),
        line(method="PUT"),
        line(status="403"),
        line("-"),
        cards=("cards.csv",),
    )
    by = {reads.principal: reads for reads in result.reads}
    assert by["alice"] == Reads(
        "alice",
        2,
        None,
        107,
        2,
        1,
        START + timedelta(minutes=1),
        START + timedelta(minutes=5),
        card_reads=1,
    )
    assert by["address 192.0.2.1"].reads == 1
    assert "2 of the reads seen, by 2 principals" in result.evidence.detail
    assert result.evidence.coverage is Coverage.PARTIAL


def test_other_forms_of_line_and_time() -> None:
    form = "ts={time} user={principal} table={object} rows={rows}"
    result = one(
        "ts=2026-03-01T02:05:00+02:00 user=bob table=cards rows=40",
        "ts=2026-03-01T00:06:00 user=bob table=cards rows=2",
        format=form,
        time="iso",
    )
    (reads,) = result.reads
    assert (reads.reads, reads.rows, reads.first) == (2, 42, START + timedelta(minutes=5))
    epoch = one(
        f"{START.timestamp() + 60}|eve|x", format="{time}|{principal}|{object}", time="epoch"
    )
    assert epoch.reads[0].first == START + timedelta(minutes=1)
    local = one("2026-03-01 01:05:00 ann", format="{time} {principal}", time="%Y-%m-%d %H:%M:%S")
    assert local.evidence.unparsed == 1  # the time goes to its first blank
    quoted = one(
        "[2026-03-01 01:05:00] ann", format="[{time}] {principal}", zone="Europe/Berlin", time="iso"
    )
    assert quoted.reads[0].first == START + timedelta(minutes=5)


def test_a_forged_status_hides_no_read() -> None:
    path = '/cards.csv HTTP/1.1" 403 0 "-" "x'
    result = one(line(path=path))
    (reads,) = result.reads
    assert (reads.reads, reads.denied, reads.bytes) == (1, 0, None)
    assert "1 line divides in more than one way" in result.evidence.detail
    harmless = one(line(agent='say "hi" 403 5 '))
    assert harmless.reads[0].reads == 1


def test_what_does_not_fit_is_counted() -> None:
    odd = [
        line(status='2"0'),
        line(sent="many"),
        line().replace("/Mar/", "/Foo/"),
        "\x00",
        "x" * 99,
    ]
    result = one(line(), *odd)
    assert (result.evidence.unparsed, result.reads[0].reads) == (5, 1)
    whole = "\n".join(line(minute=i / 10) for i in range(2000)).encode()
    packed = gzip.compress(whole)
    cut = collect(packed[: len(packed) // 2], Problem("access-denied"), "other log\n")
    assert 0 < (cut.reads[0].reads or 0) < 2000
    for said in ("1 file is cut off", "1 file could not be read", "1 file has no line"):
        assert said in cut.evidence.detail


def test_a_copy_of_a_file_adds_nothing_but_equal_lines_of_one_do() -> None:
    twice = "\n".join([line(), line(), line("bob")])
    assert sum(r.reads or 0 for r in collect(twice, twice, line()).reads) == 3
    form = "{time} {id} {principal}"
    with_id = "2026-03-01T00:05:00Z r1 ann\n2026-03-01T00:05:01Z r1 ann"
    assert collect(with_id, format=form, time="iso").reads[0].reads == 1


def test_a_line_costs_its_length() -> None:
    hostile = line(path='" ' * 200_000)
    start = time.process_time()
    one(hostile, hostile, '"' * 900_000, " " * 900_000)
    assert time.process_time() - start < 5


def test_names_are_sealed() -> None:
    result = one(line("4111111111111111"), line(path="/4111111111111111"))
    assert "4111111111111111" not in repr(result)


def test_nothing_in_the_window_is_cannot_tell() -> None:
    result = one(line(minute=9_999))
    assert result.evidence.coverage is Coverage.NONE and "lie outside it" in result.evidence.detail
    assert Access(evidence=(result.evidence,)).answer == "cannot-tell"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{time}{principal}", "some text between"),
        ("{time} {who}", "expected fields of"),
        ("{principal}", "expected {time}"),
        ("{time} x", "{principal} or {client}"),
        ("{time} {time} {client}", "each field once"),
        ("", "expected {time}"),
    ],
)
def test_a_format_that_can_not_be_right(text: str, expected: str) -> None:
    with pytest.raises(BadTemplate, match=expected):
        template(text)
    result = one(line(), format=text)
    assert result.evidence.coverage is Coverage.UNKNOWN and expected in result.evidence.detail


def test_it_answers_for_its_store_only() -> None:
    window: tuple[datetime, datetime] = (START, END)
    for store in ({}, {"store": "s3://elsewhere"}):
        found = EVIDENCE.collect(store, opener({}), [Store(STORE, "s3")], window, str)
        assert found == {}


@given(st.text(max_size=80))
@settings(deadline=None)
def test_any_line_divides_or_not(text: str) -> None:
    for found in template(WEB).readings(text):
        assert set(found) >= {"time", "principal"}
    assert next(template("{time}|{principal}").readings(f"{text}|x"))["principal"].endswith("x")


def divided(line: str, texts: list[str], names: list[str], stretched: int, further: int) -> Any:
    """By the rule in so many words: each field ends at the next place of the text behind it, one
    of them ``further`` places on, the last with the line."""
    at, found = len(texts[0]), {}
    for place, (name, text) in enumerate(zip(names, texts[1:], strict=True)):
        if place == len(names) - 1:
            end = len(line) - len(text) if line.endswith(text) else -1
        else:
            end = line.find(text, at)
            for _ in range(further if place == stretched else 0):
                end = line.find(text, end + 1) if end >= 0 else end
        form = {"status": "[A-Za-z0-9_-]{1,32}", "bytes": r"\d{1,18}|-"}.get(name, ".*")
        if end < at or not re.fullmatch(form, line[at:end], re.DOTALL):
            return None
        found[name], at = line[at:end], end + len(text)
    return {name: value for name, value in found.items() if name != "*"}


_ALPHABETS = (" -a", "5- ", '" a5', "ab5-\n")
_NAMES = ("principal", "object", "method", "status", "bytes", "id", "*")


@given(st.data())
def test_lines_divide_in_all_ways_of_the_rule(data: st.DataObject) -> None:
    alphabet = data.draw(st.sampled_from(_ALPHABETS))
    between, piece = st.text(alphabet, min_size=1, max_size=3), st.text(alphabet, max_size=20)
    names = ["time", "client", *data.draw(st.lists(st.sampled_from(_NAMES), unique=True))]
    names = data.draw(st.permutations(names))
    texts = [data.draw(piece), *(data.draw(between) for _ in names[1:]), data.draw(piece)]
    form = "".join(text + f"{{{name}}}" for text, name in zip(texts, names, strict=False))
    fitting = template(form + texts[-1])
    pieces = st.one_of(piece, st.sampled_from(["5" * 18, "5" * 19, *texts]))
    for _ in range(5):
        line = texts[0] + "".join(data.draw(pieces) + text for text in texts[1:])
        line = data.draw(st.sampled_from([line, line[1:], line[:-1]]))
        ways = [divided(line, texts, names, -1, 0)] if line.startswith(texts[0]) else []
        for place, name in enumerate(names[:-1] if ways else []):
            if name not in ("time", "status", "bytes"):
                ways += [divided(line, texts, names, place, n) for n in range(1, 9)]
        assert list(fitting.readings(line)) == [way for way in ways if way is not None]


@given(st.lists(st.integers(0, 5), max_size=20), st.integers(1, 3))
@costly(5)
def test_copies_never_change_a_count(picks: list[int], copies: int) -> None:
    text = "\n".join(line(path=f"/{i}", minute=i) for i in picks)
    reads = collect(*[text] * copies).reads
    assert sum(each.reads or 0 for each in reads) == len(picks)
