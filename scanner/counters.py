"""What servers count of reads by themselves, and what the difference of two counts says.

A server that logs nothing still counts: scans of each table, statements of each role. A count says
that something was read, never when, mostly not by whom. Each scan takes a *snapshot* before it
reads and one when it is done, so that its own reads fall between the two; what was read from the
end of one scan to the begin of the next is the difference. What a reset or a start of the server
took away is unknown, and a difference over it is the least there was. Nothing here is ever a
complete record: statements that still run are not counted yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from datetime import UTC, datetime
from typing import Protocol, runtime_checkable

import msgspec

from detectors.records import dataclass
from scanner.contracts import EvidenceResult
from scanner.known import Known, name_hash
from scanner.model import NOT_RECORDED, Coverage, Evidence, Reads
from scanner.text import plural, some, times

OPENING, CLOSING = "opening", "closing"


class Counter(msgspec.Struct, frozen=True, array_like=True):
    """One count. ``names`` are sealed names of units; ``who`` a sealed role or account, None where
    the server does not tell. ``reads`` and ``rows`` None: not counted. ``hidden``: what it read is
    not told."""

    id: str
    names: tuple[str, ...] = ()
    who: str | None = None
    reads: int | None = None
    rows: int | None = None
    hidden: bool = False


class Counts(msgspec.Struct, frozen=True):
    """All counts of one kind. ``began`` is when they last began at zero and ``started`` when the
    server did, by its own clock; None if not known. ``lacking``: why there are none."""

    source: str
    what: str
    """what one read of it is, in the plural: "scans of tables and indexes" """
    blind: str
    """what it does not see"""
    counters: tuple[Counter, ...] = ()
    began: datetime | None = None
    started: datetime | None = None
    lacking: str = ""
    remark: str = ""
    pushed_out: int = 0
    """counters the server let go since ``began``, for others"""
    cleared: int = 0
    """statements so far that may have set counters back: which did, the server does not tell"""
    whole: int | None = None
    """a count that only a reset of all sets back, where ``began`` may be that of single counters"""


class Snapshot(msgspec.Struct, frozen=True):
    taken: datetime
    """by the clock of the server"""
    counts: tuple[Counts, ...]
    own_sessions: int = 0
    """sessions of this scan that may not have told the server yet what they read"""


@runtime_checkable
class Counting(Protocol):
    """A ``contracts.OpenStore`` whose server counts reads."""

    def counters(self, *, alone: bool) -> Snapshot:
        """``alone``: the scan has ended, its sessions should have too. Raises ``Unreadable``."""
        ...


@dataclass(slots=True)
class _Total:
    """What the differences of one kind of count add up to."""

    last: Counts
    start: datetime | None = None
    end: datetime | None = None
    spans: int = 0
    by: dict[tuple[str | None, tuple[str, ...], bool], list[int | None]] = field(
        default_factory=dict
    )
    """reads and rows by who, names and hidden"""
    anew: list[datetime] = field(default_factory=list)
    """when the counts began at zero within a span"""
    starts: list[datetime] = field(default_factory=list)
    """of the server within a span, which may have cost it counts"""
    fell: int = 0
    """counters that went down"""
    gone: int = 0
    pushed_out: int = 0
    cleared: int = 0
    own: int = 0
    alone: bool = False
    """there is but one snapshot, and when its counts began is not known or too long ago"""


def evidence(
    snapshots: Iterable[tuple[str, Snapshot]],
    window: tuple[datetime, datetime],
    known: Known,
) -> list[EvidenceResult]:
    """What the snapshots of one store, oldest first and each with its moment, say of a window."""
    totals: dict[str, _Total] = {}
    before: dict[str, tuple[datetime, Counts, int]] = {}
    for moment, snapshot in snapshots:
        for counts in snapshot.counts:
            total = totals.setdefault(counts.source, _Total(counts))
            total.last = counts
            earlier = before.get(counts.source)
            if moment == CLOSING:
                before[counts.source] = (snapshot.taken, counts, snapshot.own_sessions)
            else:
                before.pop(counts.source, None)  # what comes after it is the scan's own
                if earlier is not None and earlier[0] >= window[0]:
                    _add(total, earlier, counts, snapshot.taken)
                elif counts.began and counts.began >= window[0] and counts.whole is None:
                    nothing = msgspec.structs.replace(counts, counters=(), pushed_out=0, cleared=0)
                    _add(total, (counts.began, nothing, 0), counts, snapshot.taken)
                elif earlier is None:
                    total.alone = True
    return [_told(total, window, known.of(source)) for source, total in totals.items()]


def _add(
    total: _Total, earlier: tuple[datetime, Counts, int], after: Counts, taken: datetime
) -> None:
    start, counts, own = earlier
    if counts.lacking or after.lacking:
        return
    total.spans += 1
    total.start = start if total.start is None else min(total.start, start)
    total.end = taken if total.end is None else max(total.end, taken)
    total.own += own
    # what a server says of its past is believed only where it lies after the snapshot before
    anew = after.began is not None and after.began > start
    if anew and after.began is not None and counts.counters:
        total.anew.append(after.began)
    elif after.started is not None and after.started > start:
        total.starts.append(after.started)
    total.pushed_out += after.pushed_out - (0 if anew else counts.pushed_out)
    if anew or _less(after.cleared, counts.cleared):  # FLUSH STATUS sets this back itself
        total.cleared += max(after.cleared, not anew)
    else:
        total.cleared += after.cleared - counts.cleared
    of_all = after.whole is None or _less(after.whole, counts.whole)
    old = {} if anew and of_all else {each.id: each for each in counts.counters}
    for each in after.counters:
        was = old.pop(each.id, None)
        fell = was is not None and (_less(each.reads, was.reads) or _less(each.rows, was.rows))
        total.fell += fell
        if fell:
            was = None
        reads, rows = (
            _difference(each.reads, was.reads if was else 0),
            _difference(each.rows, was.rows if was else 0),
        )
        if reads or rows:
            sums = total.by.setdefault((each.who, each.names, each.hidden), [None, None])
            sums[0] = _sum(sums[0], reads)
            sums[1] = _sum(sums[1], rows)
    total.gone += len(old)


def _less(new: int | None, old: int | None) -> bool:
    return new is not None and old is not None and new < old


def _difference(new: int | None, old: int | None) -> int | None:
    return None if new is None else new - (old or 0)


def _sum(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else one + other


# --- in words -------------------------------------------------------------------------------------


def _told(total: _Total, window: tuple[datetime, datetime], known: Known) -> EvidenceResult:
    counts = total.last
    if counts.lacking:
        nothing = Evidence(counts.source, Coverage.NONE, None, None, counts.lacking)
        return EvidenceResult(nothing)
    if not total.spans:
        return EvidenceResult(_alone(counts))
    readers = _readers(total, known)
    reads = [_reads(who, *each) for who, each in readers.items()]
    reads.sort(key=lambda each: (-(each.reads or 0), each.principal))
    lead = "; ".join(filter(None, _lead(total, readers, known)))
    detail = "; ".join((lead, *_doubts(total, window), counts.blind))
    return EvidenceResult(
        Evidence(counts.source, Coverage.PARTIAL, total.start, total.end, detail), tuple(reads)
    )


def _alone(counts: Counts) -> Evidence:
    """Only one snapshot: what it says of all the time since the counts began."""
    reads = sum(each.reads or 0 for each in counts.counters)
    rows = sum(each.rows or 0 for each in counts.counters)
    since = f"since {_clock(counts.began)}" if counts.began else "since they began, not known when"
    detail = (
        f"{some(reads, counts.what)} and {plural(rows, 'row')} {since}; how many of them in the"
        " window is not"
        f" known, for this is the first snapshot: the next scan tells what came after it;"
        f" {counts.blind}"
    )
    return Evidence(counts.source, Coverage.UNKNOWN, None, None, detail)


_Reader = tuple[int | None, int | None, int, int | None, bool]
"""reads, rows, number of names, reads of what holds cards, whether some were hidden"""


def _readers(total: _Total, known: Known) -> Mapping[str | None, _Reader]:
    found: dict[str | None, list[tuple[tuple[str, ...], bool, int | None, int | None]]] = {}
    for (who, names, hidden), (reads, rows) in total.by.items():
        found.setdefault(who, []).append((names, hidden, reads, rows))
    answer: dict[str | None, _Reader] = {}
    for who, each in found.items():
        named = [(names, reads, rows) for names, hidden, reads, rows in each if names]
        reads, rows = None, None
        cards: int | None = None if known.cards is None else 0
        for names, count, size in named:
            reads, rows = _sum(reads, count), _sum(rows, size)
            if known.cards and any(name_hash(name) in known.cards for name in names):
                cards = _sum(cards, count) if count is not None else cards
        objects = len({name for names, _, _ in named for name in names})
        hidden = any(hid for _, hid, _, _ in each)
        answer[who] = (reads, rows, objects, cards if reads is not None else None, hidden)
    return answer


def _reads(
    who: str | None,
    reads: int | None,
    rows: int | None,
    objects: int,
    cards: int | None,
    hidden: bool,
) -> Reads:
    return Reads(
        principal=NOT_RECORDED if who is None else who,
        reads=reads,
        rows=rows,
        objects=None if hidden and not objects else objects,
        card_reads=cards,
    )


def _lead(total: _Total, readers: Mapping[str | None, _Reader], known: Known) -> Iterator[str]:
    what, span = total.last.what, f"from {_clock(total.start)} to {_clock(total.end)}"
    if not readers:
        yield f"no {what} were counted {span}"
        return
    reads = [each[0] for each in readers.values() if each[0] is not None]
    rows = [each[1] for each in readers.values() if each[1] is not None]
    numbers = []
    if reads:
        numbers.append(some(sum(reads), what))
    if rows:
        numbers.append(plural(sum(rows), "row"))
    lost = (total.anew, total.starts, total.fell, total.gone, total.pushed_out, total.cleared)
    least = "at least " if any(lost) else ""
    by = ", by whom is not recorded" if None in readers else f", by {plural(len(readers), 'role')}"
    yield f"{least}{' and '.join(numbers) or 'reads of unknown relations'} {span}{by}"
    cards = [each[3] for each in readers.values() if each[3] is not None]
    if known.cards and cards:
        yield f"{sum(cards):,} of them of what holds cards"


def _doubts(total: _Total, window: tuple[datetime, datetime]) -> Iterator[str]:
    if total.start is not None and total.start > window[0]:
        yield f"nothing is known of the window before {_clock(total.start)}"
    if total.spans > 1:
        yield (
            f"these are {total.spans:,} spans between scans: what was read during a scan cannot be"
            " told from its own reads"
        )
    if total.anew:
        yield (
            f"the counts began anew {times(len(total.anew))} (a reset or a start of the server),"
            f" the last time at {_clock(max(total.anew))}: what was read between the snapshot"
            " before and that is unknown"
        )
    if total.starts:
        yield (
            f"the server was started {times(len(total.starts))}, the last time at"
            f" {_clock(max(total.starts))}: after a crash, what it had counted since its last"
            " orderly end is lost"
        )
    if total.fell:
        yield (
            f"{plural(total.fell, 'counter')} went down: what was read before their reset is"
            " unknown"
        )
    if total.gone:
        yield (
            f"{plural(total.gone, 'counter is', 'counters are')} gone (dropped or pushed"
            " out): what it had last is unknown"
        )
    if total.pushed_out:
        counted = plural(total.pushed_out, "statement")
        yield f"{counted} pushed out for others meanwhile: what they had counted is unknown"
    if total.cleared:
        yield (
            f"{plural(total.cleared, 'statement')} meanwhile may have set counts back (FLUSH,"
            " TRUNCATE): what was read before that is then unknown"
        )
    if any(hidden for _, _, hidden in total.by):
        hiding = sum(sums[0] or 0 for (_, _, hidden), sums in total.by.items() if hidden)
        yield f"{hiding:,} of the statements may read more than they name, or do not name it"
    if total.own:
        yield "some may be reads of the scan before, which the server learnt of late"
    if total.last.remark:
        yield total.last.remark


def _clock(moment: datetime | None) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") if moment else "an unknown time"


def pack(snapshot: Snapshot) -> bytes:
    return msgspec.msgpack.encode(snapshot)


def unpack(data: bytes) -> Snapshot:
    return msgspec.msgpack.decode(data, type=Snapshot)
