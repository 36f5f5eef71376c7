"""A log while it is read: the places it can be read on from, and what is kept of it for that."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, fields, replace
from typing import Any, TypeAlias

import msgspec

from detectors.records import dataclass
from scanner.access.bookrows import Rows
from scanner.access.lines import LineNotes
from scanner.access.track import Track
from scanner.batch import SAMPLES, FileFacts, Growth, Mark
from scanner.factcontents import Content
from scanner.factrecord import Record

_PLACES = 64
"""of a log that are noted to tell its beginning by"""


APART = 86_400
"""seconds at most between the end of a log and the beginning of the one that goes on with it"""
KEPT = 8_192
"""of the numbers of a log that are kept for reading on: what is alike further apart than so many
records counts once where it stands twice"""
SOON = 86_400
"""seconds within which what is open at the end of a log may still come to an end"""
LIVE = 3_600
"""seconds for which it may though nothing came since an earlier run"""
End: TypeAlias = tuple[int, Any, str]
"""Of a log: when it ended, what the state was then, and what it is a piece of."""
Opened: TypeAlias = Callable[[bool], int | None]
"""The least ``LogBook.segment`` of the log at hand in which something began that is not at its end
yet: anything at all, or (False) what may still come to it."""


class Enough(Exception):
    """So much was read that what there is is handed over first."""


@dataclass(slots=True)
class Cut:
    """A place that a log can be read on from, and what lies between the one before and it."""

    place: int
    prefix: str
    facts: FileFacts
    rows: dict[str, int]
    keys: int
    state: str
    strange: int
    records: int


@dataclass(slots=True)
class Log:
    """A log while it is read."""

    track: Track
    known: Content | None
    name: str
    """sealed"""
    of: str = ""
    """the log that it is a piece of, sealed"""
    cuts: list[Cut] = field(default_factory=list)
    kept: Mapping[str, bytes] = field(default_factory=dict)
    own: LineNotes | None = None
    loose: dict[str, Rows] = field(default_factory=dict)
    """acts that may turn out not to be so, by form"""
    loosened: bool = False
    strange: int = 0
    """lines not understood before the first record: a file without any is of something else"""
    records: int = 0
    alike: int = 0


def growth_of(log: Log, told: Sequence[Cut], length: int, digest: str, end: End) -> Growth:
    """``told``: the places that all before is settled at; ``end``: when and with what state the
    log ends."""
    known = log.known
    growth = Growth(
        length,
        follows="" if known is None else known.digest,
        absorbs=begun(log, digest),
    )
    state: list[Any] = [0, log.records, None]
    places = [*(() if known is None else known.places), *((c.place, c.prefix) for c in told)]
    growth.places = places[:: len(places) // _PLACES + 1]
    if told:
        last = told[-1]
        growth.resume, growth.prefix = last.place, last.prefix
        growth.before = merged([cut.facts for cut in told])
        state = [last.strange, last.records, msgspec.Raw(last.state.encode())]
    elif known is not None:
        growth.resume, growth.prefix = known.resume, known.prefix
        growth.kept = dict(log.kept)
        state = msgspec.json.decode(known.state)[:3]
    growth.state = msgspec.json.encode([*state, *end]).decode()
    return growth


def end_of(state: str) -> End:
    """Out of ``Growth.state``, which earlier builds wrote without the last."""
    _, _, _, second, end, *of = msgspec.json.decode(state)
    return second, end, of[0] if of else ""


def begun(log: Log, digest: str) -> tuple[str, ...]:
    """Known contents that this one was when it was shorter, besides the one it was read on from."""
    others = (c for c in log.track.beginnings if c is not log.known and c.digest != digest)
    return tuple(c.digest for c in others if not empty(c))


def empty(content: Content) -> bool:
    """Whether no record was in it: it is no log that has grown."""
    return bool(msgspec.json.decode(content.state)[1] == 0)


def merged(parts: Sequence[FileFacts]) -> FileFacts:
    made = replace(parts[-1], notes={}, marks={}, texts=[], samples=[])
    for part in parts:
        for name, count in part.notes.items():
            made.notes[name] = made.notes.get(name, 0) + count
        for key, mark in part.marks.items():
            known = made.marks.setdefault(key, Mark())
            known.add(mark.first, mark.count)
            known.add(mark.last, 0)
        made.texts += part.texts
        made.samples += part.samples
    made.samples = made.samples[:SAMPLES]
    return made


def changed(log: Log, was: str, digest: str) -> tuple[str, ...]:
    """``was``, the content of this name, if it began alike and went on otherwise."""
    known = log.known.digest if log.known is not None else ""
    return (was,) if log.track.begins_as(was) and was not in (known, digest) else ()


def fill_notes(into: LineNotes, view: Record) -> None:
    """Counts of all the files."""
    for each in fields(into):
        if isinstance(getattr(into, each.name), int):
            setattr(into, each.name, view.note(each.name))
    into.unparsed, into.too_long = into.unparsed + into.too_long, 0
