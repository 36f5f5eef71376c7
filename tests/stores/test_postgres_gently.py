"""How a PostgreSQL table is read without hurting: settings of the session, short statements."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scanner import registry
from scanner.contracts import Chunk, Limits, OpenStore
from scanner.model import Slice
from scanner.walk import walk
from tests import postgres_server
from tests.postgres_server import Server
from tests.stores.reading import WHOLE, unit

pytestmark = postgres_server.MARKS
DATABASE = "reading_gently"


@pytest.fixture
def server() -> Iterator[Server]:
    server = postgres_server.server()
    with server.database(DATABASE):
        yield server


def test_the_session_is_gentle(opened: OpenStore) -> None:
    session = opened._session  # type: ignore[attr-defined]  # the very session that reads
    said = {
        "default_transaction_read_only": "on",
        "statement_timeout": "1min",
        "lock_timeout": "2s",
        "idle_in_transaction_session_timeout": "1min",
        "search_path": "pg_catalog",
        "max_parallel_workers_per_gather": "0",
        "jit": "off",
        "effective_io_concurrency": "0",
    }
    for name, value in said.items():
        assert session.rows("SELECT current_setting(%s)", (name,)) == [(value,)]


def test_a_slice_begins_with_statements_as_large_as_those_of_the_last(
    server: Server, opened: OpenStore
) -> None:
    server.run(
        DATABASE,
        "CREATE TABLE t AS SELECT repeat('x', 900) a FROM generate_series(1, 30000) i",
    )
    table = unit(opened, "t")
    half = (table.size or 0) // 2
    begins = []
    for part in (Slice(0, 0, half), Slice(1, half, None)):
        walked = walk(opened.open(table), "t", part, registry.readers(), Limits())
        sizes = [item.hi - item.lo for _, item in walked if isinstance(item, Chunk)]
        assert sum(sizes) > 12 << 20
        begins.append(sizes[0])
    assert begins[0] < 1 << 20 < 2 << 20 < begins[1]


def test_every_statement_ends_and_no_snapshot_is_kept(server: Server, opened: OpenStore) -> None:
    server.run(
        DATABASE,
        "CREATE TABLE t AS SELECT repeat('x', 900) a FROM generate_series(1, 30000) i",
    )
    records = opened.open(unit(opened, "t"))
    states: set[tuple[str, float]] = set()
    with server.connect("postgres") as watch:
        for number, _ in enumerate(walk(records, "t", WHOLE, registry.readers(), Limits())):
            if number % 4 == 0:
                query = (
                    b"SELECT state, coalesce(extract(epoch FROM now() - xact_start), 0)"
                    b" FROM pg_stat_activity WHERE application_name = 'cardtrail'"
                )
                states |= set(watch.execute(query).fetchall())
    assert {state for state, _ in states} <= {"idle", "active"}, "no transaction is kept open"
    assert all(seconds < 1 for _, seconds in states)
