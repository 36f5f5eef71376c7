"""Writes docs/detectors.md, one page, from the registry of detectors.

    python tools/detector_docs.py [--check]

With ``--check`` nothing is written and the status says whether the page is up to date.
"""

from __future__ import annotations

import sys
from pathlib import Path

import detectors
from detectors import iin
from detectors.base import CONFIRMED, POSSIBLE, Detector

PAGE = Path(__file__).resolve().parent.parent / "docs" / "detectors.md"


def _section(detector: Detector) -> str:
    entities = ", ".join(f"`{entity}`" for entity in detector.entities)
    profiles = ", ".join(sorted(detector.profiles))
    return (
        f"## `{detector.name}`\n\n{detector.summary}\n\n"
        f"- Finds: {entities}\n- Profiles: {profiles}\n- Does not see: {detector.limits}\n"
    )


def _ranges() -> str:
    rows: dict[str, tuple[list[str], set[int]]] = {}
    for rule in iin.RULES:
        prefixes, lengths = rows.setdefault(rule.brand, ([], set()))
        prefixes.append(rule.low if rule.low == rule.high else f"{rule.low}-{rule.high}")
        lengths.update(rule.lengths)
    lines = ["| brand | begins with | digits |", "|---|---|---|"]
    for brand, (prefixes, lengths) in rows.items():
        shown = ", ".join(prefixes[:6]) + (f" and {len(prefixes) - 6} more" * (len(prefixes) > 6))
        lines.append(f"| {brand} | {shown} | {', '.join(map(str, sorted(lengths)))} |")
    return "\n".join(lines)


def page() -> str:
    """The text of docs/detectors.md."""
    sections = "\n".join(_section(detector) for detector in detectors.all_detectors())
    return f"""# Detectors

Made by `tools/detector_docs.py` from the registry; a test fails when it is out of date.

A detector looks at bytes and answers with places, each with the probability that it is real: from
{CONFIRMED} on a finding is *confirmed*, from {POSSIBLE} *possible*, below it is not written. The
words in `why` say what decided. `detectors` works without the rest of Cardtrail:

```python
import detectors

for match in detectors.find(b"card 4111 1111 1111 1111"):
    print(match.entity, match.state, match.start, match.end, round(match.score, 2))
```

A detector of your own is one file with a `DETECTOR` (see `detectors/base.py`), here or in a package
of yours under the entry point group `{detectors.ENTRY_POINTS}`.

{sections}
## What tells a card from an order id

Issuer range, length and check digit come first; of random 16-digit numbers 4 in 100 pass them.
Then evidence is added up: how the number is grouped, what touches it, the key or column it stands
under, words near it in some twenty languages, an expiry date beside it. Last come the statistics of
the field: of numbers under one key, column or place in a log line, a tenth have a good check digit
when they are ids, nearly all when they are cards. Some twenty values settle it.

## Issuer ranges

Ranges overlap; a finding names every brand that could have issued it, longest prefix first.

{_ranges()}
"""


def main() -> int:
    text = page()
    if "--check" in sys.argv[1:]:
        return 0 if PAGE.is_file() and PAGE.read_text("utf-8") == text else 1
    PAGE.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
