"""The windows join up to the input, wherever it is cut, and every place is right."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors import base
from scanner import windows as module
from scanner.contracts import Chunk, Source
from scanner.errors import Reason, Unreadable
from scanner.model import Problem, Slice
from scanner.windows import AFTER, BEFORE, windows


class Dribble(io.RawIOBase):
    """Gives at most ``step`` bytes a read, cannot seek, and breaks at ``breaks`` if it is given."""

    def __init__(self, data: bytes, step: int, breaks: int | None = None) -> None:
        self.data, self.step, self.breaks, self.at = data, step, breaks, 0

    def readable(self) -> bool:
        return True

    def readinto(self, view: bytearray | memoryview) -> int:  # type: ignore[override]  # narrower
        if self.breaks is not None and self.at >= self.breaks:
            raise Unreadable(Reason.TRUNCATED, "broken off")
        part = self.data[self.at : self.at + min(self.step, len(view))]
        if self.breaks is not None:
            part = part[: self.breaks - self.at]
        view[: len(part)] = part
        self.at += len(part)
        return len(part)


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that short inputs have many seams."""
    monkeypatch.setattr(module, "READ", 64)
    monkeypatch.setattr(module, "LOOK_BACK", 100)


def read(source: Source, part: Slice) -> Iterator[tuple[Chunk, bytes]]:
    for item in windows(source, part):
        assert isinstance(item, Chunk)
        yield item, bytes(item.data)


def cuts_of(size: int, cuts: list[int]) -> list[Slice]:
    places = sorted({0, *(cut % (size + 1) for cut in cuts)} - {size}) or [0]
    ends = [*places[1:], None]
    return [Slice(i, start, end) for i, (start, end) in enumerate(zip(places, ends, strict=True))]


text = st.lists(st.sampled_from([b"\n", b"a", b"4", b"\0", b"some words", b"x" * 70])).map(b"".join)


def test_overlap_is_that_of_the_detectors() -> None:
    assert (BEFORE, AFTER) == (base.BEFORE, base.AFTER)


@given(data=text, cuts=st.lists(st.integers(0, 5000), max_size=5))
def test_any_slices_join_up_to_the_input(data: bytes, cuts: list[int]) -> None:
    joined = b""
    lines = 0
    for part in cuts_of(len(data), cuts):
        source = Source(io.BytesIO(data), "f", len(data))
        in_slice = 0
        for chunk, held in read(source, part):
            start = len(joined)
            joined += held[chunk.lo : chunk.hi]
            front = held[: chunk.lo]
            assert data[max(0, start - len(front)) : start] == front
            assert len(front) >= min(BEFORE, start)
            behind = held[chunk.hi :]
            end = start + chunk.hi - chunk.lo
            assert data[end : end + len(behind)] == behind
            assert len(behind) >= min(AFTER, len(data) - end)
            assert chunk.newlines == held[chunk.lo : chunk.hi].count(b"\n")
            for at in {chunk.lo, (chunk.lo + chunk.hi) // 2, chunk.hi - 1}:
                place = chunk.locate(at, at + 1)
                offset = start + at - chunk.lo
                assert place.offset == offset
                assert place.line is not None
                assert place.line - 1 + lines == data.count(b"\n", 0, offset)
                begin = data.rfind(b"\n", 0, offset) + 1
                assert place.column in (offset - begin + 1, None)
                if begin > part.start or part.start - begin < 100:
                    assert place.column is not None
            in_slice += chunk.newlines
        lines += in_slice
    assert joined == data


@given(data=text, step=st.integers(1, 300))
def test_a_stream_gives_what_a_file_gives(data: bytes, step: int) -> None:
    stream = Source(Dribble(data, step), "f", None, seekable=False)  # type: ignore[arg-type]  # raw
    seekable = Source(io.BytesIO(data), "f", len(data))
    got, wanted = [], []
    for source, into in ((stream, got), (seekable, wanted)):
        for chunk, held in read(source, Slice(0, 0, None)):
            into.append(held[chunk.lo : chunk.hi])
    assert b"".join(got) == b"".join(wanted) == data


@given(data=text.filter(len), where=st.integers(0, 5000))
def test_a_fault_comes_after_all_the_bytes_before_it(data: bytes, where: int) -> None:
    breaks = where % len(data)
    source = Source(Dribble(data, 50, breaks), "f", None, seekable=False)  # type: ignore[arg-type]  # raw
    if breaks == 0:
        with pytest.raises(Unreadable):
            list(windows(source, Slice(0, 0, None)))
        return
    got, problems = b"", []
    for item in windows(source, Slice(0, 0, None)):
        if isinstance(item, Problem):
            problems.append(item.reason)
        else:
            got += bytes(item.data[item.lo : item.hi])
    assert got == data[:breaks]
    assert problems == [Reason.TRUNCATED]


def test_what_grows_is_not_chased() -> None:
    source = Source(io.BytesIO(b"x" * 1000), "f", 600)
    assert sum(chunk.hi - chunk.lo for chunk, _ in read(source, Slice(0, 0, None))) == 600


def test_holes_are_left_out_and_offsets_stay() -> None:
    data = b"one\n" + bytes(5000) + b"two\n" + bytes(3000) + b"three"

    def ranges(start: int, end: int) -> Iterator[tuple[int, int]]:
        for place, size in ((0, 4), (5004, 4), (8008, 5)):
            if start < place + size and place < end:
                yield max(place, start), min(place + size, end)

    source = Source(io.BytesIO(data), "f", len(data), data_ranges=ranges)
    seen = [
        (held[chunk.lo : chunk.hi], chunk.locate(chunk.lo, chunk.lo))
        for chunk, held in read(source, Slice(0, 0, None))
    ]
    assert [part for part, _ in seen] == [b"one\n", b"two\n", b"three"]
    assert [place.offset for _, place in seen] == [0, 5004, 8008]
    assert [place.line for _, place in seen] == [1, 2, 3]
    assert [place.column for _, place in seen] == [1, 5001, 3001]


def test_a_chunk_does_not_show_its_bytes() -> None:
    chunk, _ = next(read(Source(io.BytesIO(b"secret"), "f", 6), Slice(0, 0, None)))
    assert "secret" not in repr(chunk)
