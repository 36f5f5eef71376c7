"""Evidence from CloudTrail: who read the objects of S3 stores, by data events.

Counted as a read: GetObject, SelectObjectContent, GetObjectTorrent, and the source of CopyObject
and UploadPartCopy. Refused calls are counted apart. HeadObject and listings tell of names and
sizes, not of content: they are no reads. Every event counts once, however often it was delivered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from scanner.access import cloudtrail_files, coverage, identity, kept_digests, other_reads, rules
from scanner.access.answer import Question, question, told
from scanner.access.book import Book, Origin
from scanner.access.buckets import Place, Places
from scanner.access.cloudtrail_files import COUNTS, Notes, events
from scanner.access.cloudtrail_records import Event, resources_of
from scanner.access.digests import DIGEST_FILE, LOG_FILE, Checked, delivered
from scanner.access.other_reads import DENIED, SOURCES, Resources, verb
from scanner.access.plain_reads import READS, Group, PlainReads, garbage_uncollected
from scanner.access.plaincolumns import Columns, PlainColumns
from scanner.access.trail import Trail, from_file, look_up
from scanner.batch import Verb
from scanner.contracts import EvidenceResult, FactsAt, OpenFiles, SealName, Source, Wrong
from scanner.known import Known
from scanner.model import Store

S3 = frozenset({"s3.amazonaws.com", "s3express.amazonaws.com"})
"""the latter has the directory buckets"""
COPIES = frozenset({"CopyObject", "UploadPartCopy"})
_LISTINGS = frozenset({"ListObjects", "ListObjectVersions"})
_METADATA = _LISTINGS | {"HeadObject", "GetObjectAttributes"}
_DENIED = frozenset(
    {
        "AccessDenied",
        "AllAccessDisabled",
        "AccountProblem",
        "InvalidAccessKeyId",
        "Client.AccessDenied",
    }
)


class CloudTrail:
    kind = "cloudtrail"
    keeps_facts = True
    options: Mapping[str, type] = {
        **rules.OPTIONS,
        "uri": str,  # file, folder or s3:// prefix with the files of the trail
        "trail": str,  # name or ARN, to ask CloudTrail about it
        "selectors": str,  # or a file with what get-event-selectors printed
        "resources": dict,  # ARNs outside S3, and the store that each of them is or opens
        "public_keys": str,  # a file with what list-public-keys printed, to check digests with
        "region": str,
        "profile": str,
    }

    def check(self, settings: Mapping[str, Any]) -> Iterator[Wrong]:
        """See ``contracts.EvidenceKind``."""
        yield from rules.wrong(settings)
        yield from other_reads.wrong(settings)
        for name in ("selectors", "public_keys"):
            file = settings.get(name, "")
            if file and "://" not in file and not Path(file).is_file():
                yield Wrong(name, "a file that is there", file)

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
        """See ``contracts.EvidenceKind``; answers for every ``s3://`` store, and for databases that
        “resources” names."""
        book = Book(Origin(self.kind, settings, [store.uri for store in stores], seal_name), facts)
        asked = question(settings, window, seal_name, known)
        others = Resources(settings, stores)
        collector = _Collector(stores, asked, book, others)
        if not collector.places.all and not others.uris:
            return {}
        collector.read(open_files, str(settings.get("uri", "")))
        if book.unfinished():
            return {}
        trail = None
        if settings.get("trail"):
            trail = look_up(settings, window)
        elif settings.get("selectors"):
            trail = from_file(str(settings["selectors"]), open_files)
        view = book.view(asked.window)
        checked, misfits = kept_digests.checked(view, settings, open_files), view.misfits()
        found = {p.store.uri: collector.result(p, trail, checked) for p in collector.places.all}
        found |= {uri: collector.other(uri, trail, checked) for uri in others.uris}
        return {uri: result.with_misfits(misfits) for uri, result in found.items()}


EVIDENCE = CloudTrail()


class _Collector:
    def __init__(
        self, stores: Sequence[Store], asked: Question, book: Book, others: Resources
    ) -> None:
        self._others = others
        self.places = Places(stores)
        self._asked, self._book = asked, book
        self._callers = identity.Callers()
        buckets = [place.bucket for place in self.places.all]
        self._plain = PlainReads(buckets, self._callers, _owner, self._take_groups)
        self._columns = PlainColumns(buckets, self._callers, _owner, self._take_columns)
        self._origin, self._account = "", ""
        """of the file at hand, where its name tells: the mark of account and region, and account"""
        self._of_account: set[str] = set()
        """stores of that account that the file has events of"""

    def read(self, open_files: OpenFiles, uri: str) -> None:
        with garbage_uncollected():
            self._book.each(open_files, uri, self._file)

    def _file(self, source: Source) -> None:
        notes, name = Notes(), source.name.rpartition("/")[2]
        if DIGEST_FILE.fullmatch(name):
            digest = cloudtrail_files.digest(source, notes)
            if digest is not None:
                kept_digests.keep(self._book, digest)
        else:
            self._events(source, notes, name)
        for note in COUNTS:
            self._book.note(note, getattr(notes, note))
        self._book.sample(notes.samples)

    def _events(self, source: Source, notes: Notes, name: str) -> None:
        whole, match = None, LOG_FILE.fullmatch(name)
        self._origin, self._account = "", ""
        self._of_account.clear()
        if match is not None:
            whole = partial(kept_digests.keep_log, self._book, name)
            region = self._asked.seal_name(match[2])
            self._origin, self._account = coverage.origin(match[1], region), match[1]
        for event in self._plain.sift(events(source, notes, whole, self._columns.sift)):
            if not self._take(event):
                notes.lost()
        self._plain.flush()
        if (when := delivered(name)) is not None:
            for uri in self._of_account:
                self._book.mark(self._origin, when, uri)

    def _note_owner(self, uri: str, owner: tuple[Any, bool]) -> None:
        if owner[0] == self._account:
            self._of_account.add(uri)

    def _of_any(self, name: str) -> tuple[str, ...]:
        """The marks of a record of any store."""
        return (name, self._origin) if self._origin else (name,)

    def _take_groups(self, groups: list[Group]) -> None:
        """Writes down plain reads."""
        book, touched = self._book, dict[str, list[int]]()
        # all at once, which for each group would take twice the time
        book.know(key for group in groups if self._whole(group.bucket) for key in group.keys)
        for group in groups:
            who = group.who
            for place in self.places.of(group.bucket):
                uri, mine = place.store.uri, group
                if place.prefix:
                    mine = group.of([place.holds(key) for key in group.keys])
                if not mine.keys:
                    continue
                names = [place.name(key) for key in mine.keys] if place.prefix else mine.keys
                number = book.who(uri, who.principal, who.session)
                book.reads(uri, number, names, mine.ids, mine.moments, mine.sent)
                touched.setdefault(uri, []).extend(mine.moments)
                self._look_at(number, who, group.owner)
                self._note_owner(uri, group.owner)
        every = [at for group in groups for at in group.moments]
        book.mark_many(self._of_any(coverage.DATA), every)
        for uri, moments in touched.items():
            book.mark_many((coverage.TOUCHED, coverage.READING), moments, uri)

    def _take_columns(self, found: Columns) -> None:
        """Writes down the plain reads of a whole file."""
        import numpy as np

        book = self._book
        moments = np.concatenate([found.moment, found.elsewhere])
        book.mark_many(self._of_any(coverage.DATA), moments)
        for bucket in {doer.bucket for doer in found.doers}:
            there = np.array([doer.bucket == bucket for doer in found.doers])[found.doer]
            for place in self.places.of(bucket):
                mine = there
                if place.prefix:
                    mine = there & np.array([place.holds(key) for key in found.keys])[found.key]
                if mine.any():
                    self._take_mine(place, found, np.flatnonzero(mine))

    def _take_mine(self, place: Place, found: Columns, mine: Any) -> None:
        """Those of one store, at the places ``mine``."""
        import numpy as np

        book, uri = self._book, place.store.uri
        doers = np.flatnonzero(np.bincount(found.doer[mine], minlength=len(found.doers)))
        keys = np.flatnonzero(np.bincount(found.key[mine], minlength=len(found.keys)))
        names = found.keys
        if len(keys) < len(names):
            names = [names[key] for key in keys.tolist()]
        if place.prefix:
            names = [place.name(name) for name in names]
        numbers = np.zeros(len(found.doers), "u4")
        for doer in doers.tolist():
            who, _, owner = found.doers[doer]
            numbers[doer] = number = book.who(uri, who.principal, who.session)
            self._look_at(number, who, owner)
            self._note_owner(uri, owner)
        objects = np.zeros(len(found.keys), "u8")
        objects[keys] = book.numbered(names)
        moments = found.moment[mine]
        book.columns(
            uri,
            numbers[found.doer[mine]],
            objects[found.key[mine]],
            found.event[mine],
            moments,
            found.sent[mine],
        )
        book.mark_many((coverage.TOUCHED, coverage.READING), moments, uri)

    def _whole(self, bucket: str) -> bool:
        """Whether a bucket itself is a store, whose units have the names of its keys."""
        return any(not place.prefix for place in self.places.of(bucket))

    def _take(self, event: Event) -> bool:
        """Counts an event. False when it lacks what every record has."""
        when = _time(event.event_time)
        if when is None:
            return False
        data = is_data(event)
        for mark in self._of_any(coverage.DATA if data else coverage.MANAGEMENT):
            self._book.mark(mark, when)
        if event.source in SOURCES:
            return self._take_other(event, when)
        if event.source not in S3 or not data:
            if event.source == "cloudtrail.amazonaws.com":
                coverage.note_switch(self._book, event, when)
            return True
        found = object_of(event)
        if found is None:
            return bool(event.error) or event.name not in READS | COPIES
        bucket, key = found
        touched = self.places.of(bucket)
        if not touched:
            return True
        event_id = event.shared_event_id or event.event_id
        who = self._callers.of(event.identity)
        if not isinstance(event_id, str) or who is None:
            return not any(place.holds(key) for place in touched)
        for place in touched:
            if not place.prefix or place.holds(key):
                self._count(place, key, event, who, when, event_id)
        return True

    def _take_other(self, event: Event, when: datetime) -> bool:
        """A call on something outside S3."""
        said = verb(event)
        uris = self._others.of(event) if said is not None else []
        if said is None or not uris:
            return True
        event_id = event.shared_event_id or event.event_id
        who = self._callers.of(event.identity)
        if not isinstance(event_id, str) or who is None:
            return False
        if event.error:
            if not isinstance(event.error, str) or event.error not in DENIED:
                return True
            said = Verb.DENIED
        for uri in uris:
            self._book.mark(coverage.TOUCHED, when, uri)
            number = self._book.who(uri, who.principal, who.session)
            self._book.read(uri, number, when, event=event_id, verb=said)
            self._look_at(number, who, (event.recipient, False))
        return True

    def _count(
        self,
        place: Place,
        key: str | None,
        event: Event,
        who: identity.Caller,
        when: datetime,
        event_id: str,
    ) -> None:
        book, uri, name = self._book, place.store.uri, event.name
        copy = name in COPIES
        read = copy or name in READS
        book.mark(coverage.TOUCHED, when, uri)
        owner = _owner(event, place.bucket)
        self._note_owner(uri, owner)
        if read or name in _METADATA:
            book.mark(coverage.READING, when, uri)
        denied = False
        if event.error:
            denied = isinstance(event.error, str) and event.error in _DENIED
            if not denied or not (read or name in _METADATA):
                return
        elif not read and name not in _LISTINGS:
            return
        number = book.who(uri, who.principal, who.session)
        if denied:
            book.read(uri, number, when, event=event_id, verb=Verb.DENIED)
        elif not read:
            book.read(uri, number, when, event=event_id, verb=Verb.LIST)
            return
        else:
            named = None if key is None else place.name(key)
            # what a copy sends back is its own answer, not the object
            sent = None if copy else _bytes(event)
            verb = Verb.COPY if copy else Verb.READ
            book.read(uri, number, when, named, event=event_id, sent=sent, verb=verb)
        self._look_at(number, who, owner)

    def _look_at(self, number: int, who: identity.Caller, owner: tuple[Any, bool]) -> None:
        """Notes callers from nowhere and from other accounts than the bucket's."""
        account = owner[0]
        foreign = account != who.account and who.account is not None and isinstance(account, str)
        if who.anonymous or (foreign and not who.service):
            self._book.describe(
                number,
                anonymous=who.anonymous,
                foreign=who.account if foreign and not who.service else None,
            )

    def result(self, place: Place, trail: Trail | None, checked: Checked) -> EvidenceResult:
        book, uri = self._book, place.store.uri
        view = book.view(self._asked.window)
        found = told(view, self._asked, uri)
        evidence = coverage.judge(
            coverage.Files.of(view, book.unreadable, book.broke_off),
            Notes.of(view.note),
            coverage.Seen.of(view, uri, place.prefix),
            place.bucket,
            place.prefix,
            trail,
            region=place.store.options.get("region"),
            seal_name=self._asked.seal_name,
            checked=checked,
            kept=self._asked.kept(),
            more=found.remarks,
        )
        return EvidenceResult(evidence, found.reads)

    def other(self, uri: str, trail: Trail | None, checked: Checked) -> EvidenceResult:
        """Of a database that “resources” names."""
        book = self._book
        view = book.view(self._asked.window)
        found = told(view, self._asked, uri, things="tables")
        evidence = coverage.judge_other(
            coverage.Files.of(view, book.unreadable, book.broke_off),
            Notes.of(view.note),
            coverage.Seen.of(view, uri, ""),
            trail,
            asked=view.of_verb(uri, Verb.ASKED),
            seal_name=self._asked.seal_name,
            checked=checked,
            kept=self._asked.kept(),
            more=found.remarks,
        )
        return EvidenceResult(evidence, found.reads)


def is_data(event: Event) -> bool:
    """A data event by its own word; records before version 1.07 do not say, their name does."""
    if event.category == "Data":
        return True
    if isinstance(event.category, str):
        return event.category == "Data"
    if isinstance(event.management, bool):
        return not event.management
    return event.source in S3 and event.name in READS | COPIES | _METADATA


def object_of(event: Event) -> tuple[str, str | None] | None:
    """Bucket and key of what an event reads or asks about, for a copy of its source; None where it
    does not tell, as of a copy through an access point of nobody knows which bucket. A write has no
    key here: it tells that the bucket's events are recorded at all."""
    parameters = event.parameters
    if parameters is None:
        return None
    if event.name in COPIES:
        source = parameters.source
        if isinstance(source, list) and source:
            source = source[0]
        if not isinstance(source, str):
            return None
        path = unquote(source.partition("?versionId=")[0]).removeprefix("/")
        bucket, _, copied = path.partition("/object/" if path.startswith("arn:") else "/")
        if _is_access_point(bucket):
            bucket = _bucket_copied_from(copied, event)
        return (bucket, copied or None) if bucket else None
    bucket, key = parameters.bucket, parameters.key
    if not isinstance(bucket, str):
        return None
    if event.name in READS or event.name in _METADATA:
        if _is_access_point(bucket):
            bucket = next((told for told, _ in _objects(event)), bucket)
        return bucket, key if isinstance(key, str) else None
    return bucket, None


def _is_access_point(bucket: str) -> bool:
    return bucket.startswith("arn:") or bucket.endswith("-s3alias")


def _bucket_copied_from(copied: str, event: Event) -> str:
    """The bucket behind an access point that was copied from. The resources name the copy as well,
    and first."""
    made = (event.parameters.bucket, event.parameters.key) if event.parameters else ()
    named = [bucket for bucket, key in _objects(event) if key == copied and (bucket, key) != made]
    return next(iter(named), "")


def _objects(event: Event) -> Iterator[tuple[str, str]]:
    """Buckets and keys of the objects among the resources, which tell the bucket where a call came
    through an access point."""
    for resource in resources_of(event):
        if resource.kind == "AWS::S3::Object":
            arn = resource.arn or resource.prefix
            if isinstance(arn, str) and ":::" in arn:
                bucket, _, key = arn.partition(":::")[2].partition("/")
                yield bucket, key


def _owner(event: Event, bucket: str) -> tuple[Any, bool]:
    """The account of the bucket, and whether the record tells it; where it does not, the trail's
    own account stands for that."""
    for resource in resources_of(event):
        if (
            resource.kind == "AWS::S3::Bucket"
            and isinstance(resource.account, str)
            and isinstance(resource.arn, str)
            and resource.arn.endswith(f":::{bucket}")
        ):
            return resource.account, True
    return event.recipient, False


def _time(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        when = datetime.fromisoformat(value)
    except ValueError:
        return None
    if when.tzinfo is UTC:
        return when
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def _bytes(event: Event) -> int | None:
    told = event.additional.sent if event.additional else None
    if (type(told) is int or type(told) is float) and 0 <= told < 1 << 63:  # no bool
        return int(told)
    return None
