"""Making names harmless before they reach a terminal, a page or a log."""

from __future__ import annotations

import re

# C0 and C1 controls, DEL, bidirectional marks and overrides, line separators, zero-width
# characters and the byte-order mark: each can hide, reorder or execute something in a viewer.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\ufff9-\ufffb]"
)


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
