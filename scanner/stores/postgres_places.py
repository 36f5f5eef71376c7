"""Places of a PostgreSQL database that hold text and are no table: what people forget.

Each is a unit with its name in parentheses. A place this role sees in part says so; one that does
not exist here (an extension that is not installed) is no unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from detectors.records import dataclass
from scanner.contracts import Chunk, Member
from scanner.errors import Reason
from scanner.model import Location, Problem, Slice
from scanner.stores.postgres_catalogue import quote
from scanner.stores.postgres_session import Session
from scanner.stores.sql_rows import pieces
from scanner.text import plural

_HIDDEN = b"<insufficient privilege>"


@dataclass(frozen=True, slots=True)
class Place:
    """``query`` gives the name of what holds a text, and the text. ``extension`` is asked for its
    schema, which stands in for ``{schema}``."""

    key: str
    query: str
    extension: str | None = None
    by_choice: bool = False
    more: tuple[tuple[int, str], ...] = ()
    """queries for servers from a version on"""
    needs: str = ""
    """a query that gives how many there are; none: the place is always there"""


_SHORT = {
    "{own}": "NOT IN ('pg_catalog', 'information_schema', 'pg_toast')",
    "{relation}": "quote_ident(n.nspname) || '.' || quote_ident(c.relname)",
}
PLACES = (
    Place(
        "(comments)",
        """
SELECT (pg_identify_object(classoid, objoid, objsubid)).identity, description
FROM pg_description WHERE objoid >= 16384 OR classoid = 'pg_namespace'::regclass
UNION ALL
SELECT (pg_identify_object(classoid, objoid, 0)).identity, description FROM pg_shdescription
UNION ALL
SELECT (pg_identify_object(classoid, objoid, objsubid)).identity, label FROM pg_seclabel
""",
    ),
    Place(
        "(column defaults)",
        """
SELECT {relation} || '.' || quote_ident(a.attname), pg_get_expr(d.adbin, d.adrelid)
FROM pg_attrdef d JOIN pg_class c ON c.oid = d.adrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum WHERE n.nspname {own}
UNION ALL
SELECT format_type(t.oid, NULL), t.typdefault FROM pg_type t
WHERE t.oid >= 16384 AND t.typdefault IS NOT NULL
UNION ALL
SELECT {relation} || '.' || quote_ident(a.attname), a.attmissingval::text
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n
ON n.oid = c.relnamespace WHERE a.atthasmissing
""",
    ),
    # a file of data that was loaded as if its first line named the columns
    Place(
        "(column names)",
        """
SELECT {relation}, string_agg(a.attname, E'\\n' ORDER BY a.attnum)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE a.attnum > 0 AND NOT a.attisdropped AND n.nspname {own}
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
GROUP BY n.nspname, c.relname
""",
    ),
    Place(
        "(constraints and indexes)",
        """
SELECT n.nspname || '.' || k.conname, pg_get_constraintdef(k.oid)
FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
WHERE k.contype = 'c' AND n.nspname {own}
UNION ALL
SELECT {relation}, pg_get_indexdef(i.indexrelid)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n
ON n.oid = c.relnamespace
WHERE (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL) AND n.nspname {own}
UNION ALL
SELECT {relation}, pg_get_expr(c.relpartbound, c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relpartbound IS NOT NULL
UNION ALL
SELECT format_type(enumtypid, NULL), enumlabel FROM pg_enum
UNION ALL
SELECT quote_ident(n.nspname) || '.' || quote_ident(stxname), pg_get_statisticsobjdef(s.oid)
FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace
""",
        more=(
            (
                150000,
                """
SELECT pubname, pg_get_expr(r.prqual, r.prrelid)
FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid WHERE r.prqual IS NOT NULL
""",
            ),
        ),
    ),
    Place(
        "(function bodies)",
        """
SELECT p.oid::regprocedure::text,
       concat_ws(E'\\n', p.prosrc, pg_get_function_arguments(p.oid), pg_get_function_sqlbody(p.oid),
                 array_to_string(p.proconfig, E'\\n'))
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
WHERE n.nspname {own} AND p.oid >= 16384 AND p.prokind <> 'a' AND l.lanname NOT IN ('c', 'internal')
""",
    ),
    Place(
        "(view definitions)",
        """
SELECT {relation}, pg_get_viewdef(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('v', 'm') AND n.nspname {own} AND c.oid >= 16384
""",
    ),
    Place(
        "(rules, triggers and policies)",
        """
SELECT {relation}, pg_get_triggerdef(t.oid)
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT t.tgisinternal
UNION ALL
SELECT schemaname || '.' || tablename, definition FROM pg_rules WHERE schemaname <> 'pg_catalog'
UNION ALL
SELECT schemaname || '.' || tablename, concat_ws(E'\\n', qual, with_check) FROM pg_policies
""",
    ),
    Place(
        "(settings)",
        """
SELECT concat_ws(' in ', coalesce(r.rolname, 'every role'), d.datname), s.value
FROM pg_db_role_setting k LEFT JOIN pg_roles r ON r.oid = k.setrole
LEFT JOIN pg_database d ON d.oid = k.setdatabase, unnest(k.setconfig) s(value)
UNION ALL
SELECT 'foreign data wrapper ' || fdwname, array_to_string(fdwoptions, E'\\n')
FROM pg_foreign_data_wrapper WHERE fdwoptions IS NOT NULL
UNION ALL
SELECT concat_ws(' at server ', usename, srvname), array_to_string(umoptions, E'\\n')
FROM {mappings} WHERE umoptions IS NOT NULL
OR NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
UNION ALL
SELECT 'server ' || srvname, array_to_string(srvoptions, E'\\n') FROM pg_foreign_server
WHERE srvoptions IS NOT NULL
UNION ALL
SELECT 'foreign table ' || ftrelid::regclass, array_to_string(ftoptions, E'\\n')
FROM pg_foreign_table WHERE ftoptions IS NOT NULL
""",
    ),
    # connection strings, with the passwords in them
    Place(
        "(subscriptions)",
        """
SELECT subname, subconninfo FROM pg_subscription
WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
""",
        needs="""
SELECT count(*) FROM pg_subscription
WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
""",
    ),
    Place(
        "(pg_stats)",
        """
SELECT concat_ws('.', schemaname, tablename, attname),
       concat_ws(E'\\n', most_common_vals, histogram_bounds, most_common_elems)
FROM pg_stats WHERE schemaname {own}
""",
        more=(
            (
                120000,
                """
SELECT concat_ws('.', statistics_schemaname, statistics_name), most_common_vals::text
FROM pg_stats_ext WHERE schemaname {own} AND most_common_vals IS NOT NULL
""",
            ),
            (
                140000,
                """
SELECT concat_ws('.', statistics_schemaname, statistics_name),
       concat_ws(E'\\n', expr, most_common_vals, histogram_bounds, most_common_elems)
FROM pg_stats_ext_exprs WHERE schemaname {own}
""",
            ),
        ),
    ),
    Place(
        "(pg_stat_activity)",
        """
SELECT concat_ws(' ', usename, application_name), query FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'
  AND application_name <> 'cardtrail'
UNION ALL
SELECT usename, application_name FROM pg_stat_activity
""",
    ),
    Place(
        "(pg_stat_statements)",
        "SELECT coalesce(userid::regrole::text, userid::text), query"
        " FROM {schema}.pg_stat_statements"
        " WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())",
        extension="pg_stat_statements",
    ),
    Place(
        "(large objects)",
        "",
        by_choice=True,
    ),
)
BY_KEY = {place.key: place for place in PLACES}
_LOBJECT = "(large objects)"


def present(session: Session, large_objects: bool) -> list[Place]:
    """Those there are, and that were chosen. Raises ``Unreadable``."""
    installed = {name for (name,) in session.rows("SELECT extname::text FROM pg_extension")}
    return [
        place
        for place in PLACES
        if (place.extension is None or place.extension in installed)
        and (not place.by_choice or large_objects)
        and (not place.needs or session.rows(place.needs) != [(0,)])
    ]


def chunks(session: Session, place: Place, part: Slice) -> Iterator[Chunk | Member | Problem]:
    """Raises ``Unreadable``."""
    if place.key == _LOBJECT:
        yield from _large_objects(session)
        return
    newer = [query for since, query in place.more if session.version >= since]
    query = " UNION ALL ".join([place.query, *newer])
    if "{mappings}" in query:
        query = query.replace("{mappings}", _mappings(session))
    for short, long in _SHORT.items():
        query = query.replace(short, long)
    if place.extension is not None:
        ((schema,),) = session.rows(
            "SELECT nspname::text FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace"
            " WHERE extname = %s",
            (place.extension,),
        )
        query = query.replace("{schema}", quote(schema))
    hidden = 0
    for name, text in session.raw(f"SELECT n::text, t::text FROM ({query}) q(n, t)"):  # noqa: S608 - our own text
        if text is None or text == _HIDDEN:
            hidden += 1
        elif text:
            yield _chunk((name or b"").decode("utf-8", "replace"), text)
    if hidden:
        role = "pg_read_all_data" if "umoptions" in query else "pg_read_all_stats"
        detail = (
            f"{plural(hidden, 'text is', 'texts are')} hidden from this role ({role} shows more)"
        )
        yield Problem(Reason.ACCESS_DENIED, detail)


def _mappings(session: Session) -> str:
    """SQL for options of user mappings: the view hides those of others even from a role that may
    read the table below it."""
    ((may,),) = session.rows(
        "SELECT has_column_privilege('pg_catalog.pg_user_mapping', 'umoptions', 'SELECT')"
    )
    if not may:
        return "pg_user_mappings"
    return (
        "(SELECT coalesce(rolname, 'public') AS usename, srvname, umoptions"
        " FROM pg_user_mapping m JOIN pg_foreign_server s ON s.oid = m.umserver"
        " LEFT JOIN pg_roles ON pg_roles.oid = m.umuser) mappings"
    )


def _chunk(name: str, text: bytes) -> Chunk:
    def locate(start: int, end: int) -> Location:
        line = 1 + text.count(b"\n", 0, start)
        column = start - text.rfind(b"\n", 0, start)
        return Location(line=line, column=column, field=name)

    return Chunk(text, 0, len(text), locate, lambda start: name, text.count(b"\n"))


def _large_objects(session: Session) -> Iterator[Member]:
    """One that the role may not read says so when it is opened."""
    for (oid,) in session.rows("SELECT oid::bigint FROM pg_largeobject_metadata m ORDER BY m.oid"):
        name = f"large object {oid}"
        yield Member(name, None, partial(pieces, session.raw, name, partial(_object, oid)))


def _object(oid: int, start: int, size: int) -> str:
    return f"lo_get({oid}::oid, {start}, {size})"
