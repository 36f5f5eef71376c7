"""Numbers in sentences: one thing is never said in the plural ("1 files"), wherever it is said."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.text import plural, some, times

ROOT = Path(__file__).resolve().parent.parent
_PLURAL = re.compile(r" (?:(?!of |as )[a-z-]+ ){0,3}?(?!is\b|was\b|has\b|of\b|as\b)[a-z]+s\b")
KNOWN_TO_BE_MANY = {
    "scanner/access/coverage.py": {"len(files.origins)"},
    "scanner/access/general_log.py": {"notes.begun"},
    "scanner/access/s3_access_logs.py": {"accounts"},
    "scanner/counters.py": {"total.spans"},
    "scanner/text.py": {"count"},
}
"""said only where there are several"""
LIMITS = re.compile(r"_?[A-Z_]+|.*\blimits\..*|self\._(?:most|room)|limit|size|total")
"""bounds, and sizes above them"""


def unguarded(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Numbers with separators in f-strings, straight before a plural: line and expression."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.JoinedStr):
            continue
        for number, words in zip(node.values, node.values[1:], strict=False):
            if (
                isinstance(number, ast.FormattedValue)
                and isinstance(words, ast.Constant)
                and isinstance(number.format_spec, ast.JoinedStr)
                and any(getattr(part, "value", "") == "," for part in number.format_spec.values)
                and _PLURAL.match(str(words.value))
            ):
                yield number.lineno, ast.unparse(number.value)


@pytest.mark.parametrize("package", ["scanner", "reports"])
def test_no_sentence_puts_a_number_before_a_plural_by_itself(package: str) -> None:
    found = [
        f"{place}:{line}: {expression}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for place in [str(path.relative_to(ROOT))]
        for line, expression in unguarded(ast.parse(path.read_text("utf-8")))
        if not LIMITS.fullmatch(expression) and expression not in KNOWN_TO_BE_MANY.get(place, set())
    ]
    assert found == []


def test_the_check_sees_them() -> None:
    source = 'f"{count:,} files could not be read", f"{n:,} log files of it", f"{n:,} of the reads"'
    assert [expression for _, expression in unguarded(ast.parse(source))] == ["count", "n"]


def test_words_of_numbers() -> None:
    assert [plural(n, "file") for n in (0, 1, 1_000)] == ["0 files", "1 file", "1,000 files"]
    assert [plural(n, "copy is", "copies are") for n in (1, 2)] == ["1 copy is", "2 copies are"]
    words = "JSON objects", "entries", "tables and views", "scans of tables and indexes"
    one = ["1 JSON object", "1 entry", "1 table or view", "1 scan of tables and indexes"]
    assert [some(1, each) for each in words] == one and some(0, "lines") == "0 lines"
    assert [some(2_000, each) for each in words] == [f"2,000 {each}" for each in words]
    assert [times(n) for n in (1, 2)] == ["once", "2 times"]
