"""The candidates of one buffer: shape, test, Presidio and the words around."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from detectors import pii_email, pii_ip, pii_numbers, pii_phone, pii_presidio, pii_view
from detectors.base import CONFIRMED, Bulk, FieldCounts, Hints, NoHints, State
from detectors.pii_found import Found, best, columns
from detectors.pii_kind import Kind
from detectors.pii_targets import (
    EMAIL,
    EMAIL_URL,
    IP4,
    PHONE,
    PHONE_WORD,
    PLUS,
    SHAPE,
    STRICT_PHONE,
    WORD,
)

if TYPE_CHECKING:
    from detectors.pii_grid import Grid
    from detectors.pii_masses import Masses
    from detectors.pii_scan import PiiScan
    from detectors.runs import Places

AHEAD = 72
"""bytes behind a word in which its number stands"""
ENOUGH = 256
"""values of a kind confirmed by Presidio in a process, after which its exact test is trusted"""


class Look:
    """The candidates of one buffer."""

    def __init__(self, scan: PiiScan, data: bytes, lo: int, hi: int, hints: Hints) -> None:
        self._plan, self._counts = scan.plan, scan.counts
        self._listed, self._more, self._dense = scan.listed, scan.counted, scan.dense
        self._data, self._lo, self._hi, self._hints = data, lo, hi, hints
        self._found: dict[tuple[int, int, str], Found] = {}
        self._seen: set[tuple[int, int, str]] = set()
        self._grids: list[Grid | None] = []
        self._masses: Masses | None = None
        self._in_bulk = scan.in_bulk
        self._rare = scan.in_bulk and not isinstance(hints, NoHints)
        """what is not plainly one is rare then, and is told apart too"""
        self._counted: Mapping[str, Mapping[int, int]] = {}
        """by entity, starts and ends of values that were counted in masses"""
        self._edges: set[tuple[str, int, int]] = set()

    @property
    def crowded(self) -> bool:
        """So many hits of dense entities stand in it that calls of Python cost more than it."""
        return self._masses is not None and self._masses.crowded

    def masses(self, hits: list[int] | Places) -> list[int]:
        """Takes what is dense and plainly one all at once: the hits that are left."""
        if self._masses is None:
            from detectors.pii_masses import Masses  # needs numpy

            self._masses = Masses(
                self._plan,
                self._data,
                self._lo,
                self._hi,
                self._hints,
                self._counts,
                self._more,
                in_bulk=self._in_bulk,
            )
            self._counted = self._masses.counted
        grid = None if isinstance(self._hints, NoHints) else self._grid()
        return self._masses.take(hits, self._dense, self._seen, grid)

    def bulk(self) -> Sequence[Bulk]:
        return () if self._masses is None else self._masses.bulk

    def best(self) -> list[Found]:
        return best(self._found.values())

    def at(self, end: int, target: int) -> None:
        """Looks at a hit of the fast pass."""
        data = self._data
        if target >= WORD:
            self._behind_word(end, self._plan.kinds[target - WORD], target - WORD)
        elif target >= SHAPE:
            kind = self._plan.kinds[target - SHAPE]
            for match in kind.shape.finditer(data, max(0, end - 80), end + 80):
                if match.start() < end <= match.end() + 1:
                    self._candidate(*match.span(), kind, target - SHAPE)
        elif target == EMAIL:
            self._email(end, 1)
        elif target == EMAIL_URL:
            self._email(end, 3)
        elif target == PLUS:
            plus = pii_phone.PLUS.match(data, end - 8, end + 24)
            if plus:
                self._phone(*plus.span(), international=True)
        elif target == PHONE:
            for match in pii_phone.SHAPE.finditer(data, max(0, end - 40), end + 40):
                if match.start() < end <= match.end():
                    self._phone(*match.span(), international=False)
        elif target == PHONE_WORD:
            for match in pii_phone.SHAPE.finditer(data, end, min(len(data), end + AHEAD)):
                if match.start() < end + pii_phone.NEAR:
                    self._phone(*match.span(), international=False)
                break
            for match in pii_phone.SHAPE.finditer(data, max(0, end - 40), end):
                self._phone(*match.span(), international=False)
        else:
            span = pii_ip.four(data, end) if target == IP4 else pii_ip.six(data, end)
            if span:
                self._ip(*span)

    # --- kinds of the table

    def _behind_word(self, end: int, kind: Kind, index: int) -> None:
        data = self._data
        stop = min(len(data), end + AHEAD)
        line = data.find(b"\n", end, stop)
        line = data.find(b"\n", line + 1, stop) if line >= 0 else -1
        for match in kind.shape.finditer(data, end, stop if line < 0 else line):
            self._candidate(*match.span(), kind, index)
            break

    def _candidate(self, start: int, end: int, kind: Kind, index: int) -> None:
        if (start, end, kind.entity) in self._seen or self._is_counted(start, kind.entity):
            return
        self._seen.add((start, end, kind.entity))
        value = self._data[start:end].decode("ascii", "replace")
        if kind.fit is not None:
            size = kind.fit(value)
            if not size:
                return
            value, end = value[:size], start + size
        name = self._hints.field_name(start)
        counted = kind.entity in self._dense and kind.test is not None and kind.alone >= CONFIRMED
        near = "" if counted else self._near(start, end, kind.words, name)
        score = kind.near if near else kind.alone
        if not near and kind.alone < 0.9 and _weak(value):
            return
        if not score:
            return
        passed = self._passes(value, start, end, kind, index)
        field = 0
        if kind.chance < 1:
            field = pii_view.field(kind.entity, self._data, start, name)
            if self._lo <= start < self._hi:
                counts = self._counts.setdefault(field, FieldCounts())
                counts.seen += 1
                counts.luhn += passed
        if passed and counted:
            self._count(start, end, kind.entity, field, score)
        elif passed:
            self._keep(Found(start, end, kind.entity, score, (near,) if near else (), field))

    def _is_counted(self, start: int, entity: str) -> bool:
        return start in self._counted.get(entity, {})

    def _passes(self, value: str, start: int, end: int, kind: Kind, index: int) -> bool:
        if kind.test is not None:
            if not kind.test(value):
                return False
            if self._plan.confirmed[index] >= ENOUGH:
                return True
        if not kind.recognizer:
            return True
        window, a, b = pii_view.window(self._data, start, end)
        entity = kind.presidio_entity or kind.entity
        good = pii_presidio.confirms(kind.recognizer, entity, window, a, b)
        self._plan.confirmed[index] += good
        return good

    def _near(self, start: int, end: int, words: str, name: str | None) -> str:
        """Says which word speaks for a value: "" for none."""
        if not words:
            return ""
        expression = pii_view.words(words)
        if name is not None:
            found = expression.search(pii_view.plain(name))
            if found:
                return f"in a column named for it ({found[0]})"
        in_front = expression.findall(pii_view.before(self._data, start))
        if in_front:
            return f"{in_front[-1]} stands near it"
        if name is not None:
            return ""
        found = expression.search(pii_view.behind(self._data, end))
        return f"{found[0]} stands near it" if found else ""

    def _is_called(self, start: int, words: str) -> bool:
        """Whether one of the words is in the key of a value."""
        key = pii_view.key(self._data, start).decode("ascii")
        return pii_view.words(words).search(pii_view.plain(key)) is not None

    def _keep(self, found: Found) -> None:
        key = (found.start, found.end, found.entity)
        old = self._found.get(key)
        if old is None or old.score < found.score:
            self._found[key] = found
        if old is None and self._plan.limit is not None and self._lo <= found.start < self._hi:
            self._listed[found.entity] += 1
            if self._listed[found.entity] >= self._plan.limit:
                self._dense.add(found.entity)

    def _count(self, start: int, end: int, entity: str, field: int, score: float) -> None:
        """Once, though a longer or shorter reading of it may have been counted before."""
        edges = {(entity, start, 0), (entity, end, 1)}
        if self._lo <= start < self._hi and not edges & self._edges:
            self._more[entity, field, score] += 1
        self._edges |= edges

    # --- e-mail, telephone, IP

    def _email(self, end: int, width: int) -> None:
        span = pii_email.span(self._data, end, width)
        if span is None:
            return
        address = self._data[span[0] : span[1]]
        if width > 1:
            address = address.replace(b"%40", b"@")
        score = pii_email.probability(address)
        state = self._plan.domains.state(address) if score >= 0.3 else None
        if state is None:
            return
        if width > 1 and state is State.CLEAR:
            state = State.ENCODED
        counted = "EMAIL_ADDRESS" in self._dense and not self._rare
        if score >= CONFIRMED and state is State.CLEAR and counted:
            self._count(*span, "EMAIL_ADDRESS", 0, score)
        else:
            self._keep(Found(*span, "EMAIL_ADDRESS", score, (), 0, state))

    def _phone(self, start: int, end: int, *, international: bool) -> None:
        key = (start, end, "PHONE_NUMBER")
        if key in self._seen or self._is_counted(start, "PHONE_NUMBER"):
            return
        self._seen.add(key)
        raw = self._data[start:end]
        number = pii_phone.digits(raw)
        if not pii_phone.possible(raw, number):
            return
        if international or number.startswith("00"):
            known = pii_numbers.valid_international(number.removeprefix("00"))
        else:
            known = pii_numbers.valid(number, self._plan.phones)
        if not known:
            return
        strict = international or pii_phone.strict(raw, number, self._plan.phones)
        keyed = not international and self._data[start - 1 : start] in (b"=", b":")
        if strict and not keyed and "PHONE_NUMBER" in self._dense:
            self._count(start, end, "PHONE_NUMBER", 0, STRICT_PHONE)
            return
        name = self._hints.field_name(start)
        near = self._near(start, end, pii_phone.WORDS, name)
        if keyed and not self._is_called(start, pii_phone.WORDS):
            return  # the value of a key that is called something else
        if strict and "PHONE_NUMBER" in self._dense:
            self._count(start, end, "PHONE_NUMBER", 0, STRICT_PHONE)
            return
        # the rules of the library are enough where the punctuation or the column is a telephone
        # number's own; anything else is shown to its matcher, at a hundred times the price
        if not (strict or (near and name is not None)) and not pii_presidio.confirms(
            "PhoneRecognizer", "PHONE_NUMBER", raw.decode("ascii"), 0, len(raw), self._plan.phones
        ):
            return
        score = {
            (True, True): 0.95,
            (True, False): STRICT_PHONE,
            (False, True): 0.82,
            (False, False): 0.4,
        }[strict, bool(near)]
        self._keep(Found(start, end, "PHONE_NUMBER", score, (near,) if near else (), 0))

    def _ip(self, start: int, end: int) -> None:
        text = self._data[start:end].decode("ascii")
        name = self._hints.field_name(start)
        near = self._near(start, end, pii_ip.WORDS, name)
        begins = start == 0 or self._data[start - 1 : start] == b"\n"
        front = pii_view.before(self._data, start)
        score = pii_ip.probability(text, front, bool(near), begins)
        if score >= CONFIRMED and "IP_ADDRESS" in self._dense:
            self._count(start, end, "IP_ADDRESS", 0, score)
        elif score >= 0.3:
            self._keep(Found(start, end, "IP_ADDRESS", score, (near,) if near else (), 0))

    # --- columns and the user's own

    def columns(self, first: int, last: int) -> None:
        """Values without a word beside them, in columns whose name is the word."""
        if isinstance(self._hints, NoHints):
            return
        names = columns(self._data, self._lo, self._hi, self._hints)
        if not names:
            return
        joined = {name: pii_view.plain(name) for name in names}
        for index, kind in enumerate(self._plan.kinds):
            if not kind.words:
                continue
            expression = pii_view.words(kind.words)
            wanted = {name for name, plain in joined.items() if expression.search(plain)}
            if not wanted:
                continue
            for match in self._in_columns(kind.shape, wanted, first, last):
                self._candidate(*match.span(), kind, index)
        expression = pii_view.words(pii_phone.WORDS)
        wanted = {name for name, plain in joined.items() if expression.search(plain)}
        if wanted:
            for match in self._in_columns(pii_phone.SHAPE, wanted, first, last):
                self._phone(*match.span(), international=False)

    def _in_columns(
        self, shape: re.Pattern[bytes], wanted: set[str], first: int, last: int
    ) -> Iterator[re.Match[bytes]]:
        """What has a shape and begins in one of the columns."""
        data = self._data
        grid = self._grid()
        if grid is None:
            for match in shape.finditer(data, first, last):
                if self._hints.field_name(match.start()) in wanted:
                    yield match
            return
        for start, end in grid.cells(wanted, self._counted.get("PHONE_NUMBER", {})):
            for match in shape.finditer(data, start, end + 2):  # to see what stands behind it
                if match.start() < end:
                    yield match

    def _grid(self) -> Grid | None:
        if not self._grids:
            from detectors import pii_grid  # needs numpy

            self._grids.append(pii_grid.of(self._data, self._lo, self._hi, self._hints))
        return self._grids[0]

    def patterns(self, first: int, last: int) -> None:
        if not self._plan.user:
            return
        # from the start of a line, if that is in sight, so that what comes first is the same
        # wherever the stream was cut
        first = self._data.rfind(b"\n", max(0, self._lo - pii_view.LINE), self._lo) + 1 or first
        for program in self._plan.user:
            pattern = program.pattern
            for start, end in program.spans(self._data, first, last):
                near = self._near(start, end, program.words, self._hints.field_name(start))
                score = max(pattern.score, pattern.near) if near else pattern.score
                if score:
                    why = (near,) if near else ("fits a pattern of your own",)
                    self._keep(Found(start, end, pattern.entity, score, why, 0))


def _weak(value: str) -> bool:
    """One digit over and over, or counting up: what people type when they make something up."""
    number = "".join(char for char in value if char.isdigit())
    return len(set(number)) <= 2 or number in "01234567890123456789"
