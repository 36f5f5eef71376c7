"""Lines of a described form: ``{client} - {principal} [{time}] "{method} {object} {*}" {status}``.

Not a regular expression: each field goes to the next place of the text behind it, so a line costs
its length and nothing in it can make that more. Fields that clients fill (an object's name, a user
agent) may hold that text too; then the line divides in other ways, and those are tried as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from detectors.records import dataclass

FIELDS = frozenset(
    {"time", "principal", "client", "object", "method", "status", "bytes", "rows", "id", "*"}
)
_FIELD = re.compile(r"\{([a-z*]+)\}")
_TRIES = 8
"""further places of a field's end that are tried"""
_TYPES = {
    "status": re.compile(r"[A-Za-z0-9_-]{1,32}"),
    "bytes": re.compile(r"\d{1,18}|-"),
    "rows": re.compile(r"\d{1,18}|-"),
}


class BadTemplate(ValueError):
    """The message says what was expected."""


@dataclass(frozen=True, slots=True)
class Template:
    """``texts`` stand before, between and behind the ``names``."""

    texts: tuple[str, ...]
    names: tuple[str, ...]

    def readings(self, line: str) -> Iterator[Mapping[str, str]]:
        """The ways the line divides, the plainest first; none if it does not fit."""
        plain = self._divide(line, -1, 0)
        if plain is not None:
            yield plain
        for place, name in enumerate(self.names[:-1]):
            if name in _TYPES or name == "time":
                continue
            for further in range(1, _TRIES + 1):
                other = self._divide(line, place, further)
                if other is not None:
                    yield other

    def _divide(self, line: str, stretched: int, further: int) -> Mapping[str, str] | None:
        """With the field ``stretched`` going ``further`` places of its end on."""
        if not line.startswith(self.texts[0]):
            return None
        found: dict[str, str] = {}
        at = len(self.texts[0])
        for place, name in enumerate(self.names):
            text = self.texts[place + 1]
            if place == len(self.names) - 1:
                if not line.endswith(text) or len(line) - len(text) < at:
                    return None
                end = len(line) - len(text)
            else:
                end = line.find(text, at)
                for _ in range(further if place == stretched else 0):
                    if end < 0:
                        break
                    end = line.find(text, end + 1)
                if end < 0:
                    return None
            value = line[at:end]
            if name in _TYPES and not _TYPES[name].fullmatch(value):
                return None
            if name != "*":
                found[name] = value
            at = end + len(text)
        return found


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
