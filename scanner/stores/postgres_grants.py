"""Who could read a PostgreSQL database: one grant for each role that can log in, and why.

Also told are ways that no privilege shows: SECURITY DEFINER functions (*unknown*: what they give
out stands in their code), and roles that could give themselves the right or take the data without
it (*conditional*).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field

from detectors.records import dataclass
from scanner.contracts import SealName
from scanner.model import Access, Grant, Held
from scanner.stores import postgres_rights
from scanner.stores.postgres_rights import ALLOW, CONDITIONAL, Rights
from scanner.stores.postgres_session import Session

UNKNOWN = "unknown"
_ORDER = (ALLOW, CONDITIONAL, UNKNOWN)
_SHOWN = 3
_FILES = {
    "pg_read_server_files": "can read the files of the server (pg_read_server_files)",
    "pg_execute_server_program": "can run programs on the server (pg_execute_server_program)",
}
_FUNCTIONS = """
SELECT p.oid::regprocedure::text, p.proowner::bigint,
       array(SELECT r.oid::bigint FROM pg_roles r
             WHERE has_function_privilege(r.oid, p.oid, 'EXECUTE')
               AND has_schema_privilege(r.oid, p.pronamespace, 'USAGE'))
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND p.prorettype <> 'event_trigger'::regtype  -- nobody can call those
ORDER BY 1
"""


@dataclass(slots=True)
class _Ways:
    """Of one principal."""

    states: set[str] = field(default_factory=set)
    by: dict[str, list[str]] = field(default_factory=dict)
    """the way, and what can be read by it"""
    said: list[str] = field(default_factory=list)
    held: dict[Held, None] = field(default_factory=dict)
    part: bool = False
    """there are tables that it cannot read"""

    def add(self, state: str, way: str, what: str, held: Held | None = None) -> None:
        self.states.add(state)
        self.by.setdefault(way, []).append(what)
        if held is not None:
            self.held[held] = None

    def say(self, state: str, sentence: str) -> None:
        self.states.add(state)
        self.said.append(sentence)

    def grant(self, principal: str, kind: str, seal: SealName) -> Grant:
        state = min(self.states, key=_ORDER.index)
        via = [f"{way}: {_some(keys)}" for way, keys in sorted(self.by.items())] + self.said
        held = tuple(Held(seal(each.holder), each.on, seal(each.where)) for each in self.held)
        told = seal("; ".join(via))
        return Grant(seal(principal), kind, state, told, held=held, part=self.part)


def access(session: Session, seal: SealName) -> Access:
    """All of it but what is public. Raises ``Unreadable``."""
    rights = postgres_rights.ask(session)
    return Access(
        could_read_known=True,
        could_read=_fold(session, rights, seal),
        doors=rights.doors(seal),
        holdings=rights.holdings(seal),
    )


def _fold(session: Session, rights: Rights, seal: SealName) -> tuple[Grant, ...]:
    ways: dict[int, _Ways] = {}
    for role in rights.roles.values():
        if role.superuser and role.enters:
            own = ways.setdefault(role.oid, _Ways())
            own.say(ALLOW, "superuser")
            own.held[Held(role.name, "superuser")] = None
        elif role.enters:
            own = _of(rights, role.oid)
            if own.states:
                ways[role.oid] = own
    _by_function(session, rights, ways)
    found = [
        ways[role.oid].grant(f"role:{role.name}", "superuser" if role.superuser else "role", seal)
        for role in rights.roles.values()
        if role.oid in ways
    ]
    return (*_public(rights, seal), *found)


def _of(rights: Rights, role: int) -> _Ways:
    """What a role that is no superuser can read."""
    ways = _Ways()
    for relation in rights.relations.values():
        if not rights.holds(relation.oid):
            continue
        reading = rights.reading(role, relation.oid)
        if reading is None:
            ways.part = ways.part or relation.kind != "v"
        else:
            what = _described(rights, relation.oid, reading.columns)
            ways.add(reading.state, reading.way, what, reading.held)
            if reading.state == CONDITIONAL:
                ways.by[reading.way][-1] += " (the rows its policies let through)"
    _beyond(rights, role, ways)
    return ways


def _described(rights: Rights, relation: int, columns: bool) -> str:
    known = rights.relations[relation]
    view = "view " if known.kind == "v" else ""
    return f"{view}{known.key}{' (some columns)' if columns else ''}"


def _beyond(rights: Rights, role: int, ways: _Ways) -> None:
    """What a role could do to get at more than it may read now."""
    who = rights.roles[role]
    if who.replicates:
        ways.say(CONDITIONAL, "REPLICATION: can copy the whole server where pg_hba.conf lets it")
    if who.creates:
        ways.say(CONDITIONAL, "CREATEROLE: can put itself into other roles")
    names = {rights.roles[oid].name for oid in rights.settable.get(role, ())}
    names |= {rights.roles[b].name for a, b in rights.inherited if a == role}
    for name, sentence in _FILES.items():
        if name in names:
            ways.say(CONDITIONAL, sentence)
    administered = [rights.roles[oid].name for oid in rights.administered.get(role, ())]
    if administered:
        ways.say(CONDITIONAL, f"ADMIN OPTION: can put itself into {_some(administered)}")
    owned = [
        relation.key
        for relation in rights.relations.values()
        if (relation.owner == role or (role, relation.owner) in rights.inherited)
        and rights.holds(relation.oid)
        and rights.reading(role, relation.oid) is None
    ]
    if owned:
        ways.say(CONDITIONAL, f"owner, can grant itself the right: {_some(owned)}")


def _by_function(session: Session, rights: Rights, ways: dict[int, _Ways]) -> None:
    """Functions that run with the rights of an owner who can read something."""
    found: dict[int, list[str]] = {}
    for name, owner, callers in session.rows(_FUNCTIONS):
        if not _reads_anything(rights, owner):
            continue
        for role in callers:
            who = rights.roles.get(role)
            if who is not None and who.enters and not who.superuser and role != owner:
                found.setdefault(role, []).append(name)
    for role, names in found.items():
        ways.setdefault(role, _Ways(part=True)).say(
            UNKNOWN, f"whatever these SECURITY DEFINER functions give out: {_some(names)}"
        )


def _reads_anything(rights: Rights, role: int) -> bool:
    who = rights.roles.get(role)
    if who is None:
        return False
    return who.superuser or any(
        rights.reading(role, relation) is not None for relation in rights.relations
    )


def _public(rights: Rights, seal: SealName) -> Iterator[Grant]:
    ways = _Ways()
    for relation in rights.relations.values():
        state = rights.reads_as_public(relation.oid)
        if state is not None and rights.holds(relation.oid):
            what = _described(rights, relation.oid, False)
            way = "SELECT granted to every role that can log in"
            ways.add(state, way, what, Held("PUBLIC", "table"))
        elif relation.kind != "v" and rights.holds(relation.oid):
            ways.part = True
    if ways.states:
        yield ways.grant("PUBLIC", "public", seal)


def _some(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
