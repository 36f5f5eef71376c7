"""A connection to MySQL or MariaDB that cannot write, does not wait long, and says who it is.

Every statement is its own short transaction. A server that went away is waited for, and the
statement said again; it was a reading one, so that is harmless.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar, cast

from scanner.errors import Reason, Unreadable
from scanner.stores import mysql_target

if TYPE_CHECKING:
    import pymysql

_T = TypeVar("_T")
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
        self._patience = float(options.get("patience", 60))
        self._rate = int(options.get("bytes_per_second", 0))
        self._connection: pymysql.Connection[Any] | None = None
        self._due = 0.0
        self._gave_up = False
        self._lock = threading.Lock()
        self._thread: ThreadPoolExecutor | None = None
        self.database = mysql_target.parse(uri)[0].database
        self.host = mysql_target.parse(uri)[0].host
        self.mariadb = True
        self.version: tuple[int, ...] = ()

    @property
    def tls_mode(self) -> str:
        return mysql_target.mode_of(self.host, self._options)

    def connect(self) -> None:
        """Once, without patience. Raises ``Unreadable``."""
        self._gave_up = True
        self._reach()

    def _reach(self) -> pymysql.Connection[Any]:
        if self._connection is None or not self._connection.open:
            self._connection = self._connected()
        self._gave_up = False
        return self._connection

    def _connected(self) -> pymysql.Connection[Any]:
        try:
            import pymysql
        except ModuleNotFoundError:
            detail = "expected the MySQL driver: pip install 'cardtrail[mysql]'"
            raise Unreadable(Reason.UNSUPPORTED, detail) from None
        given = mysql_target.parameters(self._uri, self._options)
        try:
            connection = pymysql.connect(**given)
        except pymysql.Error as error:
            raise fault(error) from None
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
                    raise Unreadable(Reason.UNSUPPORTED, detail)

    # --- asking

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows. Raises ``Unreadable``."""
        import pymysql

        deadline, pause = time.monotonic() + self._patience, 0.1
        while True:
            started = time.monotonic()
            try:
                with self._lock, self._reach().cursor() as cursor:
                    cursor.execute(query, values or None)
                    found = list(cursor.fetchall())
                self._keep_rate(started, found)
                return found
            except (pymysql.Error, OSError) as error:
                problem = fault(error)
                number = error.args[0] if error.args else 0
                if isinstance(error, pymysql.Error) and number not in _AGAIN and number:
                    raise problem from None
                self._drop()
            except Unreadable as error:
                if error.reason not in (Reason.UNREACHABLE, Reason.THROTTLED):
                    raise
                problem = error
            if self._gave_up or time.monotonic() + pause > deadline:
                self._gave_up = True  # whoever asks next need not wait as long again
                raise problem from None
            time.sleep(pause)
            pause = min(2 * pause, 5.0)

    def ahead(self, ask: Callable[[], _T]) -> Future[_T]:
        """Asks while the answer before is being searched: the server and this process then work at
        the same time. Statements take turns on the one connection."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "cardtrail-ahead")
        return self._thread.submit(ask)

    def literal(self, value: Any) -> str:
        """A value as SQL."""
        with self._lock:
            return str(self._reach().escape(value))

    def stream(self, query: str, at_once: int) -> Iterator[list[tuple[Any, ...]]]:
        """Rows of one long statement as they come: only for what cannot be read in pieces. Not
        said again when the connection is lost. Raises ``Unreadable``."""
        import pymysql
        from pymysql.cursors import SSCursor

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
                self._keep_rate(started, found)
        except (pymysql.Error, OSError) as error:
            raise fault(error) from None
        finally:
            if not whole:  # what was not fetched would stand in the way of the next statement
                self._drop()

    def _keep_rate(self, started: float, found: list[tuple[Any, ...]]) -> None:
        if self._rate:
            size = sum(len(value) for row in found for value in row if isinstance(value, bytes))
            self._due = max(self._due, started) + size / self._rate
            time.sleep(max(0.0, self._due - time.monotonic()))

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
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
            self._thread = None
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
