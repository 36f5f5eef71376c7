"""Could and did: the grants of a store and the reads of it, principal by principal.

    could and did                   a grant, and reads
    could and never did             a grant, no reads, and the evidence covers the whole window
    did and could not               reads, and no grant in a list that is known to be whole
    cannot tell                     whatever lacks one of those two certainties

Grants and evidence name principals differently: a role and its sessions, with and without path; an
account for all in it; ``role:app`` and ``app``; ``app@%`` and ``app``. Here they are brought
together, for reports and for ``cardtrail access``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from detectors.records import dataclass
from scanner.model import NOT_RECORDED, Access, Coverage, Grant, Reads
from scanner.phrases import coverage, utc

SESSION, PUBLIC = " session ", "PUBLIC"
SOURCE = ", source identity "
"""behind the name of a session, which holds no blank"""


class Relation(StrEnum):
    """How could and did go together, for one principal. The value is said to people."""

    DID = "could and did"
    HOW = "did and could not (how?)"
    UNSURE = "did; whether a grant lets it is not known"
    REFUSED = "was refused, and did not read as far as is recorded"
    OPEN = "open to anybody"
    NEVER = "could and never did"
    UNTOLD = "could; whether it did cannot be told"


@dataclass(frozen=True, slots=True)
class Seen:
    """One principal of one store. ``grant`` is what lets it read, None when nothing known does;
    ``reads`` are its sessions, empty when it was not seen."""

    principal: str
    grant: Grant | None
    reads: tuple[Reads, ...]
    relation: Relation

    @property
    def did(self) -> bool:
        return any(each.reads != 0 for each in self.reads)

    @property
    def last(self) -> datetime | None:
        return max((utc(r.last) for r in self.reads if r.last and r.reads != 0), default=None)


def people(access: Access) -> list[Seen]:
    """Everybody who could or did or was refused; who did first, then by name."""
    return list(_Joined(access).people())


def relations(access: Access) -> list[tuple[Grant, Relation]]:
    """Each grant with what became of it, in the order of the access. A grant that lets in several
    was used when one of them used it."""
    by: dict[int, Relation] = {}
    for each in people(access):
        if each.grant is not None:
            known = by.get(id(each.grant), each.relation)
            by[id(each.grant)] = min(known, each.relation, key=_USED_FIRST.index)
    return [(grant, by[id(grant)]) for grant in access.could_read]


_USED_FIRST = tuple(Relation)


def with_last_reads(access: Access) -> tuple[Grant, ...]:
    """The grants of an access, each with the last read of whom it lets in."""
    joined = _Joined(access)
    last: dict[int, datetime] = {}
    for name, reads in joined.readers.items():
        grant = joined.grant_of(name)
        when = Seen(name, grant, tuple(reads), Relation.DID).last
        if grant is not None and when is not None:
            last[id(grant)] = max(when, last.get(id(grant), when))
    return tuple(
        replace(grant, last_read=last.get(id(grant), grant.last_read))
        for grant in access.could_read
    )


def is_nameless(principal: str) -> bool:
    """Whether reads are of somebody the record does not name: it may have been any who could."""
    return (
        principal == NOT_RECORDED
        or principal.endswith(" the log does not name")
        or principal.startswith("address ")
    )


def is_public(grant: Grant) -> bool:
    return grant.kind == "public" or grant.principal == "*"


class _Joined:
    def __init__(self, access: Access) -> None:
        self._access = access
        # where somebody without a name read, nobody is known not to have
        nameless = any(r.reads != 0 and is_nameless(r.principal) for r in access.did_read)
        self._tells = coverage(access) is Coverage.COMPLETE and not nameless
        self._exact: dict[str, Grant] = {}
        self._loose: dict[str, list[Grant]] = {}
        """by what names it less exactly: a user without its host"""
        self._members: dict[str, list[Grant]] = {}
        """by a role that the right lies with"""
        self._public: Grant | None = None
        for grant in access.could_read:
            if is_public(grant):
                if grant.principal != PUBLIC:  # of a database it lets in accounts, which have each
                    self._public = self._public or grant  # a grant of their own
                continue
            for name in _names(grant):
                self._exact.setdefault(name, grant)
            for held in grant.held:  # a role that it is in, and can act as (SET ROLE)
                if held.holder not in (PUBLIC, *_names(grant)):
                    self._members.setdefault(held.holder, []).append(grant)
            user, at, _ = grant.principal.rpartition("@")
            if at and not grant.principal.startswith("arn:"):
                self._loose.setdefault(user, []).append(grant)
        self.readers: dict[str, list[Reads]] = {}
        for each in access.did_read:
            self.readers.setdefault(self._whose(each.principal), []).append(each)

    def _whose(self, reader: str) -> str:
        """The principal of a reader: its role, but for a session that has a grant of its own."""
        principal, _, session = reader.partition(SESSION)
        name = f"{SESSION}{session.partition(SOURCE)[0]}"
        return f"{principal}{name}" if f"{_plain(principal)}{name}" in self._exact else principal

    def grant_of(self, principal: str) -> Grant | None:
        """Its own, or that of its account, or anybody's."""
        if is_nameless(principal):
            return None
        for name in _asked(principal):
            if name in self._exact:
                return self._exact[name]
        return next(iter(self._like(principal)), self._public)

    def _like(self, principal: str) -> list[Grant]:
        """Grants to a user of that name from hosts that fit, where logs and grants tell the host
        differently or not at all; or to members of a role of that name."""
        user, at, host = principal.rpartition("@")
        found = self._loose.get(user if at else principal, [])
        fits = [each for each in found if not at or _fits(each.principal, host)]
        return fits or self._members.get(principal, [])

    def people(self) -> Iterator[Seen]:
        found = []
        used: set[int] = set()
        vague: set[int] = set()
        for name, reads in self.readers.items():
            grant = self.grant_of(name)
            if grant is not None:
                used.add(id(grant))
                if grant.principal != name:  # it may have been any of those
                    vague.update(id(other) for other in self._like(name))
            found.append(Seen(name, grant, tuple(reads), self._relation(name, grant, reads)))
        for grant in self._access.could_read:
            if is_public(grant) or id(grant) not in used:
                relation = self._idle(grant, id(grant) in vague)
                found.append(Seen(grant.principal, grant, (), relation))
        yield from sorted(found, key=lambda each: (not each.did, not each.reads, each.principal))

    def _relation(self, name: str, grant: Grant | None, reads: Iterable[Reads]) -> Relation:
        if not any(each.reads != 0 for each in reads):
            return Relation.REFUSED
        if grant is not None:
            return Relation.UNSURE if grant.state == "unknown" else Relation.DID
        known = self._access.could_read_known and not is_nameless(name)
        return Relation.HOW if known else Relation.UNSURE

    def _idle(self, grant: Grant, vague: bool) -> Relation:
        if is_public(grant):
            return Relation.OPEN
        return Relation.NEVER if self._tells and not vague else Relation.UNTOLD


# --- names ----------------------------------------------------------------------------------------

_ROLE = re.compile(r"(arn:aws[a-z-]*:iam::\d{12}:role/)(?:.*/)?([^/]+)")
_SESSION_ARN = re.compile(r"arn:(aws[a-z-]*):sts::(\d{12}):assumed-role/([^/]+)(?:/(.+))?")
_IN_ACCOUNT = re.compile(r"(?:arn:aws[a-z-]*:[a-z]+::|account )(\d{12})(?::| \(|$)")
_ACCOUNT = re.compile(r"(?:arn:aws[a-z-]*:iam::)?(\d{12})(?::root)?")
_OWNER = "the account of the bucket's owner (root, or not told)"


def _is_account(grant: Grant) -> bool:
    """A grant to a whole account of AWS, whoever it lets in. The root user is only itself."""
    return grant.kind != "root" and _ACCOUNT.fullmatch(grant.principal) is not None


def _plain(name: str) -> str:
    """A role without its path (server access logs do not tell it), a session as its role."""
    role = _ROLE.fullmatch(name)
    if role:
        return role[1] + role[2]
    session = _SESSION_ARN.fullmatch(name)
    if session:
        return f"arn:{session[1]}:iam::{session[2]}:role/{session[3]}"
    return name.removeprefix("svc:")


def _names(grant: Grant) -> Iterator[str]:
    """What evidence may call whom a grant lets in."""
    name = grant.principal
    if _is_account(grant):
        found = _ACCOUNT.fullmatch(name)
        yield f"account {found[1] if found else name}"
        return
    session = _SESSION_ARN.fullmatch(name)
    if session and session[4]:
        yield f"{_plain(name)}{SESSION}{session[4]}"
        return
    yield name
    yield _plain(name)
    if name.startswith("role:"):
        yield name.removeprefix("role:")
    if grant.kind == "root":
        yield _OWNER


def _fits(grant: str, host: str) -> bool:
    """Whether ``app@10.%`` lets in from a host."""
    pattern = re.escape(grant.rpartition("@")[2]).replace("%", ".*").replace("_", ".")
    return re.fullmatch(pattern, host) is not None


def _asked(principal: str) -> Iterator[str]:
    """What a reader may be called in a grant, the most exact first."""
    name, at, session = principal.partition(SESSION)
    yield principal
    yield _plain(name) + at + session
    account = _IN_ACCOUNT.match(name)
    if account:
        yield f"account {account[1]}"
