"""The compiled passes against the same over arrays, and against plain Python."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from detectors import all_detectors, candidates, compiled, marks
from detectors.base import Detector, FieldCounts, Match, NoHints
from detectors.marks import PIECE, places

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import generate

ROOT = Path(__file__).resolve().parents[2]
CARD = [d for d in all_detectors() if d.name in ("pan", "sad", "truncated")]
NATIVE = compiled.native
built = pytest.mark.skipif(NATIVE is None, reason="the extension is not built: no C compiler")


def test_it_is_built_where_there_is_a_compiler() -> None:
    if os.environ.get("CARDTRAIL_ARRAYS"):
        pytest.skip("CARDTRAIL_ARRAYS is set")
    assert NATIVE is not None or shutil.which("cc") is None


@contextmanager
def _over_arrays() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (candidates, marks):
            patch.setattr(module, "native", None)
        yield


def _answer(
    detector: Detector, data: bytes, lo: int, hi: int
) -> tuple[list[Match], dict[int, FieldCounts]]:
    scan = detector.scan()
    return scan.find(data, lo, hi, NoHints()), dict(scan.fields())


_NUMBERS = ["4539148803436467", "4111111111111111", "378282246310005", "6011000990139424"]
_PIECES = st.one_of(
    st.from_regex(r"[0-9]{1,40}", fullmatch=True),
    st.sampled_from(_NUMBERS),
    st.sampled_from(["\n", "\r\n", " ", "  ", " - ", "-", ".", "/", "_", "\t", ",", ";", "|", "="]),
    st.sampled_from(
        [
            ": ",
            '": "',
            "('",
            ", '",
            "(",
            "[",
            "]",
            '", "',
            ", ",
            "a",
            "D",
            "E+15",
            ".4",
            "^",
            "%",
            "%20",
            "%3D",
        ]
    ),
    st.sampled_from(
        ["\\u00a0", "\\x", "u", "=\n", "&#52;", "*", "****", "XXXXXX", "••••", "4539 "]
    ),
    st.sampled_from(["cvv=123", "pin_block", "CVC", "\x00", "é", "４", "5A08", "57", "order_id="]),
)
_TEXT = st.lists(_PIECES, max_size=40).map(lambda parts: "".join(parts).encode())


@built
@settings(max_examples=150, deadline=None)
@given(_TEXT, st.integers(0, 30), st.integers(0, 30))
@example(b"x" * 4000 + b"," + b"4539148803436467,4111111111111111," * 40, 0, 0)
@example(b'{"a": [' + b"4539148803436467, " * 60 + b"1], 4539148803436467," * 20, 0, 0)
@example(b'["4539148803436467","4539148803436467"],4539148803436467,4539148803436467\n', 0, 0)
@example(b"(" + b"1,4539148803436467),(" * 200, 0, 0)
@example("4539 1488 0343 6467 ".encode("utf-16-le") * 30, 0, 0)
@example("4539148803436467 ".encode("cp037") * 30, 0, 0)
def test_the_same_as_over_arrays(data: bytes, before: int, behind: int) -> None:
    lo, hi = min(before, len(data)), max(len(data) - behind, min(before, len(data)))
    for detector in CARD:
        compiled_answer = _answer(detector, data, lo, hi)
        with _over_arrays():
            assert compiled_answer == _answer(detector, data, lo, hi)


@built
@pytest.mark.parametrize("seed", [3, 4, 5])
def test_the_same_for_whole_documents(seed: int) -> None:
    data = generate.document(seed, 12).data
    for detector in CARD:
        matches, fields = _answer(detector, data, 0, len(data))
        with _over_arrays():
            others, counts = _answer(detector, data, 0, len(data))
        assert fields == counts
        # in blocks of different sizes a field may be seen to hold ids a little sooner
        assert [m for m in matches if m.score >= 0.3] == [m for m in others if m.score >= 0.3]


@built
@settings(max_examples=100, deadline=None)
@given(
    st.binary(max_size=300)
    | st.lists(
        st.sampled_from([b"cvv", b"PIN-", b"pin", b"Cv", b"c", b"*", b"xX#*", b"7", b" "])
    ).map(b"".join)
)
def test_names_and_masks_against_plain_python(data: bytes) -> None:
    assert NATIVE is not None
    _, _, names, masks = NATIVE.marks(data, 64)
    assert places(names) == [m.start() for m in re.finditer(rb"(?i)(?=cv[vcn]|pin[b_\- ])", data)]
    rows = re.finditer(rb"(?<![*#xX])[*#xX]{4,}|(?:\xe2\x80\xa2){4,}", data)
    near = [m.start() for m in rows if re.search(rb"[0-9]", data[m.start() + 4 : m.start() + 33])]
    assert sorted(places(masks)) == near


@built
@given(st.binary(max_size=400), st.integers(0, 63))
def test_odd_bytes_are_counted_by_piece(data: bytes, offset: int) -> None:
    """Each piece counts the first block of the next one too: no number is cut in two."""
    assert NATIVE is not None
    array = np.frombuffer(b"a" * offset + data, np.uint8)
    _, pieces, _, _ = NATIVE.marks(array.data, 64)
    rows = np.frombuffer(pieces, np.int64).reshape(-1, 3).tolist()
    text = array.tobytes()
    assert rows == [
        [
            piece.count(0),
            sum(byte > 127 for byte in piece),
            sum(0xF0 <= byte <= 0xF9 for byte in piece),
        ]
        for piece in (text[at : at + 128] for at in range(0, len(text), 64))
    ]


@built
def test_wide_numbers_over_the_edge_of_a_piece() -> None:
    pan = next(d for d in CARD if d.name == "pan")
    for shift in range(0, 64, 2):
        number = "card 4539148803436467 ".encode("utf-16-le")
        data = b"a" * (PIECE - shift) + number
        found, _ = _answer(pan, data, 0, len(data))
        assert [m.layout for m in found] == ["utf-16"], shift


@built
@pytest.mark.parametrize("variable", ["CARDTRAIL_NO_AVX2", "CARDTRAIL_ARRAYS"])
def test_every_way_to_run_gives_one_answer(variable: str) -> None:
    """Each in a process of its own: the way is chosen when the module is loaded."""
    program = (
        "import sys; from detectors import find; data = sys.stdin.buffer.read();"
        "print([(m.start, m.end, m.entity, m.layout) for m in find(data, at_least=0.3)])"
    )
    data = generate.document(9, 8).data
    answers = {
        subprocess.run(
            [sys.executable, "-c", program],
            input=data,
            cwd=ROOT,
            env={**os.environ, **extra},
            capture_output=True,
            check=True,
        ).stdout
        for extra in ({}, {variable: "1"})
    }
    assert len(answers) == 1
    assert b"CREDIT_CARD" in answers.pop()


@built
@pytest.mark.parametrize("size", [0, 1, 11, 12, 63, 64, 65, 95, 96, 97, 1000])
def test_buffers_of_any_size_and_alignment(size: int) -> None:
    """Digits up to the very ends, at every alignment; with the address sanitizer (``make
    sanitize``) a byte read outside would end the process."""
    rng = random.Random(size)
    for start in range(9):
        data = bytes(rng.choices(b"0123456789 *xcvpinMNO=\x00\xff", k=size + start))
        view = memoryview(bytearray(data))[start:]
        for detector in CARD:
            detector.scan().find(view, 0, len(view), NoHints())
