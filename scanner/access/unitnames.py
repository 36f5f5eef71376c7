"""Relations as the stores of databases spell their units."""

from __future__ import annotations

from collections.abc import Sequence


def postgres(parts: Sequence[str]) -> str:
    """``("public", "T")`` as ``T``, ``("My Schema", "a.b")`` as ``My Schema."a.b"``."""
    named = list(parts[-2:])  # a database in front can only be the one at hand
    if len(named) == 2 and named[0] == "public":
        del named[0]
    return ".".join(_spelt(part) for part in named)


def _spelt(part: str) -> str:
    if "." in part or '"' in part or part.startswith("("):
        return '"' + part.replace('"', '""') + '"'
    return part


def sqlserver(schema: str, table: str) -> str:
    """Without ``dbo``, the usual schema."""
    return _spelt(table) if schema in ("dbo", "") else f"{_spelt(schema)}.{_spelt(table)}"


def mysql(table: str) -> str:
    return "`" + table.replace("`", "``") + "`" if table.startswith(("(", "`")) else table


def of_postgres_itself(parts: Sequence[str]) -> bool:
    """A catalogue, which holds no data of anybody."""
    schema = parts[-2] if len(parts) > 1 else "pg_catalog" if parts[-1].startswith("pg_") else ""
    return schema in ("pg_catalog", "information_schema", "pg_toast")
