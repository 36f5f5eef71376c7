"""What is kept of records that were not understood: where the first few stand, and their shape.

    samples.at = 12                         # the line at hand, while a file is read
    samples.take(record)                    # as it is
    shape(b"2026-03-01 pan=4111 1111")      # "9-9-9 a=9 9": what leaves the reader

Nobody knows what such a record holds. So its shape has nothing of a value: every run of digits is
one 9, every run of letters, and of whatever formats are not made of, one a.
"""

from __future__ import annotations

import re
from dataclasses import field

from detectors.records import dataclass
from scanner.batch import SAMPLES

_RECORD = 640
"""bytes of a record that a shape is made of"""
_SHAPE = _RECORD // 4
_STRUCTURE = re.escape("\"'`,;:.|/\\=<>()[]{}-_+@#&?*")
_RUNS = re.compile(rf"(?P<digits>\d+)|(?P<blank>[\s\x00-\x1f\x7f]+)|(?P<rest>[^\d\s{_STRUCTURE}]+)")


@dataclass(slots=True)
class Samples:
    """Of one file."""

    at: int = 0
    """the number of the line at hand, from one"""
    thing: str = "line"
    """or whatever else is counted"""
    taken: list[tuple[str, bytes]] = field(default_factory=list, repr=False)
    """places (``line 12``), and records as they are, for ``shape``"""

    @property
    def wanted(self) -> bool:
        return len(self.taken) < SAMPLES

    def take(self, record: bytes, at: int = 0) -> None:
        """``at``: where it begins, if that is not the line at hand."""
        if self.wanted:
            self.taken.append((f"{self.thing} {at or self.at}", record[:_RECORD]))


def shape(record: bytes) -> str:
    text = record[:_RECORD].decode("utf-8", "replace")
    return _RUNS.sub(_alike, text)[:_SHAPE]


def _alike(run: re.Match[str]) -> str:
    return {"digits": "9", "blank": " "}.get(run.lastgroup or "", "a")
