"""The ``Condition`` of a policy statement, as far as it can be decided without a request.

Of a request that nobody has made only some context keys are known: who asks, for what, over TLS
if the caller likes. The answer therefore has three values: it holds, it does not, or it depends on
condition keys, which are then named. A value that is known in part (``aws:userid`` of a role that
somebody will take) is a pattern. Pure functions; nothing here calls AWS.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime

from detectors.records import dataclass
from scanner.stores.s3_policy import covers, meet

Condition = tuple[str, str, tuple[str, ...]]
"""(operator, key, values) as ``s3_policy.Statement`` holds them"""


@dataclass(frozen=True, slots=True)
class Holds:
    """``yes`` counts when ``keys`` is empty; otherwise it depends on these."""

    yes: bool
    keys: frozenset[str] = frozenset()

    def __invert__(self) -> Holds:
        return self if self.keys else Holds(not self.yes)


YES, NO = Holds(True), Holds(False)


def depends(*keys: str) -> Holds:
    return Holds(False, frozenset(keys))


def all_of(parts: Iterable[Holds]) -> Holds:
    keys: frozenset[str] = frozenset()
    for part in parts:
        if part == NO:
            return NO
        keys |= part.keys
    return Holds(not keys, keys)


def any_of(parts: Iterable[Holds]) -> Holds:
    keys: frozenset[str] = frozenset()
    for part in parts:
        if part == YES:
            return YES
        keys |= part.keys
    return Holds(False, keys)


@dataclass(frozen=True, slots=True)
class Context:
    """What is known of a request. A key in ``values`` has these values (patterns), one in
    ``absent`` is not in the request; of any other nothing is known. Keys in lower case.
    ``not_of``: accounts the caller is not of, where that is all that is known of it."""

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    not_of: frozenset[str] = frozenset()

    def lacks(self, key: str) -> bool:
        """An entry of ``absent`` that ends in ``/`` stands for all keys below it."""
        if key in self.values:
            return False
        family = key[: key.find("/") + 1]
        return key in self.absent or (bool(family) and family in self.absent)

    def plus(self, other: Context) -> Context:
        return Context(
            {**self.values, **other.values},
            self.absent | other.absent,
            self.not_of | other.not_of,
        )


def all_hold(conditions: Sequence[Condition], context: Context, variables: bool) -> Holds:
    """Whether all conditions of a statement hold. ``variables``: whether ``${...}`` means something
    (only in policies of the version 2012-10-17)."""
    return all_of(_one(condition, context, variables) for condition in conditions)


def _one(condition: Condition, context: Context, variables: bool) -> Holds:
    operator, key, wanted = condition
    quantifier, _, bare = operator.rpartition(":")
    name = bare.removesuffix("ifexists")
    lenient = name != bare
    if name == "null":
        return _null(key, wanted, context)
    kind = _OPERATORS.get(name)
    if kind is None or quantifier not in ("", "foranyvalue", "forallvalues"):
        return depends(f"{key} ({operator})")  # an operator we do not know decides nothing
    matches, negative = kind
    if context.lacks(key):
        if lenient or quantifier == "forallvalues":
            return YES
        return YES if negative and quantifier != "foranyvalue" else NO
    values = context.values.get(key)
    written = [_filled(value, context) if variables else (value, YES) for value in wanted]
    if values is None:
        return _unknown(key, [text for text, _ in written], context, negative, lenient, quantifier)
    parts = []
    for value in values:
        hits = any_of(_hit(matches, text, value, key, known) for text, known in written)
        parts.append(~hits if negative else hits)
    return all_of(parts) if quantifier == "forallvalues" else any_of(parts)


def _null(key: str, wanted: Sequence[str], context: Context) -> Holds:
    if context.lacks(key):
        present = False
    elif key in context.values:
        present = True
    else:
        return depends(key)
    return YES if ("false" if present else "true") in {w.lower() for w in wanted} else NO


def _unknown(
    key: str,
    wanted: Sequence[str],
    context: Context,
    negative: bool,
    lenient: bool,
    quantifier: str,
) -> Holds:
    """A key of which nothing is known, but perhaps what it cannot be."""
    never = bool(wanted) and all(_is_of(text, key, context.not_of) for text in wanted)
    if never and negative:
        return YES
    if never and not lenient and quantifier != "forallvalues":
        return NO
    return depends(key)


def _is_of(value: str, key: str, accounts: frozenset[str]) -> bool:
    """Whether a value of a condition on the caller speaks of one of these accounts only."""
    if key == "aws:principalaccount":
        return value in accounts
    parts = value.split(":", 5)
    return key == "aws:principalarn" and len(parts) == 6 and parts[4] in accounts


def _hit(matches: _Match, wanted: str, value: str, key: str, known: Holds) -> Holds:
    if known != YES:  # a variable in it that is not there, or not known
        return known
    found = matches(wanted, value)
    return depends(key) if found is None else Holds(found)


# --- policy variables -----------------------------------------------------------------------------

_VARIABLE = re.compile(r"\$\{([^{}]*)\}")


def _filled(text: str, context: Context) -> tuple[str, Holds]:
    """A value with its variables filled in, and whether that is right: *no* when a variable is not
    in the request, and its keys when one is not known (then ``*`` stands for it)."""
    if "${" not in text:
        return text, YES
    states: list[Holds] = []

    def fill(found: re.Match[str]) -> str:
        name, comma, default = found[1].partition(",")
        key = name.strip().lower()
        if key in ("*", "?", "$"):
            return "$" if key == "$" else "?"  # that one character, and no wildcard
        values = context.values.get(key)
        if values is not None and len(values) == 1:
            if "*" in values[0]:
                states.append(depends(key))
            return values[0]
        if not context.lacks(key):
            states.append(depends(key))
            return "*"
        if comma:
            return default.strip().strip("'")
        states.append(NO)
        return ""

    return _VARIABLE.sub(fill, text), all_of(states)


def filled(text: str, context: Context, variables: bool) -> tuple[str, Holds]:
    """The same for the ARN of a resource."""
    return _filled(text, context) if variables else (text, YES)


# --- operators ------------------------------------------------------------------------------------

_Match = Callable[[str, str], bool | None]
"""(value of the policy, value of the request): None when that cannot be told"""


def _equal(wanted: str, value: str) -> bool | None:
    if "*" in value:
        return None if meet(value, _literal(wanted)) else False
    return wanted == value


def _literal(text: str) -> str:
    """A text whose wildcards are ordinary characters, for ``meet``."""
    return text.replace("*", "\ufdd0").replace("?", "\ufdd1")


def _equal_folded(wanted: str, value: str) -> bool | None:
    return _equal(wanted.lower(), value.lower())


def _like(wanted: str, value: str) -> bool | None:
    if covers(wanted, value):
        return True
    return None if "*" in value and meet(wanted, value) else False


def _arn(wanted: str, value: str) -> bool | None:
    """Part by part: a ``*`` does not reach over a colon but in the last one."""
    patterns, parts = wanted.split(":", 5), value.split(":", 5)
    if len(patterns) != 6 or len(parts) != 6:
        return wanted == "*"
    answers = [_like(pattern, part) for pattern, part in zip(patterns, parts, strict=True)]
    return False if False in answers else None if None in answers else True


def _address(wanted: str, value: str) -> bool | None:
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(wanted, strict=False)
    except ValueError:
        return None


def _bool(wanted: str, value: str) -> bool | None:
    return wanted.lower() == value.lower()


def _ordered(read: Callable[[str], float | None], test: Callable[[float, float], bool]) -> _Match:
    def matches(wanted: str, value: str) -> bool | None:
        bound, told = read(wanted), read(value)
        return None if bound is None or told is None else test(told, bound)

    return matches


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _time(text: str) -> float | None:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return _number(text)
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


_TESTS: dict[str, tuple[Callable[[float, float], bool], bool]] = {
    "equals": (lambda told, bound: told == bound, False),
    "notequals": (lambda told, bound: told == bound, True),
    "lessthan": (lambda told, bound: told < bound, False),
    "lessthanequals": (lambda told, bound: told <= bound, False),
    "greaterthan": (lambda told, bound: told > bound, False),
    "greaterthanequals": (lambda told, bound: told >= bound, False),
}
_OPERATORS: dict[str, tuple[_Match, bool]] = {
    "stringequals": (_equal, False),
    "stringnotequals": (_equal, True),
    "stringequalsignorecase": (_equal_folded, False),
    "stringnotequalsignorecase": (_equal_folded, True),
    "stringlike": (_like, False),
    "stringnotlike": (_like, True),
    "arnequals": (_arn, False),
    "arnlike": (_arn, False),
    "arnnotequals": (_arn, True),
    "arnnotlike": (_arn, True),
    "bool": (_bool, False),
    "ipaddress": (_address, False),
    "notipaddress": (_address, True),
    "binaryequals": (_equal, False),
}
for _name, (_test, _negative) in _TESTS.items():
    _OPERATORS[f"numeric{_name}"] = (_ordered(_number, _test), _negative)
    _OPERATORS[f"date{_name}"] = (_ordered(_time, _test), _negative)
