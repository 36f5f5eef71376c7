"""Evidence from CloudTrail: who read the objects of S3 stores, by data events.

Counted as a read: GetObject, SelectObjectContent, GetObjectTorrent, and the source of CopyObject
and UploadPartCopy. Refused calls are counted apart. HeadObject and listings tell of names and
sizes, not of content: they are no reads. Every event counts once, however often it was delivered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import repeat
from typing import Any
from urllib.parse import unquote

from scanner.access import coverage, identity, rules, tally
from scanner.access.answer import Question, answer, question
from scanner.access.buckets import Place, Places
from scanner.access.cloudtrail_files import Event, Notes, events, resources_of
from scanner.access.plain_reads import READS, Group, PlainReads, garbage_uncollected
from scanner.access.trail import Trail, from_file, look_up
from scanner.contracts import EvidenceResult, OpenFiles, SealName, Source
from scanner.errors import Unreadable
from scanner.known import Known
from scanner.model import Store

COPIES = frozenset({"CopyObject", "UploadPartCopy"})
_LISTINGS = frozenset({"ListObjects", "ListObjectVersions"})
_METADATA = _LISTINGS | {"HeadObject", "GetObjectAttributes"}
_64_BITS = (1 << 64) - 1
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
    options: Mapping[str, type] = {
        **rules.OPTIONS,
        "uri": str,  # file, folder or s3:// prefix with the files of the trail
        "trail": str,  # name or ARN, to ask CloudTrail about it
        "selectors": str,  # or a file with what get-event-selectors printed
        "region": str,
        "profile": str,
    }

    def collect(
        self,
        settings: Mapping[str, Any],
        open_files: OpenFiles,
        stores: Sequence[Store],
        window: tuple[datetime, datetime],
        seal_name: SealName,
        known: Mapping[str, Known] | None = None,
    ) -> Mapping[str, EvidenceResult]:
        """See ``contracts.EvidenceKind``; answers for every ``s3://`` store."""
        collector = _Collector(stores, question(settings, window, seal_name, known))
        if not collector.places.all:
            return {}
        collector.read(open_files, str(settings.get("uri", "")))
        trail = None
        if settings.get("trail"):
            trail = look_up(settings, window)
        elif settings.get("selectors"):
            trail = from_file(str(settings["selectors"]), open_files)
        return {place.store.uri: collector.result(place, trail) for place in collector.places.all}


EVIDENCE = CloudTrail()


class _Collector:
    def __init__(self, stores: Sequence[Store], asked: Question) -> None:
        self.places = Places(stores)
        self._seen = {place.store.uri: coverage.Seen() for place in self.places.all}
        self._asked = asked
        self._ids = tally.Seen()
        self._callers = identity.Callers()
        self._knows_cards = any(known.cards for known in asked.known.values())
        self._notes = Notes()
        self._files = coverage.Files(asked.window)
        buckets = [place.bucket for place in self.places.all]
        self._plain = PlainReads(asked, buckets, self._callers, _owner, self._take_groups)

    def read(self, open_files: OpenFiles, uri: str) -> None:
        with garbage_uncollected():
            self._read(open_files, uri)

    def _read(self, open_files: OpenFiles, uri: str) -> None:
        try:
            for _, source in open_files(uri):
                if not isinstance(source, Source):
                    self._files.unreadable += 1
                    continue
                try:
                    self._file(source)
                except Unreadable:
                    self._files.unreadable += 1
        except Unreadable as error:
            self._files.broke_off = str(error.reason)
        self._plain.flush()

    def _file(self, source: Source) -> None:
        for event in self._plain.sift(events(source, self._notes)):
            if not self._take(event):
                self._notes.unparsed += 1

    def _take_groups(self, groups: list[Group], hours: list[datetime]) -> None:
        """Counts plain reads, those of them that did not come before."""
        within = [group for group in groups if group.inside is not None]
        new = self._ids.first_times([each for group in within for each in group.ids])
        old = not all(new)
        place = 0
        for group in groups:
            ends = group.ends()
            if group.inside:
                self._files.saw_many(ends, len(group))
            else:
                self._files.outside.add(ends[0], len(group))
                self._files.outside.add(ends[1], 0)
            if group.inside is None:
                continue
            start, place = place, place + len(group)
            if old and not all(new[start:place]):
                group = group.chosen(new[start:place])
            self._count_group(group)
        self._files.saw_hours(hours)

    def _count_group(self, group: Group) -> None:
        who, inside = group.who, bool(group.inside)
        for place in self.places.of(group.bucket):
            mine = group
            if place.prefix:
                mine = group.chosen([place.holds(key) for key in group.keys])
            if not mine.keys:
                continue
            first, last = mine.ends()
            hashes = tally.hashes64(mine.keys)
            cards = 0
            if self._knows_cards:
                cards = sum(map(place.has_cards, mine.keys, hashes, repeat(self._asked)))
            told = [sent for sent in mine.sent if sent is not None]
            person = place.people.get(who.principal, who.session)
            person.read_often(
                *(first, last, inside, mine.hours(), hashes),
                *(sum(map(int, told)), len(told), cards),
            )
            if inside:
                seen = self._seen[place.store.uri]
                seen.event(first, True)
                seen.event(last, True)
                _look_at(person, who, group.owner)

    def _take(self, event: Event) -> bool:
        """Counts an event. False when it lacks what every record has."""
        when = _time(event.event_time)
        if when is None:
            return False
        inside, data = self._asked.place(when), is_data(event)
        if inside:
            self._files.saw(when, data)
        else:
            self._files.outside.add(when)
        if event.source != "s3.amazonaws.com" or inside is None or not data:
            if inside and event.source == "cloudtrail.amazonaws.com":
                self._files.control(event, when)
            return True
        found = object_of(event)
        if found is None:
            return True
        bucket, key = found
        touched = self.places.of(bucket)
        if not touched:
            return True
        event_id = event.shared_event_id or event.event_id
        who = self._callers.of(event.identity)
        if not isinstance(event_id, str) or who is None:
            return not any(place.holds(key) for place in touched)
        if self._ids.first_time(hash(event_id) & _64_BITS):
            for place in touched:
                if not place.prefix or place.holds(key):
                    self._count(place, key, event, who, when, inside)
        return True

    def _count(
        self,
        place: Place,
        key: str | None,
        event: Event,
        who: identity.Caller,
        when: datetime,
        inside: bool,
    ) -> None:
        name = event.name
        copy = name in COPIES
        read = copy or name in READS
        seen = self._seen[place.store.uri]
        if inside:
            seen.event(when, read or name in _METADATA)
        denied = False
        if event.error:
            denied = isinstance(event.error, str) and event.error in _DENIED
            if not denied or not (read or name in _METADATA):
                return
        elif not read and name not in _LISTINGS:
            return
        person = place.people.get(who.principal, who.session)
        if denied:
            person.refuse(when, inside)
        elif not read:
            person.list(when)
            return
        elif key is None:
            person.read(when, inside, None, None if copy else _bytes(event))
        else:
            hashed = tally.hash64(key)
            card = self._knows_cards and place.has_cards(key, hashed, self._asked)
            # what a copy sends back is its own answer, not the object
            person.read(when, inside, hashed, None if copy else _bytes(event), None, card)
        if inside:
            if read and not denied:
                seen.copies += copy
                seen.nameless += key is None and bool(place.prefix)
            _look_at(person, who, _owner(event, place.bucket))

    def result(self, place: Place, trail: Trail | None) -> EvidenceResult:
        found = answer(place.people, self._asked, place.store.uri)
        evidence = coverage.judge(
            self._files,
            self._notes,
            self._seen[place.store.uri],
            place.bucket,
            place.prefix,
            trail,
            repeated=self._ids.full,
            region=place.store.options.get("region"),
            seal_name=self._asked.seal_name,
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
    return event.source == "s3.amazonaws.com" and event.name in READS | COPIES | _METADATA


def object_of(event: Event) -> tuple[str, str | None] | None:
    """Bucket and key of what an event reads or asks about, for a copy of its source. A write has
    no key here: it tells that the bucket's events are recorded at all."""
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
        bucket, _, copied = path.partition("/")
        return _bucket_name(bucket, event), copied or None
    bucket, key = parameters.bucket, parameters.key
    if not isinstance(bucket, str):
        return None
    if event.name in READS or event.name in _METADATA:
        if bucket.startswith("arn:") or bucket.endswith("-s3alias"):
            bucket = _bucket_name(bucket, event)
        return bucket, key if isinstance(key, str) else None
    return bucket, None


def _bucket_name(bucket: str, event: Event) -> str:
    """The bucket itself where the call came through an access point, which the resources tell."""
    if not (bucket.startswith("arn:") or bucket.endswith("-s3alias")):
        return bucket
    for resource in resources_of(event):
        if resource.kind == "AWS::S3::Object":
            arn = resource.arn or resource.prefix
            if isinstance(arn, str) and ":::" in arn:
                return arn.partition(":::")[2].partition("/")[0]
    return bucket


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


def _look_at(person: tally.Person, who: identity.Caller, owner: tuple[Any, bool]) -> None:
    """Notes callers from nowhere and from other accounts than the bucket's."""
    if who.anonymous:
        person.anonymous = True
    if person.judged or who.account is None or who.service:
        return
    account, told = owner
    person.judged = told and not person.mixed  # neither its account nor the bucket's will change
    if isinstance(account, str) and account != who.account:
        person.foreign = who.account


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
