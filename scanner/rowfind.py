"""``cardtrail row``: where the row is whose primary key a report shows sealed.

The keys of the table are read again and sealed with the same key. What comes out is a statement
that shows the row by its place in the table: whoever may read the table sees its values there, and
nobody sees them here.
"""

from __future__ import annotations

from collections.abc import Iterator

from scanner.contracts import FindsRows, OpenStore
from scanner.errors import NothingInScope, Unreadable, UsageError
from scanner.rowkey import told
from scanner.seal import Sealer
from scanner.text import plural

_MOST = 20
"""rows told: a part of a key alone may be that of very many"""


def lines(opened: OpenStore, uri: str, unit: str, sealed: str, sealer: Sealer) -> Iterator[str]:
    """``sealed`` is all of a key as ``Location.key`` tells it, or the value of one part of it.
    Raises ``UsageError`` and ``NothingInScope``."""
    if not isinstance(opened, FindsRows):
        raise UsageError(f"{uri}: expected a PostgreSQL, MySQL or MariaDB database")
    read = found = 0
    try:
        for row in opened.keyed(unit):
            read += 1
            parts = [told([part], sealer) for part in row.key]
            if sealed in (", ".join(parts), *(part.rpartition(" = ")[2] for part in parts)):
                found += 1
                if found == 1:
                    yield f"-- the same row {opened.rows_stay}"
                if found <= _MOST:
                    yield sealer.name(row.statement)
    except Unreadable as fault:
        raise UsageError(f"{uri}, {unit}: {fault}") from None
    if found > _MOST:
        yield f"-- and {plural(found - _MOST, 'more row')}"
    if not found:
        raise NothingInScope(
            f"{uri}, {unit}: none of {plural(read, 'row')} has that key under fingerprint key"
            f" {sealer.key_id}; was the scan run with another (key_id in its report), or is the row"
            " gone?"
        )
