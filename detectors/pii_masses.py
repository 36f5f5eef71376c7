"""What one buffer has of dense entities, taken all at once from the hits of the fast pass.

``pii_dense`` tells what is plainly one; whatever is not is left to be looked at by itself.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from detectors import pii_email, pii_view
from detectors.base import Bulk, FieldCounts, Form, Hints, Match
from detectors.pii_dense import fresh, ibans, plus, socials
from detectors.pii_fastpass import BITS
from detectors.pii_targets import EMAIL, NAME, PHONE, PLUS, SHAPE, STRICT_PHONE, WORD
from detectors.runs import Flags, Places

if TYPE_CHECKING:
    from detectors.pii_grid import Grid
    from detectors.pii_plan import Plan


_CROWDED = 250
"""bytes for each hit of an e-mail address or a telephone number, or fewer: those are found sooner
over arrays (``pii_anchors``)"""


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
        self.crowded = False

    def take(
        self,
        hits: list[int] | Places,
        dense: Collection[str],
        seen: Collection[tuple[int, int, str]],
        grid: Grid | None,
    ) -> list[int]:
        """The hits that are left. ``seen`` are the values that were looked at so far."""
        self._grid = grid
        packed: Places = np.asarray(hits, np.int64)
        ends, targets = packed >> BITS, packed & ((1 << BITS) - 1)
        crowd = int(np.count_nonzero((targets == EMAIL) | (targets == PHONE)))
        self.crowded = self.crowded or crowd * _CROWDED > len(self._data)
        left = np.ones(len(packed), np.bool_)
        for entity in {*dense} - self._done:
            self._done.add(entity)
            known = [start for start, _, each in seen if each == entity]
            take = self._takers.get(entity)
            if take is not None:
                left &= ~take(self, ends, targets, known)
        rest: list[int] = packed[left].tolist()
        return rest

    def _emails(self, ends: Places, targets: Places, known: list[int]) -> Flags:
        mine = targets == EMAIL
        tests = self._plan.dense()
        starts, stops, hits = tests.emails.plain(self._data, ends[mine], self._lo, self._hi)
        self._many("EMAIL_ADDRESS", pii_email.SOMEBODY, Form.EMAIL, starts, stops)
        taken: Flags = mine & np.isin(ends, hits)
        return taken

    def _phones(self, ends: Places, targets: Places, known: list[int]) -> Flags:
        mine, theirs = targets == PHONE, targets == PLUS
        tests = self._plan.dense()
        starts, stops, hits = tests.phones.plain(self._data, ends[mine], self._lo, self._hi)
        new = fresh(starts, known)
        self._count("PHONE_NUMBER", starts[new], stops[new])
        self._many("PHONE_NUMBER", STRICT_PHONE, Form.COMPACT, starts[new], stops[new])
        begins, finish, pluses = plus(self._data, ends[theirs])
        inside = self._inside(begins)
        once = inside & fresh(begins, known)
        self._count("PHONE_NUMBER", begins[once], finish[once])
        self._more["PHONE_NUMBER", 0, STRICT_PHONE] += int(np.count_nonzero(once))
        taken: Flags = mine & np.isin(ends, hits) | theirs & np.isin(ends, pluses[inside])
        return taken

    def _socials(self, ends: Places, targets: Places, known: list[int]) -> Flags:
        """They are candidates for an ITIN as well, and what passes as the one never passes as the
        other: which the votes of their fields are told."""
        return self._kind("US_SSN", socials, ends, targets, known, "US_ITIN")

    def _ibans(self, ends: Places, targets: Places, known: list[int]) -> Flags:
        return self._kind("IBAN_CODE", ibans, ends, targets, known)

    _takers: ClassVar[Mapping[str, Callable[[Masses, Places, Places, list[int]], Flags]]] = {
        "EMAIL_ADDRESS": _emails,
        "PHONE_NUMBER": _phones,
        "US_SSN": _socials,
        "IBAN_CODE": _ibans,
    }

    def _kind(
        self,
        entity: str,
        test: Callable[[bytes, Places], tuple[Places, Places]],
        ends: Places,
        targets: Places,
        known: list[int],
        *others: str,
    ) -> Flags:
        """Values of a kind of the table; none of them passes as one of ``others``."""
        places = {kind.entity: i for i, kind in enumerate(self._plan.kinds)}
        shapes = [SHAPE + places[each] for each in (entity, *others)]
        starts, stops = test(self._data, ends[targets == shapes[0]])
        inside = self._inside(starts) & fresh(starts, known)
        starts, stops = starts[inside], stops[inside]
        if not len(starts):
            return np.zeros(len(ends), np.bool_)
        score = self._plan.kinds[places[entity]].alone
        for start in starts.tolist():
            place = pii_view.place(self._data, start, self._hints.field_name(start))
            for each in (entity, *others):
                field = pii_view.number(each, place)
                counts = self._counts.setdefault(field, FieldCounts())
                counts.seen += 1
                if each == entity:
                    counts.luhn += 1
                    self._more[entity, field, score] += 1
        for each in (entity, *others):
            self._count(each, starts, stops)
        before = starts.searchsorted(ends) - 1  # the last value that begins in front of a hit
        within = (before >= 0) & (ends <= stops[before] + 1)
        behind = np.isin(ends + 1, starts) | np.isin(ends + 2, starts)
        word = (targets == WORD + places[entity]) & behind
        taken: Flags = np.isin(targets, shapes) & within | word
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
