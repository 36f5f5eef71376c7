"""Names of people and places through Presidio and a small spaCy model: the plug-in.

It runs when it is asked for (``names = true``, ``--names``) beside the profile ``full``, and needs
the extra ``cardtrail[names]``. ``pii_namescan`` does the work.
"""

from __future__ import annotations

from detectors.base import Buffer, Example, FieldCounts, Match, Scan, Value


class Names:
    """The plug-in."""

    name = "names"
    entities = ("PERSON", "LOCATION")
    profiles = frozenset({"names"})
    summary = (
        "Names of people and places, in English, in documents and in columns of text: by a small"
        " language model, and by the names of columns. Asked for with `--names`; needs"
        " `pip install 'cardtrail[names]'`."
    )
    limits = (
        "A sample is looked at: of each slice the first 16 KiB of prose and one byte in a thousand"
        " of the rest, so counts are those of the sample. Never in logs and code. The model knows"
        " about two of three names and is wrong in one of four: a name in running text is"
        " *confirmed* only where it has two words or more. Columns of first names alone are found"
        " by the name of the column only."
    )
    examples: tuple[Example, ...] = (
        Example(b"My name is Charlotte Becker and I am a nurse.", "PERSON", "charlotte becker"),
    )
    near_misses: tuple[bytes, ...] = (
        b"2026-03-01 12:00:01 INFO user Charlotte Becker logged in",
        b"the quick brown fox jumps over the lazy dog",
        b"class CharlotteBecker { return new Becker(); }",
    )

    def scan(self) -> Scan:
        from detectors.pii_namescan import NameScan
        from detectors.pii_wide import Wide

        return Wide(NameScan())

    def value(self, data: Buffer, match: Match) -> Value:
        from detectors.pii_wide import narrow

        text = narrow(data, match).decode("utf-8", "replace")
        return Value(" ".join(text.casefold().split()), None)

    def settle(self, match: Match, counts: FieldCounts | None) -> tuple[float, tuple[str, ...]]:
        from detectors.pii_namescan import settle

        return settle(match.score, match.why, counts)


DETECTOR = Names()
