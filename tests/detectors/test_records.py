"""Records are what the standard library's dataclasses are."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors import records

ROOT = Path(__file__).resolve().parent.parent.parent
_OPTIONS = st.fixed_dictionaries(
    {"frozen": st.booleans(), "slots": st.booleans(), "repr": st.booleans()}
)
_VALUES = st.none() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """The namespace of a class: its fields, in an order that a dataclass allows."""
    kinds = ["plain", "hidden", "default", "factory", "named", "fixed", "alike"]
    chosen = sorted(
        draw(st.lists(st.sampled_from(kinds), max_size=6)), key=lambda kind: kinds.index(kind) > 1
    )
    made: dict[str, Callable[[], Any]] = {
        "hidden": lambda: dataclasses.field(repr=False),
        "default": lambda: 7,
        "factory": lambda: dataclasses.field(default_factory=list),
        "named": lambda: dataclasses.field(default="n", kw_only=True),
        "fixed": lambda: dataclasses.field(default=3, init=False),
        "alike": lambda: dataclasses.field(default=0, compare=False),
    }
    names = [f"{kind}{place}" for place, kind in enumerate(chosen)]
    body: dict[str, Any] = {
        name: made[kind]() for name, kind in zip(names, chosen, strict=True) if kind in made
    }
    if draw(st.booleans()):
        body["__post_init__"] = lambda self: AFTER.append(type(self).__name__)
    if draw(st.booleans()):
        body["__repr__"] = lambda self: "mine"
    if draw(st.booleans()):
        body["__eq__"] = lambda self, other: True
    if draw(st.booleans()):
        body["__hash__"] = lambda self: 5
    return {**body, "__annotations__": dict.fromkeys(names, "object"), "__doc__": "A record."}


AFTER: list[str] = []


def _told(ask: Callable[[], Any]) -> Any:
    """What a question gives, errors included."""
    try:
        return ask()
    except Exception as error:
        return type(error)


def _answers(cls: type, given: list[Any], named: dict[str, Any]) -> list[Any]:
    AFTER.clear()
    one, two = _told(lambda: cls(*given, **named)), _told(lambda: cls(*given, **named))
    if isinstance(one, type):
        return [one]
    names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    first = names[0] if names else "other"

    def change(record: Any) -> Any:
        setattr(record, first, 9)
        return repr(record) if cls.__repr__ is not object.__repr__ else getattr(record, first)

    def cut(record: Any) -> Any:
        delattr(record, first)
        return hasattr(record, first)

    return [
        [getattr(one, name) for name in names],
        _told(lambda: one == two),
        _told(lambda: hash(one) == hash(two)),
        one == object(),
        repr(one) if cls.__repr__ is not object.__repr__ else None,
        AFTER[:],
        _told(lambda: [getattr(copy.copy(one), name) for name in names]),
        _told(lambda: [getattr(dataclasses.replace(one, **{first: 1}), name) for name in names]),
        _told(lambda: dataclasses.asdict(one)),
        _told(lambda: msgspec.json.encode(one)),
        # that of what is no field of a frozen one with slots the original trips over
        [_told(lambda: change(two)), _told(lambda: cut(two))] if names else None,
        hasattr(one, "__dict__"),
        [(p.name, p.kind) for p in inspect.signature(cls.__init__).parameters.values()],
    ]


@given(body=bodies(), options=_OPTIONS, given_=st.lists(_VALUES, max_size=6), data=st.data())
def test_a_record_is_a_dataclass(
    body: dict[str, Any], options: dict[str, bool], given_: list[Any], data: st.DataObject
) -> None:
    names = st.sampled_from([*body["__annotations__"], "unknown"])
    named = data.draw(st.dictionaries(names, _VALUES, max_size=2))
    fields = {name: copy.copy(value) for name, value in body.items()}
    theirs = _told(lambda: dataclasses.dataclass(**options)(type("Record", (), fields)))
    fields = {name: copy.copy(value) for name, value in body.items()}
    ours = _told(lambda: records.dataclass(**options)(type("Record", (), fields)))
    if theirs is TypeError:
        assert ours is TypeError
        return
    assert _answers(ours, given_, named) == _answers(theirs, given_, named)


@records.dataclass(frozen=True, slots=True)
class Sealed:
    name: str
    places: tuple[int, ...] = ()


@records.dataclass(slots=True)
class Counted:
    seen: int = 0


@given(st.text(), st.lists(st.integers()).map(tuple))
def test_it_travels_between_processes(name: str, places: tuple[int, ...]) -> None:
    for record in (Sealed(name, places), Counted(len(places))):
        there = pickle.loads(pickle.dumps(record))
        assert (there, type(there)) == (record, type(record))
    text = msgspec.json.encode(Sealed(name, places))
    assert msgspec.json.decode(text, type=Sealed) == Sealed(name, places)


def test_one_that_is_frozen_says_so() -> None:
    record = Sealed("n")
    for change in (lambda: setattr(record, "name", "m"), lambda: delattr(record, "name")):
        with pytest.raises(dataclasses.FrozenInstanceError, match="'name'"):
            change()
    assert record == Sealed("n")


def test_nothing_is_compiled_before_it_is_used() -> None:
    program = (
        "import builtins, sys\n"
        "compiled = []\n"
        "theirs = builtins.exec\n"
        "import dataclasses\n"
        "builtins.exec = lambda source, *rest: (compiled.append(source), theirs(source, *rest))\n"
        "import scanner.model, scanner.contracts, detectors.base\n"
        "builtins.exec = theirs\n"
        "sources = [source for source in compiled if isinstance(source, str)]\n"
        "assert not sources, sources\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
