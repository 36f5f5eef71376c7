"""Who could read a PostgreSQL database: one grant for each role that can log in, and why.

Also told are ways that no privilege shows: SECURITY DEFINER functions (*unknown*: what they give
out stands in their code), and roles that could give themselves the right or take the data without
it (*conditional*).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from typing import TypeAlias

from detectors.records import dataclass
from scanner.contracts import SealName
from scanner.model import Access, Grant, Held
from scanner.stores import postgres_rights
from scanner.stores.postgres_rights import ALLOW, CONDITIONAL, Reading, Rights
from scanner.stores.postgres_session import Session

UNKNOWN = "unknown"
_ORDER = (ALLOW, CONDITIONAL, UNKNOWN)
_SHOWN = 3
_ELSEWHERE = ("v", "f")
"""kinds of relations whose rows lie in another"""
_FILES = {
    "pg_read_server_files": "can read the files of the server (pg_read_server_files)",
    "pg_write_server_files": "can write files of the server (pg_write_server_files)",
    "pg_execute_server_program": "can run programs on the server (pg_execute_server_program)",
}
_FILE_FUNCTIONS = """
SELECT r.oid::bigint, string_agg(DISTINCT p.proname, ', ')
FROM pg_proc p JOIN pg_roles r ON has_function_privilege(r.oid, p.oid, 'EXECUTE')
WHERE p.proname IN ('pg_read_file', 'pg_read_binary_file', 'lo_import')
  AND p.pronamespace = 'pg_catalog'::regnamespace AND NOT r.rolsuper
GROUP BY 1
"""
"""without such a role these open the files of tables, too"""
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


_Function: TypeAlias = tuple[str, int, list[int]]
"""its name, its owner, and who may call it"""


@dataclass(slots=True)
class _Ways:
    """Of one principal."""

    states: set[str] = field(default_factory=set)
    by: dict[str, list[str]] = field(default_factory=dict)
    """the way, and what can be read by it"""
    said: list[str] = field(default_factory=list)
    held: dict[Held, None] = field(default_factory=dict)
    part: bool = False
    """there are tables that it cannot read, or not all of"""

    def add(self, rights: Rights, relation: int, reading: Reading | None) -> None:
        """``relation`` holds rows, or is a view of one that does."""
        known = rights.relations[relation]
        if reading is None:
            self.part = self.part or known.kind not in _ELSEWHERE
            return
        what = f"view {known.key}" if known.kind == "v" else known.key
        if reading.columns:
            what += " (some columns)"
        if reading.state == CONDITIONAL:
            what += " (the rows its policies let through)"
        self.part = self.part or (reading.rank > 0 and known.kind not in _ELSEWHERE)
        self.states.add(reading.state)
        self.by.setdefault(reading.way, []).append(what)
        if reading.held is not None:
            self.held[reading.held] = None

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
    functions = [
        (name, owner, callers)
        for name, owner, callers in session.rows(_FUNCTIONS)
        if _reads_anything(rights, owner)
    ]
    return Access(
        could_read_known=True,
        could_read=_fold(session, rights, functions, seal),
        doors=rights.doors(seal),
        holdings=rights.holdings({owner for _, owner, _ in functions}, seal),
    )


def _fold(
    session: Session, rights: Rights, functions: list[_Function], seal: SealName
) -> tuple[Grant, ...]:
    ways: dict[int, _Ways] = {}
    files = dict(session.rows(_FILE_FUNCTIONS))
    for role in rights.roles.values():
        if role.superuser and role.enters:
            own = ways.setdefault(role.oid, _Ways())
            own.say(ALLOW, "superuser")
            own.held[Held(role.name, "superuser")] = None
        elif role.enters:
            own = _of(rights, role.oid, files)
            if own.states:
                ways[role.oid] = own
    _by_function(rights, functions, ways)
    for oid, own in ways.items():
        if since := rights.roles[oid].expired:
            own.states -= {ALLOW}  # what is left of it depends on pg_hba.conf
            own.say(CONDITIONAL, f"only without a password: its own expired on {since}")
    found = [
        ways[role.oid].grant(f"role:{role.name}", "superuser" if role.superuser else "role", seal)
        for role in rights.roles.values()
        if role.oid in ways
    ]
    return (*_public(rights, seal), *found)


def _of(rights: Rights, role: int, files: dict[int, str]) -> _Ways:
    """What a role that is no superuser can read."""
    ways = _Ways()
    for relation in rights.relations:
        if rights.holds(relation):
            ways.add(rights, relation, rights.reading(role, relation))
    if ways.states:
        ways.held.update(dict.fromkeys(rights.holding(role)))
    _beyond(rights, role, ways, files)
    return ways


def _beyond(rights: Rights, role: int, ways: _Ways, files: dict[int, str]) -> None:
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
    opened = {files[oid] for oid in (role, *rights.settable.get(role, ())) if oid in files}
    if opened:
        ways.say(CONDITIONAL, f"can read files of the server by {', '.join(sorted(opened))}")
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


def _by_function(rights: Rights, functions: list[_Function], ways: dict[int, _Ways]) -> None:
    """Functions that run with the rights of an owner who can read something."""
    found: dict[int, list[str]] = {}
    for name, owner, callers in functions:
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
    for relation in rights.relations:
        if rights.holds(relation):
            ways.add(rights, relation, rights.reads_as_public(relation))
    if ways.states:
        yield ways.grant("PUBLIC", "public", seal)


def _some(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
