"""Undoing an unkeyed hash with the help of a truncation: bounded work on a sample."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from detectors import iin
from detectors.base import Buffer

ALGORITHMS = {32: "md5", 40: "sha1", 64: "sha256"}
"""hexadecimal digits of a digest, and whose it is"""
MOST_MISSING = 6
"""first six and last four of sixteen: 100,000 numbers, a fifth of a second"""
_TRIES = 4
"""truncations beside a hash that are run through before giving up on an algorithm in this scan"""
_PROOFS = 8
"""as many proofs, then the hashes beside truncations count as proved by sample"""
_DIGEST = re.compile(
    rb"(?<![0-9A-Za-z])(?:[0-9a-fA-F]{64}|[0-9a-fA-F]{40}|[0-9a-fA-F]{32})(?![0-9A-Za-z])"
)
_BACK, _AHEAD = 240, 240


def beside(data: Buffer, start: int, end: int) -> Iterator[tuple[int, int, str]]:
    """Hex digests in the same line as ``data[start:end]``: start, end, algorithm."""
    first = max(0, start - _BACK)
    text = bytes(data[first : end + _AHEAD])
    line = text.rfind(b"\n", 0, start - first) + 1
    stop = text.find(b"\n", end - first)
    for match in _DIGEST.finditer(text, line, len(text) if stop < 0 else stop):
        yield first + match.start(), first + match.end(), ALGORITHMS[len(match[0])]


class Prover:
    """Runs through the numbers that fit a truncation, as often as its budget allows."""

    def __init__(self) -> None:
        self._failed: dict[str, int] = {}
        self._proved: dict[str, int] = {}

    def proof(
        self, first: str, missing: int, last: str, digest: str, algorithm: str
    ) -> tuple[float, tuple[str, ...]] | None:
        """Probability that ``digest`` is the bare hash of the PAN, and the words for it; None when
        it is not, or cannot be told within the budget."""
        if missing > MOST_MISSING:
            return None
        proved, failed = self._proved.get(algorithm, 0), self._failed.get(algorithm, 0)
        if proved >= _PROOFS:
            words = f"the same unkeyed {algorithm} beside truncations, undone for {proved} others"
            return 0.95, (words,)
        if failed >= (4 * _TRIES if proved else _TRIES):
            return None
        tried = undo(first, missing, last, digest, algorithm)
        if tried is None:
            self._failed[algorithm] = failed + 1
            return None
        self._proved[algorithm] = proved + 1
        words = f"an unkeyed {algorithm} of the whole PAN: undone after {tried:,} tries"
        return 0.999, (words,)


def undo(first: str, missing: int, last: str, digest: str, algorithm: str) -> int | None:
    """How many numbers that fit ``first`` .. ``last`` had to be hashed to meet ``digest``; None
    when none does. The number itself does not leave this function."""
    want = bytes.fromhex(digest)
    if missing < 1 or not iin.prefix_brands(first):
        return None
    base = hashlib.new(algorithm, first.encode(), usedforsecurity=False)
    width = missing - 1
    for tried, (middle, check) in enumerate(_middles(first, missing, last), 1):
        filling = f"{middle:0{width}d}{check}{last}" if width else f"{check}{last}"
        attempt = base.copy()
        attempt.update(filling.encode())
        if attempt.digest() == want:
            return tried
    return None


def _middles(first: str, missing: int, last: str) -> Iterator[tuple[int, int]]:
    """All fillings that satisfy Luhn: the digits but one, and the one that follows from them."""
    size = len(first) + missing + len(last)
    # contribution of a digit at each place; the digit that is solved for is the last missing one
    weight = [(1 if (size - 1 - place) % 2 == 0 else 2) for place in range(size)]
    fixed = sum(
        _value(int(digit), weight[place])
        for place, digit in [*enumerate(first), *enumerate(last, len(first) + missing)]
    )
    solve = {_value(digit, weight[len(first) + missing - 1]) % 10: digit for digit in range(10)}
    for middle in range(10 ** (missing - 1)):
        total, rest, place = fixed, middle, len(first) + missing - 2
        while rest:
            rest, digit = divmod(rest, 10)
            total += _value(digit, weight[place])
            place -= 1
        yield middle, solve[-total % 10]


def _value(digit: int, weight: int) -> int:
    return digit if weight == 1 else (digit * 2 if digit < 5 else digit * 2 - 9)
