"""The least grant: carried out in a test, it leaves the right to those who used it, nobody else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import psycopg
import pymysql
import pytest
from hypothesis import given

from scanner import verdict
from scanner.excess import excesses
from scanner.least import CARD_ENTITIES, LeastGrant, least_grant
from scanner.least_s3 import READING
from scanner.model import (
    NOT_RECORDED,
    Access,
    Coverage,
    Finding,
    Flag,
    Grant,
    Held,
    Outcome,
    Reads,
    Run,
    Store,
    StoreReport,
    Verdict,
)
from scanner.reach import Holding
from scanner.stores import iam_account
from scanner.stores.mysql import STORE as MYSQL
from scanner.stores.postgres import STORE as POSTGRES
from scanner.stores.s3_controls import Answer
from scanner.stores.s3_facts import Scope
from scanner.stores.s3_readers import Surroundings, readers
from tests import mariadb_server, postgres_server
from tests.runs import finding, outcome, runs
from tests.stores.policies import OTHER, OWN, ROLE, ROOT, USER, account, document, statement
from tests.stores.test_s3_facts import PRIVATE
from tests.test_whoread import START, access


def report(
    store: Store, held: Access, *, cards: int | None = 7, estimated: bool = False
) -> StoreReport:
    return StoreReport(store, Verdict.UNPROTECTED, "s", cards, estimated, 1, (), held)


def proposed(
    store: Store,
    could: Access | tuple[Grant, ...],
    reads: list[Reads],
    *,
    with_cards: tuple[str, ...] = ("a",),
    without: tuple[str, ...] = (),
    covers: Coverage = Coverage.COMPLETE,
    known: bool = True,
) -> LeastGrant:
    found: list[Finding] = [finding(store.uri, unit, n) for n, unit in enumerate(with_cards)]
    outcomes: list[Outcome] = [outcome(store.uri, unit, 10) for unit in (*with_cards, *without)]
    held = access([], reads, covers, known)
    if isinstance(could, Access):
        told = {name: getattr(could, name) for name in ("could_read", "doors", "holdings")}
        held = replace(held, **told)
    else:
        held = replace(held, could_read=could)
    made = least_grant(report(store, held), found, outcomes)
    assert made is not None
    return made


def test_the_words_of_the_verdict_and_of_the_evaluator() -> None:
    assert CARD_ENTITIES == verdict.CARD_DATA and READING == iam_account.READ_ACTIONS


# --- S3 -------------------------------------------------------------------------------------------

BUCKET = Store("s3://b/in", "s3")


def could(known: Surroundings, policy: dict[str, Any] | None) -> tuple[Grant, ...]:
    controls = replace(PRIVATE, policy=Answer(json.dumps(policy)) if policy else Answer())
    return readers(controls, Scope("b", "in"), known, lambda name: name).grants


def test_a_bucket_whose_policy_has_it_is_read_by_those_who_did() -> None:
    known = Surroundings(
        OWN, (account(user=(statement(),), role=(statement(Action="s3:*"),)),), doubts=()
    )
    open_policy = document(statement(Principal="*"))
    before = could(known, open_policy)
    assert {grant.principal for grant in before} == {USER, ROLE, ROOT, "everyone"}
    plain = ROLE.replace("/app/", "/")  # as a server access log has it
    made = proposed(BUCKET, before, [Reads(f"{plain} session n", 4)])
    assert made.language == "json"
    after = could(known, json.loads(made.text))
    assert [(grant.principal, grant.state) for grant in after] == [(ROLE, "allow")]
    assert "leaves the right to 1 that read from 2026-01-01 to 2026-03-01" in made.notes[0]
    nobody = proposed(BUCKET, before, [])
    assert could(known, json.loads(nobody.text)) == ()


def test_who_cannot_be_named_is_told() -> None:
    public = (Grant("everyone", "public", "allow", "bucket policy, statement 1"),)
    reads = [
        Reads("anonymous (no credentials)", 3, flags=(Flag("anonymous", "s"),)),
        Reads("svc:cloudfront.amazonaws.com", 3),
        Reads(f"arn:aws:iam::{OWN}:user/411111******1111", 3),
        Reads(USER, 3, card_reads=0),
    ]
    made = proposed(BUCKET, public, reads)
    deny, allow = json.loads(made.text)["Statement"]
    assert allow["Principal"] == {"AWS": [USER], "Service": ["cloudfront.amazonaws.com"]}
    assert deny["Condition"]["StringNotEquals"] == {"aws:PrincipalArn": [USER]}
    assert deny["Resource"] == ["arn:aws:s3:::b/in", "arn:aws:s3:::b/in/*"]
    said = "\n".join(made.notes)
    assert "cannot be named in a policy: anonymous" in said and "411111******1111" in said
    assert "Flagged as suspicious, look before keeping: anonymous" in said
    assert f"need not be kept: {USER}" in said and "411111" not in made.text
    users = proposed(BUCKET, public, [Reads("etl", 3)])  # of a server that is not AWS
    assert not users.text and "can name nobody who read: etl" in "".join(users.notes)


def test_readers_of_another_account_are_kept_by_their_unique_ids() -> None:
    """CloudTrail tells no more of them; the policy names the account and lets these in."""
    theirs = f"arn:aws:iam::{OTHER}:root"
    known = Surroundings(OWN, (account(user=(statement(),)),), doubts=())
    before = could(known, document(statement(Principal={"AWS": theirs})))
    assert {grant.principal for grant in before} == {USER, ROOT, theirs}
    reads = [Reads(f"account {OTHER} ({who})", 1) for who in ("AROAX1:s", "AROAX1:t", "AIDAX2")]
    made = proposed(BUCKET, before, [*reads, Reads(USER, 1)])
    deny, _, allow = json.loads(made.text)["Statement"]
    assert deny["Condition"]["StringNotLike"] == {"aws:userid": ["AIDAX2", "AROAX1:*"]}
    assert allow["Condition"] == {"StringLike": {"aws:userid": ["AIDAX2", "AROAX1:*"]}}
    after = could(known, json.loads(made.text))
    assert {grant.principal: grant.state for grant in after} == {
        USER: "allow",
        theirs: "conditional",
    }
    assert "cannot be named" not in "".join(made.notes)


@pytest.mark.parametrize(
    ("covers", "reads", "says", "has_text"),
    [
        (Coverage.NONE, [Reads(USER, 1)], "cannot be told", False),
        (Coverage.UNKNOWN, [Reads(USER, 1)], "cannot be told", False),
        (Coverage.PARTIAL, [], "nobody was seen to read", False),
        (Coverage.PARTIAL, [Reads(USER, 1)], "whoever read unseen would be cut off", True),
    ],
)
def test_it_rests_on_the_record_of_reads(
    covers: Coverage, reads: list[Reads], says: str, has_text: bool
) -> None:
    grants = (Grant(USER, "user", "allow", "g"), Grant(ROLE, "role", "allow", "g"))
    made = proposed(BUCKET, grants, reads, covers=covers)
    assert says in "\n".join(made.notes) and bool(made.text) is has_text


def test_reads_without_a_name_are_told() -> None:
    grants = (Grant(USER, "user", "allow", "g"), Grant(ROLE, "role", "allow", "g"))
    somebody = Reads(NOT_RECORDED, None)
    alone = proposed(BUCKET, grants, [somebody])
    assert not alone.text and "nobody was seen to read by name" in alone.notes[0]
    made = proposed(BUCKET, grants, [Reads(USER, 1), somebody])
    assert USER in made.text and ROLE not in made.text
    assert "whoever it was may be cut off" in "\n".join(made.notes)


def test_a_stranger_is_not_kept_and_an_open_list_is_told() -> None:
    grants = (Grant(USER, "user", "allow", "g"),)
    made = proposed(BUCKET, grants, [Reads(USER, 1), Reads(ROLE, 1)])
    assert ROLE not in made.text and f"is not kept: {ROLE}" in "\n".join(made.notes)
    open_list = proposed(BUCKET, grants, [Reads(USER, 1)], known=False)
    assert "The list of who could read is not whole" in "\n".join(open_list.notes)


def test_none_where_there_is_nothing_to_propose() -> None:
    held = access([], [])
    for store, cards in ((Store("file:///x", "files"), 5), (BUCKET, 0), (BUCKET, None)):
        assert least_grant(report(store, held, cards=cards), [], []) is None


# --- excess ---------------------------------------------------------------------------------------


def test_unused_rights_are_ranked_by_the_cards_they_expose() -> None:
    def of(name: str, cards: int | None, *grants: Grant, reads: tuple[Reads, ...] = ()) -> Any:
        held = access(list(grants), list(reads))
        return report(Store(name, "s3"), held, cards=cards)

    wide = [Grant(f"u{n}", "user", "allow", "policy P of group g, statement 1") for n in range(3)]
    via = "inline policy x, statement 1; depends on aws:sourceip"
    one = Grant("v", "user", "conditional", via, part=True)
    public = Grant("everyone", "public", "allow", "bucket policy, statement Open")
    found = excesses(
        [
            of("s3://small", 10, *wide, reads=(Reads("u0", 5),)),
            of("s3://large", 100, one),
            of("s3://none", 0, *wide),
            of("s3://unread", None, one),
            of("s3://open", 1, public),
        ]
    )
    assert [(e.store, e.via, len(e.unused), e.used, e.exposed) for e in found] == [
        ("s3://open", "bucket policy, statement Open", 0, 0, 0),
        ("s3://large", "inline policy x, statement 1 of v", 1, 0, 100),
        ("s3://small", "policy P of group g, statement 1", 2, 1, 20),
        ("s3://unread", "inline policy x, statement 1 of v", 1, 0, None),
    ]
    assert {e.since for e in found} == {START}
    assert "; up to 100 card numbers" in found[1].sentence and "; 10 card" in found[2].sentence


def test_inline_policies_of_one_name_are_not_one() -> None:
    """Each is its principal's own; that of a group is of all in it."""
    via = "inline policy p, statement 1"
    grants = [Grant(name, "user", "allow", via) for name in ("ann", "bob")]
    group = [Grant(n, "user", "allow", "inline policy p of group g, statement 1") for n in "xy"]
    held = access([*grants, *group], [Reads("ann", 5)])
    found = excesses([report(Store("s3://b", "s3"), held, cards=1)])
    assert [(e.via, e.unused, e.used) for e in found] == [
        ("inline policy p of group g, statement 1", ["x", "y"], 0),
        (f"{via} of bob", ["bob"], 0),
    ]
    assert found[1].sentence.endswith(
        "1 of 1 principal never used it since 2026-01-01; 1 card number lies open to each"
    )


@given(runs())
def test_nothing_is_called_unused_without_complete_evidence(run: Run) -> None:
    whole = {
        r.store.uri
        for r in run.stores
        if any(e.coverage is Coverage.COMPLETE for e in r.access.evidence)
    }
    for each in excesses(run.stores):
        assert not each.unused or each.store in whole
    for store in run.stores:
        least_grant(store, run.findings, run.outcomes)


# --- PostgreSQL -----------------------------------------------------------------------------------

missing_postgres = postgres_server.missing()


@pytest.mark.xdist_group("postgres")
@pytest.mark.skipif(missing_postgres is not None, reason=missing_postgres or "")
def test_postgres_as_proposed() -> None:
    server = postgres_server.server()
    people = ("reads", "reads by group", "idle", "idle by group", "other table", 'odd "name', "own")
    more = ("handed on", "idle handed on", "some columns", "by a view")
    groups = ("team", "elders", "clerks", "viewer", "hands on")
    with server.database("least"):
        for name in (*people, *more):
            server.run("postgres", f"CREATE ROLE {_quoted(name)} LOGIN")
        server.run("postgres", *(f"CREATE ROLE {_quoted(name)}" for name in groups))
        try:
            server.run(
                "least",
                'CREATE SCHEMA "Odd.Schema"',
                'CREATE TABLE "Odd.Schema".cards (pan text)',
                "CREATE TABLE cards (pan text)",
                "CREATE TABLE plain (n int)",
                'GRANT USAGE ON SCHEMA "Odd.Schema" TO PUBLIC',
                'GRANT team TO "reads by group", "idle by group"',
                'GRANT SELECT ON ALL TABLES IN SCHEMA public, "Odd.Schema" TO team, reads, idle',
                f'GRANT SELECT ON cards, plain TO "other table", {_quoted(people[5])}',
                "GRANT SELECT (pan) ON cards TO PUBLIC",
                "CREATE TABLE sales (pan text, n int) PARTITION BY LIST (n)",
                "CREATE TABLE sales_cards PARTITION OF sales FOR VALUES IN (1)",
                "GRANT SELECT ON sales TO reads, idle",
                "CREATE VIEW shown AS SELECT pan FROM cards",
                "GRANT SELECT ON shown TO PUBLIC",
                "CREATE TABLE more_cards (pan text)",
                "GRANT SELECT ON more_cards TO team",
                'ALTER TABLE "Odd.Schema".cards OWNER TO own',
                # what a REVOKE by the owner leaves, and what somebody handed on to who needs it
                'GRANT SELECT ON cards TO "hands on" WITH GRANT OPTION',
                'SET ROLE "hands on"',
                'GRANT SELECT ON cards TO "handed on", "idle handed on"',
                "RESET ROLE",
                # single columns by a group, and a view read by a right of its owner
                "ALTER TABLE cards ADD note text",
                "GRANT SELECT (note) ON cards TO clerks",
                'GRANT clerks TO "some columns"',
                "GRANT SELECT ON cards TO viewer",
                "CREATE VIEW others AS SELECT * FROM cards",
                "ALTER VIEW others OWNER TO viewer",
                'GRANT SELECT ON others TO "by a view"',
            )
            store = POSTGRES.resolve(server.target("least"), {})
            opened = POSTGRES.connect(store, lambda name: name)
            could = opened.access()
            units = tuple(unit.name for unit in opened.units(lambda *_: False))  # type: ignore[union-attr] # units only
            opened.close()
            with_cards = tuple(unit for unit in units if "cards" in unit)
            assert len(with_cards) == 4
            part = {grant.principal: grant.part for grant in could.could_read}
            assert all(part[name] for name in ("role:other table", "role:own", "PUBLIC"))
            made = proposed(
                store,
                could,
                [
                    Reads("reads", 4, card_reads=2),
                    Reads("reads by group", 1),
                    Reads("other table", 9, card_reads=0),
                    *(Reads(name, 1) for name in more if "idle" not in name),
                ],
                with_cards=with_cards,
                without=("plain",),
            )
            said = "\n".join(made.notes)
            assert made.language == "sql" and "(owner): role:own" in said
            assert "read by it: viewer." in said and "may no more: hands on." in said
            server.run("least", *made.text.splitlines())
            by_more = {
                "pan": "SELECT pan FROM cards",
                "note": "SELECT note FROM cards",
                "others": "SELECT * FROM others",
            }
            assert {name: _gets(server, name, by_more) for name in more} == {
                "handed on": ["pan", "note"],
                "idle handed on": [],
                "some columns": ["pan", "note"],  # the one by PUBLIC
                "by a view": ["pan", "others"],
            }
            can = {name: _reads(server, name) for name in people}
            nothing = dict.fromkeys(("cards", "Odd", "sales", "sales_cards", "shown", "more_cards"))
            every = dict.fromkeys(("cards", "Odd", "plain", "shown"), True)
            # who keeps the right has what it had, through PUBLIC and groups too, and no more
            assert can.pop("reads") == {**nothing, **every, "sales": True}
            assert can.pop("reads by group") == {**nothing, **every, "more_cards": True}
            assert can.pop("own") == {**nothing, "Odd": True, "plain": None}
            assert {
                name: {k: each[k] for k in nothing} for name, each in can.items()
            } == dict.fromkeys(can, nothing)
            assert can["other table"]["plain"] and can["idle"]["plain"]
        finally:
            server.run("least", "DROP OWNED BY own CASCADE")
            for name in (*people, *more, *groups):
                with suppress(psycopg.Error):
                    server.run("least", f"DROP OWNED BY {_quoted(name)} CASCADE")
                server.run("postgres", f"DROP ROLE {_quoted(name)}")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _reads(server: postgres_server.Server, name: str) -> dict[str, bool | None]:
    """True for what it can read all columns of that hold cards."""
    tables = ("cards", "Odd", "plain", "sales", "sales_cards", "shown", "more_cards")
    asked = {table: f"SELECT * FROM {table}" for table in tables}
    asked["Odd"] = 'SELECT * FROM "Odd.Schema".cards'
    got = _gets(server, name, asked)
    return {table: True if table in got else None for table in tables}


def _gets(server: postgres_server.Server, name: str, asked: dict[str, str]) -> list[str]:
    """What of it is answered."""
    found = []
    with server.connect("least", name) as connection:
        for what, query in asked.items():
            with suppress(psycopg.errors.InsufficientPrivilege):
                connection.execute(query.encode())
                found.append(what)
    return found


def test_a_role_that_was_acted_as_keeps_the_right() -> None:
    team = Grant("role:ann", "role", "allow", "g", held=(Held("team", "table"),))
    could = Access(could_read=(team,), holdings=(Holding(("a",), ("team", "idle")),))
    store = Store("postgresql://h/shop", "postgresql")
    made = proposed(store, could, [Reads("team", 1)])
    assert made.text == 'REVOKE SELECT ON TABLE "public"."a" FROM "idle";'


# --- MySQL ----------------------------------------------------------------------------------------

missing_mariadb = mariadb_server.missing()


SHOP_PEOPLE = (
    *("reads", "reads_role", "idle", "idle_role", "wide", "all_of_it", "o'dd"),
    *("twice", "one_column", "reads_column", "elsewhere"),
)


@pytest.fixture
def _shop() -> Iterator[None]:
    server = mariadb_server.server()
    server.run(
        None,
        "CREATE DATABASE least_shop",
        "CREATE TABLE least_shop.cards (pan text, note text)",
        "CREATE TABLE least_shop.plain (n int)",
        *(f"CREATE USER {_user(name)}" for name in SHOP_PEOPLE),
        "CREATE ROLE least_team",
        "CREATE ROLE least_clerks",
        "GRANT SELECT ON least_shop.* TO least_team",
        "GRANT least_team TO reads_role@localhost, idle_role@localhost",
        "SET DEFAULT ROLE least_team FOR reads_role@localhost",
        "SET DEFAULT ROLE least_team FOR idle_role@localhost",
        "GRANT SELECT ON least_shop.cards TO 'reads'@localhost, idle@localhost",
        "GRANT SELECT ON `least\\_%`.* TO wide@localhost",
        "GRANT SELECT ON *.* TO all_of_it@localhost",
        f"GRANT SELECT ON least_shop.cards TO {_user(SHOP_PEOPLE[6])}",
        "CREATE TABLE least_shop.more (pan text)",
        # whose maker has no other use for the right
        "CREATE DEFINER = all_of_it@localhost VIEW least_shop.shown AS"
        " SELECT * FROM least_shop.cards",
        "GRANT SELECT ON least_shop.shown TO idle@localhost",
        f"GRANT SELECT ON least_shop.more TO {_user(SHOP_PEOPLE[6])}",
        # a narrower right beside the one that lets read, single columns, and a wider host
        "GRANT SELECT ON *.* TO twice@localhost",
        "GRANT SELECT ON `least%`.* TO twice@localhost",
        "GRANT SELECT ON least_shop.* TO twice@localhost",
        "GRANT SELECT (pan) ON least_shop.cards TO least_clerks, one_column@localhost",
        "GRANT least_clerks TO reads_column@localhost",
        "SET DEFAULT ROLE least_clerks FOR reads_column@localhost",
        "CREATE USER elsewhere@'%'",
        "GRANT SELECT ON least_shop.cards TO elsewhere@'%'",
    )
    yield
    server.run(
        None,
        "DROP DATABASE least_shop",
        *(f"DROP USER {_user(name)}" for name in SHOP_PEOPLE),
        "DROP USER elsewhere@'%'",
        "DROP ROLE least_team",
        "DROP ROLE least_clerks",
    )


def _user(name: str) -> str:
    return "'" + name.replace("'", "''") + "'@localhost"


@pytest.mark.usefixtures("_shop")
@pytest.mark.xdist_group("mariadb")
@pytest.mark.skipif(missing_mariadb is not None, reason=missing_mariadb or "")
def test_mysql_as_proposed() -> None:
    server = mariadb_server.server()
    store = MYSQL.resolve(server.target("least_shop"), {})
    opened = MYSQL.connect(store, lambda name: name)
    could = opened.access()
    part = {grant.principal: grant.part for grant in could.could_read}
    assert part["reads@localhost"] and not part["wide@localhost"]
    assert not part["all_of_it@localhost"] and not part["idle_role@localhost"]
    opened.close()
    made = proposed(
        store,
        could,
        [
            Reads("reads", 4, card_reads=2),
            Reads("reads_role", 1),
            Reads("wide", 9, card_reads=0),
            Reads("reads_column", 1),
        ],
        with_cards=("cards", "more"),
        without=("plain",),
    )
    server.run(None, *(line.removesuffix(";") for line in made.text.splitlines()))
    # who grants rights keeps them: without, nobody could go on with the script, or take it back
    assert "on the whole server): ct_admin@localhost" in "".join(made.notes)
    assert "Loses other databases with it: twice@localhost, wide@localhost." in "".join(made.notes)
    tables = ("cards", "plain", "more", "shown", "pan")
    can = {name: [each for each in tables if _selects(name, each)] for name in SHOP_PEOPLE}
    assert can == {
        "reads": ["cards", "pan"],
        "reads_role": [*tables],
        "idle": [],
        "idle_role": [],
        "wide": ["plain"],  # what it may have read of other tables is left
        "all_of_it": [*tables],  # the view is read by its right
        "o'dd": [],
        "twice": [],
        "one_column": [],
        "reads_column": ["pan"],
        "elsewhere": [],
    }


def _selects(name: str, table: str) -> bool:
    what = "pan FROM cards" if table == "pan" else f"* FROM {table}"
    try:
        with mariadb_server.server().connect(None, name) as connection:
            connection.cursor().execute(f"SELECT {what.replace('FROM ', 'FROM least_shop.')}")
    except pymysql.err.MySQLError:
        return False
    return True
