"""One pass for names of people and places: a sample of the prose and of each column.

In running text the model looks at passages; a column is judged by its name and by a vote of the
values in the sample. How much is looked at grows with the text, so that large ones cost little: of
a slice the first ``FIRST`` bytes that are prose, then one byte in ``SHARE``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from detectors import pii_namewords, pii_nlp, pii_prose, pii_view
from detectors.base import Buffer, FieldCounts, Hints, Match, NoHints
from detectors.pii_found import Found, best, columns

NAME = "names"
FIRST = 16 << 10
SHARE = 1024
_LOOKED = 16
"""a line that is not for the model costs so much less of the sample than one that is"""
_PROSE_WORDS = 5
"""a cell of so many words is running text"""


class NameScan:
    """``detectors.base.Scan`` for names."""

    def __init__(self) -> None:
        self.counts: dict[int, FieldCounts] = {}
        self.known: dict[tuple[int, int], bool] = {}
        """by field and hash of a value, what the model said of it: a vote is of distinct values"""
        self._seen = 0
        self._spent = 0.0

    def fields(self) -> Mapping[int, FieldCounts]:
        return self.counts

    def find(self, data: Buffer, lo: int, hi: int, hints: Hints) -> list[Match]:
        text = data if isinstance(data, bytes) else bytes(data)
        named = not isinstance(hints, NoHints) and bool(columns(text, lo, hi, hints))
        look = _Look(self, text, lo, hi, hints if named else None)
        for start, stop in self._sample(text, lo, hi):
            look.line(start, stop)
        self._seen += hi - lo
        return [
            Match(NAME, f.entity, f.start, f.end, f.score, f.state, why=f.why, field=f.field)
            for f in best(look.found())
            if lo <= f.start < hi
        ]

    def _sample(self, data: bytes, lo: int, hi: int) -> Iterator[tuple[int, int]]:
        """Lines to look at, those of logs left out."""
        after = lo
        while after < hi:
            jump = 0
            for start, stop in pii_prose.lines(data, after, hi):
                ahead = self._spent - FIRST - (self._seen + max(start, lo) - lo) / SHARE
                if ahead > 0:
                    jump = max(start, lo) + int(ahead * SHARE) + 1
                    break
                self._spent += 1 + (stop - start) / _LOOKED
                if stop - start > 3 and not pii_prose.machine_written(data, start):
                    yield start, stop
            after = data.find(b"\n", jump - 1, hi) + 1 if 0 < jump < hi else 0
            if not after:
                return

    def spend(self, size: int) -> bool:
        """Whether the sample has room for a text, which is then taken from it."""
        self._spent += size
        return self._spent <= FIRST + self._seen / SHARE + pii_prose.LONGEST


class _Look:
    """The passages and cells of one buffer, and what was made of them."""

    def __init__(self, scan: NameScan, data: bytes, lo: int, hi: int, hints: Hints | None) -> None:
        self._scan, self._data, self._hints = scan, data, hints
        self._lo, self._hi = lo, hi
        self._texts: list[tuple[int, str, str, str]] = []
        """start, text, name of the column, what the model has to say of the whole: an entity"""
        self._found: list[Found] = []

    def line(self, start: int, stop: int) -> None:
        if self._hints is None:
            for first, last in pii_prose.passages(self._data, start, stop, self._lo, self._hi):
                self._passage(first, last, "")
            return
        if start and self._data[start - 1 : start] != b"\n":
            return  # a row that began out of sight
        for first, last in pii_prose.cells(self._data, start, stop):
            if not self._lo <= first < self._hi:
                continue
            name = self._hints.field_name(first)
            if name is not None and pii_view.plain(name) != pii_view.plain(self._text(first, last)):
                self._cell(first, last, name)

    def _text(self, start: int, stop: int) -> str:
        return self._data[start:stop].decode("utf-8", "replace")

    def _passage(self, start: int, stop: int, name: str) -> None:
        text = self._text(start, stop)
        if pii_prose.prose(text) and self._scan.spend(stop - start):
            self._texts.append((start, text, name, ""))

    def _cell(self, start: int, stop: int, name: str) -> None:
        text = self._text(start, stop)
        entity, word = pii_namewords.column(name)
        if word:
            fits = pii_namewords.like_a_name if entity == "PERSON" else pii_namewords.like_a_place
            self._scan.spend(1)
            self._vote(start, stop, entity, name, fits(text), f"in a column named for it ({word})")
        elif text.count(" ") >= _PROSE_WORDS:
            self._passage(start, min(stop, start + pii_prose.LONGEST), name)
        elif entity == pii_namewords.OTHER:
            return
        elif pii_namewords.like_a_name(text):
            wanted = entity or "PERSON"
            field = pii_view.field(wanted, self._data, start, name)
            said = self._scan.known.get((field, hash(text)))
            if said:
                self._found.append(Found(start, stop, wanted, 0.6, _WHOLE, field))
            elif said is None and self._scan.spend(stop - start):
                self._texts.append((start, text, name, wanted))
        elif entity:
            self._vote(start, stop, entity, name, False, "")

    def _vote(self, start: int, stop: int, entity: str, name: str, passed: bool, why: str) -> None:
        field = pii_view.field(entity, self._data, start, name)
        counts = self._scan.counts.setdefault(field, FieldCounts())
        counts.seen += 1
        counts.luhn += passed
        if passed:
            score = 0.9 if why else 0.6
            self._found.append(Found(start, stop, entity, score, (why,) if why else _WHOLE, field))

    def _say(self, start: int, stop: int, entity: str, name: str, text: str, said: bool) -> None:
        """The model's answer on a short value; the same value counts once."""
        key = (pii_view.field(entity, self._data, start, name), hash(text))
        if key not in self._scan.known:
            self._scan.known[key] = said
            self._vote(start, stop, entity, name, said, "")
        elif said:
            self._found.append(Found(start, stop, entity, 0.6, _WHOLE, key[0]))

    def found(self) -> list[Found]:
        spans = pii_nlp.named([text for _, text, _, _ in self._texts])
        for (start, text, name, wanted), named in zip(self._texts, spans, strict=True):
            if wanted:
                whole = any(e == wanted and b - a >= 0.6 * len(text) for a, b, e in named)
                end = start + len(text.encode("utf-8", "replace"))
                self._say(start, end, wanted, name, text, whole)
                continue
            for a, b, entity in named:
                if entity == "PERSON":
                    a, b = pii_namewords.trimmed(text, a, b)
                score = pii_namewords.probability(entity, text[a:b])
                if entity == "PERSON" and _IN_ADDRESS.search(
                    f"{text[max(0, a - 10) : a]}|{text[b : b + 4]}"
                ):
                    score = min(score, 0.45)
                if score:
                    first = start + len(text[:a].encode("utf-8", "replace"))
                    last = first + len(text[a:b].encode("utf-8", "replace"))
                    field = pii_view.field(entity, self._data, first, name) if name else 0
                    self._found.append(Found(first, last, entity, score, _MODEL, field))
        return self._found


_IN_ADDRESS = re.compile(
    r"(?:\d[\w.]{0,3},?|[Rr]ue|[Aa]venue|[Vv]ia|[Cc]alle|[Pp]lace|[Ss]quare|Apt\.?) {1,2}\|"
    r"|\|,? {0,2}(?:\d|[Ss]tr|[Rr]oad|[Aa]ve)"
)
"""beside a house number: streets are called after people"""
_MODEL = ("the model for names says so",)
_WHOLE = ("the model for names takes the whole value for one",)


def settle(
    score: float, why: tuple[str, ...], counts: FieldCounts | None
) -> tuple[float, tuple[str, ...]]:
    """Of a value in a column: what share of the sample is a name decides. A model knows three of
    four names without a sentence around them, and one in five of other capitalised words."""
    if counts is None or not counts.seen or _MODEL[0] in why:
        return score, why
    share = counts.luhn / counts.seen
    told = f"{counts.luhn} of {counts.seen} sampled values of the column look like it"
    if score > 0.8:
        return (0.92 if share >= 0.7 else 0.6 if share >= 0.35 else 0.3), (*why, told)
    if counts.seen < 8:
        return min(score, 0.5), why
    return (0.85 if share >= 0.5 else 0.5 if share >= 0.35 else 0.1), (*why, told)
