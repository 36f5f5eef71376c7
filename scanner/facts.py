# ruff: noqa: S608 - the statements are made of names and numbers of ours only
"""The fact store: who read what, in a DuckDB file beside the ledger.

A source of evidence adds whole files, each batch in one transaction: a kill at any moment leaves a
file believed or not, never half. A file that is known (same version, or same content under
another name) adds nothing; an event counts once, in whichever file it comes, however late.

Facts are sums by hour, principal and object; ``hourly`` are the same sums over all objects, which
is what most questions are about. Objects have small numbers of the file's own: many of them are
told apart quickly, and take little room. Facts of before ``KEPT_DAYS`` become days without
objects at the end of each scan, which stay: they are the history that rules compare with. One
writer, the main process; workers read.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from scanner import factcontents
from scanner.batch import TOUCHES, Batch, Verb, Who
from scanner.errors import LedgerError, LedgerWriteError
from scanner.factfile import attach, connect, fill, insert, put, storable

_VERSION = 4
KEPT_DAYS = 400
_GROWTH = (
    ", length BIGINT, resume BIGINT, prefix VARCHAR, places VARCHAR, state VARCHAR, base UINTEGER,"
    " loose BOOLEAN"
)
_KEPT = "CREATE TABLE kept (content UINTEGER, name VARCHAR, data BLOB)"
"""what version 3 has and version 2 had not, see ``factcontents``"""
_TABLES = f"""
CREATE TABLE about (version INTEGER);
CREATE TABLE source (id USMALLINT, key VARCHAR, kind VARCHAR);
CREATE TABLE store (id USMALLINT, uri VARCHAR);
CREATE TABLE file (source USMALLINT, name VARCHAR, version VARCHAR, content UINTEGER);
CREATE TABLE content (
  id UINTEGER, source USMALLINT, digest VARCHAR, head VARCHAR, stores VARCHAR[],
  low INTEGER, high INTEGER{_GROWTH}
);
{_KEPT};
CREATE TABLE note (content UINTEGER, name VARCHAR, count BIGINT);
CREATE TABLE sample (content UINTEGER, shape VARCHAR, place VARCHAR);
CREATE TABLE mark (
  content UINTEGER, store USMALLINT, name VARCHAR, hour INTEGER, count BIGINT, first BIGINT,
  last BIGINT
);
CREATE TABLE saying (
  content UINTEGER, store USMALLINT, name VARCHAR, second BIGINT, text VARCHAR
);
CREATE TABLE who (
  id UINTEGER, principal VARCHAR, session VARCHAR, anonymous BOOLEAN, foreign_account VARCHAR
);
CREATE TABLE object (id UINTEGER, number UBIGINT, name VARCHAR);
CREATE TABLE fact (
  source USMALLINT, store USMALLINT, verb UTINYINT, who UINTEGER, object UINTEGER, hour INTEGER,
  count UINTEGER, sent BIGINT, told UINTEGER, rows BIGINT, told_rows UINTEGER,
  first USMALLINT, last USMALLINT
);
CREATE TABLE hourly (
  source USMALLINT, store USMALLINT, verb UTINYINT, who UINTEGER, hour INTEGER,
  count UINTEGER, sent BIGINT, told UINTEGER, rows BIGINT, told_rows UINTEGER, nameless UINTEGER,
  first USMALLINT, last USMALLINT
);
CREATE TABLE day (
  source USMALLINT, store USMALLINT, verb UTINYINT, who UINTEGER, day INTEGER, hours UINTEGER,
  count UBIGINT, sent BIGINT, told UBIGINT, rows BIGINT, told_rows UBIGINT, objects UBIGINT,
  first BIGINT, last BIGINT
);
CREATE TABLE seen (source USMALLINT, store USMALLINT, hour INTEGER, events BLOB)
"""


_SHARED = ("source", "store", "file", "content", "note", "sample", "mark", "saying", "who")
"""tables that an overlay copies, as they are small or change"""
_LARGE = ("object", "fact", "hourly", "day", "seen", "kept")
"""and those it looks through, read under the name ``all_...``"""


class Facts:
    """An open fact store. Without a path it lives in memory; an ``overlay`` reads the file and
    keeps what is added in memory: what a worker answers from."""

    def __init__(
        self, path: Path | None, *, overlay: bool = False, read_only: bool = False
    ) -> None:
        """Raises ``LedgerError`` when another process writes to it, or it is another file."""
        self.path = path
        below = path if overlay and path is not None and path.exists() else None
        self.db = connect(None if overlay else path, read_only)
        try:
            if below is not None:
                attach(self.db, below)
            self._set_up(below is not None, read_only)
        except BaseException:
            self.db.close()
            raise

    def _set_up(self, overlay: bool, read_only: bool) -> None:
        db = self.db
        found = db.execute(
            "SELECT count(*) FROM duckdb_tables()"
            " WHERE table_name = 'about' AND database_name = current_database()"
        ).fetchall()
        if not read_only and found == [(0,)]:
            with self.transaction():
                db.execute(f"{_TABLES}; INSERT INTO about VALUES ({_VERSION})")
        below = "below." if overlay else ""
        version = db.execute(f"SELECT max(version) FROM {below}about").fetchall()
        large: tuple[str, ...] = _LARGE
        if version in ([(2,)], [(3,)]) and not overlay:
            if not read_only:
                self._take_over(from_2=version == [(2,)])
            elif version == [(2,)]:
                large = tuple(each for each in _LARGE if each != "kept")
            version = [(_VERSION,)]
        if version != [(_VERSION,)]:
            raise LedgerError(
                f"facts {self.path}: expected version {_VERSION}, found {version[0][0]};"
                " another version of cardtrail wrote it: use that one, or move the file away"
            )
        for table in _SHARED if overlay else ():
            db.execute(f"INSERT INTO {table} SELECT * FROM below.{table}")
        for table in large:
            also = f" UNION ALL SELECT * FROM below.{table}" if overlay else ""
            db.execute(f"CREATE TEMP VIEW all_{table} AS SELECT * FROM {table}{also}")

    def _take_over(self, *, from_2: bool) -> None:
        """What logs say of themselves had no place in version 2: all of them are read again. Where
        a sample stands had none in version 3."""
        with self.transaction():
            if from_2:
                for column in _GROWTH.removeprefix(", ").split(", "):
                    self.db.execute(f"ALTER TABLE content ADD COLUMN {column}")
                self.db.execute(_KEPT)
            self.db.execute("ALTER TABLE sample ADD COLUMN place VARCHAR")
            self.db.execute(f"UPDATE about SET version = {_VERSION}")

    def close(self) -> None:
        self.db.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        import duckdb

        self.db.execute("BEGIN")
        try:
            yield
            self.db.execute("COMMIT")
        except BaseException as error:
            with contextlib.suppress(duckdb.Error):
                self.db.execute("ROLLBACK")
            if isinstance(error, duckdb.IOException | duckdb.OutOfMemoryException):
                raise LedgerWriteError(
                    f"facts {self.path}: they could not be written ({type(error).__name__}); what"
                    " was recorded is kept: mend that, then go on with cardtrail scan --resume"
                ) from None
            raise

    # --- files

    def files(self, source: str) -> dict[str, tuple[str | None, frozenset[str]]]:
        """By sealed name: the version, and the stores it was read for."""
        return factcontents.files(self.db, source)

    def known(self, source: str, store: str, hours: Sequence[int], events: Any) -> Any:
        """Which of the ``events`` were counted in one of the ``hours``: an array of truths."""
        import numpy as np

        found = self.db.execute(
            "SELECT source.id, store.id FROM source, store WHERE key = ? AND uri = ?",
            [source, store],
        ).fetchall()
        if not found:
            return np.zeros(len(events), bool)
        return np.isin(
            events,
            self._events(int(found[0][0]), int(found[0][1]), np.unique(np.array(hours, "i4"))),
        )

    # --- adding

    def add(self, batch: Batch) -> None:
        """All files of a batch or, when anything fails, none. Adding it again changes nothing."""
        with self.transaction():
            source = self._number("source", "key", batch.source, batch.kind)
            stores = [self._number("store", "uri", uri) for uri in batch.stores]
            numbers = dict(zip(batch.stores, stores, strict=True))
            if batch.files:
                factcontents.add(self.db, source, batch, numbers)
            if batch.rows:
                self._add_rows(source, stores, batch)

    def _number(self, table: str, column: str, value: str, *more: object) -> int:
        found = self.db.execute(f"SELECT id FROM {table} WHERE {column} = ?", [value]).fetchall()
        if not found:
            marks = ", ?" * (1 + len(more))
            found = self.db.execute(
                f"INSERT INTO {table} SELECT coalesce(max(id), 0) + 1{marks} FROM {table}"
                " RETURNING id",
                [value, *more],
            ).fetchall()
        return int(found[0][0])

    def _add_rows(self, source: int, stores: Sequence[int], batch: Batch) -> None:
        import numpy as np

        columns = batch.columns
        columns["store"] = np.array(stores, "u2")[columns["store"]]
        people = self._people(batch.people)
        columns["who"] = np.array(people, "u4")[columns["who"]]
        new = self._new_events(source, columns)
        if len(new) < batch.rows:
            columns = {name: column[new] for name, column in columns.items()}
        put(self.db, "given", columns)
        subjects = np.unique(columns["object"][columns["verb"] == Verb.ABOUT])
        nameless = [(subjects, [None] * len(subjects))]
        listed = (np.fromiter(batch.objects, "u8"), [*batch.objects.values()])
        self._add_objects([listed, *batch.named, *nameless])
        sums = """count(*), coalesce(sum(sent) FILTER (sent >= 0), 0), count(*) FILTER (sent >= 0),
          coalesce(sum(rows) FILTER (rows >= 0), 0), count(*) FILTER (rows >= 0)"""
        self.db.execute(
            f"""INSERT INTO fact
            SELECT {source}, store, verb, who, id, hour, {sums}, min(second), max(second)
            FROM given LEFT JOIN all_object ON given.object = number
            GROUP BY store, verb, who, id, hour ORDER BY hour, store, who"""
        )
        self.db.execute(
            f"""INSERT INTO hourly
            SELECT {source}, store, verb, who, hour, {sums}, count(*) FILTER (object = 0),
              min(second), max(second)
            FROM given GROUP BY store, verb, who, hour ORDER BY hour, store, who"""
        )

    def _add_objects(self, parts: Sequence[tuple[Any, Sequence[str | None]]]) -> None:
        """Objects by their number in batches; subjects that are asked about have no name."""
        import numpy as np

        numbers = np.concatenate([part for part, _ in parts])
        if not len(numbers):
            return
        names = [name for _, part in parts for name in part]
        ordered = np.sort(numbers)
        if (ordered[1:] == ordered[:-1]).any():
            numbers, first = np.unique(numbers, return_index=True)
            names = [names[place] for place in first.tolist()]
        columns = {"number": numbers, "name": np.array(storable(names), object)}
        put(self.db, "named", columns)
        self.db.execute(
            """INSERT INTO object
            SELECT (SELECT coalesce(max(id), 0) FROM all_object) + row_number() OVER (),
              number, name
            FROM named ANTI JOIN all_object USING (number)"""
        )

    def _people(self, people: Sequence[Who]) -> list[int]:
        known = {
            tuple(about): number
            for number, *about in self.db.execute(
                "SELECT id, principal, session, anonymous::INTEGER, foreign_account FROM who"
            ).fetchall()
        }
        told = [(who.principal, who.session, int(who.anonymous), who.foreign) for who in people]
        new = [about for about in dict.fromkeys(told) if about not in known]
        known.update({about: number for number, about in enumerate(new, len(known) + 1)})
        names = ("id", "principal", "session", "anonymous", "foreign_account")
        insert(self.db, "who", names, [(known[about], *about) for about in new])
        return [known[about] for about in told]

    def _new_events(self, source: int, columns: dict[str, Any]) -> Any:
        """Which rows are of events not counted before, as places; notes them as counted."""
        import numpy as np

        kept = []
        for store in np.unique(columns["store"]).tolist():
            mine = np.flatnonzero(columns["store"] == store)
            ordered = np.sort(columns["event"][mine])
            if (ordered[1:] == ordered[:-1]).any():  # seldom: which ones takes ten times as long
                _, first = np.unique(columns["event"][mine], return_index=True)
                mine = mine[np.sort(first)]
            hours = np.unique(columns["hour"][mine])
            known = self._events(source, store, hours)
            if len(known):
                mine = mine[~np.isin(columns["event"][mine], known)]
            self._note_events(source, store, columns["hour"][mine], columns["event"][mine])
            kept.append(mine)
        return np.concatenate(kept)

    def _events(self, source: int, store: int, hours: Any) -> Any:
        import numpy as np

        put(self.db, "wanted", {"hour": hours})
        blobs = self.db.execute(
            "SELECT events FROM all_seen WHERE source = ? AND store = ?"
            " AND hour IN (SELECT hour FROM wanted)",
            [source, store],
        ).fetchall()
        return np.frombuffer(b"".join(blob for (blob,) in blobs), "u8")

    def _note_events(self, source: int, store: int, hours: Any, events: Any) -> None:
        import numpy as np

        if not len(events):
            return
        order = np.argsort(hours, kind="stable")
        hours, events = hours[order], events[order]
        starts = np.flatnonzero(np.diff(hours, prepend=hours[0] - 1))
        parts = np.split(events, starts[1:])
        fill(
            self.db,
            f"INSERT INTO seen SELECT {source}, {store}, hour, events",
            {"hour": hours[starts].tolist(), "events": [part.tobytes() for part in parts]},
        )

    # --- keeping

    def roll_up(self, before: int) -> None:
        """Facts of before a day (since 1970) become days. The numbers of their events stay: what
        is read again, in whichever file and however late, is still known."""
        touches = ", ".join(str(int(verb)) for verb in TOUCHES)
        with self.transaction():
            self.db.execute(
                f"""INSERT INTO day
                SELECT source, store, verb, who, hour // 24, bit_or(1::UINTEGER << (hour % 24)),
                  sum(count), sum(sent), sum(told), sum(rows), sum(told_rows),
                  count(DISTINCT object) FILTER (verb IN ({touches})),
                  min(hour * 3600::BIGINT + first), max(hour * 3600::BIGINT + last)
                FROM fact WHERE hour < {before * 24} GROUP BY ALL"""
            )
            for table in ("fact", "hourly"):
                self.db.execute(f"DELETE FROM {table} WHERE hour < {before * 24}")


def rolled_before(window: tuple[datetime, datetime]) -> int:
    """The day (since 1970) before which facts are rolled up: never in the window of a run."""
    start, end = (int(moment.timestamp()) // 86_400 for moment in window)
    return min(end - KEPT_DAYS, start)


def path_beside(ledger: Path) -> Path:
    return ledger.with_name(f"{ledger.name}.facts")
