"""What the settings of a server leave out of its logs: named blind spots of the evidence.

The logs themselves do not tell: a role with a setting of its own, an account that is excluded, a
statement that is sampled leave no line. A scan asks the server how it is set *now*; how it was
before does not show, which is why nothing of this makes evidence complete.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeAlias, runtime_checkable

Blind: TypeAlias = Mapping[str, tuple[str, ...]]
"""By kind of evidence, sentences; a kind whose settings do not show is not in it."""


@runtime_checkable
class Audited(Protocol):
    """A ``contracts.OpenStore`` whose server says what it logs."""

    def audits(self) -> Blind:
        """Never raises: what cannot be asked is not in it."""
        ...
