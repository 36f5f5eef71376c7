"""Places of a MySQL or MariaDB database that hold text and are no table: what people forget.

Each is a unit with its name in parentheses. What the account may not see comes as such.
"""

from __future__ import annotations

from collections.abc import Iterator

from detectors.records import dataclass
from scanner.contracts import Chunk, Member
from scanner.errors import Reason, Unreadable
from scanner.model import Location, Problem, Slice
from scanner.stores.mysql_session import Session


@dataclass(frozen=True, slots=True)
class Place:
    """``queries`` give the name of what holds a text, and the text; ``{database}`` stands for the
    name of the database as a literal."""

    key: str
    queries: tuple[str, ...]
    mariadb: tuple[str, ...] = ()
    mysql: tuple[str, ...] = ()
    """further ones, of one of the two alone"""
    needs: tuple[str, ...] = ()
    """queries with one value: whether the place is there, by any of them; none: it always is"""
    long: bool = False
    """may be larger than the memory: read as it comes, in one statement"""


_TO_TABLES = "SELECT @@log_output LIKE '%TABLE%'"
PLACES = (
    Place(
        "(comments)",
        (
            "SELECT table_name, table_comment FROM information_schema.tables"
            " WHERE table_schema = {database}",
            "SELECT concat(table_name, '.', column_name), column_comment"
            " FROM information_schema.columns WHERE table_schema = {database}",
            "SELECT concat(table_name, '.', index_name), index_comment"
            " FROM information_schema.statistics WHERE table_schema = {database}",
            "SELECT routine_name, routine_comment FROM information_schema.routines"
            " WHERE routine_schema = {database}",
            "SELECT event_name, event_comment FROM information_schema.events"
            " WHERE event_schema = {database}",
            "SELECT concat(table_name, '.', partition_name), partition_comment"
            " FROM information_schema.partitions"
            " WHERE table_schema = {database} AND partition_name IS NOT NULL",
        ),
        mariadb=(
            "SELECT schema_name, schema_comment FROM information_schema.schemata"
            " WHERE schema_name = {database}",
        ),
    ),
    # a file of data that was loaded as if its first line named the columns
    Place(
        "(column names)",
        (
            "SELECT table_name, group_concat(column_name ORDER BY ordinal_position SEPARATOR '\n')"
            " FROM information_schema.columns WHERE table_schema = {database} GROUP BY table_name",
        ),
    ),
    Place(
        "(column defaults)",
        (
            "SELECT concat(table_name, '.', column_name),"
            " concat_ws('\n', column_default, generation_expression, column_type)"
            " FROM information_schema.columns WHERE table_schema = {database}",
        ),
    ),
    Place(
        "(constraints and partitions)",
        (
            "SELECT constraint_name, check_clause FROM information_schema.check_constraints"
            " WHERE constraint_schema = {database}",
            "SELECT concat(table_name, '.', partition_name),"
            " concat_ws('\n', partition_description, subpartition_expression)"
            " FROM information_schema.partitions"
            " WHERE table_schema = {database} AND partition_name IS NOT NULL",
        ),
    ),
    Place(
        "(routine bodies)",
        (
            "SELECT routine_name, routine_definition FROM information_schema.routines"
            " WHERE routine_schema = {database}",
            "SELECT event_name, event_definition FROM information_schema.events"
            " WHERE event_schema = {database}",
            "SELECT trigger_name, action_statement FROM information_schema.triggers"
            " WHERE trigger_schema = {database}",
        ),
    ),
    Place(
        "(view definitions)",
        (
            "SELECT table_name, view_definition FROM information_schema.views"
            " WHERE table_schema = {database}",
        ),
    ),
    # where the server logs in elsewhere, for whichever database, with the passwords
    Place(
        "(servers)",
        (
            "SELECT server_name, concat_ws('\n', concat('host=', host), concat('db=', db),"
            " concat('user=', username), concat('password=', password),"
            " concat('socket=', socket), concat('owner=', owner)) FROM mysql.servers",
        ),
        mysql=(
            "SELECT 'replication', concat_ws('\n', concat('host=', host),"
            " concat('user=', user_name), concat('password=', user_password))"
            " FROM mysql.slave_master_info",
        ),
        needs=("SELECT count(*) FROM mysql.servers",),
    ),
    Place(
        "(column statistics)",
        (
            "SELECT concat(table_name, '.', column_name),"
            " concat_ws('\n', min_value, max_value, decode_histogram(hist_type, histogram))"
            " FROM mysql.column_stats WHERE db_name = {database}",
        ),
        needs=(
            "SELECT count(*) FROM information_schema.tables"
            " WHERE table_schema = 'mysql' AND table_name = 'column_stats'",
        ),
    ),
    Place(
        "(processlist)",
        (
            "SELECT user, info FROM information_schema.processlist"
            " WHERE id <> connection_id() AND db = {database}",
        ),
    ),
    Place(
        "(performance_schema)",
        (
            "SELECT 'events_statements_history', sql_text"
            " FROM performance_schema.events_statements_history"
            " WHERE current_schema = {database}",
            "SELECT 'events_statements_history_long', sql_text"
            " FROM performance_schema.events_statements_history_long"
            " WHERE current_schema = {database}",
            "SELECT 'events_statements_current', sql_text"
            " FROM performance_schema.events_statements_current"
            " WHERE current_schema = {database} AND thread_id <> ("
            "SELECT thread_id FROM performance_schema.threads"
            " WHERE processlist_id = connection_id())",
            "SELECT 'prepared_statements_instances', sql_text"
            " FROM performance_schema.prepared_statements_instances",
            "SELECT 'user_variables_by_thread', variable_value"
            " FROM performance_schema.user_variables_by_thread",
        ),
        mysql=(
            "SELECT 'events_statements_summary_by_digest', query_sample_text"
            " FROM performance_schema.events_statements_summary_by_digest"
            " WHERE schema_name = {database}",
        ),
        needs=("SELECT @@performance_schema",),
    ),
    Place(
        "(general log)",
        ("SELECT user_host, argument FROM mysql.general_log",),
        needs=(_TO_TABLES, "SELECT 1 FROM mysql.general_log LIMIT 1"),
        long=True,
    ),
    Place(
        "(slow log)",
        ("SELECT user_host, sql_text FROM mysql.slow_log WHERE db = {database}",),
        needs=(_TO_TABLES, "SELECT 1 FROM mysql.slow_log WHERE db = {database} LIMIT 1"),
        long=True,
    ),
)
BY_KEY = {place.key: place for place in PLACES}


def present(session: Session) -> list[Place]:
    """Those there are. Raises ``Unreadable``."""
    return [place for place in PLACES if not place.needs or _there(session, place)]


def _there(session: Session, place: Place) -> bool:
    """A log that is off by now may hold what was written when it was on; one this account may not
    see is told of when it is on."""
    database = session.literal(session.database)
    for query in place.needs:
        try:
            found = session.rows(query.replace("{database}", database))
        except Unreadable as fault:
            if fault.reason is not Reason.ACCESS_DENIED:
                raise
            continue
        if found and int(found[0][0] or 0):
            return True
    return False


def chunks(session: Session, place: Place, part: Slice) -> Iterator[Chunk | Member | Problem]:
    """Raises ``Unreadable`` when nothing of it can be asked."""
    database, read = session.literal(session.database), False
    queries = place.queries + (place.mariadb if session.mariadb else place.mysql)
    for query in queries:
        asked = query.replace("{database}", database)
        try:
            for rows in session.stream(asked, 500) if place.long else (session.read(asked),):
                read = True
                for name, text in rows:
                    data = text if isinstance(text, bytes) else str(text or "").encode()
                    if data:
                        yield _chunk(str(name), data)
        except Unreadable as fault:
            if not read and query is queries[-1]:
                raise
            yield Problem(fault.reason, fault.detail)


def _chunk(name: str, text: bytes) -> Chunk:
    def locate(start: int, end: int) -> Location:
        line = 1 + text.count(b"\n", 0, start)
        column = start - text.rfind(b"\n", 0, start)
        return Location(line=line, column=column, field=name)

    return Chunk(text, 0, len(text), locate, lambda start: name, text.count(b"\n"))
