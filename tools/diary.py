"""Acts made up by the second, and the facts they are in the store of facts.

diary = Diary()
diary.note(Who("ann"), Verb.READ, [second, ...], [4711, ...])
facts.add(diary.batch("source", "s3://bucket"))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scanner.batch import COLUMNS, Batch, Verb, Who
from scanner.known import name_hash

NAMELESS = -1


def record_name(record: int) -> str:
    return f"records/{record}.json"


@dataclass(slots=True)
class Diary:
    _people: dict[Who, int] = field(default_factory=dict)
    _parts: list[dict[str, Any]] = field(default_factory=list)

    def note(
        self,
        who: Who,
        verb: Verb,
        seconds: Sequence[int] | Any,
        records: Sequence[int] | Any = NAMELESS,
        rows: int = -1,
    ) -> None:
        """Acts at ``seconds`` since 1970, each of one of the ``records`` (as many, or one for
        all)."""
        seconds = np.asarray(seconds, "i8")
        about = {
            "who": self._people.setdefault(who, len(self._people)),
            "verb": int(verb),
            "object": np.asarray(records, "i8"),
            "hour": seconds // 3600,
            "second": seconds % 3600,
            "rows": rows,
        }
        self._parts.append(
            {
                name: np.broadcast_to(np.asarray(column), seconds.shape)
                for name, column in about.items()
            }
        )

    def batch(self, source: str, store: str) -> Batch:
        """Of all that was noted, each an event of its own."""
        columns = {
            name: np.concatenate([part[name] for part in self._parts]) for name in self._parts[0]
        }
        size = len(columns["who"])
        met = np.unique(columns["object"])
        names = {name_hash(name): name for name in map(record_name, met[met >= 0].tolist())}
        numbers = np.array([0] * (len(met) - len(names)) + [*names], "u8")
        columns["object"] = numbers[np.searchsorted(met, columns["object"])]
        columns |= {
            "store": np.zeros(size),
            "event": np.arange(1, size + 1),
            "sent": np.full(size, -1),
        }
        typed = {name: columns[name].astype(kind) for name, kind in COLUMNS.items()}
        return Batch(source, "made up", [store], [], [*self._people], names, typed)
