"""Many names sealed at once: most hold no number that could be masked, which is seen at a glance.

A number to mask has twelve digits or more, never more than two characters apart, and never goes
over the end of a line (``scanner.seal``).
"""

from __future__ import annotations

from collections.abc import Sequence

from scanner.contracts import SealName


def seal_all(names: Sequence[str], seal: SealName) -> Sequence[str]:
    """``seal`` of each."""
    together = "\n".join(names)
    if not digits_gather(together):
        return names
    sealed = seal(together).split("\n")
    return sealed if len(sealed) == len(names) else [seal(name) for name in names]


def digits_gather(text: str) -> bool:
    """Whether there may be a number to mask in a text."""
    if not text.isascii():
        return True  # digits of other scripts
    import numpy as np

    data = np.frombuffer(text.encode(), "u1")
    gaps = np.diff(np.flatnonzero(data - np.uint8(48) < 10))
    far = np.flatnonzero(gaps > 3)
    return bool(np.diff(far, prepend=-1, append=len(gaps)).max() > 11)
