"""Numbers in a buffer by way of the compiled passes: the twin of what ``runs.Prefilter``,
``runs.tokens`` and ``onepiece.in_one_piece`` do over arrays."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from detectors import encodings, fieldcount
from detectors.compiled import Native
from detectors.evidence import Candidate
from detectors.layouts import KIND
from detectors.onepiece import Window, candidate, in_decoded, lost_digit, scientific
from detectors.runs import (
    MARGIN,
    Bytes,
    Flags,
    Frame,
    Places,
    Tokens,
    issue_table,
    prefix_table,
    whole_prefix_table,
)

_GOOD, _ZERO, _STRIPE, _CHIP = 1, 2, 4, 8
_START, _LENGTH, _FLAGS, _ENTRY = range(4)
"""columns of what is taken: numbers worth a look"""
_SIGN, _FIELD, _SEEN, _VALID, _ZEROS, _INSIDE, _INSIDE_VALID = range(7)
"""columns of the entries, one for each signature and field: what was seen under it in all, and
inside the part that counts"""
_Table = npt.NDArray[np.int64]
_Entry = list[int]


class Sweep:
    """What one pass over a buffer found."""

    def __init__(
        self, native: Native, data: Bytes, window: Window, counter: fieldcount.Counter
    ) -> None:
        self._data, self._window, self._counter = data, window, counter
        self._taken, self._entries, self._hexes, self._floats, self._groups = native.numbers(
            data,
            *window,
            prefix_table(),
            whole_prefix_table(),
            issue_table(),
            fieldcount.KINDS,
            KIND,
        )

    def frames(self) -> Iterator[tuple[Frame, Tokens]]:
        """Frames with the runs that may begin a number in groups, or one with escapes in it: the
        buffer itself where nothing reaches over its ends, and these copied, with padding."""
        if not self._groups:
            return
        data, table = self._data, _table(self._groups, 3)
        start, length, map_ = table[:, 0], table[:, 1], table[:, 2].view(np.uint64)
        head = int(np.searchsorted(start, MARGIN))
        tail = max(head, int(np.searchsorted(start, len(data) - 2 * MARGIN)))
        for begin, end in ((0, head), (head, tail), (tail, len(start))):
            at = start[begin:end]
            if not len(at):
                continue
            inside = (begin, end) == (head, tail)
            frame = Frame(data, 0) if inside else Frame.padded(data, int(at[0]), int(at[-1]))
            yield frame, Tokens(at - frame.origin, length[begin:end], map_[begin:end])

    def in_one_piece(self, bulk: Places | None = None) -> Iterator[Candidate]:
        """As ``onepiece.in_one_piece``."""
        data, window = self._data, self._window
        for (at,) in _table(self._hexes, 1).tolist():
            text = encodings.decode_hex(data, at)
            yield from in_decoded(text, window, at - 4, at + 128)
        for at, size in _table(self._floats, 2).tolist():
            yield from scientific(data, at - 2, size, window)
        if not self._entries:
            return
        entries = _table(self._entries, 7).tolist()
        fields = _by_field(entries)
        self._counter.add_counts({name: (row[_INSIDE], row[_INSIDE_VALID]) for name, row in fields})
        if not self._taken:
            return
        rows = _table(self._taken, 4)
        if bulk is not None and len(bulk):
            rows = rows[~np.isin(rows[:, _START], bulk)]
        taken = _wanted(rows, entries)
        if len(taken):
            taken = taken[_unlike_ids(taken, entries, fields, self._counter)]
        for start, length, flags, entry in taken.tolist():
            found = candidate(data, start, start + length, "emv" if flags & _CHIP else "plain")
            found.field = entries[entry][_FIELD]
            found.luhn = bool(flags & _GOOD)
            if flags & (_ZERO | _STRIPE) == _ZERO:
                counts = entries[entry][_SEEN : _ZEROS + 1]
                if not lost_digit(found, *counts):
                    continue
            yield found


def _by_field(entries: list[_Entry]) -> list[tuple[int, _Entry]]:
    """The entries added up by field."""
    fields: dict[int, _Entry] = {}
    for entry in entries:
        before = fields.get(entry[_FIELD])
        fields[entry[_FIELD]] = (
            entry if before is None else [a + b for a, b in zip(before, entry, strict=True)]
        )
    return list(fields.items())


def _wanted(taken: _Table, entries: list[_Entry]) -> _Table:
    """As ``onepiece.not_ids``: numbers not under what is, in this buffer, full of ids; and of those
    that are, where most end in 0, the ones that do: they lost their last digit."""
    ids = [fieldcount.is_ids(entry[_SEEN], entry[_VALID]) for entry in entries]
    lost = [2 * entry[_ZEROS] > entry[_SEEN] for entry in entries]
    if all(ids) and not any(lost):
        return taken[:0]
    which = taken[:, _ENTRY]
    zeros = taken[:, _FLAGS] & _ZERO != 0
    rows: _Table = taken[~np.array(ids)[which] | (np.array(lost)[which] & zeros)]
    return rows


def _unlike_ids(
    taken: _Table,
    entries: list[_Entry],
    fields: list[tuple[int, _Entry]],
    counter: fieldcount.Counter,
) -> Flags:
    """As ``Counter.unlike_ids``; stripes stay."""
    mine = np.array([entry[_FIELD] for entry in entries])[taken[:, _ENTRY]]
    keep: Flags = taken[:, _FLAGS] & _STRIPE != 0
    wanted = set(mine.tolist())
    for name, row in fields:
        if name in wanted and not counter.still_ids(name, row[_SEEN], row[_VALID], row[_ZEROS]):
            keep |= mine == name
    return keep


def _table(words: bytes, columns: int) -> _Table:
    return np.frombuffer(words, np.int64).reshape(-1, columns)
