"""A PostgreSQL database as a store: ``postgresql://user@host:port/database``.

Each table, partition and materialised view is a unit; what is no table and holds text all the same
(function bodies, comments, statistics, query texts) is one with its name in parentheses, see
``postgres_places``. Foreign tables are named and not followed, views hold nothing.
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
from scanner.stores import (
    postgres_audits,
    postgres_counters,
    postgres_facts,
    postgres_grants,
    postgres_target,
)
from scanner.stores import postgres_catalogue as catalogue
from scanner.stores import postgres_places as places
from scanner.stores.postgres_catalogue import Relation
from scanner.stores.postgres_session import Session
from scanner.stores.postgres_table import TableReader, sliceable
from scanner.stores.sql_facts import Protection
from scanner.text import plural


class Postgres:
    kind = "postgresql"
    samples = True
    options: Mapping[str, type] = postgres_target.OPTIONS

    def claims(self, target: str) -> bool:
        return target.startswith(postgres_target.SCHEMES)

    def resolve(self, target: str, options: Mapping[str, Any]) -> Store:
        parsed, own = postgres_target.parse(target)
        together = {**own, **options}
        postgres_target.check(parsed.uri, together)
        return Store(uri=parsed.uri, kind=self.kind, options=together)

    def connect(self, store: Store, seal_name: SealName) -> OpenPostgres:
        return OpenPostgres(store, Session(store.uri, store.options), seal_name)


STORE = Postgres()


class OpenPostgres:
    """``Unit.key`` is a key of ``postgres_catalogue`` or of ``postgres_places``."""

    def __init__(self, store: Store, session: Session, seal_name: SealName) -> None:
        self._store, self._session, self._seal_name = store, session, seal_name
        self._protection = Protection(
            partial(postgres_grants.access, session, seal_name),
            partial(postgres_facts.facts, session, seal=seal_name),
        )
        self._steps: dict[int, int] = {}
        self._block = 0

    # --- what there is

    def units(self, ignore: Ignore) -> Iterator[Unit | Outcome]:
        self._session.connect()
        found = [
            relation
            for relation in catalogue.relations(self._session)
            if not ignore(relation.key, False)
        ]
        readable = [relation.oid for relation in found if _why_not(relation) is None]
        sizes = catalogue.sizes(self._session, readable)
        for relation in found:
            yield self._unit(relation, sizes.get(relation.oid))
        chosen = bool(self._store.options.get("large_objects"))
        for place in places.present(self._session, chosen):
            if not ignore(place.key, False):
                yield Unit(self._store.uri, place.key, self._seal_name(place.key))

    def _unit(self, relation: Relation, size: int | None) -> Unit | Outcome:
        name = self._seal_name(relation.key)
        why_not = _why_not(relation)
        if why_not is None:
            known = size if relation.heap else None
            by_block = known is not None and sliceable(self._session, relation)
            version = _version(relation)
            rows = relation.rows
            return Unit(self._store.uri, relation.key, name, known, version, by_block, rows)
        reason, detail = why_not
        status = Status.SKIPPED if reason.skips else Status.FAILED
        return Outcome(self._store.uri, name, status, reason, self._seal_name(detail))

    # --- one of them

    def open(self, unit: Unit) -> Records:
        place = places.BY_KEY.get(unit.key)
        if place is not None:
            return Records(partial(places.chunks, self._session, place))
        block = self._block or catalogue.block_size(self._session)
        self._block = block
        relation = catalogue.relation(self._session, unit.key)
        if relation is None:
            raise Unreadable(Reason.VANISHED, "the table was listed, and is gone")
        reader = TableReader(self._session, relation, unit.size, block, self._steps)
        check = partial(self._changed, relation)
        return Records(reader.chunks, reader.sliceable, check, reader.sample)

    def _changed(self, before: Relation) -> Problem | None:
        """Rows are read where they lie: an update that puts one on a page which was read before
        takes it from a page which was not."""
        after = catalogue.state(self._session, before.key)
        if after is None or after[0] != before.oid:
            return Problem(Reason.VANISHED, "the table was dropped while it was read")
        _, file, moved = after
        if file != before.file:
            return Problem(Reason.CHANGED, "the table was written anew while it was read")
        if before.moved is not None and moved is not None and moved > before.moved:
            detail = (
                f"{plural(moved - before.moved, 'row')} moved within the table while it was read"
            )
            return Problem(Reason.CHANGED, detail)
        return None

    # --- the row with a key

    rows_stay = "until the row is changed or its table written anew (VACUUM FULL, CLUSTER)"

    def keyed(self, unit: str) -> Iterator[Keyed]:
        """See ``contracts.FindsRows``."""
        for relation in catalogue.relations(self._session):
            if self._seal_name(relation.key) == unit:
                size = catalogue.sizes(self._session, [relation.oid]).get(relation.oid)
                block = catalogue.block_size(self._session)
                yield from TableReader(self._session, relation, size, block).keyed()
                return
        raise Unreadable(Reason.NOT_FOUND, "there is no such table")

    def audits(self) -> Audits:
        """See ``audits.Audited``."""
        return postgres_audits.audits(self._session, self._seal_name)

    # --- what the server counts of reads

    def counters(self, *, alone: bool) -> Snapshot:
        """See ``counters.Counting``."""
        self._session.connect()
        return postgres_counters.snapshot(self._session, self._seal_name, alone=alone)

    # --- what protects it, who could read it

    def role(self) -> Fact:
        """See ``contracts.KnowsItsRole``."""
        self._session.connect()
        return postgres_facts.role(self._session, self._seal_name)

    def facts(self) -> tuple[Fact, ...]:
        return self._protection.facts

    def access(self) -> Access:
        return self._protection.access

    def close(self) -> None:
        self._session.close()


def _version(relation: Relation) -> str:
    return f"{relation.file}-{relation.written}"


def _why_not(relation: Relation) -> tuple[Reason, str] | None:
    """Why a relation is no unit to be read, in words."""
    if relation.kind == "f":
        detail = f"a foreign table of server {relation.server}: named, not followed"
        return Reason.FOREIGN, detail
    if not relation.usage:
        return Reason.ACCESS_DENIED, "the role may not use the schema"
    if not relation.readable:
        return Reason.ACCESS_DENIED, "the role may not read it"
    return None
