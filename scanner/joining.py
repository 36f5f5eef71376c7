"""Reads of one store from several sources of evidence: no read is believed twice.

A read of an S3 object stands in CloudTrail and in the server access log; adding the two would
double it, and which line belongs to which cannot be told. So of each principal and number the
larger stands: the truth is at least that. What only one source saw is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from scanner.model import NOT_RECORDED, Reads

_PATH = re.compile(r"(:role/)(?:[^ ]*/)(?=[^/ ]+(?: |$))")


def join(sources: Iterable[Sequence[Reads]]) -> tuple[Reads, ...]:
    """The readers of all sources, most reads first."""
    by: dict[str, Reads] = {}
    for source in sources:
        for reads in source:
            name = _key(reads.principal)
            known = by.get(name)
            by[name] = reads if known is None else _larger(known, reads)
    if any(each.reads != 0 for name, each in by.items() if name != NOT_RECORDED):
        by.pop(NOT_RECORDED, None)  # the same reads, counted where nobody's name is
    return tuple(sorted(by.values(), key=lambda each: (-(each.reads or 0), each.principal)))


def _key(principal: str) -> str:
    """A server access log does not tell the path of a role, CloudTrail does."""
    return _PATH.sub(r"\1", principal)


def _larger(one: Reads, other: Reads) -> Reads:
    """Both are of one principal. A number one of them does not tell is the other's."""
    flags = dict.fromkeys((*one.flags, *other.flags))
    rules = {flag.rule: flag for flag in reversed(flags)}  # one sentence a rule, of the first
    return Reads(
        principal=max(one.principal, other.principal, key=len),
        reads=_reads(one.reads, other.reads),
        rows=_most(one.rows, other.rows),
        bytes=_most(one.bytes, other.bytes),
        objects=_most(one.objects, other.objects),
        denied=_most(one.denied, other.denied),
        first=min((when for when in (one.first, other.first) if when), default=None),
        last=max((when for when in (one.last, other.last) if when), default=None),
        flags=tuple(flag for flag in flags if rules[flag.rule] is flag),
        card_reads=_most(one.card_reads, other.card_reads),
    )


def _reads(one: int | None, other: int | None) -> int | None:
    """None is "read, but nobody counted": a source that saw none does not undo that."""
    return _most(one, other) or (None if None in (one, other) else 0)


def _most(one: int | None, other: int | None) -> int | None:
    told = [each for each in (one, other) if each is not None]
    return max(told) if told else None
