# ruff: noqa: S608 - the statements are made of names and numbers of ours only
"""Reads of one store as the fact store knows them, from all sources together: by day, by object.

What two sources saw may be one read: of each number the largest that one source tells stands
(see ``scanner.joining``). A day is compared with the others by its sum over principals.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from scanner.batch import READS, TOUCHES
from scanner.facts import Facts, put
from scanner.factview import EPOCH
from scanner.model import Access, Coverage, DayReads, ObjectReads
from scanner.phrases import coverage, utc

_READS = ", ".join(str(int(verb)) for verb in READS)
_TOUCHES = ", ".join(str(int(verb)) for verb in TOUCHES)
OBJECTS = 200
"""of a store that a run keeps with their reads"""


@dataclass(frozen=True, slots=True)
class ReaderOf:
    """One principal and one object. Numbers that no source tells are None."""

    store: str
    object: str
    principal: str
    reads: int
    bytes: int | None
    rows: int | None
    first: datetime
    last: datetime


def summary(facts: Facts, uri: str, access: Access, cards: Iterable[int]) -> Access:
    """``access`` with its reads by day and those of the objects that hold cards."""
    if access.window_start is None or access.window_end is None:
        return access
    window = (utc(access.window_start), utc(access.window_end))
    put(facts.db, "card_objects", {"object": _numbers(cards)})
    return replace(
        access,
        days=tuple(_days(facts, uri, access, window)),
        objects=tuple(_objects(facts, uri, window)),
    )


def _days(
    facts: Facts, uri: str, access: Access, window: tuple[datetime, datetime]
) -> Iterator[DayReads]:
    """A day without a read is 0 under complete coverage only, else it is not known."""
    rows = facts.db.execute(
        f"""WITH one AS (
          SELECT source, hour // 24 AS day, sum(count) FILTER (verb IN ({_READS})) AS reads,
            sum(count) FILTER (verb IN ({_TOUCHES})
              AND object IN (SELECT object FROM card_objects)) AS cards
          FROM all_fact WHERE store = (SELECT id FROM store WHERE uri = ?) AND {_inside(window)}
          GROUP BY ALL)
        SELECT day, max(reads)::BIGINT, max(coalesce(cards, 0))::BIGINT FROM one GROUP BY day""",
        [uri],
    ).fetchall()
    seen = {day + EPOCH: (reads or 0, min(cards, reads or 0)) for day, reads, cards in rows}
    whole = coverage(access) is Coverage.COMPLETE
    day, last = window[0].date(), window[1].date()
    while day <= last:
        reads, cards = seen.get(day.toordinal(), (0, 0))
        known = reads or whole
        yield DayReads(day, reads if known else None, cards if known else None, whole)
        day += timedelta(days=1)


def _objects(facts: Facts, uri: str, window: tuple[datetime, datetime]) -> Iterator[ObjectReads]:
    where = "object IN (SELECT object FROM card_objects)"
    rows = facts.db.execute(
        f"""WITH {_by_reader(where, window)}
        SELECT object, count(*), sum(reads)::BIGINT, sum(bytes)::BIGINT, sum(rows)::BIGINT,
          min(first), max(last)
        FROM by_reader WHERE uri = ? GROUP BY object
        ORDER BY sum(reads) DESC, object LIMIT {OBJECTS}""",
        [uri],
    ).fetchall()
    for name, people, reads, sent, told, first, last in rows:
        yield ObjectReads(name, people, reads, sent, told, _moment(first), _moment(last))


def readers_of(
    facts: Facts,
    part: str,
    *,
    uri: str | None = None,
    principal: str | None = None,
    window: tuple[datetime, datetime],
    limit: int = 1_000,
) -> list[ReaderOf]:
    """Who read the objects with ``part`` in their sealed names, capitals or not; most reads first,
    and the object that was read most before the others."""
    put(facts.db, "meant", {"part": _texts([part])})
    where = "object IN (SELECT id FROM all_object, meant WHERE contains(lower(name), lower(part)))"
    rows = facts.db.execute(
        f"""WITH {_by_reader(where, window)}
        SELECT uri, object, principal, reads, bytes, rows, first, last FROM by_reader
        WHERE (? IS NULL OR uri = ?) AND (? IS NULL OR contains(lower(principal), lower(?)))
        ORDER BY sum(reads) OVER (PARTITION BY uri, object) DESC, uri, object, reads DESC, principal
        LIMIT {limit}""",
        [uri, uri, principal, principal],
    ).fetchall()
    return [
        ReaderOf(store, name, who, reads, sent, told, _moment(first), _moment(last))
        for store, name, who, reads, sent, told, first, last in rows
    ]


def _by_reader(where: str, window: tuple[datetime, datetime]) -> str:
    """A common table: store, object and principal with the largest numbers that a source tells."""
    return f"""one AS (
      SELECT source, store, who.principal, fact.object, sum(count) AS reads,
        CASE WHEN sum(told) > 0 THEN sum(sent) END AS bytes,
        CASE WHEN sum(told_rows) > 0 THEN sum(rows) END AS rows,
        min(hour * 3600::BIGINT + first) AS first, max(hour * 3600::BIGINT + last) AS last
      FROM all_fact AS fact JOIN who ON fact.who = who.id
      WHERE verb IN ({_TOUCHES}) AND {where} AND {_inside(window)}
      GROUP BY ALL),
    by_reader AS (
      SELECT uri, all_object.name AS object, principal, max(reads)::BIGINT AS reads,
        max(bytes)::BIGINT AS bytes, max(rows)::BIGINT AS rows, min(first) AS first,
        max(last) AS last
      FROM one JOIN all_object ON one.object = all_object.id JOIN store ON one.store = store.id
      GROUP BY ALL)"""


def _inside(window: tuple[datetime, datetime]) -> str:
    start, end = (int(moment.timestamp()) for moment in window)
    return (
        f"hour BETWEEN {start // 3600} AND {end // 3600}"
        f" AND hour * 3600::BIGINT + last >= {start} AND hour * 3600::BIGINT + first <= {end}"
    )


def _numbers(values: Iterable[int]) -> Any:
    import numpy as np

    return np.fromiter(values, "u8")


def _texts(values: list[str]) -> Any:
    import numpy as np

    return np.array(values, object)


def _moment(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
