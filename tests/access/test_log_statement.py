"""log_statement: counted once whatever the form, errors undone, doubt kept, nothing quoted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.access.log_statement import EVIDENCE
from scanner.contracts import EvidenceResult
from scanner.known import known
from scanner.model import Access, Coverage, Reads, Store
from tests.access.postgres_logs import FORMS, SHOP, Said, as_csv, as_json, as_plain
from tests.access.trails import END, START, opener
from tests.examples import costly

PAN = "4111111111111111"
Form = Callable[..., bytes]
every_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


def one(*files: bytes, stores: tuple[str, ...] = (SHOP,), **more: Any) -> EvidenceResult:
    found = EVIDENCE.collect(
        {"uri": "folder", **more},
        opener({f"{i:03}": data for i, data in enumerate(files)}),
        [Store(uri, "postgres") for uri in stores],
        (START, END),
        lambda name: name.replace(PAN, "[sealed]"),
        {SHOP: known(10, ["cards"])},
    )
    return found[SHOP]


def by_role(result: EvidenceResult) -> dict[str, Reads]:
    return {reads.principal: reads for reads in result.reads}


def says(text: str, **more: Any) -> Said:
    return Said(f"statement: {text}", **more)


def fails(text: str, message: str, state: str, **more: Any) -> Said:
    return Said(message, severity="ERROR", state=state, statement=text, **more)


@every_form
def test_reads_are_counted_and_doubt_is_kept(form: Form) -> None:
    result = one(
        form(
            says(f"SELECT * FROM cards\nWHERE pan = '{PAN}'", minute=1),
            Said("execute <unnamed>: SELECT * FROM other WHERE id = $1", minute=2),
            Said("execute p1/c1: SELECT * FROM cards", minute=3),
            Said("execute fetch from p1/c1: SELECT * FROM cards", minute=3.1),
            Said("duration: 3.2 ms  statement: TABLE other", minute=4),
            Said("duration: 3.2 ms", minute=4),
            says("COPY shop.old TO STDOUT", minute=5),
            says("insert into cards values (1)", minute=6),
            says("select relname from pg_class", minute=7),
            says("select peek()", user="bob", minute=8),
            says("select * from cards", database="elsewhere"),
        )
    )
    found = by_role(result)
    assert (found["alice"].reads, found["alice"].objects) == (5, 3)
    assert (found["alice"].card_reads, found["alice"].rows) == (2, None)
    assert found["bob"].reads is None  # it read something, or nothing of this store
    assert "1 statement does not tell what they read" in result.evidence.detail
    assert "neither the tables under a view" in result.evidence.detail
    assert result.evidence.coverage is Coverage.PARTIAL and result.evidence.unparsed == 0
    assert PAN not in repr(result)


@every_form
def test_what_only_cannot_be_told_is_never_not_read(form: Form) -> None:
    result = one(form(says("select peek()")))
    access = Access(evidence=(result.evidence,), did_read=result.reads)
    assert access.answer == "read" and result.reads[0].reads is None


@every_form
def test_errors_undo_what_had_not_begun(form: Form) -> None:
    text = "select * from cards"
    result = one(
        form(
            says(text, minute=1),
            fails(text, "permission denied for table cards", "42501", minute=1),
            says(text, minute=2),
            says("select 1/0 from cards", minute=3),
            fails("select 1/0 from cards", "division by zero", "22012", minute=3),
            says("select * from nothing", minute=4),
            fails("select * from nothing", 'relation "nothing" does not exist', "42P01", minute=4),
            # an error of another statement, which was refused before it was logged
            says("select * from other", minute=5),
            fails("select * from secret", "permission denied for table secret", "42501", minute=5),
        )
    )
    (alice,) = result.reads
    assert (alice.reads, alice.denied) == (3, 2)
    assert "1 statement failed on the way" in result.evidence.detail


@pytest.mark.parametrize("form", [as_csv, as_json])
def test_errors_are_found_in_any_order_of_the_files(form: Form) -> None:
    text = "select * from cards"
    entries = [
        says(text, number=1, minute=1),
        says(text, number=2, minute=1),
        fails(text, "permission denied for table cards", "42501", number=3),
    ]
    first, second, third = (form(each) for each in entries)
    for files in ((first, second, third), (third, second, first), (third, first, second)):
        (alice,) = one(*files, *files).reads
        assert (alice.reads, alice.denied) == (1, 1)


DENIED = ("permission denied for table secret", "42501")


@every_form
@pytest.mark.parametrize(
    "text",
    [
        "select pan, case when id = 50 then deny() end from cards",
        "select pan, case when id = 50 then (pan || 'x')::regclass end from cards",
        "select pan, case when id = 50 then nextval('s') end from cards",
        "select pan from cards; select * from secret",
    ],
)
def test_an_error_for_the_last_row_undoes_no_read(form: Form, text: str) -> None:
    """A client can raise any error it likes when it has all it wants."""
    (alice,) = one(form(says(text, minute=1), fails(text, *DENIED, minute=1))).reads
    assert alice.card_reads == 1 and alice.denied == 1


@every_form
def test_an_error_out_of_a_function_undoes_no_read(form: Form) -> None:
    text = "select * from cards"  # a view of somebody's may call it
    failed = fails(text, *DENIED, context="PL/pgSQL function deny() line 1 at RAISE", minute=1)
    (alice,) = one(form(says(text, minute=1), failed)).reads
    assert (alice.reads, alice.denied) == (1, 1)


@every_form
def test_what_runs_by_the_protocol_was_let_through(form: Form) -> None:
    """A later message of the same text that is refused is another one."""
    run = Said("execute <unnamed>: select * from cards", minute=1)
    (alice,) = one(form(run, fails("select * from cards", *DENIED, minute=1))).reads
    assert (alice.reads, alice.denied) == (1, 1)


@every_form
def test_an_error_of_something_else_ends_the_statement(form: Form) -> None:
    """In a transaction that another error has broken off, any text fails, the read one too."""
    text, aborted = "select * from cards", "current transaction is aborted, commands ignored"
    result = one(
        form(
            says(text, number=1, minute=1),
            fails("select 1 +", "syntax error at end of input", "42601", number=2, minute=1),
            fails(text, aborted, "25P02", number=3, minute=1),
        )
    )
    assert result.reads[0].reads == 1


@every_form
def test_execute_reads_what_was_prepared(form: Form) -> None:
    result = one(
        form(
            says("PREPARE p AS SELECT * FROM cards", minute=1),
            says("EXECUTE p", detail="prepare: PREPARE p AS SELECT * FROM cards", minute=2),
            says("EXECUTE q", minute=3),
        )
    )
    (alice,) = result.reads
    assert (alice.reads, alice.card_reads) == (1, 1)
    assert "1 statement does not tell" in result.evidence.detail


@every_form
def test_what_a_client_raises_is_no_statement(form: Form) -> None:
    context = "PL/pgSQL function inline_code_block line 1 at RAISE"
    lie = says("select * from cards", user="mallory", context=context)
    result = one(form(says("select * from other"), lie))
    assert set(by_role(result)) == {"alice"}
    assert "1 entry looks like a statement but was raised" in result.evidence.detail


@every_form
def test_settings_and_restarts_are_named(form: Form) -> None:
    server: dict[str, Any] = {"user": "", "database": "", "pid": 7}
    result = one(
        form(
            says("select * from cards"),
            says("SELECT setting FROM pg_settings WHERE name = 'log_statement'", minute=8),
            says("SET log_statement = none", minute=9),
            says("SET search_path = secret", minute=9),
            Said('parameter "log_statement" changed to "none"', minute=10, **server),
            Said('parameter "pgaudit.log_relation" changed to "on"', minute=10, **server),
            Said("database system is ready to accept connections", minute=11, **server),
        )
    )
    detail = result.evidence.detail
    assert "1 statement speaks of log_statement itself, the first at 2026-03-01 00:09" in detail
    assert "1 statement speaks of search_path" in detail
    assert "1 change of settings of the audit" in detail and "started once" in detail


def test_the_same_statement_twice_in_a_file_is_two() -> None:
    twice = as_plain(says("select * from cards"), says("select * from cards"))
    assert one(twice, twice).reads[0].reads == 2


def test_a_server_that_writes_three_forms_read_once() -> None:
    entries = [says("select * from cards", minute=i) for i in range(5)]
    result = one(as_csv(*entries), as_json(*entries), as_plain(*entries))
    assert result.reads[0].reads == 5 and "taken to be the same ones" in result.evidence.detail


def test_without_a_select_nothing_is_claimed() -> None:
    result = one(as_csv(says("insert into cards values (1)")))
    assert result.evidence.coverage is Coverage.UNKNOWN and not result.reads
    assert "log_statement is not all" in result.evidence.detail
    assert one(as_csv(Said("checkpoint starting"))).evidence.coverage is Coverage.NONE


def test_two_servers_with_one_name() -> None:
    data = as_csv(says("select * from cards"))
    twins = (SHOP, "postgresql://second/shop")
    assert one(data, stores=twins).evidence.coverage is Coverage.UNKNOWN
    assert one(data, stores=twins, store=SHOP).reads[0].reads == 1


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=20), st.integers(1, 3))
@costly(5)
def test_repetition_never_changes_a_count(picks: list[tuple[int, bool]], copies: int) -> None:
    entries = [
        says("select * from cards" if card else "select peek()", number=i + 1, pid=pid, minute=i)
        for i, (pid, card) in enumerate(picks)
    ]
    result = one(*[as_json(*entries)] * copies)
    assert sum(each.reads or 0 for each in result.reads) == sum(card for _, card in picks)
