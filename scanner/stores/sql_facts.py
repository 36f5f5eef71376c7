"""What is known of the protection of a database, however it is asked: once, and *unknown* with the
reason where it cannot be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

from scanner.contracts import SealName
from scanner.errors import Unreadable
from scanner.model import Access, Fact, Grant, Tri

Grants = tuple[Grant, ...] | str
"""the list of grants, or why there is none"""


class Protection:
    """Of one database. ``grants`` raises ``Unreadable``; ``facts`` are told who could read."""

    def __init__(
        self, grants: Callable[[], Access], facts: Callable[[Grants], tuple[Fact, ...]]
    ) -> None:
        self._ask_grants, self._ask_facts = grants, facts

    @cached_property
    def facts(self) -> tuple[Fact, ...]:
        who = self._who
        return self._ask_facts(who if isinstance(who, str) else who.could_read)

    @cached_property
    def access(self) -> Access:
        """The list is whole as far as the server itself lets anyone in: copies, dumps and whoever
        has the machine do not show in it."""
        who = self._who
        if isinstance(who, str):
            return Access()
        (public,) = (fact.state for fact in self.facts if fact.control == "public-access")
        return replace(who, public=public)

    @cached_property
    def _who(self) -> Access | str:
        try:
            return self._ask_grants()
        except Unreadable as fault:
            return _why(fault)


def told(control: str, ask: Callable[[], tuple[Tri, str]]) -> Fact:
    try:
        return Fact(control, *ask())
    except Unreadable as fault:
        return Fact(control, Tri.UNKNOWN, _why(fault))


def sealed(facts: tuple[Fact, ...], seal: SealName) -> tuple[Fact, ...]:
    """Details quote names, which can be data."""
    return tuple(Fact(fact.control, fact.state, seal(fact.detail)) for fact in facts)


def public_grants(could_read: Grants, everyone: str) -> Fact:
    control = "no-grant-to-public"
    if isinstance(could_read, str):
        return Fact(control, Tri.UNKNOWN, could_read)
    for grant in could_read:
        if grant.kind == "public":
            return Fact(control, Tri.NO, f"{everyone} can read: {grant.via}")
    return Fact(control, Tri.YES, "PUBLIC may read no table and no view of one")


def session_tls(
    *, local: bool, encrypted: bool | None, verified: bool, mode: str
) -> tuple[Tri, str]:
    """Of the connection that this scan reads over; ``encrypted`` None: there was none, ``mode`` is
    the option as it was given."""
    if encrypted is None:
        return Tri.UNKNOWN, "the server was not reached"
    if local:
        return Tri.YES if encrypted else Tri.NO, "the server is on this machine"
    if not encrypted:
        return Tri.NO, f"this scan read in the clear ({mode})"
    if verified:
        return Tri.YES, "the server's name was verified"
    return Tri.NO, f"the server's name was not verified ({mode})"


def _why(fault: Unreadable) -> str:
    return fault.detail or str(fault.reason)
