"""The least grant of a database: GRANT to those who need it directly, then REVOKE.

Text for a person: nothing here speaks to a server.
PostgreSQL revokes on the tables that hold cards, and on views and parents that open them. In MySQL
a right on a database or the server is
not narrowed by a REVOKE on a table: there it is taken away whole, and what was read of other tables
is granted before. GRANTs come first, so that nobody who needs the right is without it in between.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
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
    "columns": "granted on single columns",
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
        lines = list(_Postgres(granted, keep).lines())
    else:
        lines = list(_MySql(case, granted, keep, others).lines()) if tables else []
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
        self.alike: list[tuple[list[str], tuple[str, ...]]] = []
        """tables, and the holders of each of them"""
        for each in holdings:
            some = [name for name in each.on if name in wanted]
            holders = tuple(name for name in each.holders if not sealed(name))
            if some and holders:
                self.alike.append((some, holders))

    def by(self, holder: str) -> list[str]:
        return [name for names, holders in self.alike if holder in holders for name in names]


def _above(others: Iterable[Seen]) -> Iterator[str]:
    for on, said in _ABOVE.items():
        who = [e.principal for e in others if e.grant and any(h.on == on for h in e.grant.held)]
        if who:
            yield f"No REVOKE on a table takes it from ({said}): {note_names(who)}."
    by_it = [e.principal for e in others if _defines(e)]
    if by_it:
        yield f"Left the right, for views and routines read by it: {note_names(by_it)}."


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


class _Postgres:
    def __init__(self, granted: _Granted, keep: Sequence[Seen]) -> None:
        self._granted, self._keep = granted, keep

    def lines(self) -> Iterator[str]:
        own = {_account(each) for each in self._keep}
        taken = []
        for tables, holders in self._granted.alike:
            losing = [name for name in holders if name not in own]
            if not losing:
                continue
            named = ", ".join(map(self._table, tables))
            needing = {_account(e) for e, held in _held(self._keep) if held.holder in losing}
            needing -= set(holders)
            if needing:
                yield f"GRANT SELECT ON TABLE {named} TO {self._roles(needing)};"
            taken.append(f"REVOKE SELECT ON TABLE {named} FROM {self._roles(losing)};")  # noqa: S608
        yield from taken

    @staticmethod
    def _roles(names: Iterable[str]) -> str:
        return ", ".join(
            name if name == "PUBLIC" else '"' + name.replace('"', '""') + '"'
            for name in sorted(set(names))
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
        self._without = [self._table(unit) for unit in without]
        self._keep, self._others = keep, others

    def lines(self) -> Iterator[str]:
        own = {_account(each) for each in (*self._keep, *filter(_defines, self._others))}
        losing = {held: None for _, held in _held(self._others) if held.holder not in own}
        direct = {Held(name, "table"): None for _, names in self._granted.alike for name in names}
        # also a right that lies beside a wider one, by which an account was judged
        losing |= {held: None for held in direct if held.holder not in own}
        for each, held in _held((*self._keep, *filter(_defines, self._others))):
            if held in losing:
                yield from self._grant(self._on(held), _account(each))
        for each, held in _held(self._others):
            if held in losing and each.did and held.on != "table":
                yield from self._grant(self._without, _account(each))
        for held in losing:
            for place in self._on(held):
                yield f"REVOKE SELECT ON {place} FROM {self._user(held.holder)};"  # noqa: S608

    def _grant(self, places: Iterable[str], account: str) -> Iterator[str]:
        for place in places:
            yield f"GRANT SELECT ON {place} TO {self._user(account)};"

    def _on(self, held: Held) -> list[str]:
        if held.on == "server":
            return ["*.*"]
        if held.on == "database":
            return [f"{self._quoted(held.where)}.*"]
        return [self._table(name) for name in self._granted.by(held.holder)]

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
