"""Digest files of CloudTrail: whether log files are missing, were changed, or were put there.

Every hour CloudTrail writes, for each account, region and trail, a digest that names the log files
it delivered, with the SHA-256 of each, and the digest before it, with its hash and its signature.
So the signature of a digest stands in the next one; that of the newest stands beside it on S3 only.
What is checked and what cannot be is said; nothing here decides by the word of one file alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from datetime import UTC, datetime, timedelta

import msgspec

from detectors.records import dataclass
from scanner.access.gaps import clock
from scanner.access.public_keys import PublicKey
from scanner.text import plural

LOG_FILE = re.compile(r"([0-9]{12})_CloudTrail_([a-z0-9-]+)_([0-9]{8}T[0-9]{4})Z_\w{16}\.json\.gz")
"""the name of a log file as CloudTrail delivers it: account, region, time"""
DIGEST_FILE = re.compile(r"[0-9]{12}_CloudTrail-Digest_[\w.-]+\.json\.gz")
_HEX = re.compile(r"[0-9a-f]{64}")
_ANY_HEX = re.compile(r"[0-9a-f]{0,4096}")
_SHOWN = 3
_LATE = timedelta(hours=2)
"""how long a file may take into the digests after it was delivered"""


@dataclass(frozen=True, slots=True)
class Named:
    """A log file that a digest names. Times are of its events."""

    name: str
    sha256: str
    oldest: datetime | None
    newest: datetime | None


@dataclass(frozen=True, slots=True)
class Digest:
    """One digest file. ``place`` is ``bucket/key``, where CloudTrail put it; ``chain`` account,
    region and trail."""

    place: str
    chain: str
    start: datetime
    end: datetime
    sha256: str
    """of the file itself"""
    fingerprint: str
    """of the public key that its signature is to be checked with"""
    files: tuple[Named, ...]
    before: str | None
    """``place`` of the digest before it, None for the first of a chain"""
    before_sha256: str | None
    before_signature: str | None

    @property
    def account(self) -> str:
        return _account_and_region(self.place)[0]

    @property
    def region(self) -> str:
        return _account_and_region(self.place)[1]

    def signed(self) -> bytes:
        """What CloudTrail signs of it."""
        before = self.before_signature or "null"
        return f"{self.end:%Y-%m-%dT%H:%M:%SZ}\n{self.place}\n{self.sha256}\n{before}".encode()


def _account_and_region(place: str) -> tuple[str, str]:
    match = re.search(r"/([0-9]{12})_CloudTrail-Digest_([a-z]{2,4}(?:-[a-z]+)+-[0-9])_", place)
    return (match[1], match[2]) if match else ("", "")


class _File(msgspec.Struct, rename="camel"):
    s3_object: str
    hash_value: str
    hash_algorithm: str
    newest_event_time: str | None = None
    oldest_event_time: str | None = None


class _Document(msgspec.Struct, rename="camel"):
    digest_start_time: str
    digest_end_time: str
    digest_s3_bucket: str
    digest_s3_object: str
    digest_public_key_fingerprint: str
    log_files: list[_File]
    previous_digest_s3_bucket: str | None = None
    previous_digest_s3_object: str | None = None
    previous_digest_hash_value: str | None = None
    previous_digest_signature: str | None = None


_DOCUMENT = msgspec.json.Decoder(_Document)
_CHAIN = re.compile(r"_[0-9]{8}T[0-9]{6}Z\.json\.gz$")


def parse(data: bytes) -> Digest | None:
    """The digest in an unpacked file, None when it is none."""
    try:
        found = _DOCUMENT.decode(data)
        start, end = _time(found.digest_start_time), _time(found.digest_end_time)
        files = tuple(map(_named, found.log_files))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
        return None
    if start is None or end is None:
        return None
    before = None
    if found.previous_digest_s3_object:
        before = f"{found.previous_digest_s3_bucket}/{found.previous_digest_s3_object}"
    hexadecimal = (
        *(found.digest_public_key_fingerprint, found.previous_digest_hash_value or ""),
        found.previous_digest_signature or "",
    )
    if not all(_ANY_HEX.fullmatch(each) for each in hexadecimal):
        return None
    return Digest(
        place=f"{found.digest_s3_bucket}/{found.digest_s3_object}",
        chain=_CHAIN.sub("", found.digest_s3_object.rpartition("/")[2]),
        start=start,
        end=end,
        sha256=hashlib.sha256(data).hexdigest(),
        fingerprint=found.digest_public_key_fingerprint,
        files=files,
        before=before,
        before_sha256=found.previous_digest_hash_value,
        before_signature=found.previous_digest_signature,
    )


def _named(file: _File) -> Named:
    if file.hash_algorithm != "SHA-256" or not _HEX.fullmatch(file.hash_value):
        raise ValueError
    name = file.s3_object.rpartition("/")[2]
    return Named(
        name, file.hash_value, _time(file.oldest_event_time), _time(file.newest_event_time)
    )


def _time(text: str | None) -> datetime | None:
    """Raises ``ValueError``."""
    if not text:
        return None
    when = datetime.fromisoformat(text)
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


@dataclass(slots=True)
class Checked:
    """What the digests say of the log files. ``causes`` speak against the record, ``remarks`` do
    not. Names of files in them are ones that CloudTrail gives."""

    causes: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    whole: dict[tuple[str, str], list[datetime]] = field(default_factory=dict)
    """by account and region, the hours of which no log file can be missing: that they have no
    record is known to be a quiet time. Empty where anything speaks against the digests."""


def check(
    digests: Iterable[Digest],
    logs: Mapping[str, str],
    window: tuple[datetime, datetime],
    keys: Iterable[PublicKey] | None,
    signatures: Mapping[str, str] | None = None,
) -> Checked:
    """Holds log files, SHA-256 by name, against the digests that are there. ``keys`` None: there
    are none to check signatures with. ``signatures`` by the name of a digest's file, where they
    could be had from S3."""
    chains: dict[str, dict[str, Digest]] = {}
    for digest in digests:
        if digest.end >= window[0] and digest.start <= window[1]:
            chains.setdefault(digest.chain, {})[digest.place] = digest
    found = Checked()
    if not chains:
        return found
    every = [digest for chain in chains.values() for digest in chain.values()]
    matching = _log_files(every, logs, window, found)
    whole = _links(chains, window, found)
    signed = _signatures(chains, keys, signatures or {}, found)
    first, last = min(each.start for each in every), max(each.end for each in every)
    found.remarks.append(
        f"{plural(matching, 'log file matches', 'log files match')} the hashes in"
        f" {plural(len(every), 'digest')} of {clock(first)} to"
        f" {clock(last)}" + ("" if whole else ", whose chain has breaks") + f"; {signed}"
    )
    if not found.causes:
        found.whole = {place: list(_hours(spans)) for place, spans in _spans(every).items()}
    return found


_HOUR = timedelta(hours=1)


def _hours(spans: list[tuple[datetime, datetime]]) -> Iterator[datetime]:
    """Those whose events are in log files that the digests of these times name."""
    for start, end in spans:
        hour = start.replace(minute=0, second=0, microsecond=0)
        hour += _HOUR if hour < start else timedelta()
        while hour + _HOUR + _LATE <= end:
            yield hour
            hour += _HOUR


def _log_files(
    digests: list[Digest],
    logs: Mapping[str, str],
    window: tuple[datetime, datetime],
    found: Checked,
) -> int:
    """Number of log files that are as their digest says."""
    named: dict[str, Named] = {}
    for digest in digests:
        named.update((file.name, file) for file in digest.files)
    missing, changed, matching = [], [], 0
    for name, file in named.items():
        if name in logs:
            if logs[name] == file.sha256:
                matching += 1
            else:
                changed.append(name)
        elif _touches(file, window):
            missing.append(file)
    if missing:
        times = [t for file in missing for t in (file.oldest, file.newest) if t]
        span = f", with events from {clock(min(times))} to {clock(max(times))}" if times else ""
        found.causes.append(
            plural(len(missing), "log file that digests name is", "log files that digests name are")
            + " not here"
            f" ({_some(file.name for file in missing)}){span}"
        )
    if changed:
        found.causes.append(
            f"{plural(len(changed), 'log file is', 'log files are')} not as CloudTrail"
            f" delivered it ({_some(changed)}): the hash is not the one in the digest"
        )
    unnamed = logs.keys() - named.keys()
    strange = sorted(_in_no_digest(unnamed, digests))
    if strange:
        found.causes.append(
            f"{plural(len(strange), 'log file is', 'log files are')} in no digest of the"
            f" time ({_some(strange)}): CloudTrail may not have written what is in it"
        )
    if len(unnamed) > len(strange):
        others = len(unnamed) - len(strange)
        found.causes.extend(_end_early(unnamed, digests))
        found.remarks.append(
            f"{plural(others, 'log file is', 'log files are')} of times without digests: not"
            " checked"
        )
    return matching


def _touches(file: Named, window: tuple[datetime, datetime]) -> bool:
    return (file.newest is None or file.newest >= window[0]) and (
        file.oldest is None or file.oldest <= window[1]
    )


def _in_no_digest(names: Iterable[str], digests: list[Digest]) -> Iterator[str]:
    """Log files of a time that the digests of their account and region cover on both sides."""
    spans = _spans(digests)
    for name in names:
        match, when = LOG_FILE.fullmatch(name), delivered(name)
        if match is None or when is None:
            continue
        for start, end in spans.get((match[1], match[2]), ()):
            if start + _LATE <= when <= end - _LATE:
                yield name
                break


def _end_early(names: Iterable[str], digests: list[Digest]) -> Iterator[str]:
    """Where log files go on after the last digest of their account and region. CloudTrail writes
    one every hour: checking was switched off, or digests were taken out."""
    last: dict[tuple[str, str], datetime] = {}
    for digest in digests:
        place = (digest.account, digest.region)
        last[place] = max(digest.end, last.get(place, digest.end))
    later: dict[tuple[str, str], int] = {}
    for name in names:
        match, when = LOG_FILE.fullmatch(name), delivered(name)
        place = (match[1], match[2]) if match else ("", "")
        if when is not None and place in last and when > last[place] + _LATE:
            later[place] = later.get(place, 0) + 1
    for place, count in sorted(later.items()):
        yield (
            f"digests end at {clock(last[place])}, and"
            f" {plural(count, 'log file is', 'log files are')}"
            " of later: whether as CloudTrail delivered them, nothing tells"
        )


def delivered(name: str) -> datetime | None:
    """When CloudTrail wrote a log file, by its name."""
    match = LOG_FILE.fullmatch(name)
    try:
        return datetime.strptime(match[3], "%Y%m%dT%H%M").replace(tzinfo=UTC) if match else None
    except ValueError:
        return None


def _spans(digests: list[Digest]) -> dict[tuple[str, str], list[tuple[datetime, datetime]]]:
    """The times that the digests of each account and region are of."""
    covered: dict[tuple[str, str], list[tuple[datetime, datetime]]] = {}
    for digest in digests:
        covered.setdefault((digest.account, digest.region), []).append((digest.start, digest.end))
    return {place: _joined(times) for place, times in covered.items()}


def _joined(times: list[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    spans: list[tuple[datetime, datetime]] = []
    for start, end in sorted(times):
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    return spans


def _links(
    chains: Mapping[str, Mapping[str, Digest]],
    window: tuple[datetime, datetime],
    found: Checked,
) -> bool:
    """Whether each digest is followed back to the one before it, as far as the window reaches."""
    lost: list[datetime] = []
    anew: list[datetime] = []
    changed: list[str] = []
    for chain in chains.values():
        first = min(each.start for each in chain.values())
        for digest in chain.values():
            if digest.before is None:
                anew.extend([digest.start] if digest.start > first else [])
                continue
            if digest.start <= window[0]:
                continue
            before = chain.get(digest.before)
            if before is None:
                lost.append(digest.start)
            elif before.sha256 != digest.before_sha256:
                changed.append(before.place.rpartition("/")[2])
    if lost:
        found.causes.append(
            f"digests are missing before {', '.join(map(clock, sorted(lost)[:_SHOWN]))}"
            f"{_more(len(lost))}: which log files there were then, nothing tells"
        )
    if anew:
        found.causes.append(
            f"the chain of digests begins anew at {', '.join(map(clock, sorted(anew)[:_SHOWN]))}"
            f"{_more(len(anew))}: logging was off before, or digests were taken out"
        )
    if changed:
        found.causes.append(
            f"{plural(len(changed), 'digest was', 'digests were')} changed"
            f" ({_some(changed)}): the hash is not the one in the digest after it"
        )
    return not (lost or anew or changed)


def _signatures(
    chains: Mapping[str, Mapping[str, Digest]],
    keys: Iterable[PublicKey] | None,
    beside: Mapping[str, str],
    found: Checked,
) -> str:
    """How far the signatures were checked, in a few words."""
    if keys is None:
        return (
            "hashes checked, signatures not (give the public keys with “public_keys”, or the"
            " trail, to have them checked)"
        )
    known = {key.fingerprint: key for key in keys}
    good = unsigned = without = 0
    bad: list[str] = []
    for chain in chains.values():
        signature = {
            each.before: each.before_signature for each in chain.values() if each.before_signature
        }
        for digest in chain.values():
            name = digest.place.rpartition("/")[2]
            written = beside.get(name) or signature.get(digest.place)
            key = known.get(digest.fingerprint)
            if written is None:
                unsigned += 1
            elif key is None:
                without += 1
            elif key.verifies(written, digest.signed()):
                good += 1
            else:
                bad.append(name)
    if bad:
        found.causes.append(
            f"{plural(len(bad), 'digest is', 'digests are')} not signed by CloudTrail"
            f" ({_some(bad)}): the signature is not that of the public key"
        )
    said = f"{plural(good, 'signature')} checked"
    if unsigned:
        said += f", {unsigned:,} not to be had (the newest digest's stands on S3 only)"
    if without:
        found.causes.append(
            f"{plural(without, 'digest names', 'digests name')} a public key that is not"
            " among those given: who signed, nothing tells"
        )
    return said


def _some(names: Iterable[str]) -> str:
    listed = sorted(names)
    return ", ".join(map(_plain, listed[:_SHOWN])) + _more(len(listed))


def _more(count: int) -> str:
    return f" and {count - _SHOWN:,} more" if count > _SHOWN else ""


def _plain(name: str) -> str:
    """A name as CloudTrail makes them, else nothing of it: it may hold anything."""
    return name if LOG_FILE.fullmatch(name) or DIGEST_FILE.fullmatch(name) else "a strange name"
