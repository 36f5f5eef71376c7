# ruff: noqa: S608 - the statements are made of names and numbers of ours only
"""Facts of a window as a table, and how many different objects it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

AT_ONCE = 4_000_000
"""facts whose objects are told apart at a time, some 64 MB of memory"""
_SCANS = 8
"""Facts lie in the order of hours: a part of the objects is in all of them. Where it would take
more than so many looks at everything, DuckDB counts, which takes longer but one look."""


def facts(columns: str, where: str, start: int, end: int) -> str:
    """``columns`` of the facts of a window, in seconds since 1970. Only of the hours at its ends
    it is asked what of them lies in the window."""
    low, high = start // 3600, end // 3600
    return f"""(SELECT {columns} FROM all_fact
        WHERE {where} AND hour BETWEEN {low + 1} AND {high - 1}
      UNION ALL
      SELECT {columns} FROM all_fact
        WHERE {where} AND hour IN ({low}, {high}) AND {_inside(start, end)})"""


def sums(where: str, start: int, end: int) -> str:
    """The same facts, summed up over all objects wherever that does not matter: with ``nameless``
    for the reads without an object, and without ``object``."""
    columns = "source, store, verb, who, hour, count, sent, told, rows, told_rows, first, last"
    low, high = start // 3600, end // 3600
    return f"""(SELECT {columns}, nameless FROM all_hourly
        WHERE {where} AND hour BETWEEN {low + 1} AND {high - 1}
      UNION ALL
      SELECT {columns}, if(object IS NULL, count, 0) AS nameless FROM all_fact
        WHERE {where} AND hour IN ({low}, {high}) AND {_inside(start, end)})"""


def _inside(start: int, end: int) -> str:
    return f"hour * 3600::BIGINT + last >= {start} AND hour * 3600::BIGINT + first <= {end}"


def different(
    db: DuckDBPyConnection, facts: str, whose: str, group: str, by: str, unit: int = 1
) -> dict[int, int]:
    """How many different objects of ``facts`` (a table) each ``group`` has, a number below 2^32
    out of a fact and the row of ``whose`` about its principal. Exact: sorting numbers takes a
    tenth of the time that DuckDB takes to count them. Much is taken in parts, by a column of which
    ``unit`` values in a row never have to be told apart from those of another part."""
    import numpy as np

    rows, least, most = db.execute(
        f"SELECT count(*), coalesce(min({by}), 0), coalesce(max({by}), -1) FROM {facts}"
    ).fetchall()[0]
    parts = rows // AT_ONCE + 1
    if by == "object" and parts > _SCANS:
        counted = db.execute(
            f"""SELECT ({group})::BIGINT, count(DISTINCT object)
            FROM {facts} JOIN {whose} USING (who) WHERE object IS NOT NULL GROUP BY ALL"""
        ).fetchall()
        return dict(counted)
    step = (max(most - least, 0) // (parts * unit) + 1) * unit
    found: dict[int, int] = {}
    for low in range(least - least % unit, most + 1, step):
        pairs: Any = db.execute(
            f"""SELECT (({group})::UBIGINT << 32) | object AS pair
            FROM {facts} JOIN {whose} USING (who)
            WHERE object IS NOT NULL AND {by} BETWEEN {low} AND {low + step - 1}"""
        ).fetchnumpy()["pair"]
        pairs.sort()
        new = np.append(True, pairs[1:] != pairs[:-1])[: len(pairs)]
        groups = pairs >> np.uint64(32)
        starts = np.flatnonzero(np.append(True, groups[1:] != groups[:-1])[: len(groups)])
        counts = np.add.reduceat(new, starts, dtype="i8") if len(starts) else starts
        for each, count in zip(groups[starts].tolist(), counts.tolist(), strict=True):
            found[each] = found.get(each, 0) + count
    return found
