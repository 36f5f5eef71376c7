"""The one place where a raw value becomes a mask and a keyed fingerprint.

Fingerprints are HMAC-SHA-256 of the canonical value under the run's key, cut to 128 bits. A plain
hash would not do: beside first 6 + last 4 it is undone in half a second (PCI DSS 3.5.1.1), and
3.5.1 forbids a truncation that can be correlated with a hash. The key therefore never
goes into a report or the ledger; they know its ``key_id`` only.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from detectors import iin, luhn
from detectors.base import POSSIBLE, Buffer, Detector, Form, NoHints
from detectors.compiled import extension
from scanner.text import few_digits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Prints: TypeAlias = NDArray[np.uint8]  # a row of FINGERPRINT_BYTES for each value

_prints = extension("detectors._prints")

FINGERPRINT_BYTES = 16
_MOST_NAMES = 4096
_BLOCK = 64
"""bytes: a longer key is hashed first (RFC 2104)"""


class Sealer:
    """Seals values under one key. Its repr shows the key id."""

    __slots__ = ("_base", "_key", "key_id")

    def __init__(self, key: bytes) -> None:
        if len(key) < 16:
            raise ValueError("a fingerprint key has at least 16 bytes")
        self._base = hmac.new(key, digestmod=hashlib.sha256)
        self._key = key if len(key) <= _BLOCK else hashlib.sha256(key).digest()
        self.key_id = self.fingerprint("cardtrail key id").hex()[:12]

    def __repr__(self) -> str:
        return f"Sealer({self.key_id})"

    def fingerprint(self, value: str) -> bytes:
        mac = self._base.copy()
        mac.update(value.encode("utf-8", "surrogatepass"))
        return mac.digest()[:FINGERPRINT_BYTES]

    def sealed(self, text: str) -> str:
        """A text of which only this is told: whether it is the same as another."""
        return f"~{self.fingerprint(text).hex()[:12].translate(_LETTERS)}~"

    def prints(self, data: Buffer, starts: Any, ends: Any, form: Form) -> Prints:
        """A row with the fingerprint of each span of ``data``: of ASCII text, made canonical as
        ``form`` says. ``starts`` and ``ends`` are arrays of int64."""
        import numpy as np

        if _prints is not None:
            packed = _prints.prints(
                self._key, data, np.ascontiguousarray(starts), np.ascontiguousarray(ends), form
            )
        else:
            packed = b"".join(
                self.fingerprint(canonical(bytes(data[start:end]).decode("ascii"), form))
                for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
            )
        return np.frombuffer(packed, np.uint8).reshape(-1, FINGERPRINT_BYTES)

    def name(self, text: str) -> str:
        """A name that came from data, with every card-like number in it masked.

        The mask is followed by the start of its fingerprint between ``~``, so two names that differ
        only in the number stay two names, and stay the same from run to run under one key. Masks
        every window of digits that some issuer could have issued and that satisfies Luhn, also
        when separated (``4111-1111-1111-1111``) or inside a longer run of digits.
        """
        if few_digits(text):
            return text
        return _RUN.sub(lambda match: _seal_run(match[0], self), text)


class NameSealer(Sealer):
    """Seals in names whatever the detectors find in them as well: a key of JSON can be somebody's
    address. Names of people are not looked for in them (a language model needs sentences)."""

    __slots__ = ("_detectors", "_names")

    def __init__(self, sealer: Sealer, detectors: Sequence[Detector]) -> None:
        super().__init__(sealer._key)
        self._detectors = [each for each in detectors if each.profiles == {"full"}]
        self._names: dict[str, str] = {}

    def name(self, text: str) -> str:
        known = self._names.get(text)
        if known is None:
            if len(self._names) >= _MOST_NAMES:
                self._names.clear()
            known = self._names[text] = super().name(self._without_values(text))
        return known

    def _without_values(self, text: str) -> str:
        data = text.encode("utf-8", "surrogatepass")
        found = sorted(
            (match.start, match.end)
            for detector in self._detectors
            for match in detector.scan().find(data, 0, len(data), NoHints())
            if match.score >= POSSIBLE
        )
        out, done = b"", 0
        for start, end in found:
            if start >= done:
                value = data[start:end].decode("utf-8", "replace")
                out += data[done:start] + self.sealed(value).encode()
            elif end > done:  # two overlap: what is left of the second goes, too
                out += b"~"
            done = max(done, end)
        return (out + data[done:]).decode("utf-8", "replace") if found else text


def canonical(text: str, form: Form) -> str:
    """As ``Form`` says; ``native/prints.c`` does the same."""
    if form is Form.EMAIL:
        local, at, domain = text.rpartition("@")
        return f"{local}{at}{domain.lower()}"
    if form is Form.COMPACT:
        return "".join(char for char in text.upper() if char.isalnum() or char == "+")
    return text


def mask(pan: str) -> str:
    """First 6 and last 4, the form every brand accepts (PCI DSS 3.4.1); ``pan`` is the digits.

    A PAN that came truncated (``*`` for what is missing) is cut to the same form.
    """
    if len(pan) < 12:
        return "*" * len(pan)
    return pan[:6] + "*" * (len(pan) - 10) + pan[-4:]


_RUN = re.compile(r"\d(?:[ \-._/+,:;|=\u00a0\u2009\u2013]{0,2}\d){11,}")
_LETTERS = str.maketrans("0123456789", "ghijkmnpqr")


def _seal_run(run: str, sealer: Sealer) -> str:
    """The run as it is, or masked as a whole when some window of it could be a PAN.

    12, 13, 17 and 18 digits are rare lengths that chance hits often (account ids, timestamps):
    they count only when they are the whole run. The fingerprint is written without digits, or it
    could make a new number with its neighbours.
    """
    digits = "".join(str(unicodedata.digit(char)) for char in run if char.isdigit())
    for length in {14, 15, 16, 19, len(digits)} & set(range(12, 20)):
        for start in range(len(digits) - length + 1):
            window = digits[start : start + length]
            if luhn.valid(window) and iin.brands(window):
                print_ = sealer.fingerprint(digits).hex()[:8].translate(_LETTERS)
                return f"{mask(digits)}~{print_}~"
    return run
