"""Logs that grow from night to night, for every form: read in any number of pieces, renamed,
packed, cut off and doubled on the way, they tell the very same as read whole, once.

A night of one form takes some 0.3 seconds of processor time.
"""

from __future__ import annotations

import gzip
import hashlib
import random
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scanner import registry
from scanner.access import lines, logbook, track
from scanner.contracts import EvidenceResult, FactsAt, Source
from scanner.facts import Facts
from scanner.known import Known, name_hash
from scanner.model import Problem, Store
from tests.examples import EXAMPLES, USUAL, seeds
from tools.account_checks import PAY, SEALER, cards, case
from tools.account_logs import ENDPOINT, FORMATS
from tools.accounts import LOCAL, account

SMALL = account(3, days=5, window=4, people=2, misuse=False)
WHEN = sorted(act.when for act in SMALL.acts)
LOGS = [name for name, form in FORMATS.items() if form.kind != "cloudtrail"]
WHOLE = [name for name in LOGS if name.startswith("SQL Server")]
"""exports, which do not grow"""
_GROWING = [name for name in LOGS if name not in WHOLE]
GROWING = _GROWING if EXAMPLES > USUAL else _GROWING[::2]
ROTATED = _GROWING if EXAMPLES > USUAL else _GROWING[1::4]
"""how files are told is one for all: at every commit some forms stand for it"""
NIGHTS = 2
"""before the last one"""
KEY = b"a key of the tests"
COUNTED = re.compile(
    r"(?:; )?[\d,]+ (?:files as they were|file as it was) known, [\d,]+ read"
    r"(?: \([\d,]+ of them on\))?"
    r"|in [\d,]+ files?(?: \([a-z ]+\))?(?:, [\d,]+ other files? passed over)?"
    r"|[\d,]+ files? (?:without any record (?:was|were) passed over|(?:has|have) no line that fits)"
)
"""what may differ: how many files there were and were read"""


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log can be read on from many places, each in another block."""
    monkeypatch.setattr(track, "SPACING", 700)
    monkeypatch.setattr(track, "HEAD", 64)
    monkeypatch.setattr(lines, "STEP", 900)


@dataclass
class Folder:
    """What a folder of logs of one form comes to, night after night."""

    name: str
    path: Path
    files: dict[str, bytes] = field(default_factory=dict)
    opened: list[str] = field(default_factory=list)
    """whose bytes were asked for in the last night"""
    settings: dict[str, Any] = field(default_factory=dict)
    batches: int = 0
    archived: set[str] = field(default_factory=set)
    writes: Callable[[str, int], bytes] = lambda name, at: b""
    """what comes to a file whose end was reached at a byte, while it is read"""

    def night(
        self, now: datetime | None = None, *, killed: Callable[[], bool] = lambda: False
    ) -> EvidenceResult:
        """As the pipeline does it, after all acts or at another time. ``killed``: the batch at hand
        is lost, and the run begins anew."""
        window = SMALL.window[0], now or SMALL.window[1]
        form = FORMATS[self.name]
        kind: Any = registry.evidence()[form.kind]
        uri = form.uri(PAY)
        settings = {"uri": "folder", **form.options, **self.settings}
        if form.kind == "pattern":
            settings["store"] = uri
        known = {uri: Known(30, frozenset(map(name_hash, cards(form))))}
        stores = [Store(uri, form.scheme, options={"endpoint": ENDPOINT})]
        done: frozenset[str] = frozenset()
        self.opened = []
        while True:
            at = FactsAt(self.path, done, KEY)
            result = kind.collect(
                settings, self._open, stores, window, SEALER.name, known, facts=at
            )
            at.close()
            self.batches += len(at.batches)
            for batch in at.batches:
                if killed():
                    done = frozenset()
                    break
                with closing(Facts(self.path)) as facts:
                    facts.add(batch)
                done |= {file.name for file in batch.files}
            else:
                if not at.more:
                    found: EvidenceResult = result[uri]
                    return found

    def _open(self, uri: str) -> Iterator[tuple[str, Source | Problem]]:
        for name, data in sorted(self.files.items()):
            source = Source(_Watched(data, name, self), name, len(data))  # type: ignore[arg-type]
            source.version = f"{len(data)}-{hash(data)}"
            if name in self.archived:
                yield f"by another name {name}", Problem("archived", version=source.version)
            else:
                yield name, source


class _Watched:
    def __init__(self, data: bytes, name: str, folder: Folder) -> None:
        self._data, self._at, self._name, self._folder = data, 0, name, folder

    def read(self, size: int = -1) -> bytes:
        if self._name not in self._folder.opened:
            self._folder.opened.append(self._name)
        end = len(self._data) if size < 0 else self._at + size
        data = self._data[self._at : end]
        self._at += len(data)
        if len(data) < size:
            self._data += self._folder.writes(self._name, self._at)
        return data

    def peek(self, size: int) -> bytes:
        return self._data[self._at : self._at + size]

    def seek(self, place: int, whence: int = 0) -> int:
        assert whence == 0
        self._at = place
        return place

    def readable(self) -> bool:
        return True


def whole(name: str) -> bytes:
    """One log of all days."""
    data: bytes = b"".join(case(SMALL, name).files.values())
    if name == "general log":  # who a connection is stands before what it does
        entries = data.splitlines(keepends=True)
        return b"".join(sorted(entries, key=lambda entry: entry.partition(b"\t")[0]))
    return data


def told(result: EvidenceResult) -> Any:
    evidence = result.evidence
    detail = [COUNTED.sub("", each).strip() for each in evidence.detail.split("; ")]
    return (
        sorted(result.reads, key=repr),
        *(evidence.coverage, evidence.start, evidence.end, evidence.unparsed),
        [each for each in detail if each],
    )


def after(part: float) -> datetime:
    """When so many of the acts were done."""
    return WHEN[min(int(part * len(WHEN)), len(WHEN) - 1)]


_ONCE: dict[str, Any] = {}


def once(name: str, tmp_path: Path) -> Any:
    """What a log tells that is read whole."""
    if name not in _ONCE:
        tmp_path.mkdir(exist_ok=True)
        _ONCE[name] = told(Folder(name, tmp_path / "once", {"log": whole(name)}).night())
    return _ONCE[name]


BEGINS = {"slow log": rb"(?m)^# Time: "}
"""where a record begins, if that is not every line"""


def ends(name: str, data: bytes) -> list[int]:
    if name in BEGINS:
        return [found.start() for found in re.finditer(BEGINS[name], data)][1:]
    return [found.end() for found in re.finditer(rb"\n", data)][:-1]


@pytest.mark.parametrize("name", GROWING)
@pytest.mark.parametrize("seed", seeds(1))
def test_read_in_any_number_of_nights(name: str, seed: int, tmp_path: Path) -> None:
    """Cut at any byte, as a server writes it."""
    rng, data = random.Random(f"{name} {seed}"), whole(name)
    folder = Folder(name, tmp_path / "facts")
    for end in [*sorted(rng.sample(range(1, len(data)), NIGHTS - 1)), len(data)]:
        folder.files = {"log": data[:end]}
        last = folder.night(after(end / len(data)) if end < len(data) else None)
    assert told(last) == once(name, tmp_path)


@pytest.mark.parametrize("name", ROTATED)
@pytest.mark.parametrize("seed", seeds(1))
def test_rotated_packed_and_doubled(name: str, seed: int, tmp_path: Path) -> None:
    rng, data = random.Random(f"rotate {name} {seed}"), whole(name)
    folder = Folder(name, tmp_path / "facts")
    begin, before, places = 0, 0, ends(name, data)
    for night, end in enumerate([*sorted(rng.sample(places, NIGHTS)), len(data)]):
        how = rng.choice(["rotate", "truncate"]) if night else "grow"
        if how != "grow":
            middle = rng.choice([place for place in places if before <= place <= end])
            rotated = data[begin:middle]
            if how == "truncate":  # a night sees both: the copy, and the log before it is cut off
                folder.files = {**folder.files, "log.0": rotated, "log": rotated}
                folder.night(after(middle / len(data)))
                del folder.files["log.0"]
            older = sorted((at for at in folder.files if at != "log"), reverse=True)
            for at in older:
                number = int(at.split(".")[1]) + 1
                packed = folder.files.pop(at)
                if not at.endswith(".gz"):
                    packed = gzip.compress(packed)
                folder.files[f"log.{number}.gz"] = packed
            folder.files["log.1"] = rotated
            begin = middle
        folder.files["log"] = data[begin:end]
        if rng.random() < 0.4:
            folder.files["copy.9"] = folder.files["log"]
        else:
            folder.files.pop("copy.9", None)
        last, before = folder.night(after(end / len(data)) if end < len(data) else None), end
    folder.files.pop("copy.9", None)
    assert told(last) == once(name, tmp_path)


@pytest.mark.parametrize("name", ["pattern", "pgaudit csvlog"])
@pytest.mark.parametrize("begun", [9, 40, 2_000])
def test_a_log_that_grows_while_it_is_read(name: str, begun: int, tmp_path: Path) -> None:
    """However often its end is reached: the end is where it was at first."""
    data = whole(name)
    folder = Folder(name, tmp_path / "facts", {"log": data[:begun]})
    folder.writes = lambda name, at: data[at : at + 37]
    folder.night(after(begun / len(data)))
    folder.files, folder.writes = {"log": data}, lambda name, at: b""
    assert told(folder.night()) == once(name, tmp_path)


@pytest.mark.parametrize("name", ["general log", "S3 access log, text"])
def test_a_log_that_is_being_packed(name: str, tmp_path: Path) -> None:
    """What a night saw of the packed one is part of what is known, and no damage any more."""
    data = whole(name)
    folder = Folder(name, tmp_path / "facts", {"log": data})
    folder.night()
    packed = gzip.compress(data)
    for size in (len(packed) // 2, len(packed) * 2 // 3):
        folder.files["log.2.gz"] = packed[:size]
        assert "1 file is cut off or corrupt" in folder.night().evidence.detail
    folder.files = {"log.2.gz": packed}
    assert told(folder.night()) == once(name, tmp_path)


def test_statements_that_run_while_a_batch_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each begins within the one before, and its outcome comes some lines later."""
    monkeypatch.setattr(logbook, "ROWS", 30)
    name = "server_audit"
    lines = whole(name).splitlines(keepends=True)
    late = sorted(range(len(lines)), key=lambda at: at + 9 * (b",QUERY," in lines[at]))
    folder = Folder(name, tmp_path / "facts", {"log": b"".join(lines[at] for at in late)})
    last = folder.night()
    assert folder.batches > 3
    assert last.reads == folder.night().reads
    assert sorted(last.reads, key=repr) == once(name, tmp_path)[0]


def refused(data: bytes) -> tuple[int, datetime]:
    """Of a log of statements, the place between the last one that failed and its error, and when
    that was."""
    place = data.rindex(b"\n", 0, data.rindex(b"ERROR")) + 1
    stamp = data[data.rindex(b"\n", 0, place - 1) + 1 :][: len("2026-03-01 10:00:00")].decode()
    return place, datetime.fromisoformat(stamp).replace(tzinfo=LOCAL)


def test_a_run_that_begins_anew_at_once_does_not_settle_what_is_open(tmp_path: Path) -> None:
    """After a kill the log is found as it was, too."""
    name = "log_statement csvlog"
    folder, data = Folder(name, tmp_path / "facts"), whole(name)
    place, when = refused(data)
    folder.files = {"log": data[:place]}
    for minute in (1, 2, 40):
        folder.night(when + timedelta(minutes=minute))
    folder.files = {"log": data}
    assert told(folder.night()) == once(name, tmp_path)


def test_an_error_stands_in_a_file_that_was_read_in_an_earlier_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logbook, "ROWS", 10)
    name = "log_statement csvlog"
    data = whole(name)
    place, _ = refused(data)
    folder = Folder(name, tmp_path / "facts", {"log": data[place:], "log.1": data[:place]})
    assert told(folder.night()) == once(name, tmp_path)
    assert folder.batches > 5


@pytest.mark.parametrize("name", LOGS if EXAMPLES > USUAL else [*WHOLE, *ROTATED])
def test_what_is_known_is_not_read_again(name: str, tmp_path: Path) -> None:
    """Not opened under its own name; under another it is looked at and adds nothing."""
    folder = Folder(name, tmp_path / "facts", dict(case(SMALL, name).files))
    first = folder.night()
    folder.night()  # what stood at the end of a log is there as it was: now it is settled
    handed_over = folder.batches
    again = folder.night()
    assert folder.opened == [] and folder.batches == handed_over
    assert told(again) == told(first)
    assert f"{len(folder.files)} files as they were known, 0 read" in again.evidence.detail
    first_name = min(folder.files)
    folder.files["copy"] = folder.files[first_name]
    folder.files[f"moved {first_name}.gz"] = gzip.compress(folder.files.pop(first_name))
    assert told(folder.night()) == told(first)


@pytest.mark.parametrize("name", ["CloudTrail", "S3 access log, text"])
def test_what_was_read_and_lies_in_an_archive_now_is_no_gap(name: str, tmp_path: Path) -> None:
    """A lifecycle moves old logs to where they cannot be read; one not read before is missing."""
    folder = Folder(name, tmp_path / "facts", dict(case(SMALL, name).files))
    folder.night()
    first = folder.night()
    folder.archived = {max(folder.files)}
    assert told(folder.night()) == told(first)
    folder.files["later"] = folder.files[max(folder.files)] + b"\n"
    folder.archived = {"later"}
    assert "1 file could not be read" in folder.night().evidence.detail


def test_killed_between_two_batches_nothing_is_lost_and_nothing_counts_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch ends in the middle of a log; a kill takes some of those that were handed over."""
    monkeypatch.setattr(logbook, "ROWS", 20)
    rng = random.Random(7)
    for name in ("pgaudit csvlog", "log_statement stderr"):
        folder = Folder(name, tmp_path / name, {"log.gz": gzip.compress(whole(name))})
        last = folder.night(killed=lambda: rng.random() < 0.3)
        assert folder.batches > 5
        assert told(last) == once(name, tmp_path / f"whole {name}")


def test_a_log_changed_in_the_middle_is_read_whole(tmp_path: Path) -> None:
    name = "pgaudit csvlog"
    data = whole(name)
    folder = Folder(name, tmp_path / "facts", {"log": data})
    folder.night()
    place = data.index(b'"other"', len(data) // 2)
    end = data.index(b"\n", place)
    folder.files["log"] = data[:place] + data[end:]
    changed = folder.night()
    assert changed.evidence.unparsed == 1
    assert sum(each.reads or 0 for each in changed.reads) == sum(
        each.reads or 0 for each in once(name, tmp_path)[0]
    )
    assert "of them on" not in changed.evidence.detail


def test_other_settings_read_anew(tmp_path: Path) -> None:
    """What was understood with the wrong time zone does not stay."""
    name = "server_audit"
    folder = Folder(name, tmp_path / "facts", {"log": whole(name)})
    folder.settings = {"zone": "America/New_York"}
    wrong = folder.night()
    folder.settings = {}
    assert told(folder.night()) == once(name, tmp_path) != told(wrong)


@pytest.mark.parametrize("name", ["general log", "log_statement stderr", "server_audit", "pattern"])
def test_nothing_of_a_log_is_kept_that_is_not_sealed(name: str, tmp_path: Path) -> None:
    """Names of accounts and tables that hold a card number, in what is kept for reading on."""
    pan = "4556737586899855"
    data = (
        whole(name).replace(b"clerk-00", f"c{pan}".encode()).replace(b"cards", f"t{pan}".encode())
    )
    folder = Folder(name, tmp_path / "facts")
    for end in (len(data) // 3, len(data) * 2 // 3):
        folder.files = {"log": data[:end]}
        folder.night()
    kept = folder.path.read_bytes()
    assert pan.encode() not in kept and b"SELECT" not in kept.replace(b"SELECTs", b"")
    with closing(Facts(folder.path, read_only=True)) as facts:
        rows = facts.db.execute(
            "SELECT digest, prefix, places, state, name FROM content LEFT JOIN object ON true"
        ).fetchall()
        assert rows and pan not in repr(rows)
    keyless = {hashlib.blake2b(data[:n], digest_size=16).hexdigest() for n in range(len(data) + 1)}
    assert not any(each in repr(rows) for each in keyless)
