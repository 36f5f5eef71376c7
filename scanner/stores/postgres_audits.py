"""How a PostgreSQL server is set to log reads now, and for whom otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from scanner.audits import Blind
from scanner.contracts import SealName
from scanner.errors import Unreadable
from scanner.stores.postgres_session import Session

PGAUDIT, STATEMENTS = "pgaudit", "log-statement"
_SETTINGS = """
SELECT name, setting FROM pg_settings
WHERE name LIKE 'pgaudit.%%' OR name IN ('log_statement', 'log_min_duration_statement',
  'log_truncate_on_rotation', 'log_filename', 'shared_preload_libraries')
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


def audits(session: Session, seal_name: SealName) -> Blind:
    """See ``audits.Audited``."""
    try:
        settings = {str(name): str(value) for name, value in session.rows(_SETTINGS)}
        own = [(str(r), str(d), str(setting)) for r, d, setting in session.rows(_OWN)]
    except (Unreadable, ValueError):
        return {}
    return {
        PGAUDIT: (
            *_pgaudit(settings),
            *_of_single_ones(own, "pgaudit.", seal_name),
            *_rotation(settings),
        ),
        STATEMENTS: (
            *_statements(settings),
            *_of_single_ones(own, "log_", seal_name),
            *_rotation(settings),
        ),
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


def _statements(settings: Mapping[str, str]) -> Iterator[str]:
    logged = settings.get("log_statement", "all")
    if logged == "all":
        return
    slow = settings.get("log_min_duration_statement", "-1")
    if slow == "0":
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


def _rotation(settings: Mapping[str, str]) -> Iterator[str]:
    name = settings.get("log_filename", "%Y")
    if settings.get("log_truncate_on_rotation") == "on" and "%Y" not in name:
        yield f"the server writes over its logs ({name}): older ones are lost unless carried off"
