"""What a PostgreSQL server counts of reads: scans of each table, statements of each role."""

from __future__ import annotations

import time
from datetime import datetime

from scanner import statements
from scanner.contracts import SealName
from scanner.counters import Counter, Counts, Snapshot
from scanner.errors import Unreadable
from scanner.stores.postgres_catalogue import quote, spell
from scanner.stores.postgres_session import Session

TABLES, STATEMENTS = "table-counters", "pg_stat_statements"
_PATIENCE = 3.0
"""seconds that sessions of this scan are waited for, to end and tell what they read"""
_TABLES = """
SELECT s.relid::bigint, s.schemaname::text, s.relname::text,
       coalesce(s.seq_scan, 0) + coalesce(s.idx_scan, 0),
       coalesce(s.seq_tup_read, 0) + coalesce(s.idx_tup_fetch, 0)
FROM pg_stat_user_tables s
"""
_BEGAN = """
SELECT d.stats_reset, pg_postmaster_start_time(), d.xact_commit
FROM pg_stat_database d WHERE d.datname = current_database()
"""
_OWN = """
SELECT count(*) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND usename = session_user
  AND application_name = current_setting('application_name')
"""


def snapshot(session: Session, seal_name: SealName, *, alone: bool) -> Snapshot:
    """``alone``: the sessions of the scan are to have ended. Raises ``Unreadable``."""
    own = _wait_for_own(session) if alone else 0
    ((taken,),) = session.rows("SELECT clock_timestamp()")
    return Snapshot(taken, (_tables(session, seal_name), _statements(session, seal_name)), own)


def _wait_for_own(session: Session) -> int:
    """A session tells what it read when it ends, or a second later."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        ((others,),) = session.rows(_OWN)
        if not others or time.monotonic() > deadline:
            return int(others)
        time.sleep(0.05)


def _tables(session: Session, seal_name: SealName) -> Counts:
    blind = (
        "counts scans, also those of UPDATE, DELETE and foreign keys, and not what a session has"
        " not told yet"
    )
    what = "scans of tables and indexes"
    try:
        ((reset, started, transactions),) = session.rows(_BEGAN)
        rows = session.rows(_TABLES)
        ((on,),) = session.rows("SHOW track_counts")
    except (Unreadable, ValueError) as error:
        return Counts(TABLES, what, blind, lacking=_why(error))
    if on != "on":
        return Counts(TABLES, what, blind, lacking="track_counts is off: the server counts nothing")
    counters = tuple(
        Counter(str(oid), (seal_name(spell(schema, name)),), None, int(scans), int(fetched))
        for oid, schema, name, scans, fetched in rows
    )
    return Counts(TABLES, what, blind, counters, reset, started, whole=int(transactions))


def _statements(session: Session, seal_name: SealName) -> Counts:
    blind = (
        "the server keeps the statements that are used most (pg_stat_statements.max), without the"
        " failed ones, and inside functions only with track = all; a statement does not name the"
        " tables under a view"
    )
    what = "statements naming tables"
    try:
        found = session.rows(
            "SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n"
            " ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements'"
        )
        if not found:
            lacking = "pg_stat_statements is not installed in this database"
            return Counts(STATEMENTS, what, blind, lacking=lacking)
        schema = quote(found[0][0])
        began, pushed_out = _info(session, schema)
        rows = session.rows(
            "SELECT s.queryid::text || '/' || s.userid::text, r.rolname::text, s.calls, s.rows,"  # noqa: S608 - a quoted name
            f" s.query FROM {schema}.pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid"
            " WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        counters = tuple(_counters(rows, seal_name))
    except (Unreadable, ValueError) as error:
        return Counts(STATEMENTS, what, blind, lacking=_why(error))
    return Counts(STATEMENTS, what, blind, counters, began, pushed_out=pushed_out)


def _info(session: Session, schema: str) -> tuple[datetime | None, int]:
    """When it began, and how often it had to let statements go (PostgreSQL 14 and newer)."""
    try:
        ((reset, pushed_out),) = session.rows(
            f"SELECT stats_reset, dealloc FROM {schema}.pg_stat_statements_info"  # noqa: S608
        )
    except Unreadable:
        return None, 0
    return reset, int(pushed_out)


def _counters(rows: list[tuple[object, ...]], seal_name: SealName) -> list[Counter]:
    """A statement of several parts counts each; one that was not let see its text is hidden."""
    found = []
    for number, role, calls, given, text in rows:
        if number is None or text is None:
            continue
        hidden = str(text) == "<insufficient privilege>"
        reads = (
            (statements.Read(hidden=True),) if hidden else statements.reads(str(text), "postgres")
        )
        for place, read in enumerate(reads):
            if read.executes:
                continue  # the server counts it under the PREPARE, which it does not count itself
            names = tuple(
                sorted(
                    seal_name(spell(*_schema_and_name(parts)))
                    for parts in read.relations
                    if not _of_the_server(parts)
                )
            )
            if names or read.hidden:
                only = int(str(given)) if len(reads) == 1 and not read.cursor else None
                number_here = f"{number}/{place}"
                who = seal_name(str(role))
                found.append(Counter(number_here, names, who, int(str(calls)), only, read.hidden))
    return found


def _schema_and_name(parts: tuple[str, ...]) -> tuple[str, str]:
    return (parts[-2] if len(parts) > 1 else "public", parts[-1])


def _of_the_server(parts: tuple[str, ...]) -> bool:
    schema = parts[-2] if len(parts) > 1 else "pg_catalog" if parts[-1].startswith("pg_") else ""
    own = parts[-1] in ("pg_stat_statements", "pg_stat_statements_info")
    return own or schema in ("pg_catalog", "information_schema", "pg_toast")


def _why(error: Exception) -> str:
    if isinstance(error, Unreadable):
        return f"could not be asked: {error.detail or error.reason}"
    return "could not be asked: the server's answer was not understood"
