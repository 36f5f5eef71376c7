"""A record of reads as a whole: how far it reaches, and what in it was not understood."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum

from detectors.records import dataclass
from scanner.text import plural


class Coverage(StrEnum):
    """How much of a window the evidence of reads covers."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    NONE = "none"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Misfit:
    """A record that was not understood: ``file`` is a sealed name, ``place`` where it stands in it
    (``line 12``), ``shape`` (``access.shapes``) has nothing of a value. Empty: not known any
    more."""

    file: str
    place: str
    shape: str

    @property
    def where(self) -> str:
        file = self.file or "a log that is gone"
        return f"{self.place} of {file}" if self.place else file


@dataclass(frozen=True, slots=True)
class Evidence:
    """One source of evidence for one store, and how far it reaches."""

    source: str
    coverage: Coverage
    start: datetime | None
    end: datetime | None
    detail: str
    unparsed: int = 0
    """records that could not be understood: counted, never dropped in silence"""
    misfits: tuple[Misfit, ...] = ()
    """a few of them, each of another shape"""
    unread: str = ""
    """why the place its records lie in could not be read, or not to the end"""

    @property
    def not_understood(self) -> str:
        """What is said before the misfits are shown; empty without any."""
        if not self.misfits:
            return ""
        some = plural(self.unparsed, "record was", "records were")
        return f"{some} not understood. Some, by place and form (9: digits, a: other text):"

    def misfit_lines(self) -> Iterator[str]:
        if self.misfits:
            yield self.not_understood
        yield from (f"  {each.where}: {each.shape}" for each in self.misfits)

    def misfit_records(self) -> list[dict[str, str | None]]:
        """The misfits as plain data."""
        return [
            {"file": each.file or None, "place": each.place or None, "shape": each.shape}
            for each in self.misfits
        ]
