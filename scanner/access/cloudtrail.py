"""Evidence from CloudTrail: who read the objects of S3 stores, by data events.

Counted as a read: GetObject, SelectObjectContent, GetObjectTorrent, and the source of CopyObject
and UploadPartCopy. Refused calls are counted apart. HeadObject and listings tell of names and
sizes, not of content: they are no reads. Every event counts once, however often it was delivered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from scanner.access import coverage, identity, rules, tally
from scanner.access.answer import Question, answer, question
from scanner.access.buckets import Place, Places
from scanner.access.cloudtrail_files import Event, Notes, events
from scanner.access.trail import Trail, from_file, look_up
from scanner.contracts import EvidenceResult, OpenFiles, SealName, Source
from scanner.errors import Unreadable
from scanner.known import Known
from scanner.model import Store

READS = frozenset({"GetObject", "SelectObjectContent", "GetObjectTorrent"})
COPIES = frozenset({"CopyObject", "UploadPartCopy"})
_LISTINGS = frozenset({"ListObjects", "ListObjectVersions"})
_ASKING = frozenset({"HeadObject", "GetObjectAttributes"})
_METADATA = _LISTINGS | _ASKING
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
        self._notes = Notes()
        self._files = coverage.Files(asked.window)

    def read(self, open_files: OpenFiles, uri: str) -> None:
        try:
            for _, source in open_files(uri):
                if not isinstance(source, Source):
                    self._files.unreadable += 1
                    continue
                try:
                    for event in events(source, self._notes):
                        if not self._take(event):
                            self._notes.unparsed += 1
                except Unreadable:
                    self._files.unreadable += 1
        except Unreadable as error:
            self._files.broke_off = str(error.reason)

    def _take(self, event: Event) -> bool:
        """Counts an event. False when it lacks what every record has."""
        when = _time(event.event_time)
        if when is None:
            return False
        inside = self._asked.place(when)
        if inside:
            self._files.saw(when, is_data(event))
        else:
            self._files.outside.add(when)
        if event.source == "cloudtrail.amazonaws.com":
            if inside:
                self._files.control(event, when)
            return True
        if event.source != "s3.amazonaws.com" or inside is None or not is_data(event):
            return True
        touched = [
            (place, key)
            for bucket, key in objects_of(event)
            for place in self.places.of(bucket, key)
        ]
        if not touched:
            return True
        event_id = event.shared_event_id or event.event_id
        who = identity.caller(event.identity)
        if not isinstance(event_id, str) or who is None:
            return False
        if self._ids.first_time(hash(event_id) & _64_BITS):
            for place, key in touched:
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
        copy = event.name in COPIES
        read = copy or event.name in READS
        seen = self._seen[place.store.uri]
        if inside:
            seen.event(when, reading=read or event.name in _METADATA)
        if not read and event.name not in _METADATA:
            return
        denied = event.error in _DENIED if isinstance(event.error, str) else False
        if event.error and not denied:
            return
        if not denied and event.name in _ASKING:
            return
        person = place.people.get(who.principal, who.session)
        if denied:
            person.refuse(when, inside)
        elif not read:
            person.list(when)
            return
        else:
            hashed = None if key is None else tally.hash64(key)
            card = (
                key is not None and hashed is not None and place.has_cards(key, hashed, self._asked)
            )
            # what a copy sends back is its own answer, not the object
            sent = None if copy else _bytes(event)
            person.read(when, inside, hashed, sent, card=card)
            if inside:
                seen.copies += copy
                seen.nameless += key is None and bool(place.prefix)
        if not inside:
            return
        person.anonymous = person.anonymous or who.anonymous
        owner = _owner(event, place.bucket)
        if who.account and owner and who.account != owner and not who.service:
            person.foreign = who.account

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
    if isinstance(event.category, str):
        return event.category == "Data"
    if isinstance(event.management, bool):
        return not event.management
    return event.source == "s3.amazonaws.com" and event.name in READS | COPIES | _METADATA


def objects_of(event: Event) -> Iterator[tuple[str, str | None]]:
    """(bucket, key) of what an event reads or asks about, each once; for a copy its source."""
    parameters = event.parameters if isinstance(event.parameters, dict) else {}
    if event.name in COPIES:
        source = parameters.get("x-amz-copy-source")
        if isinstance(source, list) and source:
            source = source[0]
        if isinstance(source, str):
            path = unquote(source.partition("?versionId=")[0]).removeprefix("/")
            bucket, _, copied = path.partition("/")
            yield _bucket_name(bucket, event), copied or None
        return
    if event.name not in READS and event.name not in _METADATA:
        # a write tells that the bucket's events are recorded at all
        name = parameters.get("bucketName")
        if isinstance(name, str):
            yield name, None
        return
    name, key = parameters.get("bucketName"), parameters.get("key")
    if isinstance(name, str):
        yield _bucket_name(name, event), key if isinstance(key, str) else None


def _bucket_name(bucket: str, event: Event) -> str:
    """The bucket itself where the call came through an access point, which the resources tell."""
    if not (bucket.startswith("arn:") or bucket.endswith("-s3alias")):
        return bucket
    for arn in _resources(event, "AWS::S3::Object"):
        return arn.partition(":::")[2].partition("/")[0]
    return bucket


def _resources(event: Event, kind: str) -> Iterator[str]:
    for resource in event.resources if isinstance(event.resources, list) else ():
        if isinstance(resource, dict) and resource.get("type") == kind:
            arn = resource.get("ARN") or resource.get("ARNPrefix")
            if isinstance(arn, str) and ":::" in arn:
                yield arn


def _owner(event: Event, bucket: str) -> str | None:
    """The account of the bucket; the trail's own account if the record does not tell."""
    for resource in event.resources if isinstance(event.resources, list) else ():
        if (
            isinstance(resource, dict)
            and resource.get("type") == "AWS::S3::Bucket"
            and isinstance(resource.get("ARN"), str)
            and resource["ARN"].endswith(f":::{bucket}")
            and isinstance(resource.get("accountId"), str)
        ):
            return str(resource["accountId"])
    return event.recipient if isinstance(event.recipient, str) else None


def _time(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        when = datetime.fromisoformat(value)
    except ValueError:
        return None
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def _bytes(event: Event) -> int | None:
    told = (
        event.additional.get("bytesTransferredOut") if isinstance(event.additional, dict) else None
    )
    if isinstance(told, bool) or not isinstance(told, int | float) or not 0 <= told < 1 << 63:
        return None
    return int(told)
