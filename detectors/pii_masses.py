"""What one buffer has of dense entities, taken all at once from the hits of the fast pass.

``pii_dense`` tells what is plainly one; whatever is not is left to be looked at by itself.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from detectors import pii_email, pii_view
from detectors.base import Bulk, FieldCounts, Form, Hints, Match
from detectors.pii_dense import Places, Plus, Social, fresh
from detectors.pii_fastpass import BITS
from detectors.pii_targets import EMAIL, NAME, PHONE, PLUS, SHAPE, STRICT_PHONE, WORD

if TYPE_CHECKING:
    from detectors.pii_grid import Grid
    from detectors.pii_scan import Plan

Hits = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Masses:
    """Of one buffer, of which ``lo`` .. ``hi`` is new. What is taken is counted in ``more`` and
    ``counts``, or comes in ``bulk``; by entity, ``counted`` has the starts and ends of what is not
    to be looked at again."""

    def __init__(
        self,
        plan: Plan,
        data: bytes,
        lo: int,
        hi: int,
        hints: Hints,
        counts: dict[int, FieldCounts],
        more: Counter[tuple[str, int, float]],
        *,
        in_bulk: bool,
    ) -> None:
        self._plan, self._data, self._lo, self._hi = plan, data, lo, hi
        self._hints, self._counts, self._more, self._in_bulk = hints, counts, more, in_bulk
        self._grid: Grid | None = None
        self.counted: dict[str, dict[int, int]] = defaultdict(dict)
        self.bulk: list[Bulk] = []
        self._done: set[str] = set()

    def take(
        self,
        hits: list[int],
        dense: Collection[str],
        seen: Collection[tuple[int, int, str]],
        grid: Grid | None,
    ) -> list[int]:
        """The hits that are left. ``seen`` are the values that were looked at so far."""
        self._grid = grid
        packed: Hits = np.array(hits, np.int64)
        ends, targets = packed >> BITS, packed & ((1 << BITS) - 1)
        left = np.ones(len(packed), np.bool_)
        for entity in {*dense} - self._done:
            self._done.add(entity)
            known = [start for start, _, each in seen if each == entity]
            if entity == "EMAIL_ADDRESS":
                left &= ~self._emails(ends, targets)
            elif entity == "PHONE_NUMBER":
                left &= ~self._phones(ends, targets, known)
            elif entity == "US_SSN":
                left &= ~self._numbers(ends, targets, known)
        return hits if left.all() else packed[left].tolist()

    def _emails(self, ends: Hits, targets: Hits) -> Flags:
        starts, at, stops = self._plan.dense().emails.plain(self._data, self._lo, self._hi)
        later = at + 2 >= ends[0]
        score, form = pii_email.SOMEBODY, Form.EMAIL
        self._many("EMAIL_ADDRESS", score, form, starts[later], stops[later])
        taken: Flags = (targets == EMAIL) & np.isin(ends, at[later] + 2)
        return taken

    def _phones(self, ends: Hits, targets: Hits, known: list[int]) -> Flags:
        tests = self._plan.dense()
        starts, stops, hits = tests.phones.plain(self._data, self._lo, self._hi)
        later = hits >= ends[0]
        new = later & fresh(starts, known)
        plus = Plus.plain(self._data, ends[targets == PLUS])
        inside = self._inside(plus.starts)
        once = inside & fresh(plus.starts, known)
        self._more["PHONE_NUMBER", 0, STRICT_PHONE] += int(np.count_nonzero(once))
        self._count("PHONE_NUMBER", starts[new], stops[new])
        self._count("PHONE_NUMBER", plus.starts[once], plus.ends[once])
        self._many("PHONE_NUMBER", STRICT_PHONE, Form.COMPACT, starts[new], stops[new])
        taken: Flags = (targets == PHONE) & np.isin(ends, hits[later])
        taken |= (targets == PLUS) & np.isin(ends, plus.hits[inside])
        return taken

    def _numbers(self, ends: Hits, targets: Hits, known: list[int]) -> Flags:
        """Social security numbers, which are candidates for an ITIN as well: none that passes as
        the one passes as the other, which the votes of their fields are told."""
        places = {kind.entity: i for i, kind in enumerate(self._plan.kinds)}
        ssn, itin = places["US_SSN"], places["US_ITIN"]
        score = self._plan.kinds[ssn].alone
        starts = Social.plain(self._data, ends[targets == SHAPE + ssn])
        starts = starts[self._inside(starts)]
        new = starts[fresh(starts, known)]
        for start in new.tolist():
            name = self._hints.field_name(start)
            field = pii_view.field("US_SSN", self._data, start, name)
            of = self._counts.setdefault(field, FieldCounts())
            of.seen += 1
            of.luhn += 1
            self._more["US_SSN", field, score] += 1
            other = pii_view.field("US_ITIN", self._data, start, name)
            self._counts.setdefault(other, FieldCounts()).seen += 1
        for entity in ("US_SSN", "US_ITIN"):
            self._count(entity, new, new + Social.SIZE)
        shapes = (targets == SHAPE + ssn) | (targets == SHAPE + itin)
        behind = (targets == WORD + ssn) & (np.isin(ends + 1, starts) | np.isin(ends + 2, starts))
        taken: Flags = shapes & np.isin(ends, new + Social.SIZE) | behind
        return taken

    def _count(self, entity: str, starts: Places, ends: Places) -> None:
        self.counted[entity].update(zip(starts.tolist(), ends.tolist(), strict=True))

    def _inside(self, starts: Places) -> Flags:
        inside: Flags = (starts >= self._lo) & (starts < self._hi)
        return inside

    def _many(
        self,
        entity: str,
        score: float,
        form: Form,
        starts: Places,
        ends: Places,
    ) -> None:
        if not len(starts):
            return
        if not self._in_bulk:
            self._more[entity, 0, score] += len(starts)
            return
        why = (f"one of many: beyond the first {self._plan.limit:,} the exact test alone decides",)
        order = starts.argsort()
        starts, ends = starts[order], ends[order]
        grid = self._grid
        for name, mine in [(None, slice(None))] if grid is None else grid.by_column(starts):
            first = Match(NAME, entity, int(starts[mine][0]), int(ends[mine][0]), score, why=why)
            self.bulk.append(Bulk(first, starts[mine], ends[mine], form, name))
