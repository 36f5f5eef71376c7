"""Every registered detector through the same suite: its examples, near misses and manners."""

from __future__ import annotations

import re
from typing import Any

import pytest

import detectors
from detectors.base import AFTER, BEFORE, CONFIRMED, Detector, Example, NoHints

ALL = detectors.all_detectors()
_EXAMPLES = [(detector, example) for detector in ALL for example in detector.examples]
_NEAR = [(detector, text) for detector in ALL for text in detector.near_misses]


def _name(value: Any) -> str | None:
    if isinstance(value, Example):
        return f"{value.entity}-{len(value.data)}"
    return value.name if hasattr(value, "near_misses") else None


def _confirmed(detector: Detector, data: bytes, entity: str) -> list[tuple[str, str]]:
    return [
        (detector.value(data, match).text, match.state)
        for match in detectors.find(data, using=[detector], at_least=CONFIRMED)
        if match.entity == entity
    ]


@pytest.mark.parametrize(("detector", "example"), _EXAMPLES, ids=_name)
def test_examples_are_confirmed(detector: Detector, example: Example) -> None:
    found = _confirmed(detector, example.data, example.entity)
    assert (example.value, example.state) in found


@pytest.mark.parametrize(("detector", "example"), _EXAMPLES, ids=_name)
def test_examples_amid_other_text(detector: Detector, example: Example) -> None:
    """Wherever the buffer begins, the same values come out of it."""
    alone = _confirmed(detector, example.data, example.entity)
    newline = b"\n"
    if b"\x00" in example.data or not re.search(rb"[\n a-z0-9]", example.data):
        newline = b"\r\n\r\n"
    data = b"nothing here." * 40 + newline + example.data + newline + b"nor here." * 40
    assert set(alone) <= set(_confirmed(detector, data, example.entity))


@pytest.mark.parametrize(("detector", "text"), _NEAR, ids=_name)
def test_near_misses_are_left_alone(detector: Detector, text: bytes) -> None:
    assert detectors.find(text, using=[detector]) == []


@pytest.mark.parametrize(("detector", "example"), _EXAMPLES, ids=_name)
def test_only_the_window_is_reported(detector: Detector, example: Example) -> None:
    """A match belongs to the window its first byte lies in, and to no other."""
    data = bytearray(example.data)
    whole = detector.scan().find(data, 0, len(data), NoHints())
    for edge in (1, len(data) // 2, len(data) - 1):
        left = detector.scan().find(data, 0, edge, NoHints())
        right = detector.scan().find(data, edge, len(data), NoHints())
        assert [m.start for m in left] + [m.start for m in right] == [m.start for m in whole]


@pytest.mark.parametrize("detector", ALL, ids=_name)
def test_describes_itself(detector: Detector) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9-]*", detector.name)
    assert detector.entities and detector.examples and detector.near_misses
    assert detector.profiles <= {"card", "full", "names"} and detector.profiles
    assert {example.entity for example in detector.examples} <= set(detector.entities)
    for text in (detector.summary, detector.limits):
        assert text.strip() and "\n" not in text


@pytest.mark.parametrize("detector", ALL, ids=_name)
@pytest.mark.parametrize("data", [b"", b"0", b"4" * 5000, bytes(range(256)) * 8, b"\xff" * 4096])
def test_takes_anything(detector: Detector, data: bytes) -> None:
    for buffer in (data, bytearray(data), memoryview(data)):
        scan = detector.scan()
        for match in scan.find(buffer, 0, len(buffer), NoHints()):
            assert 0 <= match.start < match.end <= len(buffer)
            assert "4111" not in repr(detector.value(buffer, match))
        scan.fields()


def test_windows_are_wide_enough() -> None:
    assert BEFORE >= 1024 and AFTER >= 768
