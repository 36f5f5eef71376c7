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

from detectors import iin, luhn

FINGERPRINT_BYTES = 16


class Sealer:
    """Seals values under one key. Its repr shows the key id."""

    __slots__ = ("_base", "key_id")

    def __init__(self, key: bytes) -> None:
        if len(key) < 16:
            raise ValueError("a fingerprint key has at least 16 bytes")
        self._base = hmac.new(key, digestmod=hashlib.sha256)
        self.key_id = self.fingerprint("cardtrail key id").hex()[:12]

    def __repr__(self) -> str:
        return f"Sealer({self.key_id})"

    def fingerprint(self, value: str) -> bytes:
        mac = self._base.copy()
        mac.update(value.encode("utf-8", "surrogatepass"))
        return mac.digest()[:FINGERPRINT_BYTES]

    def name(self, text: str) -> str:
        """A name that came from data, with every card-like number in it masked.

        The mask is followed by ``~`` and the start of its fingerprint, so two names that differ
        only in the number stay two names, and stay the same from run to run under one key. Masks
        every window of digits that some issuer could have issued and that satisfies Luhn, also
        when separated (``4111-1111-1111-1111``) or inside a longer run of digits.
        """
        return _seal_runs(text, self)


def mask(pan: str) -> str:
    """First 6 and last 4, the form every brand accepts (PCI DSS 3.4.1); ``pan`` is the digits.

    A PAN that came truncated (``*`` for what is missing) is cut to the same form.
    """
    if len(pan) < 12:
        return "*" * len(pan)
    return pan[:6] + "*" * (len(pan) - 10) + pan[-4:]


_RUN = re.compile(r"\d(?:[ \-._/+,:;|=\u00a0\u2009\u2013]{0,2}\d){11,}")


def _seal_runs(text: str, sealer: Sealer) -> str:
    return _RUN.sub(lambda match: _seal_run(match[0], sealer), text)


def _seal_run(run: str, sealer: Sealer) -> str:
    """Mask every window that could be a PAN; of windows that overlap, their union.

    12, 13, 17 and 18 digits are rare lengths that chance hits often (account ids, timestamps):
    they count only when they are the whole run.
    """
    places = [i for i, char in enumerate(run) if char.isdigit()]
    digits = "".join(str(unicodedata.digit(run[i])) for i in places)
    covered = [False] * len(digits)
    for length in {14, 15, 16, 19, len(digits)} & set(range(12, 20)):
        for start in range(len(digits) - length + 1):
            window = digits[start : start + length]
            if luhn.valid(window) and iin.brands(window):
                for i in range(start, start + length):
                    covered[i] = True
    out: list[str] = []
    i = 0
    while i < len(digits):
        if not covered[i]:
            end = places[i + 1] if i + 1 < len(places) else len(run)
            out.append(run[places[i] : end])
            i += 1
            continue
        stop = i
        while stop < len(digits) and covered[stop]:
            stop += 1
        value = digits[i:stop]
        out.append(f"{mask(value)}~{sealer.fingerprint(value).hex()[:8]}")
        if stop < len(digits):
            out.append(run[places[stop - 1] + 1 : places[stop]])
        i = stop
    return "".join(out)
