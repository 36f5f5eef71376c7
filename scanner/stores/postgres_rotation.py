"""How long a PostgreSQL server keeps its logs: when it writes over a file of them.

    https://www.postgresql.org/docs/current/runtime-config-logging.html

It writes over a file only where ``log_truncate_on_rotation`` is on, by a rotation that time made,
and into another file than the one it wrote before; otherwise it goes on in it. So names that come
round again decide (``postgresql-%a.log``). Nothing else of the server deletes logs, but on RDS.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from scanner.phrases import minute
from scanner.text import plural

SETTINGS = (
    *("logging_collector", "log_filename", "log_rotation_age", "log_truncate_on_rotation"),
    "rds.log_retention_period",
)
_MOST = 50_000
"""rotations that are looked at: a year of those of eleven minutes"""
_BEGIN = datetime(2023, 1, 1)


def said(settings: Mapping[str, str], now: datetime) -> Iterator[str]:
    """Of ``SETTINGS`` as the role is shown them: how far back the logs reach, in sentences."""
    minutes = settings.get("rds.log_retention_period", "")
    if minutes.isdigit():
        kept = timedelta(minutes=int(minutes))
        yield _older(f"RDS deletes the server's logs after {_long(kept)}", kept, now)
    if settings.get("logging_collector") == "off":
        yield (
            "the server does not keep its logs itself (logging_collector = off): how long they are"
            " kept it does not tell"
        )
        return
    age = settings.get("log_rotation_age", "0")
    if settings.get("log_truncate_on_rotation") != "on" or age == "0" or not age.isdigit():
        return
    name = settings.get("log_filename")
    if name is None:
        yield (
            "whether the server writes over its logs is not known: the role is not shown"
            " log_filename, which takes pg_read_all_settings"
        )
        return
    over = keeps(name, timedelta(minutes=int(age)))
    if over is not None:
        does = f"the server writes over its logs ({name}) and keeps {_long(over)} of them"
        yield _older(does, over, now)


def keeps(name: str, age: timedelta) -> timedelta | None:
    """How old a record is at least that is written over, None: none is. ``name``: a pattern as
    ``log_filename`` is one, ``age``: from rotation to rotation."""
    ended: dict[str, int] = {}
    last, least = "", _MOST
    for turn in range(min(_MOST, int(timedelta(days=400) / age))):
        now = (_BEGIN + turn * age).strftime(name)
        if now != last and now in ended:
            least = min(least, turn - ended[now])
        ended[now], last = turn + 1, now
    return least * age if least < _MOST else None


def _older(does: str, kept: timedelta, now: datetime) -> str:
    return f"{does}: what is older than {minute(now - kept)} is lost unless it was carried off"


def _long(time: timedelta) -> str:
    minutes = int(time.total_seconds()) // 60
    for size, unit in ((1_440, "days"), (60, "hours")):
        if minutes >= 2 * size and minutes % size == 0:
            return f"{minutes // size:,} {unit}"
    return plural(minutes, "minute")
