"""Counts of reads out of pgaudit's lines, in every form of log, and entries made to mislead."""

from __future__ import annotations

import gzip
import os
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.access.pgaudit import audit as read_audit
from scanner.access.postgres_lines import split_csv, split_slowly
from scanner.access.postgres_logs import NOBODY
from scanner.contracts import EvidenceResult
from scanner.model import Access, Coverage, Problem, Reads
from tests.access.postgres_logs import (
    FORMS,
    SHOP,
    Said,
    as_csv,
    as_json,
    as_plain,
    audit,
    collect,
    one,
)
from tests.access.trails import START
from tests.examples import costly

every_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
Form = Callable[..., bytes]


def by_role(result: EvidenceResult) -> dict[str, Reads]:
    return {reads.principal: reads for reads in result.reads}


@every_form
def test_lines_of_one_statement_are_one_read(form: Form) -> None:
    result = one(
        form(
            audit(1, kind="OBJECT", rows=100, minute=1),
            audit(1, rows=100, minute=1),
            audit(2, kind="OBJECT", type_="VIEW", relation="public.vcards", rows=1, minute=2),
            audit(2, rows=1, minute=2),
            audit(2, relation="shop.orders", rows=1, minute=2),
            audit(3, group="WRITE", command="INSERT", minute=3),
            audit(3, kind="OBJECT", rows=7, minute=3),  # INSERT ... SELECT FROM cards
            audit(1, user="bob", pid=101, rows=5, minute=4),
            audit(4, relation="pg_catalog.pg_class"),
            audit(5, group="DDL", command="CREATE TABLE"),
            audit(6, relation="", command="PREPARE"),
        ),
        cards=["cards"],
    )
    found = by_role(result)
    assert found["alice"] == Reads(
        principal="alice",
        reads=3,
        rows=108,
        bytes=None,
        objects=3,
        denied=0,
        first=START + timedelta(minutes=1),
        last=START + timedelta(minutes=3),
        card_reads=3,
    )
    assert (found["bob"].reads, found["bob"].rows) == (1, 5)
    assert "4 of the reads seen, by 2 principals" in result.evidence.detail
    assert result.evidence.coverage is Coverage.PARTIAL and result.evidence.unparsed == 0


@every_form
def test_statements_go_on_over_lines_and_hold_anything(form: Form) -> None:
    nasty = 'select \'a\n"b", 4111111111111111\n\nLOG:  AUDIT: OBJECT,9,9,READ,SELECT,,,x\n\' -- "'
    result = one(form(audit(1, text=nasty), audit(2, text='"'), audit(3, text="a,b")))
    assert by_role(result)["alice"].reads == 3
    assert result.evidence.unparsed == 0
    assert "4111111111111111" not in repr(result)


@every_form
def test_a_raised_message_is_no_audit(form: Form) -> None:
    lie = audit(9, kind="OBJECT", user="mallory").message
    forged = Said(
        lie,
        user="mallory",
        context="PL/pgSQL function inline_code_block line 1 at RAISE",
        statement=f"do $$ begin raise log '{lie}'; end $$",
    )
    result = one(form(forged, audit(1, pid=101)))
    assert set(by_role(result)) == {"alice"}
    assert "1 entry looks like an audit but was raised" in result.evidence.detail


@every_form
def test_a_parallel_worker_does_not_read_once_more(form: Form) -> None:
    """It says what its leader said, in no role's name, as the first statement of its process."""
    text = "select * from cards where pan like 'a,b%'"
    leader = audit(7, text=text)
    workers = [
        replace(audit(1, text=text, pid=pid), user="", database="", backend="parallel worker")
        for pid in (201, 202)
    ]
    result = one(form(audit(1, user="bob", pid=9), leader, *workers, audit(8, minute=6)))
    assert {name: each.reads for name, each in by_role(result).items()} == {"alice": 2, "bob": 1}
    other = replace(workers[0], message=audit(1, text="select 1 from cards").message)
    told = {name: each.reads for name, each in by_role(one(form(leader, other))).items()}
    # of one that does not tell what it is, only what its leader said is known
    assert told == {"alice": 1, **({NOBODY: 1} if form is as_plain else {})}
    typed = one(as_plain(leader, other, prefix="%m [%p] %b %q%u@%d "), prefix="%m [%p] %b %q%u@%d ")
    assert set(by_role(typed)) == {"alice"} and not typed.evidence.unparsed


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("explain select * from cards", 0),
        ("EXPLAIN (ANALYZE, BUFFERS) SELECT * FROM cards", 0),
        ("explain analyze insert into mine select * from cards", 1),
        ("explain insert into mine select * from cards", 0),
        ("explain select 1; select * from cards", 1),
        ("select 'explain' from cards", 1),
    ],
)
def test_what_is_only_explained_gives_no_rows(text: str, reads: int) -> None:
    result = one(as_csv(audit(1, text=text), audit(1, user="bob", pid=9)))
    assert len(by_role(result)) == 1 + reads


@every_form
def test_refusals(form: Form) -> None:
    refused = Said(
        "permission denied for table cards",
        user="bob",
        severity="ERROR",
        state="42501",
        statement="select * from cards",
        number="2",
    )
    result = one(form(audit(1, pid=7), refused, refused, replace(refused, number="3")))
    assert by_role(result)["bob"].reads == 0
    # a prefix without a number does not tell a copy from one more within the millisecond
    assert by_role(result)["bob"].denied == (3 if form is as_plain else 2)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        *(("select 1", 0), ("SELECT pg_catalog.set_config('a', '', false)", 0)),
        *(("select peek()", 1), ('select "peek" ()', 1), ("<previously logged>", 1)),
        ("select * from secret", 1),
    ],
)
def test_a_select_that_can_read_nothing_is_no_read(text: str, asked: int) -> None:
    found = by_role(one(as_csv(audit(1, relation="", text=text), audit(1, user="bob", pid=9))))
    assert sum(each.reads is None for each in found.values()) == asked


@every_form
def test_without_relations_nobody_counted_the_reads(form: Form) -> None:
    unnamed = [audit(i, relation="", minute=i) for i in (1, 2)]
    result = one(form(*unnamed, audit(1, user="bob", pid=9)))
    found = by_role(result)
    assert (found["alice"].reads, found["alice"].objects) == (None, None)
    assert found["alice"].card_reads is None and found["alice"].last == START + timedelta(minutes=2)
    assert found["bob"].reads == 1
    assert "2 SELECTs do not name what they read" in result.evidence.detail
    assert Access(evidence=(result.evidence,), did_read=result.reads).answer == "read"


@every_form
def test_object_audits_name_what_they_are_set_for(form: Form) -> None:
    result = one(
        form(
            audit(1, relation=""),
            audit(1, kind="OBJECT"),
            audit(2, kind="OBJECT"),
            audit(2, relation=""),
            audit(3, relation=""),
            audit(4, relation="", command="COPY", rows=0, user="bob", pid=9),
            audit(5, relation="", command="DECLARE CURSOR", rows=0, user="bob", pid=9),
        )
    )
    found = by_role(result)
    assert (found["alice"].reads, found["bob"].reads) == (2, None)
    assert "1 SELECT does not name" in result.evidence.detail
    assert "2 COPYs and cursors do not name" in result.evidence.detail


def test_settings_of_pgaudit_are_told_of() -> None:
    off = audit(1, relation="", group="MISC", command="SET", text="set pgaudit.log = 'none'")
    assert "1 statement speaks of pgaudit's own settings" in one(as_csv(off)).evidence.detail


def test_all_forms_of_one_server_are_one_log() -> None:
    entries = [audit(i, minute=i) for i in range(1, 5)]
    result = one(*(form(*entries) for form in FORMS.values()), as_csv(*entries))
    assert by_role(result)["alice"].reads == 4
    assert "taken to be the same" in result.evidence.detail


def test_a_process_id_is_used_again() -> None:
    day = [audit(1, minute=minute) for minute in (1, 2, 3)]  # three short connections
    long = [audit(i, minute=4, pid=8) for i in (1, 2)] + [audit(1, minute=5, pid=8)]
    data = as_plain(*day, *long)
    assert by_role(one(data))["alice"].reads == by_role(one(data, data))["alice"].reads == 6


WITH_NAME = "%m [%p] %q%u@%d %a "


def test_a_client_can_not_hide_behind_its_name() -> None:
    lie = "x LOG:  AUDIT: SESSION,9,9,MISC,BEGIN,,,x,<none>"
    hidden = as_plain(audit(1, application=lie), prefix=WITH_NAME)
    result = one(hidden, prefix=WITH_NAME)
    assert by_role(result)["alice"].reads == 1
    assert "1 entry can be read in two ways" in result.evidence.detail
    honest = one(as_plain(audit(1), prefix=WITH_NAME), prefix=WITH_NAME)
    assert "two ways" not in honest.evidence.detail


@pytest.mark.parametrize(
    "prefix", ["%m [%p] %q%u@%d ", "%m:h:%u@%d:[%p]:", "%m [%p]: [7-1] db=%d,user=%u "]
)
def test_usual_prefixes_are_known(prefix: str) -> None:
    written = as_plain(audit(1), audit(2), prefix=prefix)
    assert by_role(one(written))["alice"].reads == 2


def test_a_prefix_without_the_role_says_so() -> None:
    result = one(as_plain(audit(1), prefix="%m [%p] "))
    assert by_role(result)["a role the log does not name"].reads == 1
    assert "does not name the role" in result.evidence.detail


def test_a_prefix_nobody_knows_is_counted() -> None:
    odd = as_plain(audit(1), audit(2), prefix="<%u|%m> ")
    blind = one(odd)
    assert (blind.evidence.unparsed, blind.reads) == (2, ())
    assert blind.evidence.coverage is Coverage.NONE
    assert by_role(one(odd, prefix="<%u|%m> "))["alice"].reads
    assert "“prefix” has an escape" in one(odd, prefix="%Z").evidence.detail


def test_time_zones() -> None:
    said = audit(1, minute=30)
    for zone, hours in {"CET": 1, "+05:30": 5.5, "-03": -3, "EDT": -4}.items():
        data = as_csv(said, offset=timedelta(hours=hours), zone=zone)
        assert one(data).reads[0].first == START + timedelta(minutes=30), zone
    indian = as_csv(said, offset=timedelta(hours=5.5), zone="IST")
    unknown = one(indian)
    assert unknown.evidence.unparsed == 1 and "IST could not be placed" in unknown.evidence.detail
    assert one(indian, zone="Asia/Kolkata").reads[0].first == START + timedelta(minutes=30)
    assert "“zone” is not understood" in one(indian, zone="Nowhere/Else").evidence.detail


def test_the_hour_that_comes_twice() -> None:
    window = (datetime(2026, 10, 25, tzinfo=UTC), datetime(2026, 10, 25, 6, tzinfo=UTC))
    apart = window[0] - START
    twice = [
        as_json(audit(1, minute=30), offset=apart + timedelta(hours=2), zone="CEST"),
        as_json(audit(2, minute=90), offset=apart + timedelta(hours=1), zone="CET"),
    ]
    (reads,) = one(*twice, window=window, zone="Europe/Berlin").reads
    assert (reads.first, reads.last) == (
        window[0] + timedelta(minutes=30),
        window[0] + timedelta(minutes=90),
    )


def test_damage_is_counted_and_what_is_whole_is_read() -> None:
    whole = as_csv(*(audit(i, minute=i / 100) for i in range(1, 300)))
    lines = whole.split(b"\n")
    broken = b"\n".join([lines[0], lines[1][:150], *lines[2:]])
    result = one(broken)
    assert (by_role(result)["alice"].reads, result.evidence.unparsed) == (298, 1)
    packed = gzip.compress(whole)
    cut = one(packed[: len(packed) // 2], Problem("access-denied"))
    assert 0 < (by_role(cut)["alice"].reads or 0) < 299
    assert "cut off or corrupt" in cut.evidence.detail
    assert "could not be read" in cut.evidence.detail


def test_a_statement_without_end() -> None:
    huge = as_plain(audit(1, text="x" * (3 << 20)), audit(2))
    result = one(huge)
    assert by_role(result)["alice"].reads == 1 and result.evidence.unparsed == 1
    many = as_plain(audit(1, text="\n".join(["x" * 1000] * 3000)), audit(2))
    assert by_role(one(many))["alice"].reads == 2


def test_which_database() -> None:
    other = audit(1, database="other")
    stores = (SHOP, "postgresql://db/other", "postgresql://db/none")
    found = collect(as_csv(audit(1), audit(2), other), stores=stores)
    assert [sum(r.reads or 0 for r in found[uri].reads) for uri in stores] == [2, 1, 0]
    assert found[stores[2]].evidence.coverage is Coverage.UNKNOWN
    twins = (SHOP, "postgresql://second/shop")
    both = collect(as_csv(audit(1)), stores=twins)
    assert {each.evidence.coverage for each in both.values()} == {Coverage.UNKNOWN}
    assert not any(each.reads for each in both.values())
    assert collect(as_csv(audit(1)), stores=twins, store=SHOP)[SHOP].reads
    assert collect(as_csv(audit(1)), stores=("s3://pay",)) == {}


def test_a_log_without_audits_tells_nothing() -> None:
    plain = Said("duration: 3.2 ms")
    result = one(as_csv(plain), as_json(plain), as_plain(plain))
    assert result.evidence.coverage is Coverage.NONE and result.evidence.unparsed == 0
    assert Access(evidence=(result.evidence,)).answer == "cannot-tell"


def test_silent_hours_are_named() -> None:
    lines = [Said("checkpoint starting", minute=60 * hour) for hour in (0, 1, 4, 5)]
    result = one(as_csv(audit(1), *lines))
    assert "no log entry of any kind in 2 hours" in result.evidence.detail


def test_names_as_the_store_spells_them() -> None:
    for named, spelt in {
        "public.cards": "cards",
        '"My Schema"."T, x"': "My Schema.T, x",
        'shop."a.b"': 'shop."a.b"',
        'public."say ""hi"""': '"say ""hi"""',
    }.items():
        said = audit(1, relation=named).message
        found = read_audit(said)
        assert found is not None and found.relation == spelt


@given(st.text(max_size=60))
@settings(deadline=None)
def test_any_text_is_an_audit_or_none(text: str) -> None:
    read_audit("AUDIT: " + text)
    split_csv(text)
    found = read_audit(audit(1, text=text, rows=3).message)
    assert found is not None and found.rows == 3


@given(st.text('ab,"\n\r\0 ', max_size=14) | st.text(max_size=9), st.integers(1, 5))
@settings(deadline=None)
def test_fields_are_split_alike_by_the_library_and_without_it(text: str, most: int) -> None:
    assert split_csv(text, most) == split_slowly(text, most)


def test_a_field_longer_than_the_library_takes() -> None:
    assert split_csv(f'a,"{"x" * 200_000}",b') == ["a", "x" * 200_000, "b"]


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3), st.booleans()), max_size=20),
    st.randoms(),
    st.sampled_from([as_csv, as_json]),
)
@costly(5)
def test_order_and_repetition_never_change_a_count(
    picks: list[tuple[int, int, bool]], random: Any, form: Form
) -> None:
    entries = [
        audit(number, pid=pid, kind="OBJECT" if by_object else "SESSION", minute=number)
        for number, pid, by_object in picks
    ]
    mixed = entries * 2
    random.shuffle(mixed)
    files = [form(*mixed[part::2]) for part in range(2)]
    reads = sum(each.reads or 0 for each in one(*files).reads)
    assert reads == len({(number, pid) for number, pid, _ in picks})


@pytest.mark.skipif("CARDTRAIL_CORPORA" not in os.environ, reason="needs outside data")
@every_form
def test_golden_output_of_pgaudit(form: Form) -> None:
    """Its regression test, with the messages as a server would have logged them."""
    folder = Path(os.environ["CARDTRAIL_CORPORA"]) / "access"
    text = (folder / "pgaudit.out").read_text()
    messages = re.findall(
        r"^(?:NOTICE|WARNING|INFO):  (AUDIT: (?:[^\n\"]|\"(?:[^\"]|\"\")*\")*)$", text, re.M
    )
    found = [read_audit(message) for message in messages]
    kinds = Counter((each.kind, each.group) for each in found if each)
    assert (kinds["OBJECT", "READ"], kinds["SESSION", "READ"]) == (19, 62)
    account = Counter(
        each.kind for each in found if each and each.group == "READ" and each.relation == "account"
    )
    assert (account["OBJECT"], account["SESSION"]) == (11, 12)
    log = form(*(Said(each, pid=i, minute=i / 100) for i, each in enumerate(messages)))
    result = one(log)
    assert result.evidence.unparsed == 0
    named = {
        i
        for i, each in enumerate(found)
        if each
        and (each.group == "READ" or each.returns)
        and each.relation
        and not each.relation.startswith("pg_catalog")
    }
    assert by_role(result)["alice"].reads == len(named)


@every_form
def test_what_the_server_says_of_itself(form: Form) -> None:
    """Restarts and settings changed in its files are named; a role that says so is not believed."""
    server: dict[str, Any] = {"user": "", "database": "", "pid": 7}
    changed = 'parameter "pgaudit.log" changed to "none"'
    lines = [
        Said("database system is ready to accept connections", minute=10, **server),
        Said(changed, minute=20, **server),
        Said('parameter "pgaudit.log" changed to "all"', minute=25, **server),
        Said('parameter "work_mem" changed to "4MB"', minute=21, **server),
        Said(changed, minute=22),
    ]
    result = one(form(audit(1), *lines))
    assert "the server was started once in the window" in result.evidence.detail
    back = 'parameter "pgaudit.log" changed to "all" at 2026-03-01 00:25 UTC'
    told = f"2 changes of settings of the audit: {changed} at 2026-03-01 00:20 UTC, {back}"
    assert told in result.evidence.detail
    assert (by_role(result)["alice"].reads, by_role(result)["alice"].denied) == (1, 0)


@pytest.mark.parametrize("form", [as_csv, as_json])
def test_a_text_that_speaks_of_a_refusal_is_none(form: Form) -> None:
    said = Said("statement: select 'permission denied for table cards'")
    assert by_role(one(form(audit(1), said)))["alice"].denied == 0


@every_form
def test_what_follows_another_entry_makes_no_audit_a_forged_one(form: Form) -> None:
    """A client that raises anything after its read would hide the read."""
    raised = Said("nothing much", context="PL/pgSQL function inline_code_block line 1 at RAISE")
    failed = Said("division by zero", severity="ERROR", statement="select 1/0 from cards")
    result = one(form(audit(1), raised, audit(2), failed, audit(3)))
    assert by_role(result)["alice"].reads == 3
    assert "forged" not in result.evidence.detail
