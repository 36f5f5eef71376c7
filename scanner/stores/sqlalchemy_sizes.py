"""How many bytes each table has, of the dialects that tell: large tables can then be cut."""

from __future__ import annotations

from collections.abc import Mapping

from scanner.errors import Unreadable
from scanner.stores.sqlalchemy_session import Session

_QUERIES: Mapping[str, str] = {
    "postgresql": (
        "SELECT c.relname, pg_table_size(c.oid) FROM pg_class c JOIN pg_namespace n"
        " ON n.oid = c.relnamespace WHERE n.nspname = :schema AND c.relkind IN ('r', 'm', 'p')"
    ),
    "mysql": (
        "SELECT table_name, data_length FROM information_schema.tables WHERE table_schema = :schema"
    ),
    "mssql": (
        "SELECT t.name, SUM(a.used_pages) * 8192 FROM sys.tables t"
        " JOIN sys.partitions p ON p.object_id = t.object_id"
        " JOIN sys.allocation_units a ON a.container_id = p.partition_id"
        " WHERE SCHEMA_NAME(t.schema_id) = :schema AND p.index_id IN (0, 1) GROUP BY t.name"
    ),
    "snowflake": (
        "SELECT table_name, bytes FROM information_schema.tables"
        " WHERE table_schema = UPPER(:schema)"
    ),
}
_ALIASES = {"mariadb": "mysql"}


def sizes(session: Session, schema: str | None) -> dict[str, int]:
    """By name; empty where the dialect is not known or the role may not ask."""
    import sqlalchemy as sa

    dialect = _ALIASES.get(session.dialect, session.dialect)
    if dialect not in _QUERIES or schema is None:
        return {}
    query = sa.text(_QUERIES[dialect]).bindparams(schema=schema)
    try:
        rows = session.ask(lambda connection: list(connection.execute(query).all()))
    except Unreadable:
        return {}
    return {str(name): int(size) for name, size in rows if size}
