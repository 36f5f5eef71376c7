"""A first pass over part of a table, with a stated chance of having missed.

The table is cut into equal parts (pages, ranges of a key), the parts into ``DRAWN`` runs of equal
length, and one part of each run is read, at random. Where a share ``f`` of all parts holds cards,
none of them is drawn with a probability of at most ``(1 - f) ** DRAWN``, however they lie: alike in
all runs is the worst case, and crowded into a few runs is more easily hit.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

SHARE = 1000
"""of every so many parts one holds cards: the case the chance is stated for"""
CHANCE = 0.01
DRAWN = math.ceil(math.log(CHANCE) / math.log1p(-1 / SHARE))
WORTH_IT = 2
"""a table of fewer than so many times the parts to draw is read in full"""


def draw(parts: int) -> Iterator[int] | None:
    """Numbers of parts in ascending order, None where drawing would not save enough."""
    if parts < WORTH_IT * DRAWN:
        return None
    rng = random.Random()  # noqa: S311 - a sample is no secret
    runs = ((i * parts // DRAWN, (i + 1) * parts // DRAWN) for i in range(DRAWN))
    return (rng.randrange(low, high) for low, high in runs)


def sentence(fraction: float) -> str:
    return (
        f"a first pass read {fraction:.2%} of it and found nothing: had 1 in {SHARE:,} of its "
        f"parts held any, {CHANCE:.0%} would be the chance to have missed all of them"
    )
