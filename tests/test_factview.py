"""Sums of windows and days out of the fact store are those of the rows that were added, whichever
of its tables they come from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner import factwindow
from scanner.batch import COLUMNS, READS, TOUCHES, Batch, FileFacts, Verb, Who
from scanner.facts import Facts
from scanner.factview import EPOCH, View

STORE = "s3://pay"
FIRST = 1_772_323_200  # 2026-03-01
HOURS = 60


class Row(NamedTuple):
    who: int
    object: int
    second: int
    verb: Verb
    sent: int


MOMENTS = st.integers(0, HOURS * 3600 - 1)
ROWS = st.lists(
    st.builds(
        Row,
        st.integers(0, 4),
        st.integers(0, 6),
        MOMENTS,
        st.sampled_from([*READS, Verb.ALSO, Verb.DENIED, Verb.LIST]),
        st.integers(-1, 5),
    ),
    max_size=60,
)


def batch(rows: Sequence[Row], first: int) -> Batch:
    columns = {
        "store": [0] * len(rows),
        "verb": [row.verb for row in rows],
        "who": [row.who for row in rows],
        "object": [row.object for row in rows],
        "hour": [(FIRST + row.second) // 3600 for row in rows],
        "second": [row.second % 3600 for row in rows],
        "event": range(first, first + len(rows)),
        "sent": [row.sent for row in rows],
        "rows": [-1] * len(rows),
    }
    return Batch(
        *("source", "test", [STORE]),
        [FileFacts(f"file {first}", None)],
        [Who("arn:role/app", f"session {n}") for n in range(5)],
        {number: f"object {number}" for number in range(1, 7)},
        {name: np.array(columns[name], kind) for name, kind in COLUMNS.items()},
    )


@given(first=ROWS, second=ROWS, ends=st.tuples(MOMENTS, MOMENTS), cards=st.sets(st.integers(1, 6)))
def test_sums_are_those_of_the_rows(
    first: list[Row], second: list[Row], ends: tuple[int, int], cards: set[int]
) -> None:
    start, end = sorted(ends)
    entries = {1: 0, 2: 0, 3: 1, 4: 1, 5: 2}  # sessions that are listed as one
    window = tuple(datetime.fromtimestamp(FIRST + each, UTC) for each in (start, end))
    with pytest.MonkeyPatch.context() as patch, closing(Facts(None)) as facts:
        patch.setattr(factwindow, "AT_ONCE", 3)
        facts.add(batch(first, 1))
        facts.add(batch(second, 1_001))
        numbers = dict(
            facts.db.execute("SELECT right(session, 1)::INTEGER, id FROM who").fetchall()
        )
        view = View(facts, "source", (window[0], window[1]))
        totals = view.totals(STORE, entries, cards)
        days = view.days(STORE, entries, FIRST // 86_400 + EPOCH)
        nameless = view.nameless(STORE)
    rows = [row._replace(who=entries[numbers[row.who]]) for row in (*first, *second)]
    # facts are sums of an hour: one that reaches into the window counts whole
    sums = defaultdict[tuple[int, int, int, int, int], list[Row]](list)
    for source, some in enumerate((first, second)):
        for row in some:
            key = (source, numbers[row.who], row.object, row.second // 3600, row.verb)
            sums[key].append(row._replace(who=entries[numbers[row.who]]))
    seen = [
        row
        for some in sums.values()
        if max(r.second for r in some) >= start and min(r.second for r in some) <= end
        for row in some
    ]
    read = [row for row in seen if row.verb in READS]
    assert nameless == sum(row.object == 0 for row in read)
    assert set(totals) == {row.who for row in seen if row.verb is not Verb.LIST}
    for entry, found in totals.items():
        mine = [row for row in seen if row.who == entry and row.verb is not Verb.LIST]
        touched = [row for row in mine if row.verb in TOUCHES and row.object]
        reads = [row for row in mine if row.verb in READS]
        assert found.reads == len(reads)
        assert found.bytes == sum(max(row.sent, 0) for row in reads)
        assert found.denied == sum(row.verb is Verb.DENIED for row in mine)
        assert found.objects == len({row.object for row in touched})
        assert found.card_reads == sum(row.object in cards for row in touched)
        assert found.first.timestamp() - FIRST == min(row.second for row in mine)
        assert found.last.timestamp() - FIRST == max(row.second for row in mine)
    upto = [row for row in rows if row.second // 3600 <= end // 3600]
    assert {(actor, day) for actor, some in days.items() for day in some} == {
        (row.who, (FIRST + row.second) // 86_400 + EPOCH) for row in upto
    }
    for actor, told in days.items():
        for number, day in told.items():
            mine = [
                row
                for row in upto
                if row.who == actor and (FIRST + row.second) // 86_400 + EPOCH == number
            ]
            hours = [row.second // 3600 % 24 for row in mine if row.verb in READS]
            assert day.hours == {hour: hours.count(hour) for hour in hours}
            assert day.reads == len(hours)
            touched = [row for row in mine if row.verb in TOUCHES and row.object]
            assert day.objects == len({row.object for row in touched})
