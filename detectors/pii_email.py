"""E-mail addresses: found by their ``@``, the domain confirmed by Presidio once per domain."""

from __future__ import annotations

import re
from collections.abc import Callable

from detectors.base import State

ANCHOR = rb"[A-Za-z0-9_%+'\-\x80-\xff]@[A-Za-z0-9\x80-\xff]"
ESCAPED = rb"[A-Za-z0-9_+\-]%40[A-Za-z0-9]"
"""an address inside a URL"""
_LOCAL = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._%+'-" + bytes(
    range(128, 256)
)
_DOMAIN = re.compile(
    rb"(?:[A-Za-z0-9\x80-\xff](?:[A-Za-z0-9\-\x80-\xff]{0,61}[A-Za-z0-9\x80-\xff])?\.){1,8}"
    rb"(?:[A-Za-z\x80-\xff]{2,24}|xn--[A-Za-z0-9\-]{2,59})(?![A-Za-z0-9_\-@\x80-\xff])"
)
_LONGEST_LOCAL = 64
SOMEBODY = 0.97
_MACHINE = re.compile(rb"(?:git|hg|svn)\Z|[0-9a-f\-]{24,}\Z|[0-9.]{12,}", re.IGNORECASE)
_ROLE = re.compile(
    rb"(?:[a-z]+[._\-])?(?:help|info|support|web|webmaster|hostmaster|postmaster|admin|abuse|crawler|bots?"
    rb"|spider|no-?reply|do-?not-?reply|contact|sales|service|mailer-daemon|root|test)"
    rb"(?:[._\-][a-z]+)?\Z",
    re.I,
)
_EXAMPLE = re.compile(rb"(?:.*\.)?example\.(?:com|org|net)\Z")


def span(data: bytes, end: int, width: int = 1) -> tuple[int, int] | None:
    """Span of the address whose ``@``, ``width`` bytes of it, stands just in front of ``end - 1``;
    None for none."""
    at = end - 1 - width
    head = data[max(0, at - _LONGEST_LOCAL - 1) : at]
    local = head[len(head.rstrip(_LOCAL)) :]
    if len(local) > _LONGEST_LOCAL:
        return None
    local = local.lstrip(b".'-+%")
    if not local or local.endswith(b".") or b".." in local:
        return None
    domain = _DOMAIN.match(data, end - 1, end + 254)
    if domain is None:
        return None
    start = at - len(local)
    if local[:1] in (b"n", b"r", b"t") and len(local) > 1 and data[start - 1 : start] == b"\\":
        start += 1  # the escape of a line end, in JSON and in program text
    if data[start - 1 : start] in (b":", b"/") and b"://" in data[max(0, start - 80) : start]:
        return None  # the password of a URL, or its user
    return start, domain.end()


def probability(address: bytes) -> float:
    """From the address alone: that it is a person's. Nobody has ``git@``, and
    ``webmaster@`` is an office."""
    local, _, _ = address.rpartition(b"@")
    if _MACHINE.match(local):
        return 0.2
    if _ROLE.match(local):
        return 0.6
    return SOMEBODY


class Domains:
    """Remembers which domains were confirmed: exact, since the local part was checked by shape."""

    def __init__(self, confirm: Callable[[str], bool]) -> None:
        self._confirm, self._known = confirm, dict[bytes, State | None]()

    def state(self, address: bytes) -> State | None:
        """None when there can be no such domain. Domains kept for examples (RFC 2606) are where
        test data lives."""
        domain = address[address.rfind(b"@") + 1 :].lower()
        if domain not in self._known:
            if len(self._known) > 65536:
                self._known.clear()
            state = State.TEST if _EXAMPLE.match(domain) else State.CLEAR
            valid = self._confirm(f"someone@{domain.decode('utf-8', 'replace')}")
            self._known[domain] = state if valid else None
        return self._known[domain]
