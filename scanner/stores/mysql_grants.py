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
    definers |= {rights.views[place].definer for place in rights.places if place in rights.views}
    found = []
    open_to_all, part = _ways(rights, PUBLIC)
    if open_to_all:
        said = "; ".join(f"{way}: {_some(keys)}" for way, keys in open_to_all.items())
        holders = _sealed(rights.held(PUBLIC), seal)
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
    ways, part = _ways(rights, account.id)
    said = [f"{way}: {_some(keys)}" for way, keys in ways.items()]
    state = "allow" if said else "conditional" if account.beyond else "unknown"
    said += account.beyond
    if routines:
        said.append(f"whatever these routines give out as their definer: {_some(routines)}")
    if not said:
        return None
    via = seal("; ".join(said))
    held = _sealed(rights.held(account.id), seal) if ways else ()
    return Grant(seal(account.name), "account", state, via, held=held, part=part)


def _sealed(held: Iterable[Held], seal: SealName) -> tuple[Held, ...]:
    once = dict.fromkeys(held)
    return tuple(Held(seal(each.holder), each.on, seal(each.where)) for each in once)


def _ways(rights: Rights, account: Id) -> tuple[dict[str, list[str]], bool]:
    """What can be read by each way, and whether there are tables that it cannot read all of."""
    part = False
    ways: dict[str, list[str]] = {}
    for place in rights.places:
        reading = rights.reading(account, place) if rights.holds(place) else None
        if reading is not None:
            view = "view " if place in rights.views else ""
            some = (
                f" ({plural(len(reading.columns), 'column')})"
                if reading.columns is not None
                else ""
            )
            where = "" if place[0] == rights.database else f"{key_of(place[0])}."
            ways.setdefault(reading.way, []).append(f"{view}{where}{key_of(place[1])}{some}")
        if place not in rights.views and (reading is None or reading.columns is not None):
            part = True
    return dict(sorted(ways.items())), part


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
        holders = rights.all_active(id_)
        own = {
            name
            for line, some in granted.items()
            if any(mysql_rights.covers(line, holder) for holder in holders)
            for name in some
        }
        mine = names if rights.executes(id_) else [name for name in names if name in own]
        if mine:
            found[id_] = mine
    return found, definers


def _some(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
