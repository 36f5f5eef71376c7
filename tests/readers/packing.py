"""Reading a source through all the readers, and faults made at will."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

from scanner import registry
from scanner.contracts import Limits, Source
from scanner.errors import Unreadable
from scanner.model import Problem, Slice
from scanner.walk import walk


class Stream(io.BytesIO):
    """A file that cannot seek, as what comes out of a decompressor."""

    def seek(self, offset: int, whence: int = 0) -> int:
        raise io.UnsupportedOperation("seek")


@dataclass
class Seen:
    """What came of a unit, by member."""

    content: dict[str | None, bytes] = field(default_factory=dict)
    problems: list[tuple[str | None, str]] = field(default_factory=list)
    raised: str | None = None
    bytes_read: int = 0

    @property
    def reasons(self) -> set[str]:
        return {reason for _, reason in self.problems}


def see(
    data: bytes, name: str = "unit", limits: Limits | None = None, *, seekable: bool = True
) -> Seen:
    file = io.BytesIO(data) if seekable else Stream(data)
    source = Source(file, name, len(data), seekable)
    seen = Seen()
    try:
        walked = walk(source, name, Slice(0, 0, None), registry.readers(), limits or Limits())
        for member, item in walked:
            if isinstance(item, Problem):
                seen.problems.append((member, str(item.reason)))
                continue
            part = bytes(item.data[item.lo : item.hi])
            seen.content[member] = seen.content.get(member, b"") + part
            place = item.locate(item.lo, item.hi)
            assert member is None or (place.member or "").startswith(member)
            item.field_name(item.lo)
        seen.bytes_read = walked.bytes_read
    except Unreadable as fault:
        seen.raised = str(fault.reason)
    return seen
