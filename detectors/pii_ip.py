"""IP addresses, and how likely one names a person's machine."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

V4 = rb"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]"
V6 = rb":[0-9A-Fa-f]{2,4}:[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{1,4}:"
V6_SHORT = rb"(?:^|[^:])::"
"""a row of colons is none: its first two are hit, not each"""
WORDS = (
    r"ip(?:v[46])?|clients?|remote|addr(?:ess(?:es)?)?|host|from|peer|src|source|x.?forwarded.?for"
    r"|login|visitor|user"
)
_FOUR = re.compile(
    rb"(?<![A-Za-z0-9_.\-])(?<![A-Za-z0-9_]/)[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![A-Za-z0-9_]|[.\-][A-Za-z0-9])"
)
_SIX = b"0123456789abcdefABCDEF:"
_VERSION = re.compile(r"(?:version|release|build|driver|firmware|ver|v)\W{0,3}\Z")


def four(data: bytes, end: int) -> tuple[int, int] | None:
    """Span of the IPv4 address whose last part begins just in front of ``end``."""
    for match in _FOUR.finditer(data, max(0, end - 13), end + 5):
        if match.start() < end <= match.end():
            octets = match[0].split(b".")
            if all(int(o) < 256 and (o == b"0" or o[0] != 48) for o in octets):
                return match.span()
    return None


def six(data: bytes, end: int) -> tuple[int, int] | None:
    """Span of the IPv6 address with an anchor that ends at ``end``."""
    head = data[max(0, end - 40) : end]
    start = end - (len(head) - len(head.rstrip(_SIX)))
    tail = data[end : end + 40]
    stop = end + (len(tail) - len(tail.lstrip(_SIX)))
    if stop - start > 39 or start == end - 40:
        return None
    if re.match(rb"[A-Za-z0-9_\-]", data[stop : stop + 1]) or re.match(
        rb"[A-Za-z0-9_.\-]", data[max(0, start - 1) : start]
    ):
        return None
    text = data[start:stop].rstrip(b":")
    try:
        ipaddress.IPv6Address(text.decode("ascii"))
    except ValueError:
        return None
    return start, start + len(text)


def probability(text: str, front: str, near: bool, line_start: bool) -> float:
    """``front`` is the text before it, plain. A private address names no one outside."""
    if _VERSION.search(front):
        return 0.1
    reach = _reach(text)
    if reach == "nowhere" or text.endswith((".0", ".255")):
        return 0.1
    if reach == "inside":
        return 0.8 if near else 0.25
    return 0.9 if near or line_start else 0.55


_SOME_LOCAL = frozenset({0, 10, 100, 127, 169, 172, 192, 198, 203})
"""first numbers of IPv4 addresses of which some, or all, are not global"""


@lru_cache(4096)
def _reach(text: str) -> str:
    """``nowhere`` (loopback, multicast), ``inside`` (private, reserved) or ``world``."""
    first = text.partition(".")[0]
    if first.isdigit() and int(first) < 224 and int(first) not in _SOME_LOCAL:
        return "world"  # as nearly all are, at a tenth of the price
    address = ipaddress.ip_address(text)
    if address.is_loopback or address.is_unspecified or address.is_multicast:
        return "nowhere"
    return "world" if address.is_global else "inside"
