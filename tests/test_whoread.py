"""Grants and reads brought together: names match however they are written, and nothing is said
that is not certain."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given

from scanner.access import general_log, log_statement, pattern, pgaudit
from scanner.model import NOT_RECORDED, Access, Coverage, Evidence, Grant, Held, Reads, Run
from scanner.whoread import Relation, coverage, is_public, people, with_last_reads
from tests.runs import runs

OWN, OTHER = "111122223333", "999988887777"
ROLE = f"arn:aws:iam::{OWN}:role/app/etl"
START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)


def access(
    grants: list[Grant],
    reads: list[Reads],
    covers: Coverage = Coverage.COMPLETE,
    known: bool = True,
) -> Access:
    evidence = (Evidence("trail", covers, START, END, "why"),)
    return Access(
        START,
        END,
        evidence,
        could_read_known=known,
        could_read=tuple(grants),
        did_read=tuple(reads),
    )


def relation(grant: Grant, reads: Reads) -> dict[str, Relation]:
    return {each.principal: each.relation for each in people(access([grant], [reads]))}


@pytest.mark.parametrize(
    ("grant", "kind", "reader"),
    [
        (ROLE, "role", ROLE),
        (ROLE, "role", f"{ROLE} session i-0abc"),
        (ROLE, "role", f"arn:aws:iam::{OWN}:role/etl session nightly"),  # logs without the path
        (ROLE, "role", f"arn:aws:sts::{OWN}:assumed-role/etl/nightly"),
        (f"arn:aws:iam::{OTHER}:root", "account", f"arn:aws:iam::{OTHER}:user/ann"),
        (OTHER, "account", f"arn:aws:sts::{OTHER}:assumed-role/x/y"),
        (OTHER, "account", f"arn:aws:iam::{OTHER}:root"),
        (OTHER, "account", f"account {OTHER} (AIDAX)"),
        (f"arn:aws:iam::{OWN}:root", "root", f"arn:aws:iam::{OWN}:root"),
        (
            f"arn:aws:iam::{OWN}:root",
            "root",
            "the account of the bucket's owner (root, or not told)",
        ),
        (f"arn:aws:sts::{OWN}:assumed-role/etl/n", "role-session", f"{ROLE} session n"),
        (ROLE, "role", f"{ROLE} session n, source identity ann"),
        (
            f"arn:aws:sts::{OWN}:assumed-role/etl/n",
            "role-session",
            f"{ROLE} session n, source identity ann",
        ),
        ("cloudfront.amazonaws.com", "service", "svc:cloudfront.amazonaws.com"),
        ("everyone", "public", "anonymous (no credentials)"),
        ("*", "public", "arn:aws:iam::444455556666:user/x"),
        ("role:app", "role", "app"),
        ("role:app", "superuser", "role:app"),
        ("app@%", "account", "app"),
        ("app@10.%", "account", "app@10.0.0.7"),
    ],
)
def test_one_and_the_same(grant: str, kind: str, reader: str) -> None:
    found = relation(Grant(grant, kind, "allow", "g"), Reads(reader, 3))
    assert Relation.DID in found.values()
    assert Relation.HOW not in found.values() and Relation.NEVER not in found.values()


@pytest.mark.parametrize(
    ("grant", "kind", "reader"),
    [
        (ROLE, "role", f"arn:aws:iam::{OWN}:role/app/etl2"),
        (ROLE, "role", f"arn:aws:iam::{OTHER}:role/app/etl"),
        (ROLE, "role", f"arn:aws:iam::{OWN}:user/etl"),
        (f"arn:aws:iam::{OWN}:root", "root", f"arn:aws:iam::{OWN}:user/ann"),  # only root itself
        (f"arn:aws:sts::{OWN}:assumed-role/etl/n", "role-session", f"{ROLE} session other"),
        ("role:app", "role", "app2"),
        ("app@10.%", "account", "app@192.168.0.1"),
    ],
)
def test_somebody_else(grant: str, kind: str, reader: str) -> None:
    found = relation(Grant(grant, kind, "allow", "g"), Reads(reader, 3))
    assert sorted(found.values()) == [Relation.NEVER, Relation.HOW]


def test_a_log_without_hosts_tells_not_which_account_it_was() -> None:
    grants = [Grant(f"app@{host}", "account", "allow", "g") for host in ("10.%", "%")]
    found = people(access([*grants, Grant("bob@%", "account", "allow", "g")], [Reads("app", 1)]))
    assert [each.relation for each in found] == [Relation.DID, Relation.UNTOLD, Relation.NEVER]


def test_an_account_that_is_gone_is_not_let_in_by_public() -> None:
    """Whoever has an account is in the list, with what PUBLIC gives it."""
    grants = [Grant("PUBLIC", "public", "allow", "g"), Grant("role:app", "role", "allow", "g")]
    found = {e.principal: e.relation for e in people(access(grants, [Reads("gone", 2)]))}
    assert found["gone"] is Relation.HOW and found["PUBLIC"] is Relation.OPEN


def test_a_role_that_somebody_acted_as_is_read_by_its_members() -> None:
    """pg_stat_statements knows the role after SET ROLE: one of its members it was."""
    team = (Held("team", "table"),)
    grants = [Grant(f"role:{name}", "role", "allow", "g", held=team) for name in ("ann", "bob")]
    found = people(access(grants, [Reads("team", 1)]))
    assert [each.relation for each in found] == [Relation.DID, Relation.UNTOLD]
    alone = people(access([Grant("role:eve", "role", "allow", "g")], [Reads("team", 1)]))
    assert Relation.HOW in {each.relation for each in alone}


def test_never_needs_complete_evidence_and_could_not_a_whole_list() -> None:
    grants, reads = [Grant("idle", "user", "allow", "g")], [Reads("stranger", 1)]
    for covers in Coverage:
        (_, idle) = people(access(grants, reads, covers))
        never = covers is Coverage.COMPLETE
        assert idle.relation is (Relation.NEVER if never else Relation.UNTOLD)
    (stranger, _) = people(access(grants, reads, known=False))
    assert stranger.relation is Relation.UNSURE
    doubtful = relation(Grant("x", "user", "unknown", "g"), Reads("x", 1))
    assert doubtful == {"x": Relation.UNSURE}


@pytest.mark.parametrize(
    "nobody",
    [
        NOT_RECORDED,
        pgaudit.NOBODY,
        log_statement.NOBODY,
        general_log.NOBODY,
        pattern.NOBODY,
        "address 203.0.113.9",
    ],
)
def test_where_somebody_without_a_name_read_nobody_is_known_not_to_have(nobody: str) -> None:
    public = Grant("PUBLIC", "public", "allow", "g")
    (who, *others) = people(access([Grant("x", "user", "allow", "g"), public], [Reads(nobody, 1)]))
    assert (who.relation, who.grant) == (Relation.UNSURE, None)
    assert {each.relation for each in others} == {Relation.OPEN, Relation.UNTOLD}
    refused = people(access([Grant("x", "user", "allow", "g")], [Reads(nobody, 0, denied=3)]))
    assert [each.relation for each in refused] == [Relation.REFUSED, Relation.NEVER]


def test_a_refusal_is_no_read() -> None:
    grants = [Grant("x", "user", "allow", "g")]
    (refused,) = people(access(grants, [Reads("x", 0, denied=4)]))
    assert refused.relation is Relation.REFUSED and not refused.did


def test_a_grant_knows_its_last_read() -> None:
    when = [START + timedelta(days=n) for n in (3, 9, 20)]
    reads = [
        Reads(f"{ROLE} session a", 1, last=when[0]),
        Reads(f"{ROLE} session b", 1, last=when[1]),
        Reads(f"{ROLE} session c", 0, denied=1, last=when[2]),
    ]
    (grant,) = with_last_reads(access([Grant(ROLE, "role", "allow", "g")], reads))
    assert grant.last_read == when[1]


@given(runs())
def test_everybody_is_there_once_and_nothing_uncertain_is_said(run: Run) -> None:
    for report in run.stores:
        found = people(report.access)
        shown = [reads for each in found for reads in each.reads]
        assert sorted(map(repr, shown)) == sorted(map(repr, report.access.did_read))
        granted = {each.grant for each in found if each.grant is not None}
        assert granted == set(report.access.could_read)
        for each in found:
            if each.relation is Relation.NEVER:
                assert coverage(report.access) is Coverage.COMPLETE and not each.reads
            if each.relation is Relation.HOW:
                assert report.access.could_read_known and each.grant is None
            if each.relation is Relation.OPEN:
                assert each.grant is not None and is_public(each.grant)
        unread = replace(report.access, did_read=())
        assert all(not each.reads for each in people(unread))
