"""Patterns of the user's own, on RE2: linear time whatever the pattern and the text."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

from detectors.pii_settings import UserPattern

_ENTITY = re.compile(r"[A-Z][A-Z0-9_]{1,63}\Z")
LONGEST = 512
"""bytes of a match: what is longer would reach beyond what a detector may see"""


def compile_all(patterns: Sequence[UserPattern]) -> list[Any]:
    """One RE2 program each. Raises ``ValueError`` that names the pattern and what is wrong."""
    # google-re2 brings no types
    re2: Any = importlib.import_module("re2")
    options = re2.Options()
    options.log_errors = False
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = 8 << 20
    programs = []
    for pattern in patterns:
        if not _ENTITY.match(pattern.entity):
            raise ValueError(
                f"a pattern's entity is 2 to 64 capitals, digits and _, not {pattern.entity!r}"
            )
        if not 0 < pattern.score <= 1:
            raise ValueError(f"{pattern.entity}: score is above 0 and at most 1")
        try:
            programs.append(re2.compile(pattern.pattern.encode(), options))
        except re2.error as error:
            raise ValueError(f"{pattern.entity}: RE2 does not take the pattern: {error}") from None
        if programs[-1].match(b"") is not None:
            raise ValueError(f"{pattern.entity}: the pattern matches nothing at all, everywhere")
    return programs


def spans(program: Any, data: bytes) -> Iterator[tuple[int, int]]:
    """Spans of a user's pattern, line by line: a line is what makes the answer the same wherever
    the stream was cut, so lines beyond what is in sight are not looked at."""
    for match in program.finditer(data):
        start, end = match.span()
        if 0 < end - start <= LONGEST:
            yield start, end
