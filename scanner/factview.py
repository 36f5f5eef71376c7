# ruff: noqa: S608 - the statements are made of names and numbers of ours only
"""What the fact store says of one source of evidence in a window: the record, and the readers.

Times are UTC; an hour counts as in the window as far as what it saw lies there. Nothing in here
is a raw value.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from detectors.records import dataclass
from scanner.batch import READS, TOUCHES, Verb, Who
from scanner.days import Day
from scanner.factfile import put
from scanner.factrecord import Record
from scanner.factwindow import different, facts, sums

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_READS = ", ".join(str(int(verb)) for verb in READS)
_TOUCHES = ", ".join(str(int(verb)) for verb in TOUCHES)
_DENIED, _LIST = int(Verb.DENIED), int(Verb.LIST)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC).toordinal()


@dataclass(frozen=True, slots=True)
class Totals:
    """One entry of the answer in one store and window. ``told_bytes`` and ``told_rows`` are the
    reads that came with a number, ``nameless`` those without an object, ``asked`` what may have
    been reads."""

    reads: int
    bytes: int
    told_bytes: int
    rows: int
    told_rows: int
    card_reads: int
    denied: int
    asked: int
    objects: int
    nameless: int
    first: datetime
    last: datetime


@dataclass(slots=True)
class _Sums:
    """``Totals`` under way."""

    reads: list[int] = field(default_factory=lambda: [0] * 6)
    """count, bytes, told, rows, told rows, nameless"""
    denied: int = 0
    asked: int = 0
    first: int = 1 << 62
    last: int = -(1 << 62)

    def add(self, verb: Verb, numbers: Sequence[int]) -> None:
        """``numbers``: those of ``reads``, then the first and last second."""
        if verb in READS:
            self.reads = [one + other for one, other in zip(self.reads, numbers[:6], strict=True)]
        self.denied += numbers[0] if verb is Verb.DENIED else 0
        self.asked += numbers[0] if verb is Verb.ASKED else 0
        self.first, self.last = min(self.first, numbers[6]), max(self.last, numbers[7])

    def totals(self, objects: int, cards: int) -> Totals:
        count, sent, told, rows, told_rows, nameless = self.reads
        first, last = (datetime.fromtimestamp(each, UTC) for each in (self.first, self.last))
        return Totals(
            *(count, sent, told, rows, told_rows, cards, self.denied, self.asked),
            *(objects, nameless, first, last),
        )


def _moment(second: int | None) -> datetime | None:
    return None if second is None else datetime.fromtimestamp(second, UTC)


def _pairs(name: str, of: Mapping[int, int]) -> Mapping[str, Any]:
    """As columns: principals, and what they belong to under ``name``."""
    import numpy as np

    return {"who": np.fromiter(of, "u4"), name: np.fromiter(of.values(), "u4")}


def keep_cards(db: DuckDBPyConnection, cards: Collection[int], views: Collection[int] = ()) -> None:
    """Makes the table ``card_objects`` of those of the objects that facts are of; ``views`` of what
    holds cards stand apart in it."""
    import numpy as np

    numbers = np.fromiter((*cards, *views), "u8")
    put(db, "cards", {"number": numbers, "view": np.arange(len(numbers)) >= len(cards)})
    db.execute(
        "CREATE OR REPLACE TEMP TABLE card_objects AS"
        " SELECT id, view FROM all_object JOIN cards USING (number)"
    )


class View(Record):
    """What a window holds, see ``Record``."""

    # --- the readers

    def since(self, start: datetime | None = None) -> datetime | None:
        """The first moment anything is known of, from ``start`` on."""
        least = -(1 << 40) if start is None else int(start.timestamp())
        firsts = [
            max(mark[2], least)
            for marks in self._marks.values()
            for mark in marks
            if mark[3] >= least
        ]
        for statement in (
            f"SELECT min(first) FROM all_day WHERE source = ? AND first >= {least}",
            "SELECT min(hour)::BIGINT * 3600 FROM all_hourly WHERE source = ?"
            f" AND hour >= {least // 3600}",
        ):
            found = self._db.execute(statement, [self._source]).fetchall()
            firsts += [first for (first,) in found if first is not None]
        return _moment(min(firsts, default=None))

    def ranked(self, store: str) -> list[tuple[int, Who]]:
        """Who did anything in the window but list, by number, most reads first."""
        rows = self._db.execute(
            f"""SELECT who.id, principal, session, anonymous, foreign_account
            FROM {self._acts(store)} AS act JOIN who ON act.who = who.id
            GROUP BY ALL
            ORDER BY sum(count) FILTER (verb IN ({_READS})) DESC NULLS LAST, principal, session"""
        ).fetchall()
        return [(number, Who(p, s, bool(a), f)) for number, p, s, a, f in rows]

    def _acts(self, store: str) -> str:
        """All but listings of the window as a table, facts and what became days of them."""
        where = f"{self._of(store)} AND verb <> {_LIST}"
        return f"""(SELECT who, verb, count::BIGINT AS count, sent, told, rows, told_rows, nameless,
              hour * 3600::BIGINT + first AS first, hour * 3600::BIGINT + last AS last
            FROM {sums(where, self._from, self._to)}
            UNION ALL
            SELECT who, verb, count::BIGINT, sent, told, rows, told_rows, count, first, last
            FROM all_day WHERE {where} AND last >= {self._from} AND first <= {self._to})"""

    def _of(self, store: str) -> str:
        """Of acts; what was only noted is none."""
        number = self._stores.get(store, 0)
        return f"source = {self._source} AND store = {number} AND verb <> {int(Verb.NOTED)}"

    def rolled_until(self, store: str) -> datetime | None:
        """Up to when acts of the window are known as sums of days only, None: all are known."""
        found = self._db.execute(
            "SELECT max(last) FROM all_day"
            " WHERE source = ? AND store = ? AND last >= ? AND first <= ?",
            [self._source, self._stores.get(store, 0), self._from, self._to],
        ).fetchall()
        last = found[0][0]
        return _moment(last)

    def totals(
        self, store: str, entries: Mapping[int, int], cards: Collection[int] = ()
    ) -> dict[int, Totals]:
        """By entry; ``entries`` says of each principal's number which is its. ``cards`` are the
        numbers of the objects that hold card data."""
        put(self._db, "entry_of", _pairs("entry", entries))
        found: dict[int, _Sums] = {}
        for entry, verb, *numbers in self._db.execute(
            f"""SELECT entry, verb, sum(count)::BIGINT, sum(sent)::BIGINT, sum(told)::BIGINT,
              sum(rows)::BIGINT, sum(told_rows)::BIGINT,
              sum(nameless)::BIGINT, min(first), max(last)
            FROM {self._acts(store)} JOIN entry_of USING (who) GROUP BY entry, verb"""
        ).fetchall():
            found.setdefault(entry, _Sums()).add(Verb(verb), numbers)
        where = f"{self._of(store)} AND verb IN ({_TOUCHES})"
        touched = facts("who, object, count", where, self._from, self._to)
        objects = different(self._db, touched, "entry_of", "entry", "object")
        held: dict[int, int] = {}
        if cards:
            keep_cards(self._db, cards)
            held = dict(
                self._db.execute(
                    f"""SELECT entry, sum(count)::BIGINT FROM {touched} JOIN entry_of USING (who)
                    WHERE object IN (SELECT id FROM card_objects) GROUP BY entry"""
                ).fetchall()
            )
        return {
            entry: each.totals(objects.get(entry, 0), held.get(entry, 0))
            for entry, each in found.items()
        }

    def of_verb(self, store: str, verb: Verb) -> int:
        """Rows of one verb in the window."""
        return self._counts.get((self._stores.get(store, 0), verb), (0, 0))[0]

    def nameless(self, store: str) -> int:
        """Reads of the window that do not name what they read."""
        number = self._stores.get(store, 0)
        return sum(self._counts.get((number, verb), (0, 0))[1] for verb in READS)

    @cached_property
    def _counts(self) -> dict[tuple[int, Verb], tuple[int, int]]:
        """Of every store and verb: how often, and how often without a name."""
        where = f"source = {self._source}"
        return {
            (store, Verb(verb)): (count, nameless)
            for store, verb, count, nameless in self._db.execute(
                f"""SELECT store, verb, sum(count)::BIGINT, sum(nameless)::BIGINT
                FROM {sums(where, self._from, self._to)} GROUP BY store, verb"""
            ).fetchall()
        }

    def busiest(self, store: str, people: Iterable[int], day: int) -> int | None:
        """Of ``people`` the one who read most on a day (``date.toordinal``)."""
        start = (day - EPOCH) * 24
        found = self._db.execute(
            f"""SELECT who FROM all_hourly
            WHERE {self._of(store)} AND verb IN ({_READS}) AND hour BETWEEN ? AND ?
              AND list_contains(?::UINTEGER[], who)
            GROUP BY who ORDER BY greatest(sum(rows), sum(count)) DESC, who LIMIT 1""",
            [start, start + 23, list(people)],
        ).fetchall()
        return int(found[0][0]) if found else None

    def people(self, store: str) -> dict[int, Who]:
        """Everybody that was ever seen in a store, by number."""
        rows = self._db.execute(
            f"""SELECT id, principal, session, anonymous, foreign_account FROM who
            WHERE id IN (SELECT who FROM all_hourly WHERE {self._of(store)}
              UNION SELECT who FROM all_day WHERE {self._of(store)})"""
        ).fetchall()
        return {number: Who(p, s, bool(a), f) for number, p, s, a, f in rows}

    def days(self, store: str, actors: Mapping[int, int], since: int) -> dict[int, dict[int, Day]]:
        """By actor and day (``date.toordinal``), from day ``since`` to the end of the window.
        ``actors`` says of each principal's number whose acts its are."""
        put(self._db, "acting", _pairs("actor", actors))
        start = (since - EPOCH) * 24
        where = self._of(store)
        found: dict[int, dict[int, Day]] = {}
        for actor, number, hours, reads in self._db.execute(
            f"""SELECT actor, hour // 24, list(hour % 24), list(reads) FROM (
              SELECT actor, hour, sum(count)::BIGINT AS reads
              FROM all_hourly JOIN acting USING (who)
              WHERE {where} AND verb IN ({_READS})
                AND hour BETWEEN {start} AND {self._to // 3600} GROUP BY actor, hour)
            GROUP BY ALL"""
        ).fetchall():
            day = found.setdefault(actor, {}).setdefault(number + EPOCH, Day())
            day.hours.update(zip(hours, reads, strict=True))
        for actor, number, *numbers in self._day_rows(where, start):
            day = found.setdefault(actor, {}).setdefault(number + EPOCH, Day())
            (day.reads, day.rows, day.denied, day.lists, day.objects) = numbers[:5]
            (day.first, day.last, day.refused, day.listed) = map(_moment, numbers[5:])
        for actor, number, hours, *numbers in self._rolled(where, start // 24):
            day = found.setdefault(actor, {}).setdefault(number + EPOCH, Day())
            day.hours.update({hour: 1 for hour in range(24) if hours >> hour & 1})
            day.add_rolled(*numbers[:5], *map(_moment, numbers[5:]))
        return found

    def _day_rows(self, where: str, start: int) -> Iterator[tuple[Any, ...]]:
        where += f" AND hour BETWEEN {start} AND {self._to // 3600}"
        first, days = start // 24, self._to // 86_400 - start // 24 + 1
        objects = different(
            self._db,
            f"(SELECT who, hour, object FROM all_fact WHERE {where} AND verb IN ({_TOUCHES}))",
            "acting",
            f"actor * {days} + hour // 24 - {first}",
            *("hour", 24),
        )
        for actor, day, reads, rows, denied, lists, *moments in self._db.execute(
            f"""SELECT actor, hour // 24 AS day,
              coalesce(sum(count) FILTER (verb IN ({_READS})), 0)::BIGINT,
              coalesce(sum(rows) FILTER (verb IN ({_READS})), 0)::BIGINT,
              coalesce(sum(count) FILTER (verb = {_DENIED}), 0)::BIGINT,
              coalesce(sum(count) FILTER (verb = {_LIST}), 0)::BIGINT,
              min(hour * 3600::BIGINT + first) FILTER (verb IN ({_READS})),
              max(hour * 3600::BIGINT + last) FILTER (verb IN ({_READS})),
              min(hour * 3600::BIGINT + first) FILTER (verb = {_DENIED}),
              min(hour * 3600::BIGINT + first) FILTER (verb = {_LIST})
            FROM all_hourly JOIN acting USING (who)
            WHERE {where} GROUP BY actor, day"""
        ).fetchall():
            different_ones = objects.get(actor * days + day - first, 0)
            yield (actor, day, reads, rows, denied, lists, different_ones, *moments)

    def last_read_before(self, store: str, actors: Mapping[int, int], since: int) -> dict[int, int]:
        """By actor the last day before ``since`` that it read on, as far as facts go back; of those
        who did."""
        put(self._db, "acting", _pairs("actor", actors))
        where = f"{self._of(store)} AND verb IN ({_READS})"
        day = since - EPOCH
        return dict(
            self._db.execute(
                f"""SELECT actor, max(day) + {EPOCH} FROM (
                  SELECT who, max(hour) // 24 AS day FROM all_hourly
                  WHERE {where} AND hour < {day * 24} GROUP BY who
                  UNION ALL
                  SELECT who, max(day) FROM all_day WHERE {where} AND day < {day} GROUP BY who)
                JOIN acting USING (who) GROUP BY actor"""
            ).fetchall()
        )

    # --- single records

    def _of_store(self, store: str, since: int, verbs: Sequence[Verb]) -> str:
        told = ", ".join(str(int(verb)) for verb in verbs)
        start = (since - EPOCH) * 24
        return (
            f"{self._of(store)} AND verb IN ({told})"
            f" AND hour BETWEEN {start} AND {self._to // 3600}"
        )

    def object_names(self, store: str, since: int) -> Iterator[tuple[int, str]]:
        """Number and name of all that was read from day ``since`` on, some at a time: they are
        many. To be taken to the end before anything else is asked."""
        found = self._db.execute(
            f"""SELECT number, name FROM all_object WHERE id IN
            (SELECT object FROM all_fact WHERE {self._of_store(store, since, TOUCHES)})"""
        )
        while some := found.fetchmany(10_000):
            yield from some

    def single(
        self, store: str, people: Iterable[int], since: int, verbs: Sequence[Verb]
    ) -> list[tuple[int, int, int, int, int]]:
        """Principal, object (0: not told), reads, first and last second, for each hour."""
        return self._db.execute(
            f"""SELECT who, coalesce(number, 0), sum(count)::BIGINT,
              min(hour * 3600::BIGINT + first), max(hour * 3600::BIGINT + last)
            FROM all_fact LEFT JOIN all_object ON object = id
            WHERE {self._of_store(store, since, verbs)} AND list_contains(?::UINTEGER[], who)
            GROUP BY who, number, hour ORDER BY hour, who, number""",
            [list(people)],
        ).fetchall()

    def same(
        self, store: str, actors: Mapping[int, int], since: int, verbs: Sequence[Verb]
    ) -> list[tuple[int, int, int]]:
        """Actor, day (``date.toordinal``), and how often it read one record, the most of any, in
        the seven days to that one."""
        put(self._db, "looking", _pairs("actor", actors))
        return self._db.execute(
            f"""WITH daily AS (
              SELECT actor, object, hour // 24 AS day, sum(count) AS reads
              FROM all_fact JOIN looking USING (who)
              WHERE {self._of_store(store, since, verbs)} AND object IS NOT NULL
              GROUP BY ALL),
            weekly AS (
              SELECT actor, day, sum(reads) OVER (PARTITION BY actor, object ORDER BY day
                RANGE BETWEEN 6 PRECEDING AND CURRENT ROW) AS reads FROM daily)
            SELECT actor, day + {EPOCH}, max(reads)::BIGINT FROM weekly GROUP BY ALL"""
        ).fetchall()

    def _rolled(self, where: str, start: int) -> list[Any]:
        return self._db.execute(
            f"""SELECT actor, day, coalesce(bit_or(hours) FILTER (verb IN ({_READS})), 0),
              coalesce(sum(count) FILTER (verb IN ({_READS})), 0)::BIGINT,
              coalesce(sum(rows) FILTER (verb IN ({_READS})), 0)::BIGINT,
              coalesce(sum(count) FILTER (verb = {_DENIED}), 0)::BIGINT,
              coalesce(sum(count) FILTER (verb = {_LIST}), 0)::BIGINT,
              coalesce(max(objects) FILTER (verb IN ({_TOUCHES})), 0)::BIGINT,
              min(first) FILTER (verb IN ({_READS})),
              max(last) FILTER (verb IN ({_READS}))
            FROM all_day AS day JOIN acting USING (who)
            WHERE {where} AND day >= {start} GROUP BY actor, day"""
        ).fetchall()
