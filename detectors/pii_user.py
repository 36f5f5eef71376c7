"""Patterns and lists of the user's own, on RE2: linear time whatever the pattern and the text."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

from detectors.pii_settings import UserPattern
from detectors.records import dataclass

_ENTITY = re.compile(r"[A-Z][A-Z0-9_]{1,63}\Z")
LONGEST = 512
"""bytes of a match: what is longer would reach beyond what a detector may see"""
_MEMORY = 64 << 20
_REMEDIES = (
    ("(?<", "look-behind: leave it out, and put what stands in front into the pattern, or into the"
     " context words"),
    ("(?=", r"look-ahead: leave it out; \b is what ends a word"),
    ("(?!", r"look-ahead: leave it out; \b is what ends a word"),
    ("(?>", "atomic groups: an ordinary group does here"),
    ("(?P=", "backreferences: write what may be repeated twice"),
    ("escape sequence: \\", "backreferences and escapes it does not know: write it without"),
    ("repetition operator", "possessive repetition: take the second + away"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled ``UserPattern``. ``words`` is a regular expression for ``pii_view.words``;
    ``whole`` says that a value of a list is meant as a whole word."""

    pattern: UserPattern
    compiled: Any
    words: str
    whole: bool

    def spans(self, data: bytes, first: int, last: int) -> Iterator[tuple[int, int]]:
        for match in self.compiled.finditer(data, first, last):
            start, end = match.span()
            if 0 < end - start <= LONGEST and not (self.whole and _inside(data, start, end)):
                yield start, end


def compile_all(patterns: Sequence[UserPattern]) -> list[Program]:
    """Raises ``ValueError`` that says what was expected of the pattern, what is wrong with it and
    what to do."""
    # google-re2 brings no types
    re2: Any = importlib.import_module("re2")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    return [_compile(pattern, re2, options) for pattern in patterns]


def _compile(pattern: UserPattern, re2: Any, options: Any) -> Program:
    if not _ENTITY.match(pattern.entity):
        raise ValueError(f"an entity of 2 to 64 capitals, digits and _, found {pattern.entity!r}")
    for name, value in (("score", pattern.score), ("near", pattern.near)):
        if not 0 <= value <= 1:
            raise ValueError(f"a {name} from 0 to 1, found {value}")
    if not pattern.score and not pattern.words:
        raise ValueError("a score above 0, or words that make it likely")
    if bool(pattern.pattern) == bool(pattern.values):
        raise ValueError("a pattern or a list of values")
    expression = pattern.pattern
    if pattern.values:
        if not all(value.strip() for value in pattern.values):
            raise ValueError("values that are not empty")
        longest_first = sorted(pattern.values, key=lambda value: -len(value))
        expression = "(?i)(?:" + "|".join(map(re2.escape, longest_first)) + ")"
    try:
        compiled = re2.compile(expression.encode(), options)
    except re2.error as error:
        raise ValueError(_told(error, expression)) from None
    if compiled.match(b"") is not None:
        raise ValueError("a pattern that matches something: this one matches nothing, everywhere")
    return Program(pattern, compiled, _words(pattern.words), bool(pattern.values))


def _told(error: Exception, expression: str) -> str:
    raw = error.args[0] if error.args else ""
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
    does = next((told for sign, told in _REMEDIES if sign in text), "")
    does = f", which knows no {does}" if does else ""
    return f"a pattern in the syntax of RE2{does}; found {expression!r}: {text}"


def _words(words: Sequence[str]) -> str:
    """Each as it stands, or as a plural; in the form of ``pii_view.plain``."""
    plain = [re.escape(word.lower().replace("_", " ")) + "(?:e?s)?" for word in words if word]
    return "|".join(plain)


def _inside(data: bytes, start: int, end: int) -> bool:
    """Whether a letter, digit or _ touches it: a word in a longer one."""
    front = data[max(0, start - 4) : start].decode("utf-8", "ignore")[-1:]
    behind = data[end : end + 4].decode("utf-8", "ignore")[:1]
    return any(char.isalnum() or char == "_" for char in (front, behind) if char)
