"""What comes out of the tables of a database that was opened, and where it says it stood."""

from __future__ import annotations

from scanner import registry
from scanner.contracts import Limits, OpenStore
from scanner.model import Outcome, Problem, Slice, Unit
from scanner.walk import walk

WHOLE = Slice(0, 0, None)


def units(store: OpenStore) -> dict[str, Unit | Outcome]:
    listed = list(store.units(lambda name, is_folder: False))
    return {item.key if isinstance(item, Unit) else item.unit: item for item in listed}


def unit(store: OpenStore, key: str) -> Unit:
    found = units(store)[key]
    assert isinstance(found, Unit)
    return found


class Read:
    """One unit. ``places``: column and row of each ``needle`` with its three digits."""

    def __init__(self, store: OpenStore, item: Unit | str, part: Slice = WHOLE) -> None:
        self.text, self.problems = b"", list[Problem]()
        self.members: list[str | None] = []
        self.places: dict[bytes, tuple[str | None, int | None]] = {}
        chosen = unit(store, item) if isinstance(item, str) else item
        records = store.open(chosen)
        for member, chunk in walk(records, chosen.key, part, registry.readers(), Limits()):
            if isinstance(chunk, Problem):
                self.problems.append(chunk)
                continue
            data = bytes(chunk.data)
            self.text += data[chunk.lo : chunk.hi]
            self.members.append(member)
            at = data.find(b"needle", chunk.lo)
            while 0 <= at < chunk.hi:
                place = chunk.locate(at, at + 6)
                self.places[data[at : at + 9]] = (place.field or place.member, place.row)
                at = data.find(b"needle", at + 1)
        changed = records.check()
        if changed is not None:
            self.problems.append(changed)
