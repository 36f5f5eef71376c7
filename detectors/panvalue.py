"""Getting the digits of a card match back, whatever its layout hides."""

from __future__ import annotations

import re

import numpy as np

from detectors import encodings
from detectors.base import Buffer, Match, Value
from detectors.luhn import check_digit
from detectors.textscan import numbers


def value(data: Buffer, match: Match) -> Value:
    """The PAN or track of a match of ``panscan``; ``data`` as it was scanned."""
    if match.layout == "base64":
        return _base64_value(data, match)
    text = encodings.text_of(bytes(data[match.start : match.end]), match.layout)
    if match.entity == "CVV":
        return Value(text, None)
    if match.entity != "CREDIT_CARD":
        return _track_value(text)
    digits = "".join(c for c in text if "0" <= c <= "9")
    if match.layout == "lost-digit":
        digits = digits[:15] + check_digit(digits[:15])
    elif match.layout == "scientific":
        body, _, exponent = re.sub(r"[.+]", "", text).lower().partition("e")
        digits = body if len(body) > int(exponent) else body + check_digit(body)
    return Value(digits, digits)


def _track_value(text: str) -> Value:
    body = text.strip("%;?").removeprefix("B").removeprefix("b").rstrip("F")
    digits = re.match(r"[0-9]*", body)
    pan = digits[0] if digits else ""
    return Value(body, pan)


def _base64_value(data: Buffer, match: Match) -> Value:
    """A byte does not say where quads begin: the phase that gives a card number is the one."""
    for back in range(min(4, match.start + 1)):
        span = bytes(data[match.start - back : match.end + 3])
        array = np.frombuffer(span, np.uint8)
        text = encodings.decode_base64(array, 0, 0, len(span)).text
        for piece in numbers(text):
            if match.entity == "CREDIT_CARD":
                return Value(piece.digits, piece.digits)
            return _track_value(text[piece.start :].decode("latin-1"))
    return Value("", None)
