"""The SQLite file that remembers runs: resume, history, reports of past runs.

One file, one writer, one connection (``locking_mode=EXCLUSIVE``, WAL, ``synchronous=FULL``):
findings and checkpoint go into one transaction, so a kill at any moment loses nothing that was
acknowledged and counts nothing twice. It holds sealed values and a key id, never a key.

Layout: a unit has one row in ``outcome`` when it is done; until then each finished slice of a unit
that was cut lies in ``slice``. Units that were not begun are not in the ledger at all: a resumed
run lists again and asks here what is done.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from detectors.records import dataclass
from scanner.audits import Audit
from scanner.counters import OPENING, Snapshot, pack, unpack
from scanner.errors import LedgerError, LedgerWriteError
from scanner.model import Access, Fact, Outcome, RunSummary, Status, Store, unit_id
from scanner.settle import Settled, UnitFinding
from scanner.tally import SliceResult
from scanner.unitprofile import UnitProfile

_VERSION = 1
EXACT_PANS = 10_000_000
"""distinct PANs of a store are exact up to here, beyond it an estimate"""
_PANS_AT_ONCE = 1 << 14

_TABLES = """
CREATE TABLE run (
  id TEXT PRIMARY KEY, started TEXT NOT NULL, finished TEXT, status TEXT NOT NULL,
  about BLOB NOT NULL, excluded INTEGER NOT NULL DEFAULT 0, summary BLOB
) STRICT, WITHOUT ROWID;
CREATE TABLE store (
  run TEXT NOT NULL, place INTEGER NOT NULL, uri TEXT NOT NULL, about BLOB NOT NULL,
  access BLOB, pan_bits INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (run, place)
) STRICT, WITHOUT ROWID;
CREATE TABLE outcome (
  run TEXT NOT NULL, place INTEGER NOT NULL, unit TEXT NOT NULL, name TEXT NOT NULL,
  status TEXT NOT NULL, reason TEXT, detail TEXT NOT NULL, bytes INTEGER NOT NULL,
  size INTEGER, fraction REAL, version TEXT, findings BLOB,
  PRIMARY KEY (run, place, unit)
) STRICT, WITHOUT ROWID;
CREATE TABLE slice (
  run TEXT NOT NULL, place INTEGER NOT NULL, unit TEXT NOT NULL, part INTEGER NOT NULL,
  version TEXT, result BLOB NOT NULL,
  PRIMARY KEY (run, place, unit, part)
) STRICT, WITHOUT ROWID;
CREATE TABLE pan (
  run TEXT NOT NULL, place INTEGER NOT NULL, print INTEGER NOT NULL,
  PRIMARY KEY (run, place, print)
) STRICT, WITHOUT ROWID;
"""
_MORE_TABLES = """
CREATE TABLE IF NOT EXISTS snapshot (
  uri TEXT NOT NULL, run TEXT NOT NULL, moment TEXT NOT NULL, taken TEXT NOT NULL,
  counts BLOB NOT NULL,
  PRIMARY KEY (uri, run, moment)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS profile (
  run TEXT NOT NULL, place INTEGER NOT NULL, unit TEXT NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (run, place, unit)
) STRICT, WITHOUT ROWID
"""
"""What ledgers of an earlier build of this version do not have yet."""


class RunAbout(msgspec.Struct, frozen=True):
    """What a run was asked to do: enough to go on with it and to describe it."""

    version: str
    profile: str
    config_digest: str
    key_id: str
    detectors: tuple[str, ...]
    targets: tuple[str, ...]
    settings: dict[str, Any]
    """the merged settings as plain data; holds no secret"""
    random_key: bool
    profiled: bool = False
    """whether fields and records were counted: runs of the first releases have none"""


class StoreAbout(msgspec.Struct, frozen=True):
    store: Store
    facts: tuple[Fact, ...]
    access: Access
    audits: dict[str, Audit] = {}
    """by kind of evidence, how the server is set to log reads"""


@dataclass(frozen=True, slots=True)
class RunRow:
    id: str
    started: datetime
    finished: datetime | None
    status: str
    """``running`` (or killed), ``complete`` or ``incomplete``"""
    about: RunAbout
    excluded: int
    """names hidden by ``exclude`` rules"""
    summary: RunSummary | None
    """None while the run is not finished"""


@dataclass(frozen=True, slots=True)
class StoreRow:
    place: int
    about: StoreAbout
    access: Access
    pans: int
    pans_estimated: bool


class Ledger:
    """Open ledger. ``LedgerError`` when another process has it, or it is of another version."""

    def __init__(self, path: Path, *, create: bool) -> None:
        self.path = path
        if not create and not path.exists():
            raise LedgerError(f"no ledger at {path}: nothing has been scanned from here yet")
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise LedgerError(
                f"ledger {path}: {error.strerror}; name a place you can write to with --ledger"
            ) from None
        self._kept: dict[tuple[str, int], int] = {}
        self._db = sqlite3.connect(path, isolation_level=None, timeout=2.0)
        try:
            self._set_up()
        except sqlite3.OperationalError as error:
            self._db.close()
            raise LedgerError(f"ledger {path}: {_in_words(error)}") from None
        except sqlite3.DatabaseError:
            self._db.close()
            raise LedgerError(
                f"ledger {path}: expected a Cardtrail ledger, found another file"
            ) from None

    def _set_up(self) -> None:
        db = self._db
        for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL"):
            db.execute(f"PRAGMA {pragma}")
        db.execute("BEGIN IMMEDIATE")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            for statement in _TABLES.split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA user_version={_VERSION}")
        if version in (0, _VERSION):
            for statement in _MORE_TABLES.split(";"):
                db.execute(statement)
        db.execute("COMMIT")
        if version not in (0, _VERSION):
            db.close()
            raise LedgerError(
                f"ledger {self.path}: expected version {_VERSION}, found {version}; another "
                "version of cardtrail wrote it: use that one, or name another ledger"
            )

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside becomes durable together, or not at all. Nested: one transaction."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            self._kept.clear()
            if self._db.in_transaction:  # a full disk has rolled back by itself
                self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError):
                raise LedgerWriteError(
                    f"ledger {self.path}: {error}; nothing that was recorded is lost: mend that, "
                    "then go on with cardtrail scan --resume"
                ) from None
            raise

    # --- runs

    def begin(self, run: str, started: datetime, about: RunAbout) -> None:
        # runs of one second stay in their order
        second = started.replace(microsecond=0)
        (before,) = self._db.execute(
            "SELECT count(*) FROM run WHERE substr(started, 1, 19) = ?", (second.isoformat()[:19],)
        ).fetchone()
        self._db.execute(
            "INSERT INTO run (id, started, status, about) VALUES (?, ?, 'running', ?)",
            (run, second.replace(microsecond=before).isoformat(), msgspec.json.encode(about)),
        )

    def finish(self, run: str, finished: datetime, summary: RunSummary, excluded: int) -> None:
        self._db.execute(
            "UPDATE run SET finished=?, status=?, excluded=?, summary=? WHERE id=?",
            (finished.isoformat(), summary.status, excluded, msgspec.json.encode(summary), run),
        )

    def runs(self) -> list[RunRow]:
        """All runs, oldest first."""
        return [
            RunRow(
                run,
                datetime.fromisoformat(started).replace(microsecond=0),
                datetime.fromisoformat(finished) if finished else None,
                status,
                msgspec.json.decode(about, type=RunAbout),
                excluded,
                msgspec.json.decode(summary, type=RunSummary) if summary else None,
            )
            for run, started, finished, status, about, excluded, summary in self._db.execute(
                "SELECT id, started, finished, status, about, excluded, summary "
                "FROM run ORDER BY started, id"
            )
        ]

    def run(self, name: str) -> RunRow:
        """By its id, an unambiguous beginning of it, or ``last``."""
        rows = self.runs()
        if name == "last" and rows:
            return rows[-1]
        found = [row for row in rows if row.id == name or row.id.startswith(name)]
        if len(found) != 1:
            what = "no run" if not found else f"{len(found)} runs"
            raise LedgerError(f"{what} named {name} in {self.path}; see: cardtrail runs")
        return found[0]

    def last_unfinished(self) -> RunRow | None:
        return next((row for row in reversed(self.runs()) if row.status == "running"), None)

    def reopen(self, run: str, transient: tuple[str, ...]) -> None:
        """Makes a run go on: units that were not read, or not to their end, for a
        ``transient`` reason are open again."""
        with self.transaction():
            self._db.executemany(
                "DELETE FROM outcome WHERE run=? AND status IN ('failed', 'sampled') AND reason=?",
                [(run, reason) for reason in transient],
            )
            self._db.execute(
                "UPDATE run SET status='running', finished=NULL, summary=NULL WHERE id=?", (run,)
            )

    # --- stores

    def put_store(self, run: str, place: int, about: StoreAbout) -> None:
        self._db.execute(
            "INSERT INTO store (run, place, uri, about) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (run, place) DO UPDATE SET about=excluded.about",
            (run, place, about.store.uri, msgspec.json.encode(about)),
        )

    def put_access(self, run: str, place: int, access: Access) -> None:
        self._db.execute(
            "UPDATE store SET access=? WHERE run=? AND place=?",
            (msgspec.json.encode(access), run, place),
        )

    def stores(self, run: str) -> list[StoreRow]:
        rows = []
        for place, about_json, access_json, bits in self._db.execute(
            "SELECT place, about, access, pan_bits FROM store WHERE run=? ORDER BY place", (run,)
        ).fetchall():
            about = msgspec.json.decode(about_json, type=StoreAbout)
            access = msgspec.json.decode(access_json, type=Access) if access_json else about.access
            kept = self._kept_pans(run, place)
            rows.append(StoreRow(place, about, access, kept << bits, bits > 0))
        return rows

    def seen(self, uri: str, control: str) -> list[tuple[datetime, Fact]]:
        """What runs saw of one fact of a store, oldest first."""
        rows = self._db.execute(
            "SELECT started, json_extract(store.about, '$.facts')"
            " FROM store JOIN run ON store.run = run.id"
            " WHERE json_extract(store.about, '$.store.uri') = ? ORDER BY started, id",
            (uri,),
        )
        return [
            (datetime.fromisoformat(started).replace(microsecond=0), fact)
            for started, facts in rows
            for fact in msgspec.json.decode(facts, type=tuple[Fact, ...])
            if fact.control == control
        ]

    # --- units

    def done(self, run: str, place: int, unit: str) -> bool:
        row = self._db.execute(
            "SELECT 1 FROM outcome WHERE run=? AND place=? AND unit=?", (run, place, unit)
        ).fetchone()
        return row is not None

    def put_outcome(self, run: str, place: int, outcome: Outcome) -> None:
        """For what never became a unit (a denied folder, a FIFO) or whose worker was lost."""
        self._insert_outcome(run, place, outcome, [])

    def put_unit(self, run: str, place: int, outcome: Outcome, settled: Settled) -> None:
        """Outcome, findings and PANs of a finished unit, and the end of its slices."""
        with self.transaction():
            self._insert_outcome(run, place, outcome, settled.findings)
            self._put_pans(run, place, settled.pans)
            self._put_profile(run, place, unit_id(outcome.store, outcome.unit), settled.profile)
            self._db.execute(
                "DELETE FROM slice WHERE run=? AND place=? AND unit=?",
                (run, place, unit_id(outcome.store, outcome.unit)),
            )

    def _insert_outcome(
        self, run: str, place: int, outcome: Outcome, findings: list[UnitFinding]
    ) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO outcome VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                run,
                place,
                unit_id(outcome.store, outcome.unit),
                outcome.unit,
                outcome.status,
                outcome.reason,
                outcome.detail,
                outcome.bytes,
                outcome.size,
                outcome.fraction,
                outcome.version,
                msgspec.json.encode(findings) if findings else None,
            ),
        )

    def _put_profile(self, run: str, place: int, unit: str, profile: UnitProfile) -> None:
        """Of a unit that has one; one from before the unit was read again goes."""
        self._db.execute(
            "DELETE FROM profile WHERE run=? AND place=? AND unit=?", (run, place, unit)
        )
        if profile.fields or profile.records or profile.further:
            self._db.execute(
                "INSERT INTO profile VALUES (?, ?, ?, ?)",
                (run, place, unit, msgspec.msgpack.encode(profile)),
            )

    def profiles(self, run: str, place: int) -> Iterator[tuple[str, UnitProfile]]:
        """Names of units and what they hold field by field, in the order of ``outcomes``."""
        for name, body in self._db.execute(
            "SELECT name, body FROM profile NATURAL JOIN outcome WHERE run=? AND place=? "
            "ORDER BY name, unit",
            (run, place),
        ):
            yield name, msgspec.msgpack.decode(body, type=UnitProfile)

    def outcomes(self, run: str, place: int) -> Iterator[tuple[Outcome, list[UnitFinding]]]:
        """All outcomes of a store with their findings, by name."""
        uri = self._db.execute(
            "SELECT uri FROM store WHERE run=? AND place=?", (run, place)
        ).fetchone()[0]
        for (
            name,
            status,
            reason,
            detail,
            size_read,
            size,
            fraction,
            version,
            found,
        ) in self._db.execute(
            "SELECT name, status, reason, detail, bytes, size, fraction, version, findings "
            "FROM outcome WHERE run=? AND place=? ORDER BY name, unit",
            (run, place),
        ):
            outcome = Outcome(
                uri, name, Status(status), reason, detail, size_read, size, fraction, version
            )
            findings = msgspec.json.decode(found, type=list[UnitFinding]) if found else []
            yield outcome, findings

    # --- slices of units that are not done

    def put_slice(self, run: str, place: int, version: str | None, result: SliceResult) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO slice VALUES (?, ?, ?, ?, ?, ?)",
            (run, place, result.unit, result.index, version, msgspec.msgpack.encode(result)),
        )

    def slices(self, run: str, place: int, unit: str, version: str | None) -> list[SliceResult]:
        """Slices kept of this version of the unit; those of another version are thrown away."""
        self._db.execute(
            "DELETE FROM slice WHERE run=? AND place=? AND unit=? AND version IS NOT ?",
            (run, place, unit, version),
        )
        return [
            msgspec.msgpack.decode(blob, type=SliceResult)
            for (blob,) in self._db.execute(
                "SELECT result FROM slice WHERE run=? AND place=? AND unit=? ORDER BY part",
                (run, place, unit),
            )
        ]

    # --- what servers count of reads

    def put_snapshot(self, run: str, uri: str, moment: str, snapshot: Snapshot) -> None:
        taken = snapshot.taken.astimezone(UTC).isoformat()
        self._db.execute(
            "INSERT OR REPLACE INTO snapshot VALUES (?, ?, ?, ?, ?)",
            (uri, run, moment, taken, pack(snapshot)),
        )

    def has_snapshot(self, run: str, uri: str) -> bool:
        """Whether one was taken before the run read anything of the store."""
        row = self._db.execute(
            "SELECT 1 FROM snapshot WHERE uri=? AND run=? AND moment=?", (uri, run, OPENING)
        ).fetchone()
        return row is not None

    def snapshots(self, uri: str) -> Iterator[tuple[str, Snapshot]]:
        """Those of a store with their moments, oldest first. Of one run the opening one is, also
        where the server told both the same second."""
        for moment, counts in self._db.execute(
            "SELECT moment, counts FROM snapshot WHERE uri=? ORDER BY taken, run, moment DESC",
            (uri,),
        ):
            yield moment, unpack(counts)

    # --- distinct PANs of a store

    def _put_pans(self, run: str, place: int, prints: bytes) -> None:
        """Adds to the set of distinct PANs. Past ``EXACT_PANS`` it keeps only the prints that end
        in ``pan_bits`` zero bits, each standing for ``2 ** pan_bits`` (adaptive sampling)."""
        if not prints:
            return
        row = self._db.execute(
            "SELECT pan_bits FROM store WHERE run=? AND place=?", (run, place)
        ).fetchone()
        bits = row[0]
        mask = (1 << bits) - 1
        values = array("Q", prints)
        if sys.byteorder == "big":
            values.byteswap()
        kept = self._kept_pans(run, place)
        for at in range(0, len(values), _PANS_AT_ONCE):
            some = [v - (1 << 63) for v in values[at : at + _PANS_AT_ONCE] if not v & mask]
            kept += self._db.execute(  # half the time of a statement for each
                "INSERT OR IGNORE INTO pan SELECT ?, ?, value FROM json_each(?)",
                (run, place, json.dumps(some)),
            ).rowcount
        while kept > EXACT_PANS:
            bits += 1
            kept -= self._db.execute(
                "DELETE FROM pan WHERE run=? AND place=? AND print & ? <> 0",
                (run, place, (1 << bits) - 1),
            ).rowcount
        self._kept[(run, place)] = kept
        self._db.execute("UPDATE store SET pan_bits=? WHERE run=? AND place=?", (bits, run, place))

    def _kept_pans(self, run: str, place: int) -> int:
        """Rows in ``pan`` for a store; counted once, then kept in memory."""
        kept = self._kept.get((run, place))
        if kept is None:
            kept = self._db.execute(
                "SELECT count(*) FROM pan WHERE run=? AND place=?", (run, place)
            ).fetchone()[0]
        return int(kept)


def now() -> datetime:
    """To the second: what reports show."""
    return datetime.now(UTC).replace(microsecond=0)


def _in_words(error: sqlite3.OperationalError) -> str:
    text = str(error)
    if "locked" in text or "busy" in text:
        return (
            "another cardtrail is using it; wait for that scan to end, or give this one its own "
            "with --ledger"
        )
    return text
