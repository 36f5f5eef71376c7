"""What protects a MySQL or MariaDB database, as far as this account may ask. Never raises: what
cannot be asked is *unknown* with the reason."""

from __future__ import annotations

import re
from typing import Any

from scanner.contracts import SealName
from scanner.errors import Unreadable
from scanner.model import Fact, Tri
from scanner.stores.mysql_catalogue import quote
from scanner.stores.mysql_session import Session
from scanner.stores.sql_facts import Grants, public_grants, sealed, session_tls, told
from scanner.stores.sql_options import is_local

_HARMLESS = frozenset(
    ("USAGE", "SELECT", "SHOW VIEW", "SHOW DATABASES", "PROCESS", "BINLOG MONITOR", "SHOW_ROUTINE")
)
_LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


def facts(session: Session, could_read: Grants, seal: SealName) -> tuple[Fact, ...]:
    asked = (
        told("public-access", lambda: _public(session)),
        public_grants(could_read, "every account"),
        told("default-encryption", lambda: _at_rest(session)),
        told("versioning", lambda: _versioning(session)),
        told("access-logging", lambda: _logging(session)),
        told("tls-only", lambda: _tls_only(session)),
        told("scanned-over-tls", lambda: _session_tls(session)),
        told("strong-passwords", lambda: _passwords(session)),
        told("read-only-role", lambda: _read_only(session)),
    )
    return sealed(asked, seal)


def role(session: Session, seal: SealName) -> Fact:
    return sealed((told("read-only-role", lambda: _read_only(session)),), seal)[0]


def _variables(session: Session, *names: str) -> dict[str, str]:
    """Those this server has, in capitals where they are words."""
    marks = ", ".join("%s" for _ in names)
    rows = session.rows(f"SHOW GLOBAL VARIABLES WHERE variable_name IN ({marks})", names)
    return {str(name): str(value).upper() for name, value in rows}


def _public(session: Session) -> tuple[Tri, str]:
    """Whoever reaches the port gets in without a password."""
    query = (
        "SELECT concat(user, '@', host), host FROM mysql.user WHERE authentication_string = ''"
        " AND plugin IN ('', 'mysql_native_password', 'caching_sha2_password') AND "
    )
    rows = session.rows(query + ("is_role = 'N'" if session.mariadb else "account_locked = 'N'"))
    far = [str(name) for name, host in rows if str(host) not in _LOCAL_HOSTS]
    if far:
        more = f" and {len(far) - 3:,} more" if len(far) > 3 else ""
        return Tri.YES, f"accounts without a password: {', '.join(far[:3])}{more}"
    return Tri.NO, "no account gets in from elsewhere without a password"


def _at_rest(session: Session) -> tuple[Tri, str]:
    found = _variables(session, "innodb_encrypt_tables", "default_table_encryption")
    on = [name for name, value in found.items() if value in ("ON", "FORCE")]
    if on:
        return Tri.YES, f"{on[0]} is on, which protects a disk that is carried away"
    if found:
        return Tri.NO, f"{next(iter(found))} is off; what the disk does does not show"
    return Tri.UNKNOWN, "the server does not tell of encryption"


def _versioning(session: Session) -> tuple[Tri, str]:
    if _variables(session, "log_bin").get("log_bin") == "ON":
        return Tri.YES, "there is a binary log: rows that were deleted live on in it"
    return Tri.UNKNOWN, "there is no binary log; of dumps and snapshots nothing shows"


def _logging(session: Session) -> tuple[Tri, str]:
    names = ("server_audit_logging", "server_audit_events", "audit_log_policy", "general_log")
    found = _variables(session, *names)
    if found.get("server_audit_logging") == "ON":
        events = found.get("server_audit_events", "")
        if not events or {"QUERY", "TABLE", "QUERY_DML"} & set(events.split(",")):
            return Tri.YES, f"server_audit is on (events: {events or 'all'})"
        return Tri.NO, f"server_audit leaves reads out (events: {events})"
    if found.get("audit_log_policy") in ("ALL", "QUERIES"):
        return Tri.YES, f"audit_log_policy = {found['audit_log_policy']}"
    if found.get("general_log") == "ON":
        return Tri.YES, "the general log is on; so it holds every number that was asked for"
    if not found:
        return Tri.UNKNOWN, "the settings of the logs do not show"
    return Tri.NO, "there is no audit plugin that is on, and no general log"


def _tls_only(session: Session) -> tuple[Tri, str]:
    found = _variables(session, "require_secure_transport", "have_ssl")
    if found.get("require_secure_transport") == "ON":
        return Tri.YES, "require_secure_transport is on"
    if found.get("have_ssl", "YES") != "YES":
        return Tri.NO, "the server has no TLS"
    return Tri.NO, "require_secure_transport is off; single accounts may still need TLS"


def _session_tls(session: Session) -> tuple[Tri, str]:
    return session_tls(
        local=is_local(session.host),
        encrypted=session.encrypted,
        verified=session.tls_mode == "verify",
        mode=f"ssl_mode={session.tls_mode}",
    )


def _passwords(session: Session) -> tuple[Tri, str]:
    """SHA-1 without salt (mysql_native_password) is quickly guessed once it leaks."""
    rows = session.rows(
        "SELECT plugin, count(*) FROM mysql.user WHERE authentication_string NOT IN ('', 'invalid')"
        " GROUP BY plugin"
    )
    weak = {str(p): int(n) for p, n in rows if p in ("mysql_native_password", "mysql_old_password")}
    if weak:
        said = ", ".join(f"{plugin} ×{count:,}" for plugin, count in sorted(weak.items()))
        return Tri.NO, f"passwords kept as unsalted hashes: {said}"
    return Tri.YES, "no password is kept as an unsalted hash"


def _read_only(session: Session) -> tuple[Tri, str]:
    """What more the account of this scan can do than read, also after SET ROLE. The sessions are
    read-only."""
    rights = _rights(session.rows("SHOW GRANTS"))
    try:
        rights |= _of_roles(session)
        hidden = ""
    except Unreadable as fault:
        hidden = fault.detail
    more = sorted(right for right in rights if right and right not in _HARMLESS)
    if more:
        some = ", ".join(more[:5]) + (f" and {len(more) - 5:,} more" if len(more) > 5 else "")
        return Tri.NO, f"the account of this scan also has {some}; its sessions are read-only"
    if hidden:
        return Tri.UNKNOWN, f"what roles the account of this scan may take on: {hidden}"
    return Tri.YES, "the account of this scan can read and no more"


def _rights(lines: list[tuple[Any, ...]]) -> set[str]:
    """Of lines as ``GRANT SELECT (a), INSERT ON t TO u WITH GRANT OPTION``; one without ON grants
    a role."""
    rights: set[str] = set()
    for (line,) in lines:
        words, on, rest = str(line).removeprefix("GRANT ").partition(" ON ")
        if on:
            rights |= {word.partition("(")[0].strip().upper() for word in _outside(words)}
            rights |= {"GRANT OPTION"} if rest.endswith("WITH GRANT OPTION") else set()
    return rights


def _outside(words: str) -> list[str]:
    """Parted at commas, but not at those between names of columns."""
    return re.sub(r"\([^)]*\)", "", words).split(",")


def _of_roles(session: Session) -> set[str]:
    """The rights of roles the account may take on. MariaDB tells them to nobody who has not taken
    on the role; MySQL does."""
    found: set[str] = set()
    if not session.mariadb:
        query = "SELECT DISTINCT role_name, role_host FROM information_schema.applicable_roles"
        if session.version >= (8, 0, 19):
            for name, host in session.rows(query):
                role = f"{quote(str(name))}@{quote(str(host))}"
                found |= _rights(session.rows(f"SHOW GRANTS FOR CURRENT_USER() USING {role}"))
        return found
    ((own,),) = session.rows("SELECT CURRENT_ROLE()")
    names = session.rows("SELECT DISTINCT role_name FROM information_schema.applicable_roles")
    try:
        for (name,) in names:
            session.rows(f"SET ROLE {quote(str(name))}")
            found |= _rights(session.rows("SHOW GRANTS"))
    finally:
        session.rows(f"SET ROLE {quote(str(own)) if own else 'NONE'}")
    return found
