"""Making names harmless before they reach a terminal, a page or a log."""

from __future__ import annotations

import re
from collections.abc import Callable

# C0 and C1 controls, DEL, bidirectional marks and overrides, line separators, zero-width
# characters and the byte-order mark: each can hide, reorder or execute something in a viewer.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\ufff9-\ufffb]"
)


_ACCOUNT = re.compile(r"(arn:[a-z-]+:[a-z0-9-]+:[a-z0-9-]*:\d{12}:|^(?:account )?\d{12}$)")


_NUMBER = 12
"""digits of an account id, and the fewest of a number that is masked"""


def seal_around_accounts(text: str, seal: Callable[[str], str]) -> str:
    """``seal`` over a principal or a sentence, but for the AWS account id in an ARN's own field or
    standing alone: it is no card number, although one in a few looks like one."""
    if few_digits(text):
        return seal(text)
    pieces = _ACCOUNT.split(text)
    return "".join(piece if place % 2 else seal(piece) for place, piece in enumerate(pieces))


def few_digits(text: str) -> bool:
    """Whether a text surely holds no number of twelve digits: no account id, no card number."""
    if len(text) < _NUMBER:
        return True
    if not text.isascii():
        return False  # digits of other scripts
    data = text.encode()
    return len(data) - len(data.translate(None, b"0123456789")) < _NUMBER


def printable(text: str) -> str:
    r"""``text`` with everything unsafe escaped as Python would (``\n``, ``\x1b``, ``\u202e``).

    Undecodable bytes of file names (surrogates U+DC80..DCFF) come out as ``\x80`` .. ``\xff``.
    """
    return _UNSAFE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(
        char, f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    )


def plural(count: int, one: str, many: str | None = None) -> str:
    """A number with its word: ``1 table``, ``2,000 tables``; ``many`` where more than an s differs:
    ``1 file is``, ``2 files are``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def some(count: int, things: str) -> str:
    """As ``plural``, of words that are in the plural: ``1 JSON object``, ``2 tables and views``."""
    return f"{count:,} {_one(things) if count == 1 else things}"


def _one(things: str) -> str:
    words = _PLURAL.sub(lambda found: "y" if found[0] == "ies" else "", things, count=1)
    first, both, second = words.partition(" and ")
    return f"{first} or {_one(second)}" if both and " " not in first else words


_PLURAL = re.compile(r"ies\b|(?<=[a-z])s\b")


def times(count: int) -> str:
    """How often: ``once``, ``2,000 times``."""
    return "once" if count == 1 else f"{count:,} times"
