"""How a server says it is set to log reads, and what of that makes its log a complete record.

The logs themselves do not tell: a role with a setting of its own, an account that is excluded, a
statement that is sampled leave no line. A scan asks the server how it is set *now*. Where nothing
is left out, and the server has not been started since before the window, the log shows every change
there was: then the log can be complete.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeAlias, runtime_checkable

from detectors.records import dataclass


@dataclass(frozen=True, slots=True)
class Audit:
    """Of one kind of evidence. ``blind``: what is left out, in sentences; ``kept``: how long its
    files last. ``since``: in seconds since 1970, when a server was started that leaves nothing
    out, so that any change since then stands in the log; None: not known, or it leaves out
    something."""

    blind: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    since: int | None = None


Audits: TypeAlias = Mapping[str, Audit]
"""By kind of evidence; a kind whose settings do not show is not in it."""


@runtime_checkable
class Audited(Protocol):
    """A ``contracts.OpenStore`` whose server says what it logs."""

    def audits(self) -> Audits:
        """Never raises: what cannot be asked is not in it."""
        ...
