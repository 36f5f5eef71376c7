"""Lines of a described form: ``{client} - {principal} [{time}] "{method} {object} {*}" {status}``.

Each field goes to the next place of the text behind it, and nothing is tried twice (the expressions
made of it never go back into a field), so a line costs its length whatever is in it. Fields that
clients fill (an object's name, a user agent) may hold that text too; then the line divides in other
ways, and those are tried as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

FIELDS = frozenset(
    {"time", "principal", "client", "object", "method", "status", "bytes", "rows", "id", "*"}
)
_FIELD = re.compile(r"\{([a-z*]+)\}")
_NAMES = re.compile(r"\(\?P<\w+>")
"""of groups"""
_TRIES = 8
"""further places of a field's end that are tried"""
_TYPES = {"status": r"[A-Za-z0-9_-]{1,32}", "bytes": r"\d{1,18}|-", "rows": r"\d{1,18}|-"}
"""what values look like; whatever such a value begins with, if anything, is such a value, too"""


class BadTemplate(ValueError):
    """The message says what was expected."""


class Template:
    """``texts`` stand before, between and behind the ``names``."""

    def __init__(self, texts: Sequence[str], names: Sequence[str]) -> None:
        self._texts, self._names = texts, names
        self._last = len(names) - 1
        self._plain = self._compiled(self._rest(0))
        self._otherwise = self._compiled(_NAMES.sub("(?:", self._others(0)))
        self._stretched = lru_cache(None)(self._stretching)

    def readings(self, line: str) -> Iterator[Mapping[str, str]]:
        """The ways the line divides, the plainest first; none if it does not fit."""
        if not line.endswith(self._texts[-1]):
            return
        plain = self._plain.match(line)
        if plain is not None:
            yield plain.groupdict()
        if self._otherwise.match(line) is None:
            return
        for place in filter(self._is_free, range(self._last)):
            for further in range(1, _TRIES + 1):
                other = self._stretched(place, further).match(line)
                if other is not None:
                    yield other.groupdict()

    # --- expressions, from a field on

    def _compiled(self, fields: str) -> re.Pattern[str]:
        return re.compile(re.escape(self._texts[0]) + fields, re.DOTALL)

    def _is_free(self, place: int) -> bool:
        """Whether a field may be meant to go on beyond the text behind it."""
        return self._names[place] != "time" and self._names[place] not in _TYPES

    def _rest(self, place: int) -> str:
        """The fields from ``place`` on, each to the next place of the text behind it."""
        return "".join(self._field(each) for each in range(place, self._last + 1))

    def _field(self, place: int, stretched: str = "") -> str:
        """One field with the text behind it; ``stretched``: how many places of that text further
        it goes."""
        name, text = self._names[place], re.escape(self._texts[place + 1])
        form = _TYPES.get(name)
        if place == self._last:
            value = form or ".*"
        else:
            value = _up_to(self._texts[place + 1])
            if stretched:
                value += f"(?:(?={text}).{value}){stretched}"
            if form is not None:
                value = f"(?=(?:{form}){text})(?!{text}){value}"
        end = r"\Z" if place == self._last else ""
        return (f"(?:{value})" if name == "*" else f"(?P<{name}>{value})") + text + end

    def _others(self, place: int) -> str:
        """The fields from ``place`` on, if one of them can be stretched."""
        if place == self._last:
            return "(?!)"
        on = self._field(place) + self._others(place + 1)
        if not self._is_free(place):
            return on
        other = self._field(place, f"{{1,{_TRIES}}}?") + self._rest(place + 1)
        return f"(?:{other}|{on})"

    def _stretching(self, place: int, further: int) -> re.Pattern[str]:
        before = "".join(self._field(each) for each in range(place))
        stretched = self._field(place, f"{{{further}}}")
        return self._compiled(before + stretched + self._rest(place + 1))


def _up_to(text: str) -> str:
    """What stands before the next place of ``text``."""
    first, rest = re.escape(text[0]), re.escape(text[1:])
    behind = f"(?:{first}(?!{rest})[^{first}]*+)*+" if rest else ""
    return f"[^{first}]*+{behind}"


def template(text: str) -> Template:
    """Raises ``BadTemplate``."""
    parts = _FIELD.split(text)
    texts, names = tuple(parts[::2]), tuple(parts[1::2])
    unknown = sorted(set(names) - FIELDS)
    if unknown:
        raise BadTemplate(f"expected fields of {', '.join(sorted(FIELDS))}; found {unknown[0]}")
    if any(not between for between in texts[1:-1]):
        raise BadTemplate("expected some text between two fields")
    if any(names.count(name) > 1 for name in set(names) - {"*"}):
        raise BadTemplate("expected each field once ({*} is what is passed over)")
    if "time" not in names or not {"principal", "client"} & set(names):
        raise BadTemplate("expected {time}, and {principal} or {client}")
    return Template(texts, names)
