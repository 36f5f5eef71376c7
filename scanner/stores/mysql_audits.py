"""How a MySQL or MariaDB server is set to log reads now, and for whom not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from scanner.audits import Audit, Audits
from scanner.contracts import SealName
from scanner.errors import Unreadable
from scanner.stores.mysql_session import Session
from scanner.text import plural

_VARIABLES = (
    "SHOW GLOBAL VARIABLES WHERE variable_name LIKE 'server\\_audit%%' OR variable_name IN"
    " ('general_log', 'log_output', 'log_disabled_statements', 'slow_query_log',"
    " 'long_query_time', 'log_slow_rate_limit', 'min_examined_row_limit', 'log_slow_filter',"
    " 'log_slow_disabled_statements', 'userstat',"
    " 'query_cache_type', 'query_cache_size', 'max_slowlog_files', 'max_slowlog_size')"
)


def audits(session: Session, seal_name: SealName) -> Audits:
    """See ``audits.Audited``."""
    try:
        found = {str(name): str(value) for name, value in session.rows(_VARIABLES)}
        ((_, uptime),) = session.rows("SHOW GLOBAL STATUS LIKE 'Uptime'")
        ((now,),) = session.rows("SELECT UNIX_TIMESTAMP()")
    except (Unreadable, ValueError):
        return {}
    blind = tuple(map(seal_name, _server_audit(found)))
    return {
        "server-audit": Audit(
            blind, tuple(_kept(found)), None if blind else int(now) - int(uptime)
        ),
        "general-log": Audit(tuple(_general(found))),
        "slow-log": Audit(tuple(_slow(found)), tuple(_slow_kept(found))),
    }


def _server_audit(found: Mapping[str, str]) -> Iterator[str]:
    if found.get("server_audit_logging", "OFF") != "ON":
        yield "server_audit is not on now"
        return
    events = {part.strip().upper() for part in found.get("server_audit_events", "").split(",")}
    if "TABLE" not in events and events != {""}:
        yield f"server_audit_events = {','.join(sorted(events))} now: tables are not told"
    elif "QUERY" not in events and events != {""}:
        yield (
            f"server_audit_events = {','.join(sorted(events))} now: changes of the audit itself"
            " show no trace"
        )
    if found.get("server_audit_incl_users"):
        yield f"only the accounts {found['server_audit_incl_users']} are logged now"
    elif found.get("server_audit_excl_users"):
        yield f"the accounts {found['server_audit_excl_users']} are left out now"
    if found.get("query_cache_type", "OFF") != "OFF" and found.get("query_cache_size", "0") != "0":
        yield "the query cache is on now: what is answered from it names no table"


def _kept(found: Mapping[str, str]) -> Iterator[str]:
    rotations = found.get("server_audit_file_rotations", "0")
    size = found.get("server_audit_file_rotate_size", "0")
    on = found.get("server_audit_logging") == "ON"
    if not on or found.get("server_audit_output_type", "file") != "file":
        return
    if not rotations.isdigit() or not size.isdigit() or rotations == "0":
        return  # without rotations the one file grows
    files = int(rotations) + 1
    yield (
        f"the server keeps {plural(files, 'file')} of it, {plural(files * int(size), 'byte')}:"
        " older ones are lost unless carried off"
    )


def _slow_kept(found: Mapping[str, str]) -> Iterator[str]:
    """Percona Server's rotation of the slow log."""
    files, size = found.get("max_slowlog_files", "0"), found.get("max_slowlog_size", "0")
    if files != "0" and size != "0":
        yield (
            f"the server keeps {files} files of it, of {size} bytes each: older ones are lost"
            " unless carried off"
        )


def _general(found: Mapping[str, str]) -> Iterator[str]:
    if found.get("general_log", "OFF") != "ON":
        yield "the general log is not on now"
    if "NONE" in found.get("log_output", "").upper():
        yield "log_output is NONE now: nothing is written"
    disabled = found.get("log_disabled_statements", "")
    if disabled and disabled != "sp":  # those inside of routines, which is said anyway
        yield f"log_disabled_statements = {disabled} now"


def _slow(found: Mapping[str, str]) -> Iterator[str]:
    if found.get("slow_query_log", "OFF") != "ON":
        yield "the slow log is not on now"
    longest = found.get("long_query_time", "0")
    if float(longest or 0) > 0:
        yield f"only statements that take {float(longest):g} s or longer are in it now"
    if found.get("log_slow_rate_limit", "1") not in ("0", "1"):
        yield f"only one in {found['log_slow_rate_limit']} statements is in it now"
    if found.get("min_examined_row_limit", "0") != "0":
        yield f"only statements over {found['min_examined_row_limit']} rows are in it now"
