"""Telephone numbers: international ones by their ``+``, national ones by region and shape."""

from __future__ import annotations

import re

INTERNATIONAL = rb"\+[1-9][0-9 ().\-]{6}"
NATIONAL = (
    rb"\([0-9]{2,5}\)[ .\-]?[0-9]{3}",  # (415) 555-2671, (85) 5986-8343
    rb"\b[0-9]{3}-[0-9]{3}-[0-9]{4}",
    rb"\b[0-9]{3}\.[0-9]{3}\.[0-9]{4}",
    rb"\b[0-9]{3} [0-9]{3}[ \-][0-9]{4}",
)
WORDS = (
    r"phones?|tele(?:phone|fon|fax)?|tel|mobile|mobil|cell(?:phone)?|fax|call(?:ed|ing)?|whats.?app"
    r"|sms|handy|msisdn|contact|dial|hotline|office|reach(?:ed)?|answer(?:s|ed|ing)?|ring"
)
ANCHOR_WORDS = (
    rb"phone",
    rb"\btel(?:\b|_|:)",
    rb"mobile",
    rb"\bcell",
    rb"\bfax",
    rb"msisdn",
    rb"\bcall",
    rb"whats.?app",
    rb"\banswer",
    rb"\boffice",
)
NEAR = 32
"""bytes behind a word in which its number begins"""
_EXT = rb"(?:[ ,]{0,2}(?:x|ext\.?)[ ]?[0-9]{1,6})?"
PLUS = re.compile(
    rb"(?<![A-Za-z0-9+_/.\-%])\+[1-9][0-9 ().\-/]{5,20}[0-9]" + _EXT + rb"(?![A-Za-z0-9_])"
)
SHAPE = re.compile(
    rb"(?<![A-Za-z0-9_./+#$@\-])(?<![0-9][ :])"
    rb"(?:(?:00[1-9][0-9]{0,2}|1)[ .\-])?"
    rb"(?:\([0-9]{2,5}\)[ .\-]?|[0-9]{2,5}[ .\-])?[0-9]{2,10}(?:[ .\-][0-9]{2,5}){0,4}"
    + _EXT
    + rb"(?![A-Za-z0-9_/@]|[.:\-][0-9]| [0-9])"
)
_NANP = re.compile(r"1?[2-9](?:[02-9]\d|1[02-9])[2-9]\d{6}\Z")
_EXTENSION = re.compile(rb"[xXeE]")
_SIGNS = b" ().-/+,"
_DATE = re.compile(
    rb"(?:19|20)[0-9]{2}[-. ][01]?[0-9][-. ][0-3]?[0-9]"
    rb"|[0-3]?[0-9][-. ][0-3]?[0-9][-. ](?:19|20)?[0-9]{2}\Z"
)


def digits(raw: bytes) -> str:
    """Of the number itself, without its extension."""
    if raw[-1:].isdigit() and (b"x" in raw or b"X" in raw or b"e" in raw or b"E" in raw):
        raw = _EXTENSION.split(raw, maxsplit=1)[0]
    return raw.translate(None, _SIGNS).decode("ascii")


def possible(text: bytes, number: str) -> bool:
    """Cheap: seven to fifteen digits, not a date, not one digit over and over."""
    return 7 <= len(number) <= 15 and len(set(number)) > 2 and _DATE.match(text) is None


def strict(text: bytes, number: str, regions: tuple[str, ...]) -> bool:
    """A national number written with the punctuation only telephone numbers have."""
    if text.startswith(b"("):
        return True
    if not {"US", "CA"} & set(regions):
        return False
    shape = re.match(
        rb"(?:1[ .\-])?(?:\([0-9]{3}\) ?[0-9]{3}[\-. ][0-9]{4}|[0-9]{3}-[0-9]{3}-[0-9]{4})", text
    )
    return shape is not None and _NANP.match(number) is not None
