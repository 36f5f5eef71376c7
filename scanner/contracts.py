"""The shapes of the plug-ins: stores, readers, evidence, reports. Standard library only.

A plug-in is one file with one constant (``STORE``, ``READER``, ``EVIDENCE``, ``REPORT``) whose
value has the shape below. ``scanner.registry`` finds it; nothing else needs to know of it.
Detectors have their shape in ``detectors.base``.

Raw data travels as ``Chunk`` and ``Source``; both hide it from repr. Names that come from
data (member, column, sheet, key) are sealed by the pipeline, so plug-ins hand them on as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TextIO, TypeAlias, runtime_checkable

from detectors.records import dataclass
from scanner.batch import Batch
from scanner.known import Known
from scanner.model import (
    Access,
    Coverage,
    Evidence,
    Fact,
    Location,
    Misfit,
    Outcome,
    Problem,
    Reads,
    Run,
    Slice,
    Store,
    Unit,
)

Buffer: TypeAlias = bytes | bytearray | memoryview


# --- readers ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """``place`` of a column of the primary key among ``Rows.columns``; ``whole``: of a type that
    holds nothing but whole numbers."""

    place: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Rows:
    """How the rows of a table lie in a chunk. ``columns`` are their names as they come from data.

    ``exact``: no value holds a separator, so cells and rows can be told by splitting. ``header``:
    the window begins with a line that names the columns and is no row. ``key``: the primary key,
    where ``Location.row`` cannot say it.
    """

    columns: Sequence[str]
    cell_end: bytes
    row_end: bytes
    exact: bool = True
    header: bool = False
    key: Sequence[KeyColumn] = ()


class Chunk:
    """A buffer to search, the window that is new in it, and how to say where a match stands.

    ``data[lo:hi]`` is new, the rest is context that overlaps the chunks before and after
    (``detectors.base.BEFORE`` and ``AFTER`` bytes, less at the ends). ``data`` may be reused for
    the next chunk: finish with one before taking the next. ``locate(start, end)`` turns offsets in
    ``data`` into a ``Location``; it is called for findings only, so it may be slow.
    ``field_name(start)`` names the column or key at an offset, None when there is none.
    ``newlines`` counts the line ends in the window, so that a later slice can number its lines.
    ``rows`` says how the rows of a table lie in it, None for what is no table. ``shared`` is for
    the detectors (``detectors.base.Hints``).
    """

    __slots__ = ("data", "field_name", "hi", "lo", "locate", "newlines", "rows", "shared")

    def __init__(
        self,
        data: Buffer,
        lo: int,
        hi: int,
        locate: Callable[[int, int], Location],
        field_name: Callable[[int], str | None] = lambda start: None,
        newlines: int = 0,
        rows: Rows | None = None,
    ) -> None:
        self.data, self.lo, self.hi = data, lo, hi
        self.locate, self.field_name, self.newlines = locate, field_name, newlines
        self.rows = rows
        self.shared: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"Chunk(<{len(self.data)} bytes>)"


@dataclass(slots=True)
class Source:
    """Bytes to read: a unit or a member of one.

    ``file`` is a binary file object, read-only; ``seekable`` says whether ``seek`` is cheap.
    ``sibling("-wal")`` opens the file beside it with that suffix, None when there is none.
    ``check()`` is called after reading and says whether the content changed meanwhile.
    ``data_ranges(start, end)`` yields the ranges that are not holes of a sparse file.
    """

    file: BinaryIO = field(repr=False)
    name: str = field(repr=False)
    size: int | None = None
    seekable: bool = True
    version: str | None = None
    """as ``Unit.version``, of files of evidence"""
    piece: str = field(default="", repr=False)
    """what it is a piece of, of a log that is cut by time: without a byte it is no odd file, but a
    quiet day"""
    sibling: Callable[[str], Source | None] = field(default=lambda suffix: None, repr=False)
    check: Callable[[], Problem | None] = field(default=lambda: None, repr=False)
    data_ranges: Callable[[int, int], Iterator[tuple[int, int]]] = field(
        default=lambda start, end: iter(((start, end),)), repr=False
    )


@dataclass(slots=True)
class Member:
    """A piece inside a unit that goes through the readers again: an archive's member, a blob.

    ``open`` opens it; it is called at most once, before the next item is taken. It may raise
    ``Unreadable`` (encrypted, corrupt), which then counts for this member only.
    """

    name: str = field(repr=False)
    size: int | None
    open: Callable[[], Source] = field(repr=False)


@dataclass(slots=True)
class Limits:
    """Budgets of one unit; what goes over one becomes a ``Problem`` with its reason."""

    depth: int = 8
    entries: int = 1_000_000
    bytes: int = 64 << 30
    """unpacked bytes"""
    ratio: int = 1_000
    """unpacked to packed, beyond the first 64 MiB"""
    seconds: float = 3_600.0
    memory: int = 64 << 20
    """what may be held in memory of one member that needs random access"""


class Reader(Protocol):
    """One family of formats."""

    name: str
    priority: int
    """the reader with the lowest that claims a source gets it"""
    sliceable: bool
    """True when a part can be read by offsets without the rest (text can, gzip not)"""

    def claims(self, head: bytes, name: str) -> bool:
        """Whether this reader is for a source that begins with ``head`` (up to 4 KiB)."""
        ...

    def read(
        self, source: Source, part: Slice, limits: Limits
    ) -> Iterator[Chunk | Member | Problem]:
        """Everything in ``part``; a reader that is not sliceable reads all of it.

        Raises ``Unreadable`` when nothing can be read at all; a fault after some of it was read
        is yielded as a ``Problem``.
        """
        ...


# --- stores -------------------------------------------------------------------------------------

SealName: TypeAlias = Callable[[str], str]
"""Masks card numbers in a name that came from data (``scanner.seal.Sealer.name``)."""

Ignore: TypeAlias = Callable[[str, bool], bool]
"""``ignore(name, is_directory)``: True for what the configuration excludes. It counts its hits."""


@dataclass(slots=True)
class Sample:
    """The parts of a table that ``scanner.sampling.draw`` drew: what stands in them, and which
    fraction of all parts they are."""

    chunks: Iterator[Chunk | Member | Problem]
    fraction: float


@dataclass(slots=True)
class Records:
    """A unit that is not bytes but rows: a table. ``chunks`` yields them as tab-separated text,
    a row a line, with the column as ``field_name`` and row, field in the location. ``sample`` is
    for a first pass; None says that the whole is to be read."""

    chunks: Callable[[Slice], Iterator[Chunk | Member | Problem]]
    sliceable: bool = False
    check: Callable[[], Problem | None] = lambda: None
    sample: Callable[[], Sample | None] = lambda: None


class OpenStore(Protocol):
    """A store that is connected. Made anew in each process that needs one."""

    def units(self, ignore: Ignore) -> Iterator[Unit | Outcome]:
        """Everything in the store, in a stable order. What cannot be a unit (a FIFO, a denied
        folder) comes as an ``Outcome``. Raises ``Unreadable`` when nothing can be listed."""
        ...

    def open(self, unit: Unit) -> Source | Records:
        """Raises ``Unreadable``."""
        ...

    def facts(self) -> tuple[Fact, ...]:
        """Protection facts, asked for once, after ``units``. Never raises: what cannot be asked is
        *unknown* with the reason."""
        ...

    def access(self) -> Access:
        """Who could read, as far as the store itself tells; the read side stays empty."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Keyed:
    """A row: a statement that shows it and holds none of its values, and its primary key as
    ``rowkey.told`` takes it."""

    statement: str
    key: Sequence[tuple[str, bytes, bool]] = field(repr=False)


@runtime_checkable
class FindsRows(Protocol):
    """An open store that can say where the row with a sealed key is."""

    rows_stay: str
    """how long the statements of ``keyed`` show the same row, in words"""

    def keyed(self, unit: str) -> Iterator[Keyed]:
        """All rows of the unit of that name (``Unit.name``). Raises ``Unreadable``."""
        ...


@runtime_checkable
class KnowsItsRole(Protocol):
    """An open store that can say at once what more its account could do than read."""

    def role(self) -> Fact:
        """The fact ``read-only-role``. Raises ``Unreadable`` when the store is not reached."""
        ...


@runtime_checkable
class HoldsLogs(Protocol):
    """An open store whose units grow without an end and can be had in pieces."""

    def logs(self) -> Iterator[tuple[str, Source]]:
        """Names and sources, each with its ``version``: one that is known with it is not opened.
        Raises ``Unreadable``."""
        ...


class StoreKind(Protocol):
    """One kind of store. One whose tables can be sampled has ``samples = True`` as well."""

    kind: str
    options: Mapping[str, type]
    """options of ``[[store]]`` it understands, with their types"""

    def claims(self, target: str) -> bool:
        """Whether a target on the command line or a ``uri`` is of this kind, by its look alone."""
        ...

    def resolve(self, target: str, options: Mapping[str, Any]) -> Store:
        """The store a target names, with a canonical uri. Raises ``UsageError`` for a target that
        cannot be right (a path that does not exist). Does not read the store."""
        ...

    def connect(self, store: Store, seal_name: SealName) -> OpenStore:
        """Raises ``Unreadable`` when the store as a whole cannot be reached. ``seal_name`` makes
        ``Unit.name`` from the key, and goes over every name put into an ``Outcome``."""
        ...


# --- evidence -----------------------------------------------------------------------------------

OpenFiles: TypeAlias = Callable[[str], Iterator[tuple[str, Source | Problem]]]
"""``open_files(uri)`` walks a file, folder or ``s3://`` prefix: names and sources, in order."""


@dataclass(frozen=True, slots=True)
class EvidenceResult:
    """What a source of evidence says of one store."""

    evidence: Evidence
    reads: tuple[Reads, ...] = ()

    def with_misfits(self, misfits: tuple[Misfit, ...]) -> EvidenceResult:
        return replace(self, evidence=replace(self.evidence, misfits=misfits))

    def but_unread(self, why: str) -> EvidenceResult:
        """Of a place that could not be read nobody knows that reads were not recorded there."""
        told = self.evidence
        known = Coverage.UNKNOWN if told.coverage is Coverage.NONE else told.coverage
        return replace(self, evidence=replace(told, coverage=known, unread=why))


@dataclass(frozen=True, slots=True)
class Wrong:
    """A value of an option that cannot be right: where it stands, what was expected and found."""

    option: str
    expected: str
    found: str = ""


class Closeable(Protocol):
    def close(self) -> None: ...


@dataclass(slots=True)
class FactsAt:
    """Where the facts of earlier runs lie (to read), and what this collection adds to them.

    ``path`` None: nowhere. ``done`` are sealed names of files that this run has read already.
    ``batches`` and ``more`` are the answer: facts to add, and whether files are left that were not
    read yet, so that the collection is to be asked again when these are added. ``loose`` are facts
    of the present answer only: what comes next in a log can undo them.
    """

    path: Path | None = None
    done: frozenset[str] = frozenset()
    key: bytes = b""
    """for hashes of content that are kept, of the fingerprint key"""
    batches: list[Batch] = field(default_factory=list)
    loose: list[Batch] = field(default_factory=list)
    more: bool = False
    opened: list[Closeable] = field(default_factory=list)

    def close(self) -> None:
        """The collection has ended: whoever adds to the facts finds them closed."""
        for each in self.opened:
            each.close()


class EvidenceKind(Protocol):
    """One kind of record of who read what. One that keeps facts says so with ``keeps_facts``, and
    its ``collect`` takes ``facts``, a ``FactsAt``, as well. One with options that may be wrong has
    ``check(settings)``, which yields a ``Wrong`` for each, before anything is read."""

    kind: str
    options: Mapping[str, type]

    def collect(
        self,
        settings: Mapping[str, Any],
        open_files: OpenFiles,
        stores: Sequence[Store],
        window: tuple[datetime, datetime],
        seal_name: SealName,
        known: Mapping[str, Known] | None = None,
    ) -> Mapping[str, EvidenceResult]:
        """By store uri, for every store this kind of evidence can speak of. ``known`` is what the
        scan found in each: reads of what holds cards are told apart. Beside its own options the
        settings may hold ``snooping``, a ``snooping.Lookout``, and ``kept``, a
        ``retention.AskKept``. Never raises for bad records: they are counted in
        ``Evidence.unparsed``."""
        ...


# --- reports ------------------------------------------------------------------------------------


class Report(Protocol):
    """One format. The same run gives the same characters."""

    name: str
    suffix: str

    def write(self, run: Run, out: TextIO) -> None: ...
