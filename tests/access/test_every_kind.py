"""What holds for every kind of evidence: garbage raises nothing, and tells nothing."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scanner import registry
from scanner.access import rules
from scanner.contracts import EvidenceResult, Source
from scanner.errors import Reason, Unreadable
from scanner.model import Access, Coverage, Problem, Store
from tests.access.trails import END, START, opener

KINDS = dict(registry.evidence())
STORES = [
    Store("s3://pay", "s3", options={"endpoint": "https://rgw.example"}),
    Store("s3://pay/prefix", "s3"),
    Store("postgresql://db/shop", "postgres"),
    Store("mysql://db/shop", "mysql"),
    Store("mongodb://db/shop", "mongodb"),
    Store("mssql+pymssql://db/shop", "sqlalchemy"),
]
EXTRA = {"pattern": {"store": "s3://pay", "format": "t={time} p={principal} o={object}"}}
every_kind = pytest.mark.parametrize("name", sorted(KINDS))
CARD = "4111111111111111"


def collect(name: str, open_files: Any, **more: Any) -> dict[str, EvidenceResult]:
    asked = {"uri": "folder", **EXTRA.get(name, {}), **more}
    return dict(
        KINDS[name].collect(
            asked, open_files, STORES, (START, END), lambda text: text.replace(CARD, "[sealed]")
        )
    )


def check(found: dict[str, EvidenceResult]) -> None:
    assert found
    for result in found.values():
        assert result.evidence.coverage is not Coverage.COMPLETE
        access = Access(evidence=(result.evidence,), did_read=result.reads)
        assert access.answer == "cannot-tell", result
        assert CARD not in repr(result)


@every_kind
def test_there_is_one_of_each(name: str) -> None:
    assert set(rules.OPTIONS) < set(KINDS[name].options)
    assert {"cloudtrail", "s3-access-logs", "pgaudit", "server-audit", "pattern"} <= set(KINDS)


@every_kind
def test_a_mute_without_a_reason_is_refused_before_any_work(name: str) -> None:
    asked = {"uri": "folder", **EXTRA.get(name, {})}
    assert not list(KINDS[name].check(asked))
    wrong = list(KINDS[name].check({**asked, "mute": [{"principal": "bob"}]}))
    assert [each.option for each in wrong] == ["mute[0]"]


GARBAGE = [
    b"",
    b"\0" * 1000,
    b"\xff\xfe" + CARD.encode("utf-16-le"),
    f"card {CARD}\n".encode() * 50,
    gzip.compress(b"x" * 100_000)[:60],
    b"\x1f\x8b rubbish",
    b"{" * 100_000,
    b'{"Records": [' + b'{"eventName": ' * 1000,
    b"[" * 100_000,
    b"x" * (3 << 20),
    b"\n" * 100_000,
    f"2026-03-01 00:00:00 UTC [1] {CARD}@shop LOG:  AUDIT: {CARD}\n".encode(),
    f'a pay [01/Mar/2026:00:00:00 +0000] 1 {CARD} r REST.GET.OBJECT k "'.encode(),
    f"20260301 00:00:00,vm,{CARD},h,1,1,READ,shop".encode(),
]


@every_kind
def test_garbage_tells_nothing(name: str) -> None:
    """Each a file, beside the others and twice."""
    files = {f"{turn}{at}": data for turn in "ab" for at, data in enumerate(GARBAGE)}
    check(collect(name, opener(files)))
    for data in GARBAGE[::5]:
        check(collect(name, opener({"a": data, "b": b"", "c": data})))


_LONG_STARTS = ('{"eventVersion": "', "2026-03-01 00:00:00 UTC [1] ")
_LONG_LINES = [
    (name, start)
    for name in sorted(KINDS)
    if name != "sqlserver-audit"  # looks at rows of up to 64 MB
    for start in (_LONG_STARTS[:1] if name == "cloudtrail" else _LONG_STARTS)  # its record is JSON
]


@pytest.mark.parametrize(("name", "start"), _LONG_LINES)
def test_a_line_too_long_to_be_looked_at_is_counted(name: str, start: str) -> None:
    data = start.encode() + b"x" * (3 << 20)
    for result in collect(name, opener({"a": data})).values():
        assert result.evidence.unparsed == 1, result


@every_kind
def test_files_that_can_not_be_had(name: str) -> None:
    def refused(uri: str) -> Iterator[tuple[str, Source | Problem]]:
        yield "a", Problem("access-denied", "why")
        raise Unreadable(Reason.ACCESS_DENIED, "the folder")

    found = collect(name, refused)
    check(found)
    for result in found.values():
        assert "1 file could not be read" in result.evidence.detail
        assert "could not all be listed (access-denied)" in result.evidence.detail


@every_kind
@given(data=st.binary(max_size=300), packed=st.booleans())
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_bytes(name: str, data: bytes, packed: bool) -> None:
    check(collect(name, opener({"a": gzip.compress(data) if packed else data})))


@every_kind
def test_settings_of_the_rules_that_are_wrong_are_said(name: str) -> None:
    found = collect(name, opener({}), mute=["x", {"principal": "y"}], bulk_least=-1)
    for result in found.values():
        assert result.evidence.detail.count("is not obeyed") == 2
