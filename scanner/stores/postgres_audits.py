"""How a PostgreSQL server is set to log reads now, and for whom otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from datetime import UTC, datetime

from scanner.audits import Audit, Audits
from scanner.contracts import SealName
from scanner.errors import Unreadable
from scanner.stores import postgres_rotation
from scanner.stores.postgres_session import Session
from scanner.text import plural

PGAUDIT, STATEMENTS = "pgaudit", "log-statement"
_SETTINGS = """
SELECT name, setting FROM pg_settings
WHERE name LIKE 'pgaudit.%%' OR name IN ('log_statement', 'log_min_duration_statement',
  'shared_preload_libraries', 'log_min_messages') OR name = ANY(%s)
"""
_AROUND = """
SELECT ceil(extract(epoch FROM pg_postmaster_start_time()))::bigint,
  (SELECT count(*) FROM pg_stat_replication) + (SELECT count(*) FROM pg_replication_slots)
"""
_AS_OWNER = """
SELECT n.nspname || '.' || p.proname
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND p.prorettype <> 'event_trigger'::regtype
ORDER BY 1
"""
_OWN = """
SELECT coalesce(r.rolname::text, ''), coalesce(d.datname::text, ''), c.setting
FROM pg_db_role_setting s CROSS JOIN LATERAL unnest(s.setconfig) AS c (setting)
LEFT JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase
WHERE (s.setdatabase = 0 OR d.datname = current_database())
  AND (c.setting LIKE 'pgaudit.%%' OR c.setting LIKE 'log\\_statement=%%'
       OR c.setting LIKE 'log\\_min\\_duration\\_statement=%%')
ORDER BY 1, 2, 3
"""
_MOST = 5
"""settings of single roles that are written out"""


def audits(session: Session, seal_name: SealName) -> Audits:
    """See ``audits.Audited``."""
    wanted = list(postgres_rotation.SETTINGS)
    try:
        settings = {str(name): str(value) for name, value in session.rows(_SETTINGS, (wanted,))}
        own = [(str(r), str(d), str(setting)) for r, d, setting in session.rows(_OWN)]
        ((started, carried),) = session.rows(_AROUND)
        as_owner = [str(name) for (name,) in session.rows(_AS_OWNER)]
    except (Unreadable, ValueError):
        return {}
    roles = [each for each in own if each[0]]
    audited = (
        *_pgaudit(settings),
        *_of_single_ones(roles, "pgaudit.", seal_name),
        *_around(int(carried), as_owner, seal_name),
    )
    loaded = "pgaudit.log" in settings
    logged = (*_statements(settings), *_of_single_ones(roles, "log_", seal_name))
    # those of the whole database hold for the session that asks, too: they are judged already
    others = [each for each in own if not each[0]]
    kept = tuple(postgres_rotation.said(settings, datetime.now(UTC)))
    return {
        PGAUDIT: Audit(
            audited,
            (*_of_single_ones(others, "pgaudit.", seal_name), *kept),
            int(started) if loaded and not audited else None,
        ),
        STATEMENTS: Audit(logged, (*_of_single_ones(others, "log_", seal_name), *kept)),
    }


def _pgaudit(settings: Mapping[str, str]) -> Iterator[str]:
    libraries = settings.get("shared_preload_libraries")
    if "pgaudit.log" not in settings:
        if libraries is not None and "pgaudit" not in libraries:
            yield "the server does not load pgaudit now"
        return
    classes = {part.strip().lower() for part in settings["pgaudit.log"].split(",")}
    watched = settings.get("pgaudit.role", "")
    if not classes & {"all", "read"} or "-read" in classes:
        if watched:
            yield (
                f"pgaudit.log = {settings['pgaudit.log']} now: only reads of what is granted to"
                f" the role {watched} are audited"
            )
        else:
            yield f"pgaudit.log = {settings['pgaudit.log']} now: reads are not audited"
    elif settings.get("pgaudit.log_relation") == "off" and not watched:
        yield "pgaudit.log_relation is off now: a SELECT does not name what it reads"
    missing = sorted(each for each in _CLASSES if not _audited(each, classes))
    if missing:
        yield (
            f"pgaudit.log leaves out {', '.join(missing)} now: rows that a change gives back"
            " (RETURNING) or changes of the audit itself show no trace"
        )
    once = settings.get("pgaudit.log_statement_once", "off") == "on"
    if settings.get("pgaudit.log_statement", "on") == "off" or once:
        yield (
            "pgaudit.log_statement or log_statement_once leaves out texts of statements now: rows"
            " that a change gives back, or a change of the audit, can go unseen"
        )
    if settings.get("pgaudit.log_rows") == "on":
        yield (
            "pgaudit.log_rows is on now: a statement is audited when it ends, one that fails on its"
            " way never, whatever it gave before"
        )
    level = settings.get("pgaudit.log_level", "log")
    least = settings.get("log_min_messages", "warning")
    if level in _RANKS and least in _RANKS and _RANKS.index(level) < _RANKS.index(least):
        yield (
            f"pgaudit.log_level = {level} is below log_min_messages = {least} now: audits are not"
            " written"
        )


_CLASSES = ("write", "role", "ddl", "misc")
"""what must be audited beside reads, to see every change of the audit and what changes give back"""
_RANKS = (
    *("debug5", "debug4", "debug3", "debug2", "debug1", "info", "notice", "warning"),
    *("error", "log", "fatal", "panic"),
)


def _audited(wanted: str, classes: Set[str]) -> bool:
    if f"-{wanted}" in classes or (wanted == "misc" and "-misc_set" in classes):
        return False
    return bool(classes & {"all", wanted}) or (wanted == "misc" and "misc_set" in classes)


def _around(carried: int, as_owner: Sequence[str], seal_name: SealName) -> Iterator[str]:
    """Ways to the rows that pass pgaudit by."""
    if as_owner:
        more = f" and {len(as_owner) - _MOST:,} more" if len(as_owner) > _MOST else ""
        run = plural(
            len(as_owner),
            "function runs by the right of its owner",
            "functions run by the right of their owner",
        )
        yield seal_name(
            f"{run} (SECURITY DEFINER: {', '.join(as_owner[:_MOST])}{more}): what they read is not"
            " named"
        )
    if carried:
        yield (
            f"the tables are carried off ({plural(carried, 'standby or slot', 'standbys or slots')}"
            " of replication): what is read there is not in this log"
        )


def _statements(settings: Mapping[str, str]) -> Iterator[str]:
    logged = settings.get("log_statement", "all")
    if logged == "all":
        return
    slow = settings.get("log_min_duration_statement", "-1")
    if slow == "0":
        yield (
            f"log_statement = {logged} now: a statement is logged by log_min_duration_statement"
            " when it ends, one that fails on its way never, whatever it gave before"
        )
        return
    said = f"log_statement = {logged} now: reads are not logged"
    yield said if slow == "-1" else f"{said} but those that take {slow} ms or longer"


def _of_single_ones(
    own: Sequence[tuple[str, str, str]], prefix: str, seal_name: SealName
) -> Iterator[str]:
    """Settings of roles and databases, which overrule those of the server."""
    said = []
    for role, database, setting in own:
        if setting.startswith(prefix):
            who = f"the role {role}" if role else "every role"
            where = f" in the database {database}" if database else ""
            said.append(f"{who}{where} has {setting.replace('=', ' = ', 1)}")
    if said:
        more = f" and {len(said) - _MOST:,} more" if len(said) > _MOST else ""
        yield seal_name("settings of their own: " + ", ".join(said[:_MOST]) + more)
