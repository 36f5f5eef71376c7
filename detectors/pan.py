"""Card numbers and magnetic-stripe tracks: the plug-in.

``panscan`` does the work: ``candidates`` finds numbers in every layout and encoding, ``evidence``
turns what stands around one into a probability, ``fieldcount`` counts by field, ``track``
recognises stripe data. All of that needs numpy, so it is imported on first use.
"""

from __future__ import annotations

from detectors import fieldstats
from detectors.base import Buffer, Example, FieldCounts, Match, Scan, State, Value
from detectors.panexamples import EXAMPLES, NEAR_MISSES


class Pan:
    """The plug-in."""

    name = "pan"
    entities = ("CREDIT_CARD", "TRACK_1", "TRACK_2", "CVV")
    profiles = frozenset({"card", "full"})
    summary = (
        "Primary account numbers of every brand of `detectors/iin.py`, plain, grouped, escaped or"
        " encoded; magnetic-stripe track 1 and track 2 and the chip's equivalent of it; the"
        " verification code in the row number, expiry, code."
    )
    limits = (
        "Packed decimal (BCD), encryption and compression are not seen through; nor is base64"
        " broken by a line end inside the number. Numbers that lost their last digit in a"
        " spreadsheet are told under the name of a card only. In a JSON list, the key in front"
        " counts for the first numbers only; all numbers of the list are still judged together."
    )
    examples: tuple[Example, ...] = EXAMPLES
    near_misses: tuple[bytes, ...] = NEAR_MISSES

    def scan(self) -> Scan:
        from detectors.panscan import PanScan

        return PanScan()

    def value(self, data: Buffer, match: Match) -> Value:
        from detectors.panvalue import value

        return value(data, match)

    def settle(self, match: Match, counts: FieldCounts | None) -> tuple[float, tuple[str, ...]]:
        if match.entity != "CREDIT_CARD" or match.state is State.TEST:
            return match.score, match.why
        return fieldstats.settle(match.score, match.why, counts, match.field)


DETECTOR = Pan()
