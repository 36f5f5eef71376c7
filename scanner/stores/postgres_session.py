"""A connection to PostgreSQL that cannot write, does not wait long, and says who it is.

Every statement is its own short transaction: no snapshot is held between two of them. A server that
went away is waited for, and the statement said again; it was a reading one, so that is harmless.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from scanner.errors import Reason, Unreadable
from scanner.stores import postgres_target, sql_options
from scanner.stores.asking import Asking, Away
from scanner.stores.sql_pace import Pace
from scanner.stores.sql_rows import NEW_ROW

if TYPE_CHECKING:
    import psycopg

LOCKED: Final = Reason.LOCKED
"""The reason of what was left out because somebody else holds a lock on it."""
_CLASSES = {
    "08": (Reason.UNREACHABLE, "the connection was lost"),
    "22": (Reason.CORRUPT, "a value that the server itself cannot convert"),
    "28": (Reason.CREDENTIALS, "the server refused the login"),
    "53": (Reason.THROTTLED, "the server is short of resources"),
    "54": (Reason.BUDGET_MEMORY, "more than the server can put into one value"),
    "57": (Reason.UNREACHABLE, "the server shut the connection"),
    "58": (Reason.IO_ERROR, "the server could not read its own files"),
    "XX": (Reason.CORRUPT, "the server found its own data damaged"),
}
_STATES = {
    "0A000": (Reason.UNSUPPORTED, "the server cannot do this"),
    "3D000": (Reason.NOT_FOUND, "there is no such database"),
    "3F000": (Reason.VANISHED, "the schema was listed, and is gone"),
    "42501": (Reason.ACCESS_DENIED, "the role may not read this"),
    "42703": (Reason.CHANGED, "a column was there when it was listed, and is gone"),
    "42883": (Reason.UNSUPPORTED, "the server has no function for this"),
    "42P01": (Reason.VANISHED, "it was listed, and is gone"),
    "55000": (Reason.UNSUPPORTED, "it cannot be read in the state it is in (not populated?)"),
    "55P03": (LOCKED, "somebody else holds a lock on it, and was not to be waited for"),
    "57014": (Reason.TIMED_OUT, "a statement took longer than statement_seconds"),
}
# connection failures carry no SQLSTATE, only words; the words of another language stay unread
_WORDS = (
    ('FATAL:  role "', Reason.CREDENTIALS),
    ("does not exist", Reason.NOT_FOUND),
    ("password authentication failed", Reason.CREDENTIALS),
    ("no password supplied", Reason.CREDENTIALS),
    ("authentication failed", Reason.CREDENTIALS),
    ("no pg_hba.conf entry", Reason.CREDENTIALS),
    ("is not permitted to log in", Reason.CREDENTIALS),
    ("permission denied for database", Reason.ACCESS_DENIED),
    ("certificate", Reason.CREDENTIALS),
    ("too many clients", Reason.THROTTLED),
    ("remaining connection slots", Reason.THROTTLED),
    ("too many connections", Reason.THROTTLED),
)
_AGAIN = frozenset({"40001", "40P01", "57P01", "57P02", "57P03"})
"""A standby cancelled it in favour of replay; the server shuts down or starts."""


class Session:
    """One connection, made at the first statement and again when it was lost."""

    def __init__(self, uri: str, options: Mapping[str, Any]) -> None:
        self._uri, self._options = uri, options
        self._asking = Asking(uri, options)
        self.ahead = self._asking.ahead
        self._pace = Pace(options, self._lag, self._load, uri)
        self._connection: psycopg.Connection[Any] | None = None
        self._view: Any = None
        """loads a text as a view of the answer it came in"""
        self.encrypted: bool | None = None
        """whether the newest connection was over TLS, None before the first"""
        self.version = 0
        """of the server, as 150004"""
        self.local = False
        """the server is on this machine"""
        self.mode = ""
        """sslmode of the connection, where one was given"""

    def connect(self) -> None:
        """Once, without patience. Raises ``Unreadable``."""
        self._asking.once(self._reach)

    def _reach(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = self._connected()
        return self._connection

    def _connected(self) -> psycopg.Connection[Any]:
        try:
            import psycopg
        except ModuleNotFoundError:
            detail = "expected the PostgreSQL driver: pip install 'cardtrail[postgres]'"
            raise Unreadable(Reason.DRIVER, detail) from None
        given = postgres_target.parameters(self._uri, self._options)
        try:
            connection = psycopg.connect(**given, autocommit=True, prepare_threshold=None)
        except (psycopg.Error, UnicodeError) as error:
            raise _refused(error) from None
        try:
            self._prepare(connection)
        except psycopg.Error as error:
            connection.close()
            raise fault(error) from None
        except BaseException:
            connection.close()
            raise
        self.encrypted = bool(connection.pgconn.ssl_in_use)
        self.version = connection.info.server_version
        self.local = sql_options.is_local(connection.info.hostaddr or connection.info.host)
        self.mode = str(given.get("sslmode") or os.environ.get("PGSSLMODE", ""))
        return connection

    def _prepare(self, connection: psycopg.Connection[Any]) -> None:
        """Set after connecting, since poolers refuse settings in the startup packet."""
        from psycopg.adapt import Loader
        from psycopg.pq import Format

        class Raw(Loader):
            format = Format.BINARY

            def load(self, data: Any) -> bytes:
                return bytes(data)

        class View(Loader):
            format = Format.BINARY

            def load(self, data: Any) -> Any:
                return data  # it keeps the answer that it is a part of

        for kind in ("text", "bytea"):
            connection.adapters.register_loader(kind, Raw)
        self._view = View
        seconds = self._options.get
        settings = {
            "default_transaction_read_only": "on",
            "statement_timeout": f"{seconds('statement_seconds', 60)}s",
            "lock_timeout": f"{seconds('lock_seconds', 2)}s",
            "idle_in_transaction_session_timeout": "60s",
            "search_path": "pg_catalog",
            "max_parallel_workers_per_gather": "0",
            "jit": "off",
            # some blocks at a time, read by the backend itself: handing each read to a process of
            # the server, as it does since 18, costs it a quarter more work, and this is no hurry
            "effective_io_concurrency": "0",
            "bytea_output": "hex",
            "DateStyle": "ISO",
        }
        each = ", ".join(["pg_catalog.set_config(%s, %s, false)"] * len(settings))
        connection.execute(f"SELECT {each}".encode(), list(chain.from_iterable(settings.items())))
        if self._options.get("replica_only"):
            row = connection.execute("SELECT pg_catalog.pg_is_in_recovery()").fetchone()
            if row is None or not row[0]:
                detail = "replica_only is set, and this server is a primary"
                raise Unreadable(Reason.PRIMARY, detail)

    # --- asking

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows, as text the driver makes Python values of. Raises ``Unreadable``."""
        return self._ask(query, values, binary=False)

    def raw(self, query: str) -> list[tuple[Any, ...]]:
        """The same with ``text`` and ``bytea`` as the bytes they are. Counts for the rate."""
        started = time.monotonic()
        found = self._ask(query, (), binary=True)
        self._pace.after(started, found)
        return found

    def text(self, query: str, before: bytes) -> bytes:
        """What ``before`` and the texts of a query make: each is copied once. A text is some rows
        of a table, NULL is none. Counts for the rate."""
        started = time.monotonic()
        parts = [before]
        for (text,) in self._ask(query, (), binary=True, views=True):
            if text is not None:
                parts += (text, NEW_ROW)
        if len(parts) > 1:
            parts[-1] = b"\n"
        joined = b"".join(parts)
        self._pace.after(started, _one_row(joined, len(before)))
        return joined

    def _ask(
        self, query: str, values: Sequence[Any], *, binary: bool, views: bool = False
    ) -> list[tuple[Any, ...]]:
        import psycopg

        def question(connection: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
            try:
                cursor = connection.cursor(binary=binary)
                if views:
                    cursor.adapters.register_loader("text", self._view)
                return cursor.execute(query.encode(), values or None).fetchall()
            except psycopg.Error as error:
                if connection.closed or error.sqlstate in _AGAIN:
                    raise Away(fault(error)) from None
                raise fault(error) from None

        return self._asking.ask(self._reach, question)

    def stream(self, query: str, at_once: int) -> Iterator[list[tuple[Any, ...]]]:
        """Rows of one long statement, ``at_once`` by a cursor. It holds a snapshot as long as it
        runs: only for what cannot be read in pieces. Not said again when the connection is lost.
        Raises ``Unreadable``."""
        import psycopg

        self._pace.ask()
        connection = self._reach()
        try:
            with (
                connection.transaction(),
                connection.cursor("cardtrail", binary=True) as cursor,
            ):
                cursor.execute(query.encode())
                while True:
                    started = time.monotonic()
                    found = cursor.fetchmany(at_once)
                    if not found:
                        return
                    yield found
                    self._pace.hold(started, found)
        except psycopg.Error as error:
            raise fault(error) from None

    # --- without hurting

    def _lag(self) -> float | None:
        """Seconds a replica, or this server as one, is behind; None where that does not show.
        Raises ``Unreadable`` for a role that is not shown it although somebody set a limit, which
        is not to look kept."""
        query = (
            "SELECT CASE WHEN pg_is_in_recovery() THEN"
            " CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0 ELSE"
            " extract(epoch FROM now() - pg_last_xact_replay_timestamp()) END"
            " ELSE extract(epoch FROM max(replay_lag)) END,"
            " count(*) FILTER (WHERE state IS NULL) FROM pg_stat_replication"
        )
        ((lag, hidden),) = self.rows(query)
        if hidden and self._options.get("max_lag"):
            detail = "max_lag is set, and the role is not shown how far replicas are: grant it"
            raise Unreadable(Reason.ACCESS_DENIED, f"{detail} pg_read_all_stats")
        return None if lag is None else float(lag)

    def _load(self) -> int:
        """Statements others run. Raises ``Unreadable`` for a role that is not shown them: a limit
        that cannot be kept is not to look kept."""
        ((running, hidden),) = self.rows(
            "SELECT count(*) FILTER (WHERE state = 'active'),"
            " count(*) FILTER (WHERE query = '<insufficient privilege>')"
            " FROM pg_stat_activity WHERE datid IS NOT NULL"
            " AND application_name IS DISTINCT FROM 'cardtrail'"
            " AND coalesce(backend_type, '') <> 'autovacuum worker'"
        )
        if hidden:
            detail = "max_load is set, and the role is not shown what others run: grant it"
            raise Unreadable(Reason.ACCESS_DENIED, f"{detail} pg_read_all_stats")
        return int(running)

    def close(self) -> None:
        self._asking.close()
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _one_row(text: bytes, lo: int) -> Iterator[tuple[bytes]]:
    """What is new of a text, for ``Pace``: copied only where there is a limit to keep."""
    yield (text[lo:],)


def fault(error: psycopg.Error) -> Unreadable:
    """By its SQLSTATE alone: the message may quote values."""
    state = error.sqlstate or ""
    if state in _STATES:
        reason, detail = _STATES[state]
    elif state in _AGAIN:
        reason, detail = Reason.UNREACHABLE, "the server stopped the statement"
    else:
        reason, detail = _CLASSES.get(
            state[:2], (Reason.UNREACHABLE if not state else Reason.IO_ERROR, "the server failed")
        )
    return Unreadable(reason, f"{detail} (SQLSTATE {state})" if state else detail)


def _refused(error: Exception) -> Unreadable:
    """Of a connection that did not come about. Its message tells host, role and database; nothing
    has been read that could be in it."""
    text = str(error)
    reason = next((reason for words, reason in _WORDS if words in text), Reason.UNREACHABLE)
    # a hint of libpq is indented
    lines = [line.strip() for line in text.splitlines() if line.strip() and line[0] != "\t"]
    detail = lines[-1][:300] if lines else "the server could not be reached"
    if "certificate" in detail:
        detail += " (sslrootcert names the file of the authority to trust)"
    return Unreadable(reason, detail)
