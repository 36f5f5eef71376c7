"""Logs of databases are full of card numbers, in literals and in names: none leaves the worker.

The databases cannot be reached; their logs can. What the fixtures search is every file that a run
leaves behind, the ledger too, and all that was printed.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.access.postgres_logs import Said, as_csv, as_json, as_plain
from tests.conftest import Cardtrail, Planted

POSTGRES, MYSQL = "postgresql://u@127.0.0.1:1/shop", "mysql://u@127.0.0.1:1/shop"
NOW = datetime.now(UTC) - timedelta(minutes=5)
MINUTES = (NOW - datetime(2026, 3, 1, tzinfo=UTC)) / timedelta(minutes=1)
STORE = {"log-statement": POSTGRES, "pgaudit": POSTGRES}


def postgres(pan: str, audited: bool) -> dict[str, bytes]:
    text = f"SELECT * FROM \"t {pan}\" WHERE pan = '{pan}' -- {pan}"
    audit = f'AUDIT: SESSION,1,1,READ,SELECT,TABLE,"public.""t {pan}""","{text}",<not logged>'
    said = audit if audited else f"statement: {text}"
    entries = [
        Said(said, user=f"app-{pan}", minute=MINUTES),
        Said(f"statement: select '{pan}' from (", minute=MINUTES),
        Said(f'parameter "log_statement" changed to "{pan}"', "", "", pid=7, minute=MINUTES),
        Said("permission denied for table x", severity="ERROR", statement=text, minute=MINUTES),
    ]
    broken = b"2026-03-01 00:00:00.000 UTC," + pan.encode() + b',"'
    return {
        "a.csv": as_csv(*entries) + broken,
        "a.json": as_json(*entries),
        "a.log": as_plain(*entries),
    }


def mysql(pan: str, kind: str) -> dict[str, bytes]:
    text = f"SELECT * FROM `t {pan}` WHERE pan = '{pan}' # {pan}"
    if kind == "server-audit":
        head = f"{NOW:%Y%m%d %H:%M:%S},vm,app-{pan},localhost,5,7,"
        quoted = text.replace("'", "\\'")
        lines = [f"{head}READ,shop,t {pan},", f"{head}QUERY,shop,'{quoted}',0", f"{pan},,"]
    elif kind == "general-log":
        head = f"{NOW:%Y-%m-%dT%H:%M:%S.%fZ}\t    6 "
        lines = [f"{head}Connect\tapp-{pan}@h on shop using x", f"{head}Query\t{text}"]
        lines += [f"{head}Query\tselect f('{pan}')", f"{head}Query\tSET GLOBAL general_log={pan}"]
    else:
        about = f"# User@Host: a[app-{pan}] @ h []  Id: 6\n# Query_time: 1 Rows_sent: 2 {pan}"
        lines = [about, "use shop;", f"SET timestamp={int(NOW.timestamp())};", f"{text};"]
    return {"a.log": "\n".join(lines).encode()}


@pytest.mark.parametrize(
    "kind", ["pgaudit", "log-statement", "server-audit", "general-log", "slow-log"]
)
def test_no_card_number_leaves_the_worker(
    kind: str, cardtrail: Cardtrail, planted: Planted, tmp_path: Path
) -> None:
    pan = planted.pan()
    logs = planted.allow(tmp_path / "logs")
    logs.mkdir()
    store = STORE.get(kind, MYSQL)
    files = postgres(pan, kind == "pgaudit") if store == POSTGRES else mysql(pan, kind)
    for name, data in files.items():
        (logs / name).write_bytes(data)
    (cardtrail.cwd / "cardtrail.toml").write_text(
        f'[[store]]\nuri = "{store}"\npatience = 1\n[[evidence]]\nkind = "{kind}"\nuri = "{logs}"\n'
    )
    outputs = [part for name in ("json", "html", "csv") for part in ("-o", f"run.{name}")]
    done = cardtrail("scan", *outputs)
    assert done.code == 3, done.err
    (found,) = json.loads((cardtrail.cwd / "run.json").read_text())["stores"]
    (evidence,) = (e for e in found["access"]["evidence"] if e["source"] == kind)
    shown = evidence["not_understood"]  # searched by the fixture, with all else
    assert bool(shown) == bool(evidence["unparsed"]) and len(shown) <= 3
    readers = found["access"]["did_read"]["list"]
    (app,) = [each for each in readers if each["principal"].startswith("app-")]
    assert app["reads"] == 1 and "~" in app["principal"]  # sealed, and still told apart
    told = cardtrail("access")
    assert told.code == 0 and all(f"{e['place']} of {e['file']}: " in told.out for e in shown)
