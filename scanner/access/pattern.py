"""Evidence from the log of an application or a web server, whose lines are described.

    [[evidence]]
    kind = "pattern"
    uri = "/var/log/nginx/"
    store = "s3://pay"
    format = '{client} - {principal} [{time}] "{method} {object} {*}" {status} {bytes} {*}'
    time = "%d/%b/%Y:%H:%M:%S %z"

Such a log knows what went through the application, and nothing of what went around it: it is never
a complete record. A principal it leaves empty (``-``) may still be known to the application.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from scanner.access import gaps
from scanner.access.answer import Question, answer
from scanner.access.lines import LineNotes, Repeats, lines
from scanner.access.logfiles import FILE_OPTIONS, Collector, LogFiles, damage
from scanner.access.template import BadTemplate, Template, template
from scanner.contracts import EvidenceResult, Source, Wrong
from scanner.known import name_hash
from scanner.model import Coverage, Evidence, Store

SOURCE = "pattern"
NOBODY = "a caller the log does not name"


def _begin(
    stores: Sequence[Store], asked: Question, settings: Mapping[str, Any]
) -> Collector | Mapping[str, EvidenceResult]:
    """Answers for the one store it is told."""
    uri = settings.get("store")
    if uri not in {store.uri for store in stores}:
        return {}
    try:
        return _Collector(str(uri), asked, settings)
    except (BadTemplate, ValueError, OSError, KeyError) as error:
        what = str(error) if isinstance(error, BadTemplate) else "“zone” is not understood"
        nothing = Evidence(SOURCE, Coverage.UNKNOWN, None, None, f"format: {what}")
        return {str(uri): EvidenceResult(nothing)}


class _Collector:
    def __init__(self, uri: str, asked: Question, settings: Mapping[str, Any]) -> None:
        self._uri, self._asked = uri, asked
        self._template: Template = template(str(settings.get("format", "")))
        self._form = str(settings.get("time", "iso"))
        self._zone = ZoneInfo(str(settings.get("zone", "UTC")))
        self._reads = _texts(settings, "reads", "GET")
        self._done = _texts(settings, "done", "200", "206")
        self._denied = _texts(settings, "denied", "401", "403")
        self._people = asked.people(uri)
        self.notes = LineNotes()
        self._hours = gaps.Hours(asked.window)
        self._repeats = Repeats()
        self._inside = self._outside = self._ambiguous = 0

    def uris(self) -> Iterable[str]:
        return (self._uri,)

    def file(self, source: Source) -> None:
        notes, own = self.notes, LineNotes()
        try:
            self._file(source, own)
        finally:
            notes.broken += own.broken
            notes.unparsed += own.unparsed + own.too_long
            notes.other += not own.records

    def end(self) -> None:
        pass

    def _file(self, source: Source, notes: LineNotes) -> None:
        here: dict[int, int] = {}
        for line in lines(source, notes):
            text = line.decode("utf-8", "replace")
            readings = [
                (each, when)
                for each in self._template.readings(text)
                if (when := self._moment(each["time"])) is not None
            ]
            if not readings:
                notes.unparsed += 1
                continue
            notes.records += 1
            own = readings[0][0].get("id")
            if self._repeats.is_new(hash(own or text), own is not None, here):
                self._take(readings)

    def _take(self, readings: Sequence[tuple[Mapping[str, str], datetime]]) -> None:
        """Counts a line. Where it divides in several ways, the one that gives most away stands."""
        outcomes = {(self._outcome(each), _who(each)) for each, _ in readings}
        ambiguous = len(outcomes) > 1
        said, when = min(readings, key=lambda each: self._outcome(each[0]))
        inside = self._asked.place(when)
        self._inside += bool(inside)
        self._outside += not inside
        if inside is None:
            return
        if inside:
            self._hours.saw(when)
        outcome, who = self._outcome(said), _who(said)
        if outcome > _REFUSED:
            return
        self._ambiguous += ambiguous and inside
        person = self._people.get(who, "")
        if outcome == _REFUSED:
            person.refuse(when, inside)
            return
        named = said.get("object") or None
        sent, rows = (None if ambiguous else _number(said.get(n)) for n in ("bytes", "rows"))
        unit = named.lstrip("/") or None if named else None
        person.read(when, inside, unit, sent, rows, card=named is not None and self._card(named))

    def _outcome(self, said: Mapping[str, str]) -> int:
        if "method" in said and said["method"] not in self._reads:
            return _OTHER
        if "status" not in said or said["status"] in self._done:
            return _READ
        return _REFUSED if said["status"] in self._denied else _OTHER

    def _card(self, named: str) -> bool:
        known = self._asked.known.get(self._uri)
        if known is None or not known.cards:
            return False
        names = {named, named.lstrip("/")}
        return any(name_hash(self._asked.seal_name(each)) in known.cards for each in names)

    def _moment(self, text: str) -> datetime | None:
        try:
            if self._form == "epoch":
                seconds = float(text)
                return datetime.fromtimestamp(seconds, UTC) if 0 <= seconds < 1 << 35 else None
            if self._form == "iso":
                when = datetime.fromisoformat(text)
            else:
                when = datetime.strptime(text, self._form)
        except (ValueError, OverflowError, OSError):
            return None
        if when.tzinfo is None:
            when = when.replace(tzinfo=self._zone)
        return when.astimezone(UTC)

    # --- how far it goes

    def result(self, uri: str) -> EvidenceResult:
        found = answer(self._people, self._asked, uri)
        if self._inside:
            state = Coverage.PARTIAL
            lead = "the log of an application: reads that go around it are not in it"
        else:
            state, lead = Coverage.NONE, "no line of the window was found"
            if self._outside:
                lead += f"; {self._outside:,} lie outside it"
        causes = list(self._doubts())
        if state is Coverage.PARTIAL:
            causes += gaps.silence(self._hours.silent(), "line")
        evidence = Evidence(
            source=SOURCE,
            coverage=state,
            start=self._hours.first,
            end=self._hours.last,
            detail="; ".join((lead, *causes, *found.remarks)),
            unparsed=self.notes.unparsed,
        )
        return EvidenceResult(evidence, found.reads)

    def _doubts(self) -> Iterator[str]:
        notes = self.notes
        yield from damage(notes, "lines", "do not fit the format")
        if notes.other:
            yield f"{notes.other:,} files have no line that fits"
        if self._ambiguous:
            yield (
                f"{self._ambiguous:,} lines divide in more than one way, as a forged one would:"
                " what gives most away is counted"
            )
        if self._repeats.full:
            yield "more lines than repetitions can be told apart among"


def _wrong(settings: Mapping[str, Any]) -> Iterator[Wrong]:
    try:
        template(str(settings.get("format", "")))
    except BadTemplate as error:
        yield Wrong("format", f"text with fields like {{time}} and {{principal}} ({error})")
    if not settings.get("store"):
        yield Wrong("store", "the uri of the store whose reads these are", "none")


_READ, _REFUSED, _OTHER = range(3)


def _who(said: Mapping[str, str]) -> str:
    named = said.get("principal", "-")
    if named not in ("", "-"):
        return named[:300]
    return f"address {said['client'][:100]}" if "client" in said else NOBODY


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None


def _texts(settings: Mapping[str, Any], name: str, *usual: str) -> frozenset[str]:
    given = settings.get(name)
    return frozenset(map(str, given)) if isinstance(given, list) else frozenset(usual)


EVIDENCE = LogFiles(
    SOURCE,
    {
        **FILE_OPTIONS,
        "store": str,  # the store whose reads they are
        "format": str,  # of a line: text and {fields}
        "time": str,  # iso (if not given), epoch, or the form as strptime has it
        "zone": str,  # of times that do not tell it; UTC if not given
        "reads": list,  # values of {method} that read; GET if not given
        "done": list,  # values of {status} of what was given out; 200, 206 if not given
        "denied": list,  # values of {status} of what was refused; 401, 403 if not given
    },
    _begin,
    _wrong,
)
