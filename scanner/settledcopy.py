"""A copy of a database file and the files beside it, all of one moment.

A database is never opened where it lies: its engine would lock it, write beside it, or roll it
back. What is copied is one state only when nothing was written meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from scanner.contracts import Source
from scanner.errors import Reason, Unreadable
from scanner.scratch import Scratch

_UNKNOWN_SIZE = 1 << 30
_TRIES = 3
_WAL_HEADER = 32


def needed(source: Source, suffixes: Sequence[str]) -> int:
    """Room for the copy in bytes; twice that of the files beside it, which are worked in."""
    if source.size is None:
        return _UNKNOWN_SIZE
    size = source.size
    for suffix in suffixes:
        sibling = source.sibling(suffix)
        if sibling is not None:
            size += 2 * (sibling.size or 0)
            sibling.file.close()
    return size


def settled_copy(source: Source, scratch: Scratch, suffixes: Sequence[str], grows: str) -> Path:
    """Copies until nothing was written meanwhile. A writer that never rests is told as such.

    ``grows`` is the suffix of a log that may have grown: as long as it was not begun anew (its
    header tells), what was copied of it ends in a commit. Raises ``Unreadable``.
    """
    for attempt in range(_TRIES):
        fresh = source
        if attempt:
            time.sleep(0.05 * attempt)
            again = source.sibling("")  # opened anew, so that its check counts from now
            if again is None:
                break
            fresh = again
        path = scratch.path / f"{attempt}.db"
        parts = {suffix: fresh.sibling(suffix) for suffix in suffixes}
        try:
            scratch.write(path.name, fresh.file)
            for suffix, sibling in parts.items():
                if sibling is not None:
                    scratch.write(path.name + suffix, sibling.file)
            if fresh.check() is None and all(
                _kept(fresh, suffix, sibling, Path(f"{path}{suffix}"), suffix == grows)
                for suffix, sibling in parts.items()
            ):
                return path
        finally:
            for opened in (*parts.values(), fresh):
                if opened is not None and opened is not source:
                    opened.file.close()
        for old in scratch.path.iterdir():
            old.unlink()
    raise Unreadable(Reason.CHANGED, "it was written to each time it was copied")


def _kept(source: Source, suffix: str, sibling: Source | None, copied: Path, grows: bool) -> bool:
    """Whether a file beside the database stayed what it was when it was copied."""
    if sibling is not None and sibling.check() is None:
        return True
    now = source.sibling(suffix)
    if now is None or sibling is None:
        return now is sibling
    with now.file as file, copied.open("rb") as copy:
        return grows and file.read(_WAL_HEADER) == copy.read(_WAL_HEADER)
