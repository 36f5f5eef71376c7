"""The cells of a delimited buffer, column by column: for tables whose lines all have one shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from detectors.base import Hints
from detectors.records import dataclass
from detectors.runs import Flags, Places

_SIGNS = b"\t,;|"


@dataclass(frozen=True, slots=True)
class Grid:
    """``edges[r, c]`` is where cell ``c`` of row ``r`` begins, and one behind where the cell before
    it ends. ``names`` has the name of every column."""

    edges: NDArray[np.int64]
    names: tuple[str | None, ...]

    def cells(self, wanted: set[str], done: Mapping[int, int]) -> Iterator[tuple[int, int]]:
        """Start and end of the cells of the wanted columns, but for those that are in ``done``."""
        begun = np.fromiter(done.keys(), np.int64, len(done))
        ended = np.fromiter(done.values(), np.int64, len(done))
        for column, name in enumerate(self.names):
            if name in wanted:
                starts, ends = self.edges[:, column], self.edges[:, column + 1] - 1
                left = ~(np.isin(starts, begun) & np.isin(ends, ended))
                yield from zip(starts[left].tolist(), ends[left].tolist(), strict=True)

    def by_column(self, starts: Places) -> Iterator[tuple[str | None, Flags]]:
        """By name, which of ``starts`` stand in cells of a column; None: in no row of the grid."""
        edges = self.edges
        row = edges[:, 0].searchsorted(starts, "right") - 1
        inside = (row >= 0) & (starts < edges[-1, -1])
        column = (edges[row] <= starts[:, None]).sum(axis=1) - 1
        column[~inside] = len(self.names)
        for place, name in enumerate((*self.names, None)):
            mine = column == place
            if mine.any():
                yield name, mine


def of(data: bytes, lo: int, hi: int, hints: Hints) -> Grid | None:
    """As ``_of``, which it asks once for a window where ``hints`` can keep it
    (``Hints.shared``)."""
    shared: dict[str, tuple[tuple[int, int, int], Grid | None]] | None
    shared = getattr(hints, "shared", None)
    window = len(data), lo, hi
    if shared is None:
        return _of(data, lo, hi, hints)
    grid: Grid | None
    kept, grid = shared.get("grid", (None, None))
    if kept != window:
        grid = _of(data, lo, hi, hints)
        shared["grid"] = window, grid
    return grid


def _of(data: bytes, lo: int, hi: int, hints: Hints) -> Grid | None:
    """The rows that reach into ``lo``..``hi``; None for what is no plain table: with quotes or
    braces, with lines of different shapes, or with columns the hints do not name alike."""
    bytes_ = np.frombuffer(data, np.uint8)
    begin = data.rfind(b"\n", 0, lo) + 1
    stop = data.find(b"\n", max(begin, hi - 1))
    if stop < 0 or (lo and not begin):
        return None
    piece = bytes_[begin : stop + 1]
    first = data[begin : data.find(b"\n", begin)]
    sign = max(_SIGNS, key=first.count)
    if sign != 9 and (data.find(b'"', begin, stop) >= 0 or data.find(b"{", begin, stop) >= 0):
        return None
    ends = np.flatnonzero(piece == 10)
    width = first.count(bytes([sign])) + 1
    marks = np.flatnonzero((piece == sign) | (piece == 10))
    if len(marks) != len(ends) * width or not np.array_equal(marks[width - 1 :: width], ends):
        return None
    edges = np.empty((len(ends), width + 1), np.int64)
    edges[:, 1:] = marks.reshape(-1, width) + begin + 1
    edges[1:, 0] = edges[:-1, -1]
    edges[0, 0] = begin
    rows = {0, len(ends) // 2, len(ends) - 1}
    names = {tuple(map(hints.field_name, edges[row, :-1].tolist())) for row in rows}
    return Grid(edges, names.pop()) if len(names) == 1 else None
