"""Made-up PostgreSQL logs in their three forms, as a server of version 15 writes them."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from scanner.access.pgaudit import EVIDENCE
from scanner.contracts import EvidenceResult
from scanner.known import known
from scanner.model import Problem, Store
from tests.access.trails import END, START, opener

DEBIAN = "%m [%p] %q%u@%d "
SHOP = "postgresql://db/shop"


@dataclass(frozen=True)
class Said:
    """One entry of a log."""

    message: str
    user: str = "alice"
    database: str = "shop"
    pid: int = 100
    minute: float = 5
    severity: str = "LOG"
    state: str = "00000"
    context: str = ""
    statement: str = ""
    application: str = "psql"
    detail: str = ""
    transaction: str = ""
    number: int | str = ""
    """of the line in its session"""
    backend: str = "client backend"


def audit(
    statement: int = 1,
    relation: str = "public.cards",
    *,
    kind: str = "SESSION",
    part: int = 1,
    group: str = "READ",
    command: str = "SELECT",
    type_: str = "TABLE",
    text: str = "select * from cards",
    rows: int | None = None,
    parameters: str = "<not logged>",
    **more: Any,
) -> Said:
    out = io.StringIO()
    fields = [kind, statement, part, group, command, type_ if relation else "", relation, text]
    fields += [parameters] + ([] if rows is None else [rows])
    csv.writer(out, lineterminator="").writerow(fields)
    return Said(f"AUDIT: {out.getvalue()}", **more)


def _stamp(said: Said, offset: timedelta = timedelta(), zone: str = "UTC") -> str:
    when = START.astimezone(UTC) + timedelta(minutes=said.minute) + offset
    return f"{when:%Y-%m-%d %H:%M:%S}.{when.microsecond // 1000:03} {zone}"


def _session(said: Said) -> str:
    return f"6b051bf7.{said.pid:x}"


def as_csv(*entries: Said, **zone: Any) -> bytes:
    out = io.StringIO()
    for said in entries:
        row: list[Any] = [""] * 26
        row[:6] = (
            _stamp(said, **zone),
            said.user,
            said.database,
            said.pid,
            "[local]",
            _session(said),
        )
        row[6], row[9], row[14] = said.number, said.transaction, said.detail
        row[11], row[12], row[13] = said.severity, said.state, said.message
        row[18], row[19], row[22] = said.context, said.statement, said.application
        row[23] = said.backend
        # the server quotes every text, and nothing else
        out.write(",".join(_quoted(each) for each in row) + "\n")
    return out.getvalue().encode()


def _quoted(value: Any) -> str:
    plain = not isinstance(value, str) or not value or value[:4] == "2026"
    return str(value) if plain else '"' + value.replace('"', '""') + '"'


def as_json(*entries: Said, **zone: Any) -> bytes:
    rows = []
    for said in entries:
        row = {"timestamp": _stamp(said, **zone), "user": said.user, "dbname": said.database}
        more: dict[str, Any] = {"pid": said.pid, "session_id": _session(said)}
        more |= {"error_severity": said.severity, "message": said.message}
        more |= {"backend_type": said.backend}
        more |= {"state_code": said.state} if said.state != "00000" else {}
        more |= {"vxid": said.transaction} if said.transaction else {}
        more |= {"line_num": said.number} if said.number else {}
        more |= {"detail": said.detail} if said.detail else {}
        more |= {"context": said.context} if said.context else {}
        more |= {"statement": said.statement} if said.statement else {}
        rows.append(json.dumps(row | more))
    return "\n".join(rows).encode()


def as_plain(*entries: Said, prefix: str = DEBIAN, **zone: Any) -> bytes:
    lines = []
    for said in entries:
        head = prefix if said.user else prefix.partition("%q")[0]
        values = {"m": _stamp(said, **zone), "p": str(said.pid), "u": said.user, "q": ""}
        values |= {"d": said.database, "a": said.application, "c": _session(said)}
        values |= {"b": said.backend}
        for letter, value in values.items():
            head = head.replace(f"%{letter}", value)
        lines.append(f"{head}{said.severity}:  {said.message}".replace("\n", "\n\t"))
        if said.detail:
            lines.append(f"{head}DETAIL:  {said.detail}".replace("\n", "\n\t"))
        if said.context:
            lines.append(f"{head}CONTEXT:  {said.context}")
        if said.statement:
            lines.append(f"{head}STATEMENT:  {said.statement}".replace("\n", "\n\t"))
    return "\n".join(lines).encode() + b"\n"


FORMS = {"csv": as_csv, "json": as_json, "plain": as_plain}


def collect(
    *files: bytes | Problem,
    stores: tuple[str, ...] = (SHOP,),
    window: tuple[datetime, datetime] = (START, END),
    cards: list[str] | None = None,
    **more: Any,
) -> dict[str, EvidenceResult]:
    folder = {f"{i:03}": data for i, data in enumerate(files)}
    return dict(
        EVIDENCE.collect(
            {"uri": "folder", **more},
            opener(folder),
            [Store(uri, "postgres") for uri in stores],
            window,
            lambda name: name.replace("4111111111111111", "[sealed]"),
            {uri: known(10, cards or []) for uri in stores},
        )
    )


def one(*files: bytes | Problem, **more: Any) -> EvidenceResult:
    return collect(*files, **more)[SHOP]
