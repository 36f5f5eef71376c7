"""Log groups of CloudWatch Logs: ``cloudwatch://REGION/GROUP``, a log stream a unit.

The group as AWS names it, so that one that begins with a slash has two here:
``cloudwatch://eu-west-1//aws/rds/cluster/shop/audit``; the ARN of the group is taken as well. A
stream is read from its first event on, each message a line. Reads and never writes. Events of the
class Infrequent Access cannot be read through the API used here: *failed*, with the reason.

As evidence a stream is read on: it comes in days, each a log of its own. A day that is over is read
again at the times of ``_LATE`` if anything came to the stream since, for it may have come to that
day; AWS takes no event that is older than 14 days.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from detectors.records import dataclass
from scanner.contracts import Ignore, OpenStore, SealName, Source
from scanner.errors import Reason, Unreadable, UsageError
from scanner.model import Access, Fact, Outcome, Store, Tri, Unit
from scanner.retention import Kept, Limit, days
from scanner.stores import s3_errors
from scanner.text import plural

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import LogStreamTypeDef

_SCHEME = "cloudwatch://"
_ARN = re.compile(r"arn:aws[a-z-]*:logs:([a-z0-9-]+):[0-9]{12}:log-group:([^:*]+)(?::\*)?")
_GROUP = re.compile(r"[A-Za-z0-9._/#-]{1,512}")
_REGION = re.compile(r"[a-z0-9-]{0,32}")
_CODES = {
    "ResourceNotFoundException": (Reason.NOT_FOUND, "the log group does not exist"),
    "AccessDeniedException": (Reason.ACCESS_DENIED, "CloudWatch Logs denies the request"),
    "ServiceUnavailableException": (Reason.UNREACHABLE, "the service is unavailable"),
    "InvalidOperationException": (Reason.UNSUPPORTED, "events of this class cannot be read so"),
}


class CloudWatch:
    kind = "cloudwatch"
    options: Mapping[str, type] = {
        "profile": str,  # of the AWS configuration
    }

    def claims(self, target: str) -> bool:
        return target.startswith(_SCHEME) or _ARN.fullmatch(target) is not None

    def resolve(self, target: str, options: Mapping[str, Any]) -> Store:
        arn = _ARN.fullmatch(target)
        if arn:
            target = f"{_SCHEME}{arn[1]}/{arn[2]}"
        region, group = _split(target)
        if not _REGION.fullmatch(region) or not _GROUP.fullmatch(group):
            raise UsageError(
                f"{target}: expected cloudwatch://REGION/GROUP (two slashes before a group that"
                " begins with one), or the ARN of the log group"
            )
        return Store(uri=target, kind=self.kind, options=dict(options))

    def connect(self, store: Store, seal_name: SealName) -> OpenStore:
        return LogGroup(store, seal_name)


STORE = CloudWatch()


def _split(uri: str) -> tuple[str, str]:
    region, _, group = uri.removeprefix(_SCHEME).partition("/")
    return region, group


class LogGroup:
    """A log group that is connected."""

    def __init__(self, store: Store, seal_name: SealName) -> None:
        import boto3.session
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        region, self._group = _split(store.uri)
        self._store, self._seal_name = store, seal_name
        try:
            session = boto3.session.Session(
                profile_name=store.options.get("profile"), region_name=region or None
            )
            self._client: CloudWatchLogsClient = session.client(
                "logs",
                config=Config(
                    connect_timeout=10,
                    read_timeout=60,
                    retries={"mode": "adaptive", "total_max_attempts": 6},
                ),
            )
        except BotoCoreError as error:
            raise s3_errors.from_boto(error) from None

    def units(self, ignore: Ignore) -> Iterator[Unit | Outcome]:
        for stream in self._streams():
            name = stream["logStreamName"]
            if not ignore(name, False):
                yield Unit(
                    store=self._store.uri,
                    key=name,
                    name=self._seal_name(name),
                    version=_version(stream),
                )

    def _streams(self) -> Iterator[LogStreamTypeDef]:
        """By name. Raises ``Unreadable``."""
        from botocore.exceptions import BotoCoreError, ClientError

        pages = self._client.get_paginator("describe_log_streams")
        try:
            for page in pages.paginate(logGroupName=self._group, orderBy="LogStreamName"):
                yield from page["logStreams"]
        except (BotoCoreError, ClientError) as error:
            raise _unreadable(error) from None

    def open(self, unit: Unit) -> Source:
        return self._source(unit.key, unit.name, {})

    def logs(self) -> Iterator[tuple[str, Source]]:
        """See ``contracts.HoldsLogs``. Raises ``Unreadable`` when the listing breaks off."""
        for stream in self._streams():
            name = stream["logStreamName"]
            for piece in pieces(stream, datetime.now(UTC)):
                source = self._source(name, self._seal_name(name), piece.asked)
                source.version, source.piece = piece.version, name
                yield f"{name} {piece.day:%Y-%m-%d}", source

    def _source(self, stream: str, name: str, asked: Mapping[str, int]) -> Source:
        made = _Stream(self._client, self._group, stream, asked)
        return Source(io.BufferedReader(made, 1 << 20), name, seekable=False)

    def _about(self) -> Mapping[str, Any] | str:
        """What AWS says of the group, or why that is not known."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            # a group sorts before all others that begin with its name
            found = self._client.describe_log_groups(logGroupNamePrefix=self._group, limit=50)
        except (BotoCoreError, ClientError) as error:
            fault = _unreadable(error)
            lacks = "; these credentials lack logs:DescribeLogGroups"
            return fault.detail + (lacks if fault.reason is Reason.ACCESS_DENIED else "")
        about = [g for g in found["logGroups"] if g.get("logGroupName") == self._group]
        return about[0] if about else "the log group does not exist"

    def kept(self) -> Kept:
        """See ``retention.Keeps``."""
        about = self._about()
        if isinstance(about, str):
            why = f"how long the log group keeps its events is not known ({about})"
            return Kept(remarks=(why,))
        age = about.get("retentionInDays")
        if not age:
            return Kept(remarks=("the log group keeps its events for ever",))
        said = f"CloudWatch Logs deletes the events of the log group after {days(age)}"
        return Kept((Limit(said, datetime.now(UTC) - timedelta(days=age)),))

    def facts(self) -> tuple[Fact, ...]:
        about = self._about()
        if isinstance(about, str):
            return tuple(Fact(name, Tri.UNKNOWN, about) for name in _FACTS)
        return (
            Fact("public-access", Tri.NO, "CloudWatch Logs has no access without credentials"),
            Fact(
                "default-encryption",
                Tri.YES,
                "with a KMS key of the account"
                if about.get("kmsKeyId")
                else "by CloudWatch Logs, with a key of AWS",
            ),
            Fact("versioning", Tri.NO, _kept(about.get("retentionInDays"))),
            Fact(
                "access-logging",
                Tri.UNKNOWN,
                "reads of log events are management events of CloudTrail: whether a trail keeps"
                " them is not asked",
            ),
        )

    def access(self) -> Access:
        why = "who may read log events stands in the policies of the account, which are not asked"
        return Access(could_read_known=False, could_read_detail=why)

    def close(self) -> None:
        self._client.close()


_FACTS = ("public-access", "default-encryption", "versioning", "access-logging")


def _kept(days: int | None) -> str:
    return f"events are deleted after {plural(days, 'day')}" if days else "events are kept for ever"


# --- in days --------------------------------------------------------------------------------------

_DAY = timedelta(days=1)
_LATE = (timedelta(hours=1), timedelta(days=1), timedelta(days=4), timedelta(days=15))
"""after the end of a day; before the first of them it is read again whenever something came"""


@dataclass(frozen=True, slots=True)
class Piece:
    """A day of a stream. ``asked``: start and end for the API. ``version`` stays as long as it need
    not be read again."""

    day: date
    version: str
    asked: Mapping[str, int]


def pieces(stream: LogStreamTypeDef, now: datetime) -> Iterator[Piece]:
    """The days of a stream, UTC, as ``describe_log_streams`` tells of it. When something came to a
    day is not told, only when something came last to the stream."""
    came = stream.get("lastIngestionTime") or 0
    last = max(stream.get("lastEventTimestamp") or 0, came)
    first = stream.get("firstEventTimestamp")
    if not last or first is None:
        return
    day, end = (_time(each).date() for each in (first, last))
    while day <= end:
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        passed = [start + _DAY + late for late in _LATE if start + _DAY + late <= now]
        version = _version(stream)
        if passed and _time(came) > passed[-1]:
            version = f"as of {passed[-1]:%Y-%m-%d %H:%M}"
        millis = int(start.timestamp()) * 1000
        asked = {"startTime": millis, "endTime": millis + int(_DAY.total_seconds()) * 1000}
        yield Piece(day, version, asked)
        day += _DAY


def _version(stream: LogStreamTypeDef) -> str:
    told = (stream.get("lastIngestionTime"), stream.get("lastEventTimestamp"))
    return "-".join(str(each or 0) for each in told)


def _time(millis: int) -> datetime:
    return datetime.fromtimestamp(millis / 1000, UTC)


# --- messages -------------------------------------------------------------------------------------


class _Stream(io.RawIOBase):
    """The messages of a log stream from the oldest on, each ended by a line end. ``between``:
    ``startTime`` and ``endTime``, in milliseconds."""

    def __init__(
        self,
        client: CloudWatchLogsClient,
        group: str,
        stream: str,
        between: Mapping[str, int],
    ) -> None:
        self._client, self._end = client, between.get("endTime")
        self._asked: dict[str, Any] = {
            "logGroupName": group,
            "logStreamName": stream,
            "startFromHead": True,
            **between,
        }
        self._rest = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._rest and not self._ended:
            self._rest = self._page()
        part, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)

    def _page(self) -> bytes:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer = self._client.get_log_events(**self._asked)
        except (BotoCoreError, ClientError) as error:
            raise _unreadable(error, Reason.VANISHED) from None
        token = answer.get("nextForwardToken")
        # the end is where the token stays the same; a page before it may be empty
        self._ended = token is None or token == self._asked.get("nextToken")
        self._asked["nextToken"] = token
        return b"".join(
            event.get("message", "").encode("utf-8", "surrogatepass") + b"\n"
            for event in answer["events"]
            # AWS leaves out what is of the end itself, other servers may not
            if self._end is None or event.get("timestamp", 0) < self._end
        )


def _unreadable(
    error: BotoCoreError | ClientError, missing: Reason = Reason.NOT_FOUND
) -> Unreadable:
    answer: Mapping[str, Any] = getattr(error, "response", {})
    code = s3_errors.safe_code(str(answer.get("Error", {}).get("Code", "")))
    if code in _CODES:
        reason, detail = _CODES[code]
        return Unreadable(missing if reason is Reason.NOT_FOUND else reason, f"{detail} ({code})")
    found = s3_errors.from_boto(error)
    return Unreadable(found.reason, found.detail.replace("S3 ", "AWS "))
