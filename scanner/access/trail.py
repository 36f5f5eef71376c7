"""What is known of the trail itself: its selectors, whether it was running, what failed.

Asked of CloudTrail (``trail``: name or ARN; needs cloudtrail:GetTrail, GetTrailStatus and
GetEventSelectors; of an event data store of CloudTrail Lake its ARN and GetEventDataStore) or read
from a file with its selectors (``selectors``). What is refused is a cause, with the permission.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from detectors.records import dataclass
from scanner.access.gaps import clock
from scanner.contracts import OpenFiles, Source
from scanner.errors import Unreadable
from scanner.retention import Limit, days

if TYPE_CHECKING:
    from mypy_boto3_cloudtrail import CloudTrailClient

_LARGEST = 4 << 20
_LATE = timedelta(hours=2)
"""delivery takes minutes; later than this it is said"""


@dataclass(slots=True)
class Trail:
    """``selectors`` is None when they are not known; ``causes`` say what keeps the trail from
    being a full record, ``remarks`` what else should be known; ``region`` is set when it records
    one region only."""

    selectors: Any = None
    name: str = ""
    region: str | None = None
    causes: list[str] = field(default_factory=list)
    limits: list[Limit] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def look_up(settings: Mapping[str, Any], window: tuple[datetime, datetime]) -> Trail:
    """Asks CloudTrail. What is refused becomes a cause; never raises."""
    import boto3.session
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    name, uri = str(settings["trail"]), str(settings.get("uri", ""))
    trail = Trail(name=name)
    region = settings.get("region") or _region_of(name)
    try:
        session = boto3.session.Session(profile_name=settings.get("profile"), region_name=region)
        client = session.client(
            "cloudtrail",
            region_name=region or session.region_name or "us-east-1",
            config=Config(
                connect_timeout=5,
                read_timeout=20,
                retries={"mode": "standard", "total_max_attempts": 3},
            ),
        )
    except BotoCoreError as error:
        kind = type(error).__name__
        trail.causes.append(f"CloudTrail could not be asked about the trail ({kind})")
        return trail
    if ":eventdatastore/" in name:
        _ask_data_store(client, trail, window)
    else:
        _ask_trail(client, trail, uri, window)
    return trail


def _ask_trail(
    client: CloudTrailClient, trail: Trail, uri: str, window: tuple[datetime, datetime]
) -> None:
    name = trail.name
    told = _ask(trail, client.get_trail, "GetTrail", Name=name)
    if told is not None:
        about = told.get("Trail", {})
        if not about.get("IsMultiRegionTrail"):
            trail.region = about.get("HomeRegion")
        trail.remarks += _described(about, uri)
    status = _ask(trail, client.get_trail_status, "GetTrailStatus", Name=name)
    if status is not None:
        trail.causes += _judged(status, window, to_logs=_is_log_group(uri))
        trail.remarks += _besides(status)
    trail.selectors = _ask(trail, client.get_event_selectors, "GetEventSelectors", TrailName=name)


def _ask_data_store(
    client: CloudTrailClient, trail: Trail, window: tuple[datetime, datetime]
) -> None:
    asked = client.get_event_data_store
    found = _ask(trail, asked, "GetEventDataStore", EventDataStore=trail.name)
    if found is None:
        return
    trail.selectors = {"AdvancedEventSelectors": found.get("AdvancedEventSelectors", [])}
    if not found.get("MultiRegionEnabled"):
        trail.region = _region_of(trail.name)
    status, made = str(found.get("Status", "")), found.get("CreatedTimestamp")
    if status != "ENABLED":
        known = _safe(status, "of no known state")
        trail.causes.append(f"the event data store does not take in events now ({known})")
    if isinstance(made, datetime) and made > window[0]:
        trail.causes.append(f"the event data store was made at {clock(made)}")
    age = found.get("RetentionPeriod")
    if isinstance(age, int):
        said = f"CloudTrail Lake deletes the events of the event data store after {days(age)}"
        trail.limits.append(Limit(said, datetime.now(UTC) - timedelta(days=age)))


def _ask(
    trail: Trail, call: Callable[..., Any], permission: str, **what: str
) -> Mapping[str, Any] | None:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        found: Mapping[str, Any] = call(**what)
    except ClientError as error:
        code = _safe(str(error.response.get("Error", {}).get("Code", "")), "refused")
        lacks = "these credentials lack" if "AccessDenied" in code else "asked with"
        why = f"{code}: {lacks} cloudtrail:{permission}"
    except BotoCoreError as error:
        why = type(error).__name__
    else:
        return found
    trail.causes.append(f"CloudTrail could not be asked about the trail ({why})")
    return None


def _safe(code: str, other: str) -> str:
    """A code of AWS fit for a sentence; a server could send anything in its place."""
    return code if re.fullmatch(r"[A-Za-z._]{1,64}", code) else other


def _region_of(name: str) -> str | None:
    parts = name.split(":")
    return parts[3] if name.startswith("arn:") and len(parts) > 5 else None


def _is_log_group(uri: str) -> bool:
    return uri.startswith(("cloudwatch://", "arn:"))


def _judged(
    status: Mapping[str, Any], window: tuple[datetime, datetime], *, to_logs: bool
) -> Iterator[str]:
    """What keeps the files or, ``to_logs``, the log group of a trail from being whole."""
    started, stopped = _time(status, "StartLoggingTime"), _time(status, "StopLoggingTime")
    if not status.get("IsLogging"):
        since = f" since {clock(stopped)}" if stopped else ""
        yield f"the trail is not logging{since}"
    elif started and started > window[0]:
        if stopped and window[0] < stopped < started:
            yield f"the trail was not logging from {clock(stopped)} to {clock(started)}"
        else:
            yield f"the trail logs since {clock(started)} only"
    to = "LatestCloudWatchLogsDelivery" if to_logs else "LatestDelivery"
    delivered = _time(status, f"{to}Time")
    if error := str(status.get(f"{to}Error") or ""):
        before = f", the last that succeeded at {clock(delivered)}" if delivered else ""
        code = _safe(error, "a code of another kind")
        yield f"the trail's latest delivery of {_DELIVERED[to_logs]} failed ({code}){before}"
    elif delivered and window[1] - delivered > _LATE:
        yield f"the trail delivered its latest {_DELIVERED[to_logs]} at {clock(delivered)}"


_DELIVERED = {False: "files", True: "events to the log group"}


def _besides(status: Mapping[str, Any]) -> Iterator[str]:
    """Failures that leave the record whole and matter to whoever relies on what failed."""
    for what, said in (
        ("Digest", "of a digest file: files of since then cannot be checked"),
        ("Notification", "of a notification: whoever waits for one is not told of new files"),
    ):
        error = status.get(f"Latest{what}{'Delivery' if what == 'Digest' else ''}Error")
        if error:
            code = _safe(str(error), "a code of another kind")
            yield f"the trail's latest delivery {said} ({code})"


def _described(about: Mapping[str, Any], uri: str) -> Iterator[str]:
    if about.get("LogFileValidationEnabled") is False:
        yield "the trail writes no digests: that a file was lost or changed does not show"
    bucket = about.get("S3BucketName")
    if bucket and uri.startswith("s3://") and uri[5:].partition("/")[0] != bucket:
        yield f"the trail delivers to s3://{bucket} now, not to where its files are read from"


def _time(status: Mapping[str, Any], name: str) -> datetime | None:
    found = status.get(name)
    return found.astimezone(UTC) if isinstance(found, datetime) else None


def from_file(uri: str, open_files: OpenFiles) -> Trail:
    """Selectors out of a file. What is wrong with it becomes a cause; never raises."""
    import msgspec

    trail = Trail()
    try:
        for _, source in open_files(uri):
            if isinstance(source, Source):
                data = source.file.read(_LARGEST)
                trail.selectors = msgspec.json.decode(data)
                break
    except (Unreadable, OSError) as error:
        reason = error.reason if isinstance(error, Unreadable) else type(error).__name__
        trail.causes.append(f"the file of selectors could not be read ({reason})")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        trail.causes.append("the file of selectors is not JSON")
    if trail.selectors is None and not trail.causes:
        trail.causes.append("the file of selectors does not exist")
    return trail
