"""Clocks that are wrong, hours that come twice, trails of an organisation: nothing counts twice and
nothing is lost without a word."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from scanner.access import cloudtrail, server_audit
from scanner.model import Access, Coverage, Store
from tests.access import test_server_audit as maria
from tests.access.postgres_logs import FORMS, audit
from tests.access.postgres_logs import one as of_postgres
from tests.access.trails import (
    ABROAD,
    END,
    EVERYTHING,
    FOREIGN,
    OWNER,
    START,
    collect,
    delivered,
    event,
    heartbeat,
    management,
    opener,
)


def test_a_trail_of_an_organisation() -> None:
    """Each account has its folder; a call from one to the other is delivered to both, under two ids
    and one they share. That the caller is of the organisation makes it no less foreign."""
    call = {"who": ABROAD, "sharedEventID": "5f6e"}
    folder = "AWSLogs/o-a1b2c3d4e5"
    files = {
        f"{folder}/{account}/CloudTrail/eu-west-1/2026/03/01/{account}.json.gz": delivered(
            *(heartbeat() if account == OWNER else ()),
            event(**call, recipientAccountId=account),
            event(key="other.csv", minute=9, recipientAccountId=account)
            if account == OWNER
            else event(bucket="theirs", recipientAccountId=account),
        )
        for account in (OWNER, FOREIGN)
    }
    found = cloudtrail.EVIDENCE.collect(
        {"uri": "folder"}, opener(files), [Store("s3://pay", "s3")], (START, END), str
    )["s3://pay"]
    counts = {reads.principal: reads.reads for reads in found.reads}
    assert sorted(counts.values()) == [1, 1]
    (foreign,) = [each for each in found.reads if each.flags]
    assert [flag.rule for flag in foreign.flags] == ["foreign-account"]
    assert f"account {FOREIGN}, not the bucket's own" in foreign.flags[0].sentence


def of_several(
    *own: object, region: str = "", theirs: tuple[str, str] = (FOREIGN, "eu-west-1")
) -> tuple[Coverage, str]:
    """The owner's records in eu-west-1, in files of their own, beside those of ``theirs``, which
    has one in every hour."""
    files = {
        f"{account}_CloudTrail_{where}_20260226T0005Z_{'a' * 16}.json.gz": delivered(*records)
        for (account, where), records in {
            (OWNER, "eu-west-1"): own,
            theirs: [management(minute=60 * hour + 40) for hour in range(6)],
        }.items()
    }
    found = cloudtrail.EVIDENCE.collect(
        {"uri": "folder", "selectors": "_s"},
        opener({**files, "_s": json.dumps(EVERYTHING).encode()}),
        [Store("s3://pay", "s3", options={"region": region} if region else {})],
        (START, END),
        str,
    )["s3://pay"]
    return found.evidence.coverage, found.evidence.detail


def test_files_of_others_do_not_fill_the_hours_of_a_store() -> None:
    """Before, an organisation's trail was complete while all files of one account were missing."""
    put = event("PutObject")
    coverage, said = of_several(*heartbeat(), put)
    assert coverage is Coverage.COMPLETE, said
    for theirs in ((FOREIGN, "eu-west-1"), (OWNER, "us-east-1")):
        coverage, said = of_several(*heartbeat()[:2], put, theirs=theirs)
        assert coverage is Coverage.PARTIAL
        assert f"no record of account {OWNER} in eu-west-1 in 3 hours of the window" in said
    # that it was not touched leaves open whose it is
    coverage, said = of_several(*heartbeat(), event(bucket="other"))
    assert coverage is Coverage.PARTIAL
    assert "which of them the store is of is not known" in said
    beside = (OWNER, "us-east-1")
    coverage, said = of_several(*heartbeat(), region="eu-west-1", theirs=beside)
    assert coverage is Coverage.COMPLETE, said
    coverage, said = of_several(*heartbeat(), region="eu-west-1")
    assert coverage is Coverage.PARTIAL
    # all its own files of the window are missing
    coverage, said = of_several(event("PutObject", minute=-3_000), region="eu-west-1")
    assert coverage is Coverage.PARTIAL
    assert f"no record of account {OWNER} in eu-west-1 in 5 hours of the window" in said


def test_events_of_tomorrow_are_none_of_the_window() -> None:
    """A clock that runs ahead: said to lie outside, and no complete record of nothing."""
    tomorrow = [event(minute=60 * 30 + n) for n in range(5)]
    result = collect(delivered(*tomorrow), selectors=EVERYTHING)["s3://pay"]
    assert result.reads == () and result.evidence.coverage is Coverage.NONE
    assert "5 records from 2026-03-02" in result.evidence.detail
    assert Access(evidence=(result.evidence,)).answer == "cannot-tell"


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_two_hosts_whose_clocks_differ(form: object) -> None:
    """The log of one is seven minutes behind: the times are those it told, each read counts once
    also when both logs come again in another order."""
    ahead = [audit(n + 1, pid=1, minute=10 + n) for n in range(20)]
    behind = [audit(n + 1, pid=2, minute=3 + n, user="bob") for n in range(20)]
    assert callable(form)
    files = [form(*ahead), form(*behind)]
    for given in (files, files[::-1], [*files, *files]):
        reads = {each.principal: each for each in of_postgres(*given).reads}
        assert {name: each.reads for name, each in reads.items()} == {"alice": 20, "bob": 20}
        assert reads["bob"].first == START + timedelta(minutes=3)
        assert reads["alice"].last == START + timedelta(minutes=29)


def test_the_hour_that_comes_twice_loses_no_read() -> None:
    """On 25 October 2026 it is half past two twice in Berlin, and the log does not tell which."""
    zone = ZoneInfo("Europe/Berlin")
    begin = datetime(2026, 10, 25, tzinfo=zone)
    lines = []
    for half_hour in range(10):
        local = (begin.timestamp() + 1800 * half_hour) - START.timestamp()
        told = datetime.fromtimestamp(begin.timestamp() + 1800 * half_hour, zone)
        line = maria.statement("cards", minute=local / 60, connection=half_hour)
        stamp = (START + timedelta(seconds=local)).strftime("%Y%m%d %H:%M:%S")
        lines.append(line.replace(stamp, told.strftime("%Y%m%d %H:%M:%S")))
    (found,) = server_audit.EVIDENCE.collect(
        {"uri": "folder", "zone": "Europe/Berlin"},
        opener({"log": "\n".join(lines).encode()}),
        [Store("mysql://db/shop", "mysql")],
        (begin, begin + timedelta(hours=12)),
        str,
    ).values()
    (reads,) = found.reads
    assert reads.reads == 10 and found.evidence.unparsed == 0
