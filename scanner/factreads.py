# ruff: noqa: S608 - the statements are made of names and numbers of ours only
"""Reads of one store as the fact store knows them, from all sources together: by day, by object.

What two sources saw may be one read: of each number the largest that one source tells stands
(see ``scanner.joining``). A day is compared with the others by its sum over principals.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from detectors.records import dataclass
from scanner.batch import READS, TOUCHES
from scanner.factfile import put
from scanner.facts import Facts
from scanner.factview import EPOCH, keep_cards
from scanner.factwindow import facts as facts_of
from scanner.factwindow import sums
from scanner.known import NAMES_NO_BASE, Known
from scanner.model import Access, Coverage, DayReads, ObjectReads
from scanner.phrases import coverage, utc

_READS = ", ".join(str(int(verb)) for verb in READS)
_TOUCHES = ", ".join(str(int(verb)) for verb in TOUCHES)
_KINDS = ", ".join(f"'{kind}'" for kind in sorted(NAMES_NO_BASE))
_NAME_NO_BASE = f"SELECT id FROM source WHERE kind IN ({_KINDS})"
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


def summary(facts: Facts, uri: str, access: Access, known: Known) -> Access:
    """``access`` with its reads by day and those of the objects that hold cards."""
    if access.window_start is None or access.window_end is None:
        return access
    window = (utc(access.window_start), utc(access.window_end))
    keep_cards(facts.db, (known.cards or frozenset()) | known.parents, known.views)
    return replace(
        access,
        days=tuple(_days(facts, uri, access, window, views=bool(known.views))),
        objects=tuple(_objects(facts, uri, window)),
    )


def _days(
    facts: Facts, uri: str, access: Access, window: tuple[datetime, datetime], *, views: bool
) -> Iterator[DayReads]:
    """A day without a read is 0 under complete coverage only, else it is not known."""
    where = "store = (SELECT id FROM store WHERE uri = $1)"
    of_cards = "object IN (SELECT id FROM card_objects WHERE NOT view)"
    if views:
        by_view = "object IN (SELECT id FROM card_objects WHERE view)"
        of_cards = f"({of_cards} OR ({by_view} AND source IN ({_NAME_NO_BASE})))"
    held = f"{where} AND verb IN ({_TOUCHES}) AND {of_cards}"
    start, end = _seconds(window)
    rows = facts.db.execute(
        f"""WITH told AS (
          SELECT source, hour // 24 AS day, sum(count) AS reads
          FROM {sums(f"{where} AND verb IN ({_READS})", start, end)} GROUP BY ALL),
        held AS (
          SELECT source, hour // 24 AS day, sum(count) AS cards
          FROM {facts_of("source, hour, count", held, start, end)} GROUP BY ALL)
        SELECT day, max(reads)::BIGINT, max(coalesce(cards, 0))::BIGINT
        FROM told FULL JOIN held USING (source, day) GROUP BY day""",
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
    where = "object IN (SELECT id FROM card_objects)"
    rows = facts.db.execute(
        f"""WITH {_by_reader(where, window)}
        SELECT name, count(*), sum(reads)::BIGINT, sum(bytes)::BIGINT, sum(rows)::BIGINT,
          min(first), max(last)
        FROM by_reader JOIN all_object ON object = id
        WHERE store = (SELECT id FROM store WHERE uri = ?) GROUP BY name
        ORDER BY sum(reads) DESC, name LIMIT {OBJECTS}""",
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
    asked = {"part": part, "uri": uri or "", "principal": principal or ""}
    put(facts.db, "meant", {name: _texts([text]) for name, text in asked.items()})
    where = "object IN (SELECT id FROM all_object, meant WHERE contains(lower(name), lower(part)))"
    if uri:
        where += " AND store IN (SELECT id FROM store JOIN meant USING (uri))"
    if principal:
        like = "contains(lower(who.principal), lower(meant.principal))"
        where += f" AND who IN (SELECT id FROM who, meant WHERE {like})"
    rows = facts.db.execute(
        f"""WITH {_by_reader(where, window)}
        SELECT uri, name, principal, reads, bytes, rows, first, last
        FROM (SELECT *, sum(reads) OVER (PARTITION BY store, object) AS all_reads FROM by_reader)
          JOIN all_object ON object = all_object.id JOIN store ON store = store.id
          JOIN who ON person = who.id
        ORDER BY all_reads DESC, uri, name, reads DESC, principal LIMIT {limit}"""
    ).fetchall()
    return [
        ReaderOf(store, name, who, reads, sent, told, _moment(first), _moment(last))
        for store, name, who, reads, sent, told, first, last in rows
    ]


def _by_reader(where: str, window: tuple[datetime, datetime]) -> str:
    """A common table: the numbers of store, object and person (the first of a principal's, whose
    sessions have one each) with the largest sums that a source tells."""
    read = facts_of("*", f"verb IN ({_TOUCHES}) AND {where}", *_seconds(window))
    return f"""people AS (
      SELECT id, min(id) OVER (PARTITION BY principal) AS person FROM who),
    one AS (
      SELECT source, store, person, object, sum(count) AS reads,
        CASE WHEN sum(told) > 0 THEN sum(sent) END AS bytes,
        CASE WHEN sum(told_rows) > 0 THEN sum(rows) END AS rows,
        min(hour * 3600::BIGINT + first) AS first, max(hour * 3600::BIGINT + last) AS last
      FROM {read} JOIN people ON who = people.id
      GROUP BY ALL),
    by_reader AS (
      SELECT store, object, person, max(reads)::BIGINT AS reads, max(bytes)::BIGINT AS bytes,
        max(rows)::BIGINT AS rows, min(first) AS first, max(last) AS last
      FROM one GROUP BY ALL)"""


def _seconds(window: tuple[datetime, datetime]) -> tuple[int, int]:
    start, end = window
    return int(start.timestamp()), int(end.timestamp())


def _texts(values: list[str]) -> Any:
    import numpy as np

    return np.array(values, object)


def _moment(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
