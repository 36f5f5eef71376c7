"""How relations of a database lead to others, and to whom each was granted.

A view opens what it selects from, the parent of partitions and of inherited tables opens those: a
read of it is a read of them, and a right to it is a right to them. Names are spelt as those of
units, and sealed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TypeAlias

from detectors.records import dataclass

SealName: TypeAlias = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Door:
    """A view, or else a parent; ``opens`` all that it leads to, over others too."""

    name: str
    opens: tuple[str, ...]
    view: bool


@dataclass(frozen=True, slots=True)
class Holding:
    """Relations that may be read by the same, by a grant on the relation itself: ``holders`` as in
    ``model.Held``."""

    on: tuple[str, ...]
    holders: tuple[str, ...]


def doors(
    edges: Mapping[str, Collection[str]], views: Collection[str], seal: SealName
) -> tuple[Door, ...]:
    """``edges``: of each view and parent, what it leads to at once."""
    found = []
    for name in sorted(edges):
        reached: dict[str, None] = {}
        waiting = list(edges[name])
        while waiting:
            one = waiting.pop()
            if one not in reached and one != name:
                reached[one] = None
                waiting += edges.get(one, ())
        found.append(Door(seal(name), tuple(map(seal, sorted(reached))), name in views))
    return tuple(found)


def leading(to: Collection[str], known: Iterable[Door]) -> Iterator[Door]:
    """The doors that open something of ``to``."""
    return (door for door in known if any(each in to for each in door.opens))


def held_alike(by: Mapping[str, Iterable[str]], seal: SealName) -> tuple[Holding, ...]:
    """``by``: the holders of each relation. Thousands of tables have few different grants."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for name, holders in by.items():
        alike.setdefault(tuple(sorted(holders)), []).append(name)
    return tuple(
        Holding(tuple(map(seal, sorted(names))), tuple(map(seal, holders)))
        for holders, names in sorted(alike.items())
        if holders
    )
