"""Times of logs are read a minute at a time: they mean what each of them read alone would mean."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scanner.access import mysql_records, postgres_entries
from scanner.access.moments import Moments
from scanner.access.s3_access_lines import record

SET_BACK = datetime(2026, 10, 25, 0, 58, tzinfo=UTC)
"""two minutes before clocks in Berlin go from three to two"""
MOMENTS = [SET_BACK + timedelta(seconds=17 * step) for step in range(-240, 240)]
BERLIN = ZoneInfo("Europe/Berlin")


def test_of_postgresql_with_the_name_of_the_zone() -> None:
    clock = postgres_entries.Clock(BERLIN)
    for when in [*MOMENTS, *reversed(MOMENTS)]:
        local = when.astimezone(BERLIN)
        assert clock.moment(f"{local:%Y-%m-%d %H:%M:%S}.250 {local.tzname()}") == when + timedelta(
            milliseconds=250
        )
    assert clock.moment("2026-10-25 10:00:00 XYZ") is None
    assert clock.moment("1792919880.5") == datetime.fromtimestamp(1792919880.5, UTC)


def test_of_mysql_in_both_spellings() -> None:
    """In the hour that comes twice, the first is meant."""
    clock = mysql_records.Clock(BERLIN)
    for when in [*MOMENTS, *reversed(MOMENTS)]:
        local = when.astimezone(BERLIN)
        told = local.replace(fold=0).astimezone(UTC)
        assert clock.moment(f"{local:%y%m%d} {local.hour:2}:{local:%M:%S}") == told
        assert clock.moment(f"{local:%Y-%m-%d %H:%M:%S}.000000") == told
        assert clock.moment(local.isoformat()) == when


@pytest.mark.parametrize(
    "text", ["261025  2:61:00", "261325  2:01:00", "261025  2:01", "", "261025 +2:1:1"]
)
def test_none_of_mysql(text: str) -> None:
    assert mysql_records.Clock(BERLIN).moment(text) is None


def test_of_s3_whatever_the_zone() -> None:
    for away in (-570, 0, 345):
        for when in MOMENTS[::40]:
            local = when + timedelta(minutes=away)
            zone = f"{'-' if away < 0 else '+'}{abs(away) // 60:02}{abs(away) % 60:02}"
            stamp = f"{local:%d/%b/%Y:%H:%M:%S} {zone}"
            line = f'o b [{stamp}] - - R REST.GET.OBJECT k - 200 - 1 - - - "-"'
            found = record(line.encode())
            assert found is not None and found.when == when


_FORMS = (
    *("%d/%b/%Y:%H:%M:%S %z", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S%z", "%S.%M,%H %d %b %y"),
    *("%b%d%Y%H%M%S", "%z%S %d/%m/%Y %H:%M", "%Y-%m-%d %I:%M:%S %p", "%d %b %Y %H:%M %S%S", "%%"),
)


@given(st.sampled_from(_FORMS), st.lists(st.datetimes(), min_size=1), st.sampled_from("0 :59"))
@example("%Y-%m-%dT%H:%M:%S%z", [datetime(1, 1, 1)], "5")
def test_of_a_described_form(form: str, moments: list[datetime], odd: str) -> None:
    """One that remembers minutes against one that has none to remember; some digits are others."""
    known = Moments(form, BERLIN)
    for when in moments:
        text = when.replace(tzinfo=BERLIN).strftime(form)
        for each in (text, text.replace(odd, "7"), f"{text}{odd}", text[1:], text[:-1]):
            try:
                alone = datetime.strptime(each, form)
                alone = alone if alone.tzinfo else alone.replace(tzinfo=BERLIN)
                wanted = alone.astimezone(UTC)
            except (ValueError, OverflowError, re.error):
                wanted = None
            assert known.moment(each) == wanted
