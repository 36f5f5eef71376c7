"""The nouns of Cardtrail, frozen. Standard library only; everything else imports this.

Two types hold raw data, ``Chunk`` and the key of a ``Unit``, and neither shows it in its repr.
Everything that leaves a worker (``Finding``, ``Outcome``, facts) has no field for a raw value,
so no report can leak one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from detectors.records import dataclass
from scanner.evidence import Coverage as Coverage
from scanner.evidence import Evidence as Evidence
from scanner.evidence import Misfit as Misfit
from scanner.reach import Door, Holding

SCHEMA = "cardtrail.run/1"


class Tri(StrEnum):
    """A protection fact is one of these; "unknown" always comes with a detail that says why."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Fact:
    """One protection fact: ``control`` (``public-access``, ``default-encryption`` ...), its state,
    and a sentence. For ``public-access`` *yes* is the bad answer: the store is open."""

    control: str
    state: Tri
    detail: str


LOCAL_KINDS = frozenset({"duckdb", "files", "sqlite"})
"""Stores that only accounts of a machine can reach: "public" means all of those, not the world."""


@dataclass(frozen=True, slots=True)
class Store:
    """A place that holds data. ``uri`` is its identity from run to run.

    ``options`` are the settings of ``[[store]]`` that its kind understands (region, endpoint ...);
    they hold no secret. ``environment`` is free text (``production``, ``staging`` ...);
    ``expected`` says whether cards are meant to be here, None when nobody said.
    """

    uri: str
    kind: str
    environment: str | None = None
    expected: bool | None = None
    owner: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unit:
    """The piece of a store that gets one outcome: a file, an object, a table.

    ``key`` opens it and may be anything (a file name can be a PAN), so it is not in the repr and
    goes nowhere but to the store that made it. ``name`` is the sealed key, safe to keep and show
    after escaping; it stands in every outcome and finding. ``version`` changes when the content
    does (ETag and version id; device, inode, size, times), None when the store cannot tell.
    ``size`` in bytes, None when unknown. ``slices`` is True when the listing knows already that it
    can be read in slices, so that all of them can be sent out at once. ``rows`` of a table as the
    store guesses, None where it does not.
    """

    store: str
    key: str = field(repr=False)
    name: str
    size: int | None = None
    version: str | None = None
    slices: bool = False
    rows: int | None = None

    @property
    def id(self) -> str:
        """The same from run to run: resume, incremental and diff rest on it."""
        return unit_id(self.store, self.name)


def unit_id(store: str, name: str) -> str:
    text = f"{store}\0{name}".encode("utf-8", "surrogateescape")
    return hashlib.blake2b(text, digest_size=12).hexdigest()


@dataclass(frozen=True, slots=True)
class Slice:
    """Part of a unit, the grain of work and of resume. ``end`` None means "to the end".

    Slice 0 always begins at 0. A unit that cannot be cut has one slice.
    """

    index: int
    start: int
    end: int | None


@dataclass(frozen=True, slots=True)
class Location:
    """Where a value stands. ``line`` and ``column`` count from 1; ``offset`` is a byte offset in
    the unit or, with ``member``, in the unpacked member. ``key`` is the primary key of a row that
    has more than a number to go by, ``rowkey`` says how. What does not apply is None."""

    offset: int | None = None
    line: int | None = None
    column: int | None = None
    member: str | None = None
    page: int | None = None
    sheet: str | None = None
    row: int | None = None
    field: str | None = None
    key: str | None = None


class Severity(StrEnum):
    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 is the worst."""
        return _RANKS[self]


_RANKS = {severity: rank for rank, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True)
class Finding:
    """One distinct value of one entity in one unit; or, with ``fingerprint`` None, the rest of
    them after the limit of distinct values a unit. No field can hold a raw value."""

    store: str
    unit: str
    detector: str
    entity: str
    brands: tuple[str, ...]
    masked: str | None
    fingerprint: str | None
    distinct: int
    count: int
    confidence: float
    severity: Severity
    state: str
    location: Location | None
    locations: tuple[Location, ...]
    requirements: tuple[str, ...]
    why: tuple[str, ...]


class Status(StrEnum):
    SCANNED = "scanned"
    SAMPLED = "sampled"  # read in part: ``reason`` says why not the rest
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Exactly one per unit, and one for a listing that broke off (``unit`` then names the prefix).

    ``bytes`` were read; ``fraction`` of the whole for ``sampled``, None when it is not known.
    ``detail`` is a sentence without content.
    """

    store: str
    unit: str
    status: Status
    reason: str | None = None
    detail: str = ""
    bytes: int = 0
    size: int | None = None
    fraction: float | None = None
    version: str | None = None


# --- access -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Held:
    """Where the right of a grant lies: who holds it (the principal, a group it is in, PUBLIC), and
    on what: ``table`` or columns of it, ``database`` (``where``: its pattern), ``server``; beyond a
    REVOKE: ``owner``, ``superuser``, ``read-all``, ``grants``; ``definer``: views read by it."""

    holder: str
    on: str
    where: str = ""


@dataclass(frozen=True, slots=True)
class Grant:
    """A principal that could read. ``state`` is allow, conditional or unknown."""

    principal: str
    kind: str
    state: str
    via: str
    last_read: datetime | None = None
    held: tuple[Held, ...] = ()
    """told by databases"""
    part: bool = False
    """lets in to some objects or tables of the store, not to all"""


@dataclass(frozen=True, slots=True)
class Flag:
    rule: str
    sentence: str


NOT_RECORDED = "somebody (by whom is not recorded)"
"""The principal of reads that were counted without a name."""


@dataclass(frozen=True, slots=True)
class Reads:
    """What one principal did. A number that the source does not tell is None, never 0."""

    principal: str
    reads: int | None
    rows: int | None = None
    bytes: int | None = None
    objects: int | None = None
    denied: int | None = None
    first: datetime | None = None
    last: datetime | None = None
    flags: tuple[Flag, ...] = ()
    card_reads: int | None = None
    """of ``reads``, how many were of what holds card data"""


@dataclass(frozen=True, slots=True)
class DayReads:
    """Reads of a store on one day (UTC), and those of what holds card data. None: not known.
    ``whole`` says whether the evidence covers the day, so that it is not "at least"."""

    day: date
    reads: int | None
    card_reads: int | None
    whole: bool


@dataclass(frozen=True, slots=True)
class ObjectReads:
    """Reads in the window of one object or table that holds card data; ``unit`` is its sealed name.
    A number that no source tells is None."""

    unit: str
    principals: int
    reads: int
    bytes: int | None
    rows: int | None
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Access:
    """The access block of a store. ``answer`` is read, not-read or cannot-tell: the second only
    under complete coverage."""

    window_start: datetime | None = None
    window_end: datetime | None = None
    evidence: tuple[Evidence, ...] = ()
    public: Tri = Tri.UNKNOWN
    could_read_known: bool = False
    """True when ``could_read`` is the full list, so that its length is a number worth printing"""
    could_read: tuple[Grant, ...] = ()
    could_read_detail: str = ""
    """why the list is not known to be whole and right, where its source says so"""
    did_read: tuple[Reads, ...] = ()
    days: tuple[DayReads, ...] = ()
    """each day of the window, in order; empty when no facts of reads are kept"""
    objects: tuple[ObjectReads, ...] = ()
    """what holds card data and was read, most reads first, the first two hundred"""
    doors: tuple[Door, ...] = ()
    holdings: tuple[Holding, ...] | None = None  # told by databases; None: not known

    @property
    def answer(self) -> str:
        if any(reads.reads != 0 for reads in self.did_read):  # None: read, nobody counted
            return "read"
        whole = any(e.coverage is Coverage.COMPLETE for e in self.evidence)
        return "not-read" if whole else "cannot-tell"


# --- the run ------------------------------------------------------------------------------------


class Verdict(StrEnum):
    UNPROTECTED = "unprotected"
    PROTECTED = "protected"
    NO_CARD_DATA = "no-card-data"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class FieldContent:
    """Values of one entity and state under a field. ``distinct_exact`` False: about so many, or,
    with ``complete`` False (not all were listed), at least so many. ``rows`` is what ``count`` is
    out of: rows of the table; None where rows cannot be told."""

    entity: str
    state: str
    confirmed: bool
    count: int
    distinct: int
    distinct_exact: bool
    complete: bool
    rows: int | None
    severity: Severity

    @property
    def share(self) -> float | None:
        return None if self.rows is None else min(1.0, self.count / max(1, self.rows))


@dataclass(frozen=True, slots=True)
class FieldLook:
    """What the values of a column look like that are no finding: ``hash``, ``token``,
    ``ciphertext`` ... in ``share`` of a sample. A look is no proof."""

    kind: str
    detail: str
    share: float
    sampled: int


@dataclass(frozen=True, slots=True)
class FieldVerdict:
    """What one column of a table, or one key of a text, holds. ``name``, ``member`` and ``sheet``
    are sealed. ``rows`` of its table, None where there are none to tell."""

    unit: str
    member: str | None
    sheet: str | None
    name: str
    structure: str
    """``column`` or ``key``"""
    kind: str
    """what it is mostly: ``clear-pans``, ``sad``, ``tokens`` ... see ``scanner.fieldverdict``"""
    rows: int | None
    contents: tuple[FieldContent, ...]
    look: FieldLook | None
    severity: Severity
    requirements: tuple[str, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A kind of data that stands in the same record as a card number. ``at_least``: where it was
    dense, not every value of it was listed."""

    entity: str
    records: int
    units: int
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class BesideCards:
    """``records`` hold a confirmed readable card number, counted ``per`` row, object, line or, in
    text without any of these, window of a few hundred bytes; in ``units`` units."""

    records: int
    units: int
    per: Mapping[str, int]
    kinds: tuple[Neighbour, ...]


@dataclass(frozen=True, slots=True)
class StoreReport:
    """Everything known of one store at the end of a run. ``sentence`` is the verdict in words."""

    store: Store
    verdict: Verdict
    sentence: str
    distinct_pans: int | None
    """confirmed distinct PANs in clear or encoded form; None when nothing of the store was read"""
    distinct_pans_estimated: bool
    findings: int
    protection: tuple[Fact, ...]
    access: Access
    fields: tuple[FieldVerdict, ...] = ()
    """worst first"""
    fields_further: int = 0
    """columns and keys beyond these, of which the findings are told and no verdict"""
    beside: BesideCards | None = None
    """None when the run was made by a version that did not count it"""


@dataclass(frozen=True, slots=True)
class RunCoverage:
    """``units`` = scanned + sampled + skipped + failed. ``bytes`` is what the units hold as far as
    the stores told; ``bytes_scanned`` is what was read of them."""

    units: int = 0
    scanned: int = 0
    sampled: int = 0
    skipped: int = 0
    failed: int = 0
    bytes: int = 0
    bytes_scanned: int = 0
    excluded: int = 0
    """hidden by ``exclude`` rules: not in scope, but counted"""
    reasons: Mapping[str, int] = field(default_factory=dict)
    """why units were skipped or failed"""
    reasons_in_part: Mapping[str, int] = field(default_factory=dict)
    """why units were read in part only"""

    @property
    def complete(self) -> bool:
        return self.units == self.scanned


@dataclass(frozen=True, slots=True)
class Run:
    """The only input of a report: any report can be drawn again later from the ledger.

    ``outcomes`` holds one for every unit, the scanned ones too. Findings and outcomes are sorted,
    so the same run is the same bytes in every format.
    """

    id: str
    version: str
    started: datetime
    finished: datetime | None
    status: str
    """``complete`` or ``incomplete``"""
    profile: str
    config_digest: str
    key_id: str
    detectors: tuple[str, ...]
    targets: tuple[str, ...]
    coverage: RunCoverage
    stores: tuple[StoreReport, ...]
    findings: tuple[Finding, ...]
    outcomes: tuple[Outcome, ...]
    earlier: tuple[RunSummary, ...] = ()
    """earlier finished runs over the same stores, oldest first: the trend"""

    @property
    def unread_evidence(self) -> list[tuple[str, str]]:
        """Sources of evidence that could not be read, and why."""
        every = (each for store in self.stores for each in store.access.evidence)
        return sorted({(each.source, each.unread) for each in every if each.unread})


@dataclass(frozen=True, slots=True)
class RunSummary:
    id: str
    started: datetime
    finished: datetime | None
    status: str
    profile: str
    units: int
    not_read: int
    findings: int
    distinct_pans: int
    unprotected: int


@dataclass(frozen=True, slots=True)
class Problem:
    """Something inside a unit that was not read: an encrypted member, a truncated stream; or a file
    of evidence, with its ``Unit.version``. The unit's outcome becomes *sampled* or worse."""

    reason: str
    detail: str = ""
    member: str | None = None
    version: str | None = None
