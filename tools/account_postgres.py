"""Entries of a PostgreSQL log in the three forms a server writes them in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tools.accounts import LOCAL


@dataclass(frozen=True)
class Said:
    """An entry of a PostgreSQL log."""

    when: datetime
    user: str
    database: str
    session: int
    message: str
    number: int = 1
    severity: str = "LOG"
    state: str = "00000"
    statement: str = ""
    agent: str = "psql"

    @property
    def stamp(self) -> str:
        return f"{self.when.astimezone(LOCAL):%Y-%m-%d %H:%M:%S}.{0:03} IST"


def as_csv(said: Said) -> bytes:
    row: list[Any] = [""] * 26
    row[0:7] = [said.stamp, said.user, said.database, said.session, "h", f"s{said.session:x}", 1]
    row[6], row[11], row[12], row[13] = said.number, said.severity, said.state, said.message
    row[19], row[22] = said.statement, said.agent
    cells = (
        str(each)
        if not isinstance(each, str) or not each or each == said.stamp
        else '"' + each.replace('"', '""') + '"'
        for each in row
    )
    return ",".join(cells).encode() + b"\n"


def as_json(said: Said) -> bytes:
    row = {"timestamp": said.stamp, "user": said.user, "dbname": said.database}
    more = {"pid": said.session, "session_id": f"s{said.session:x}", "line_num": said.number}
    about = {"error_severity": said.severity, "state_code": said.state, "message": said.message}
    about["application_name"] = said.agent
    told = {"statement": said.statement} if said.statement else {}
    said_all = {k: v for k, v in (row | more | about | told).items() if v != ""}
    return json.dumps(said_all).encode() + b"\n"


def as_plain(said: Said) -> bytes:
    head = f"{said.stamp} [{said.session}] "
    head += f"{said.user}@{said.database} " if said.user else ""
    text = f"{head}{said.severity}:  {_indented(said.message)}\n"
    if said.statement:
        text += f"{head}STATEMENT:  {_indented(said.statement)}\n"
    return text.encode()


def _indented(text: str) -> str:
    return text.replace("\n", "\n\t")


POSTGRES_FORMS = {"csvlog": as_csv, "jsonlog": as_json, "stderr": as_plain}
