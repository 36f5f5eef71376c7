"""Rows that queries of Athena and CloudTrail Lake put out are the records they came from."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from scanner.access import cloudtrail_exports
from scanner.access.cloudtrail_files import Notes, events
from scanner.contracts import Source
from scanner.model import Coverage, Reads
from tests.access.trails import ANONYMOUS, EVERYTHING, START, delivered, event, heartbeat, one, role

RECORDS = [
    event(key="a", sent=12.0, minute=3),
    event(key="b", who=ANONYMOUS, minute=4),
    event(key="c", who={**role("x"), "sessionContext": {**role()["sessionContext"]}}),
    event("HeadObject", errorCode="AccessDenied"),
    event("ListObjects", key=None, sent=None),
]
EXPECTED = one(delivered(*RECORDS)).reads
SAME = [each for each in RECORDS if set(each) == set(RECORDS[0])]
"""those with the same columns"""


def _lower(value: Any) -> Any:
    if isinstance(value, dict):
        return {name.lower(): _lower(each) for name, each in value.items()}
    return [_lower(each) for each in value] if isinstance(value, list) else value


def athena(record: dict[str, Any]) -> dict[str, Any]:
    """As the table of the manual has it."""
    row = {name.lower(): value for name, value in record.items()}
    row["useridentity"] = _lower(record["userIdentity"])
    row["resources"] = _lower(record["resources"])
    for name in ("requestParameters", "additionalEventData"):
        row[name.lower()] = json.dumps(record[name])
    row["managementevent"] = "false"
    row["partition_0"] = "eu-west-1"
    return row


def lake(record: dict[str, Any]) -> dict[str, Any]:
    """Maps of texts, and a time of its own."""
    row = dict(record)
    row["eventTime"] = record["eventTime"].replace("T", " ").replace("Z", ".000")
    for name in ("requestParameters", "additionalEventData"):
        row[name] = {key: str(value) for key, value in record[name].items() if value is not None}
    return row


def whole(record: dict[str, Any]) -> dict[str, Any]:
    return {"eventJson": json.dumps(record)}


def cells(record: dict[str, Any]) -> list[dict[str, str]]:
    """A row of ``get-query-results``: a column an object, all values text."""
    return [{name: printed(value)} for name, value in lake(record).items()]


def printed(value: Any) -> str:
    """As Lake prints rows, maps and lists."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}={printed(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(printed, value)) + "]"
    return "null" if value is None else value if isinstance(value, str) else json.dumps(value)


ROWS = [athena, lake, whole]


def as_lines(rows: list[Any]) -> bytes:
    return b"\n".join(json.dumps(row).encode() for row in rows)


@pytest.mark.parametrize("form", ROWS)
@pytest.mark.parametrize("packed", [False, True])
def test_json(form: Callable[..., Any], packed: bool) -> None:
    data = as_lines([form(record) for record in RECORDS])
    result = one(gzip.compress(data) if packed else data)
    assert result.reads == EXPECTED
    assert "5 records were put out by a query: what it left out is not here" in (
        result.evidence.detail
    )


def test_the_answer_of_get_query_results() -> None:
    document = {"QueryStatus": "FINISHED", "QueryResultRows": [cells(each) for each in RECORDS]}
    assert one(json.dumps(document, indent=2).encode()).reads == EXPECTED


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    """As Athena keeps its answers and Lake saves them: everything in quotes, null as nothing."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(rows[0])
    writer.writerows(
        ["" if value is None else printed(value) for value in row.values()] for row in rows
    )
    return text.getvalue().encode()


@pytest.mark.parametrize("form", ROWS)
@pytest.mark.parametrize("packed", [False, True])
def test_csv(form: Callable[..., Any], packed: bool) -> None:
    data = as_csv([form(record) for record in SAME])
    result = one(gzip.compress(data) if packed else data, selectors=EVERYTHING)
    assert result.reads == one(delivered(*SAME)).reads
    assert result.evidence.unparsed == 0 and result.evidence.coverage is Coverage.PARTIAL
    assert "4 records were put out by a query" in result.evidence.detail


@pytest.mark.parametrize("line", [b'"a","b"', b'"', b",,", b'"a' + b"x" * 200_000])
def test_lines_of_csv_that_are_no_rows_are_counted(line: bytes) -> None:
    data = as_csv([athena(record) for record in SAME])
    first, rest = data[: data.rindex(b"\n", 0, -1) + 1], data[data.rindex(b"\n", 0, -1) + 1 :]
    result = one(first + line + b"\n" + rest)
    assert result.evidence.unparsed >= 1
    assert sum(reads.reads or 0 for reads in result.reads) >= 1


@pytest.mark.parametrize(
    ("key", "reads", "objects"),
    [
        ("a, b (1).csv", 1, 1),
        ("{a} [b]", 1, 1),
        ("a=b", 1, 1),
        ("a, bucketName=other", None, None),
        ("a{b", None, None),
        ("a}, {", None, None),
    ],
)
def test_keys_that_read_as_columns_are_not_believed(
    key: str, reads: int | None, objects: int | None
) -> None:
    document = {"QueryResultRows": [cells(event(key=key))]}
    found = one(json.dumps(document).encode())
    assert [(each.reads, each.objects) for each in found.reads] == (
        [(reads, objects)] if reads else []
    )
    assert found.evidence.unparsed == (0 if reads else 1)


def parquet(rows: list[dict[str, Any]], folder: Path) -> bytes:
    (folder / "rows.json").write_bytes(as_lines(rows))
    path = folder / "rows.parquet"
    duckdb.sql(f"COPY (FROM read_json('{folder / 'rows.json'}')) TO '{path}' (FORMAT parquet)")
    return path.read_bytes()


@pytest.mark.parametrize("form", ROWS)
def test_parquet(form: Callable[..., Any], tmp_path: Path) -> None:
    data = parquet([form(record) for record in RECORDS], tmp_path)
    assert one(data).reads == EXPECTED


@pytest.mark.parametrize("write", [parquet, lambda rows, folder: as_csv(rows)])
def test_a_row_that_is_not_understood_is_told_by_its_number(
    write: Callable[..., bytes], tmp_path: Path
) -> None:
    rows = [athena(record) for record in SAME]
    rows[2]["eventtime"] = "then"
    evidence = one(write(rows, tmp_path)).evidence
    assert evidence.unparsed == 1 and [each.place for each in evidence.misfits] == ["row 3"]


def test_parquet_from_a_file_that_is_one(tmp_path: Path) -> None:
    parquet([athena(record) for record in RECORDS], tmp_path)
    notes = Notes()
    with (tmp_path / "rows.parquet").open("rb") as file:
        found = list(events(Source(file, "rows.parquet"), notes))
    assert [each.event_id for each in found] == [record["eventID"] for record in RECORDS]
    assert (notes.files, notes.records, notes.exported) == (1, 5, 5)


def test_maps_of_lake_in_parquet(tmp_path: Path) -> None:
    path = tmp_path / "maps.parquet"
    duckdb.sql(
        f"""COPY (SELECT 'GetObject' AS eventName, 's3.amazonaws.com' AS eventSource,
        TIMESTAMP '2026-03-01 00:05:00' AS eventTime, 'e-1' AS eventID, 'Data' AS eventCategory,
        {{'type': 'IAMUser', 'arn': 'arn:aws:iam::123456789012:user/a'}} AS userIdentity,
        MAP {{'bucketName': 'pay', 'key': 'cards.csv'}} AS requestParameters,
        MAP {{'bytesTransferredOut': '7.0'}} AS additionalEventData) TO '{path}' (FORMAT parquet)"""
    )
    (reads,) = one(path.read_bytes()).reads
    assert reads == Reads(
        principal="arn:aws:iam::123456789012:user/a",
        reads=1,
        bytes=7,
        objects=1,
        denied=0,
        first=START.replace(minute=5),
        last=START.replace(minute=5),
    )


def test_an_export_is_never_a_complete_record() -> None:
    rows = as_lines([lake(each) for each in [*heartbeat(), *RECORDS]])
    result = one(rows, selectors=EVERYTHING)
    assert result.evidence.coverage is Coverage.PARTIAL


def test_an_event_in_the_trail_and_in_an_export_counts_once() -> None:
    rows = as_lines([athena(each) for each in RECORDS])
    assert one(delivered(*RECORDS), rows, rows).reads == EXPECTED


def test_columns_that_are_missing_are_counted() -> None:
    row = athena(RECORDS[0])
    del row["eventid"]
    result = one(as_lines([row, athena(RECORDS[1])]))
    assert result.evidence.unparsed == 1
    assert sum(reads.reads or 0 for reads in result.reads) == 1


@pytest.mark.parametrize("keep", [4, 100, -20])
def test_damaged_parquet_is_a_file_that_could_not_be_read(keep: int, tmp_path: Path) -> None:
    data = parquet([athena(record) for record in RECORDS], tmp_path)
    result = one(data[:keep], delivered(RECORDS[0]))
    assert "1 file could not be read" in result.evidence.detail
    assert sum(reads.reads or 0 for reads in result.reads) == 1


@pytest.mark.parametrize(
    "row",
    [
        {"eventname": 1, "eventsource": 2},
        {"eventname": "GetObject", "eventsource": "s3.amazonaws.com", "useridentity": "{"},
        {"eventjson": "[1]", "eventname": [], "eventsource": {}},
        {"QueryResultRows": [1, [2], [{"eventname": None}], None]},
        {"eventName": "x", "eventSource": "y", "userIdentity": {}, "eventTime": " "},
        {"eventName": "x", "eventSource": "y", "userIdentity": None},
    ],
)
def test_rows_of_any_sort(row: Any) -> None:
    result = one(as_lines([row, athena(RECORDS[0])]))
    assert sum(reads.reads or 0 for reads in result.reads) == 1
    assert result.evidence.unparsed >= 1


def test_what_is_no_row() -> None:
    assert cloudtrail_exports.rows(event()) is None
    for odd in ({"userIdentity": None}, {"userIdentity": "x"}, {"requestParameters": None}):
        assert cloudtrail_exports.rows({**event(), **odd}) is None
    assert cloudtrail_exports.rows({"level": "info"}) is None
    assert list(events(Source(io.BytesIO(b"PAR"), "x"), Notes())) == []
