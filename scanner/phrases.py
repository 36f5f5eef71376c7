"""What answers about access share: the store that is meant, numbers and times in words."""

from __future__ import annotations

from datetime import UTC, datetime

from scanner.errors import UsageError
from scanner.model import Access, Coverage, Reads, Run, StoreReport
from scanner.text import printable


def chosen(run: Run, name: str | None, option: str = "--store") -> list[StoreReport]:
    """The stores of a question. Raises ``UsageError`` when ``name`` is of none or of several."""
    if name is None:
        return list(run.stores)
    exact = [each for each in run.stores if each.store.uri in (name, name.rstrip("/"))]
    if not exact:
        named(option, name)
    found = exact or [each for each in run.stores if name in each.store.uri]
    if len(found) == 1:
        return found
    what = "no store" if not found else f"{len(found)} stores"
    shown = [each.store.uri for each in found or run.stores][:5]
    raise UsageError(
        f"{option} {printable(name)}: {what} of run {run.id} by that name; expected one of "
        + printable(", ".join(shown))
    )


def named(option: str, part: str | None) -> None:
    """Raises ``UsageError`` for an empty name, as of a variable that is not set: it would be a
    question about everything."""
    if part is not None and not part.strip():
        raise UsageError(f"{option}: expected a name, or a part of one, found nothing")


def coverage(access: Access) -> Coverage:
    """How far all evidence reaches together: the best of its sources."""
    have = {each.coverage for each in access.evidence}
    order = (Coverage.COMPLETE, Coverage.PARTIAL, Coverage.UNKNOWN)
    return next((each for each in order if each in have), Coverage.NONE)


def numbers(reads: Reads) -> str:
    told = [f"reads {_number(reads.reads)}"]
    names = ("rows", "bytes", "objects", "denied")
    told += [f"{n} {_number(getattr(reads, n))}" for n in names if getattr(reads, n)]
    if reads.first and reads.last:
        told.append(f"{minute(reads.first)} to {minute(reads.last)}")
    return ", ".join(told)


def _number(value: int | None) -> str:
    return "not counted" if value is None else f"{value:,}"


def utc(when: datetime) -> datetime:
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def day(when: datetime) -> str:
    return f"{utc(when):%Y-%m-%d}"


def minute(when: datetime) -> str:
    return f"{utc(when):%Y-%m-%d %H:%M} UTC"


def time_text(when: datetime | None) -> str | None:
    return None if when is None else utc(when).isoformat().replace("+00:00", "Z")
