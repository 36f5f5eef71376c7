"""SQL Server's audit as fn_get_audit_file gives it: one read a statement, whatever the export."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from scanner.access.sqlserver_audit import EVIDENCE
from scanner.contracts import EvidenceResult
from scanner.known import known
from scanner.model import Coverage, Reads, Store
from tests.access.trails import END, START, opener

PAN = "4111111111111111"
SHOP = "mssql+pymssql://db/shop"
GOLDEN = Path(__file__).parent / "golden/sqlserver_audit.csv"


def record(
    table: str = "cards",
    *,
    who: str = "alice",
    action: str = "SL  ",
    succeeded: Any = 1,
    minute: float = 5,
    session: int = 51,
    schema: str = "dbo",
    database: str = "shop",
    text: str = f"SELECT *\nFROM cards WHERE pan = '{PAN}', \"x\"",
    **more: Any,
) -> dict[str, Any]:
    when = START + timedelta(minutes=minute)
    return {
        "event_time": when.strftime("%Y-%m-%d %H:%M:%S.%f") + "7",
        "sequence_number": 1,
        "action_id": action,
        "succeeded": succeeded,
        "session_id": session,
        "class_type": "U ",
        "session_server_principal_name": who,
        "server_principal_name": who,
        "database_name": database,
        "schema_name": schema,
        "object_name": table,
        "statement": text,
        "additional_information": "",
        **more,
    }


def as_csv(*records: dict[str, Any]) -> bytes:
    out = io.StringIO()
    names = list(dict.fromkeys(name for each in records for name in each))
    writer = csv.DictWriter(out, names)
    writer.writeheader()
    writer.writerows(records)
    return out.getvalue().encode()


def as_lines(*records: dict[str, Any]) -> bytes:
    return "\n".join(json.dumps(each) for each in records).encode()


def as_array(*records: dict[str, Any]) -> bytes:
    return b"\xef\xbb\xbf" + json.dumps(records, indent=1).encode()


def as_packed(*records: dict[str, Any]) -> bytes:
    return gzip.compress(as_array(*records))


Form = Callable[..., bytes]
every_form = pytest.mark.parametrize("form", [as_csv, as_lines, as_array, as_packed])


def one(*files: bytes, names: tuple[str, ...] = (), **more: Any) -> EvidenceResult:
    found = EVIDENCE.collect(
        {"uri": "folder", **more},
        opener(dict(zip(names or [f"{i:03}" for i in range(len(files))], files, strict=True))),
        [Store(SHOP, "sqlalchemy")],
        (START, END),
        lambda name: name.replace(PAN, "[sealed]"),
        {SHOP: known(3, ["cards"])},
    )
    return found[SHOP]


def by_login(result: EvidenceResult) -> dict[str, Reads]:
    return {reads.principal: reads for reads in result.reads}


@every_form
def test_the_tables_of_a_statement_are_one_read(form: Form) -> None:
    data = form(
        record("cards", minute=1, response_rows=7),
        record("other", minute=1),
        record("cards", minute=1, response_rows=2),  # the statement again
        record("T.x", schema="my", minute=2, response_rows=1),
        record("cards", who="bob", minute=3, response_rows=1),
        record("cards", who="bob", minute=4, succeeded="False"),
        record("cards", action="UP  ", minute=5),
        record("cards", database="elsewhere", minute=5),
        record("peek", who="cy", action="EX  ", minute=6),
    )
    result = one(data, data)
    found = by_login(result)
    assert (found["alice"].reads, found["alice"].rows, found["alice"].objects) == (3, 10, 3)
    assert found["alice"].card_reads == 2
    assert (found["bob"].reads, found["bob"].denied) == (1, 1)
    assert found["cy"].reads is None
    assert "1 procedure or backup does not tell" in result.evidence.detail
    assert "permission check was passed" in result.evidence.detail
    assert result.evidence.coverage is Coverage.PARTIAL and result.evidence.unparsed == 0
    assert PAN not in repr(result)


@every_form
def test_who_logged_in_is_the_reader(form: Form) -> None:
    result = one(form(record(session_server_principal_name="alice", server_principal_name="sa")))
    assert set(by_login(result)) == {"alice"}


@every_form
def test_the_rest_of_a_long_statement_is_no_other_read(form: Form) -> None:
    result = one(form(record(), record(sequence_number=2, text="... and the rest")))
    assert by_login(result)["alice"].reads == 1


def test_a_change_of_the_audit_is_named() -> None:
    result = one(as_csv(record(), record("", action="AUSC", who="sa", minute=9)))
    said = "the audit was started, stopped or changed once, the first time at 2026-03-01 00:09"
    assert said in result.evidence.detail and "by sa" in result.evidence.detail


def test_the_servers_own_files_are_said_to_be_binary() -> None:
    result = one(b"\x01\x00\x02", as_csv(record()), names=("a.sqlaudit", "b.csv"))
    assert "1 file is .sqlaudit, which only the server can read" in result.evidence.detail
    assert by_login(result)["alice"].reads == 1 and result.evidence.unparsed == 0


def test_other_files_and_damage() -> None:
    result = one(b"a,b\n1,2\n", as_csv(record()) + b"cut,off\n")
    assert by_login(result)["alice"].reads == 1 and result.evidence.unparsed == 1
    assert one(b"a,b\n1,2\n").evidence.coverage is Coverage.NONE


def test_golden() -> None:
    """An export as the documentation describes its columns."""
    result = one(GOLDEN.read_bytes())
    assert {who: (r.reads, r.rows, r.denied) for who, r in by_login(result).items()} == {
        "CORP\\app": (2, 12, 0),
        "intern": (0, None, 1),
    }
    assert result.evidence.unparsed == 0
