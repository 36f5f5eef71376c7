"""What is in a PostgreSQL database, asked of its catalogue without taking a lock on any table.

Key of a relation: ``schema.table``, and ``table`` alone in ``public``; a part that holds a dot or a
quote, or begins with a parenthesis as the places of ``postgres_places`` do, is quoted as in SQL.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from detectors.records import dataclass
from scanner.errors import Unreadable
from scanner.stores.postgres_session import LOCKED, Session

_PART = re.compile(r'"((?:[^"]|"")*)"|([^."]+)', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, partition, materialised view or foreign table, as this role sees it."""

    oid: int
    schema: str
    name: str
    kind: str
    """of ``pg_class.relkind``: r, m, f"""
    heap: bool
    """stored as a heap, which can be read by block"""
    file: int
    """changes when the table is written anew (TRUNCATE, VACUUM FULL, REFRESH)"""
    written: str
    """counters of rows inserted, updated, deleted; zeroed by a crash of the server"""
    usage: bool
    table: bool
    columns: bool
    filtered: bool
    """row-level security leaves rows out for this role"""
    partition: bool
    server: str | None
    """of a foreign table"""
    rows: int | None
    """as the server guesses"""
    moved: int | None
    """rows so far that an update put on another page, where a reading by block can miss them;
    before PostgreSQL 16 those that an update may have put there"""

    @property
    def key(self) -> str:
        return spell(self.schema, self.name)

    @property
    def sql(self) -> str:
        return f"{quote(self.schema)}.{quote(self.name)}"

    @property
    def readable(self) -> bool:
        return self.usage and (self.table or self.columns)


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    kind: str
    """name of its type, of the base type for a domain"""
    wide: bool
    """of variable length: may hold megabytes"""
    sized: bool
    """its length can be asked without unpacking it"""
    key: int | None
    """its place in the primary key, from 1"""

    @property
    def text(self) -> bool:
        return self.kind in ("text", "varchar")

    @property
    def whole(self) -> bool:
        return self.kind in ("int2", "int4", "int8")


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def spell(schema: str, name: str) -> str:
    return _spelt(name) if schema == "public" else f"{_spelt(schema)}.{_spelt(name)}"


def _spelt(part: str) -> str:
    return quote(part) if "." in part or '"' in part or part.startswith("(") else part


def parts_of(key: str) -> tuple[str, str]:
    """Schema and name of a key."""
    found = [quoted.replace('""', '"') or plain for quoted, plain in _PART.findall(key)]
    return (found[0], found[1]) if len(found) == 2 else ("public", found[0])


_RELATIONS = """
SELECT c.oid::bigint, n.nspname::text, c.relname::text, c.relkind::text,
       coalesce(a.amname = 'heap', false), c.relfilenode::bigint,
       concat_ws('-', pg_stat_get_tuples_inserted(c.oid), pg_stat_get_tuples_updated(c.oid),
                 pg_stat_get_tuples_deleted(c.oid)),
       has_schema_privilege(n.oid, 'USAGE'), has_table_privilege(c.oid, 'SELECT'),
       has_any_column_privilege(c.oid, 'SELECT'), row_security_active(c.oid), c.relispartition,
       s.srvname::text,
       CASE WHEN c.reltuples >= 0 AND c.relpages > 0 THEN c.reltuples::bigint END,
       {moved}
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_am a ON a.oid = c.relam
LEFT JOIN pg_foreign_table f ON f.ftrelid = c.oid
LEFT JOIN pg_foreign_server s ON s.oid = f.ftserver
WHERE c.relkind IN ('r', 'm', 'f')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  AND NOT pg_is_other_temp_schema(n.oid) AND n.oid <> pg_my_temp_schema()
"""
# text comes as bytes in binary only; these rows are asked for as text
_MOVED = "pg_stat_get_tuples_newpage_updated(c.oid)"
_MOVED_BEFORE_16 = "pg_stat_get_tuples_updated(c.oid) - pg_stat_get_tuples_hot_updated(c.oid)"
_BY_NAME = ' ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"'


def relations(session: Session) -> list[Relation]:
    """All of the database, in a stable order. Raises ``Unreadable``."""
    return _found(session, _BY_NAME)


def relation(session: Session, key: str) -> Relation | None:
    found = _found(session, " AND n.nspname = %s AND c.relname = %s", parts_of(key))
    return found[0] if found else None


def _found(session: Session, end: str, values: Sequence[str] = ()) -> list[Relation]:
    query = _RELATIONS.replace("{moved}", _moved(session)) + end
    return [Relation(*row) for row in session.rows(query, values)]


def _moved(session: Session) -> str:
    """By the version of the server, which is known once there was a connection."""
    return _MOVED if session.version >= 160000 else _MOVED_BEFORE_16


def state(session: Session, key: str) -> tuple[int, int, int | None] | None:
    """``oid``, ``file`` and ``moved`` as they are now: to plan the whole question takes the server
    four times as long, and it is asked behind every slice."""
    found = session.rows(
        f"SELECT c.oid::bigint, c.relfilenode::bigint, {_moved(session)} FROM pg_class c"  # noqa: S608 - an expression of ours
        " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s",
        parts_of(key),
    )
    return found[0] if found else None


def block_size(session: Session) -> int:
    ((size,),) = session.rows("SELECT current_setting('block_size')::int")
    return int(size)


def sizes(session: Session, oids: Sequence[int]) -> dict[int, int]:
    """Bytes of the main fork. Asking takes a lock for a moment; a table that somebody else has
    locked, or that is gone, is left out."""
    query = "SELECT o::bigint, pg_relation_size(o::oid) FROM unnest(%s::bigint[]) o"
    found: dict[int, int] = {}
    try:
        for start in range(0, len(oids), 500):
            rows = session.rows(query, (list(oids[start : start + 500]),))
            found.update((oid, size) for oid, size in rows if size is not None)
        return found
    except Unreadable as error:
        if error.reason is not LOCKED:
            raise
    locked = {
        oid
        for (oid,) in session.rows(
            "SELECT relation::bigint FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted"
            " AND relation IS NOT NULL AND pid <> pg_backend_pid()"
        )
    }
    for oid in oids:
        if oid in locked or oid in found:
            continue
        try:
            found.update((o, size) for o, size in session.rows(query, ([oid],)) if size is not None)
        except Unreadable as error:
            if error.reason is not LOCKED:
                raise
    return found


_COLUMNS = """
SELECT a.attname::text, coalesce(b.typname, t.typname)::text,
       t.typlen = -1, coalesce(b.oid, t.oid) IN (17, 25, 1042, 1043),
       (SELECT k.place FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k (attnum, place)
        WHERE i.indrelid = a.attrelid AND i.indisprimary AND k.attnum = a.attnum
          AND k.place <= i.indnkeyatts),
       has_column_privilege(a.attrelid, a.attnum, 'SELECT')
FROM pg_attribute a
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_type b ON t.typtype = 'd' AND b.oid = t.typbasetype
WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""


def columns(session: Session, oid: int) -> tuple[list[Column], int]:
    """Those this role may read, and how many more there are. A primary key of which it may not
    read all is none."""
    rows = session.rows(_COLUMNS, (oid,))
    mine = [Column(*row[:5]) for row in rows if row[5]]
    if any(row[4] is not None and not row[5] for row in rows):
        mine = [replace(column, key=None) for column in mine]
    return mine, len(rows) - len(mine)


def unpacked(session: Session, oid: int) -> int:
    """Bytes of what is stored beside the table because it is large (TOAST)."""
    query = (
        "SELECT coalesce(pg_relation_size(nullif(reltoastrelid, 0)), 0)"
        " FROM pg_class WHERE oid = %s"
    )
    found = session.rows(query, (oid,))
    return int(found[0][0]) if found else 0
