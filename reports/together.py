"""Could and did as the page says it: each grant with its use, and how many of each sort."""

from __future__ import annotations

from collections.abc import Iterator

from detectors.records import dataclass
from reports import words
from reports.figures import evidence_coverage
from scanner.model import Access, Coverage, Grant
from scanner.whoread import Relation, is_public, people, relations

NAMED = 3
_WORST_FIRST = (
    Relation.OPEN,
    Relation.HOW,
    Relation.NEVER,
    Relation.UNTOLD,
    Relation.UNSURE,
    Relation.REFUSED,
    Relation.DID,
)


@dataclass(frozen=True, slots=True)
class Allowed:
    """A grant, and whether it was used, in words."""

    grant: Grant
    used: str
    told: bool
    """False when ``used`` is that it cannot be told"""


def allowed(access: Access) -> tuple[Allowed, ...]:
    """What is open to anybody first, then what nobody used."""
    found = sorted(
        relations(access),
        key=lambda each: (not is_public(each[0]), _WORST_FIRST.index(each[1])),
    )
    return tuple(_allowed(access, grant, relation) for grant, relation in found)


def _allowed(access: Access, grant: Grant, relation: Relation) -> Allowed:
    if grant.last_read is not None:
        return Allowed(grant, words.moment(grant.last_read), True)
    if relation in (Relation.DID, Relation.UNSURE):
        return Allowed(grant, "yes, when is not told", True)
    whole = evidence_coverage(access) is Coverage.COMPLETE
    if relation is Relation.UNTOLD or not whole:
        return Allowed(grant, "cannot tell", False)
    return Allowed(grant, f"never{_since(access) or ' in the window'}", True)


def counted(access: Access) -> tuple[str, ...]:
    """How many could and did, could and never did, and so on; who did and could not by name."""
    return tuple(_counted(access))


def _counted(access: Access) -> Iterator[str]:
    by: dict[Relation, list[str]] = {}
    for each in people(access):
        by.setdefault(each.relation, []).append(each.principal)
    for relation in Relation:
        names = by.get(relation, [])
        if not names:
            continue
        since = _since(access) if relation is Relation.NEVER else ""
        said = f"{relation}{since}: {len(names):,}"
        if relation is Relation.HOW:
            said += f", {', '.join(names[:NAMED])}{' and more' if len(names) > NAMED else ''}"
        yield said


def _since(access: Access) -> str:
    return f" since {words.day(access.window_start)}" if access.window_start else ""
