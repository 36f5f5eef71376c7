"""Records that are worse than their parts: a card number with its verification code or PIN block;
or with the name of its holder and its expiry date, which is what a payment asks for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from scanner.unitprofile import UnitRecords, kinds_beside

DETECTOR = "together"
WITH_SAD, WITH_HOLDER = "PAN_WITH_SAD", "PAN_WITH_HOLDER"
_SAD = frozenset({"CVV", "PIN_BLOCK"})
_HOLDER = frozenset({"PERSON", "EXPIRY_DATE"})
_WORDS = {
    "CVV": "verification code",
    "PIN_BLOCK": "PIN block",
    "PERSON": "name",
    "LOCATION": "place",
    "EMAIL_ADDRESS": "e-mail address",
    "PHONE_NUMBER": "telephone number",
    "DATE_OF_BIRTH": "date of birth",
    "EXPIRY_DATE": "expiry date",
    "SERVICE_CODE": "service code",
}


def combinations(
    records: Iterable[UnitRecords],
) -> list[tuple[str, Sequence[UnitRecords], tuple[str, ...]]]:
    """Entity, the records of it, and the words for them: at most one of each entity a unit."""
    groups: dict[str, list[UnitRecords]] = {}
    for each in records:
        beside = set(each.beside)
        if beside & _SAD:
            groups.setdefault(WITH_SAD, []).append(each)
        elif beside >= _HOLDER:
            groups.setdefault(WITH_HOLDER, []).append(each)
    return [(entity, same, _why(same)) for entity, same in sorted(groups.items())]


def _why(same: Sequence[UnitRecords]) -> tuple[str, ...]:
    counts = sorted(kinds_beside(same).items(), key=lambda item: (-item[1], item[0]))
    kinds = ", ".join(f"{_WORDS.get(kind, kind)} {count:,}" for kind, count in counts)
    per = ", ".join(
        f"{sum(each.records for each in same if each.per == one):,} by {one}"
        for one in sorted({each.per for each in same})
    )
    return (f"in one record with the card number: {kinds}", f"counted {per}")
