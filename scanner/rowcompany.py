"""The rows of a window in which one card number in bulk stands and no other: what stands with it,
for all rows at once. What ``company`` finds out row by row, over arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from detectors import pii_grid
from detectors.base import CONFIRMED
from detectors.company import Columns
from detectors.pii_grid import Grid
from detectors.records import dataclass
from scanner.company import CARD, counts
from scanner.contracts import Chunk
from scanner.fieldtally import Found, Sealed

_MOST_KINDS = 62
"""kinds in one window: there are not so many"""
_Rows = NDArray[np.int64]


def each(many: Sequence[Sealed], which: Sequence[_Rows] | None = None) -> list[Found]:
    """Values in bulk one by one, with the 64 bits of their fingerprints that records are told
    apart by; all of them, or those at the places ``which``."""
    out = []
    for place, (bulk, shorts) in enumerate(many):
        rows = range(len(shorts)) if which is None else which[place].tolist()
        out += [Found(bulk.one(i), int(shorts[i]).to_bytes(8, "little")) for i in rows]
    return out


@dataclass(slots=True)
class OneCard:
    """``single[r]`` says whether row ``r`` of the grid has one card number, and that in bulk."""

    columns: Sequence[str]
    _data: bytes
    _grid: Grid
    _found: Sequence[Found]
    _many: Sequence[Sealed]
    _rows: list[_Rows]
    _single: NDArray[np.bool_]

    @classmethod
    def of(cls, chunk: Chunk, found: Sequence[Found], many: Sequence[Sealed]) -> OneCard | None:
        """None where the window is no plain table: then its records are looked at one by one."""
        rows = chunk.rows
        if rows is None or rows.row_end != b"\n":
            return None
        data = bytes(chunk.data)
        grid = pii_grid.of(data, chunk.lo, chunk.hi, chunk)
        if grid is None or data[grid.edges[0, 1] - 1 : grid.edges[0, 1]] != rows.cell_end:
            return None
        begins, stop = grid.edges[:, 0], int(grid.edges[-1, -1])
        rows_of = [begins.searchsorted(bulk.starts, "right") - 1 for bulk, _ in many]
        cards = np.zeros(len(begins), np.int64)
        for (bulk, _), row in zip(many, rows_of, strict=True):
            if counts(bulk.match):
                cards += np.bincount(row, minlength=len(begins))
        single = cards == 1
        for match in (f.match for f in found):
            if counts(match) and match.start < stop:
                single[begins.searchsorted(match.start, "right") - 1] = False
        return cls(rows.columns, data, grid, found, many, rows_of, single)

    def groups(self, columns: Columns) -> Iterator[tuple[Sealed, set[str], _Rows]]:
        """Card numbers with what stands in their row: those of ``Sealed`` at the places given."""
        edges = self._grid.edges
        kinds: dict[str, NDArray[np.bool_]] = {}

        def mark(kind: str, rows: _Rows) -> None:
            kinds.setdefault(kind, np.zeros(len(edges), np.bool_))[rows] = True

        for match in (f.match for f in self._found):
            if match.entity != CARD and match.score >= CONFIRMED and match.start < edges[-1, -1]:
                mark(match.entity, edges[:, 0].searchsorted([match.start], "right") - 1)
        for (bulk, _), rows in zip(self._many, self._rows, strict=True):
            if bulk.match.entity != CARD and bulk.match.score >= CONFIRMED:
                mark(bulk.match.entity, rows)
        wanted = np.flatnonzero(self._single)
        for kind, has in columns.column_wise(self._data, edges, wanted):
            mark(kind, wanted[has])
        names = sorted(kinds)[:_MOST_KINDS]
        code = np.zeros(len(edges), np.int64)  # which kinds a row has, as the bits of a number
        for bit, name in enumerate(names):
            code |= kinds[name].astype(np.int64) << bit
        for sealed, rows in zip(self._many, self._rows, strict=True):
            if not counts(sealed.bulk.match):
                continue
            mine = np.flatnonzero(self._single[rows])
            codes = code[rows[mine]]
            for each_code in np.unique(codes).tolist():
                beside = {name for bit, name in enumerate(names) if each_code >> bit & 1}
                yield sealed, beside, mine[codes == each_code]

    def rest(self) -> list[Found]:
        """What stands in rows with several card numbers, one by one."""
        busy = np.zeros(len(self._single), np.bool_)
        for match in (f.match for f in self._found):
            if counts(match):
                row = int(self._grid.edges[:, 0].searchsorted(match.start, "right")) - 1
                busy[max(0, row)] = True
        for (bulk, _), rows in zip(self._many, self._rows, strict=True):
            if counts(bulk.match):
                busy[rows[~self._single[rows]]] = True
        return each(self._many, [np.flatnonzero(busy[rows]) for rows in self._rows])
