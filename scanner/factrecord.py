# ruff: noqa: S608 - the statements are made of names and numbers of ours only
"""What the fact store says of the record itself: marks, counts, sentences, of one source.

Times are UTC; an hour counts as in the window as far as what it saw lies there. Nothing in here
is a raw value.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from detectors.records import dataclass
from scanner.batch import SAMPLES, Verb
from scanner.facts import Facts
from scanner.factwindow import facts
from scanner.model import Misfit


@dataclass(slots=True)
class Seen:
    """How often something was marked, and from when to when."""

    count: int = 0
    first: datetime | None = None
    last: datetime | None = None


class Record:
    """``listed`` are the sealed names of the files that are there now: a file without a time in it
    counts only while it is there."""

    def __init__(
        self,
        store: Facts,
        source: str,
        window: tuple[datetime, datetime],
        listed: frozenset[str] = frozenset(),
    ) -> None:
        self._db, self.window = store.db, window
        found = self._db.execute("SELECT id FROM source WHERE key = ?", [source]).fetchall()
        self._source = int(found[0][0]) if found else 0
        self._stores = dict(self._db.execute("SELECT uri, id FROM store").fetchall())
        self._noted: dict[tuple[str, int], dict[str, tuple[int, datetime, datetime]]] | None = None
        self._from, self._to = (int(moment.timestamp()) for moment in window)
        self._listed = listed
        self._contents = self._counting()
        self._marks = self._all_marks()
        self._notes: dict[str, int] = dict(
            self._db.execute(
                "SELECT name, sum(count)::BIGINT FROM note"
                " WHERE list_contains(?::UINTEGER[], content) GROUP BY name",
                [self._contents],
            ).fetchall()
        )

    def _counting(self) -> list[int]:
        rows = self._db.execute(
            "SELECT content.id, base, low, high, list(file.name) FROM content"
            " LEFT JOIN file ON file.content = content.id WHERE content.source = ?"
            " GROUP BY content.id, base, low, high",
            [self._source],
        ).fetchall()
        here = {
            part
            for number, base, _, _, names in rows
            if any(name in self._listed for name in names)
            for part in (number, base)
        }
        return [
            number
            for number, _, low, high, _ in rows
            if number in here
            or (low is not None and low * 3600 <= self._to and high * 3600 + 3599 >= self._from)
        ]

    # --- the record

    def _all_marks(self) -> dict[tuple[str, int], list[tuple[int, int, int, int]]]:
        """By name and store: hour, count, first and last second."""
        marks: dict[tuple[str, int], list[tuple[int, int, int, int]]] = {}
        for name, store, *rest in self._db.execute(
            "SELECT mark.name, store, hour, sum(count), min(first), max(last)"
            " FROM mark JOIN content ON content = content.id WHERE content.source = ?"
            " GROUP BY ALL ORDER BY ALL",
            [self._source],
        ).fetchall():
            marks.setdefault((name, store), []).append((rest[0], rest[1], rest[2], rest[3]))
        return marks

    def _marks_of(self, name: str, store: str) -> list[tuple[int, int, int, int]]:
        return self._marks.get((name, self._stores.get(store, 0) if store else 0), [])

    def marked(self, name: str, store: str = "") -> Seen:
        """In the window."""
        return _sum(
            m for m in self._marks_of(name, store) if m[2] <= self._to and m[3] >= self._from
        )

    def outside(self, name: str, store: str = "") -> Seen:
        return _sum(m for m in self._marks_of(name, store) if m[2] > self._to or m[3] < self._from)

    def hours(self, names: Sequence[str], store: str = "") -> set[int]:
        """The hours since 1970 in which any of ``names`` was marked."""
        return {mark[0] for name in names for mark in self._marks_of(name, store)}

    def note(self, name: str) -> int:
        """Of the files that reach into the window or are there now."""
        return self._notes.get(name, 0)

    def notes(self, start: str) -> dict[str, int]:
        """Those whose names begin so, by what follows."""
        return {
            name.removeprefix(start): count
            for name, count in self._notes.items()
            if name.startswith(start)
        }

    def files(self) -> int:
        """How many of them have a time in them."""
        found = self._db.execute(
            "SELECT count(*) FROM content"
            " WHERE low IS NOT NULL AND list_contains(?::UINTEGER[], id)",
            [self._contents],
        ).fetchall()
        return int(found[0][0])

    def misfits(self) -> tuple[Misfit, ...]:
        """A few records that were not understood, each of another shape."""
        rows = self._db.execute(
            """WITH named AS (
              SELECT content AS of, name FROM file
              UNION SELECT base, name FROM file JOIN content ON content = content.id)
            SELECT coalesce(name, ''), coalesce(place, ''), shape
            FROM sample LEFT JOIN named ON of = content
            WHERE list_contains(?::UINTEGER[], content)""",
            [self._contents],
        ).fetchall()
        # under the name its file has now, and the first of a shape
        rows.sort(key=lambda row: (row[0] not in self._listed, row[0], len(row[1]), row[1]))
        first: dict[str, Misfit] = {}
        for file, place, shape in rows:
            first.setdefault(shape, Misfit(file, place, shape))
        return tuple(first.values())[:SAMPLES]

    def said(self, name: str, store: str = "") -> list[tuple[datetime, str]]:
        """Sentences of the window, each once, in order."""
        rows = self._db.execute(
            "SELECT DISTINCT second, text FROM saying JOIN content ON content = content.id"
            " WHERE content.source = ? AND name = ? AND store = ? AND second BETWEEN ? AND ?"
            " ORDER BY second, text",
            [
                *(self._source, name, self._stores.get(store, 0) if store else 0),
                *(self._from, self._to),
            ],
        ).fetchall()
        return [(datetime.fromtimestamp(second, UTC), text) for second, text in rows]

    def names(self, start: str, store: str, *, ever: bool = False) -> set[str]:
        """What was marked in the window, or ``ever``, under names that begin so: the rest of
        them."""
        number = self._stores.get(store, 0) if store else 0
        return {
            name.removeprefix(start)
            for name, of in self._marks
            if of == number and name.startswith(start) and (ever or self.marked(name, store).count)
        }

    def noted(self, name: str, store: str = "") -> tuple[int, datetime | None, str]:
        """How often something was noted in the window, when first, and of whom then."""
        found = self.noted_by(name, store)
        if not found:
            return 0, None, ""
        first, who = min((first, who) for who, (_, first, _) in found.items())
        return sum(count for count, _, _ in found.values()), first, who

    def noted_by(self, name: str, store: str = "") -> dict[str, tuple[int, datetime, datetime]]:
        """The same by principal: how often, first and last."""
        if self._noted is None:
            self._noted = self._all_noted()
        return self._noted.get((name, self._stores.get(store, 0)), {})

    def _all_noted(self) -> dict[tuple[str, int], dict[str, tuple[int, datetime, datetime]]]:
        """By name and store."""
        where = f"source = {self._source} AND verb = {int(Verb.NOTED)}"
        columns = (
            "store, who, object, count, hour * 3600::BIGINT + first AS low,"
            " hour * 3600::BIGINT + last AS high"
        )
        found: dict[tuple[str, int], dict[str, tuple[int, datetime, datetime]]] = {}
        for store, name, who, count, low, high in self._db.execute(
            f"""SELECT store, name, principal, sum(count)::BIGINT, min(low), max(high)
            FROM {facts(columns, where, self._from, self._to)} AS noted
              JOIN who ON who = who.id JOIN all_object ON object = all_object.id
            GROUP BY store, name, principal"""
        ).fetchall():
            moments = datetime.fromtimestamp(low, UTC), datetime.fromtimestamp(high, UTC)
            found.setdefault((name, store), {})[who] = (count, *moments)
        return found


def _sum(marks: Iterable[tuple[int, int, int, int]]) -> Seen:
    seen, first, last = Seen(), 0, 0
    for _, count, low, high in marks:
        first = min(first, low) if seen.count else low
        last = max(last, high) if seen.count else high
        seen.count += count
    if seen.count:
        seen.first = datetime.fromtimestamp(first, UTC)
        seen.last = datetime.fromtimestamp(last, UTC)
    return seen
