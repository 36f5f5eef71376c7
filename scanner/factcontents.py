# ruff: noqa: S608 - the statements are made of names and numbers of ours only
"""The files of evidence in the fact store: which contents are known, and what each of them said.

A content is known once, whatever its files are called. One that has grown replaces what it was. A
log is two contents: what lies before the place it is read on from (the *base*, which is only added
to), and the rest, which is read again when there is more of it, and said anew then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any

from detectors.records import dataclass
from scanner.batch import SAMPLES, Batch, FileFacts, Growth
from scanner.factfile import fill, insert

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Content:
    """A content of a log as it was left, see ``batch.Growth``."""

    number: int
    digest: str
    head: str
    stores: frozenset[str]
    length: int
    resume: int
    prefix: str
    state: str
    loose: bool
    places: Sequence[tuple[int, str]]
    """in it, with the hash of what lies before each"""
    kept: Mapping[str, bytes] | None = None
    """None: ask ``kept``"""


def files(db: DuckDBPyConnection, source: str) -> dict[str, tuple[str | None, frozenset[str]]]:
    """By sealed name: the version, and the stores it was read for. One with something loose at its
    end is none that is known."""
    rows = db.execute(
        "SELECT name, if(loose, NULL, version), stores FROM file JOIN content"
        " ON content = content.id WHERE file.source = (SELECT id FROM source WHERE key = ?)",
        [source],
    ).fetchall()
    return {name: (version, frozenset(stores)) for name, version, stores in rows}


def names(db: DuckDBPyConnection, source: str) -> dict[str, tuple[str, str]]:
    """Of each file, by sealed name: the hashes of what it began with and of all of it."""
    rows = db.execute(
        "SELECT name, head, digest FROM file JOIN content ON content = content.id"
        " WHERE head IS NOT NULL AND digest IS NOT NULL"
        " AND file.source = (SELECT id FROM source WHERE key = ?)",
        [source],
    ).fetchall()
    return {name: (head, digest) for name, head, digest in rows}


def loose(db: DuckDBPyConnection, source: str) -> set[str]:
    """The sealed names of logs with something open at their end."""
    rows = db.execute(
        "SELECT name FROM file JOIN content ON content = content.id"
        " WHERE loose AND file.source = (SELECT id FROM source WHERE key = ?)",
        [source],
    ).fetchall()
    return {name for (name,) in rows}


def logs(db: DuckDBPyConnection, source: str) -> list[Content]:
    rows = db.execute(
        "SELECT id, digest, head, stores, length, resume, prefix, state, coalesce(loose, false),"
        " places FROM content WHERE digest IS NOT NULL AND length IS NOT NULL"
        " AND source = (SELECT id FROM source WHERE key = ?)",
        [source],
    ).fetchall()
    return [
        Content(
            *(number, digest, head, frozenset(stores), length, resume, prefix, state, loose),
            [(int(place), mac) for place, _, mac in (p.partition(":") for p in places.split())],
        )
        for number, digest, head, stores, length, resume, prefix, state, loose, places in rows
    ]


def kept(db: DuckDBPyConnection, content: int) -> dict[str, bytes]:
    return dict(
        db.execute("SELECT name, data FROM all_kept WHERE content = ?", [content]).fetchall()
    )


def add(db: DuckDBPyConnection, source: int, batch: Batch, numbers: Mapping[str, int]) -> None:
    """``numbers``: of the stores, by uri. One that is read again for more stores keeps what it
    said of the others."""
    _Adding(db, source, batch, numbers).run()


@dataclass(slots=True)
class _New:
    """A content that is about to be written."""

    file: FileFacts
    stores: list[str]
    base: int = 0


@dataclass(slots=True)
class _Adding:
    db: DuckDBPyConnection
    source: int
    batch: Batch
    numbers: Mapping[str, int]
    new: dict[int, _New] = field(default_factory=dict)
    more: dict[int, list[FileFacts]] = field(default_factory=dict)
    """what is added to bases that are there"""
    moved: dict[int, int] = field(default_factory=dict)
    """contents that became part of others"""
    last: int = 0

    def run(self) -> None:
        db, batch, source = self.db, self.batch, self.source
        found = db.execute("SELECT coalesce(max(id), 0) FROM content").fetchall()
        self.last = int(found[0][0])
        fresh = {
            "place": range(len(batch.files)),
            "name": [file.name for file in batch.files],
            "version": [file.version for file in batch.files],
            "digest": [file.digest for file in batch.files],
            "head": [file.head for file in batch.files],
        }
        fill(db, "CREATE OR REPLACE TEMP TABLE fresh AS SELECT *", fresh)
        known, grown = self._contents()
        contents = [self._content(file, known, grown[at]) for at, file in enumerate(batch.files)]
        self._write()
        db.execute(
            "DELETE FROM file WHERE source = ? AND name IN (SELECT name FROM fresh)", [source]
        )
        fill(
            db,
            f"INSERT INTO file SELECT {source}, name, version, content",
            {
                "name": fresh["name"],
                "version": fresh["version"],
                "content": [self._now(each) for each in contents],
            },
        )
        # of a file that was not read to its end the content is known and the file is not
        db.execute("DELETE FROM file WHERE source = ? AND name = ''", [source])
        db.execute("DROP TABLE fresh")

    def _now(self, content: int) -> int:
        while content in self.moved:
            content = self.moved[content]
        return content

    def _contents(self) -> tuple[dict[str, tuple[int, frozenset[str], int]], list[int]]:
        """Contents that are known, by digest, with stores and base; and for each of the fresh
        files what the file of that name was when it was shorter, 0: nothing."""
        db, source = self.db, self.source
        asked = {file.digest for file in self.batch.files if file.digest}
        for file in self.batch.files:
            if file.growth is not None:
                asked |= {*file.growth.absorbs, file.growth.follows} - {""}
        same = []
        if asked:
            fill(db, "CREATE OR REPLACE TEMP TABLE asked AS SELECT *", {"digest": sorted(asked)})
            same = db.execute(
                "SELECT digest, id, stores, coalesce(base, 0) FROM content JOIN asked"
                " USING (digest) WHERE source = ?",
                [source],
            ).fetchall()
        grown = [0] * len(self.batch.files)
        for place, content in db.execute(
            """SELECT place, c.id
            FROM fresh JOIN file f ON f.name = fresh.name AND f.source = ?
              JOIN content c ON c.id = f.content
            WHERE c.digest IS DISTINCT FROM fresh.digest
              AND (c.head = fresh.head OR fresh.head IS NULL)
              AND (SELECT count(*) FROM file g WHERE g.content = c.id) = 1""",
            [source],
        ).fetchall():
            grown[place] = content
        return {digest: (each, frozenset(s), base) for digest, each, s, base in same}, grown

    def _content(
        self, file: FileFacts, known: dict[str, tuple[int, frozenset[str], int]], was: int
    ) -> int:
        """The number of the content of a file."""
        stores = self.batch.stores
        old, old_stores, _ = known.get(file.digest or "", (0, frozenset[str](), 0))
        growth = file.growth
        if old and old_stores >= set(stores) and growth is None:
            return old
        self.last += 1
        number = self.last
        others = old_stores if growth is None else ()
        made = self.new[number] = _New(file, sorted({*stores, *others}))
        gone = {old, was if growth is None else 0} - {0}
        if growth is not None:
            follows = known.get(growth.follows, (0, frozenset[str](), 0))
            made.base = follows[2]
            gone |= {known[each][0] for each in growth.absorbs if each in known}
            gone |= {follows[0]} - {0}
            self._add_before(made, growth)
        if file.digest:
            known[file.digest] = number, frozenset(made.stores), made.base
        if old and growth is None:
            self._keep_marks(old, number, old_stores - set(stores))
        for each in gone - {number}:
            self._forget(each, number, made.base)
        return number

    def _add_before(self, made: _New, growth: Growth) -> None:
        if growth.before is None:
            return
        if not made.base:
            self.last += 1
            made.base = self.last
            self.new[self.last] = _New(growth.before, made.stores)
        else:
            self.more.setdefault(made.base, []).append(growth.before)

    def _keep_marks(self, old: int, new: int, stores: frozenset[str]) -> None:
        for table in ("mark", "saying"):
            self.db.execute(
                f"UPDATE {table} SET content = ? WHERE content = ? AND store IN"
                " (SELECT id FROM store WHERE list_contains(?, uri))",
                [new, old, sorted(stores)],
            )

    def _forget(self, content: int, by: int, base: int) -> None:
        """``content`` is part of another one now, whose base is ``base``."""
        self.moved[content] = by
        gone = self.new.pop(content, None)
        if gone is not None:
            old_base = gone.base
        else:
            self.db.execute("UPDATE file SET content = ? WHERE content = ?", [by, content])
            found = self.db.execute(
                "SELECT coalesce(base, 0) FROM content WHERE id = ?", [content]
            ).fetchall()
            old_base = int(found[0][0]) if found else 0
        bases = {old_base} - {0, base}
        for each in bases:
            self.new.pop(each, None)
            self.more.pop(each, None)
        for each in {content, *bases}:
            for table in ("note", "sample", "mark", "saying", "kept"):
                self.db.execute(f"DELETE FROM {table} WHERE content = ?", [each])
            self.db.execute("DELETE FROM content WHERE id = ?", [each])

    def _write(self) -> None:
        pairs = [(number, made.file) for number, made in self.new.items()]
        pairs += [(number, file) for number, files in self.more.items() for file in files]
        self._write_contents()
        for number, files in self.more.items():
            hours = [hour for file in files for _, _, hour in file.marks]
            if hours:
                self.db.execute(
                    "UPDATE content SET low = least(low, ?), high = greatest(high, ?) WHERE id = ?",
                    [min(hours), max(hours), number],
                )
        notes = [(n, name, count) for n, file in pairs for name, count in file.notes.items()]
        insert(self.db, "note", ("content", "name", "count"), [each for each in notes if each[2]])
        insert(self.db, "sample", ("content", "shape", "place"), self._samples(pairs))
        marks = [
            (n, self._store(uri), name, hour, mark.count, mark.first, mark.last)
            for n, file in pairs
            for (name, uri, hour), mark in file.marks.items()
        ]
        names = ("content", "store", "name", "hour", "count", "first", "last")
        insert(self.db, "mark", names, marks)
        said = [
            (n, self._store(uri), name, second, text)
            for n, file in pairs
            for name, uri, second, text in file.texts
        ]
        insert(self.db, "saying", ("content", "store", "name", "second", "text"), said)
        numbers = [
            (n, name, data)
            for n, file in pairs
            if file.growth is not None
            for name, data in file.growth.kept.items()
        ]
        insert(self.db, "kept", ("content", "name", "data"), numbers)

    def _samples(self, pairs: Sequence[tuple[int, FileFacts]]) -> list[tuple[int, str, str]]:
        """A few of each content, however often it is added to."""
        held: Counter[int] = Counter()
        for number, count in self.db.execute(
            "SELECT content, count(*) FROM sample WHERE list_contains(?::UINTEGER[], content)"
            " GROUP BY content",
            [list(self.more)],
        ).fetchall():
            held[number] = count
        made = []
        for number, file in pairs:
            new = file.samples[: max(0, SAMPLES - held[number])]
            held[number] += len(new)
            made += [(number, shape, place) for place, shape in new]
        return made

    def _store(self, uri: str) -> int:
        return self.numbers.get(uri, 0) if uri else 0  # of none in particular

    def _write_contents(self) -> None:
        if not self.new:
            return
        made = list(self.new.values())
        hours = [[hour for _, _, hour in each.file.marks] for each in made]
        growths = [each.file.growth for each in made]
        columns: dict[str, Sequence[Any]] = {
            "id": list(self.new),
            "digest": [each.file.digest for each in made],
            "head": [each.file.head for each in made],
            "stores": ["\n".join(each.stores) for each in made],
            "low": [min(each, default=-1) for each in hours],
            "high": [max(each, default=-1) for each in hours],
            "length": [-1 if each is None else each.length for each in growths],
            "resume": [0 if each is None else each.resume for each in growths],
            "prefix": ["" if each is None else each.prefix for each in growths],
            "places": [
                "" if each is None else " ".join(f"{at}:{mac}" for at, mac in each.places)
                for each in growths
            ],
            "state": ["" if each is None else each.state for each in growths],
            "base": [each.base for each in made],
            "loose": [int(each is not None and each.loose) for each in growths],
        }
        fill(
            self.db,
            f"INSERT INTO content SELECT id, {self.source}, digest, head,"
            " string_split(stores, chr(10)), nullif(low, -1), nullif(high, -1),"
            " nullif(length, -1), resume, prefix, places, state, nullif(base, 0), loose::BOOLEAN",
            columns,
        )
