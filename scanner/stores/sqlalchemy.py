"""Any database that SQLAlchemy has a dialect for: ``dialect+driver://user@host/database``.

Each table and materialised view is a unit, of all schemas but those of the system. What only one
kind of server has (grants, query texts, statistics) is not asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from scanner import sqlnames
from scanner.contracts import Ignore, Records, SealName
from scanner.errors import Reason, Unreadable
from scanner.model import Access, Fact, Outcome, Status, Store, Tri, Unit
from scanner.stores import sql_options, sqlalchemy_sizes, sqlalchemy_target
from scanner.stores.sqlalchemy_session import Session
from scanner.stores.sqlalchemy_table import Table, TableReader, span

if TYPE_CHECKING:
    import sqlalchemy as sa

_SYSTEM: Mapping[str, frozenset[str]] = {
    "mssql": frozenset(("sys", "information_schema", "guest")),
    "oracle": frozenset(
        (
            *("sys", "system", "outln", "dbsnmp", "xdb", "ctxsys", "mdsys", "ordsys", "wmsys"),
            *("audsys", "gsmadmin_internal", "lbacsys", "dvsys", "ojvmsys", "olapsys", "appqossys"),
        )
    ),
    "mysql": frozenset(("mysql", "sys", "performance_schema", "information_schema")),
    "mariadb": frozenset(("mysql", "sys", "performance_schema", "information_schema")),
    "firebird": frozenset(),
    # some of its tables have no end (system.numbers)
    "clickhouse": frozenset(("system",)),
    "clickhousedb": frozenset(("system",)),
    "chdb": frozenset(("system",)),
    "cockroachdb": frozenset(("crdb_internal", "pg_extension")),
    "ibm_db_sa": frozenset(
        (
            *("sysibm", "syscat", "sysstat", "sysfun", "sysproc", "sysibmadm", "systools"),
            *("syspublic", "sysibminternal", "sysibmts", "nullid", "sqlj"),
        )
    ),
    "hana": frozenset(("sys", "system", "_sys_statistics", "_sys_repo", "_sys_bi", "_sys_bic")),
    "vertica": frozenset(("v_catalog", "v_monitor", "v_internal", "v_func")),
    "exa": frozenset(("sys", "exa_statistics")),
    "teradatasql": frozenset(("dbc", "sysudtlib", "syslib", "td_sysfnlib", "sys_calendar")),
}
_ALWAYS = frozenset(("information_schema", "pg_catalog"))


class SqlAlchemy:
    kind = "sqlalchemy"
    options: Mapping[str, type] = sqlalchemy_target.OPTIONS

    def claims(self, target: str) -> bool:
        return sqlalchemy_target.claims(target)

    def resolve(self, target: str, options: Mapping[str, Any]) -> Store:
        parsed, own = sqlalchemy_target.parse(target)
        together = {**own, **options}
        sqlalchemy_target.check(parsed.uri, together)
        return Store(uri=parsed.uri, kind=self.kind, options=together)

    def connect(self, store: Store, seal_name: SealName) -> OpenSqlAlchemy:
        return OpenSqlAlchemy(store, Session(store.uri, store.options), seal_name)


STORE = SqlAlchemy()


class OpenSqlAlchemy:
    """``Unit.key`` is the name of the table, with its schema unless that is the usual one."""

    def __init__(self, store: Store, session: Session, seal_name: SealName) -> None:
        self._store, self._session, self._seal_name = store, session, seal_name
        self._places: dict[str, tuple[str | None, str]] = {}
        self._tables: dict[str, Table] = {}

    def units(self, ignore: Ignore) -> Iterator[Unit | Outcome]:
        self._session.connect()
        usual, schemas = self._schemas()
        for schema in schemas:
            own = None if schema == usual else schema
            try:
                names = self._session.ask(partial(_names, schema=own))
                sizes = sqlalchemy_sizes.sizes(self._session, schema)
            except Unreadable as problem:
                yield self._outcome(f"{sqlnames.key(None, schema or '')}.*", problem)
                continue
            for name in names:
                key = sqlnames.key(own, name)
                self._places[key] = (own, name)
                if not ignore(key, False):
                    yield self._unit(key, sizes.get(name))

    def _schemas(self) -> tuple[str | None, list[str | None]]:
        """The usual one, and all to be read."""
        dialect = self._session.dialect
        usual, found = self._session.ask(_schemas)
        chosen = self._store.options.get("schemas")
        if chosen:
            return usual, list(chosen)
        if dialect in ("mysql", "mariadb"):  # there a schema is a database, and a store is one
            return usual, [usual]
        system = _SYSTEM.get(dialect, frozenset()) | _ALWAYS
        kept = [
            s
            for s in found
            if s.lower() not in system and not s.startswith(("pg_toast", "pg_temp"))
        ]
        return usual, sorted(kept, key=lambda s: (s != usual, s)) or [usual]

    def _unit(self, key: str, size: int | None) -> Unit | Outcome:
        """Its version holds the bounds of its key, so that every slice is cut alike. Whether the
        rows changed no dialect tells in common."""
        version = None
        try:
            table = self._table(key)
            if table.whole and size:
                bounds = span(self._session, table)
                version = None if bounds is None else f"@{bounds[0]}:{bounds[1]}"
        except Unreadable as problem:
            return self._outcome(key, problem)
        return Unit(self._store.uri, key, self._seal_name(key), size, version)

    def _outcome(self, key: str, problem: Unreadable) -> Outcome:
        status = Status.SKIPPED if problem.reason.skips else Status.FAILED
        name = self._seal_name(key)
        return Outcome(self._store.uri, name, status, problem.reason, problem.detail)

    def open(self, unit: Unit) -> Records:
        table = self._table(unit.key)
        bounds = None
        if unit.version:
            low, _, high = unit.version.removeprefix("@").partition(":")
            bounds = (int(low), int(high))
        reader = TableReader(self._session, table, unit.size, bounds)
        return Records(reader.chunks, reader.sliceable)

    def _table(self, key: str) -> Table:
        """Raises ``Unreadable``."""
        if key not in self._tables:
            place = self._places.get(key) or self._found(key)
            table = self._session.ask(partial(_look, place=place, dialect=self._session.dialect))
            if not table.columns:
                raise Unreadable(Reason.VANISHED, "the table was listed, and is gone")
            self._tables[key] = table
        return self._tables[key]

    def _found(self, key: str) -> tuple[str | None, str]:
        """For a worker that has not listed: its schema and name. Raises ``Unreadable``."""
        usual, schemas = self._schemas()
        for schema in schemas:
            own = None if schema == usual else schema
            prefix = sqlnames.key(own, "x")[:-1]
            if not key.startswith(prefix):
                continue
            for name in self._session.ask(partial(_names, schema=own)):
                self._places[sqlnames.key(own, name)] = (own, name)
            if key in self._places:
                return self._places[key]
        raise Unreadable(Reason.VANISHED, "the table was listed, and is gone")

    def facts(self) -> tuple[Fact, ...]:
        """What a dialect does not tell in common is unknown, and says so."""
        dialect = self._session.target.dialect
        why = f"not asked of {dialect}: no query for it is common to all dialects"
        unknown = ("public-access", "default-encryption", "versioning", "access-logging")
        return (
            *(Fact(control, Tri.UNKNOWN, why) for control in unknown),
            self._tls(),
            self._reads(),
        )

    def _tls(self) -> Fact:
        if sql_options.is_local(self._session.target.host):
            return Fact("scanned-over-tls", Tri.UNKNOWN, "the server is on this machine")
        detail = "up to the driver and connect_args: SQLAlchemy does not tell"
        return Fact("scanned-over-tls", Tri.UNKNOWN, detail)

    def _reads(self) -> Fact:
        try:
            manners = self._session.manners
        except Unreadable as problem:
            return Fact("read-only-session", Tri.UNKNOWN, problem.detail or str(problem.reason))
        if manners.read_only:
            return Fact(
                "read-only-session", Tri.YES, "the server was told to let nothing be written"
            )
        detail = "the dialect has no such session that is known here; only SELECT was sent"
        return Fact("read-only-session", Tri.UNKNOWN, detail)

    def access(self) -> Access:
        """Who could read is not known: grants are told differently by every dialect."""
        return Access()

    def close(self) -> None:
        self._session.close()


def _schemas(connection: sa.Connection) -> tuple[str | None, list[str]]:
    import sqlalchemy as sa

    inspector = sa.inspect(connection)
    try:
        found = inspector.get_schema_names()
    except NotImplementedError:  # a database without schemas
        found = []
    return inspector.default_schema_name, found


def _names(connection: sa.Connection, schema: str | None) -> list[str]:
    import sqlalchemy as sa

    inspector = sa.inspect(connection)
    names = set(inspector.get_table_names(schema))
    with suppress(NotImplementedError):
        names |= set(inspector.get_materialized_view_names(schema))
    return sorted(names)


def _look(connection: sa.Connection, place: tuple[str | None, str], dialect: str) -> Table:
    import sqlalchemy as sa

    try:
        return Table.look(sa.inspect(connection), *place, dialect)
    except sa.exc.NoSuchTableError:
        raise Unreadable(Reason.VANISHED, "the table was listed, and is gone") from None
