"""The passes over every byte, compiled (``native/``), where that was built; ``None`` where not.

Without it the same passes run over arrays, at a third of the speed and with the same answers:
``CARDTRAIL_ARRAYS=1`` chooses them, which is how the tests hold the two against each other.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from detectors.base import Buffer
    from detectors.runs import Bytes


class Native(Protocol):
    """What the extension offers. Rows of 64-bit words come as bytes."""

    def numbers(
        self,
        data: Bytes,
        first: int,
        last: int,
        lo: int,
        hi: int,
        some: Bytes,
        all_: Bytes,
        issued: Bytes,
        before: Bytes,
        behind: Bytes,
        /,
    ) -> tuple[bytes, bytes, bytes, bytes, bytes]:
        """``sweep`` says what is in them."""
        ...

    def marks(self, data: Buffer, piece: int, /) -> tuple[bytes, bytes, bytes, bytes]:
        """``marks.Marks`` says what is in them."""
        ...

    def lines(self, data: Buffer, lo: int, hi: int, /) -> int:
        """Line ends in ``data[lo:hi]``."""
        ...


def extension(name: str) -> Any:
    """A compiled module of ours, None where it is not built: no compiler where it was installed, or
    another byte order. ``CARDTRAIL_ARRAYS`` has every one left out."""
    if os.environ.get("CARDTRAIL_ARRAYS"):
        return None
    try:
        return import_module(name)
    except ImportError:
        return None


native: Native | None = extension("detectors._native")
