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

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from scanner.access import gaps
from scanner.access.answer import Question, told
from scanner.access.lines import LineNotes, lines
from scanner.access.logbook import LogBook
from scanner.access.logfiles import FILE_OPTIONS, Collector, LogFiles, damage
from scanner.access.moments import Moments
from scanner.access.readings import RECORD, Extent
from scanner.access.template import BadTemplate, Template, template
from scanner.batch import Verb
from scanner.contracts import EvidenceResult, Source, Wrong
from scanner.factview import View
from scanner.model import Coverage, Evidence, Store
from scanner.text import plural

SOURCE = "pattern"
NOBODY = "a caller the log does not name"


def _begin(
    stores: Sequence[Store], asked: Question, settings: Mapping[str, Any], book: LogBook
) -> Collector | Mapping[str, EvidenceResult]:
    """Answers for the one store it is told."""
    uri = settings.get("store")
    if uri not in {store.uri for store in stores}:
        return {}
    try:
        return _Collector(str(uri), asked, settings, book)
    except (BadTemplate, ValueError, OSError, KeyError) as error:
        what = str(error) if isinstance(error, BadTemplate) else "“zone” is not understood"
        nothing = Evidence(SOURCE, Coverage.UNKNOWN, None, None, f"format: {what}")
        return {str(uri): EvidenceResult(nothing)}


class _Collector:
    def __init__(
        self, uri: str, asked: Question, settings: Mapping[str, Any], book: LogBook
    ) -> None:
        self._uri, self._asked, self._book = uri, asked, book
        self._template: Template = template(str(settings.get("format", "")))
        zone = ZoneInfo(str(settings.get("zone", "UTC")))
        self._moment = Moments(str(settings.get("time", "iso")), zone).moment
        self._reads = _texts(settings, "reads", "GET")
        self._done = _texts(settings, "done", "200", "206")
        self._denied = _texts(settings, "denied", "401", "403")
        self._extent = Extent(asked, book)
        book.strange_counts = True  # of a form that was described all files should be

    def uris(self) -> Iterable[str]:
        return (self._uri,)

    def file(self, source: Source) -> None:
        with self._book.notes(LineNotes()) as own:
            for line in self._book.whole(lines(source, own)):
                readings = list(self._readings(line.decode("utf-8", "replace")))
                if not readings:
                    own.lost(line)
                    continue
                own.records += 1
                self._take(readings)

    def _readings(self, text: str) -> Iterator[_Reading]:
        for said in self._template.readings(text):
            when = self._moment(said["time"])
            if when is not None:
                yield self._outcome(said), _who(said), when, said

    def opened(self, ever: bool) -> None:
        pass

    def end(self) -> None:
        pass

    def _take(self, readings: Sequence[_Reading]) -> None:
        """Counts a line. Where it divides in several ways, the one that gives most away stands."""
        outcome, who, when, said = readings[0]
        ambiguous = len(readings) > 1 and len({each[:2] for each in readings}) > 1
        if ambiguous:
            outcome, who, when, said = min(readings, key=lambda each: each[0])
        self._extent.saw(when)
        if outcome > _REFUSED:
            return
        event = said.get("id") or ""
        if ambiguous:
            self._book.noted("ambiguous", when, self._uri, who, event)
        if outcome == _REFUSED:
            self._book.act(self._uri, Verb.DENIED, who, when, event=event)
            return
        sent, rows = (None if ambiguous else _number(said.get(n)) for n in ("bytes", "rows"))
        unit = (said.get("object") or "").lstrip("/") or None
        act = self._book.act
        act(self._uri, Verb.READ, who, when, unit, sent=sent, rows=rows, event=event)

    def _outcome(self, said: Mapping[str, str]) -> int:
        if "method" in said and said["method"] not in self._reads:
            return _OTHER
        if "status" not in said or said["status"] in self._done:
            return _READ
        return _REFUSED if said["status"] in self._denied else _OTHER

    # --- how far it goes

    def result(self, uri: str) -> EvidenceResult:
        book, extent = self._book, self._extent
        view = book.view(self._asked.window)
        found = told(view, self._asked, uri)
        notes = book.line_notes(view, LineNotes())
        if extent.inside:
            state = Coverage.PARTIAL
            lead = "the log of an application: reads that go around it are not in it"
        else:
            state, lead = Coverage.NONE, "no line of the window was found"
            if extent.outside:
                lead += f"; {extent.outside:,} lie outside it"
        causes = [
            *damage(notes, "lines", "that did not fit the format"),
            *self._doubts(notes, view),
        ]
        missing = gaps.gaps(extent.hours, self._asked.kept(), "line")
        causes += missing.causes if state is Coverage.PARTIAL else missing.limits
        seen = view.marked(RECORD)
        evidence = Evidence(
            source=SOURCE,
            coverage=state,
            start=seen.first,
            end=seen.last,
            detail="; ".join((lead, *causes, *book.reading(), *missing.remarks, *found.remarks)),
            unparsed=notes.unparsed,
        )
        return EvidenceResult(evidence, found.reads)

    def _doubts(self, notes: LineNotes, view: View) -> Iterator[str]:
        if notes.other:
            yield f"{plural(notes.other, 'file has', 'files have')} no line that fits"
        ambiguous, _, _ = view.noted("ambiguous", self._uri)
        if ambiguous:
            yield (
                f"{plural(ambiguous, 'line divides', 'lines divide')} in more than one way,"
                " as a forged one would: what gives most away is counted"
            )


def _wrong(settings: Mapping[str, Any]) -> Iterator[Wrong]:
    try:
        template(str(settings.get("format", "")))
    except BadTemplate as error:
        yield Wrong("format", f"text with fields like {{time}} and {{principal}} ({error})")
    if not settings.get("store"):
        yield Wrong("store", "the uri of the store whose reads these are", "none")
    for name in ("reads", "done"):
        if settings.get(name) == []:
            yield Wrong(name, "at least one value: with none of them nothing is a read", "none")
    form = settings.get("time", "iso")
    if form not in ("iso", "epoch") and not _tells_a_day(form):
        yield Wrong("time", "iso, epoch, or a form with year, month and day (%Y-%m-%d)", form)


def _tells_a_day(form: str) -> bool:
    when = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)
    try:
        return datetime.strptime(when.strftime(form), form).date() == when.date()
    except (ValueError, re.error):  # the latter: a directive twice
        return False


_READ, _REFUSED, _OTHER = range(3)
_Reading: TypeAlias = tuple[int, str, datetime, Mapping[str, str]]
"""of a line: its outcome, whose it is, when, and all its fields"""


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
