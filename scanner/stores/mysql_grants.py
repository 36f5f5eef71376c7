"""Who could read a MySQL or MariaDB database: one grant for each account, and why.

Also told are ways that no right shows: routines that run with the rights of their definer
(*unknown*: what they give out stands in their code), and accounts that could give themselves the
right or take the data without it (*conditional*).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from scanner.contracts import SealName
from scanner.model import Access, Grant, Held
from scanner.stores import mysql_rights
from scanner.stores.mysql_catalogue import key_of
from scanner.stores.mysql_rights import PUBLIC, Account, Id, Rights
from scanner.stores.mysql_session import Session
from scanner.text import plural

_SHOWN = 3


def access(session: Session, seal: SealName) -> Access:
    """All of it but what is public. Raises ``Unreadable``."""
    rights = mysql_rights.ask(session)
    return Access(
        could_read_known=True,
        could_read=_fold(session, rights, seal),
        doors=rights.doors(seal),
        holdings=rights.holdings(seal),
    )


def _fold(session: Session, rights: Rights, seal: SealName) -> tuple[Grant, ...]:
    routines, definers = _routines(session, rights)
    definers |= {v.definer for (base, _), v in rights.views.items() if base == rights.database}
    found = []
    open_to_all, held, part = _ways(rights, PUBLIC)
    if open_to_all:
        said = "; ".join(f"{way}: {_some(keys)}" for way, keys in open_to_all.items())
        holders = _sealed(held, seal)
        found.append(Grant("PUBLIC", "public", "allow", seal(said), held=holders, part=part))
    for account in sorted(rights.accounts.values(), key=lambda account: account.id):
        if not account.role and not account.locked and account.id != PUBLIC:
            grant = _of(rights, account, routines.get(account.id, []), seal)
            if grant is not None and account.id in definers:
                by_it = Held(seal(account.name), "definer")
                grant = replace(grant, held=(*grant.held, by_it))
            if grant is not None:
                found.append(grant)
    return tuple(found)


def _of(rights: Rights, account: Account, routines: list[str], seal: SealName) -> Grant | None:
    ways, held, part = _ways(rights, account.id)
    said = [f"{way}: {_some(keys)}" for way, keys in ways.items()]
    state = "allow" if said else "conditional" if account.beyond else "unknown"
    said += account.beyond
    if routines:
        said.append(f"whatever these routines give out as their definer: {_some(routines)}")
    if not said:
        return None
    via = seal("; ".join(said))
    return Grant(seal(account.name), "account", state, via, held=_sealed(held, seal), part=part)


def _sealed(held: Iterable[Held], seal: SealName) -> tuple[Held, ...]:
    return tuple(Held(seal(each.holder), each.on, seal(each.where)) for each in held)


def _ways(rights: Rights, account: Id) -> tuple[dict[str, list[str]], tuple[Held, ...], bool]:
    """What can be read by each way, who holds the rights, and whether there are tables that it
    cannot read."""
    part = False
    ways: dict[str, list[str]] = {}
    held: dict[Held, None] = {}
    for place in rights.places:
        reading = rights.reading(account, place) if rights.holds(place) else None
        if reading is not None:
            view = "view " if place in rights.views else ""
            some = (
                f" ({plural(len(reading.columns), 'column')})"
                if reading.columns is not None
                else ""
            )
            ways.setdefault(reading.way, []).append(f"{view}{key_of(place[1])}{some}")
            if reading.held is not None:
                held[reading.held] = None
        elif place not in rights.views:
            part = True
    return dict(sorted(ways.items())), tuple(held), part


def _routines(session: Session, rights: Rights) -> tuple[dict[Id, list[str]], set[Id]]:
    """By account, the routines it may run that run with the rights of somebody who can read; and
    with whose."""
    names: list[str] = []
    definers: set[Id] = set()
    for name, definer in session.rows(
        "SELECT routine_name, definer FROM information_schema.routines"
        " WHERE routine_schema = %s AND security_type = 'DEFINER' ORDER BY 1",
        (session.database,),
    ):
        user, _, host = str(definer).rpartition("@")
        if any(rights.reading((user, host), place) for place in rights.places):
            names.append(str(name))
            definers.add((user, host))
    granted: dict[Id, set[str]] = {}
    for user, host, name in session.rows(
        "SELECT user, host, routine_name FROM mysql.procs_priv"
        " WHERE db = %s AND find_in_set('Execute', proc_priv) > 0",
        (session.database,),
    ):
        granted.setdefault((str(user), str(host)), set()).add(str(name))
    found: dict[Id, list[str]] = {}
    for id_ in rights.accounts:
        holders = [id_, *rights.roles.get(id_, ()), PUBLIC]
        own = {name for holder in holders for name in granted.get(holder, ())}
        mine = names if rights.executes(id_) else [name for name in names if name in own]
        if mine:
            found[id_] = mine
    return found, definers


def _some(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
