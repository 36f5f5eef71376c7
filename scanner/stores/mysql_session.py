"""A connection to MySQL or MariaDB that cannot write, does not wait long, and says who it is.

Every statement is its own short transaction. A server that went away is waited for, and the
statement said again; it was a reading one, so that is harmless.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from scanner.errors import Reason, Unreadable
from scanner.stores import mysql_target
from scanner.stores.asking import Asking, Away
from scanner.stores.sql_pace import Pace

if TYPE_CHECKING:
    import pymysql

LOCKED = Reason.LOCKED
"""The reason of what was left out because somebody else holds a lock on it."""
PACKET = 16 << 20
_ERRORS = {
    (1040, 1203, 1226): (Reason.THROTTLED, "the server takes no more connections"),
    (1044, 1142, 1143, 1227, 1345, 1370): (Reason.ACCESS_DENIED, "the account may not read this"),
    (1045, 1251, 1698, 1820, 1862, 4151): (Reason.CREDENTIALS, "the server refused the login"),
    (1049,): (Reason.NOT_FOUND, "there is no such database"),
    (1146, 1932): (Reason.VANISHED, "it was listed, and is gone"),
    (1054,): (Reason.CHANGED, "a column was there when it was listed, and is gone"),
    (1205, 1100): (LOCKED, "somebody else holds a lock on it, and was not to be waited for"),
    (1969, 3024, 1317): (Reason.TIMED_OUT, "a statement took longer than statement_seconds"),
    (1030, 1296): (Reason.IO_ERROR, "the storage engine could not read its files"),
    (1034, 1035, 1194, 1195, 1712, 1877): (Reason.CORRUPT, "the server found the table damaged"),
    (1356,): (Reason.UNSUPPORTED, "a view whose tables or rights are gone"),
}
_REASONS = {number: told for numbers, told in _ERRORS.items() for number in numbers}
_AGAIN = frozenset((1053, 1077, 1079, 1158, 1159, 1160, 1161, 1184, 1213, 1927, 2006, 2013, 2014))
"""The server shut down or dropped the connection, or a deadlock was broken at our cost."""


class Session:
    """One connection, made at the first statement and again when it was lost."""

    def __init__(self, uri: str, options: Mapping[str, Any]) -> None:
        self._uri, self._options = uri, options
        self._asking = Asking(uri, options)
        self.ahead = self._asking.ahead
        self._pace = Pace(options, self._lag, self._load, uri)
        self._connection: pymysql.Connection[Any] | None = None
        self.database = mysql_target.parse(uri)[0].database
        self.host = mysql_target.parse(uri)[0].host
        self.mariadb = True
        self.version: tuple[int, ...] = ()

    @property
    def tls_mode(self) -> str:
        return mysql_target.mode_of(self.host, self._options)

    def connect(self) -> None:
        """Once, without patience. Raises ``Unreadable``."""
        self._asking.once(self._reach)

    def _reach(self) -> pymysql.Connection[Any]:
        if self._connection is None or not self._connection.open:
            self._connection = self._connected()
        return self._connection

    def _connected(self) -> pymysql.Connection[Any]:
        try:
            import pymysql
        except ModuleNotFoundError:
            detail = "expected the MySQL driver: pip install 'cardtrail[mysql]'"
            raise Unreadable(Reason.DRIVER, detail) from None
        given = mysql_target.parameters(self._uri, self._options)
        try:
            connection = pymysql.connect(**given)
        except pymysql.Error as error:
            raise _refused(error) from None
        try:
            self._prepare(connection)
        except BaseException as error:
            connection.close()
            if isinstance(error, pymysql.Error):
                raise fault(error) from None
            raise
        return connection

    def _prepare(self, connection: pymysql.Connection[Any]) -> None:
        said = str(cast(Any, connection).server_version)
        self.mariadb = "mariadb" in said.lower()
        numbers = said.removeprefix("5.5.5-").split("-")[0].split(".")
        self.version = tuple(int(number) for number in numbers if number.isdigit())
        seconds = int(self._options.get("statement_seconds", 60))
        lock = int(self._options.get("lock_seconds", 2))
        slow = "max_statement_time" if self.mariadb else "max_execution_time"
        settings = (
            "SET SESSION TRANSACTION READ ONLY",
            f"SET SESSION {slow} = {seconds if self.mariadb else 1000 * seconds}",
            f"SET SESSION lock_wait_timeout = {lock}, innodb_lock_wait_timeout = {max(1, lock)}",
            "SET SESSION wait_timeout = 600",
            f"SET SESSION group_concat_max_len = {PACKET}, time_zone = '+00:00'",
            "SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES'",
        )
        with connection.cursor() as cursor:
            for setting in settings:
                cursor.execute(setting)
            if self._options.get("replica_only"):
                cursor.execute("SELECT @@global.read_only")
                (read_only,) = cursor.fetchone() or (0,)
                if not read_only:
                    detail = "replica_only is set, and this server can be written"
                    raise Unreadable(Reason.PRIMARY, detail)

    # --- asking

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows. Raises ``Unreadable``."""
        return self._ask(query, values)[1]

    def read(self, query: str) -> list[tuple[Any, ...]]:
        """The same of what is to be searched: in the pace that was asked for."""
        started = time.monotonic()
        found = self.rows(query)
        self._pace.after(started, found)
        return found

    def _ask(
        self, query: str, values: Sequence[Any] = ()
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Names of the columns, and the rows."""
        import pymysql

        def question(
            connection: pymysql.Connection[Any],
        ) -> tuple[list[str], list[tuple[Any, ...]]]:
            try:
                with connection.cursor() as cursor:
                    cursor.execute(query, values or None)
                    names = [str(column[0]) for column in cursor.description or ()]
                    return names, list(cursor.fetchall())
            except (pymysql.Error, OSError) as error:
                number = error.args[0] if error.args else 0
                if isinstance(error, pymysql.Error) and number not in _AGAIN and number:
                    raise fault(error) from None
                self._drop()
                raise Away(fault(error)) from None

        return self._asking.ask(self._reach, question)

    def literal(self, value: Any) -> str:
        """A value as SQL."""
        with self._asking.turn:
            return str(self._reach().escape(value))

    def stream(self, query: str, at_once: int) -> Iterator[list[tuple[Any, ...]]]:
        """Rows of one long statement as they come: only for what cannot be read in pieces. Not
        said again when the connection is lost. Raises ``Unreadable``."""
        import pymysql
        from pymysql.cursors import SSCursor

        self._pace.ask()
        connection = self._reach()
        whole = False
        try:
            cursor = connection.cursor(SSCursor)
            cursor.execute(query)
            while True:
                started = time.monotonic()
                found = list(cursor.fetchmany(at_once))
                if not found:
                    whole = True
                    return
                yield found
                self._pace.hold(started, found)
        except (pymysql.Error, OSError) as error:
            raise fault(error) from None
        finally:
            if not whole:  # what was not fetched would stand in the way of the next statement
                self._drop()

    def _lag(self) -> float | None:
        """Seconds this server, as a replica, is behind; what replicas of it are does not show.
        None where that does not show. Raises ``Unreadable`` for an account that may not ask
        although somebody set a limit, which is not to look kept."""
        command = "SHOW REPLICA STATUS" if self._new_words else "SHOW SLAVE STATUS"
        if self.mariadb:  # of each it follows
            command = "SHOW ALL SLAVES STATUS"
        try:
            names, rows = self._ask(command)
        except Unreadable as refused:
            if refused.reason is not Reason.ACCESS_DENIED:
                raise
            if self._options.get("max_lag"):
                right = "REPLICA MONITOR" if self.mariadb else "REPLICATION CLIENT"
                detail = "max_lag is set, and the account is not shown how far replication is"
                raise Unreadable(refused.reason, f"{detail}: grant it {right}") from None
            return None
        behind = [i for i, name in enumerate(names) if name.startswith("Seconds_Behind_")]
        lags = [float(row[i]) for row in rows for i in behind if row[i] is not None]
        return max(lags, default=None)

    @property
    def _new_words(self) -> bool:
        return not self.mariadb and self.version >= (8, 0, 22)

    def _load(self) -> int:
        """Statements that run, without the one that asks. Other workers of this scan count."""
        ((_, running),) = self.rows("SHOW GLOBAL STATUS LIKE 'Threads_running'")
        return max(0, int(running) - 1)

    @property
    def encrypted(self) -> bool:
        found = self.rows("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
        return bool(found and found[0][1])

    def _drop(self) -> None:
        if self._connection is not None:
            if self._connection.open:
                self._connection._force_close()  # type: ignore[attr-defined]  # COM_QUIT may block
            self._connection = None

    def close(self) -> None:
        self._asking.close()
        self._drop()


def fault(error: Exception) -> Unreadable:
    """By its number alone: the message may quote values."""
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    if number in _REASONS:
        reason, detail = _REASONS[number]
        return Unreadable(reason, f"{detail} (error {number:,})".replace(",", ""))
    if number in _AGAIN or number >= 2000 or not number:
        detail = "the server could not be reached" if number in (2002, 2003) else "no connection"
        return Unreadable(Reason.UNREACHABLE, f"{detail} (error {number})")
    return Unreadable(Reason.IO_ERROR, f"the server failed (error {number})")


def _refused(error: pymysql.Error) -> Unreadable:
    """Of a connection that did not come about: what the system says of it holds nothing read."""
    cause = getattr(error, "original_exception", None)
    if isinstance(cause, ssl.SSLCertVerificationError):
        detail = f"the server's certificate was not verified: {cause.verify_message}; ssl_ca names"
        return Unreadable(Reason.CREDENTIALS, f"{detail} the file of the authority to trust")
    told = fault(error)
    if isinstance(cause, OSError) and cause.strerror:
        return Unreadable(told.reason, f"the server could not be reached: {cause.strerror}")
    if error.args and error.args[0] == 2026:  # asked for TLS that the server has not
        return Unreadable(Reason.CREDENTIALS, "the server does not speak TLS (ssl_mode)")
    return told
