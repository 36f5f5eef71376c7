"""What protects a PostgreSQL database, as far as this role may ask. Never raises: what cannot be
asked is *unknown* with the reason.

``pg_hba.conf`` says who gets as far as a password; it is seen by superusers only, unless somebody
granted ``pg_hba_file_rules``.
"""

from __future__ import annotations

from detectors.records import dataclass
from scanner.contracts import SealName
from scanner.errors import Unreadable
from scanner.model import Fact, Tri
from scanner.stores.postgres_session import Session
from scanner.stores.sql_facts import Grants, public_grants, sealed, session_tls, told
from scanner.text import plural

_OPEN_METHODS = frozenset(("trust",))
_WEAK_METHODS = frozenset(("trust", "password", "md5", "ident"))
_LOOPBACK = ("127.", "::1", "samehost")
_WHY_NOT_HBA = "pg_hba.conf cannot be read by this role"


@dataclass(frozen=True, slots=True)
class Rule:
    """A line of pg_hba.conf that speaks of this database."""

    line: int
    kind: str
    """local, host, hostssl, hostnossl, hostgssenc ..."""
    address: str
    method: str

    @property
    def remote(self) -> bool:
        return self.kind != "local" and not self.address.startswith(_LOOPBACK)

    @property
    def shown(self) -> str:
        return f"line {self.line:,}: {self.kind} {self.address or 'any'} {self.method}"


def facts(session: Session, could_read: Grants, seal: SealName) -> tuple[Fact, ...]:
    rules = _rules(session)
    asked = (
        told("public-access", lambda: _public(rules)),
        public_grants(could_read, "every role that can log in"),
        told("default-encryption", lambda: _at_rest(session)),
        told("versioning", lambda: _versioning(session)),
        told("access-logging", lambda: _logging(session)),
        told("tls-only", lambda: _tls_only(session, rules)),
        told("scanned-over-tls", lambda: _session_tls(session)),
        told("strong-passwords", lambda: _passwords(session, rules)),
        told("read-only-role", lambda: _read_only(session)),
    )
    return sealed(asked, seal)


def role(session: Session, seal: SealName) -> Fact:
    return sealed((told("read-only-role", lambda: _read_only(session)),), seal)[0]


def _settings(session: Session, *names: str) -> dict[str, str]:
    """Those that exist and that this role may see."""
    rows = session.rows(
        "SELECT name::text, coalesce(setting, '')::text FROM pg_settings"
        " WHERE name = ANY(%s) AND setting IS NOT NULL",
        (list(names),),
    )
    return dict(rows)


def _rules(session: Session) -> list[Rule] | str:
    """The rules, or why they are not known."""
    try:
        rows = session.rows(
            "SELECT line_number, type::text, coalesce(concat_ws('/', address, netmask), ''),"
            " coalesce(auth_method, '')::text, error IS NOT NULL FROM pg_hba_file_rules"
            " WHERE 'all' = ANY(database) OR current_database() = ANY(database)"
            " OR EXISTS (SELECT FROM unnest(database) d WHERE d ~ '^(/|@|[+]|same)')"
            " OR error IS NOT NULL"
        )
    except Unreadable as fault:
        return f"{_WHY_NOT_HBA} ({fault.detail})"
    if any(row[4] for row in rows):
        return "pg_hba.conf has lines the server does not understand"
    return [Rule(row[0], row[1], row[2], row[3]) for row in rows]


def _public(rules: list[Rule] | str) -> tuple[Tri, str]:
    """Open to the world: whoever reaches the port is let in without a secret."""
    if isinstance(rules, str):
        return Tri.UNKNOWN, rules
    open_rules = [rule for rule in rules if rule.remote and rule.method in _OPEN_METHODS]
    if open_rules:
        return (
            Tri.YES,
            f"whoever comes from there is let in without a password: {_some(open_rules)}",
        )
    return Tri.NO, "no rule of pg_hba.conf lets anyone from elsewhere in without a secret"


def _at_rest(session: Session) -> tuple[Tri, str]:
    """PostgreSQL itself has none; a fork or an extension may."""
    found = _settings(session, "data_encryption", "pg_tde.wal_encrypt", "rds.extensions")
    if found.get("data_encryption") == "on" or found.get("pg_tde.wal_encrypt") == "on":
        return Tri.YES, "the server encrypts its files, which protects a disk that is carried away"
    return Tri.UNKNOWN, "PostgreSQL does not encrypt its files; what the disk does does not show"


def _versioning(session: Session) -> tuple[Tri, str]:
    mode = _settings(session, "archive_mode").get("archive_mode")
    if mode is None:
        return Tri.UNKNOWN, "whether the write-ahead log is archived does not show"
    if mode in ("on", "always"):
        return Tri.YES, "the write-ahead log is archived: rows that were deleted live on in it"
    return Tri.UNKNOWN, "the write-ahead log is not archived; of dumps and snapshots nothing shows"


def _logging(session: Session) -> tuple[Tri, str]:
    """Whether reads leave a trace with the role that did them."""
    found = _settings(
        session, "pgaudit.log", "pgaudit.role", "log_statement", "log_min_duration_statement"
    )
    audited = found.get("pgaudit.log", "none").lower()
    classes = {part.strip() for part in audited.split(",")}
    if classes & {"all", "read"} and "-read" not in classes:
        return Tri.YES, f"pgaudit.log = {audited}"
    if found.get("pgaudit.role"):
        return Tri.YES, f"pgaudit watches what is granted to the role {found['pgaudit.role']}"
    statements = found.get("log_statement")
    if statements == "all":
        return Tri.YES, "log_statement = all; so the log holds every number that was asked for"
    if found.get("log_min_duration_statement") == "0":
        return Tri.YES, "log_min_duration_statement = 0; so the log holds what was asked for"
    if statements is None:
        return Tri.UNKNOWN, "the settings of the log do not show"
    said = "pgaudit.log = " + audited if "pgaudit.log" in found else "there is no pgaudit"
    return Tri.NO, f"{said}, and log_statement = {statements} leaves reads out"


def _tls_only(session: Session, rules: list[Rule] | str) -> tuple[Tri, str]:
    ssl = _settings(session, "ssl").get("ssl")
    if ssl == "off":
        return Tri.NO, "the server has TLS turned off"
    if isinstance(rules, str):
        return Tri.UNKNOWN, rules
    plain = [
        rule
        for rule in rules
        if rule.remote and rule.kind in ("host", "hostnossl") and rule.method != "reject"
    ]
    if plain:
        return Tri.NO, f"pg_hba.conf lets in without TLS: {_some(plain)}"
    return Tri.YES, "pg_hba.conf lets nobody from elsewhere in without TLS"


def _session_tls(session: Session) -> tuple[Tri, str]:
    return session_tls(
        local=session.local,
        encrypted=session.encrypted,
        verified=session.mode == "verify-full",
        mode=f"sslmode={session.mode or 'not given'}",
    )


def _passwords(session: Session, rules: list[Rule] | str) -> tuple[Tri, str]:
    """How passwords are kept and asked for."""
    weak: list[str] = []
    encryption = _settings(session, "password_encryption").get("password_encryption", "")
    if encryption and encryption != "scram-sha-256":
        weak.append(f"password_encryption = {encryption}")
    try:
        ((old,),) = session.rows(
            "SELECT count(*) FROM pg_authid WHERE rolcanlogin AND rolpassword LIKE 'md5%%'", ()
        )
        if old:
            weak.append(f"{plural(old, 'role has', 'roles have')} an MD5 password")
        seen = True
    except Unreadable:
        seen = False
    if not isinstance(rules, str):
        asked = [rule for rule in rules if rule.method in _WEAK_METHODS]
        if asked:
            weak.append(f"pg_hba.conf: {_some(asked)}")
    if weak:
        return Tri.NO, "; ".join(weak)
    if not seen or isinstance(rules, str):
        return Tri.UNKNOWN, "neither pg_authid nor pg_hba.conf can be read by this role"
    return Tri.YES, "scram-sha-256 for every password"


_MORE = """
WITH mine AS (SELECT * FROM pg_roles r WHERE pg_has_role(r.oid, 'MEMBER')),
own AS (SELECT oid FROM pg_namespace
  WHERE nspname !~ '^pg_' AND nspname <> 'information_schema')
SELECT
  (SELECT bool_or(rolsuper) FROM mine), (SELECT bool_or(rolcreaterole) FROM mine),
  (SELECT bool_or(rolcreatedb) FROM mine), (SELECT bool_or(rolbypassrls) FROM mine),
  (SELECT bool_or(rolreplication) FROM mine),
  has_database_privilege(current_database(), 'CREATE'),
  (SELECT count(*) FROM pg_class c JOIN own n ON n.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'p') AND EXISTS (SELECT FROM mine m WHERE
     has_schema_privilege(m.oid, n.oid, 'USAGE') AND (
     has_table_privilege(m.oid, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
     OR has_any_column_privilege(m.oid, c.oid, 'INSERT, UPDATE')))),
  (SELECT count(*) FROM own n
   WHERE EXISTS (SELECT FROM mine m WHERE has_schema_privilege(m.oid, n.oid, 'CREATE'))),
  (SELECT string_agg(rolname, ', ' ORDER BY rolname) FROM mine WHERE rolname = ANY(%s))
"""
_WRITERS = (
    *("pg_write_all_data", "pg_execute_server_program", "pg_write_server_files"),
    *("pg_signal_backend", "pg_signal_autovacuum_worker", "pg_maintain", "pg_checkpoint"),
    "pg_create_subscription",
)


def _read_only(session: Session) -> tuple[Tri, str]:
    """What more the role of this scan can do than read, also after SET ROLE. The sessions are
    read-only. To bypass row-level security is a way to read, and told all the same: few mean it."""
    (row,) = session.rows(_MORE, (list(_WRITERS),))
    if row[0]:
        return Tri.NO, "the role of this scan is superuser; its sessions are read-only"
    words = (
        *("can make roles", "can make databases"),
        *("is not bound by row-level security", "can copy the server (REPLICATION)"),
        "can make schemas",
    )
    can = [word for word, has in zip(words, row[1:6], strict=True) if has]
    if row[6]:
        can.append(f"can change {plural(row[6], 'table')}")
    if row[7]:
        can.append(f"can make objects in {plural(row[7], 'schema')}")
    if row[8]:
        can.append(f"is member of {row[8]}")
    if can:
        return Tri.NO, f"the role of this scan {', '.join(can)}; its sessions are read-only"
    return Tri.YES, "the role of this scan can read and no more"


def _some(rules: list[Rule]) -> str:
    more = f" and {len(rules) - 3:,} more" if len(rules) > 3 else ""
    return "; ".join(rule.shown for rule in rules[:3]) + more
