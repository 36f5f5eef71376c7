"""From the records of a log to what it says of one store: who read what, and how far it goes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field
from datetime import UTC, datetime
from typing import NamedTuple

from detectors.records import dataclass
from scanner.access import gaps, tally
from scanner.access.answer import Question, answer
from scanner.audits import Audit
from scanner.contracts import EvidenceResult
from scanner.known import name_hash
from scanner.model import Coverage, Evidence


@dataclass(slots=True)
class Readings:
    """Reads of one store. Names are as the store spells its units."""

    asked: Question
    uri: str
    people: tally.People = field(init=False)
    reads: int = 0
    """of the window"""
    hidden: int = 0
    """of the window, which do not tell what they read"""
    more: int = 0
    """of the window, which name something and may read more than that"""
    first: datetime | None = None
    last: datetime | None = None

    def __post_init__(self) -> None:
        self.people = self.asked.people(self.uri)

    def read(
        self,
        when: datetime,
        who: str,
        names: Iterable[str],
        *,
        rows: int | None = None,
        hidden: bool = False,
        subjects: Iterable[int] = (),
    ) -> None:
        """One read of all ``names`` together; ``hidden``: and maybe of others. Without names, it
        may have been one of this store, or not. ``subjects``: of what records it is, where it asks
        for single ones."""
        inside = bool(self.asked.place(when))
        found = dict.fromkeys(names)
        if not found and not hidden:
            return
        person = self.people.get(who, "")
        if inside:
            self.saw(when)
            self.hidden += not found
            self.more += bool(found) and hidden
        if not found:
            person.ask(when, inside)
            return
        self.reads += inside
        first, *rest = found
        person.read(when, inside, first, rows=rows, card=self._holds_cards(found))
        person.about(when, subjects)
        for name in rest:
            person.touch(when, inside, name)

    def refuse(self, when: datetime, who: str) -> None:
        inside = bool(self.asked.place(when))
        self.people.get(who, "").refuse(when, inside)
        if inside:
            self.saw(when)

    def doubts(self) -> Iterator[str]:
        """What the texts of statements leave open."""
        if self.hidden:
            yield (
                f"{self.hidden:,} statements do not tell what they read (functions, procedures,"
                " texts that could not be understood): reads of unknown relations, not counted"
            )
        if self.more:
            yield f"{self.more:,} reads call functions that may read more than is named"

    def saw(self, when: datetime) -> None:
        """There is a record of this store at ``when``, in the window."""
        self.first, self.last = tally.earlier(self.first, when), tally.later(self.last, when)

    def _holds_cards(self, names: Iterable[str]) -> bool:
        known = self.asked.known.get(self.uri)
        if known is None or not known.cards:
            return False
        return any(name_hash(self.asked.seal_name(name)) in known.cards for name in names)


class State(NamedTuple):
    """How far a source reaches, and the sentence that leads. ``open``: it may be all there is."""

    coverage: Coverage
    lead: str
    open: bool = False


class Whole(NamedTuple):
    """What makes a log a complete record: ``said`` of one, and whether the configuration says that
    it is of the server of the store."""

    said: str
    named: bool


class Extent:
    """How far the records of a source reach, whatever they are of."""

    def __init__(self, asked: Question) -> None:
        self._asked = asked
        self.inside = self.outside = 0
        self.hours = gaps.Hours(asked.window)

    def saw(self, when: datetime, *, counts: bool = True) -> bool | None:
        """``Question.place`` of a record. One that does not count only shows that there was
        logging."""
        inside = self._asked.place(when)
        if counts:
            self.inside += bool(inside)
            self.outside += not inside
        if inside:
            self.hours.saw(when)
        return inside

    def state(
        self, ours: int, doubt: str | None, *, record: str, nothing: str, blind: str
    ) -> State:
        """The coverage and the sentence that leads. ``ours``: records of this store; ``nothing``:
        what it can mean that there are none; ``blind``: what the source never sees."""
        if doubt:
            return State(Coverage.UNKNOWN, doubt)
        if not self.inside:
            lead = f"no {record} of the window was found"
            if self.outside:
                lead += f"; {self.outside:,} lie outside it"
            return State(Coverage.NONE, lead)
        if not ours:
            return State(Coverage.UNKNOWN, f"none of {self.inside:,} {record}s is {nothing}", True)
        return State(Coverage.PARTIAL, blind, True)


def told(
    source: str,
    readings: Readings,
    state: State,
    causes: Sequence[str],
    remarks: Sequence[str] = (),
    *,
    unparsed: int,
    other: int,
    things: str = "tables",
    silent: tuple[Extent, str] | None = None,
    whole: Whole | None = None,
) -> EvidenceResult:
    """The answer for one store. ``other``: files of something else, or of which nothing at all was
    understood; they are named and are no gap, since folders hold such. ``silent``: hours without
    any record (named so) are a cause. ``whole`` None: this source is never a complete record."""
    found = answer(readings.people, readings.asked, readings.uri, things=things)
    known = readings.asked.known.get(readings.uri)
    audit = known.audits.get(source, Audit()) if known else Audit()
    causes = [*causes, *audit.blind]
    if silent is not None and state.open:
        causes += gaps.silence(silent[0].hours.silent(), silent[1])
    if whole is not None and state.open:
        causes += _unsure(audit, whole, readings.asked.window[0])
        if not causes:
            state = State(Coverage.COMPLETE, whole.said)
    passed = [f"{other:,} files without any record were passed over"] if other else []
    evidence = Evidence(
        source=source,
        coverage=state.coverage,
        start=readings.first,
        end=readings.last,
        detail="; ".join((state.lead, *causes, *remarks, *passed, *audit.kept, *found.remarks)),
        unparsed=unparsed,
    )
    return EvidenceResult(evidence, found.reads)


def _unsure(audit: Audit, whole: Whole, start: datetime) -> Iterator[str]:
    """Why a log without a gap may still not be all."""
    if audit.since is None and not audit.blind:
        yield "how the server is set to log reads is not known: its store was not asked"
    elif audit.since is not None and audit.since > start.timestamp():
        began = gaps.clock(datetime.fromtimestamp(audit.since, UTC))
        yield f"the server was started at {began}: how it was set before that does not show"
    if not whole.named:
        yield "whether this is the log of the store's server nobody has said: give it as “store”"
