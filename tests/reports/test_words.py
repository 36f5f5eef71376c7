"""How numbers, sizes, times and places are said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from detectors import all_detectors
from reports import requirements, words
from scanner.errors import Reason
from scanner.model import Coverage, Location, Status, Tri, Verdict


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "unknown"),
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1,023 bytes"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (102_400, "100 KiB"),
        (1024**2 - 1, "1.0 MiB"),
        (5 * 1024**4, "5.0 TiB"),
        (2**70, "1,024 EiB"),
    ],
)
def test_size(value: int | None, said: str) -> None:
    assert words.size(value) == said


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [
        (0, 0, "–"),
        (0, 9, "0 %"),
        (9, 9, "100 %"),
        (999_999, 1_000_000, "over 99.9 %"),
        (1, 1_000_000, "under 0.1 %"),
        (995, 1000, "99.5 %"),
        (1, 3, "33 %"),
    ],
)
def test_a_share_is_never_rounded_to_all_or_none(part: int, whole: int, said: str) -> None:
    assert words.share(part, whole) == said


def test_times_are_utc() -> None:
    when = datetime(2026, 3, 2, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert words.moment(when) == "2026-03-01 23:30 UTC"
    assert words.day(when) == "2026-03-01"
    assert words.moment(datetime(2026, 3, 2, 1, 30)) == "2026-03-02 01:30 UTC"
    assert words.moment(None) == "unknown"


def test_durations() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert words.duration(start, None) == "not finished"
    assert words.duration(start, start + timedelta(seconds=59)) == "59 s"
    assert words.duration(start, start + timedelta(seconds=61)) == "1 min 1 s"
    assert words.duration(start, start + timedelta(hours=25)) == "25 h 0 min"


@pytest.mark.parametrize(
    ("place", "said", "path"),
    [
        (None, "", "a"),
        (Location(), "", "a"),
        (Location(line=3), "line 3", "a:3"),
        (Location(line=3, column=7, offset=50), "line 3, column 7", "a:3:7"),
        (Location(offset=50), "byte 50", "a at byte 50"),
        (Location(offset=50, member="m"), "member m, byte 50", "a!m at byte 50"),
        (Location(row=2, field="f", offset=5), "row 2, field f", "a (row 2, field f)"),
        (Location(page=2, line=1), "page 2, line 1", "a:1 (page 2)"),
        (Location(sheet="s", row=4), "sheet s, row 4", "a (sheet s, row 4)"),
    ],
)
def test_places(place: Location | None, said: str, path: str) -> None:
    assert words.place(place) == said
    assert words.path_place("a", place) == path


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_words_and_a_remedy(reason: Reason) -> None:
    assert words.reason(reason) != reason.replace("-", " ").capitalize()
    assert words.remedy(reason)


def test_unknown_codes_are_said_as_they_are() -> None:
    assert words.reason("gone-fishing") == "Gone fishing"
    assert words.reason(None) == "No reason was recorded"
    assert words.remedy("gone-fishing") == ""
    assert words.entity("US_DRIVER_LICENSE") == "US driver license"
    assert words.entity("SECRET_AWS_KEY") == "Secret: AWS key"
    assert words.control("tape-backup") == "Tape backup"


_PLAIN = {
    *(
        "access",
        "address",
        "age",
        "auth",
        "bank",
        "basic",
        "birth",
        "block",
        "card",
        "claim",
        "client",
    ),
    *("code", "date", "driver", "driving", "fiscal", "health", "identity", "income"),
    *("insurance", "key", "keyword", "license", "licence", "medical", "member", "national"),
    *("npm", "number", "of", "passport", "personal", "personnummer", "prescription", "private"),
    *("register", "routing", "secret", "security", "social", "storage", "tax", "token"),
    *("traffic", "webhook"),
}
"""words of names of entities that are written as they are"""


def test_every_entity_is_written_as_people_write_it() -> None:
    """A new one needs a decision: its words are plain, or ``words`` knows how to write them."""
    every = {entity for detector in all_detectors() for entity in detector.entities}
    assert len(every) > 100
    for name in every:
        said = words.entity(name)
        assert "_" not in said and said[:1].isupper(), name
        unwritten = {word for word in said.removeprefix("Secret: ").split() if word.islower()}
        if said.lower().removeprefix("secret: ") == name.lower().replace("_", " "):
            assert unwritten <= _PLAIN, name
    for name, said in {
        "ABA_ROUTING_NUMBER": "ABA routing number",
        "IBAN_CODE": "IBAN",
        "DE_TAX_ID": "DE tax ID",
        "KR_RRN": "KR RRN",
        "US_NPI": "US NPI",
        "SECRET_GITHUB_TOKEN": "Secret: GitHub token",
        "SECRET_AZURE_SAS": "Secret: Azure SAS",
        "SECRET_AGE_KEY": "Secret: age key",
    }.items():
        assert name in every and words.entity(name) == said


def test_every_state_of_the_model_has_a_word() -> None:
    assert set(words.VERDICTS) == set(Verdict)
    assert set(words.STATUSES) == set(Status)
    assert set(words.TRI) == set(Tri)
    assert set(words.COVERAGE) == set(Coverage)


def test_requirements_are_in_the_order_of_the_standard() -> None:
    numbers = sorted(requirements.TEXT, key=requirements.order)
    assert numbers[:2] == ["3.2.1", "3.3.1"]
    assert numbers.index("3.5.1.2") < numbers.index("10.2.1.1") < numbers.index("A3.2.5")
