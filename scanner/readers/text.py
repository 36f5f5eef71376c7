"""Any bytes: logs, source, dumps, and whatever no other reader is for.

Nothing is decoded. The detectors work on bytes and know the encodings a card number comes in.
"""

from __future__ import annotations

from collections.abc import Iterator

from scanner.contracts import Chunk, Limits, Member, Source
from scanner.model import Problem, Slice
from scanner.windows import windows


class Text:
    name = "text"
    sliceable = True
    priority = 100

    def claims(self, head: bytes, name: str) -> bool:
        return True

    def read(
        self, source: Source, part: Slice, limits: Limits
    ) -> Iterator[Chunk | Member | Problem]:
        return windows(source, part)


READER = Text()
