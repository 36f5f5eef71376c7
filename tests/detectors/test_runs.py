"""The array code against plain Python, on whatever hypothesis thinks of."""

from __future__ import annotations

import re

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import iin, luhn
from detectors.layouts import grouped
from detectors.runs import (
    BLOCK,
    MARGIN,
    Prefilter,
    issued,
    luhn_ok,
    maybe_issued,
    parts,
    prefixes,
    tokens,
)
from detectors.testpans import is_test

_TEXT = st.lists(
    st.one_of(
        st.from_regex(r"[0-9]{1,25}", fullmatch=True),
        st.sampled_from([" ", "-", "\n", "x", ",", "a1", "\x00", "é", "%20", "  ", "2026-03-17"]),
    ),
    max_size=60,
).map(lambda parts: "".join(parts).encode())
_PREFILTER = Prefilter()


def _long_runs(data: bytes) -> list[tuple[int, int]]:
    found = []
    for frame in _PREFILTER.frames(np.frombuffer(data, np.uint8)):
        runs = tokens(frame)
        long = runs.length >= 12
        starts = (runs.start[long] + frame.origin).tolist()
        found += list(zip(starts, runs.length[long].tolist(), strict=True))
    return found


def _by_regex(data: bytes) -> list[tuple[int, int]]:
    runs = re.finditer(rb"[0-9]{12,}", data)
    return [(m.start(), min(64, len(m[0]))) for m in runs]


@given(_TEXT)
def test_finds_every_run_of_twelve(data: bytes) -> None:
    assert _long_runs(data) == _by_regex(data)


@settings(max_examples=25)
@given(st.integers(-40, 40), st.integers(12, 19), st.booleans())
def test_runs_at_the_edges_of_blocks(offset: int, size: int, full: bool) -> None:
    filler = b"." if not full else b"1234567890123456 "
    data = bytearray((filler * (BLOCK + 20_000))[: BLOCK + 10_000])
    at = BLOCK + offset
    data[at - 1 : at + size + 1] = b"," + b"4" * size + b","
    assert _long_runs(bytes(data)) == _by_regex(bytes(data))


@given(_TEXT)
def test_tests_on_arrays_agree_with_the_scalar_ones(data: bytes) -> None:
    for frame in _PREFILTER.frames(np.frombuffer(data, np.uint8)):
        runs = tokens(frame)
        keep = (runs.length >= 12) & (runs.length <= 19)
        start, length = runs.start[keep], runs.length[keep]
        first = frame.load(start)
        good, prefix = luhn_ok(frame, start, length, first), prefixes(first)
        known, coarse = issued(prefix, length), maybe_issued(first, length)
        for row, (at, size) in enumerate(zip(start.tolist(), length.tolist(), strict=True)):
            digits = frame.data[at : at + size].tobytes().decode()
            assert good[row] == luhn.valid(digits)
            assert prefix[row] == int(digits[:6])
            assert known[row] == (bool(iin.brands(digits)) or _opens_a_test_number(digits))
            assert coarse[row] or not known[row]


def _opens_a_test_number(digits: str) -> bool:
    """A prefix and length outside every range that a published test number has."""
    return digits[:6] == "100000" and len(digits) == 16 and is_test("1000000000000008")


@given(st.lists(st.integers(4, 8), min_size=2, max_size=4), st.sampled_from([" ", "-", "\t", "–"]))
def test_groups_are_followed(sizes: list[int], separator: str) -> None:
    text = separator.join("4" * size for size in sizes)
    data = f"x {text} y".encode()
    found = set()
    for frame in _PREFILTER.frames(np.frombuffer(data, np.uint8)):
        for some in grouped(frame, tokens(frame))[0]:
            for row in range(len(some.start)):
                found.add(tuple(int(size) for size in some.groups[row] if size))
    whole = tuple(sizes)
    if sum(sizes) in (13, 16, 19):  # lengths of the brand that begins with 4
        assert whole in found


@given(st.integers(0, 5000), st.integers(1, 700))
def test_parts_cover_everything_once(end: int, size: int) -> None:
    pieces = list(parts(0, end, size))
    assert [lo for lo, _ in pieces[1:]] == [hi for _, hi in pieces[:-1]]
    if end:
        assert (pieces[0][0], pieces[-1][1]) == (0, end)


def test_a_frame_is_padded_with_zeros() -> None:
    frame = next(iter(_PREFILTER.frames(np.frombuffer(b"4" * 16, np.uint8))))
    assert not frame.data[:MARGIN].any() and not frame.data[MARGIN + 16 :].any()
