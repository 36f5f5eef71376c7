"""CSV, TSV, JSON and JSON lines: read as bytes, at the speed of text; which column or key a value
stands under is found around that value only.

Sliceable, so ``Location.line`` and ``column`` say where; ``row`` is left to tables, since a quoted
line end makes rows and lines differ.
"""

from __future__ import annotations

import csv
import re
from bisect import bisect_right
from collections.abc import Iterator

from scanner.contracts import Buffer, Chunk, Limits, Member, Rows, Source
from scanner.model import Problem, Slice
from scanner.windows import windows

_CONTEXT = 8 << 10
"""In front of a window, so that a line begun before it is seen from its start."""
_LINE = 64 << 10
"""A longer line is not taken apart; its values have no field."""
_HEADER = 64 << 10


class Csv:
    name = "csv"
    sliceable = True
    priority = 90

    def claims(self, head: bytes, name: str) -> bool:
        named = name.lower().endswith((".csv", ".tsv", ".tab", ".psv"))
        return named and b"\0" not in head[:512]

    def read(
        self, source: Source, part: Slice, limits: Limits
    ) -> Iterator[Chunk | Member | Problem]:
        columns, began = Columns(), False
        if part.start and source.seekable:
            source.file.seek(0)
            columns.learn(source.file.read(_HEADER) or b"")
        for item in windows(source, part, columns.at, _CONTEXT):
            if isinstance(item, Chunk) and not columns.learnt:
                columns.learn(bytes(item.data[item.lo : item.lo + _HEADER]))
            if isinstance(item, Chunk):
                item.rows = columns.rows(header=part.start == 0 and not began)
                began = True
            yield item


class Json:
    name = "json"
    sliceable = True
    priority = 90

    def claims(self, head: bytes, name: str) -> bool:
        start = head[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:2]
        named = name.lower().endswith((".json", ".jsonl", ".ndjson"))
        return start == b'{"' or (named and start[:1] in (b"{", b"["))

    def read(
        self, source: Source, part: Slice, limits: Limits
    ) -> Iterator[Chunk | Member | Problem]:
        return windows(source, part, Keys().at, _CONTEXT)


READER = (Csv(), Json())


class Columns:
    """The columns of a CSV file, by its first line; none when that line looks like data."""

    def __init__(self) -> None:
        self.learnt = False
        self._names: list[str] = []
        self._delimiter = b","

    def learn(self, head: bytes) -> None:
        self.learnt = True
        line = head.removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0].rstrip(b"\r")
        delimiter = max(b",;\t|", key=line.count)
        if not line.count(delimiter):
            return
        self._delimiter = bytes([delimiter])
        text = line.decode("utf-8", "replace")
        try:
            names = next(csv.reader([text], delimiter=chr(delimiter)))
        except (csv.Error, StopIteration):
            return
        names = [name.strip() for name in names]
        if any(_DATA.search(name) for name in names) or not any(names):
            return
        self._names = names

    def rows(self, header: bool) -> Rows | None:
        if not self._names:
            return None
        return Rows(self._names, self._delimiter, b"\n", exact=False, header=header)

    def at(self, data: Buffer, start: int, base: int) -> str | None:
        if not self._names:
            return None
        assert not isinstance(data, memoryview)
        begin = data.rfind(b"\n", max(0, start - _LINE), start) + 1
        if not begin and (base or start > _LINE):
            return None
        if data.find(b'"', begin, start) < 0:
            place = data.count(self._delimiter, begin, start)
        else:
            place = _QUOTED.sub(b"", bytes(data[begin:start])).count(self._delimiter)
        return self._names[place] if place < len(self._names) else None


_DATA = re.compile(r"\d{6,}|^[\d.,+\-]+$|@")
"""A name of a column has no long number in it, is no number, is no address."""
_QUOTED = re.compile(rb'"(?:[^"]|"")*(?:"|$)')


class Keys:
    """Keys of JSON. On one line per document the whole way (``payment.card.number``), else the
    nearest key: how much of a longer document is in sight depends on where it was cut, and a
    field must have the same name wherever it stands."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[list[int], list[str | None]]] = {}
        self._size = 0

    def at(self, data: Buffer, start: int, base: int) -> str | None:
        assert not isinstance(data, memoryview)
        begin = data.rfind(b"\n", max(0, start - _LINE), start) + 1
        if begin or (not base and start <= _LINE):
            end = data.find(b"\n", start, begin + _LINE)
            line = bytes(data[begin : end if end >= 0 else min(len(data), begin + _LINE)])
            if line.startswith((b"{", b"[")) and len(line) > 2:
                return self._on_line(line, start - begin)
        return self._nearest(bytes(data[max(0, start - _NEAR) : start]))

    def _on_line(self, line: bytes, place: int) -> str | None:
        """The line is taken apart once for all the values on it."""
        known = self._known.get(line)
        if known is None:
            self._size += len(line)
            if self._size > _REMEMBERED:
                self._known.clear()
                self._size = len(line)
            known = self._known[line] = _paths(line)
        places, paths = known
        index = bisect_right(places, place) - 1
        return paths[index] if index >= 0 else None

    @staticmethod
    def _nearest(before: bytes) -> str | None:
        last = None
        for found in _KEY.finditer(before):
            last = found
        return None if last is None else _unquote(last[1])


_NEAR = 2048
_REMEMBERED = 3 << 20
"""bytes of lines taken apart that are remembered: all of a window, for each detector asks anew"""
_KEY = re.compile(rb'"((?:[^"\\]|\\.){1,256}?)"\s*:')
_TOKEN = re.compile(rb'"((?:[^"\\]|\\.)*)"(\s*:)?|[{}\[\],]')
_DEPTH = 64


def _paths(line: bytes) -> tuple[list[int], list[str | None]]:
    """From which place on which path holds."""
    places: list[int] = []
    paths: list[str | None] = []
    stack: list[str] = []
    key = ""
    for token in _TOKEN.finditer(line):
        mark = token[0][:1]
        if mark == b'"':
            if token[2] is None:
                continue
            key = _unquote(token[1])
        elif mark in b"{[":
            if len(stack) < _DEPTH:
                stack.append(f"{key}[]" if mark == b"[" and key else key)
            key = ""
        elif mark in b"}]":
            if stack:
                stack.pop()
            key = ""
        else:
            key = ""
        places.append(token.end())
        paths.append(".".join(part for part in (*stack, key) if part) or None)
    return places, paths


def _unquote(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
