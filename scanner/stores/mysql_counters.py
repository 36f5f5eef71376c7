"""What MySQL and MariaDB count of reads: rows fetched from each table, SELECTs of each account."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from scanner.contracts import SealName
from scanner.counters import Counter, Counts, Snapshot
from scanner.errors import Unreadable
from scanner.stores.mysql_catalogue import key_of
from scanner.stores.mysql_session import Session

PERFORMANCE, USERSTAT = "performance_schema", "userstat"
_INSTRUMENT = "wait/io/table/sql/handler"
_WHAT = "reads"
_BLIND = {
    PERFORMANCE: (
        "counts rows fetched, also those that UPDATE and DELETE look for; a start of the server or"
        " TRUNCATE of the summary begins anew"
    ),
    USERSTAT: (
        "counts rows read, also those that UPDATE and DELETE look for; FLUSH TABLE_STATISTICS or a"
        " start of the server begins anew"
    ),
}


def snapshot(session: Session, seal_name: SealName) -> Snapshot:
    """Raises ``Unreadable``."""
    ((_, up),) = session.rows("SHOW GLOBAL STATUS LIKE 'Uptime'")
    ((now,),) = session.rows("SELECT unix_timestamp(now(6))")  # two scans can share a second
    taken = datetime.fromtimestamp(float(now), UTC)
    started = taken.replace(microsecond=0) - timedelta(seconds=int(up))
    counts = (
        _asked(PERFORMANCE, session, seal_name, started),
        _asked(USERSTAT, session, seal_name, started),
    )
    return Snapshot(taken, counts)


def _asked(source: str, session: Session, seal_name: SealName, started: datetime) -> Counts:
    blind = _BLIND[source]
    clears = "Com_truncate" if source == PERFORMANCE else "Com_flush"
    try:
        lacking = _lacking(source, session)
        if lacking:
            return Counts(source, _WHAT, blind, lacking=lacking)
        query = _PERFORMANCE if source == PERFORMANCE else _USERSTAT
        rows = session.rows(query, (session.database,))
        counters = _counters(rows, session.database, seal_name)
        ((_, cleared),) = session.rows("SHOW GLOBAL STATUS WHERE variable_name = %s", (clears,))
        remark = _accounts(source, session, seal_name)
    except Unreadable as error:
        why = f"could not be asked: {error.detail or error.reason}"
        return Counts(source, _WHAT, blind, lacking=why)
    return Counts(
        *(source, _WHAT, blind, counters, started, started), remark=remark, cleared=int(cleared)
    )


def _counters(
    rows: Iterable[tuple[Any, ...]], database: str, seal_name: SealName
) -> tuple[Counter, ...]:
    """One for each table, whatever the server has of it. Names are compared here: the server may do
    it without regard to case, and two databases can differ in it alone."""
    fetched: dict[str, int] = {}
    for schema, name, count in rows:
        if schema == database:
            fetched[str(name)] = fetched.get(str(name), 0) + int(count)
    return tuple(
        Counter(name, (seal_name(key_of(name)),), None, None, count)
        for name, count in fetched.items()
    )


_PERFORMANCE = (
    "SELECT object_schema, object_name, count_fetch"
    " FROM performance_schema.table_io_waits_summary_by_table"
    " WHERE object_type = 'TABLE' AND object_schema = %s"
)
_USERSTAT = (
    "SELECT table_schema, table_name, rows_read FROM information_schema.table_statistics"
    " WHERE table_schema = %s"
)


def _lacking(source: str, session: Session) -> str:
    """Why it counts nothing, empty when it does."""
    variable = "performance_schema" if source == PERFORMANCE else "userstat"
    found = session.rows("SHOW GLOBAL VARIABLES WHERE variable_name = %s", (variable,))
    if not found or found[0][1] != "ON":
        return f"{variable} is off: the server counts nothing with it"
    if source == PERFORMANCE:
        on = session.rows(
            "SELECT enabled FROM performance_schema.setup_instruments WHERE name = %s",
            (_INSTRUMENT,),
        )
        if not on or on[0][0] != "YES":
            return f"the instrument {_INSTRUMENT} is off: reads of tables are not counted"
    return ""


def _accounts(source: str, session: Session, seal_name: SealName) -> str:
    """Who sends SELECTs to the server at all: which tables they read is not told."""
    if source == PERFORMANCE:
        query = (
            "SELECT user, count_star FROM"
            " performance_schema.events_statements_summary_by_user_by_event_name"
            " WHERE event_name = 'statement/sql/select' AND user IS NOT NULL AND count_star > 0"
        )
    else:
        query = (
            "SELECT user, select_commands FROM information_schema.user_statistics"
            " WHERE select_commands > 0"
        )
    found = sorted(((int(count), str(user)) for user, count in session.rows(query)), reverse=True)
    if not found:
        return ""
    shown = ", ".join(f"{seal_name(user)} {count:,}" for count, user in found[:3])
    more = f" and {len(found) - 3:,} more" if len(found) > 3 else ""
    return f"accounts with SELECTs on this server, of whatever database: {shown}{more}"
