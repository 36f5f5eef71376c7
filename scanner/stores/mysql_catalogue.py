"""What is in a MySQL or MariaDB database, by ``information_schema``, which shows an account only
what it has some right to."""

from __future__ import annotations

from collections.abc import Sequence

from detectors.records import dataclass
from scanner.errors import Unreadable
from scanner.stores.mysql_session import Session

_ELSEWHERE = frozenset(("FEDERATED", "SPIDER", "CONNECT", "S3"))
_TEXT = frozenset(("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "json"))
_TEXT |= {"enum", "set"}
_BINARY = frozenset(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "vector"))
_SHAPES = frozenset(("geometry", "point", "linestring", "polygon", "multipoint", "multilinestring"))
_SHAPES |= {"multipolygon", "geometrycollection", "geomcollection"}
_WHOLE = frozenset(("tinyint", "smallint", "mediumint", "int", "bigint"))
_ORDERED = _WHOLE | {"decimal", "date", "datetime", "char", "varchar", "binary", "varbinary"}
"""types whose values come back as they went out, so that reading can go on after one"""
_LARGE = frozenset(("mediumtext", "longtext", "mediumblob", "longblob", "json"))


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    engine: str
    size: int | None
    rows: int | None
    """as the server guesses"""
    state: str
    """changes when the table is made anew or written, as far as the server tells"""
    versioned: bool
    """keeps the rows that were deleted and changed (system versioning)"""

    @property
    def elsewhere(self) -> bool:
        return self.engine.upper() in _ELSEWHERE


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    kind: str
    readable: bool
    charset: str = ""
    nullable: bool = True
    padded: bool = False
    """shown with zeros in front, which would hide a number"""
    key: bool = False
    """of the primary key"""

    @property
    def foreign(self) -> bool:
        """Text that is not UTF-8 as it lies there."""
        return self.text and self.charset not in ("utf8mb4", "utf8mb3", "utf8", "ascii")

    @property
    def text(self) -> bool:
        return self.kind in _TEXT

    @property
    def binary(self) -> bool:
        return self.kind in _BINARY

    @property
    def shape(self) -> bool:
        """Geometry, whose numbers lie in it as doubles."""
        return self.kind in _SHAPES

    @property
    def whole(self) -> bool:
        return self.kind in _WHOLE

    @property
    def ordered(self) -> bool:
        return self.kind in _ORDERED

    @property
    def large(self) -> bool:
        return self.kind in _LARGE


def quote(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def key_of(table: str) -> str:
    """The name; in quotes where it begins as the names of places that are no table do."""
    return quote(table) if table.startswith(("(", "`")) else table


def table_of(key: str) -> str:
    return key[1:-1].replace("``", "`") if key.startswith("`") else key


_TABLES = """
SELECT table_name, coalesce(engine, ''), data_length, table_rows,
       concat_ws('-', unix_timestamp(create_time), unix_timestamp(update_time), data_length,
                 auto_increment),
       table_type = 'SYSTEM VERSIONED'
FROM information_schema.tables
WHERE table_schema = %s AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')
"""


def tables(session: Session, name: str | None = None) -> list[Table]:
    """All of the database in a stable order, or the one of that name. Raises ``Unreadable``."""
    values: list[str] = [session.database]
    query = _TABLES
    if name is not None:
        query += " AND table_name = %s"
        values.append(name)
    found = session.rows(query + " ORDER BY BINARY table_name", values)
    numbers = _numbers(session)
    return [
        Table(name, engine, size, rows, f"{numbers.get(name, '')}-{state or ''}", bool(versioned))
        for name, engine, size, rows, state, versioned in found
    ]


def _numbers(session: Session) -> dict[str, int]:
    """The number InnoDB gave each table, which a table made anew does not keep. Needs the PROCESS
    privilege; without it the times alone tell."""
    view = "innodb_sys_tables" if session.mariadb else "innodb_tables"
    try:
        rows = session.rows(f"SELECT name, table_id FROM information_schema.{view}")  # noqa: S608 - one of two
    except Unreadable:
        return {}
    prefix = f"{_in_files(session.database)}/"
    found = {name.removeprefix(prefix): int(n) for name, n in rows if name.startswith(prefix)}
    return {_from_files(name): number for name, number in found.items()}


def _in_files(name: str) -> str:
    """As InnoDB spells names: what is no ASCII letter, digit or underscore as ``@0041``."""
    return "".join(
        c if c.isascii() and (c.isalnum() or c == "_") else f"@{ord(c):04x}" for c in name
    )


def _from_files(name: str) -> str:
    pieces = name.split("#", 1)[0].split("@")
    try:
        return pieces[0] + "".join(chr(int(piece[:4], 16)) + piece[4:] for piece in pieces[1:])
    except ValueError:
        return name


def columns(session: Session, table: str) -> tuple[list[Column], list[str]]:
    """All columns, and the names of those of the primary key in its order."""
    found = session.rows(
        "SELECT column_name, lower(data_type),"
        " find_in_set('select', lower(privileges)) > 0, coalesce(character_set_name, ''),"
        " is_nullable <> 'NO', column_type LIKE '%%zerofill%%'"
        " FROM information_schema.columns WHERE table_schema = %s AND table_name = %s"
        " ORDER BY ordinal_position",
        (session.database, table),
    )
    key = session.rows(
        "SELECT column_name FROM information_schema.statistics"
        " WHERE table_schema = %s AND table_name = %s AND index_name = 'PRIMARY'"
        " AND sub_part IS NULL ORDER BY seq_in_index",
        (session.database, table),
    )
    names = [name for (name,) in key]
    return [
        Column(name, kind, bool(readable), charset, bool(null), bool(padded), name in names)
        for name, kind, readable, charset, null, padded in found
    ], names


def bounds(session: Session, table: Table, key: str) -> tuple[int, int] | None:
    """The lowest and highest value of a key of whole numbers; None for an empty table."""
    name = quote(key)
    query = f"SELECT min({name}), max({name}) FROM {source(session, table)}"  # noqa: S608 - names are quoted
    ((low, high),) = session.rows(query)
    return None if low is None else (int(low), int(high))


def source(session: Session, table: Table) -> str:
    """SQL for all rows there are, those of the past as well."""
    past = " FOR SYSTEM_TIME ALL" if table.versioned else ""
    return f"{quote(session.database)}.{quote(table.name)}{past}"


def whole_key(found: Sequence[Column], key: Sequence[str]) -> str | None:
    """The primary key where it is one column of whole numbers."""
    kinds = {column.name: column for column in found}
    if len(key) == 1 and key[0] in kinds and kinds[key[0]].whole and kinds[key[0]].readable:
        return key[0]
    return None
