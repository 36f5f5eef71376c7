"""From the records of a log to what it says of one store: who read what, and how far it goes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field
from datetime import UTC, datetime
from typing import NamedTuple

from detectors.records import dataclass
from scanner.access import gaps
from scanner.access.answer import Question
from scanner.access.answer import told as tell
from scanner.access.logbook import LogBook
from scanner.audits import Audit
from scanner.batch import Verb
from scanner.contracts import EvidenceResult
from scanner.factview import View
from scanner.model import Coverage, Evidence
from scanner.text import plural, some

_SHOWN, _MORE = "shown", "more"
"""what is marked and noted of a store"""


@dataclass(slots=True)
class Readings:
    """Writes down the reads of one store. Names are as the store spells its units.

    ``form``: of the log, where a server writes it in several: the acts of each are apart.
    """

    book: LogBook
    uri: str
    form: str = ""
    acts: LogBook = field(init=False)

    def __post_init__(self) -> None:
        self.acts = self.book.form(self.form) if self.form else self.book

    def read(
        self,
        when: datetime,
        who: str,
        names: Iterable[str],
        *,
        rows: int | None = None,
        hidden: bool = False,
        subjects: Iterable[int] = (),
        event: str = "",
        loose: bool = False,
    ) -> None:
        """One read of all ``names`` together; ``hidden``: and maybe of others. Without names, it
        may have been one of this store, or not. ``subjects``: of what records it is, where it asks
        for single ones. ``event`` as in ``Book.read``, ``loose`` as in ``LogBook.act``."""
        found = dict.fromkeys(names)
        if not found and not hidden:
            return
        self.saw(when)
        uri, act = self.uri, self.acts.act
        if not found:
            act(uri, Verb.ASKED, who, when, event=event, loose=loose)
            return
        if hidden:
            self.acts.noted(_MORE, when, uri, event=event, loose=loose)
        first, *rest = found
        act(uri, Verb.READ, who, when, first, rows=rows, event=event, loose=loose)
        for subject in subjects:
            about = event and f"{event} about {subject}"
            act(uri, Verb.ABOUT, who, when, subject=subject, event=about, loose=loose)
        for name in rest:
            self.touch(when, who, name, event=event, loose=loose)

    def touch(
        self, when: datetime, who: str, name: str, *, event: str = "", loose: bool = False
    ) -> None:
        """One more thing that a read already written down has read."""
        also = event and f"{event} also {self.acts.named(name)}"
        self.acts.act(self.uri, Verb.ALSO, who, when, name, event=also, loose=loose)

    def refuse(self, when: datetime, who: str, *, event: str = "") -> None:
        self.saw(when)
        event = event and f"{event} refused"
        self.acts.act(self.uri, Verb.DENIED, who, when, event=event)

    def saw(self, when: datetime) -> None:
        """There is a record of this store at ``when``."""
        self.book.mark(_SHOWN, when, self.uri)


@dataclass(frozen=True, slots=True)
class Said:
    """What a log says of one store in the window, out of what was written down."""

    readings: Readings
    asked: Question

    @property
    def record(self) -> View:
        """Of the log itself."""
        return self.readings.book.view(self.asked.window)

    @property
    def acts(self) -> View:
        return self.readings.acts.view(self.asked.window)

    @property
    def reads(self) -> int:
        return self.acts.of_verb(self.readings.uri, Verb.READ)

    @property
    def hidden(self) -> int:
        """Statements that do not tell what they read."""
        return self.acts.of_verb(self.readings.uri, Verb.ASKED)

    @property
    def more(self) -> int:
        """Reads that name something and may read more than that."""
        return self.noted(_MORE)

    def noted(self, name: str) -> int:
        return self.acts.noted(name, self.readings.uri)[0]

    def doubts(self) -> Iterator[str]:
        """What the texts of statements leave open."""
        if self.hidden:
            yield (
                f"{plural(self.hidden, 'statement does', 'statements do')} not tell what"
                " they read (functions, procedures,"
                " texts that could not be understood): reads of unknown relations, not counted"
            )
        if self.more:
            yield (
                f"{plural(self.more, 'read calls', 'reads call')} functions that may read more"
                " than is named"
            )


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


RECORD, ENTRY = "record", "entry"


class Extent:
    """How far the records of a source reach, whatever they are of."""

    def __init__(self, asked: Question, book: LogBook) -> None:
        self._asked, self._book = asked, book

    def saw(self, when: datetime, *, counts: bool = True) -> None:
        """There is a record. One that does not count only shows that there was logging."""
        self._book.mark(RECORD if counts else ENTRY, when)

    @property
    def inside(self) -> int:
        """Records of the window."""
        return self._book.view(self._asked.window).marked(RECORD).count

    @property
    def outside(self) -> int:
        return self._book.view(self._asked.window).outside(RECORD).count

    @property
    def hours(self) -> gaps.Hours:
        view = self._book.view(self._asked.window)
        return gaps.Hours.known(self._asked.window, view.hours((RECORD, ENTRY)))

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
            return State(
                Coverage.UNKNOWN, f"none of {some(self.inside, f'{record}s')} is {nothing}", True
            )
        return State(Coverage.PARTIAL, blind, True)


def told(
    source: str,
    said: Said,
    state: State,
    causes: Sequence[str],
    remarks: Sequence[str] = (),
    *,
    unparsed: int,
    other: int,
    things: str = "tables",
    silent: tuple[Extent, str],
    whole: Whole | None = None,
) -> EvidenceResult:
    """The answer for one store. ``other``: files of something else, or of which nothing at all was
    understood; they are named and are no gap, since folders hold such. ``silent``: what saw the
    hours of the window, and what one without any lacks. ``whole`` None: this source is never a
    complete record."""
    asked, uri, book = said.asked, said.readings.uri, said.readings.book
    found = tell(said.acts, asked, uri, things=things)
    known = asked.known.get(uri)
    audit = known.audits.get(source, Audit()) if known else Audit()
    missing = gaps.gaps(silent[0].hours, asked.kept(), silent[1])
    causes = [*causes, *audit.blind, *(missing.causes if state.open else missing.limits)]
    if whole is not None and state.open:
        causes += _unsure(audit, whole, asked.window[0])
        if not causes:
            state = State(Coverage.COMPLETE, whole.said)
    without = "file without any record was", "files without any record were"
    passed = [f"{plural(other, *without)} passed over"] if other else []
    shown = said.record.marked(_SHOWN, uri)
    kept = (*audit.kept, *missing.remarks)
    remarks = (*remarks, *passed, *book.reading(), *kept, *found.remarks)
    evidence = Evidence(
        source=source,
        coverage=state.coverage,
        start=shown.first,
        end=shown.last,
        detail="; ".join((state.lead, *causes, *remarks)),
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
