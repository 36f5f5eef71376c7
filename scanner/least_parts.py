"""What the writers of least grants share."""

from __future__ import annotations

from collections.abc import Sequence

from detectors.records import dataclass
from scanner.model import StoreReport
from scanner.text import printable
from scanner.whoread import Seen

MOST = 40
"""tables that are written out; the rest is counted"""
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Case:
    """One store: who keeps the right, who does not, and the units with cards and without."""

    report: StoreReport
    keep: Sequence[Seen]
    rest: Sequence[Seen]
    with_cards: Sequence[str]
    without: Sequence[str]


def sealed(name: str) -> bool:
    """Whether a name was masked, because it held what looks like a card number, or has characters
    that cannot be shown: then nobody can be named by it."""
    return "*" in name or printable(name) != name


def note_names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def no_cards(each: Seen) -> bool:
    """Whether all that it read is known to hold no cards."""
    return bool(each.reads) and all(r.card_reads == 0 for r in each.reads)
