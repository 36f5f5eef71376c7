"""A MySQL or MariaDB database as a store: ``mysql://user@host:port/database``.

Each table is a unit; what is no table and holds text all the same is one with its name in
parentheses, see ``mysql_places``. Tables whose rows lie on another server are named, not followed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from scanner.audits import Audits
from scanner.contracts import Ignore, Keyed, Records, SealName
from scanner.counters import Snapshot
from scanner.errors import Reason, Unreadable
from scanner.model import Access, Fact, Outcome, Problem, Status, Store, Unit
from scanner.stores import mysql_audits, mysql_counters, mysql_facts, mysql_grants, mysql_target
from scanner.stores import mysql_catalogue as catalogue
from scanner.stores import mysql_places as places
from scanner.stores.mysql_catalogue import Table
from scanner.stores.mysql_session import Session
from scanner.stores.mysql_table import TableReader
from scanner.stores.sql_facts import Protection


class Mysql:
    kind = "mysql"
    samples = True
    options: Mapping[str, type] = mysql_target.OPTIONS

    def claims(self, target: str) -> bool:
        return target.startswith(mysql_target.SCHEMES)

    def resolve(self, target: str, options: Mapping[str, Any]) -> Store:
        parsed, own = mysql_target.parse(target)
        together = {**own, **options}
        mysql_target.check(parsed.uri, together)
        return Store(uri=parsed.uri, kind=self.kind, options=together)

    def connect(self, store: Store, seal_name: SealName) -> OpenMysql:
        return OpenMysql(store, Session(store.uri, store.options), seal_name)


STORE = Mysql()


class OpenMysql:
    """``Unit.key`` is a key of ``mysql_catalogue`` or of ``mysql_places``."""

    def __init__(self, store: Store, session: Session, seal_name: SealName) -> None:
        self._store, self._session, self._seal_name = store, session, seal_name
        self._protection = Protection(
            partial(mysql_grants.access, session, seal_name),
            partial(mysql_facts.facts, session, seal=seal_name),
        )

    # --- what there is

    def units(self, ignore: Ignore) -> Iterator[Unit | Outcome]:
        self._session.connect()
        for table in catalogue.tables(self._session):
            key = catalogue.key_of(table.name)
            if not ignore(key, False):
                yield self._unit(table, key)
        for place in places.present(self._session):
            if not ignore(place.key, False):
                yield Unit(self._store.uri, place.key, self._seal_name(place.key))

    def _unit(self, table: Table, key: str) -> Unit | Outcome:
        name = self._seal_name(key)
        if table.elsewhere:
            detail = f"a table of the engine {table.engine}: named, not followed"
            return Outcome(self._store.uri, name, Status.SKIPPED, Reason.FOREIGN, detail)
        try:
            span = self._span(table)
        except Unreadable as fault:
            status = Status.SKIPPED if fault.reason.skips else Status.FAILED
            return Outcome(self._store.uri, name, status, fault.reason, fault.detail)
        version = _version(table, span)
        sliceable = bool(span and table.size)
        return Unit(self._store.uri, key, name, table.size, version, sliceable, table.rows)

    def _span(self, table: Table) -> tuple[int, int] | None:
        found, key = catalogue.columns(self._session, table.name)
        if found and not any(column.readable for column in found):
            raise Unreadable(Reason.ACCESS_DENIED, "the account may not read it")
        whole = catalogue.whole_key(found, key)
        return None if whole is None else catalogue.bounds(self._session, table, whole)

    # --- one of them

    def open(self, unit: Unit) -> Records:
        place = places.BY_KEY.get(unit.key)
        if place is not None:
            return Records(partial(places.chunks, self._session, place))
        found = catalogue.tables(self._session, catalogue.table_of(unit.key))
        if not found:
            raise Unreadable(Reason.VANISHED, "the table was listed, and is gone")
        table = found[0]
        reader = TableReader(self._session, table, unit.size, _span_in(unit.version))
        check = partial(self._changed, table)
        return Records(reader.chunks, reader.sliceable, check, reader.sample)

    def _changed(self, before: Table) -> Problem | None:
        """Rows are read in the order of a key that does not move with them; what matters is
        whether it is still the same table."""
        after = catalogue.tables(self._session, before.name)
        if not after:
            return Problem(Reason.VANISHED, "the table was dropped while it was read")
        if after[0].state.split("-")[:2] != before.state.split("-")[:2]:
            return Problem(Reason.CHANGED, "the table was made anew while it was read")
        return None

    # --- the row with a key

    rows_stay = "as long as no row in front of it comes or goes"

    def keyed(self, unit: str) -> Iterator[Keyed]:
        """See ``contracts.FindsRows``."""
        for table in catalogue.tables(self._session):
            if self._seal_name(catalogue.key_of(table.name)) == unit:
                yield from TableReader(self._session, table, table.size, None).keyed()
                return
        raise Unreadable(Reason.NOT_FOUND, "there is no such table")

    def audits(self) -> Audits:
        """See ``audits.Audited``."""
        return mysql_audits.audits(self._session, self._seal_name)

    # --- what the server counts of reads

    def counters(self, *, alone: bool) -> Snapshot:
        """See ``counters.Counting``. A statement is counted when it ends."""
        self._session.connect()
        return mysql_counters.snapshot(self._session, self._seal_name)

    # --- what protects it, who could read it

    def role(self) -> Fact:
        """See ``contracts.KnowsItsRole``."""
        self._session.connect()
        return mysql_facts.role(self._session, self._seal_name)

    def facts(self) -> tuple[Fact, ...]:
        return self._protection.facts

    def access(self) -> Access:
        return self._protection.access

    def close(self) -> None:
        self._session.close()


def _version(table: Table, span: tuple[int, int] | None) -> str:
    keys = f"@{span[0]}:{span[1]}" if span else ""
    return f"{table.state}{keys}"


def _span_in(version: str | None) -> tuple[int, int] | None:
    keys = (version or "").rpartition("@")[2] if "@" in (version or "") else ""
    low, _, high = keys.partition(":")
    return (int(low), int(high)) if high else None
