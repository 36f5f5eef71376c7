"""The reader of CloudTrail's files, compiled (``native/``) where it was built, else ``None``.

Without it every record is decoded and looked at, at a third of the speed and with the same answers:
``CARDTRAIL_ARRAYS=1`` chooses that, which is how the tests hold the two against each other.
"""

from __future__ import annotations

from typing import Protocol

from detectors.compiled import extension


class Native(Protocol):
    """What the extension offers."""

    def read(
        self, data: bytes, buckets: tuple[bytes, ...], seed: int, /
    ) -> tuple[bytes, bytes, bytes, list[str], bytes] | None:
        """A file as CloudTrail delivers it, whole: see ``plaincolumns``. None: it is none, nothing
        of it was believed."""
        ...


native: Native | None = extension("scanner.access._trail")
