"""Names of tables: as SQL spells them, and as they stand in the key of a unit."""

from __future__ import annotations


def quoted(name: str) -> str:
    """As an identifier of standard SQL."""
    return '"' + name.replace('"', '""') + '"'


def key(schema: str | None, table: str) -> str:
    """``table``, or ``schema.table`` for a schema that is not the usual one; in quotes where it
    could be mistaken for something else."""
    parts = [table] if schema is None else [schema, table]
    return ".".join(quoted(part) if _odd(part) else part for part in parts)


def _odd(part: str) -> bool:
    return "." in part or '"' in part or part.startswith("(") or not part
