"""What a MongoDB server says of its protection, and who could read.

``getCmdLineOpts``, ``usersInfo`` and ``connectionStatus`` are for administrators: what the role may
not ask is unknown, with that reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scanner.contracts import SealName
from scanner.errors import Unreadable
from scanner.model import Access, Fact, Grant, Tri
from scanner.stores.mongodb_session import Session
from scanner.stores.sql_facts import sealed

_MOST_USERS = 2_000
_WRITES = frozenset(("insert", "update", "remove", "dropCollection", "createCollection"))


def facts(session: Session, seal: SealName) -> tuple[Fact, ...]:
    """Never raises."""
    options, why = _options(session)
    found = (
        _public(session, options, why),
        _login(session, options, why),
        _tls(options, why),
        _scanned_over_tls(session),
        _encryption(options, why),
        _audit(options, why),
        Fact("versioning", Tri.UNKNOWN, "backups and the oplog do not show in what is asked"),
        _role(session),
    )
    return sealed(found, seal)


def _options(session: Session) -> tuple[Mapping[str, Any] | None, str]:
    """The server's settings, or None and why they are not known."""
    try:
        return session.command("admin", "getCmdLineOpts").get("parsed", {}), ""
    except Unreadable as fault:
        return None, f"the server's settings could not be asked for: {fault.detail}"


def _setting(options: Mapping[str, Any], *path: str) -> Any:
    value: Any = options
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _open(session: Session, options: Mapping[str, Any] | None) -> bool | None:
    """Whether anyone is let in who reaches the port; None when that is not known."""
    if options is not None:
        required = _setting(options, "security", "authorization") == "enabled"
        required = required or _setting(options, "security", "keyFile") is not None
        cluster = _setting(options, "security", "clusterAuthMode") is not None
        return not (required or cluster)
    if session.options.get("user") is None and not session.options.get("auth_mechanism"):
        try:
            session.command("admin", "listDatabases", nameOnly=True)
        except Unreadable:
            return None
        return True
    return None


def _public(session: Session, options: Mapping[str, Any] | None, why: str) -> Fact:
    control = "public-access"
    is_open = _open(session, options)
    if is_open is None:
        return Fact(control, Tri.UNKNOWN, why)
    if not is_open:
        return Fact(control, Tri.NO, "a login is required")
    bound = _setting(options or {}, "net", "bindIp")
    if session.target.local and bound is None and not _setting(options or {}, "net", "bindIpAll"):
        detail = "no login is required; who can reach the port is not known from this machine"
        return Fact(control, Tri.UNKNOWN, detail)
    if isinstance(bound, str) and set(bound.split(",")) <= {"127.0.0.1", "localhost", "::1"}:
        return Fact(control, Tri.NO, "no login is required, but it listens on this machine alone")
    return Fact(control, Tri.YES, "whoever reaches the port can read: no login is required")


def _login(session: Session, options: Mapping[str, Any] | None, why: str) -> Fact:
    is_open = _open(session, options)
    if is_open is None:
        return Fact("login-required", Tri.UNKNOWN, why)
    state = Tri.NO if is_open else Tri.YES
    return Fact("login-required", state, "access control is " + ("off" if is_open else "on"))


def _tls(options: Mapping[str, Any] | None, why: str) -> Fact:
    if options is None:
        return Fact("tls-required", Tri.UNKNOWN, why)
    mode = _setting(options, "net", "tls", "mode") or _setting(options, "net", "ssl", "mode")
    required = mode in ("requireTLS", "requireSSL")
    return Fact("tls-required", Tri.YES if required else Tri.NO, f"net.tls.mode: {mode or 'none'}")


def _scanned_over_tls(session: Session) -> Fact:
    if session.tls == "disable":
        where = "to this machine" if session.target.local else "as configured"
        return Fact("scanned-over-tls", Tri.NO, f"not used, {where}")
    verified = "verified" if session.tls == "verify" else "not verified"
    return Fact("scanned-over-tls", Tri.YES, f"used, the server's certificate {verified}")


def _encryption(options: Mapping[str, Any] | None, why: str) -> Fact:
    control = "default-encryption"
    if options is not None and _setting(options, "security", "enableEncryption"):
        return Fact(control, Tri.YES, "its files are encrypted (security.enableEncryption)")
    detail = why or "the server does not encrypt its files; what lies below them does not show"
    return Fact(control, Tri.UNKNOWN, detail)


def _audit(options: Mapping[str, Any] | None, why: str) -> Fact:
    control = "access-logging"
    if options is None:
        return Fact(control, Tri.UNKNOWN, why)
    destination = _setting(options, "auditLog", "destination")
    if destination is None:
        return Fact(control, Tri.NO, "no audit log (auditLog.destination)")
    filtered = _setting(options, "auditLog", "filter")
    detail = f"audit log to {destination}" + (
        ", filtered: not every read is in it" if filtered else ""
    )
    return Fact(control, Tri.UNKNOWN if filtered else Tri.YES, detail)


def _role(session: Session) -> Fact:
    """What more the role could do than read."""
    control = "read-only-role"
    try:
        told = session.command("admin", "connectionStatus", showPrivileges=True)
    except Unreadable as fault:
        return Fact(control, Tri.UNKNOWN, fault.detail or str(fault.reason))
    info = told.get("authInfo", {})
    if not info.get("authenticatedUsers"):
        return Fact(control, Tri.UNKNOWN, "nobody logged in, so there is no role")
    could = {
        action
        for privilege in info.get("authenticatedUserPrivileges", [])
        for action in privilege.get("actions", [])
    }
    writes = sorted(could & _WRITES)
    if writes:
        return Fact(control, Tri.NO, f"it could also {', '.join(writes)}")
    return Fact(control, Tri.YES, "it can only read")


# --- who could read -----------------------------------------------------------------------------


def access(session: Session, seal: SealName) -> Access:
    """Users the server itself knows; those of a directory or of certificates do not show. Never
    raises."""
    options, _ = _options(session)
    is_open = _open(session, options)
    public = next(f.state for f in facts(session, seal) if f.control == "public-access")
    if is_open:
        anyone = Grant("anyone", "public", "allow", "access control is off: no login is required")
        return Access(public=public, could_read_known=True, could_read=(anyone,))
    try:
        users = session.command("admin", "usersInfo", {"forAllDBs": True}).get("users", [])
        if len(users) > _MOST_USERS:
            return Access(public=public)
        found = tuple(_grants(session, users, seal))
    except Unreadable:
        return Access(public=public)
    return Access(public=public, could_read_known=True, could_read=found)


def _grants(
    session: Session, users: Sequence[Mapping[str, Any]], seal: SealName
) -> Iterator[Grant]:
    """Raises ``Unreadable``. Privileges are told for one user at a time only."""
    for user in sorted(users, key=lambda user: (str(user["db"]), str(user["user"]))):
        who = {"user": user["user"], "db": user["db"]}
        told = session.command("admin", "usersInfo", who, showPrivileges=True).get("users", [])
        privileges = [p for each in told for p in each.get("inheritedPrivileges", [])]
        if any(_reads(privilege, session.target.database) for privilege in privileges):
            roles = ", ".join(f"{role['role']} on {role['db']}" for role in user.get("roles", []))
            name = seal(f"user:{user['user']}@{user['db']}")
            yield Grant(name, "user", "allow", seal(f"roles: {roles or 'none of a name'}"))


def _reads(privilege: Mapping[str, Any], database: str) -> bool:
    """Whether it lets documents be found in the database, or in any when none is named."""
    actions = privilege.get("actions", [])
    resource = privilege.get("resource", {})
    if "find" not in actions and "anyAction" not in actions:
        return False
    if resource.get("anyResource"):
        return True
    if "db" not in resource:
        return False
    return not database or resource["db"] in ("", database)
