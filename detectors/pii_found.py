"""What passed, and which of two that overlap it is; and the columns of a buffer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from detectors.base import Hints, State


class Found(NamedTuple):
    """A candidate that passed: a ``Match`` in the making."""

    start: int
    end: int
    entity: str
    score: float
    why: tuple[str, ...]
    field: int
    state: State = State.CLEAR


def best(found: Iterable[Found]) -> list[Found]:
    """In order; of those that overlap the likelier, then the longer."""
    out: list[Found] = []
    cluster: list[Found] = []
    reach = -1
    for one in sorted(found):
        if one.start >= reach:
            out += cluster if len(cluster) < 2 else _best_of(cluster)
            cluster = []
        cluster.append(one)
        reach = max(reach, one.end)
    return out + (cluster if len(cluster) < 2 else _best_of(cluster))


def _best_of(cluster: list[Found]) -> list[Found]:
    kept: list[Found] = []
    for one in sorted(cluster, key=lambda f: (-f.score, f.start - f.end, f.start, f.entity)):
        if all(one.end <= other.start or other.end <= one.start for other in kept):
            kept.append(one)
    return sorted(kept)


def columns(data: bytes, lo: int, hi: int, hints: Hints) -> set[str]:
    """Names of the columns that the lines at the start, middle and end of a window know."""
    names: set[str] = set()
    for place in (lo, (lo + hi) // 2, max(lo, hi - 2048)):
        start = data.find(b"\n", place, hi) + 1 or place
        stop = data.find(b"\n", start, min(hi, start + 4096))
        stop = stop if stop >= 0 else min(hi, start + 4096)
        names |= {name for at in _cells(data, start, stop) if (name := hints.field_name(at))}
    return names


def _cells(data: bytes, start: int, stop: int) -> Iterator[int]:
    yield start
    for index in range(start, stop):
        if data[index] in b",\t;|:":
            yield index + 1
