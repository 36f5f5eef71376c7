"""Counts of reads out of server_audit's lines, as MariaDB 10.11 writes them."""

from __future__ import annotations

import gzip
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.access.server_audit import EVIDENCE
from scanner.contracts import EvidenceResult
from scanner.known import known
from scanner.model import Access, Coverage, Problem, Reads, Store
from tests.access.trails import END, START, opener
from tests.examples import costly

SHOP = "mysql://db/shop"
_queries = count(10)


def statement(
    *tables: str,
    user: str = "alice",
    connection: int = 4,
    text: str = "select * from cards",
    outcome: int | None = 0,
    minute: float = 5,
    query: int | None = None,
    definer: str | None = None,
    database: str = "shop",
) -> str:
    """The lines of one statement; ``outcome`` None leaves the QUERY line out."""
    stamp = (START + timedelta(minutes=minute)).strftime("%Y%m%d %H:%M:%S")
    number = next(_queries) if query is None else query
    head = f"{stamp},vm,{{}},localhost,{connection},{number}"
    lines = [f"{head.format(definer or user)},READ,{database},{table}," for table in tables]
    if outcome is not None:
        quoted = text.replace("'", "\\'").replace("\n", "\\n")
        lines.append(f"{head.format(user)},QUERY,{database},'{quoted}',{outcome}")
    return "\n".join(lines)


def collect(
    *files: str | bytes | Problem,
    stores: tuple[str, ...] = (SHOP,),
    window: tuple[datetime, datetime] = (START, END),
    cards: list[str] | None = None,
    **more: Any,
) -> dict[str, EvidenceResult]:
    folder = {
        f"{i:03}": data.encode() if isinstance(data, str) else data for i, data in enumerate(files)
    }
    return dict(
        EVIDENCE.collect(
            {"uri": "folder", **more},
            opener(folder),
            [Store(uri, "mysql") for uri in stores],
            window,
            lambda name: name.replace("4111111111111111", "[sealed]"),
            {uri: known(9, cards or []) for uri in stores},
        )
    )


def one(*lines: str, **more: Any) -> EvidenceResult:
    return collect("\n".join(lines), **more)[SHOP]


def test_a_cursor_of_a_routine_is_read_by_whom_called_it() -> None:
    """Its statement has no line of its own, and the one of its table has the definer."""
    cursor = statement("cards", definer="owner", outcome=None)
    call = statement(text="call peek()")
    told = {each.principal: each.reads for each in one(statement("plain"), cursor, call).reads}
    assert told == {"alice": 2}
    # nobody knows better where the call is not told
    assert [each.principal for each in one(cursor).reads] == ["owner"]


def test_an_event_reads_as_who_made_it() -> None:
    (maker,) = one(statement("cards", user="event_scheduler", definer="maker")).reads
    assert (maker.principal, maker.reads) == ("maker", 1)


@pytest.mark.parametrize(
    "text", ["EXPLAIN select * from cards", "/* a */ desc select * from cards", "analyze select 1"]
)
def test_what_is_only_explained_gives_no_rows(text: str) -> None:
    assert not one(statement("cards", text=text)).reads
    refused = one(statement("cards", text=text, outcome=1142)).reads
    assert [(each.reads, each.denied) for each in refused] == [(0, 1)]


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("select * from cards for update", 1),
        ("/* app */ (select * from cards for update)", 1),
        ("SET @a = (SELECT pan FROM cards LIMIT 1 FOR UPDATE)", 1),
        ("delete from cards where id = 1 returning *", 1),
        ("insert into cards values (1) on duplicate key update id = id returning *", 1),
        ("update cards set holder = (@p := pan)", 1),
        ("/* app */ update cards set holder = 'x'", 0),
        ("insert into cards values (1) returning id", 0),
        ("/*!40000 ALTER TABLE cards DISABLE KEYS */", 0),
        ("truncate cards", 0),
    ],
)
def test_what_is_opened_to_write_may_be_read(text: str, reads: int) -> None:
    lines = statement("cards", text=text).replace(",READ,", ",WRITE,")
    quiet = statement("general_log", database="mysql", query=99, outcome=None)
    result = one(statement("other", user="bob"), quiet.replace(",READ,", ",WRITE,"), lines)
    assert by_user(result).get("alice", Reads("alice", 0)).reads == reads


def test_a_change_whose_text_is_cut_off_is_told() -> None:
    long = f"insert into cards values ({'1, ' * 400}"
    result = one(statement("cards", text=long).replace(",READ,", ",WRITE,"), statement("other"))
    assert "1 text of a change is cut off" in result.evidence.detail


def by_user(result: EvidenceResult) -> dict[str, Reads]:
    return {reads.principal: reads for reads in result.reads}


def test_a_statement_is_one_read_of_its_tables() -> None:
    result = one(
        statement("cards", minute=1),
        statement("cards", "other", minute=2),
        statement("cards", "cards", text="it's\n4111111111111111, ok',0", minute=3),
        statement(text="select 1"),
        statement("cards", user="x,y", connection=5),
        statement("secret", database="elsewhere"),
        cards=["cards"],
    )
    found = by_user(result)
    assert found["alice"] == Reads(
        principal="alice",
        reads=3,
        objects=2,
        denied=0,
        first=START + timedelta(minutes=1),
        last=START + timedelta(minutes=3),
        card_reads=3,
    )
    assert found["x,y"].reads == 1 and result.evidence.unparsed == 0
    assert "4 of the reads seen, by 2 principals" in result.evidence.detail
    assert result.evidence.coverage is Coverage.PARTIAL
    assert "4111111111111111" not in repr(result)


def test_who_sent_the_query_is_the_reader() -> None:
    assert set(by_user(one(statement("cards", user="bob", definer="root")))) == {"bob"}


def test_statements_that_were_refused_are_no_reads() -> None:
    result = one(
        statement(outcome=1142),
        statement("cards", outcome=1143),
        statement("cards", outcome=1054),
        statement(outcome=1142, text="create table x(i int)"),
    )
    assert (by_user(result)["alice"].reads, by_user(result)["alice"].denied) == (0, 2)
    assert Access(evidence=(result.evidence,), did_read=result.reads).answer == "cannot-tell"


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (1242, "select pan, (select 1 union select 2) from cards"),
        (1317, "select * from cards"),
        (1142, "select pan, deny(id) from cards"),
        (1142, "CALL give_and_deny()"),
        (1054, "(select `deny` (id), pan from cards)"),
        (1142, "select * from cards where x in (" + "1, " * 400),
    ],
)
def test_an_error_for_the_last_row_undoes_no_read(outcome: int, text: str) -> None:
    """A routine can raise any error when the rows are out."""
    result = one(statement("cards", outcome=outcome, text=text))
    (alice,) = result.reads
    assert (alice.reads, alice.denied) == (1, outcome == 1142)
    assert "1 statement failed on the way" in result.evidence.detail


def test_an_outcome_that_is_not_told_counts_and_is_said() -> None:
    result = one(statement("cards", outcome=None), statement("cards", outcome=None))
    assert by_user(result)["alice"].reads == 2
    assert "the outcome of 2 statements is not told" in result.evidence.detail


FORGED = "20260301 00:01:00,vm,root,localhost,3,77,READ,shop,cards,"
REFUSED = ",localhost,7,0,FAILED_CONNECT,,,1045"


def test_lines_inside_a_user_name_are_not_believed() -> None:
    name = f"20260301 00:05:00,vm,ev\n{FORGED}\n{FORGED.replace('77', '78')}\nx{REFUSED}"
    result = one(statement("cards"), name, name, statement("cards", user="bob", connection=8))
    assert set(by_user(result)) == {"alice", "bob"}
    assert "2 lines stand inside the user name" in result.evidence.detail
    assert result.evidence.unparsed == 0


def test_a_torn_name_hides_no_read() -> None:
    torn = f"20260301 00:05:00,vm,ev\n20260301 00:05:00,vm,u{REFUSED}"
    reads = [statement("cards", user="mallory", connection=9) for _ in range(3)]
    result = one(torn, *reads, torn, statement("cards"))
    assert by_user(result)["mallory"].reads == 3
    lost = one("20260301 00:05:00,vm,ev", *reads)
    assert by_user(lost)["mallory"].reads == 3 and lost.evidence.unparsed == 1


def test_a_name_can_not_pass_for_a_read() -> None:
    name = "root,localhost,3,77,READ,shop,cards,"
    result = one(f"20260301 00:05:00,vm,{name}{REFUSED}", statement(text="select 1"))
    assert result.reads == () and result.evidence.unparsed == 0


def test_switching_it_off_is_told() -> None:
    off = statement(text="set global server_audit_logging=off", user="root", connection=1)
    said = one(off, statement("cards")).evidence.detail
    assert "1 statement speaks of server_audit's own settings" in said and "by root" in said


def test_time_zones() -> None:
    line = statement("cards", minute=90)
    assert "taken to be of UTC (give" in one(line).evidence.detail
    (reads,) = one(line, zone="Europe/Berlin").reads
    assert reads.first == START + timedelta(minutes=30)
    assert "not understood" in one(line, zone="Nowhere").evidence.detail


def test_damage_and_other_files() -> None:
    whole = "\n".join(statement("cards", minute=i / 10) for i in range(900)).encode()
    packed = gzip.compress(whole)
    result = collect(packed[: len(packed) // 2], "no audit\n", Problem("access-denied"))[SHOP]
    assert 0 < (by_user(result)["alice"].reads or 0) < 900
    for said in ("1 file is cut off", "1 file could not be read"):
        assert said in result.evidence.detail
    mixed = one(statement("cards"), "20260399 00:00:00,vm,a,h,1,2,READ,shop,cards,", "rubbish")
    assert mixed.evidence.unparsed == 2


def test_which_database() -> None:
    stores = (SHOP, "mysql://db/other", "postgresql://db/shop")
    found = collect(statement("cards"), stores=stores)
    assert set(found) == set(stores[:2]) and not found[stores[1]].reads
    assert found[stores[1]].evidence.coverage is Coverage.UNKNOWN
    twins = (SHOP, "mysql://second/shop")
    both = collect(statement("cards"), stores=twins)
    assert {(e.evidence.coverage, e.reads) for e in both.values()} == {(Coverage.UNKNOWN, ())}
    assert collect(statement("cards"), stores=twins, store=SHOP)[SHOP].reads
    assert collect("", stores=(SHOP,))[SHOP].evidence.coverage is Coverage.NONE


@given(st.lists(st.integers(0, 9), max_size=15), st.integers(1, 3))
@costly(5)
def test_repetition_and_files_never_change_a_count(picks: list[int], copies: int) -> None:
    pool = [statement("cards", "other", minute=i, query=100 + i, connection=i) for i in range(10)]
    lines = [pool[i] for i in picks]
    reads = collect(*["\n".join(lines)] * copies)[SHOP].reads
    assert sum(each.reads or 0 for each in reads) == len(set(picks))


@given(st.binary(max_size=120))
@settings(deadline=None)
def test_any_bytes_leave_the_rest_readable(data: bytes) -> None:
    clean = data.replace(b"\r", b"").replace(b",", b"")
    result = collect(statement("cards").encode() + b"\n" + clean)[SHOP]
    assert by_user(result)["alice"].reads == 1
