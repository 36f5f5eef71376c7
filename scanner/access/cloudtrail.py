"""Evidence from CloudTrail: who read the objects of S3 stores, by data events.

Counted as a read: GetObject, SelectObjectContent, GetObjectTorrent, and the source of CopyObject
and UploadPartCopy. Refused calls are counted apart. HeadObject and listings tell of names and
sizes, not of content: they are no reads. Every event counts once, however often it was delivered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from scanner.access import coverage, identity, tally
from scanner.access.cloudtrail_files import Event, Notes, events
from scanner.access.trail import Trail, from_file, look_up
from scanner.contracts import EvidenceResult, OpenFiles, SealName, Source
from scanner.errors import Unreadable
from scanner.model import Flag, Reads, Store
from scanner.text import seal_around_accounts

READS = frozenset({"GetObject", "SelectObjectContent", "GetObjectTorrent"})
COPIES = frozenset({"CopyObject", "UploadPartCopy"})
_METADATA = frozenset({"HeadObject", "ListObjects", "ListObjectVersions", "GetObjectAttributes"})
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
    ) -> Mapping[str, EvidenceResult]:
        """See ``contracts.EvidenceKind``; answers for every ``s3://`` store."""
        collector = _Collector(stores, window)
        if not collector.counts:
            return {}
        collector.read(open_files, str(settings.get("uri", "")))
        trail = None
        if settings.get("trail"):
            trail = look_up(settings, window)
        elif settings.get("selectors"):
            trail = from_file(str(settings["selectors"]), open_files)
        return {
            counts.store.uri: collector.result(counts, trail, seal_name)
            for counts in collector.counts
        }


EVIDENCE = CloudTrail()


@dataclass(slots=True)
class _Counts:
    """Of one store."""

    store: Store
    bucket: str
    prefix: str
    people: tally.People = field(default_factory=tally.People)
    seen: coverage.Seen = field(default_factory=coverage.Seen)

    def holds(self, key: str | None) -> bool:
        if not self.prefix or key is None:
            return True
        return key == self.prefix or key.startswith(f"{self.prefix}/")


class _Collector:
    def __init__(self, stores: Sequence[Store], window: tuple[datetime, datetime]) -> None:
        self.counts: list[_Counts] = []
        for store in stores:
            if store.uri.startswith("s3://"):
                bucket, _, prefix = store.uri.removeprefix("s3://").partition("/")
                self.counts.append(_Counts(store, bucket, prefix.removesuffix("/")))
        self._by_bucket: dict[str, list[_Counts]] = {}
        for counts in self.counts:
            self._by_bucket.setdefault(counts.bucket, []).append(counts)
        self._window = window
        self._ids = tally.Seen()
        self._notes = Notes()
        self._files = coverage.Files(window)

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
        inside = self._window[0] <= when <= self._window[1]
        if inside:
            self._files.saw(when, is_data(event))
        else:
            self._files.outside.add(when)
        if event.source == "cloudtrail.amazonaws.com":
            if inside:
                self._files.control(event, when)
            return True
        if event.source != "s3.amazonaws.com" or not inside or not is_data(event):
            return True
        touched = list(self._touched(event))
        if not touched:
            return True
        event_id = event.shared_event_id or event.event_id
        who = identity.caller(event.identity)
        if not isinstance(event_id, str) or who is None:
            return False
        if self._ids.first_time(tally.hash64(event_id)):
            for counts, key in touched:
                _count(counts, key, event, who, when)
        return True

    def _touched(self, event: Event) -> Iterator[tuple[_Counts, str | None]]:
        """The stores an event reads or asks about, with the object's key if it is told."""
        for bucket, key in objects_of(event):
            for counts in self._by_bucket.get(bucket, ()):
                if counts.holds(key):
                    yield counts, key

    def result(self, counts: _Counts, trail: Trail | None, seal_name: SealName) -> EvidenceResult:
        reads = tuple(
            sorted(_reads(counts, seal_name), key=lambda r: (-(r.reads or 0), r.principal))
        )
        evidence = coverage.judge(
            self._files,
            self._notes,
            counts.seen,
            counts.bucket,
            counts.prefix,
            trail,
            repeated=self._ids.full,
            region=counts.store.options.get("region"),
            seal_name=seal_name,
        )
        return EvidenceResult(evidence, reads)


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


def _count(
    counts: _Counts, key: str | None, event: Event, who: identity.Caller, when: datetime
) -> None:
    copy = event.name in COPIES
    read = copy or event.name in READS
    counts.seen.event(when, reading=read or event.name in _METADATA)
    if not read and event.name not in _METADATA:
        return
    denied = event.error in _DENIED if isinstance(event.error, str) else False
    if not denied and (not read or event.error):
        return
    person = counts.people.get(who.principal, who.session)
    person.at(when)
    owner = _owner(event, counts.bucket)
    person.anonymous = person.anonymous or who.anonymous
    if who.account and owner and who.account != owner and not who.service:
        person.foreign = who.account
    if denied:
        person.denied += 1
        return
    person.reads += 1
    if key is None:
        person.nameless += 1
        counts.seen.nameless += bool(counts.prefix)
    else:
        person.objects.add(tally.hash64(key))
    sent = _bytes(event)
    if sent is not None and not copy:  # what a copy sends back is its own answer, not the object
        person.told_bytes += 1
        person.bytes += sent
    counts.seen.copies += copy


def _bytes(event: Event) -> int | None:
    told = (
        event.additional.get("bytesTransferredOut") if isinstance(event.additional, dict) else None
    )
    if isinstance(told, bool) or not isinstance(told, int | float) or not 0 <= told < 1 << 63:
        return None
    return int(told)


def _reads(counts: _Counts, seal_name: SealName) -> Iterator[Reads]:
    for principal, session, person in counts.people:
        name = seal_around_accounts(principal, seal_name)
        if session:
            name += f" session {seal_around_accounts(session, seal_name)}"
        objects = None if person.nameless else person.objects.count()
        counts.seen.estimated = counts.seen.estimated or not person.objects.exact
        sent = person.bytes if person.told_bytes or not person.reads else None
        yield Reads(
            principal=name,
            reads=person.reads,
            bytes=sent,
            objects=objects,
            denied=person.denied,
            first=person.first,
            last=person.last,
            flags=tuple(_flags(person, objects, sent)),
        )


def _flags(person: tally.Person, objects: int | None, sent: int | None) -> Iterator[Flag]:
    if not person.reads:
        did = f"was refused {person.denied:,} times"
    else:
        did = f"read {person.reads:,} times"
        if objects is not None:
            did += f", {objects:,} different objects"
        if sent is not None:
            did += f", {sent:,} bytes"
    first, last = person.first, person.last
    when = f"between {first:%Y-%m-%d %H:%M} and {last:%Y-%m-%d %H:%M} UTC" if first and last else ""
    if person.anonymous:
        yield Flag("anonymous", f"somebody without credentials {did}, {when}")
    if person.foreign:
        yield Flag(
            "foreign-account", f"account {person.foreign}, not the bucket's own, {did}, {when}"
        )
