"""The fact store: whatever comes again, late or in pieces, an event counts once, and a kill at any
moment leaves a batch or none of it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scanner.access import book as books
from scanner.access import lines, track
from scanner.access.cloudtrail import EVIDENCE
from scanner.access.pattern import EVIDENCE as PATTERN
from scanner.access.shapes import shape
from scanner.batch import Verb
from scanner.contracts import EvidenceResult, FactsAt, OpenFiles, Source
from scanner.errors import LedgerError
from scanner.facts import KEPT_DAYS, Facts, rolled_before
from scanner.factview import EPOCH, View
from scanner.model import Problem, Store
from tests.access.trails import END, START, delivered, event, heartbeat, opener, role

STORES = [Store("s3://pay", "s3")]
CARD = "4111111111111111"


def versioned(files: Mapping[str, bytes]) -> OpenFiles:
    """As a worker hands files over: with a version that changes with the content."""

    def open_files(uri: str) -> Iterator[tuple[str, Source | Problem]]:
        for name, source in opener(files)(uri):
            if isinstance(source, Source):
                source.version = str(hash(files[name]))
            yield name, source

    return open_files


def collect(
    path: Path,
    files: Mapping[str, bytes],
    *,
    kind: Any = EVIDENCE,
    stores: list[Store] = STORES,
    window: tuple[datetime, datetime] = (START, END),
    **settings: Any,
) -> EvidenceResult:
    """One run: as the pipeline does, until there is nothing more."""
    done: frozenset[str] = frozenset()
    while True:
        at = FactsAt(path, done)
        found = kind.collect(
            {"uri": "folder", **settings},
            versioned(files),
            stores,
            window,
            lambda name: name.replace(CARD, "[sealed]"),
            None,
            facts=at,
        )
        at.close()
        with closing(Facts(path)) as facts:
            for batch in at.batches:
                facts.add(batch)
        if not at.more:
            return found[stores[-1].uri]
        done |= {file.name for batch in at.batches for file in batch.files}


def contents(path: Path) -> list[Any]:
    with closing(Facts(path, read_only=True)) as facts:
        return [
            facts.db.execute(f"SELECT * FROM {table} ORDER BY ALL").fetchall()
            for table in ("fact", "mark", "note", "content", "file", "who", "object", "seen")
        ]


def test_reading_it_again_adds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "facts"
    files = {f"{i}.gz": delivered(*[event(minute=10 * i + k) for k in range(5)]) for i in range(6)}
    first = collect(path, files)
    before = contents(path)
    assert first.reads[0].reads == 30
    assert collect(path, files) == first
    assert contents(path) == before


def test_known_files_are_not_read_again(tmp_path: Path) -> None:
    files = {"a.gz": delivered(event()), "b.gz": delivered(event())}
    first = collect(tmp_path / "facts", files)

    def closed(uri: str) -> Iterator[tuple[str, Source | Problem]]:
        for name, source in versioned(files)(uri):
            assert isinstance(source, Source)
            source.file.close()  # reading it raises
            yield name, source

    at = FactsAt(tmp_path / "facts")
    again = EVIDENCE.collect({"uri": "folder"}, closed, STORES, (START, END), str, None, facts=at)
    at.close()
    assert again["s3://pay"] == first and not at.batches


def test_late_and_duplicate_files_are_harmless(tmp_path: Path) -> None:
    records = [event(minute=minute) for minute in range(60)]
    pieces = [delivered(*records[i : i + 10]) for i in range(0, 60, 10)]
    rng = random.Random(5)
    path, seen = tmp_path / "facts", dict[str, bytes]()
    for number in range(12):
        seen[f"{number}.gz"] = rng.choice(pieces)
        result = collect(path, seen)
        expected = 10 * len(set(seen.values()))
        assert result.reads[0].reads == expected
        assert f"{expected} records in" in result.evidence.detail


def test_files_that_are_gone_are_remembered(tmp_path: Path) -> None:
    path = tmp_path / "facts"
    whole = collect(path, {"a.gz": delivered(event(), *heartbeat()), "b.gz": delivered(event())})
    assert whole.reads[0].reads == 2
    later = collect(path, {"c.gz": delivered(event(minute=90))})
    assert later.reads[0].reads == 3 and later.reads[0].first == whole.reads[0].first


def test_a_file_that_grew_counts_what_is_new(tmp_path: Path) -> None:
    lines = [b"t=2026-03-01T00:%02d:00Z p=bob o=cards.csv" % minute for minute in (1, 1, 2, 3, 4)]
    form = {"store": "s3://pay", "format": "t={time} p={principal} o={object}"}
    for length in range(1, 6):
        files = {"app.log": b"\n".join(lines[:length])}
        result = collect(tmp_path / "facts", files, kind=PATTERN, **form)
        assert result.reads[0].reads == length


def test_more_stores_read_the_files_again_for_them(tmp_path: Path) -> None:
    files = {"a.gz": delivered(event(), event(bucket="new"), *heartbeat())}
    path = tmp_path / "facts"
    assert collect(path, files).reads[0].reads == 1
    both = [Store("s3://new", "s3"), *STORES]
    assert collect(path, files, stores=both).reads[0].reads == 1
    assert collect(path, files, stores=both[:1]).reads[0].reads == 1
    assert collect(path, files).reads[0].reads == 1


def test_much_is_read_in_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "ROWS", 10)
    files = {f"{i}.gz": delivered(*[event(minute=i) for _ in range(4)]) for i in range(20)}
    assert collect(tmp_path / "facts", files).reads[0].reads == 80


def test_a_file_that_changes_under_our_hands_ends(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(books, "ROWS", 1)
    made = iter(range(1_000))

    class Growing(dict[str, bytes]):
        def items(self) -> Any:
            return [(f"{n}.gz", delivered(event(minute=next(made)))) for n in range(3)]

        def __getitem__(self, name: str) -> bytes:
            return bytes(next(made))

    assert collect(tmp_path / "facts", Growing()).reads[0].reads == 3


def test_nothing_raw_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "facts"
    odd = event(key=f"k/{CARD}.txt", who=role(session=CARD), minute=3)
    wrong = event(minute=4, eventID=None, errorMessage=f"for {CARD}")
    collect(path, {f"{CARD}.gz": delivered(odd, wrong, {"eventName": f"x {CARD}"})})
    for file in tmp_path.iterdir():
        assert CARD.encode() not in file.read_bytes()
    with closing(Facts(path, read_only=True)) as facts:
        dump = repr([facts.db.execute(f"SELECT * FROM {t}").fetchall() for t in _tables(facts)])
    assert CARD not in dump and "k/[sealed].txt" in dump


def _tables(facts: Facts) -> list[str]:
    found = facts.db.execute("SELECT table_name FROM duckdb_tables() WHERE NOT temporary")
    return [name for (name,) in found.fetchall()]


def test_a_log_that_grows_keeps_a_few_shapes_and_their_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it is read whole or on, each line has the number it has in the file."""
    for module, name, size in ((track, "SPACING", 200), (track, "HEAD", 16), (lines, "STEP", 100)):
        monkeypatch.setattr(module, name, size)
    form = {"store": "s3://pay", "format": "t={time} p={principal} o={object}"}
    log = b""
    for night in range(4):
        log += b"".join(b"t=2026-03-01T00:%02d:00Z p=bob o=x\n" % m for m in range(30))
        log += b"!" * night + f" no line {CARD}\n".encode() * 5
        files = {f"a.{night}.log": log}
        read_on = collect(tmp_path / "facts", files, kind=PATTERN, **form).evidence
        whole = collect(tmp_path / f"anew {night}", files, kind=PATTERN, **form).evidence
        assert read_on.unparsed == whole.unparsed == 5 * (night + 1)
        assert {each.file for each in read_on.misfits} == {f"a.{night}.log"}
        physical = log.split(b"\n")
        for each in read_on.misfits:
            assert shape(physical[int(each.place.removeprefix("line ")) - 1]) == each.shape
        assert 0 < len(read_on.misfits) <= 3 and whole.misfits
    with closing(Facts(tmp_path / "facts", read_only=True)) as facts:
        kept = "SELECT max(n) FROM (SELECT count(*) AS n FROM sample GROUP BY content)"
        assert facts.db.execute(kept).fetchall()[0][0] <= 3


def _source(facts: Facts) -> str:
    return str(facts.db.execute("SELECT key FROM source").fetchall()[0][0])


def test_old_facts_become_days_and_stay_history(tmp_path: Path) -> None:
    path = tmp_path / "facts"
    collect(path, {"a.gz": delivered(*[event(minute=60 * h, key=f"k{h % 4}") for h in range(6)])})
    with closing(Facts(path)) as facts:
        facts.roll_up(START.toordinal() - EPOCH + 1)
        assert facts.db.execute("SELECT count(*) FROM fact").fetchall() == [(0,)]
        view = View(facts, _source(facts), (END, END + timedelta(days=90)))
        people = view.people("s3://pay")
        (days,) = view.days("s3://pay", dict.fromkeys(people, 7), START.toordinal())[7].items()
        assert view.since() == START
    assert days[0] == START.toordinal()
    assert (days[1].reads, days[1].objects, sorted(days[1].hours)) == (6, 4, list(range(6)))


def test_what_became_days_is_not_counted_again(tmp_path: Path) -> None:
    path = tmp_path / "facts"
    events = [event(minute=20 * h, key=f"k{h % 4}") for h in range(9)]
    first, late = delivered(*events[:6]), delivered(*events[4:])
    whole = collect(tmp_path / "never rolled", {"a.gz": first, "b.gz": late})
    collect(path, {"a.gz": first})
    for files in ({"a.gz": first}, {"renamed.gz": first, "b.gz": late}, {"b.gz": late}):
        with closing(Facts(path)) as facts:
            facts.roll_up(START.toordinal() - EPOCH + 1)
            facts.roll_up(START.toordinal() - EPOCH + 1)
        found = collect(path, files)
    (reads,), (expected,) = found.reads, whole.reads
    for each in ("principal", "reads", "bytes", "denied", "first", "last"):
        assert getattr(reads, each) == getattr(expected, each)
    assert reads.reads == 9
    assert reads.objects is None and "kept as sums of days" in found.evidence.detail


_KILLED_ROLLING = """
import os, sys
from pathlib import Path
from scanner.facts import Facts

class Dies:
    def __init__(self, db):
        self.db = db
    def __getattr__(self, name):
        return getattr(self.db, name)
    def execute(self, statement, *more):
        if statement.startswith(sys.argv[3]):
            os._exit(9)
        return self.db.execute(statement, *more)

facts = Facts(Path(sys.argv[1]))
facts.db = Dies(facts.db)
facts.roll_up(int(sys.argv[2]))
"""


@pytest.mark.parametrize("moment", ["DELETE", "COMMIT"])
def test_a_kill_while_days_are_made_leaves_all_as_it_was(tmp_path: Path, moment: str) -> None:
    path = tmp_path / "facts"
    collect(path, {"a.gz": delivered(*[event(minute=20 * h, key=f"k{h}") for h in range(6)])})
    day = START.toordinal() - EPOCH + 1
    done = subprocess.run([sys.executable, "-c", _KILLED_ROLLING, str(path), str(day), moment])
    assert done.returncode == 9
    for fact, days in ((6, 0), (0, 6)):
        with closing(Facts(path)) as facts:
            counts = [
                facts.db.execute(f"SELECT coalesce(sum(count), 0)::BIGINT FROM {table}").fetchall()
                for table in ("fact", "day")
            ]
            facts.roll_up(day)
        assert counts == [[(fact,)], [(days,)]]


def test_the_window_is_never_rolled_up() -> None:
    end = datetime(2026, 3, 1, tzinfo=UTC)
    today = end.toordinal() - EPOCH
    assert rolled_before((end - timedelta(days=90), end)) == today - KEPT_DAYS
    assert rolled_before((end - timedelta(days=900), end)) == today - 900


def test_a_file_that_is_none_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "facts"
    path.write_bytes(b"something else" * 1000)
    with pytest.raises(LedgerError, match="expected the facts of a Cardtrail ledger"):
        Facts(path)
    assert path.read_bytes() == b"something else" * 1000


_KILLED = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from scanner.access.book import Book, Origin, Rows
from scanner.batch import FileFacts, Verb
from scanner.contracts import FactsAt
from scanner.facts import Facts
path = Path(sys.argv[1])
for number in range(10_000):
    at = FactsAt(path)
    book = Book(Origin("test", {}, ["s3://pay"], str), at)
    book._file = FileFacts(f"file {number}", "1", f"{number}", "h")
    who = book.who("s3://pay", "bob")
    rows = Rows()
    for n in range(100):
        rows.add(Verb.READ, who, 1_700_000_000 + 100 * number + n)
    book.mark("record", datetime.fromtimestamp(1_700_000_000, UTC), count=100)
    book.batch.files.append(book._file)
    book._finish_rows(rows)
    book.end()
    at.close()
    facts = Facts(path)
    for batch in at.batches:
        facts.add(batch)
    facts.close()
    print(number, flush=True)
"""


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_moment_a_file_is_believed_whole_or_not(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "facts"
    command = [sys.executable, "-c", _KILLED, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(random.Random(seed).uniform(0, 0.4))
        os.kill(process.pid, signal.SIGKILL)
        said = [0, *map(int, process.stdout.read().split())]
    with closing(Facts(path)) as facts:
        files, marks, reads = (
            int(facts.db.execute(f"SELECT {what}").fetchall()[0][0])
            for what in (
                "count(*) FROM file",
                "sum(count) FROM mark",
                f"sum(count) FROM fact WHERE verb = {int(Verb.READ)}",
            )
        )
    assert marks == reads == 100 * files
    assert files >= max(said) + 1


def test_years_before_1970_and_after_2100_do_no_harm(tmp_path: Path) -> None:
    odd = [event(eventTime=f"{year}-01-01T00:00:00Z") for year in ("1969", "0001", "9999", "2150")]
    result = collect(tmp_path / "facts", {"a.gz": delivered(event(), *odd)})
    assert result.reads[0].reads == 1


def test_time_of_day_is_kept(tmp_path: Path) -> None:
    result = collect(tmp_path / "facts", {"a.gz": delivered(event(minute=7.5), event(minute=6))})
    assert result.reads[0].first == datetime(2026, 3, 1, 0, 6, tzinfo=UTC)
    assert result.reads[0].last == datetime(2026, 3, 1, 0, 7, 30, tzinfo=UTC)


@pytest.mark.parametrize("version", [2, 3])
def test_a_file_of_an_earlier_version_is_taken_over(tmp_path: Path, version: int) -> None:
    """What it holds stays, and can be asked before; a worker, which only reads, refuses it."""
    path = tmp_path / "facts"
    first = collect(path, {"a.gz": delivered(event(), event())})
    with closing(Facts(path)) as facts:
        facts.db.execute("ALTER TABLE sample DROP COLUMN place")
        facts.db.execute(f"UPDATE about SET version = {version}")
        if version == 2:
            for column in ("length", "resume", "prefix", "places", "state", "base", "loose"):
                facts.db.execute(f"ALTER TABLE content DROP COLUMN {column}")
            facts.db.execute("DROP VIEW all_kept; DROP TABLE kept")
    with closing(Facts(path, read_only=True)) as facts:
        assert facts.db.execute("SELECT count(*) FROM content").fetchall() == [(1,)]
    with pytest.raises(LedgerError, match=f"expected version 4, found {version}"):
        Facts(path, overlay=True)
    Facts(path).close()
    before = contents(path)
    assert collect(path, {"a.gz": delivered(event(), event())}).reads[0].reads == 4
    assert contents(path) != before and first.reads[0].reads == 2
