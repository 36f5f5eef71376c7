"""What is known of the trail itself: its selectors, and whether it was running.

Asked of CloudTrail (``trail``: name or ARN; needs cloudtrail:GetTrail, GetTrailStatus and
GetEventSelectors) or read from a file with its selectors (``selectors``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from datetime import UTC, datetime, timedelta
from typing import Any

from detectors.records import dataclass
from scanner.contracts import OpenFiles, Source
from scanner.errors import Unreadable

_LARGEST = 4 << 20


@dataclass(slots=True)
class Trail:
    """``selectors`` is None when they are not known; ``causes`` say what keeps the trail from
    being a full record; ``region`` is set when it records one region only."""

    selectors: Any = None
    name: str = ""
    region: str | None = None
    causes: list[str] = field(default_factory=list)


def look_up(settings: Mapping[str, Any], window: tuple[datetime, datetime]) -> Trail:
    """Asks CloudTrail. What is refused becomes a cause; never raises."""
    import boto3.session
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    name = str(settings["trail"])
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
        about = client.get_trail(Name=name).get("Trail", {})
        status = client.get_trail_status(Name=name)
        trail.selectors = client.get_event_selectors(TrailName=name)
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        code = code if re.fullmatch(r"[A-Za-z.]{1,64}", code) else "refused"
        trail.causes.append(f"CloudTrail could not be asked about the trail ({code})")
        return trail
    except BotoCoreError as error:
        kind = type(error).__name__
        trail.causes.append(f"CloudTrail could not be asked about the trail ({kind})")
        return trail
    if not about.get("IsMultiRegionTrail"):
        trail.region = about.get("HomeRegion")
    _judge(status, window, trail.causes)
    return trail


def _region_of(name: str) -> str | None:
    parts = name.split(":")
    return parts[3] if name.startswith("arn:") and len(parts) > 5 else None


def _judge(status: Mapping[str, Any], window: tuple[datetime, datetime], causes: list[str]) -> None:
    started, stopped = status.get("StartLoggingTime"), status.get("StopLoggingTime")
    if not status.get("IsLogging"):
        since = f" since {_when(stopped)}" if isinstance(stopped, datetime) else ""
        causes.append(f"the trail is not logging{since}")
    elif isinstance(started, datetime) and started.astimezone(UTC) > window[0]:
        causes.append(f"the trail logs since {_when(started)} only")
    if status.get("LatestDeliveryError"):
        causes.append("the trail's latest delivery of files failed")
    delivered = status.get("LatestDeliveryTime")
    if isinstance(delivered, datetime):
        late = window[1] - delivered.astimezone(UTC)
        if late > timedelta(hours=2):
            causes.append(f"the trail delivered its latest file at {_when(delivered)}")


def _when(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


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
