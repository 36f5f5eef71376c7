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
    """Relations that may be read by the same, by a grant on the relation itself or on ``columns``
    of it: ``holders`` as in ``model.Held``."""

    on: tuple[str, ...]
    holders: tuple[str, ...]
    columns: tuple[str, ...] = ()
    """none: the whole relation"""
    passing: tuple[str, ...] = ()
    """who handed the right on to some of the holders"""
    definers: tuple[str, ...] = ()
    """who reads by this right for others, in a view or a function"""


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


def held_alike(
    by: Mapping[tuple[str, str], tuple[Collection[str], ...]], seal: SealName
) -> tuple[Holding, ...]:
    """``by``: of each relation, and each column that was granted by itself (``""`` for the whole),
    the holders, passing and definers of a ``Holding``. Thousands of tables have few different
    grants, and columns of a table mostly the same ones."""
    columns: dict[tuple[str, bool, tuple[tuple[str, ...], ...]], list[str]] = {}
    for (name, column), who in by.items():
        if who[0]:
            place = name, not column, tuple(tuple(sorted(each)) for each in who)
            columns.setdefault(place, []).append(column)
    alike: dict[tuple[tuple[str, ...], tuple[tuple[str, ...], ...]], list[str]] = {}
    for (name, whole, holders), some in columns.items():
        alike.setdefault((() if whole else tuple(sorted(some)), holders), []).append(name)
    return tuple(
        Holding(*(tuple(map(seal, each)) for each in (sorted(on), who[0], some, *who[1:])))
        for (some, who), on in sorted(alike.items())
    )
