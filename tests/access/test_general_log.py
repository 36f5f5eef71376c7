"""The general and the slow log of MySQL and MariaDB, as files and as tables."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.access import general_log
from scanner.contracts import EvidenceResult, FactsAt, Source
from scanner.facts import Facts
from scanner.known import known
from scanner.model import Coverage, Problem, Reads, Store
from tests.access.trails import END, START, opener
from tests.examples import costly

PAN = "4111111111111111"
SHOP = "mysql://db/shop"
KINDS = {kind.kind: kind for kind in general_log.EVIDENCE}


def collect(kind: str, *files: str, stores: tuple[str, ...] = (SHOP,), **more: Any) -> Any:
    return KINDS[kind].collect(
        {"uri": "folder", **more},
        opener({f"{i:03}": data.encode() for i, data in enumerate(files)}),
        [Store(uri, "mysql") for uri in stores],
        (START, END),
        lambda name: name.replace(PAN, "[sealed]"),
        {SHOP: known(9, ["cards"])},
    )


def one(kind: str, *files: str, **more: Any) -> EvidenceResult:
    found: EvidenceResult = collect(kind, *files, **more)[SHOP]
    return found


def by_user(result: EvidenceResult) -> dict[str, Reads]:
    return {reads.principal: reads for reads in result.reads}


# as MariaDB 10.11 writes it: a second is told once
MARIADB = f"""\
/usr/sbin/mariadbd, Version: 10.11.19-MariaDB (Debian 12). started with:
Tcp port: 3306  Unix socket: /run/s
Time\t\t    Id Command\tArgument
260301  0:10:00\t     6 Connect\tbob@localhost on shop using TCP/IP
\t\t     6 Query\tSELECT *
FROM cards WHERE pan = '{PAN}'
\t\t     6 Query\tPREPARE p FROM 'SELECT * FROM cards WHERE id=?'
\t\t     6 Prepare\tSELECT * FROM cards WHERE id=?
\t\t     6 Query\tEXECUTE p USING @a
\t\t     6 Execute\tSELECT * FROM cards WHERE id=1
\t\t     6 Query\tCALL peek()
260301  0:10:01\t     7 Connect\tann@localhost on  using Socket
\t\t     7 Connect\tAccess denied for user 'ann'@'localhost' (using password: NO)
\t\t     8 Connect\tann@localhost on elsewhere using Socket
\t\t     8 Query\tselect * from cards; select 1; select * from shop.other
\t\t     8 Init DB\tshop
\t\t     8 Query\tselect id from cards
\t\t     8 Query\tuse elsewhere
\t\t     8 Query\tselect id from cards
\t\t     8 Quit\t
\t\t     8 Query\tselect * from shop.cards
"""
MYSQL = """\
/usr/sbin/mysqld, Version: 8.0.36 (MySQL Community Server - GPL). started with:
Tcp port: 3306  Unix socket: /run/s
Time                 Id Command    Argument
2026-03-01T00:10:00.000001Z\t    6 Connect\tbob@localhost on shop using SSL/TLS
2026-03-01T00:10:00.000002Z\t    6 Query\tselect * from cards
2026-03-01T01:10:00.000003+01:00\t    6 Query\tselect * from other
2026-03-01T00:10:00.000004Z\t    6 Change user\tann@localhost on shop using SSL/TLS
2026-03-01T00:10:00.000005Z\t    6 Query\tselect * from cards
"""
TABLE = f"""\
"2026-03-01 00:10:00.417457","[bob] @ h []",6,1,"Connect","bob@localhost on shop using x"
"2026-03-01 00:10:00.418517","bob[bob] @ h []",6,1,"Query","SELECT \\"{PAN}\\"\\nFROM cards"
"2026-03-01 00:10:00.418518","bob[bob] @ h []",6,1,"Query","SELECT ""x"" FROM other"
"2026-03-01 00:10:00.418520","bob[bob] @ h []",6,1,"Prepare","SELECT * FROM cards"
"2026-03-01 00:10:00.418521","ann[ann] @ h []",9,1,"Query","SELECT * FROM cards"
"2026-03-01 00:10:00.418522","ann[ann] @ h []",9,1,"Query","SELECT * FROM shop.cards"
"""


def test_the_general_log_of_mariadb() -> None:
    result = one("general-log", MARIADB)
    found = by_user(result)
    assert (found["bob"].reads, found["bob"].card_reads, found["bob"].rows) == (2, 2, None)
    assert (found["ann"].reads, found["ann"].objects) == (2, 2)
    assert found[general_log.NOBODY].reads == 1
    detail = result.evidence.detail
    assert "refused and failed ones count as reads" in detail and "of UTC (give" in detail
    assert "1 statement does not tell what they read" in detail  # CALL
    assert "1 statement is of connections whose beginning is not in the log" in detail
    assert result.evidence.coverage is Coverage.PARTIAL and result.evidence.unparsed == 0
    assert PAN not in repr(result)


def test_days_of_two_servers_in_one_log_group(tmp_path: Path) -> None:
    """A connection goes on at midnight with who it was on its own server, in one run or in two."""
    days = {
        (server, day): f"260{time}{second}\t     6 {said}\n\t\t     6 Query\tSELECT 1\n"
        for server, who, second in (("a", "bob", 7), ("b", "ann", 6))
        for day, time, said in (
            (1, "228 23:59:5", f"Connect\t{who}@localhost on shop using TCP/IP"),
            (2, "301  0:00:0", "Query\tSELECT * FROM cards"),
        )
    }

    def night(facts: Path, last: int) -> dict[str, Reads]:
        def open_files(uri: str) -> Iterator[tuple[str, Source | Problem]]:
            for (server, day), data in days.items():
                if day <= last:
                    file = io.BytesIO(data.encode())
                    yield f"{server} {day}", Source(file, "n", version="v", piece=server)

        at = FactsAt(facts, key=b"k")
        found = KINDS["general-log"].collect(
            *({"uri": "group", "zone": "UTC"}, open_files, [Store(SHOP, "mysql")]),
            *((START - timedelta(days=1), END), lambda name: name),
            facts=at,
        )
        at.close()
        with closing(Facts(facts)) as store:
            for batch in at.batches:
                store.add(batch)
        return by_user(found[SHOP])

    at_once = night(tmp_path / "at once", 2)
    night(tmp_path / "twice", 1)
    for found in (at_once, night(tmp_path / "twice", 2)):
        assert {name: reads.reads for name, reads in found.items()} == {
            "ann": 1,
            "bob": 1,
        }


def test_the_general_log_of_mysql() -> None:
    result = one("general-log", MYSQL)
    found = by_user(result)
    assert (found["bob"].reads, found["ann"].reads) == (2, 1)
    minute = START + timedelta(minutes=10)
    assert found["bob"].first == found["bob"].last == minute  # to the second, in any zone
    assert result.evidence.unparsed == 0


def test_the_general_log_as_a_table() -> None:
    """A connection whose database is not known reads what it names in full; the rest is of some
    database."""
    result = one("general-log", TABLE)
    found = by_user(result)
    assert (found["bob"].reads, found["ann"].reads) == (2, 1)
    assert "1 statement does not tell what they read" in result.evidence.detail
    assert result.evidence.unparsed == 0 and PAN not in repr(result)


SLOW = f"""\
/usr/sbin/mariadbd, Version: 10.11.19-MariaDB (Debian 12). started with:
Tcp port: 3306  Unix socket: /run/s
Time\t\t    Id Command\tArgument
# Time: 260301  1:10:00
# User@Host: bob[bob] @ localhost [127.0.0.1]
# Thread_id: 6  Schema: shop  QC_hit: No
# Query_time: 0.000193  Lock_time: 0.000075  Rows_sent: 3  Rows_examined: 9
# Rows_affected: 0  Bytes_sent: 73
use `shop`;
SET timestamp=1772323800;
SELECT *
FROM cards WHERE pan = '{PAN}';
# User@Host: bob[bob] @ localhost [127.0.0.1]
# Thread_id: 6  Schema: shop  QC_hit: No
# Query_time: 0.000193  Lock_time: 0.000075  Rows_sent: 4  Rows_examined: 9
SET timestamp=1772323801;
SELECT * FROM other;
"""
SLOW_MYSQL = """\
# Time: 2026-03-01T00:10:00.000100Z
# User@Host: ann[ann] @ localhost []  Id:     8
# Query_time: 0.000219  Lock_time: 0.000000 Rows_sent: 5  Rows_examined: 5 Thread_id: 8 Errno: 0 K
use shop;
SET timestamp=1772323800;
select * from cards;
# Time: 2026-03-01T00:10:00.000200Z
# User@Host: ann[ann] @ localhost []  Id:     8
# Query_time: 0.000219  Lock_time: 0.000000 Rows_sent: 0  Rows_examined: 0 Thread_id: 8 Errno: 1142
SET timestamp=1772323800;
select * from secret;
# Time: 2026-03-01T00:10:00.000300Z
# User@Host: ann[ann] @ localhost []  Id:     8
# Query_time: 0.000219  Lock_time: 0.000000 Rows_sent: 0  Rows_examined: 0 Thread_id: 8 Errno: 1064
SET timestamp=1772323800;
select * fro secret;
"""
SLOW_TABLE = (
    '"2026-03-01 00:10:00.417634","cy[cy] @ h []","00:00:00.000060","00:00:00.000000",'
    '2,0,"shop",0,0,1,"SELECT * FROM cards",6,0\n'
)


def test_the_slow_log() -> None:
    result = one("slow-log", SLOW, SLOW_MYSQL)
    found = by_user(result)
    assert (found["bob"].reads, found["bob"].rows) == (2, 7)
    assert found["bob"].first == START + timedelta(minutes=10)  # its own stamp, not the server's
    assert (found["ann"].reads, found["ann"].rows, found["ann"].denied) == (1, 5, 1)
    table = by_user(one("slow-log", SLOW_TABLE))
    assert (table["cy"].reads, table["cy"].rows) == (1, 2)
    assert "only statements that took longer" in result.evidence.detail
    assert result.evidence.unparsed == 0 and PAN not in repr(result)


def test_use_is_a_statement_too() -> None:
    """The same words before the time of an entry only name its database."""
    head = "".join(line for line in SLOW.splitlines(True)[4:10])
    used = f"{SLOW}{head}SET timestamp=1772323800;\nUSE other;\n{head}SELECT 1;\n"
    assert one("slow-log", used).evidence.unparsed == 0


@pytest.mark.parametrize(
    ("error", "text", "reads"),
    [
        (1142, "select * from cards", 0),
        (1142, "select pan, deny(id) from cards", 1),
        (1242, "select pan, (select 1 union select 2) from cards", 1),
    ],
)
def test_an_error_for_the_last_row_undoes_no_read(error: int, text: str, reads: int) -> None:
    failed = SLOW_MYSQL.replace("Errno: 0", f"Errno: {error}").replace("select * from cards", text)
    (ann,) = one("slow-log", failed).reads
    assert ann.reads == reads


def test_switching_it_off_is_told() -> None:
    off = MYSQL + "2026-03-01T00:11:00Z\t    6 Query\tSET GLOBAL general_log = OFF\n"
    said = one("general-log", off, off + MYSQL).evidence.detail
    assert "1 statement changes settings of the log, the first at 2026-03-01 00:11 UTC by ann" in (
        said
    )
    assert "the log begins 2 times" in said


def test_time_zones() -> None:
    late = MARIADB.replace("260301  0:", "260301  3:")
    assert by_user(one("general-log", late, zone="Europe/Berlin"))["bob"].first == (
        START + timedelta(hours=2, minutes=10)
    )
    assert "not understood" in one("general-log", MYSQL, zone="Nowhere").evidence.detail


def test_which_database() -> None:
    found = collect("general-log", MARIADB, stores=(SHOP, "mysql://db/elsewhere", "s3://x"))
    assert set(found) == {SHOP, "mysql://db/elsewhere"}
    elsewhere = by_user(found["mysql://db/elsewhere"])
    assert elsewhere["ann"].reads == 2
    twins = (SHOP, "mysql://second/shop")
    assert one("general-log", MYSQL, stores=twins).evidence.coverage is Coverage.UNKNOWN
    assert by_user(one("general-log", MYSQL, stores=twins, store=SHOP))["bob"].reads == 2


@pytest.mark.parametrize("text", [MARIADB, MYSQL, TABLE])
def test_a_copy_of_a_file_adds_nothing(text: str) -> None:
    once, thrice = one("general-log", text), one("general-log", text, text, text)
    assert by_user(once) == by_user(thrice)


@given(st.text(max_size=80))
@costly(5)
def test_any_line_leaves_the_rest_readable(text: str) -> None:
    first, rest = MYSQL.split("\n", 1)
    for kind, whole in (
        ("general-log", f"{first}\n{text}\n{rest}"),
        ("slow-log", text + "\n" + SLOW),
    ):
        assert by_user(one(kind, whole))["bob"].reads == 2


GENERAL_HEAD = """\
260301  0:10:00\t     6 Connect\tbob@localhost on shop using TCP/IP
260301  0:10:01\t     6 Query\tselect * from cards
"""
GENERAL_REST = """\
260301  0:10:03\t     6 Query\tselect * from cards
"""


@pytest.mark.parametrize(
    "torn",
    [
        *("260301", "260301  0:10:", "260301  0:10:02\t", "260301  0:10:02\t     6 Que"),
        *("2026-", "2026-03-0", "2026-03-01T00:1", "2026-03-01T00:10:00.000001Z\t    6 Qu"),
        *("\t\t     6 Que", "\t\t", ":10:02\t     6 Query\tselect * from cards"),
        *("6 Query\tselect * from cards", "260301  0:10:02\t     9 Connect\tann@loc"),
        "260301  0:10:02\t     6 Que\nselect *\nfrom cards",
    ],
)
def test_a_torn_entry_of_the_general_log_is_counted_and_nothing_around_it_lost(torn: str) -> None:
    result = one("general-log", f"{GENERAL_HEAD}{torn}\n{GENERAL_REST}")
    assert by_user(result)["bob"].reads == 2
    assert result.evidence.unparsed == 1


SLOW_ENTRY = """\
# Time: 260301  0:10:0{0}
# User@Host: bob[bob] @ localhost []
# Thread_id: 6  Schema: shop  QC_hit: No
# Query_time: 0.000100  Lock_time: 0.000010  Rows_sent: 2  Rows_examined: 50
SET timestamp=177232380{0};
select * from cards;
"""


@pytest.mark.parametrize("line", range(5))
@pytest.mark.parametrize("size", [4, 7, 9, 12])
def test_a_torn_line_of_the_slow_log_is_counted(line: int, size: int) -> None:
    entries = [SLOW_ENTRY.format(number).splitlines() for number in range(3)]
    entries[1][line] = entries[1][line][: size if line < 4 else size + 2]
    result = one("slow-log", "".join(f"{each}\n" for entry in entries for each in entry))
    found = sum(each.reads or 0 for each in result.reads)
    assert by_user(result)["bob"].reads in (2, 3)
    lost = 3 - found
    assert result.evidence.unparsed >= max(1, lost)


def test_lines_of_a_statement_are_not_taken_for_torn_ones() -> None:
    text = "select *\nfrom cards\n  where id in (\n20,\n 2026,\n260301,\n'2026-03-01'\n) -- Query"
    result = one("general-log", f"{GENERAL_HEAD}260301  0:10:02\t     6 Query\t{text}\n")
    assert by_user(result)["bob"].reads == 2 and result.evidence.unparsed == 0


def test_what_was_not_understood_is_kept_in_shape_only(tmp_path: Any) -> None:
    at = FactsAt(tmp_path / "facts", key=b"key")
    KINDS["general-log"].collect(
        {"uri": "folder"},
        opener({"log": f"{GENERAL_HEAD}260301  0:10:02\t  6 Que {PAN}\n".encode()}),
        *([Store(SHOP, "mysql")], (START, END), str, {}),
        facts=at,
    )
    at.close()
    [file] = [file for batch in at.batches for file in batch.files]
    assert [place for place, _ in file.samples] == ["line 3"]
    assert file.samples[0][1] == "9 9:9:9 9 a 9"
