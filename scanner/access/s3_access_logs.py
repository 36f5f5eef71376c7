"""Evidence from S3 server access logs: who read the objects of S3 stores, line by line.

S3 writes them "on a best-effort basis": a line can be missing or come days late. So they never are
a complete record, and what they do not show may still have happened.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from detectors.records import dataclass
from scanner.access import gaps, identity, rules
from scanner.access.answer import Question, told
from scanner.access.buckets import Place, Places
from scanner.access.lines import LineNotes, lines
from scanner.access.logbook import LogBook
from scanner.access.logfiles import LogFiles, damage
from scanner.access.readings import Extent
from scanner.access.s3_access_lines import LIKE_A_RECORD, Record, record
from scanner.audits import Audit
from scanner.batch import Verb
from scanner.contracts import EvidenceResult, Source, Wrong
from scanner.factview import View
from scanner.model import Coverage, Evidence, Store
from scanner.text import plural

_SHOWN, _ACCOUNT = "shown", "account "
"""what is marked of a store"""
_BEST_EFFORT = (
    "S3 writes these logs on a best-effort basis: lines can be missing or come hours late, so a"
    " read that is not here may still have happened"
)


@dataclass(frozen=True, slots=True)
class Sort:
    """A sort of log whose lines become ``Record``s. ``alike`` tells a line that was meant to be a
    record from one of another file; ``lead`` says how far such a log can go at best."""

    source: str
    lead: str
    alike: re.Pattern[bytes]
    record: Callable[[bytes], Record | None]
    lines: Callable[[Source, LineNotes], Iterator[bytes]] = lines
    who: Callable[[str | None, str], identity.Caller] = identity.requester
    remarks: Callable[[Record], str] = lambda found: ""
    """something to be counted and said of a record of a store, empty if there is nothing"""
    remarked: Sequence[str] = ()
    """all there can be"""


class Collector:
    """What the lines of all files say of the stores."""

    def __init__(
        self,
        sort: Sort,
        stores: Sequence[Store],
        asked: Question,
        book: LogBook,
        account: str = "",
    ) -> None:
        self._sort = sort
        self._places = Places(stores)
        self._asked, self._book, self._account = asked, book, account
        self._extent = Extent(asked, book)
        self._sealed = lru_cache(10_000)(asked.seal_name)  # of accounts
        self._who = lru_cache(10_000)(sort.who)
        self._described: set[tuple[int, bool, str | None]] = set()

    def uris(self) -> Iterable[str]:
        return (place.store.uri for place in self._places.all)

    def opened(self, ever: bool) -> None:
        """Nothing is open at the end of such a log: each line stands for itself."""

    def end(self) -> None:
        pass

    def file(self, source: Source) -> None:
        book, sort = self._book, self._sort
        with book.notes(LineNotes()) as own:
            for line in book.whole(sort.lines(source, own)):
                found = sort.record(line)
                if found is None:
                    own.lost(line)
                    if sort.alike.search(line) is not None:
                        book.alike()
                else:
                    own.records += 1
                    self._take(found)

    def _take(self, found: Record) -> None:
        self._extent.saw(found.when)
        if found.bucket not in self._places:
            return
        touched = list(self._touched(found))
        if not touched:
            return
        event = ""
        if found.id:  # a copy writes several lines under one request id
            key = self._book.named(found.keys[0]) if found.keys else 0
            event = f"{found.id} {found.operation} {key}"
        who = self._who(found.requester, found.owner)
        for place, key_ in touched:
            self._count(place, key_, found, who, event)

    def _touched(self, found: Record) -> Iterator[tuple[Place, str | None]]:
        if not found.keys:
            yield from ((place, None) for place in self._places.of(found.bucket))
            return
        taken = set()
        for key in found.keys:
            for place in self._places.of(found.bucket):
                if place.holds(key) and place.store.uri not in taken:
                    taken.add(place.store.uri)
                    yield place, key

    def _count(
        self, place: Place, key: str | None, found: Record, who: identity.Caller, event: str
    ) -> None:
        book, uri, when = self._book, place.store.uri, found.when
        book.mark(_SHOWN, when, uri)
        if remark := self._sort.remarks(found):
            book.noted(remark, when, uri, event=event)
        read = found.reads and found.succeeded
        denied = found.denied and (found.reads or found.lists or ".HEAD." in found.operation)
        listed = found.lists and found.succeeded
        if not (read or denied or listed):
            return
        verb = Verb.LIST if listed else Verb.DENIED if denied else Verb.READ
        name = None if key is None or verb is not Verb.READ else place.name(key)
        sent = found.sent if verb is Verb.READ else None
        session = who.session
        book.act(uri, verb, who.principal, when, name, session=session, sent=sent, event=event)
        if verb is Verb.LIST:
            return
        if verb is Verb.READ:
            for name, seen in (
                ("ambiguous", found.ambiguous),
                ("nameless", key is None and bool(place.prefix)),
                ("copies", found.copies),
            ):
                if seen:
                    book.noted(name, when, uri, event=event)
        self._look_at(who, book.who(uri, who.principal, session), uri, found)

    def _look_at(self, who: identity.Caller, number: int, uri: str, found: Record) -> None:
        foreign = None
        if who.account is not None:
            canonical = len(who.account) == 64
            if not canonical:
                self._book.mark(f"{_ACCOUNT}{self._sealed(who.account)}", found.when, uri)
            if canonical and found.owner:
                foreign = f"with the canonical id {who.account[:16]}"
            elif self._account and who.account != self._account:
                foreign = who.account
        told = number, who.anonymous, foreign
        if told not in self._described:
            self._described.add(told)
            self._book.describe(number, anonymous=who.anonymous, foreign=foreign)

    # --- how far it goes

    def result(self, uri: str) -> EvidenceResult:
        book, extent = self._book, self._extent
        view = book.view(self._asked.window)
        found = told(view, self._asked, uri)
        notes, seen = book.line_notes(view, LineNotes()), view.marked(_SHOWN, uri)
        hours = gaps.Hours.known(self._asked.window, view.hours((_SHOWN,), uri))
        missing = gaps.gaps(hours, self._asked.kept(), "line of this store")
        known = self._asked.known.get(uri)
        audit = known.audits.get(self._sort.source, Audit()) if known else Audit()
        causes = [*damage(notes, "lines"), *missing.limits, *audit.blind]
        if not extent.inside:
            state, lead = Coverage.NONE, "no line of the window was found"
            if extent.outside:
                lead += f"; {extent.outside:,} lie outside it"
        elif not seen.count:
            state = Coverage.UNKNOWN
            lead = (
                f"none of {plural(extent.inside, 'line')} is of this store: either nobody"
                " touched it or its requests are not logged; the files do not tell which"
            )
        else:
            state, lead = Coverage.PARTIAL, self._sort.lead
            remarked = [(view.noted(each, uri)[0], each) for each in self._sort.remarked]
            said = [f"{count:,} {each}" for count, each in remarked if count]
            causes += [*_doubts(view, uri), *said, *missing.quiet]
        remarks = [*_files(notes), *book.reading(), *self._hints(view, uri)]
        remarks += [*audit.kept, *missing.remarks]
        return EvidenceResult(
            Evidence(
                source=self._sort.source,
                coverage=state,
                start=seen.first,
                end=seen.last,
                detail="; ".join((lead, *causes, *remarks, *found.remarks)),
                unparsed=notes.unparsed,
            ),
            found.reads,
        )

    def _hints(self, view: View, uri: str) -> Iterator[str]:
        copies = view.noted("copies", uri)[0]
        if copies:
            yield f"the bytes of {plural(copies, 'copy', 'copies')} are not told"
        accounts = len(view.names(_ACCOUNT, uri))
        if accounts > 1 and not self._account:
            yield (
                f"callers of {accounts:,} accounts (give the bucket's own with “account” to have"
                " the others flagged)"
            )


def _files(notes: LineNotes) -> Iterator[str]:
    if notes.files or notes.other:
        other = f", {plural(notes.other, 'other file')} passed over" if notes.other else ""
        yield f"{plural(notes.records, 'line')} in {plural(notes.files, 'file')}{other}"


def _doubts(view: View, uri: str) -> Iterator[str]:
    ambiguous, nameless = (view.noted(name, uri)[0] for name in ("ambiguous", "nameless"))
    if ambiguous:
        yield (
            f"{plural(ambiguous, 'line holds', 'lines hold')} quotes that make their result"
            " uncertain, as a forged request would: counted as reads, bytes unknown"
        )
    if nameless:
        yield (
            f"{plural(nameless, 'read does', 'reads do')} not name the object and may be"
            " outside the prefix"
        )


def _wrong(settings: Mapping[str, Any]) -> Iterator[Wrong]:
    account = settings.get("account", "")
    if account and not re.fullmatch(r"[0-9]{12}", account):
        yield Wrong("account", "an AWS account: 12 digits, in quotes", account)


_SORT = Sort("s3-access-logs", _BEST_EFFORT, LIKE_A_RECORD, record)
EVIDENCE = LogFiles(
    "s3-access-logs",
    {
        **rules.OPTIONS,
        "uri": str,  # file, folder or s3:// prefix with the log files
        "account": str,  # the account of the buckets: callers of others are flagged
    },
    lambda stores, asked, settings, book: Collector(
        _SORT, stores, asked, book, str(settings.get("account", ""))
    ),
    _wrong,
)
