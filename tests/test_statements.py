"""What a statement reads: names where the text tells them, doubt where it does not."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner import statements
from scanner.errors import Unreadable
from scanner.statements import Read, reads

PAN = "4111111111111111"


def named(*relations: str) -> Read:
    return Read(frozenset(tuple(each.split(".")) for each in relations))


UNKNOWN = Read(hidden=True)
POSTGRES: dict[str, list[Read]] = {
    "select 1": [],
    "SELECT * FROM Cards WHERE pan = '4111'": [named("cards")],
    'SELECT * FROM "Cards"': [named("Cards")],
    "select now(), lower(x), count(*), pg_sleep(0) from shop.cards c join other using (id)": [
        named("shop.cards", "other")
    ],
    "select array(select pan from cards), exists(select 1 from other)": [named("cards", "other")],
    "select * from a, lateral (select * from b where b.id = a.id) c": [named("a", "b")],
    "(select * from a) union all (select * from b)": [named("a", "b")],
    "values (1), (2)": [],
    "TABLE cards": [named("cards")],
    "select 1; select * from cards; select * from other;": [named("cards"), named("other")],
    # common table expressions are no relations, but in their own text their name may be one
    "with c as (select * from cards) select * from c": [named("cards")],
    "with cards as (select * from cards) select * from cards": [named("cards")],
    "with recursive t as (select 1 union select * from t) select * from t": [],
    "with c as (delete from cards returning *) select * from c": [named("cards")],
    "with c as (select 1) select * from public.c": [named("public.c")],
    "COPY cards TO STDOUT": [named("cards")],
    "COPY s.cards (id, pan) TO STDOUT WITH (FORMAT csv)": [named("s.cards")],
    "COPY (SELECT * FROM cards) TO '/tmp/x'": [named("cards")],
    "COPY cards FROM STDIN": [],
    "DECLARE c NO SCROLL CURSOR WITH HOLD FOR SELECT * FROM cards": [
        Read(frozenset({("cards",)}), cursor=True)
    ],
    "FETCH 10 FROM c": [],
    "PREPARE p (int) AS SELECT * FROM cards": [
        Read(frozenset({("cards",)}), prepares="p"),
    ],
    "EXECUTE p(1)": [Read(hidden=True, executes="p")],
    "insert into x select * from cards": [named("cards")],
    "insert into x values (1, 'select * from cards')": [],
    "insert into x select i from generate_series(1, 9) i": [],
    "select i, $1 from generate_series($2,$3) i, cards where id in ($4,$5)": [named("cards")],
    "update cards set pan = 'x' where id = 1": [],
    "insert into cards values (1) returning *": [],
    "insert into cards values (1) on conflict (id) do update set id = 1 returning pan": [
        named("cards")
    ],
    "explain (analyze) create table y as select * from cards": [named("cards")],
    "explain analyze insert into y select * from cards": [named("cards")],
    "explain insert into y select * from cards": [],
    "analyze cards": [],
    "update cards set pan = 'x' returning *": [named("cards")],
    "delete from cards where id in (select id from old)": [named("old")],
    "create table y as select * from cards": [named("cards")],
    "create view y as select * from cards": [],
    "create materialized view y as select * from cards": [named("cards")],
    "select * into z from cards": [named("cards")],
    "create temp table y as table cards": [named("cards")],
    "create policy p on cards using (id < 10)": [],
    "create rule r as on insert to t do also select * from cards": [],
    "create foreign table f (id int) server s options (table_name 'cards')": [],
    "create or replace function f() returns int language sql as 'select 1 from cards'": [],
    "select row(id, pan), array_to_string(x, '') from cards": [named("cards")],
    "explain analyze select * from cards": [],
    "refresh materialized view m": [UNKNOWN],
    "select peek()": [UNKNOWN],
    "select * from peek() p, cards": [Read(frozenset({("cards",)}), hidden=True)],
    "select query_to_xml('select * from cards', true, true, '')": [UNKNOWN],
    "select pg_read_file('x')": [UNKNOWN],
    "CALL p()": [UNKNOWN],
    "DO $$ BEGIN PERFORM * FROM cards; END $$": [UNKNOWN],
    "this is (no SQL": [UNKNOWN],
    "select * from cards where a = $$it's$$ /* from /* nested */ other */ -- from x": [
        named("cards")
    ],
    "set search_path to x": [],
    "BEGIN": [],
    "": [],
}
MYSQL: dict[str, list[Read]] = {
    'SELECT * FROM `Cards` WHERE pan="it\\"s" # from x': [named("Cards")],
    "SELECT /*!40001 SQL_NO_CACHE */ * FROM `cards`": [named("cards")],
    "SELECT 1 /*!50000 FROM cards */": [named("cards")],
    "SELECT 1 /* FROM cards */": [],
    "select * from shop.cards into outfile '/tmp/x' fields terminated by ','": [
        named("shop.cards")
    ],
    "select database(), @@version, user(), connection_id()": [],
    "TABLE cards": [named("cards")],
    "HANDLER shop.cards READ FIRST": [named("shop.cards")],
    "CALL peek()": [UNKNOWN],
    "select f(1)": [UNKNOWN],
    "select load_file('/etc/x')": [UNKNOWN],
    "PREPARE p FROM 'select * from cards'": [Read(prepares="p")],
    "delete a from a join b on a.id = b.id": [named("b")],
    "replace into t select * from cards": [named("cards")],
    "insert into t values (1, 'x'), (2, 'from')": [],
    "SELECT SQL_CALC_FOUND_ROWS * FROM cards FORCE INDEX (x) LIMIT 1, 2": [named("cards")],
    "select * from cards lock in share mode": [named("cards")],
    "SHOW TABLES": [],
    "SET @a = (SELECT pan FROM cards LIMIT 1), @b := 2": [named("cards")],
    "SET STATEMENT max_statement_time = 1 FOR SELECT * FROM cards": [named("cards")],
    "SET STATEMENT max_statement_time = 1 FOR UPDATE cards SET a = 1": [],
    "SET NAMES utf8mb4": [],
    "insert into cards values (1) returning *": [],
    "insert into cards values (1) on duplicate key update id = id returning *": [named("cards")],
    "analyze insert into y select * from cards": [named("cards")],
    "create or replace table y select * from cards": [named("cards")],
    "create definer=`a`@`b` procedure p() select * from cards": [],
}


@pytest.mark.parametrize("text", POSTGRES)
def test_postgres(text: str) -> None:
    assert list(reads(text, "postgres")) == POSTGRES[text]


@pytest.mark.parametrize("text", MYSQL)
def test_mysql(text: str) -> None:
    assert list(reads(text, "mysql")) == MYSQL[text]


@given(st.text(max_size=40), st.sampled_from(["postgres", "mysql"]))
@settings(max_examples=60, deadline=None)
def test_no_literal_changes_what_is_read(literal: str, dialect: str) -> None:
    quoted = literal.replace("\\", "\\\\") if dialect == "mysql" else literal
    quoted = quoted.replace("'", "''")
    text = f"SELECT a FROM cards WHERE b = '{quoted}' AND c IN (1, 2) ORDER BY 1"
    assert reads(text, dialect) == (named("cards"),)
    assert reads(f"INSERT INTO t VALUES ('{quoted}')", dialect) == ()


@given(st.text(max_size=80), st.sampled_from(["postgres", "mysql"]))
@settings(max_examples=60, deadline=None)
def test_any_text_is_read_or_doubted(text: str, dialect: str) -> None:
    for each in reads("select " + text, dialect):
        assert each.relations or each.hidden or each.executes or each.prepares


def test_no_card_number_is_remembered() -> None:
    """Forms of statements are kept, so nothing of a literal may be in one."""
    for dialect in ("postgres", "mysql"):
        for text in (
            f"select * from cards where pan = '{PAN}' or pan = {PAN} or x = N'{PAN}'",
            f"select * from cards where pan in ({PAN}, '{PAN}') -- {PAN}",
            f"select '{PAN}' /* {PAN} */ from cards where a like '%{PAN}'",
        ):
            assert PAN not in statements._bare(text, dialect)


def test_a_deep_or_long_statement_is_doubted() -> None:
    assert reads("select " + "(" * 5_000 + "1" + ")" * 5_000 + " from cards", "postgres") == (
        UNKNOWN,
    )
    assert reads("select " + "x, " * 50_000 + "y from cards", "postgres") == (UNKNOWN,)
    many = ", ".join(str(number) for number in range(50_000))
    assert reads(f"select * from cards where id in ({many})", "postgres") == (named("cards"),)


def test_without_the_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlglot", None)
    statements._parser.cache_clear()
    try:
        with pytest.raises(Unreadable) as caught:
            reads("select * from quite_another_form", "postgres")
        assert "cardtrail[statements]" in caught.value.detail
    finally:
        statements._parser.cache_clear()
