"""Which objects of a bucket the patterns of policies tell apart, and one example of each class.

A policy speaks of ``arn:aws:s3:::b/*``, another of ``arn:aws:s3:::b/card-*``, a Deny of ``*.csv``:
to ask "can any object be read" each combination of matching and not matching that some key has must
be looked at once. ``examples`` walks all patterns at once, as automata, and gives a shortest ARN
for each combination; with it the rest of the evaluation is about one object, as in a real request.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from functools import lru_cache

from scanner.stores.s3_policy import covers, meet

OTHER = "\ufdd2"
"""stands in examples for any character that no pattern names; it is a noncharacter of Unicode"""
MOST = 2_000
"""states of the walk; patterns that need more have examples of their own only"""

_Position = frozenset[int]
_State = tuple[_Position, ...]


def examples(patterns: Iterable[str], scope: Sequence[str]) -> tuple[tuple[str, ...], bool]:
    """ARNs that the scope (patterns without ``?``, with ``*`` at the end only) covers, one for each
    class, and whether these are all classes there are."""
    useful = sorted(
        {
            pattern
            for pattern in patterns
            if any(meet(pattern, part) and not covers(pattern, part) for part in scope)
        }
    )
    return _examples(tuple(useful), tuple(scope))


@lru_cache(maxsize=256)
def _examples(patterns: tuple[str, ...], scope: tuple[str, ...]) -> tuple[tuple[str, ...], bool]:
    found: dict[str, None] = {}
    whole = True
    for part in scope:
        if not part.endswith("*"):
            found[part] = None
            continue
        begins = part[:-1]
        walked = _walk(patterns, begins)
        if walked is None:
            whole = False
            walked = [OTHER, *(_rest(pattern, begins) for pattern in patterns)]
        found.update((begins + rest, None) for rest in walked)
    return tuple(found), whole


def _rest(pattern: str, begins: str) -> str:
    """A guess: the pattern with something for its wildcards, if it begins like the scope."""
    text = pattern.replace("*", OTHER).replace("?", OTHER)
    return text[len(begins) :] if text.startswith(begins) else OTHER


def _walk(patterns: Sequence[str], begins: str) -> list[str] | None:
    """One text for each combination of patterns that match ``begins`` + text; None when it takes
    too long. The empty text is no object's key and is left out, but not its continuations."""
    state = tuple(_closed(pattern, frozenset((0,))) for pattern in patterns)
    for char in begins:
        state = _next(patterns, state, char)
    classes: dict[tuple[bool, ...], str] = {}
    seen: set[_State] = set()
    queue = deque([(state, "")])
    while queue:
        state, text = queue.popleft()
        if text:
            matching = tuple(
                len(pattern) in at for pattern, at in zip(patterns, state, strict=True)
            )
            classes.setdefault(matching, text)
        for char in _chars(patterns, state):
            after = _next(patterns, state, char)
            if after not in seen:
                seen.add(after)
                queue.append((after, text + char))
        if len(seen) > MOST:
            return None
    return list(classes.values())


def _chars(patterns: Sequence[str], state: _State) -> list[str]:
    """The characters that some pattern waits for here; all others do what ``OTHER`` does."""
    waited = {
        pattern[place]
        for pattern, at in zip(patterns, state, strict=True)
        for place in at
        if place < len(pattern) and pattern[place] not in "*?"
    }
    return [OTHER, *sorted(waited)]


def _next(patterns: Sequence[str], state: _State, char: str) -> _State:
    return tuple(
        _step(pattern, at, char) if at and not _certain(pattern, at) else at
        for pattern, at in zip(patterns, state, strict=True)
    )


def _step(pattern: str, at: _Position, char: str) -> _Position:
    after = set()
    for place in at:
        if place < len(pattern):
            if pattern[place] == "*":
                after.add(place)
            elif pattern[place] in (char, "?"):
                after.add(place + 1)
    return _closed(pattern, frozenset(after))


def _closed(pattern: str, at: _Position) -> _Position:
    """With the places after stars that match nothing. A star at the end matches whatever comes:
    then nothing else matters."""
    closed = set(at)
    for place in at:
        while place < len(pattern) and pattern[place] == "*":
            place += 1
            closed.add(place)
    last = len(pattern) - 1
    if last >= 0 and pattern[last] == "*" and last in closed:
        return frozenset((last, last + 1))
    return frozenset(closed)


def _certain(pattern: str, at: _Position) -> bool:
    return len(pattern) in at and pattern[-1:] == "*"
