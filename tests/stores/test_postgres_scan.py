"""The ordinary command over PostgreSQL: killed, restarted under it, locked out."""

from __future__ import annotations

import json
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests import postgres_server
from tests.conftest import Cardtrail, Planted
from tests.postgres_server import Server

pytestmark = postgres_server.MARKS
DATABASE = "scanned"
ROWS = 40_000


@pytest.fixture
def server(home: Path) -> Iterator[Server]:
    server = postgres_server.server()
    with server.database(DATABASE):
        yield server


def fill(server: Server, planted: Planted) -> list[str]:
    """About 20 MB, with a card in one row of four hundred."""
    pans = [planted.pan() for _ in range(ROWS // 400)]
    server.run(
        DATABASE,
        "CREATE TABLE orders(id int PRIMARY KEY, note text, card_number text)",
        "INSERT INTO orders SELECT i, repeat(md5(i::text), 14), NULL"
        f" FROM generate_series(1, {ROWS}) i",
    )
    with server.connect(DATABASE) as connection, connection.transaction():
        connection.execute("ALTER TABLE orders DISABLE TRIGGER ALL")
        for number, pan in enumerate(pans):
            update = "UPDATE orders SET card_number = %s WHERE id = %s"
            connection.execute(update, (pan, 400 * number + 7))
    server.run(DATABASE, "VACUUM FULL orders")
    return pans


def configure(cardtrail: Cardtrail, server: Server, rate: int) -> Path:
    """A scan of one process over 1 MiB slices that is slow enough to be hit in the middle."""
    path = cardtrail.cwd / "cardtrail.toml"
    path.write_text(
        f"""
exclude = ["(pg_stat_statements)", "(pg_stat_activity)", "(pg_stats)"]
[limits]
slice = 1048576
[[store]]
uri = "{server.target(DATABASE)}"
bytes_per_second = {rate}
"""
    )
    return path


def found(cardtrail: Cardtrail) -> tuple[dict[str, Any], list[tuple[int | None, str | None]]]:
    document = json.loads((cardtrail.cwd / "run.json").read_text())
    places = [
        (place.get("row"), place.get("field"))
        for finding in document["findings"]
        for place in finding["locations"]
    ]
    return document, sorted(places, key=str)


def expected(pans: list[str]) -> list[tuple[int | None, str | None]]:
    rows = [(400 * number + 7, "card_number") for number in range(len(pans))]
    return sorted(rows, key=str)


def test_killed_in_mid_table_it_goes_on_where_it_was(
    server: Server, cardtrail: Cardtrail, planted: Planted, home: Path
) -> None:
    pans = fill(server, planted)
    configure(cardtrail, server, 8_000_000)
    process = cardtrail.start("scan", "-j", "1", "-o", "run.json")
    wait_for_reads(server, 6_000_000)
    time.sleep(0.6)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = cardtrail("scan", "--resume", "-j", "1", "-o", "run.json")
    assert done.code == 1, done.err
    document, places = found(cardtrail)
    assert document["coverage"]["scanned"] == document["coverage"]["units"]
    assert places == expected(pans)
    assert sum(finding["count"] for finding in document["findings"]) == len(pans)


def test_a_server_that_restarts_is_waited_for(
    server: Server, cardtrail: Cardtrail, planted: Planted
) -> None:
    pans = fill(server, planted)
    configure(cardtrail, server, 8_000_000)
    process = cardtrail.start("scan", "-j", "2", "-o", "run.json")
    wait_for_reads(server, 6_000_000)
    server.halt()
    time.sleep(0.5)
    server.start()
    assert process.wait(60) == 1
    document, places = found(cardtrail)
    assert document["coverage"]["scanned"] == document["coverage"]["units"]
    assert places == expected(pans)
    assert sum(finding["count"] for finding in document["findings"]) == len(pans)


def wait_for_reads(server: Server, size: int) -> None:
    """Until the scan has had its statements answered that many bytes' worth of rows."""
    deadline = time.monotonic() + 30
    query = "SELECT coalesce(sum(pg_stat_get_tuples_returned('orders'::regclass)), 0)::bigint"
    ((start,),) = server.rows(DATABASE, query)
    while time.monotonic() < deadline:
        ((now,),) = server.rows(DATABASE, query)
        if (now - start) * 500 >= size:
            return
        time.sleep(0.05)
    raise AssertionError("the scan does not read")


def test_a_lock_of_somebody_else_costs_one_table_and_blocks_nobody(
    server: Server, cardtrail: Cardtrail, planted: Planted
) -> None:
    pan = planted.pan()
    server.run(
        DATABASE,
        "CREATE TABLE busy(card text)",
        "CREATE TABLE free(card text)",
        f"INSERT INTO free VALUES ('{pan}')",
    )
    with server.connect(DATABASE) as holder, holder.transaction():
        holder.execute("LOCK TABLE busy IN ACCESS EXCLUSIVE MODE")
        done = cardtrail("scan", server.target(DATABASE), "-j", "1", "-o", "run.json")
        holder.execute(f"INSERT INTO busy VALUES ('{pan}')")
    assert done.code == 4, done.err
    document, _ = found(cardtrail)
    (left,) = [unit for unit in document["outcomes"] if unit["status"] != "scanned"]
    assert (left["unit"], left["status"]) == ("busy", "skipped")
    assert "lock" in left["detail"]
    assert "free" in {finding["unit"] for finding in document["findings"]}


def sleep_until_cancelled(connection: psycopg.Connection[Any]) -> None:
    with suppress(psycopg.errors.QueryCanceled):
        connection.execute("SELECT pg_sleep(60)")


def test_a_scan_that_waits_for_a_busy_server_is_stopped_at_once(
    server: Server, cardtrail: Cardtrail
) -> None:
    """And says at its start what its role could do beside reading. Costs 2 s."""
    server.run(DATABASE, "CREATE TABLE orders AS SELECT 'x' AS note")
    busy = [server.connect("postgres") for _ in range(2)]
    naps = [
        threading.Thread(target=sleep_until_cancelled, args=(connection,), daemon=True)
        for connection in busy
    ]
    for nap in naps:
        nap.start()
    (cardtrail.cwd / "cardtrail.toml").write_text(
        f'[[store]]\nuri = "{server.target(DATABASE)}"\nmax_load = 1\n'
    )
    process = cardtrail.start("scan", "-j", 1)
    waits = (
        "SELECT 1 FROM pg_stat_activity WHERE application_name = 'cardtrail' AND state = 'idle'"
        " AND query LIKE '%FILTER (WHERE state = ''active'')%'"
    )
    deadline = time.monotonic() + 30
    while not server.rows("postgres", waits):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=10)
    for connection in busy:
        connection.cancel_safe()
    for nap in naps:
        nap.join()
    for connection in busy:
        connection.close()
    assert process.returncode == 143 and b"scan --resume" in err
    assert b"the role of this scan is superuser; its sessions are read-only" in err
    assert re.search(rb"reading waits: others run \d statements \(max_load = 1\)", err)


def test_a_quick_scan_reads_in_full_only_what_is_suspect(
    server: Server, cardtrail: Cardtrail, planted: Planted
) -> None:
    pan = planted.pan()
    for table in ("clean", "suspect"):  # a row to a page
        server.run(
            DATABASE,
            f"CREATE TABLE {table}(id int PRIMARY KEY, a text, b bytea) WITH (fillfactor = 10)",
            f"ALTER TABLE {table} ALTER a SET STORAGE PLAIN",
            f"INSERT INTO {table} SELECT i, repeat('x', 700), 'y' FROM generate_series(1, 9300) i",
        )
    server.run(DATABASE, f"UPDATE suspect SET a = 'card {pan}' WHERE id % 5 = 0")
    server.run(DATABASE, "CREATE TABLE small AS SELECT a FROM suspect WHERE id = 5")
    configure(cardtrail, server, 0)
    done = cardtrail("scan", "--quick", "-j", "2", "-o", "run.json")
    assert done.code == 4, done.err
    document, _ = found(cardtrail)
    outcomes = {unit["unit"]: unit for unit in document["outcomes"]}
    clean = outcomes["clean"]
    assert (clean["status"], clean["reason"]) == ("sampled", "quick-pass")
    assert clean["fraction"] == pytest.approx(4603 / 9300)
    assert "1 in 1,000" in clean["detail"] and "1%" in clean["detail"]
    assert outcomes["suspect"]["status"] == outcomes["small"]["status"] == "scanned"
    counts = {finding["unit"]: finding["count"] for finding in document["findings"]}
    assert counts == {"suspect": 9300 // 5, "small": 1}


def test_a_plan_tells_rows_and_time(server: Server, cardtrail: Cardtrail) -> None:
    server.run(
        DATABASE,
        "CREATE TABLE known AS SELECT i FROM generate_series(1, 30000) i",
        "ANALYZE known",
    )
    configure(cardtrail, server, 1000)
    ((size,),) = server.rows(DATABASE, "SELECT pg_relation_size('known')")
    (plan,) = json.loads(cardtrail("plan", "-j", "1", "--json").out)
    assert (plan["rows"], plan["counted"], plan["bytes"]) == (30000, True, size)
    assert plan["seconds"] == pytest.approx(size / 1000, rel=0.01)
    server.run(DATABASE, "CREATE TABLE fresh AS SELECT 1")
    told = cardtrail("plan", "-j", "1").out
    assert "at least about 30,000 rows" in told and "the role of this scan is superuser" in told
    nowhere = cardtrail("plan", "-j", "1", "postgresql://ann@127.0.0.1:1/x")
    assert nowhere.code == 3 and "failed: Connection refused" in nowhere.out


def test_no_password_comes_out(server: Server, cardtrail: Cardtrail) -> None:
    secret = "hunter" + "2secret"
    target = f"postgresql://ann:{secret}@127.0.0.1:{server.port}/{DATABASE}"
    done = cardtrail("scan", target)
    assert done.code == 2
    assert secret not in done.out + done.err and "password" in done.err
