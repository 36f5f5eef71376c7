"""From what stands around a number to the probability that it is a card.

Every piece of evidence adds to the log-odds (natural logarithm) of a number that already has an
issued prefix, a length of that issuer and, mostly, a good check digit. The weights were set by
hand and checked against labelled data: ``tools/accuracy.py`` prints the reliability table.
``judge`` also says in words what decided.
"""

from __future__ import annotations

import re

from detectors import iin
from detectors.fieldstats import sigmoid
from detectors.glue import escape_in_front, touching
from detectors.layouts import USUAL
from detectors.records import dataclass
from detectors.testpans import is_test
from detectors.words import key_weight, text_weight

BACK, AHEAD = 200, 120
"""bytes in front and behind that are looked at"""


@dataclass(slots=True)
class Candidate:
    """A number that could be a PAN, decoded. ``start``/``end`` are offsets in the buffer.

    ``before``/``after`` are up to ``BACK``/``AHEAD`` bytes around it, decoded if it is encoded.
    ``groups`` are the lengths of its groups, () when it is in one piece; ``broken`` says that one
    gap is a line end. ``field`` as in ``base.Match``. ``luhn`` False only where the field or the
    track may vouch for it.
    """

    start: int
    end: int
    digits: str
    layout: str
    before: bytes
    after: bytes
    groups: tuple[int, ...] = ()
    broken: bool = False
    separator: bytes = b""
    field: int = 0
    luhn: bool = True


# prior log-odds by brand and length: how much of what passes is a card, nothing else known
_USUAL = 2.1
_PRIOR: dict[tuple[str, int], float] = {
    ("visa", 16): 2.4,
    ("visa", 13): -0.8,
    ("visa", 19): 1.8,
    ("mastercard", 16): 2.4,
    ("amex", 15): 2.2,
    ("discover", 16): 2.3,
    ("diners", 14): 1.9,
    ("maestro", 12): -1.2,
    ("maestro", 13): -1.2,
    ("maestro", 14): -0.6,
    ("maestro", 15): -0.4,
    ("uatp", 15): -1.0,
    ("t-union", 19): 1.2,
}
_OTHER = {17: 1.2, 18: 1.2}
_LONG = 1.7


def _prior(brands: tuple[str, ...], length: int) -> float:
    """Log-odds of a number of this length that one of ``brands`` could have issued."""
    usual = _USUAL if length == 16 else _OTHER.get(length, _LONG)
    return max((_PRIOR.get((brand, length), usual) for brand in brands), default=-3.0)


_SEPARATOR_WEIGHT = {b" ": 0.5, b"-": 1.5, b".": 0.2, b"/": 0.0, b"_": 0.5, b"\t": -0.6, b"  ": 0.3}

_CELL_ENDS = '\t\n\x1f,;|"'
_AN_ID = -4.0
"""of a name that says so clearly: other words are not asked"""
_POSITION = re.compile(r"':[0-9]")
"""behind a word of PostgreSQL's tsvector"""

_DIGIT_BEFORE = re.compile(rb"[0-9][ \-./_\t]\Z")
_DIGIT_BEHIND = re.compile(rb"[ \-./_\t][0-9]")
_KEY = re.compile(
    r"(?:[\"'`]?(?P<key>[^\W\d_][\w.\-]{0,40})[\"'`\]]?\s{0,3}(?:=>|:=|[=:])\s{0,3}[\"'`\[({]{0,3}"
    r"|<(?P<tag>[^\W\d_][\w.\-]{0,40})(?:\s[^<>]{0,60})?>\s{0,3}"
    r"|\b(?P<glued>[^\W\d_]{2,24})[_\-#:]?)\Z"
)
_EXPIRY = re.compile(
    rb"(?<![0-9/\-.])(?:(?:0?[1-9]|1[0-2]) ?[/\-|] ?(?:20)?[2-4][0-9]"
    rb"|(?:20)?[2-4][0-9] ?[/\-|] ?(?:0[1-9]|1[0-2]))(?![0-9/\-.:])"
)
# South Africa: birth date, sequence, citizenship 0 or 1, 8 or 9, and a Luhn digit
_PERSON = re.compile(r"[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{4}[01][89][0-9]")


def name_of(found: Candidate, column: str | None) -> str | None:
    """What the number is called: its column, or the key in front of it."""
    return column or _key(_texts(found)[0])[0]


def _texts(found: Candidate) -> tuple[str, str]:
    """What stands in front and behind; an escape that touches the number is undone."""
    before = found.before
    escape = escape_in_front(before)
    if escape:
        before = before[: -len(escape)] + (b"=" if escape.upper() == b"%3D" else b" ")
    # the windows may begin and end inside a character
    return _text(before, slice(3, None)), _text(found.after, slice(-3))


def _text(raw: bytes, sure: slice) -> str:
    """UTF-8, or Latin-1 where it is not UTF-8."""
    text = raw.decode("utf-8", "replace")
    return raw.decode("latin-1") if "\ufffd" in text[sure] else text


def judge(found: Candidate, column: str | None) -> tuple[float, tuple[str, ...]]:
    """Probability and the words for it. ``column`` is the name of the column, when known."""
    why: list[str] = []
    value = _prior(iin.brands(found.digits), len(found.digits))
    if is_test(found.digits):
        value += 4.0
        why.append("a published test number")
    if not found.luhn:
        value -= 4.5
        why.append("the check digit does not fit")
    value += _layout(found, why)
    if found.layout in ("base64", "hex") and not found.before and not found.after:
        value += 2.5
        why.append("encoded by itself")
    before, after = _texts(found)
    key, text = _key(before)
    name = column or key
    named = key_weight(name) if name else 0.0
    if column and named <= _AN_ID and (prose := _prose(text, after)) is not None:
        named, (text, after) = 0.0, prose
    value += named
    if _PERSON.fullmatch(found.digits) and named < 4:
        value -= 6.0
        why.append("has the form of a national identity number")
    if len(found.digits) == 13 and named < 4 and _is_ean(found.digits):
        value -= 1.5
        why.append("has the check digit of an EAN")
    if abs(named) >= 1:
        kind = "column" if column else "key"
        why.append(
            f"stands under a {kind} that names {'a card' if named > 0 else 'something else'}"
        )
    if found.layout == "emv":
        value += 1.0
    else:
        value += touching(found.before, found.after, key is not None and named > 1, why)
    # a key that says what it is settles it: other words are about something else
    words, good, bad = text_weight(text[-120:], after[:80]) if abs(named) < 4 else (0.0, "", "")
    value += words
    if good:
        why.append(f"“{good}” stands near")
    if bad and named < 1:
        why.append(f"“{bad}” stands near")
    if _EXPIRY.search(found.after[:40].split(b"\n")[0]) or _EXPIRY.search(
        found.before[-40:].split(b"\n")[-1]
    ):
        value += 1.5
        why.append("an expiry date stands beside it")
    return sigmoid(value), tuple(why)


def _prose(before: str, after: str) -> tuple[str, str] | None:
    """The text of the cell around a number, where it says so much of itself that the name of its
    column counts for nothing: words for a card, or a lexeme of a text index."""
    before = before[max(before.rfind(end) for end in _CELL_ENDS) + 1 :]
    after = after[: min((at for end in _CELL_ENDS if (at := after.find(end)) >= 0), default=None)]
    said, _, _ = text_weight(before[-120:], after[:80])
    lexeme = before.endswith("'") and _POSITION.match(after)
    return (before, after) if said > 0 or lexeme else None


def _is_ean(digits: str) -> bool:
    """Whether thirteen digits end in the check digit of an EAN."""
    return sum(int(c) * (3 if i % 2 else 1) for i, c in enumerate(digits)) % 10 == 0


def _layout(found: Candidate, why: list[str]) -> float:
    if not found.groups:
        return 0.0
    grouping = "-".join(map(str, found.groups))
    if found.broken:
        why.append("broken over a line end")
        row = _DIGIT_BEFORE.search(found.before) or _DIGIT_BEHIND.match(found.after)
        return (0.5 if found.groups in USUAL else -2.5) - (3.0 if row else 0.0)
    weight = _SEPARATOR_WEIGHT.get(found.separator, 1.2)
    if found.groups not in USUAL:
        why.append(f"unusual grouping {grouping}")
        return min(weight, 0.0) - 5.0
    # the same separator and more digits beside it: a list of short numbers
    further = 0
    if found.separator:
        if re.search(rb"[0-9]" + re.escape(found.separator) + rb"\Z", found.before):
            further += 1
        if re.match(re.escape(found.separator) + rb"[0-9]", found.after):
            further += 1
    if further:
        why.append("part of a longer row of numbers")
        return -3.0 - 1.0 * further
    why.append(f"grouped {grouping}")
    return weight


def _key(before: str) -> tuple[str | None, str]:
    """The key that the text ends with: ``"key": "``, ``key=``, ``<key>``, ``key_``; and the text
    in front of it."""
    last = before.rstrip()[-1:]
    if not (last.isalpha() and before[-1:] == last) and last not in tuple("=:>\"'`[({_-#"):
        return None, before
    match = _KEY.search(before, max(0, len(before) - 64))
    if match is None:
        return None, before
    return match["key"] or match["tag"] or match["glued"], before[: match.start()]
