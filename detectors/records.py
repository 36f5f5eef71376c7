"""``dataclass`` as the standard library's, for a program that starts often.

That one writes the source of up to eight methods for each class and compiles it while the module is
imported: for the hundred records of a scan a fifth of the time it takes to start. Here records
share the methods that can be shared, and ``__init__`` is compiled when the first of a kind is made.
To type checkers, ``replace``, ``fields`` and ``pickle`` it is the same; ``tests`` hold it to that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, Field, FrozenInstanceError, fields
from dataclasses import dataclass as _standard
from operator import attrgetter
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, frozen: bool = False, slots: bool = False, repr: bool = True) -> Any:
        return lambda cls: _record(cls, frozen=frozen, slots=slots, shown=repr)


def _record(cls: type, *, frozen: bool, slots: bool, shown: bool) -> type:
    written = {name: value for name, value in vars(cls).items() if value is not None}
    cls.__doc__ = cls.__doc__ or cls.__name__  # or one is made of the signature
    cls = _standard(init=False, repr=False, eq=False, slots=slots)(cls)
    its = fields(cls)
    values = _tuple_of([field.name for field in its if field.compare])
    methods: dict[str, Any] = {
        "__init__": _init(cls, frozen, slots),
        "__eq__": _eq(values),
        "__hash__": _hash(values) if frozen else None,
    }
    if shown:
        methods["__repr__"] = _repr([field.name for field in its if field.repr])
    if frozen:
        methods |= {"__setattr__": _refuse, "__delattr__": _refuse}
    if frozen and slots:
        methods |= {"__getstate__": _state, "__setstate__": _set_state}
    for name in methods.keys() - written.keys():
        setattr(cls, name, methods[name])
    return cls


def _tuple_of(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda record: tuple(getattr(record, name) for name in names)


def _eq(values: Callable[[Any], tuple[Any, ...]]) -> Callable[[Any, Any], Any]:
    def equal(self: Any, other: Any) -> Any:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return values(self) == values(other)

    return equal


def _hash(values: Callable[[Any], tuple[Any, ...]]) -> Callable[[Any], int]:
    return lambda self: hash(values(self))


def _repr(names: Iterable[str]) -> Callable[[Any], str]:
    def shown(self: Any) -> str:
        told = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{self.__class__.__qualname__}({told})"

    return shown


def _refuse(self: Any, name: str, *value: Any) -> None:
    raise FrozenInstanceError(f"cannot {'assign to' if value else 'delete'} field {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, field.name) for field in fields(self)]


def _set_state(self: Any, state: list[Any]) -> None:
    for field, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)


def _init(cls: type, frozen: bool, slots: bool) -> Callable[..., None]:
    def init(self: Any, *args: Any, **named: Any) -> None:
        compiled = _compiled(cls, frozen, slots)
        cls.__init__ = compiled  # type: ignore[misc]  # from now on
        compiled(self, *args, **named)

    return init


def _compiled(cls: type, frozen: bool, slots: bool) -> Callable[..., None]:
    """The ``__init__`` that the standard library would have made."""
    its: tuple[Field[Any], ...] = fields(cls)
    known: dict[str, Any] = {"_set": object.__setattr__, "_not_given": MISSING}
    parameters, body = ["self"], []
    named_only: list[str] = []
    for field in its:
        name = value = field.name
        default = ""
        if field.default is not MISSING:
            known[f"_default_{name}"] = field.default
            default = f"=_default_{name}"
            value = name if field.init else f"_default_{name}"
        elif field.default_factory is not MISSING:
            known[f"_make_{name}"] = field.default_factory
            default, value = "=_not_given", f"_make_{name}()"
            if field.init:
                value += f" if {name} is _not_given else {name}"
        elif not field.init:
            continue
        if not (field.init or slots) and field.default is not MISSING:
            continue  # it stays that of the class
        if field.init:
            (named_only if field.kw_only else parameters).append(name + default)
        body.append(f"_set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    if named_only:
        parameters += ["*", *named_only]
    source = f"def __init__({', '.join(parameters)}):\n " + "\n ".join(body or ["pass"])
    exec(source, known)  # noqa: S102 - of names in our own sources, as the standard library does
    init: Callable[..., None] = known["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    init.__module__ = cls.__module__
    return init
