"""The ordinary command over MariaDB: killed, restarted under it, locked out, held back."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from scanner.stores.mysql import STORE
from tests import mariadb_server
from tests.conftest import Cardtrail, Planted
from tests.mariadb_server import Server
from tests.warm import Warm

pytestmark = mariadb_server.MARKS
DATABASE = "scanned"
ROWS = 40_000


@pytest.fixture
def server() -> Iterator[Server]:
    server = mariadb_server.server()
    with server.database(DATABASE):
        yield server


def fill(server: Server, planted: Planted) -> list[str]:
    """About 20 MB, with a card in one row of four hundred."""
    pans = [planted.pan() for _ in range(ROWS // 400)]
    server.run(
        DATABASE,
        "CREATE TABLE orders (id int PRIMARY KEY, note text, card_number varchar(30))",
        f"INSERT INTO orders SELECT seq, repeat(md5(seq), 14), NULL FROM seq_1_to_{ROWS}",
    )
    with server.connect(DATABASE) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE orders SET card_number = %s WHERE id = %s",
            [(pan, 400 * number + 7) for number, pan in enumerate(pans)],
        )
    server.run(DATABASE, "ANALYZE TABLE orders")
    return pans


def configure(cardtrail: Cardtrail, server: Server, rate: int) -> None:
    """A scan over 1 MiB slices that is slow enough to be hit in the middle."""
    (cardtrail.cwd / "cardtrail.toml").write_text(
        f"""
exclude = ["(performance_schema)", "(processlist)", "(column statistics)"]
[limits]
slice = 1048576
[[store]]
uri = "{server.target(DATABASE)}"
bytes_per_second = {rate}
"""
    )


def start(cardtrail: Cardtrail, jobs: int) -> Warm:
    return cardtrail.start("scan", "-j", jobs, "-o", "run.json")


def wait_for_reads(server: Server, rows: int) -> None:
    query = "SHOW GLOBAL STATUS LIKE 'Rows_read'"
    ((_, begun),) = server.rows(None, query)
    deadline = time.monotonic() + 60
    while int(server.rows(None, query)[0][1]) - int(begun) < rows:
        assert time.monotonic() < deadline, "the scan does not read"
        time.sleep(0.05)


def check(cardtrail: Cardtrail, pans: list[str]) -> None:
    """Every card under its row and column, once, and every unit read."""
    document = json.loads((cardtrail.cwd / "run.json").read_text())
    coverage = document["coverage"]
    assert coverage["scanned"] == coverage["units"], document["outcomes"]
    places: list[Any] = sorted(
        (place["row"], place["field"])
        for finding in document["findings"]
        for place in finding["locations"]
    )
    assert places == [(400 * number + 7, "card_number") for number in range(len(pans))]
    assert sum(finding["count"] for finding in document["findings"]) == len(pans)


@pytest.mark.parametrize("jobs", [1, 2])
def test_killed_in_mid_table_it_goes_on_where_it_was(
    server: Server, cardtrail: Cardtrail, planted: Planted, jobs: int
) -> None:
    pans = fill(server, planted)
    configure(cardtrail, server, 8_000_000 // jobs)
    process = start(cardtrail, jobs)
    wait_for_reads(server, ROWS // 3)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = cardtrail("scan", "--resume", "-j", jobs, "-o", "run.json")
    assert done.code == 1, done.err
    check(cardtrail, pans)


@pytest.mark.parametrize("hard", [False, True], ids=["shut down", "killed"])
def test_a_server_that_restarts_is_waited_for(
    server: Server, cardtrail: Cardtrail, planted: Planted, hard: bool
) -> None:
    pans = fill(server, planted)
    configure(cardtrail, server, 4_000_000)
    process = start(cardtrail, 2)
    wait_for_reads(server, ROWS // 3)
    server.halt(9 if hard else 15)
    time.sleep(0.5)
    server.start()
    assert process.wait(120) == 1
    check(cardtrail, pans)


def test_a_lock_of_somebody_else_costs_one_table_and_blocks_nobody(
    server: Server, cardtrail: Cardtrail, planted: Planted
) -> None:
    pan = planted.pan()
    server.run(
        DATABASE,
        "CREATE TABLE busy(card varchar(30))",
        "CREATE TABLE free(card varchar(30))",
        f"INSERT INTO free VALUES ('{pan}')",
    )
    (cardtrail.cwd / "cardtrail.toml").write_text('exclude = ["(p*"]\n')
    with server.connect(DATABASE) as holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLES busy WRITE")
        done = cardtrail("scan", server.target(DATABASE), "-j", "1", "-o", "run.json")
        started = time.monotonic()
        cursor.execute(f"INSERT INTO busy VALUES ('{pan}')")
        assert time.monotonic() - started < 1
    assert done.code == 4, done.err
    document = json.loads((cardtrail.cwd / "run.json").read_text())
    (left,) = [unit for unit in document["outcomes"] if unit["status"] != "scanned"]
    assert (left["unit"], left["status"], left["reason"]) == ("busy", "skipped", "locked")
    assert "free" in {finding["unit"] for finding in document["findings"]}


def test_a_quick_scan_reads_in_full_only_what_is_suspect(
    server: Server, cardtrail: Cardtrail, planted: Planted
) -> None:
    pan = planted.pan()
    for table in ("clean", "suspect"):
        server.run(
            DATABASE,
            f"CREATE TABLE {table} (id bigint PRIMARY KEY, a varchar(40))",
            f"INSERT INTO {table} SELECT seq * 3, 'x' FROM seq_1_to_250000",
        )
    server.run(
        DATABASE,
        f"UPDATE suspect SET a = 'card {pan}' WHERE id % 200 = 0",
        "ANALYZE TABLE clean, suspect",
    )
    configure(cardtrail, server, 0)
    done = cardtrail("scan", "--quick", "-j", "2", "-o", "run.json")
    assert done.code == 4, done.err
    document = json.loads((cardtrail.cwd / "run.json").read_text())
    outcomes = {unit["unit"]: unit for unit in document["outcomes"]}
    clean = outcomes["clean"]
    assert (clean["status"], clean["reason"]) == ("sampled", "quick-pass")
    assert 0.3 < clean["fraction"] < 0.5 and "1 in 1,000" in clean["detail"]
    assert outcomes["suspect"]["status"] == "scanned"
    (finding,) = document["findings"]
    assert (finding["unit"], finding["count"]) == ("suspect", 250_000 // 200)


def test_a_quick_scan_of_what_cannot_be_sampled_is_refused(cardtrail: Cardtrail) -> None:
    (cardtrail.cwd / "file.txt").write_text("text")
    done = cardtrail("scan", "--quick", "file.txt")
    assert done.code == 2
    assert "--quick" in done.err and "mysql, postgresql" in done.err


def test_a_plan_tells_rows_and_time(server: Server, cardtrail: Cardtrail) -> None:
    server.run(
        DATABASE,
        "CREATE TABLE t (id int PRIMARY KEY)",
        "INSERT INTO t SELECT seq FROM seq_1_to_30000",
        "ANALYZE TABLE t",
    )
    configure(cardtrail, server, 1000)
    (plan,) = json.loads(cardtrail("plan", "-j", "1", "--json").out)
    assert plan["rows"] == pytest.approx(30000, rel=0.05) and plan["bytes"] > 30000
    assert plan["seconds"] == pytest.approx(plan["bytes"] / 1000, rel=0.01)


def test_it_pauses_while_others_run_statements(server: Server) -> None:
    opened = STORE.connect(STORE.resolve(server.target(DATABASE), {"max_load": 1}), str)
    session = opened._session
    session.read("SELECT 'x'")
    wait = "SELECT get_lock('busy', 60)"
    busy = [threading.Thread(target=server.rows, args=(None, wait)) for _ in range(2)]
    reading = threading.Thread(target=session.read, args=("SELECT 'x'",))
    with server.connect(None) as connection, connection.cursor() as cursor:
        cursor.execute(wait)
        for thread in busy:
            thread.start()
        # both wait: one that still connects counts as running, and then for a moment as not
        waiting = "SELECT 1 FROM information_schema.processlist WHERE state = 'User lock'"
        while len(server.rows(None, waiting)) < 2:
            time.sleep(0.01)
        session._pace._ask_at = 0.0
        reading.start()
        reading.join(0.5)
        assert reading.is_alive()
        cursor.execute("SELECT release_lock('busy')")
    for thread in (*busy, reading):
        thread.join()
    opened.close()
