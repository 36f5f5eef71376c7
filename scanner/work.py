"""What a worker does with one slice: open, read, detect, seal. Raw values end in this module.

``Worker.run`` raises for nothing the data can cause: what could not be read is in the
``SliceResult``, which holds sealed values only and is all that leaves the process.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import field
from datetime import datetime
from functools import cache
from pathlib import Path, PurePath
from typing import Any

from detectors.base import Counting, Detector, Fallible, Massing, Scan, State
from detectors.records import dataclass
from scanner.batch import Batch
from scanner.company import CompanyCollector
from scanner.contracts import (
    Chunk,
    EvidenceKind,
    EvidenceResult,
    FactsAt,
    HoldsLogs,
    Limits,
    OpenFiles,
    OpenStore,
    Reader,
    Records,
    Source,
    StoreKind,
)
from scanner.errors import ExitCode, LedgerError, Reason, Stopped, Unreadable
from scanner.fieldtally import FieldCollector, Found, Sealed
from scanner.known import Known
from scanner.model import Coverage, Evidence, Location, Problem, Slice, Store, Unit
from scanner.retention import Keeps, Kept
from scanner.seal import NameSealer, Sealer
from scanner.snooping import Lookout, Snooping, numbering
from scanner.tally import Crowd, Kind, SealedProblem, SliceResult, Tallies
from scanner.walk import walk

NAME_FIELD = "(name)"
"""``Location.field`` of a card number that stands in the name of a unit itself."""
_FEWEST_DIGITS = 12
"""of a card number: the shortest are Maestro's"""
_MAX_PROBLEMS = 100


@dataclass(frozen=True, slots=True)
class Plugins:
    """What the worker is handed; it imports no plug-in itself."""

    stores: Mapping[str, StoreKind]
    readers: Sequence[Reader]
    detectors: Sequence[Detector]
    evidence: Mapping[str, EvidenceKind] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ScanTask:
    store: Store
    unit: Unit
    part: Slice
    sample: bool = False
    """a first pass, if the unit can be sampled; else nothing is read"""
    listed: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """by detector and entity, how many values the first slice of the unit listed"""


@dataclass(frozen=True, slots=True)
class EvidenceTask:
    kind: str
    settings: Mapping[str, Any]
    stores: tuple[Store, ...]
    window: tuple[datetime, datetime]
    known: Mapping[str, Known] = field(default_factory=dict)
    """by store uri, what the scan found"""
    facts: Path | None = None
    """the fact store, to read"""
    done: frozenset[str] = frozenset()
    """files that this run has added to it"""
    snooping: Snooping | None = None


@dataclass(frozen=True, slots=True)
class EvidenceDone:
    """What a collection of evidence gives: results by store uri, facts to add, those of this answer
    only, and whether it is to be asked again after that."""

    results: Mapping[str, EvidenceResult]
    batches: tuple[Batch, ...] = ()
    loose: tuple[Batch, ...] = ()
    more: bool = False


class Worker:
    """One per process; keeps the stores it has opened. ``stopping`` is asked between chunks, so
    that a scan in the main process stops soon; the slice at hand is then given up."""

    def __init__(
        self,
        plugins: Plugins,
        sealer: Sealer,
        limits: Limits,
        distinct_limit: int,
        stopping: Callable[[], ExitCode | None],
    ) -> None:
        self._plugins, self._sealer, self._limits = plugins, sealer, limits
        self._distinct_limit, self._stopping = distinct_limit, stopping
        self._inside = NameSealer(sealer, plugins.detectors)
        """for names that stand in the data of a unit"""
        self._stores: dict[str, OpenStore] = {}

    def run(self, task: Sequence[ScanTask] | EvidenceTask) -> Any:
        """A ``SliceResult`` for each slice, an ``EvidenceDone`` for evidence."""
        if isinstance(task, EvidenceTask):
            return self._evidence(task)
        return [self._slice(each) for each in task]

    def _store(self, store: Store) -> OpenStore:
        opened = self._stores.get(store.uri)
        if opened is None:
            kind = self._plugins.stores[store.kind]
            opened = self._stores[store.uri] = kind.connect(store, self._sealer.name)
        return opened

    def close(self) -> None:
        """Ends the connections it has made; one more task would make them anew."""
        for opened in self._stores.values():
            opened.close()
        self._stores.clear()

    # --- one slice

    def _slice(self, task: ScanTask) -> SliceResult:
        part = task.part
        result = SliceResult(task.unit.id, part.index, start=part.start, end=part.end)
        tallies = Tallies(self._inside, task.part.index, self._distinct_limit)
        scans = [(detector, detector.scan()) for detector in self._plugins.detectors]
        for detector, scan in scans:
            if isinstance(scan, Massing):
                scan.in_bulk = True
            if isinstance(scan, Counting):
                scan.go_on(task.listed.get(detector.name, {}))
        around = _Around(self._inside, task.part.index, scans)
        try:
            self._read(task, scans, tallies, around, result)
        except Unreadable as error:
            result.unreadable = self._sealed(error.reason, error.detail)
        except Stopped:
            raise
        except MemoryError:
            result.unreadable = SealedProblem(Reason.BUDGET_MEMORY, "the memory limit was reached")
        except Exception as error:  # noqa: BLE001 - a defect of ours costs one unit, not the night
            result.unreadable = SealedProblem(Reason.INTERNAL, _where_it_broke(error))
        for _, scan in scans:
            for words in scan.problems() if isinstance(scan, Fallible) else ():
                self._note(result, Problem(Reason.TIMED_OUT, words), None)
        if task.part.index == 0:
            self._search_name(task.unit, tallies)
        result.tallies, result.crowds = tallies.done()
        result.columns, result.company = around.fields.done(), around.company.done()
        for detector, scan in scans:
            for (entity, number, score), count in (
                scan.more().items() if isinstance(scan, Counting) else ()
            ):
                kind = Kind(detector.name, entity, State.CLEAR, number)
                result.crowds.append(Crowd(kind, score, count, b""))
        result.fields = {
            detector.name: fields for detector, scan in scans if (fields := dict(scan.fields()))
        }
        return result

    def _read(
        self,
        task: ScanTask,
        scans: Sequence[tuple[Detector, Scan]],
        tallies: Tallies,
        around: _Around,
        result: SliceResult,
    ) -> None:
        opened = self._store(task.store).open(task.unit)
        if task.sample:
            sample = opened.sample() if isinstance(opened, Records) else None
            if sample is None:
                return
            result.sampled = sample.fraction
            opened = Records(lambda part: sample.chunks)
        try:
            walked = walk(opened, task.unit.name, task.part, self._plugins.readers, self._limits)
            result.cut = walked.sliceable
            if task.part.index and not walked.sliceable:
                raise Unreadable(Reason.CHANGED, "it can no longer be read in parts")
            try:
                for member, item in walked:
                    if isinstance(item, Problem):
                        self._note(result, item, member)
                        continue
                    around.chunk(item, *_sealed_matches(item, scans, tallies))
                    result.newlines += item.newlines
                    result.searched += item.hi - item.lo
                    self._stop_if_asked()
            finally:
                result.bytes = walked.bytes_read
            changed = opened.check()
            if changed is not None:
                self._note(result, changed, None)
        finally:
            if isinstance(opened, Source):
                opened.file.close()

    def _search_name(self, unit: Unit, tallies: Tallies) -> None:
        """A card number in the name of a file or object is a finding like any other."""
        if sum(map(str.isdigit, unit.key)) < _FEWEST_DIGITS:
            return
        data = unit.key.encode("utf-8", "surrogateescape")
        chunk = Chunk(data, 0, len(data), lambda start, end: Location(field=NAME_FIELD))
        for detector in self._plugins.detectors:
            for match in detector.scan().find(data, 0, len(data), chunk):
                tallies.add(detector, match, chunk)

    def _stop_if_asked(self) -> None:
        code = self._stopping()
        if code is not None:
            raise Stopped(code)

    def _note(self, result: SliceResult, problem: Problem, member: str | None) -> None:
        if len(result.problems) >= _MAX_PROBLEMS:
            result.problems_more += 1
            return
        result.problems.append(self._sealed(problem.reason, problem.detail, member))

    def _sealed(self, reason: str, detail: str, member: str | None = None) -> SealedProblem:
        name = self._inside.name
        return SealedProblem(reason, name(detail), None if member is None else name(member))

    # --- evidence of reads

    def _evidence(self, task: EvidenceTask) -> EvidenceDone:
        kind = self._plugins.evidence[task.kind]
        at = FactsAt(task.facts, task.done, self._sealer.fingerprint("contents of logs"))
        more = {"facts": at} if getattr(kind, "keeps_facts", False) else {}
        uri = str(task.settings.get("uri", ""))
        settings = {
            **task.settings,
            "kept": cache(lambda: self._kept(uri)),
        }
        if task.snooping is not None:
            number = numbering(self._sealer.fingerprint, self._sealer.name)
            settings["snooping"] = Lookout(task.snooping, number)
        logs = _Logs(self._files, uri)
        try:
            results = kind.collect(
                settings,
                logs.open,
                task.stores,
                task.window,
                self._sealer.name,
                task.known,
                **more,
            )
            if logs.fault:
                unread = self._sealer.name(f"{uri} ({logs.fault})")
                results = {uri: each.but_unread(unread) for uri, each in results.items()}
            return EvidenceDone(results, tuple(at.batches), tuple(at.loose), at.more)
        except Unreadable as error:
            why = _why(error)
        except LedgerError as error:
            why = str(error)
        except Exception as error:  # noqa: BLE001 - evidence that breaks us is unknown, not fatal
            why = f"{Reason.INTERNAL}: {_where_it_broke(error)}"
        finally:
            at.close()
        why, unread = map(self._sealer.name, (why, f"{uri} ({why})"))
        unknown = EvidenceResult(
            Evidence(task.kind, Coverage.UNKNOWN, None, None, why, unread=unread)
        )
        return EvidenceDone({store.uri: unknown for store in task.stores})

    def _kept(self, uri: str) -> Kept:
        """``retention.AskKept`` of where the logs lie."""
        kind = next(kind for kind in self._plugins.stores.values() if kind.claims(uri))
        try:
            with closing(kind.connect(kind.resolve(uri, {}), self._sealer.name)) as opened:
                return opened.kept() if isinstance(opened, Keeps) else Kept()
        except Unreadable as error:
            why = error.detail or error.reason
            return Kept(remarks=(f"how long the logs are kept is not known ({why})",))

    def _files(self, uri: str) -> Iterator[tuple[str, Source | Problem]]:
        """``contracts.OpenFiles``: walks any store of bytes for files of evidence."""
        kind = next(kind for kind in self._plugins.stores.values() if kind.claims(uri))
        opened = kind.connect(kind.resolve(uri, {}), self._sealer.name)
        try:
            if isinstance(opened, HoldsLogs):
                for name, log in opened.logs():
                    with log.file:
                        yield name, log
                return
            for item in opened.units(lambda name, is_directory: False):
                if not isinstance(item, Unit):
                    reason = item.reason or Reason.IO_ERROR
                    yield item.unit, Problem(reason, item.detail, version=item.version)
                    continue
                try:
                    source = opened.open(item)
                except Unreadable as error:
                    yield item.name, Problem(error.reason, error.detail)
                    continue
                if isinstance(source, Source):
                    source.version = item.version
                    with source.file:
                        yield item.key, source
        finally:
            opened.close()


class _Logs:
    """Opens files of evidence, and keeps why those of ``uri`` could not be listed."""

    def __init__(self, files: OpenFiles, uri: str) -> None:
        self._files, self._uri = files, uri
        self.fault = ""

    def open(self, uri: str) -> Iterator[tuple[str, Source | Problem]]:
        try:
            yield from self._files(uri)
        except Unreadable as error:
            if uri == self._uri:
                self.fault = _why(error)
            raise


def _why(error: Unreadable) -> str:
    return f"{error.reason}: {error.detail}" if error.detail else str(error.reason)


class _Around:
    """What the matches of a slice stand under, and what stands with them."""

    def __init__(self, sealer: Sealer, part: int, scans: Sequence[tuple[Detector, Scan]]) -> None:
        self.fields, self.company = FieldCollector(sealer), CompanyCollector(sealer, part)
        self._counting = [scan for _, scan in scans if isinstance(scan, Counting)]

    def chunk(self, chunk: Chunk, found: Sequence[Found], many: Sequence[Sealed]) -> None:
        dense = {entity for scan in self._counting for entity, _, _ in scan.more()}
        self.fields.chunk(chunk, found, dense)
        for bulk, shorts in many:
            self.fields.bulk(chunk, bulk, shorts)
        self.company.chunk(chunk, found, many)


def _sealed_matches(
    chunk: Chunk, scans: Sequence[tuple[Detector, Scan]], tallies: Tallies
) -> tuple[list[Found], list[Sealed]]:
    """All matches of the window, sealed: spans and fingerprints; and those in bulk. The name of a
    field is asked for by detectors and for the count of fields, and found once."""
    chunk.field_name = _remembered(chunk.field_name)
    found: list[Found] = []
    many: list[Sealed] = []
    for detector, scan in scans:
        matches = scan.find(chunk.data, chunk.lo, chunk.hi, chunk)
        found += [Found(match, tallies.add(detector, match, chunk)) for match in matches]
        bulks = scan.bulk() if isinstance(scan, Massing) else ()
        many += [Sealed(bulk, tallies.add_bulk(detector, bulk, chunk)) for bulk in bulks]
    return found, many


def _remembered(field_name: Callable[[int], str | None]) -> Callable[[int], str | None]:
    known: dict[int, str | None] = {}

    def name(start: int) -> str | None:
        if start not in known:
            known[start] = field_name(start)
        return known[start]

    return name


def _where_it_broke(error: Exception) -> str:
    """Type and place of an exception; its text may hold content, so it is left out."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}; please report this"
