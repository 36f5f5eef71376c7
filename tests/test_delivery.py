"""Delivery of access logs that was switched between two scans is a gap with its times."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from scanner.delivery import audit
from scanner.model import Fact, Tri
from tests import s3_server
from tests.access.trails import START
from tests.conftest import Cardtrail, Planted

ON = Fact("access-logging", Tri.YES, "logs go to s3://log/a/")
MOVED = Fact("access-logging", Tri.YES, "logs go to s3://log/b/")
OFF = Fact("access-logging", Tri.NO, "logging is off")
WHO_KNOWS = Fact("access-logging", Tri.UNKNOWN, "logging is not known (AccessDenied)")


@pytest.mark.parametrize(
    ("seen", "blind", "kept"),
    [
        ([(1, ON)], [], [ON.detail]),
        ([(-3, ON), (1, ON), (2, ON)], [], [ON.detail]),
        ([(1, OFF)], ["logging is off (asked 2026-03-02 00:00 UTC)"], []),
        (
            [(1, ON), (2, OFF), (3, ON)],
            [
                "at 2026-03-02 00:00 UTC logs go to s3://log/a/, at 2026-03-03 00:00 UTC logging is"
                " off",
                "at 2026-03-03 00:00 UTC logging is off, at 2026-03-04 00:00 UTC logs go",
            ],
            [ON.detail],
        ),
        # what was not told in between changed nothing that is known
        ([(1, ON), (2, WHO_KNOWS), (3, ON)], [], [ON.detail]),
        ([(1, OFF), (2, WHO_KNOWS), (3, ON)], ["at 2026-03-02 00:00 UTC logging is off"], ["l"]),
        ([(1, ON), (2, WHO_KNOWS)], [], [WHO_KNOWS.detail]),
        ([(1, ON), (2, MOVED)], ["logs go to s3://log/a/, at"], [MOVED.detail]),
        # of what was before the window only how it was last
        ([(-3, ON), (-2, OFF), (-1, ON), (1, ON)], [], [ON.detail]),
        ([(-3, ON), (-2, OFF), (1, ON)], ["at 2026-02-27 00:00 UTC logging is off"], ["l"]),
        (
            [(n, (ON, OFF)[n % 2]) for n in range(9)],
            ["at"] * 5 + ["and 3 more changes of it"],
            ["l"],
        ),
    ],
)
def test_changes(seen: list[tuple[int, Fact]], blind: list[str], kept: list[str]) -> None:
    found = audit([(START + timedelta(days=day), fact) for day, fact in seen], START)
    assert found.since is None
    for said, wanted in ((found.blind, blind), (found.kept, kept)):
        assert len(said) == len(wanted), said
        assert all(each in words for each, words in zip(wanted, said, strict=True)), said


def test_two_scans_of_a_bucket_whose_logging_was_switched_on(
    cardtrail: Cardtrail, planted: Planted
) -> None:
    """Two scans, three seconds."""
    s3 = s3_server.bucket("switched", {"cards.csv": f"card_number\n{planted.pan()}\n".encode()})
    s3_server.bucket("switched-logs")
    s3.put_bucket_acl(
        Bucket="switched-logs",
        ACL="log-delivery-write",
    )
    (cardtrail.cwd / "cardtrail.toml").write_text(
        '[[store]]\nuri = "s3://switched"\n'
        '[[evidence]]\nkind = "s3-access-logs"\nuri = "s3://switched-logs/a/"\n'
    )
    aws = s3_server.variables()

    def told() -> Any:
        assert cardtrail("scan", "-q", env=aws).code == 1
        (store,) = json.loads(cardtrail("access", "--json", env=aws).out)["stores"]
        (found,) = store["evidence"]
        return found["detail"]

    assert "server access logging is off" in told()
    logging: Any = {"TargetBucket": "switched-logs", "TargetPrefix": "a/"}
    s3.put_bucket_logging(Bucket="switched", BucketLoggingStatus={"LoggingEnabled": logging})
    second = told()
    assert "server access logging is off" in second and "may be in no log" in second
    assert "server access logs go to s3://switched-logs/a/" in second
