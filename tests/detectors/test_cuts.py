"""The same answer wherever a stream is cut, and none lost: the promise of ``detectors.base``."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import all_detectors
from detectors.base import Detector, Example, Match
from tests.detectors.cuts import in_slices

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import generate

CARD = {d.name: d for d in all_detectors() if d.name in ("pan", "sad", "truncated")}
_EXAMPLES = [(d, example) for d in CARD.values() for example in d.examples]


def _answer(matches: list[Match]) -> list[tuple[object, ...]]:
    return [(m.start, m.end, m.entity, m.state, m.layout, m.score, m.why) for m in matches]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(_EXAMPLES), st.data())
def test_examples_cut_anywhere(pair: tuple[Detector, Example], data: st.DataObject) -> None:
    detector, example = pair
    width = 2 if b"\x00" in example.data else 1
    filler = b"some words and 12 numbers 2026-03-17\n"
    if width == 2:
        filler = filler.decode().encode(
            "utf-16-le" if example.data[1:2] == b"\x00" else "utf-16-be"
        )
    text = filler * 3 + example.data + filler * 3
    whole = in_slices(detector, text, [])
    cuts = data.draw(st.lists(st.integers(1, len(text) - 1), min_size=1, max_size=3, unique=True))
    assert _answer(in_slices(detector, text, cuts)) == _answer(whole)


@pytest.mark.parametrize("seed", [11, 12])
def test_documents_cut_anywhere(seed: int) -> None:
    document = generate.document(seed, 3)
    text = document.data[:40_000]
    rng = random.Random(seed)
    labels = [label for label in document.labels if label.end < len(text)]
    inside = [rng.randrange(label.start - 4, label.end + 4) for label in rng.sample(labels, 8)]
    whole = _answer(in_slices(CARD["pan"], text, []))
    for cuts in [[cut] for cut in inside] + [rng.sample(range(1, len(text)), 12)]:
        assert _answer(in_slices(CARD["pan"], text, cuts)) == whole


@pytest.mark.parametrize("size", [1, 7, 100, 4096])
def test_every_chunk_size(size: int) -> None:
    text = b"".join(example.data + b"\n" for example in CARD["pan"].examples[:12])
    whole = _answer(in_slices(CARD["pan"], text, []))
    assert _answer(in_slices(CARD["pan"], text, range(size, len(text), size))) == whole


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=12),
            st.from_regex(rb"[0-9]{1,24}", fullmatch=True),
            st.sampled_from(
                [b"%", b"%20", b"\\u00", b"&#160;", b"=\r\n", b"\xef\xbc\x91" * 5, b"^", b"D"]
            ),
            st.sampled_from(
                [b"4111111111111111", b"NDExMTExMTExMTExMTExMQ", b"*" * 6, b"cvv:", b"E+15"]
            ),
            st.sampled_from(
                [b"3\x004\x00" * 9, b"\xf4\xf1\xf1\xf1" * 5, b"3431313131" * 5, b"5A08", b"57"]
            ),
        ),
        max_size=40,
    ).map(b"".join)
)
def test_never_raises(data: bytes) -> None:
    for detector in CARD.values():
        for match in in_slices(detector, data, [len(data) // 2] if len(data) > 1 else []):
            assert 0 <= match.start < match.end <= len(data)
            assert 0.0 <= match.score <= 1.0
            detector.value(data, match)
