"""One verdict for each column and key: what it holds, of which share, how bad that is.

    clear PANs, 48,112 distinct in 51,003 rows
    look like SHA-256 hashes; whether they are keyed cannot be seen

Pure functions. What cannot be seen is never claimed: tokens, hashes and ciphertext "look like" it.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from detectors.base import CONFIRMED, POSSIBLE, State
from detectors.looks import CIPHERTEXT, FIRST, HASH, LAST, PASSWORD, TOKEN, UUID
from scanner import verdict
from scanner.model import (
    BesideCards,
    Fact,
    FieldContent,
    FieldLook,
    FieldVerdict,
    Neighbour,
    Severity,
    Store,
)
from scanner.text import plural
from scanner.unitprofile import FieldPart, UnitField, UnitProfile, kinds_beside

MOST = 1000
"""verdicts kept of a store, the worst; the rest is counted"""
_TRACKS = frozenset({"TRACK_1", "TRACK_2"})
_PLURALS = {
    "TRACK_1": "track 1 data",
    "TRACK_2": "track 2 data",
    "CVV": "card verification codes",
    "PIN_BLOCK": "PIN blocks",
    "PAN_HASH": "unkeyed hashes of PANs",
    "EMAIL_ADDRESS": "e-mail addresses",
    "PHONE_NUMBER": "telephone numbers",
    "IP_ADDRESS": "IP addresses",
    "MAC_ADDRESS": "MAC addresses",
    "IBAN_CODE": "IBANs",
    "PERSON": "names of persons",
    "LOCATION": "names of places",
    "DATE_OF_BIRTH": "dates of birth",
    "US_SSN": "US Social Security numbers",
    "CRYPTO": "crypto wallets",
}
_LOOKS = {
    HASH: "hashes",
    PASSWORD: "password hashes",
    CIPHERTEXT: "ciphertext",
    TOKEN: "tokens",
    UUID: "random ids (UUIDs), as tokens are",
    FIRST: "first digits of card numbers",
    LAST: "last four digits",
}
_LOOK_KINDS = {
    HASH: "hashes",
    PASSWORD: "hashes",
    CIPHERTEXT: "ciphertext",
    TOKEN: "tokens",
    UUID: "tokens",
    FIRST: "truncated-pans",
    LAST: "truncated-pans",
}


def kind_of(entity: str, state: State, confirmed: bool) -> str:
    """The word of the run document for what values are."""
    if not confirmed and state not in (State.TEST, State.TRUNCATED):
        return "possible"
    if entity in verdict.SAD:
        return "sad"
    if entity == "PAN_HASH":
        return "unkeyed-hashes"
    if entity == "CREDIT_CARD":
        return f"{state}-pans"
    return "secrets" if entity.startswith("SECRET_") else "personal-data"


def label(entity: str, state: State) -> str:
    """Values of an entity in words, plural."""
    if entity == "CREDIT_CARD":
        return f"{state} PANs"
    if entity in _PLURALS:
        return _PLURALS[entity]
    if entity.startswith("SECRET_"):
        return f"secrets ({entity.removeprefix('SECRET_').lower().replace('_', ' ')})"
    country, _, rest = entity.partition("_")
    if rest and len(country) == 2:
        return f"{country} {rest.lower().replace('_', ' ')} numbers"
    return entity.lower().replace("_", " ") + " values"


# --- of one store -------------------------------------------------------------------------------


def of_store(
    profiles: Iterable[tuple[str, UnitProfile]], store: Store, facts: Sequence[Fact]
) -> tuple[tuple[FieldVerdict, ...], int, BesideCards]:
    """The worst verdicts of a store, how many more columns and keys there are, and what stands
    beside its cards."""
    worst: list[tuple[tuple[object, ...], int, FieldVerdict]] = []
    further = told = 0
    records = units = 0
    per: Counter[str] = Counter()
    beside: Counter[str] = Counter()
    in_units: Counter[str] = Counter()
    dense: set[str] = set()
    for unit, profile in profiles:
        further += profile.further
        for each in _of_unit(unit, profile, store, facts):
            told += 1
            item = (_badness(each), -told, each)
            if len(worst) < MOST:
                heapq.heappush(worst, item)
            else:
                heapq.heappushpop(worst, item)
        if profile.records:
            units += 1
            records += sum(each.records for each in profile.records)
            for each_of in profile.records:
                per[each_of.per] += each_of.records
            kinds = kinds_beside(profile.records)
            beside.update(kinds)
            in_units.update(kinds.keys())
            dense.update(profile.dense)
    kept = tuple(item[2] for item in sorted(worst, reverse=True))
    neighbours = tuple(
        Neighbour(entity, count, in_units[entity], entity in dense)
        for entity, count in sorted(beside.items(), key=lambda item: (-item[1], item[0]))
    )
    about = BesideCards(records, units, dict(sorted(per.items())), neighbours)
    return kept, further + told - len(kept), about


def _badness(each: FieldVerdict) -> tuple[object, ...]:
    """Greater is worse. Equal ones stay in the order of their units."""
    first = each.contents[0] if each.contents else None
    return -each.severity.rank, first is not None and first.confirmed, first.count if first else 0


def _of_unit(
    unit: str, profile: UnitProfile, store: Store, facts: Sequence[Fact]
) -> list[FieldVerdict]:
    tables: dict[tuple[str | None, str | None], list[UnitField]] = defaultdict(list)
    for each in profile.fields:
        tables[each.field.member, each.field.sheet].append(each)
    return [
        _verdict(unit, each, _Table(tables[each.field.member, each.field.sheet]), store, facts)
        for each in profile.fields
    ]


class _Table:
    """The fields that stand together: where a hash has its truncation."""

    def __init__(self, fields: Iterable[UnitField]) -> None:
        self.truncated: list[str] = []
        self.clear: list[str] = []
        self.hashed: list[str] = []
        for each in fields:
            name = each.field.name
            states = {(p.entity, p.state) for p in each.parts}
            if ("CREDIT_CARD", State.TRUNCATED) in states or each.look in (FIRST, LAST):
                self.truncated.append(name)
            if ("CREDIT_CARD", State.CLEAR) in states:
                self.clear.append(name)
            if each.look == HASH or any(p.entity == "PAN_HASH" for p in each.parts):
                self.hashed.append(name)


# --- of one field -------------------------------------------------------------------------------


def _verdict(
    unit: str, field: UnitField, table: _Table, store: Store, facts: Sequence[Fact]
) -> FieldVerdict:
    contents = sorted(
        (_content(part, store, facts) for part in field.parts),
        key=lambda c: (c.severity.rank, not c.confirmed, -c.count, c.entity, c.state),
    )
    look = None
    covered = max((c.share or 0.0 for c in contents if c.confirmed), default=0.0)
    if field.look and covered < 0.5:
        look = FieldLook(field.look, field.detail, round(field.look_share, 4), field.sampled)
    severity = contents[0].severity if contents else Severity.INFO
    cited = dict.fromkeys(
        number
        for c in contents
        if c.confirmed
        for number in verdict.requirements(c.entity, State(c.state), store)
    )
    said = [_sentence(each, lines=not field.field.column) for each in contents[:4]]
    if len(contents) > 4:
        said.append(plural(len(contents) - 4, "other kind"))
    more, numbers, least = _correlation(field, look, table)
    cited.update(dict.fromkeys(numbers))
    severity = min(severity, least, key=lambda each: each.rank)
    if look is not None and not field.undone:
        said.append(_look_sentence(look))
    if look is not None and not (contents and contents[0].confirmed):
        kind = "unkeyed-hashes" if field.undone else _LOOK_KINDS[look.kind]
    else:
        first = contents[0]
        kind = kind_of(first.entity, State(first.state), first.confirmed)
    return FieldVerdict(
        unit=unit,
        member=field.field.member,
        sheet=field.field.sheet,
        name=field.field.name,
        structure="column" if field.field.column else "key",
        kind=kind,
        rows=field.rows,
        contents=tuple(contents),
        look=look,
        severity=severity,
        requirements=tuple(cited),
        sentence="; ".join([*said, *more]),
    )


def _content(part: FieldPart, store: Store, facts: Sequence[Fact]) -> FieldContent:
    confidence = CONFIRMED if part.confirmed else POSSIBLE
    return FieldContent(
        entity=part.entity,
        state=str(part.state),
        confirmed=part.confirmed,
        count=part.count,
        distinct=part.distinct,
        distinct_exact=part.exact and part.whole,
        complete=part.whole,
        rows=part.rows,
        severity=verdict.severity(part.entity, part.state, confidence, store, facts),
    )


def _sentence(content: FieldContent, *, lines: bool) -> str:
    """``clear PANs, 48,112 distinct in 51,003 rows``; or lines, of a text of one record a line."""
    what = label(content.entity, State(content.state))
    if not content.confirmed and content.state not in (State.TEST, State.TRUNCATED):
        what = f"possible {what}"
    if content.complete:
        number = f"{'' if content.distinct_exact else 'about '}{content.distinct:,} distinct"
    else:
        number = f"at least {content.distinct:,} distinct"
    one = "line" if lines else "row"
    if content.rows is None:
        least = "" if content.complete else "at least "
        return f"{what}, {number} in {least}{plural(content.count, 'place')}"
    if not content.complete:
        return f"{what}, {number}, in {_percent(content)} of {one}s"
    if content.count == content.rows:
        return f"{what}, {number} in {plural(content.rows, one)}"
    if content.count > content.rows:
        return f"{what}, {number}, {content.count:,} in {plural(content.rows, one)}"
    return (
        f"{what}, {number} in {content.count:,} of {plural(content.rows, one)}"
        f" ({_percent(content)})"
    )


def _percent(content: FieldContent) -> str:
    percent = 100 * (content.share or 0.0)
    if 0 < percent < 0.1:
        return "under 0.1 %"
    if 99.9 < percent < 100:
        return "over 99.9 %"
    return f"{percent:.1f} %" if percent < 10 or 99 < percent < 100 else f"{percent:.0f} %"


def _look_sentence(look: FieldLook) -> str:
    share = "all" if look.share == 1 else f"{100 * look.share:.0f} %"
    sample = f"{share} of {look.sampled} values looked at"
    what = _LOOKS[look.kind]
    if look.kind == HASH:
        name = f"{look.detail} {what}" if look.detail else what
        return f"look like {name} by length and alphabet ({sample}): keyed or not cannot be seen"
    if look.kind == TOKEN and look.detail:
        return (
            f"look like tokens that keep the format of a card number: {look.detail}, as chance"
            f" would have it ({sample}); what opens them cannot be seen"
        )
    if look.kind in (TOKEN, UUID):
        return f"look like {what} ({sample}); what opens them cannot be seen"
    if look.kind == CIPHERTEXT:
        return f"look like {what} ({sample}); cipher and key management cannot be seen"
    return f"look like {what} ({sample})"


def _correlation(
    field: UnitField, look: FieldLook | None, table: _Table
) -> tuple[list[str], tuple[str, ...], Severity]:
    """Hashes and truncations of one table give each other away (3.5.1)."""
    name = field.field.name
    if field.undone:
        words = f"unkeyed hashes of PANs: undone on a row of them, {field.undone}"
        return [words], ("3.5.1.1", "3.5.1"), Severity.HIGH
    proved = any(part.entity == "PAN_HASH" and part.confirmed for part in field.parts)
    others = [each for each in table.truncated if each != name]
    if proved and others:
        return [f"undone with the truncation in {_names(others)}"], (), Severity.HIGH
    if look is not None and look.kind == HASH:
        clear = [each for each in table.clear if each != name]
        if clear:
            words = f"the PANs stand clear in {_names(clear)}"
            return [words], ("3.5.1",), Severity.INFO
        if others:
            words = (
                f"truncations stand beside in {_names(others)}: hashed and truncated forms of one"
                " PAN must not be correlatable"
            )
            return [words], ("3.5.1", "3.5.1.1"), Severity.LOW
    truncated = any(part.state is State.TRUNCATED for part in field.parts)
    if (truncated or (look is not None and look.kind in (FIRST, LAST))) and table.hashed:
        hashed = [each for each in table.hashed if each != name]
        if hashed:
            return [f"hashes stand beside in {_names(hashed)}"], ("3.5.1",), Severity.INFO
    return [], (), Severity.INFO


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
