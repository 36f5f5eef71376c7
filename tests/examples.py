"""How many examples a test looks at: at every commit as many as there is time for, and as many
more as ``CARDTRAIL_EXAMPLES`` asks for (25 is what is looked at else)."""

from __future__ import annotations

import os

from hypothesis import settings

USUAL = 25
EXAMPLES = int(os.environ.get("CARDTRAIL_EXAMPLES", USUAL))


def costly(examples: int) -> settings:
    """The settings of a property whose examples take a tenth of a second and more."""
    return settings(max_examples=max(1, examples * EXAMPLES // USUAL), deadline=None)


def seeds(count: int) -> range:
    """The seeds of a test that makes its own examples, each a thousand lines."""
    return range(max(1, count * EXAMPLES // USUAL))
