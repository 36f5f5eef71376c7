"""When the log of a database is a complete record, so that "nobody read it" may be said."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from scanner.access import pgaudit, server_audit
from scanner.audits import Audit
from scanner.contracts import EvidenceResult
from scanner.known import Known
from scanner.model import Access, Coverage, Store
from tests.access import test_server_audit as maria
from tests.access.postgres_logs import FORMS, Said, audit
from tests.access.trails import END, START, opener

FORM = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
LONG_AGO = Audit(since=int(START.timestamp()) - 60, kept=("files are kept for a day",))


def answered(
    kind: Any, uri: str, data: bytes, told: Audit | None, **more: Any
) -> tuple[EvidenceResult, str]:
    """The evidence, and what an access of it alone answers."""
    known = Known(3, frozenset(), {} if told is None else {kind.kind: told})
    scheme = uri.partition(":")[0]
    found = kind.collect(
        {"uri": "folder", "store": uri, "zone": "UTC", **more},
        opener({"log": data}),
        [Store(uri, scheme)],
        (START, END),
        lambda name: name,
        {uri: known},
    )[uri]
    return found, Access(evidence=(found.evidence,), did_read=found.reads).answer


def postgres(
    form: Callable[..., bytes], *said: Said, told: Audit | None = LONG_AGO, **more: Any
) -> tuple[EvidenceResult, str]:
    """With an audit of another database in every hour, so that no hour is silent."""
    every_hour = [
        audit(n + 1, "public.t", database="other", pid=7, minute=60 * n + 30) for n in range(6)
    ]
    uri = "postgresql://db/shop"
    return answered(pgaudit.EVIDENCE, uri, form(*every_hour, *said), told, **more)


def mariadb(*lines: str, told: Audit | None = LONG_AGO, **more: Any) -> tuple[EvidenceResult, str]:
    every_hour = [
        maria.statement("t", database="other", connection=9, minute=60 * n + 30) for n in range(6)
    ]
    data = "\n".join([*every_hour, *lines]).encode()
    return answered(server_audit.EVIDENCE, "mysql://db/shop", data, told, **more)


@FORM
def test_pgaudit_without_a_gap_says_that_nobody_read(form: Callable[..., bytes]) -> None:
    quiet, answer = postgres(form)
    assert (quiet.evidence.coverage, answer) == (Coverage.COMPLETE, "not-read")
    assert "unless a superuser hid one" in quiet.evidence.detail
    assert "files are kept for a day" in quiet.evidence.detail
    read, answer = postgres(form, audit(50, minute=5), audit(51, "", minute=6, text="select 1"))
    assert (read.evidence.coverage, answer) == (Coverage.COMPLETE, "read")
    assert [(each.principal, each.reads) for each in read.reads] == [("alice", 1)]


def test_server_audit_without_a_gap_says_that_nobody_read() -> None:
    quiet, answer = mariadb()
    assert (quiet.evidence.coverage, answer) == (Coverage.COMPLETE, "not-read")
    read, answer = mariadb(maria.statement("cards"), maria.statement(text="select 1"))
    assert (read.evidence.coverage, answer) == (Coverage.COMPLETE, "read")
    asks = maria.statement(text="SHOW GLOBAL VARIABLES LIKE 'server_audit%'")  # as each scan does
    assert mariadb(asks)[0].evidence.coverage is Coverage.COMPLETE


SETTINGS: list[tuple[dict[str, Any], str]] = [
    ({"told": None}, "its store was not asked"),
    ({"told": Audit(("the role x has pgaudit.log = none",))}, "the role x has pgaudit.log = none"),
    (
        {"told": Audit(since=int(START.timestamp()) + 3600)},
        "the server was started at 2026-03-01 01:00 UTC: how it was set before that does not show",
    ),
    ({"store": None}, "nobody has said: give it as “store”"),
]


@pytest.mark.parametrize(("more", "words"), SETTINGS)
def test_what_the_server_or_the_user_did_not_say(more: dict[str, Any], words: str) -> None:
    for found, answer in (postgres(FORMS["csv"], **more), mariadb(**more)):
        assert words in found.evidence.detail
        assert found.evidence.coverage is Coverage.UNKNOWN and answer == "cannot-tell"


GAPS: list[tuple[list[Said], str]] = [
    (
        [Said("database system is ready to accept connections", user="", database="", minute=9)],
        "the server was started once in the window",
    ),
    (
        [Said('parameter "pgaudit.log" changed to "none"', user="", database="", minute=9)],
        "1 change of settings of the audit",
    ),
    (
        [audit(9, "", group="ROLE", command="ALTER ROLE", text="alter role a set pgaudit.log=''")],
        "1 statement speaks of pgaudit's own settings",
    ),
    (
        [
            audit(
                *(9, ""),
                group="DDL",
                command="ALTER DATABASE",
                text="alter database shop set pgaudit.log = 'none'",
                database="postgres",
            )
        ],
        "1 statement speaks of pgaudit's own settings",
    ),
    (
        [audit(9, "", text="select set_config('pgaudit.log', 'none', false)")],
        "1 statement speaks of pgaudit's own settings",
    ),
    (
        [
            audit(
                *(9, "public.peek"),
                group="DDL",
                command="CREATE FUNCTION",
                text="create function peek() returns int security definer as ''",
            )
        ],
        "1 function that runs by the right of its owner was made or changed",
    ),
    ([audit(9, "", command="COPY", text="copy cards to stdout")], "1 COPY or cursor does not"),
    ([Said("AUDIT: SESSION,x")], "1 entry could not be understood"),
]


@FORM
@pytest.mark.parametrize(("said", "words"), GAPS, ids=[words[:30] for _, words in GAPS])
def test_a_gap_of_pgaudit_is_named_and_no_zero_said(
    form: Callable[..., bytes], said: list[Said], words: str
) -> None:
    found, answer = postgres(form, *said)
    assert words in found.evidence.detail
    assert found.evidence.coverage is not Coverage.COMPLETE
    assert answer == ("read" if "COPY" in words else "cannot-tell")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            maria.statement(text="SET GLOBAL server_audit_excl_users='eve'"),
            "1 statement speaks of server_audit's own settings",
        ),
        (
            maria.statement(text="SET GLOBAL query_cache_size=1000000"),
            "1 statement speaks of server_audit's own settings",
        ),
        (
            maria.statement("cards", text="LOCK TABLES cards READ"),
            "1 LOCK TABLES counted as one read each",
        ),
        (maria.statement("cards", outcome=None), "the outcome of 1 statement is not told"),
        ("20260301 01:00:00,nonsense", "1 line could not be understood"),
    ],
)
def test_a_gap_of_server_audit_is_named_and_no_zero_said(line: str, words: str) -> None:
    found, answer = mariadb(line)
    assert words in found.evidence.detail
    assert found.evidence.coverage is not Coverage.COMPLETE
    assert answer == ("read" if "cards" in line else "cannot-tell")


def test_a_silent_hour_is_named() -> None:
    uri = "postgresql://db/shop"
    some = [audit(n + 1, database="other", minute=60 * n + 30) for n in (0, 1, 3, 4, 5)]
    found, answer = answered(pgaudit.EVIDENCE, uri, FORMS["csv"](*some), LONG_AGO)
    assert "in 1 hour of the window (2026-03-01 02:00 UTC to" in found.evidence.detail
    assert answer == "cannot-tell"


def test_without_a_zone_the_hours_are_not_known() -> None:
    found, _ = mariadb(zone="")
    assert "times are taken to be of UTC" in found.evidence.detail
    assert found.evidence.coverage is not Coverage.COMPLETE


@FORM
def test_rows_that_a_change_gives_back_are_read(form: Callable[..., bytes]) -> None:
    gives = "delete from cards where id = 4 returning *"
    back = audit(9, group="WRITE", command="DELETE", text=gives, pid=3)
    plain = audit(9, group="WRITE", command="DELETE", text="delete from cards", pid=4)
    adds = "insert into cards values (1) returning *"
    known = adds.replace("returning", "on conflict (id) do update set id = 1 returning")
    given = audit(9, group="WRITE", command="INSERT", text=adds, pid=5)
    taken = audit(9, group="WRITE", command="INSERT", text=known, pid=6)
    found, _ = postgres(form, back, plain, given, taken)
    assert [each.reads for each in found.reads] == [2]
    assert found.reads[0].first == START + timedelta(minutes=5)


def test_rows_that_a_delete_gives_back_in_mariadb() -> None:
    def deletes(text: str, connection: int) -> str:
        return maria.statement("cards", text=text, connection=connection).replace(
            ",READ,", ",WRITE,"
        )

    found, _ = mariadb(deletes("DELETE FROM cards RETURNING *", 6), deletes("DELETE FROM cards", 7))
    assert [each.reads for each in found.reads] == [1]
