"""A connection through SQLAlchemy that only reads, as far as the dialect lets that be said.

Every statement is its own short transaction. A server that went away is waited for and the
statement said again; it was a reading one, so that is harmless.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from detectors.records import dataclass
from scanner.errors import Reason, Unreadable
from scanner.stores import sql_options, sqlalchemy_target
from scanner.stores.asking import Asking, Away
from scanner.stores.sql_pace import Pace
from scanner.stores.sqlalchemy_target import DRIVERS

if TYPE_CHECKING:
    import sqlalchemy as sa

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Manners:
    """What a session is told first, with ``{s}`` and ``{lock}`` seconds in it, and ``{ms}`` and
    ``{lock_ms}``. ``read_only`` says whether that keeps the session from writing; ``each`` is said
    at the start of every transaction."""

    first: tuple[str, ...] = ()
    each: tuple[str, ...] = ()
    read_only: bool = False


_POSTGRES = Manners(
    (
        "SET default_transaction_read_only = on",
        "SET statement_timeout = {ms}",
        "SET lock_timeout = {lock_ms}",
    ),
    read_only=True,
)
_MYSQL = Manners(
    (
        "SET SESSION TRANSACTION READ ONLY",
        "SET SESSION lock_wait_timeout = {lock}, innodb_lock_wait_timeout = {lock}",
    ),
    read_only=True,
)
MANNERS: Mapping[str, Manners] = {
    "postgresql": _POSTGRES,
    "cockroachdb": Manners(_POSTGRES.first[:2], read_only=True),
    "redshift": Manners(("SET statement_timeout = {ms}",)),
    "mysql": _MYSQL,
    "mariadb": _MYSQL,
    "oracle": Manners(each=("SET TRANSACTION READ ONLY",), read_only=True),
    "mssql": Manners(("SET LOCK_TIMEOUT {lock_ms}", "SET DEADLOCK_PRIORITY LOW")),
    "snowflake": Manners(
        ("ALTER SESSION SET STATEMENT_TIMEOUT_IN_SECONDS = {s}, LOCK_TIMEOUT = {lock}",)
    ),
    "sqlite": Manners(("PRAGMA query_only = ON",), read_only=True),
}

_NUMBERS: Mapping[int | str, tuple[Reason, str]] = {
    **dict.fromkeys(
        (229, 230, 300, 1142, 1143), (Reason.ACCESS_DENIED, "the role may not read this")
    ),
    **dict.fromkeys((18456, 1045), (Reason.CREDENTIALS, "the server refused the login")),
    **dict.fromkeys((4060, 1049), (Reason.NOT_FOUND, "there is no such database")),
    **dict.fromkeys((208, 1146), (Reason.VANISHED, "it was listed, and is gone")),
    **dict.fromkeys((1222, 1205), (Reason.LOCKED, "somebody else holds a lock on it")),
    "ORA-01017": (Reason.CREDENTIALS, "the server refused the login"),
    "ORA-00942": (Reason.ACCESS_DENIED, "the role may not read it, or it is gone"),
    "ORA-01031": (Reason.ACCESS_DENIED, "the role may not read this"),
    "ORA-12514": (Reason.NOT_FOUND, "there is no such service"),
    "ORA-00054": (Reason.LOCKED, "somebody else holds a lock on it"),
}
_STATES: Mapping[str, tuple[Reason, str]] = {
    "42501": (Reason.ACCESS_DENIED, "the role may not read this"),
    "42P01": (Reason.VANISHED, "it was listed, and is gone"),
    "42S02": (Reason.VANISHED, "it was listed, and is gone"),
    "3D000": (Reason.NOT_FOUND, "there is no such database"),
    "57014": (Reason.TIMED_OUT, "a statement took longer than statement_seconds"),
    "55P03": (Reason.LOCKED, "somebody else holds a lock on it"),
    "28": (Reason.CREDENTIALS, "the server refused the login"),
    "08": (Reason.UNREACHABLE, "the server could not be reached"),
    "57": (Reason.UNREACHABLE, "the server stopped the statement"),
}
_REFUSED = (
    (("does not exist", "nknown database", "not found"), Reason.NOT_FOUND),
    (("assword", "uthentic", "ogin failed", "denied"), Reason.CREDENTIALS),
)


class Session:
    """One connection, made at the first statement and again when it was lost."""

    def __init__(
        self, uri: str, options: Mapping[str, Any], engine: sa.Engine | None = None
    ) -> None:
        self.target, _ = sqlalchemy_target.parse(uri)
        self._options, self._engine = options, engine
        self._asking = Asking(uri, options)
        self._pace = Pace({**options, "max_lag": 0}, lambda: None, lambda: None)
        self._connection: sa.Connection | None = None

    @property
    def manners(self) -> Manners:
        return MANNERS.get(self.dialect, Manners())

    @property
    def dialect(self) -> str:
        return self.engine.dialect.name

    @property
    def engine(self) -> sa.Engine:
        """Raises ``Unreadable`` when SQLAlchemy, the dialect or its driver is missing."""
        if self._engine is None:
            self._engine = self._made()
        return self._engine

    def _made(self) -> sa.Engine:
        try:
            import sqlalchemy as sa
        except ModuleNotFoundError:
            detail = "expected SQLAlchemy: pip install 'cardtrail[sqlalchemy]'"
            raise Unreadable(Reason.DRIVER, detail) from None
        target = self.target
        url = sa.URL.create(
            target.scheme,
            username=self._options.get("user"),
            password=sql_options.password(self._options),
            host=target.host or None,
            port=target.port,
            database=target.database or None,
            query=dict(target.query),
        )
        try:
            return sa.create_engine(
                url,
                poolclass=sa.NullPool,
                hide_parameters=True,
                connect_args=dict(self._options.get("connect_args", {})),
            )
        except (sa.exc.NoSuchModuleError, ImportError):
            package = DRIVERS.get(target.dialect)
            install = f": pip install {package}" if package else f" for {target.scheme}"
            detail = f"expected a dialect of SQLAlchemy and its driver{install}"
            raise Unreadable(Reason.DRIVER, detail) from None
        except (sa.exc.ArgumentError, TypeError, ValueError):
            detail = f"{target.scheme}: the dialect does not take this target"
            raise Unreadable(Reason.UNSUPPORTED, detail) from None

    def connect(self) -> None:
        """Once, without patience. Raises ``Unreadable``."""
        self._asking.once(self._reach)

    def _reach(self) -> sa.Connection:
        if self._connection is None or self._connection.invalidated:
            self._drop()
            self._connection = self._connected()
        return self._connection

    def _connected(self) -> sa.Connection:
        import sqlalchemy as sa

        engine = self.engine
        try:
            connection = engine.connect()
        except sa.exc.SQLAlchemyError as error:
            raise _refused(error) from None
        except Exception as error:  # noqa: BLE001 - drivers raise of their own what they like
            raise _refused(error) from None
        seconds, lock = int(self._options.get("statement_seconds", 60)), 2
        lock = int(self._options.get("lock_seconds", lock))
        given = {"s": seconds, "ms": 1000 * seconds, "lock": max(1, lock), "lock_ms": 1000 * lock}
        try:
            for statement in self.manners.first:
                connection.exec_driver_sql(statement.format(**given))
            connection.commit()  # settings of a transaction that is rolled back would be lost
        except Exception as error:  # noqa: BLE001 - as above
            connection.close()
            raise fault(error) from None
        return connection

    def rows(self, query: sa.Select[Any]) -> list[Any]:
        """All rows of a short statement. Raises ``Unreadable``."""

        def ask(connection: sa.Connection) -> list[Any]:
            started = time.monotonic()
            found = list(connection.execute(query).all())
            self._pace.after(started, found)
            return found

        return self.ask(ask)

    def ask(self, ask: Callable[[sa.Connection], T]) -> T:
        """Calls it in a transaction of its own, and again when the connection is lost. Raises
        ``Unreadable``."""

        def question(connection: sa.Connection) -> T:
            try:
                for statement in self.manners.each:
                    connection.exec_driver_sql(statement)
                try:
                    return ask(connection)
                finally:
                    if not connection.invalidated:
                        connection.rollback()
            except Unreadable:
                raise
            except Exception as error:  # noqa: BLE001 - as above
                problem = fault(error)
                if getattr(error, "connection_invalidated", False):
                    problem = Unreadable(Reason.UNREACHABLE, "the connection was lost")
                if problem.reason is not Reason.UNREACHABLE:
                    raise problem from None
                self._drop()
                raise Away(problem) from None

        return self._asking.ask(self._reach, question)

    def stream(self, query: sa.Select[Any], at_once: int) -> Iterator[list[Any]]:
        """Rows of one long statement as they come, not said again when the connection is lost.
        Raises ``Unreadable``."""
        connection = self._reach()
        try:
            for statement in self.manners.each:
                connection.exec_driver_sql(statement)
            with connection.execution_options(stream_results=True).execute(query) as result:
                started = time.monotonic()
                while found := list(result.fetchmany(at_once)):
                    yield found
                    self._pace.after(started, found)
                    started = time.monotonic()
        except Unreadable:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            raise fault(error) from None
        finally:
            self._drop()

    def _drop(self) -> None:
        if self._connection is not None:
            with suppress(Exception):  # it may be closed because it was lost
                self._connection.close()
            self._connection = None

    def close(self) -> None:
        self._drop()
        if self._engine is not None:
            self._engine.dispose()


def fault(error: BaseException) -> Unreadable:
    """By its numbers alone: the message may quote values."""
    original = getattr(error, "orig", None) or error
    if isinstance(original, MemoryError):
        return Unreadable(Reason.BUDGET_MEMORY, "a piece of the table does not fit into memory")
    state = getattr(original, "sqlstate", None) or getattr(original, "pgcode", None) or ""
    number = _number(original)
    known = _NUMBERS.get(number) or _STATES.get(state) or _STATES.get(state[:2])
    told = f" (SQLSTATE {state})" if state else f" (error {number})" if number else ""
    if known is not None:
        return Unreadable(known[0], f"{known[1]}{told}")
    kind = type(original).__name__
    if kind in ("OperationalError", "InterfaceError") and not told:
        return Unreadable(Reason.UNREACHABLE, f"the server failed or went away ({kind})")
    return Unreadable(Reason.IO_ERROR, f"the server refused the statement ({kind}){told}")


def _number(error: object) -> int | str:
    args = getattr(error, "args", ())
    first = args[0] if args else 0
    if isinstance(first, tuple):  # pymssql
        first = first[0] if first else 0
    code = getattr(first, "full_code", None)  # oracledb
    return code if isinstance(code, str) else first if isinstance(first, int) else 0


def _refused(error: Exception) -> Unreadable:
    """Of a connection that did not come about. Drivers have no common numbers for that; their words
    are looked at and not passed on."""
    problem = fault(error)
    if problem.reason not in (Reason.UNREACHABLE, Reason.IO_ERROR):
        return problem
    text = str(getattr(error, "orig", None) or error)
    for words, reason in _REFUSED:
        if any(word in text for word in words):
            return Unreadable(reason, f"the server refused the connection ({type(error).__name__})")
    return Unreadable(Reason.UNREACHABLE, f"no connection ({type(error).__name__})")
