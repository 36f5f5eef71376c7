"""Which account of a MySQL or MariaDB server can read which table of a database.

``information_schema`` lists what was granted, not what follows from it, so the tables of grants are
read and judged here as the server does: global, database (with wildcards, where the most specific
entry that matches is the only one that counts), table, column; roles that may be set, PUBLIC; and
that a view is read with the rights of its definer. All but global rights are looked up by the name
of the user and the host it comes from, not by the account that let it in: those of ``app@'%'`` are
also those of ``app@localhost``. Needs SELECT on the ``mysql`` database.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import field, replace
from typing import Any, TypeAlias

from detectors.records import dataclass
from scanner.contracts import SealName
from scanner.model import Held
from scanner.reach import Door, Holding, doors, held_alike
from scanner.stores.mysql_catalogue import key_of
from scanner.stores.mysql_session import Session

Id: TypeAlias = tuple[str, str]
"""user and host; a role has no host on MariaDB"""
Place: TypeAlias = tuple[str, str]
"""database and table"""
PUBLIC: Id = ("PUBLIC", "")
_PAIR = re.compile(r"`((?:[^`]|``)+)`\.`((?:[^`]|``)+)`(?:\.`((?:[^`]|``)+)`)?")


@dataclass(frozen=True, slots=True)
class Account:
    id: Id
    reads_all: bool
    executes_all: bool
    grants_all: bool
    """what it has on everything it may grant"""
    role: bool
    locked: bool
    beyond: tuple[str, ...]
    """what it could do to get at more than it may read"""

    @property
    def name(self) -> str:
        user, host = self.id
        return user if self.role else f"{user or '(anonymous)'}@{host}"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A line of ``mysql.db``: rights on the databases that ``database`` matches."""

    id: Id
    database: str
    reads: bool
    executes: bool
    any_right: bool

    def matches(self, database: str) -> bool:
        return _like(self.database, database)

    def covers(self, holder: Id) -> bool:
        """A line without a user is for all of them."""
        return covers(self.id if self.id[0] else (holder[0], self.id[1]), holder)

    @property
    def specific(self) -> tuple[int, int, bool]:
        """The server takes the most specific first: letters before the first wildcard count."""
        return _weight(self.id[1]), _weight(self.database), self.id[0] != ""


@dataclass(frozen=True, slots=True)
class View:
    definer: Id
    invoker: bool
    reads: dict[Place, frozenset[str]]
    """and the columns it reads of each"""


@dataclass(frozen=True, slots=True)
class Reading:
    way: str
    columns: frozenset[str] | None = None
    """None for all of them"""


@dataclass(slots=True)
class Rights:
    database: str
    accounts: dict[Id, Account] = field(default_factory=dict)
    patterns: list[Pattern] = field(default_factory=list)
    tables: dict[str, dict[Place, dict[str, bool]]] = field(default_factory=dict)
    """by user, table and host: True for SELECT on the table, False for other rights or columns"""
    columns: dict[tuple[Id, Place], set[str]] = field(default_factory=dict)
    roles: dict[Id, list[Id]] = field(default_factory=dict)
    """account or role: roles granted to it"""
    views: dict[Place, View] = field(default_factory=dict)
    places: list[Place] = field(default_factory=list)
    """of the database, and views of others that lead to it"""

    def reading(self, account: Id, place: Place) -> Reading | None:
        """How an account reads a table or view, after SET ROLE if need be."""
        best: Reading | None = None
        for role in (None, *self.roles.get(account, ())):
            found = self._as(account, role, place, frozenset())
            if found is not None and role is not None:
                after = f", after SET ROLE {role[0]}"
                found = replace(found, way=found.way + after)
            if found is not None and (
                best is None or (best.columns is not None and not found.columns)
            ):
                best = found
        return best

    def _as(
        self, account: Id, role: Id | None, place: Place, seen: frozenset[Place]
    ) -> Reading | None:
        found = self._right(account, role, place)
        view = self.views.get(place)
        if found is None or view is None:
            return found
        if place in seen:
            return None
        for base, needed in view.reads.items():
            reader, active = (account, role) if view.invoker else (view.definer, None)
            below = self._as(reader, active, base, seen | {place})
            if below is None or (below.columns is not None and not needed <= below.columns):
                return None
        return found

    def _right(self, account: Id, role: Id | None, place: Place) -> Reading | None:
        """By grants alone. Rights of all that is active add up."""
        columns: set[str] = set()
        for holder, name in self._active(account, role):
            way = "" if holder == account else f" to {name}"
            if holder in self.accounts and self.accounts[holder].reads_all:
                return Reading(f"SELECT granted{way} on everything")
            pattern = self._by_database(holder, place[0])
            if pattern is not None and pattern.reads:
                return Reading(
                    f"SELECT granted{self._other(way, pattern.id, holder)} on the database"
                )
            line = self._line(holder, place)
            if line is None:
                continue
            if self.tables[line[0]][place][line[1]]:
                return Reading(f"SELECT granted{self._other(way, line, holder)}")
            columns |= self.columns.get((line, place), set())
        return Reading("SELECT granted on columns", frozenset(columns)) if columns else None

    def _other(self, way: str, line: Id, holder: Id) -> str:
        """A line of another account that counts for this one is named."""
        return way if line == holder else f" to {self._name(line)}"

    def _line(self, holder: Id, place: Place) -> Id | None:
        """The line for a table that counts: the one of the most specific host."""
        lines = self.tables.get(holder[0], {}).get(place, {})
        hosts = [host for host in lines if covers((holder[0], host), holder)]
        return (holder[0], max(hosts, key=_weight)) if hosts else None

    def held(self, account: Id) -> Iterator[Held]:
        """All lines that let an account read something of the database, also those that a more
        specific one hides."""
        for holder in self.all_active(account):
            known = self.accounts.get(holder)
            if known is not None and known.reads_all:
                yield Held(known.name, "grants" if known.grants_all else "server")
            for pattern in self.patterns:
                if pattern.reads and pattern.covers(holder) and pattern.matches(self.database):
                    yield Held(self._name(pattern.id), "database", pattern.database)
            for line, place, whole in self._lines(holder[0]):
                if covers(line, holder) and (whole or (line, place) in self.columns):
                    yield Held(self._name(line), "table")

    def _lines(self, user: str) -> Iterator[tuple[Id, Place, bool]]:
        """Those of the tables of this database."""
        for place, lines in self.tables.get(user, {}).items():
            if place[0] == self.database:
                for host, whole in lines.items():
                    yield (user, host), place, whole

    def _name(self, holder: Id) -> str:
        known = self.accounts.get(holder)
        return "PUBLIC" if holder == PUBLIC else known.name if known else "@".join(holder)

    def _active(self, account: Id, role: Id | None) -> Iterator[tuple[Id, str]]:
        yield account, ""
        waiting, seen = ([role] if role else []), set[Id]()
        while waiting:
            one = waiting.pop()
            if one not in seen:
                seen.add(one)
                yield one, one[0]
                waiting += self.roles.get(one, ())
        yield PUBLIC, "PUBLIC"

    def all_active(self, account: Id) -> list[Id]:
        """Itself, PUBLIC and every role it can become, with those in them."""
        roles = (None, *self.roles.get(account, ()))
        return list(dict.fromkeys(h for role in roles for h, _ in self._active(account, role)))

    def _by_database(self, holder: Id, database: str) -> Pattern | None:
        """The entry that counts: the most specific that gives any right."""
        for pattern in self.patterns:  # most specific first
            if pattern.covers(holder) and pattern.matches(database) and pattern.any_right:
                return pattern
        return None

    def doors(self, seal: SealName) -> tuple[Door, ...]:
        """The views of the database, by what of it they open."""
        edges = {
            key_of(name): [key_of(table) for base, table in view.reads if base == database]
            for (database, name), view in self.views.items()
            if database == self.database
        }
        return doors(edges, edges, seal)

    def holdings(self, seal: SealName) -> tuple[Holding, ...]:
        """The grants of SELECT on tables and views, and on columns of them."""
        by: dict[tuple[str, str], tuple[set[str], ...]] = {}
        for user in self.tables:
            for line, place, whole in self._lines(user):
                for column in self.columns.get((line, place), set()) | ({""} if whole else set()):
                    which = key_of(place[1]), column
                    by.setdefault(which, (set(), set(), set()))[0].add(self._name(line))
        return held_alike(by, seal)

    def holds(self, place: Place, seen: frozenset[Place] = frozenset()) -> bool:
        """Whether it holds rows, or is a view of something that does."""
        view = self.views.get(place)
        if view is None:
            return True
        return place not in seen and any(self.holds(base, seen | {place}) for base in view.reads)

    def leads(self, place: Place, seen: frozenset[Place] = frozenset()) -> bool:
        """Whether a view reads something of the database, over others too."""
        view = self.views.get(place)
        return view is not None and any(
            base[0] == self.database or (base not in seen and self.leads(base, seen | {place}))
            for base in view.reads
        )

    def executes(self, account: Id) -> bool:
        """Whether it may run every routine of the database, after SET ROLE if need be."""
        for holder in self.all_active(account):
            if holder in self.accounts and self.accounts[holder].executes_all:
                return True
            pattern = self._by_database(holder, self.database)
            if pattern is not None and pattern.executes:
                return True
        return False


def ask(session: Session) -> Rights:
    """Raises ``Unreadable``, with the reason, when the tables of grants may not be read."""
    rights = Rights(session.database)
    for row in _dicts(session, "SELECT * FROM mysql.user"):
        account = _account(row)
        rights.accounts[account.id] = account
    for row in _dicts(session, "SELECT * FROM mysql.db"):
        any_right = any(value == "Y" for name, value in row.items() if name.endswith("_priv"))
        reads, executes = row["select_priv"] == "Y", row["execute_priv"] == "Y"
        id_ = (_text(row["user"]), _text(row["host"]))
        rights.patterns.append(Pattern(id_, _text(row["db"]), reads, executes, any_right))
    rights.patterns.sort(key=lambda pattern: pattern.specific, reverse=True)
    for user, host, database, table, whole in session.rows(
        "SELECT user, host, db, table_name, find_in_set('Select', table_priv) > 0"
        " FROM mysql.tables_priv"
    ):
        lines = rights.tables.setdefault(_text(user), {})
        lines.setdefault((_text(database), _text(table)), {})[_text(host)] = bool(whole)
    for user, host, database, table, column in session.rows(
        "SELECT user, host, db, table_name, column_name FROM mysql.columns_priv"
        " WHERE find_in_set('Select', column_priv) > 0"
    ):
        key = (_text(user), _text(host)), (_text(database), _text(table))
        rights.columns.setdefault(key, set()).add(_text(column))
    _roles(session, rights)
    _views(session, rights)
    return rights


def _account(row: dict[str, Any]) -> Account:
    def has(name: str) -> bool:
        return row.get(f"{name}_priv") == "Y"

    beyond = {
        "FILE: can read files of the server": has("file"),
        "REPLICATION SLAVE: can follow every change": has("repl_slave"),
        "CREATE USER: can make accounts and change passwords": has("create_user"),
        "SUPER": has("super"),
    }
    role = row.get("is_role") == "Y"
    locked = row.get("account_locked") == "Y"
    return Account(
        (_text(row["user"]), _text(row["host"])),
        has("select"),
        has("execute"),
        has("grant"),
        role,
        locked,
        tuple(words for words, true in beyond.items() if true),
    )


def _roles(session: Session, rights: Rights) -> None:
    if session.mariadb:
        query = "SELECT user, host, role, '' FROM mysql.roles_mapping"
    else:
        query = "SELECT to_user, to_host, from_user, from_host FROM mysql.role_edges"
    for user, host, role, role_host in session.rows(query):
        granted, grantee = (_text(role), _text(role_host)), (_text(user), _text(host))
        holders = [grantee]
        if session.mariadb:  # which looks for the user and its host here, too
            holders = [each for each in rights.accounts if covers(grantee, each)] or holders
        for holder in holders:
            rights.roles.setdefault(holder, []).append(granted)


def _views(session: Session, rights: Rights) -> None:
    known = [
        (_text(database), _text(table), _text(kind))
        for database, table, kind in session.rows(
            "SELECT table_schema, table_name, table_type FROM information_schema.tables"
        )
    ]
    every = {(database, table) for database, table, _ in known}
    rights.places = sorted(
        (database, table)
        for database, table, kind in known
        if database == session.database and kind in ("BASE TABLE", "VIEW", "SYSTEM VERSIONED")
    )
    for database, table, definer, security, text in session.rows(
        "SELECT table_schema, table_name, definer, security_type, view_definition"
        " FROM information_schema.views"
    ):
        user, _, host = _text(definer).rpartition("@")
        reads: dict[Place, set[str]] = {}
        for one, two, column in _PAIR.findall(_text(text)):
            place = (one.replace("``", "`"), two.replace("``", "`"))
            if place in every:
                reads.setdefault(place, set())
                if column:
                    reads[place].add(column.replace("``", "`"))
        rights.views[_text(database), _text(table)] = View(
            (user, host),
            _text(security) == "INVOKER",
            {place: frozenset(columns) for place, columns in reads.items()},
        )
    others = (place for place in rights.views if place[0] != session.database)
    rights.places += sorted(place for place in others if rights.leads(place))


def _dicts(session: Session, query: str) -> Iterable[dict[str, Any]]:
    """Rows by the name of their columns, which differ from version to version."""
    table = query.rpartition(".")[2]
    names = [
        _text(name).lower()
        for (name,) in session.rows(
            "SELECT column_name FROM information_schema.columns"
            " WHERE table_schema = 'mysql' AND table_name = %s ORDER BY ordinal_position",
            (table,),
        )
    ]
    return [dict(zip(names, row, strict=True)) for row in session.rows(query)]


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")


def covers(line: Id, holder: Id) -> bool:
    """Whether a line of a table of grants counts for an account. Roles have no host."""
    return line == holder or (
        line[0] == holder[0] and holder[1] != "" and _like(line[1], holder[1])
    )


def _like(pattern: str, text: str) -> bool:
    r"""As LIKE: ``%`` and ``_``, with ``\`` before one that means itself."""
    out = []
    for escaped, char in re.findall(r"\\(.)|(.)", pattern, re.DOTALL):
        out.append(
            re.escape(escaped) if escaped else {"%": ".*", "_": "."}.get(char, re.escape(char))
        )
    return re.fullmatch("".join(out), text, re.DOTALL) is not None


def _weight(pattern: str) -> int:
    """Letters before the first wildcard; a name without any is the most specific."""
    plain = re.sub(r"\\(.)", "x", pattern)
    found = re.search("[%_]", plain)
    return 1000 if found is None else found.start()
