"""Evidence from S3 server access logs: who read the objects of S3 stores, line by line.

S3 writes them "on a best-effort basis": a line can be missing or come days late. So they never are
a complete record, and what they do not show may still have happened.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import Any

from detectors.records import dataclass
from scanner.access import gaps, identity, rules, tally
from scanner.access.answer import Question, answer, question
from scanner.access.book import Book
from scanner.access.buckets import Place, Places
from scanner.access.lines import LineNotes, lines
from scanner.access.s3_access_lines import LIKE_A_RECORD, Record, record
from scanner.contracts import EvidenceResult, FactsAt, OpenFiles, SealName, Source
from scanner.errors import Unreadable
from scanner.known import Known
from scanner.model import Coverage, Evidence, Store

_64_BITS = (1 << 64) - 1
_BEST_EFFORT = (
    "S3 writes these logs on a best-effort basis: lines can be missing or come hours late, so a"
    " read that is not here may still have happened"
)


class S3AccessLogs:
    kind = "s3-access-logs"
    keeps_facts = True
    options: Mapping[str, type] = {
        **rules.OPTIONS,
        "uri": str,  # file, folder or s3:// prefix with the log files
        "account": str,  # the account of the buckets: callers of others are flagged
    }

    check = staticmethod(rules.wrong)

    def collect(
        self,
        settings: Mapping[str, Any],
        open_files: OpenFiles,
        stores: Sequence[Store],
        window: tuple[datetime, datetime],
        seal_name: SealName,
        known: Mapping[str, Known] | None = None,
        facts: FactsAt | None = None,
    ) -> Mapping[str, EvidenceResult]:
        """See ``contracts.EvidenceKind``; answers for every ``s3://`` store."""
        book = Book(self.kind, settings, [store.uri for store in stores], seal_name, facts)
        asked = question(settings, window, seal_name, known, book)
        collector = Collector(_SORT, stores, asked, str(settings.get("account", "")))
        if not collector.places.all:
            return {}
        collector.read(open_files, str(settings.get("uri", "")))
        return {place.store.uri: collector.result(place) for place in collector.places.all}


EVIDENCE = S3AccessLogs()


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


_SORT = Sort("s3-access-logs", _BEST_EFFORT, LIKE_A_RECORD, record)


@dataclass(slots=True)
class _Seen:
    """What the lines said of one store, in the window."""

    hours: gaps.Hours
    lines: int = 0
    ambiguous: int = 0
    nameless: int = 0
    copies: int = 0
    accounts: set[str] = field(default_factory=set)
    remarks: Counter[str] = field(default_factory=Counter)


class Collector:
    """What the lines of all files say of the stores."""

    def __init__(
        self, sort: Sort, stores: Sequence[Store], asked: Question, account: str = ""
    ) -> None:
        self._sort = sort
        self.places = Places(stores, asked.people)
        self._asked, self._account = asked, account
        self._seen = {place.store.uri: _Seen(gaps.Hours(asked.window)) for place in self.places.all}
        self._ids = tally.Seen()
        self._notes = LineNotes()
        self._outside = 0
        self._inside = 0

    def read(self, open_files: OpenFiles, uri: str) -> None:
        try:
            for _, source in open_files(uri):
                if not isinstance(source, Source):
                    self._notes.unreadable += 1
                    continue
                try:
                    self._file(source)
                except Unreadable:
                    self._notes.unreadable += 1
        except Unreadable as error:
            self._notes.broke_off = str(error.reason)

    def _file(self, source: Source) -> None:
        notes = LineNotes()
        strange = alike = 0
        for line in self._sort.lines(source, notes):
            found = self._sort.record(line)
            if found is None:
                strange += 1
                alike += self._sort.alike.search(line) is not None
            else:
                notes.records += 1
                self._take(found)
        total = self._notes
        total.broken += notes.broken
        if notes.records or alike or notes.broken:
            total.files += 1
            total.records += notes.records
            total.unparsed += strange + notes.unparsed + notes.too_long
        else:
            total.other += 1
            total.unparsed += notes.too_long  # nobody has seen what they were

    def _take(self, found: Record) -> None:
        inside = self._asked.place(found.when)
        self._inside += bool(inside)
        self._outside += not inside
        if inside is None or found.bucket not in self.places:
            return
        touched = list(self._touched(found))
        if not touched:
            return
        # a copy writes several lines under one request id
        name = (found.id, found.operation, found.keys[:1], "" if found.id else found.when)
        if not self._ids.first_time(hash(name) & _64_BITS):
            return
        who = self._sort.who(found.requester, found.owner)
        for place, key in touched:
            self._count(place, key, found, who, inside)

    def _touched(self, found: Record) -> Iterator[tuple[Place, str | None]]:
        if not found.keys:
            yield from ((place, None) for place in self.places.of(found.bucket))
            return
        taken = set()
        for key in found.keys:
            for place in self.places.of(found.bucket):
                if place.holds(key) and place.store.uri not in taken:
                    taken.add(place.store.uri)
                    yield place, key

    def _count(
        self, place: Place, key: str | None, found: Record, who: identity.Caller, inside: bool
    ) -> None:
        seen = self._seen[place.store.uri]
        if inside:
            seen.hours.saw(found.when)
            seen.lines += 1
            if remark := self._sort.remarks(found):
                seen.remarks[remark] += 1
        read = found.reads and found.succeeded
        denied = found.denied and (found.reads or found.lists or ".HEAD." in found.operation)
        listed = found.lists and found.succeeded
        if not (read or denied or listed):
            return
        person = place.people.get(who.principal, who.session)
        if listed:
            person.list(found.when)
            return
        if denied:
            person.refuse(found.when, inside)
        else:
            name = None if key is None else place.name(key)
            person.read(found.when, inside, name, found.sent)
            if inside:
                seen.ambiguous += found.ambiguous
                seen.nameless += key is None and bool(place.prefix)
                seen.copies += found.copies
        if inside:
            self._look_at(who, person, seen, found)

    def _look_at(
        self, who: identity.Caller, person: tally.Person, seen: _Seen, found: Record
    ) -> None:
        person.anonymous = person.anonymous or who.anonymous
        if who.account is None:
            return
        canonical = len(who.account) == 64
        if not canonical:
            seen.accounts.add(who.account)
        if canonical and found.owner:
            person.foreign = f"with the canonical id {who.account[:16]}"
        elif self._account and who.account != self._account:
            person.foreign = who.account

    # --- how far it goes

    def result(self, place: Place) -> EvidenceResult:
        found = answer(place.people, self._asked, place.store.uri)
        seen, notes = self._seen[place.store.uri], self._notes
        if not self._inside:
            state, lead = Coverage.NONE, "no line of the window was found"
            if self._outside:
                lead += f"; {self._outside:,} lie outside it"
            causes = list(self._damage())
        elif not seen.lines:
            state = Coverage.UNKNOWN
            lead = (
                f"none of {self._inside:,} lines is of this store: either nobody touched it or its"
                " requests are not logged; the files do not tell which"
            )
            causes = list(self._damage())
        else:
            state, lead = Coverage.PARTIAL, self._sort.lead
            silent = gaps.silence(seen.hours.silent(), "line of this store")
            said = [f"{count:,} {remark}" for remark, count in sorted(seen.remarks.items())]
            causes = [*self._damage(), *_doubts(seen), *said, *silent]
        remarks = [*self._files(), *self._hints(seen), *found.remarks]
        return EvidenceResult(
            Evidence(
                source=self._sort.source,
                coverage=state,
                start=seen.hours.first,
                end=seen.hours.last,
                detail="; ".join((lead, *causes, *remarks)),
                unparsed=notes.unparsed,
            ),
            found.reads,
        )

    def _damage(self) -> Iterator[str]:
        notes = self._notes
        if notes.broke_off:
            yield f"the files could not all be listed ({notes.broke_off})"
        if notes.unreadable:
            yield f"{notes.unreadable:,} files could not be read"
        if notes.broken:
            yield f"{notes.broken:,} files are cut off or corrupt"
        if notes.unparsed:
            yield f"{notes.unparsed:,} lines could not be understood"
        if self._ids.full:
            yield "more lines than repetitions can be told apart among"

    def _files(self) -> Iterator[str]:
        notes = self._notes
        if notes.files or notes.other:
            other = f", {notes.other:,} other files passed over" if notes.other else ""
            yield f"{notes.records:,} lines in {notes.files:,} files{other}"

    def _hints(self, seen: _Seen) -> Iterator[str]:
        if seen.copies:
            yield f"the bytes of {seen.copies:,} copies are not told"
        if len(seen.accounts) > 1 and not self._account:
            yield (
                f"callers of {len(seen.accounts):,} accounts (give the bucket's own with"
                " “account” to have the others flagged)"
            )


def _doubts(seen: _Seen) -> Iterator[str]:
    if seen.ambiguous:
        yield (
            f"{seen.ambiguous:,} lines hold quotes that make their result uncertain, as a forged"
            " request would; they count as reads, their bytes are unknown"
        )
    if seen.nameless:
        yield f"{seen.nameless:,} reads do not name the object and may be outside the prefix"
