"""The least grant of a database: GRANT to those who need it directly, then REVOKE.

Text for a person: nothing here speaks to a server. PostgreSQL revokes on the tables that hold
cards, and on what opens them (views, parents, foreign tables that lead back). In MySQL a right on a
database or the server is not narrowed by a REVOKE on a table: there it is taken away whole, and
what was read of other tables is granted before. Who had single columns is granted those, and who
reads for others, in a view or a function, keeps what it reads by. GRANTs come first, so that nobody
who needs the right is without it in between.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from urllib.parse import unquote, urlsplit

from scanner.least_parts import MOST, Case, no_cards, note_names, sealed
from scanner.model import Held
from scanner.reach import Holding, leading
from scanner.text import plural
from scanner.whoread import Seen

_ABOVE = {
    "owner": "owner",
    "superuser": "superuser",
    "read-all": "pg_read_all_data",
    "grants": "grants rights on the whole server",
}
_DEFINER = "definer"
_PART = re.compile(r'"((?:[^"]|"")*)"(?:\.|$)|([^.]+)(?:\.|$)')


def write(case: Case) -> tuple[str, list[str]]:
    """The statements, and what to know of them."""
    access = case.report.access
    if access.holdings is None:
        return "", [
            "No least grant can be proposed: an older version asked the server. Scan again."
        ]
    tables = [u for u in case.with_cards if not u.startswith("(") and not sealed(u)]
    notes = []
    left_out = len(case.with_cards) - len(tables)
    if left_out:
        notes.append(
            f"{plural(left_out, 'place')} with cards left out: no table, or one that"
            " cannot be named."
        )
    doors = [door.name for door in leading(set(case.with_cards), access.doors)]
    tables += [name for name in doors if not sealed(name)]  # who has the view, has the cards
    if len(tables) > MOST:
        notes.append(
            f"Written for {MOST} of {plural(len(tables), 'table')} with cards; the rest likewise."
        )
        tables = tables[:MOST]
    keep = [each for each in case.keep if not no_cards(each)]
    others = [*case.rest, *(each for each in case.keep if no_cards(each))]
    granted = _Granted(access.holdings, tables)
    if case.report.store.kind == "postgresql":
        written: _Postgres | _MySql = _Postgres(granted, keep)
    else:
        written = _MySql(case, granted, keep, others)
    lines = list(written.lines()) if tables else []
    notes += written.notes()
    apart = [each.principal for each in case.keep if no_cards(each)]
    if apart:
        notes.append(f"Read no table that holds cards, and do not keep them: {note_names(apart)}.")
    notes += _above(others)
    if any(each.grant and "definer" in each.grant.via.lower() for each in others):
        notes.append(
            "Functions that run by the right of their owner are left: look what they give."
        )
    unnamed = [e.principal for e in (*keep, *others) if e.grant and sealed(e.grant.principal)]
    if unnamed:
        notes.append(f"Cannot be named, since their names were masked: {note_names(unnamed)}.")
    if not lines:
        notes.append("No statement is needed: nobody else holds the right by a grant.")
    return "\n".join(lines), notes


class _Granted:
    """Which of the tables with cards, and of what opens them, are granted to whom."""

    def __init__(self, holdings: Iterable[Holding], tables: Sequence[str]) -> None:
        wanted = set(tables)
        self.alike: list[Holding] = []
        """of those tables, and of whom can be named"""
        for each in holdings:
            on = tuple(name for name in each.on if name in wanted)
            holders, passing, definers = (
                tuple(name for name in names if not sealed(name))
                for names in (each.holders, each.passing, each.definers)
            )
            if on and holders and not any(map(sealed, each.columns)):
                named = replace(each, on=on, holders=holders, passing=passing, definers=definers)
                self.alike.append(named)


def _above(others: Iterable[Seen]) -> Iterator[str]:
    for on, said in _ABOVE.items():
        who = [e.principal for e in others if e.grant and any(h.on == on for h in e.grant.held)]
        if who:
            yield f"No REVOKE on a table takes it from ({said}): {note_names(who)}."


def _defines(each: Seen) -> bool:
    return each.grant is not None and any(held.on == _DEFINER for held in each.grant.held)


def _held(seen: Iterable[Seen]) -> Iterator[tuple[Seen, Held]]:
    for each in seen:
        for held in each.grant.held if each.grant else ():
            if held.on not in (_DEFINER, *_ABOVE) and not sealed(held.holder):
                yield each, held


def _account(each: Seen) -> str:
    """As the server calls it; a role that somebody acted as is called what the log calls it."""
    grant = each.grant
    if grant is None or any(each.principal == held.holder for held in grant.held):
        return each.principal.removeprefix("role:")
    return grant.principal.removeprefix("role:")


def _left(names: Iterable[str]) -> Iterator[str]:
    if who := sorted(names):
        yield f"Left the right, for views and routines read by it: {note_names(who)}."


def _select(columns: Iterable[str], quote: str) -> str:
    names = ", ".join(f"{quote}{name.replace(quote, quote * 2)}{quote}" for name in columns)
    return f"SELECT ({names})" if names else "SELECT"


class _Postgres:
    def __init__(self, granted: _Granted, keep: Sequence[Seen]) -> None:
        self._granted, self._keep = granted, keep
        self._left: set[str] = set()
        self._passing: set[str] = set()

    def lines(self) -> Iterator[str]:
        keep = {_account(each) for each in self._keep}
        whole: dict[str, set[str]] = {name: set() for h in self._granted.alike for name in h.on}
        """of each table, who is left the right to all of it"""
        taken = []
        for each in sorted(self._granted.alike, key=lambda holding: bool(holding.columns)):
            self._left.update(set(each.definers) - keep)
            left = set(each.holders) & keep.union(each.definers)
            losing = set(each.holders) - left
            needing: set[str] = set()
            what, named = _select(each.columns, '"'), ", ".join(map(self._table, each.on))
            if losing:
                needing = {_account(e) for e, held in _held(self._keep) if held.holder in losing}
                needing.update(each.definers)
                # a REVOKE by the owner leaves what others have granted: it ends with theirs
                needing = needing | left if each.passing else needing - left
                needing = {n for n in needing if any(n not in whole[name] for name in each.on)}
                if needing:
                    yield f"GRANT {what} ON TABLE {named} TO {self._roles(needing)};"
                if each.passing:
                    self._passing.update(each.passing)
                    option = f"GRANT OPTION FOR {what} ON TABLE {named}"
                    taken.append(f"REVOKE {option} FROM {self._roles(each.passing)} CASCADE;")
                taken.append(f"REVOKE {what} ON TABLE {named} FROM {self._roles(losing)};")
            if not each.columns:
                for name in each.on:
                    whole[name] |= left | needing
        yield from taken

    def notes(self) -> Iterator[str]:
        """Once the lines are written."""
        yield from _left(self._left)
        if self._passing:
            who = note_names(sorted(self._passing))
            yield f"Had handed the right on, and may no more: {who}."

    @staticmethod
    def _roles(names: Iterable[str]) -> str:
        return ", ".join(
            name if name == "PUBLIC" else '"' + name.replace('"', '""') + '"'
            for name in sorted(names)
        )

    @staticmethod
    def _table(unit: str) -> str:
        parts = [quoted.replace('""', '"') or plain for quoted, plain in _PART.findall(unit)]
        named = parts if len(parts) == 2 else ["public", *parts]
        return ".".join('"' + part.replace('"', '""') + '"' for part in named)


class _MySql:
    def __init__(
        self, case: Case, granted: _Granted, keep: Sequence[Seen], others: Sequence[Seen]
    ) -> None:
        self._database = unquote(urlsplit(case.report.store.uri).path.strip("/"))
        self._granted = granted
        without = [u for u in case.without if not u.startswith("(") and not sealed(u)]
        self._without = [("SELECT", self._table(unit)) for unit in without]
        self._keep, self._others = keep, others
        own = {_account(each) for each in (*keep, *filter(_defines, others))}
        direct = (Held(name, "table") for each in granted.alike for name in each.holders)
        # also a right that is no known principal's
        self._losing = dict.fromkeys(
            held
            for held in (*(held for _, held in _held(others)), *direct)
            if held.holder not in own
        )

    def lines(self) -> Iterator[str]:
        for each, held in _held((*self._keep, *filter(_defines, self._others))):
            if held in self._losing:
                yield from self._grant(self._on(held), _account(each))
        for each, held in _held(self._others):
            if held in self._losing and each.did and held.on != "table":
                yield from self._grant(self._without, _account(each))
        for held in self._losing:
            for what, place in self._on(held):
                yield f"REVOKE {what} ON {place} FROM {self._user(held.holder)};"

    def notes(self) -> Iterator[str]:
        yield from _left(each.principal for each in filter(_defines, self._others))
        wide = sorted(
            {
                held.holder
                for held in self._losing
                if held.on == "server"
                or (held.on == "database" and re.sub(r"\\(.)", r"\1", held.where) != self._database)
            }
        )
        if wide:
            yield (
                f"Loses other databases with it: {note_names(wide)}. Grant anew before what is"
                " needed there."
            )

    def _grant(self, places: Iterable[tuple[str, str]], account: str) -> Iterator[str]:
        for what, place in places:
            yield f"GRANT {what} ON {place} TO {self._user(account)};"

    def _on(self, held: Held) -> list[tuple[str, str]]:
        if held.on == "server":
            return [("SELECT", "*.*")]
        if held.on == "database":
            return [("SELECT", f"{self._quoted(held.where)}.*")]
        return [
            (_select(each.columns, "`"), self._table(name))
            for each in self._granted.alike
            if held.holder in each.holders
            for name in each.on
        ]

    def _table(self, unit: str) -> str:
        name = unit[1:-1].replace("``", "`") if unit.startswith("`") else unit
        return f"{self._quoted(self._database)}.{self._quoted(name)}"

    @staticmethod
    def _quoted(name: str) -> str:
        return "`" + name.replace("`", "``") + "`"

    @staticmethod
    def _user(name: str) -> str:
        user, at, host = name.rpartition("@")
        if name == "PUBLIC":
            return name
        if user == "(anonymous)":
            user = ""
        escaped = [part.replace("\\", "\\\\").replace("'", "\\'") for part in (user, host)]
        return f"'{escaped[0]}'@'{escaped[1]}'" if at else f"'{escaped[1]}'"
