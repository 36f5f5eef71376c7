"""A connection to MongoDB that only asks, does not ask for long, and says who it is.

Every question is short. A server that went away is waited for and asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from detectors.records import dataclass
from scanner.errors import Reason, Unreadable, UsageError
from scanner.stores import sql_options
from scanner.stores.asking import Asking, Away
from scanner.stores.sql_pace import Pace

if TYPE_CHECKING:
    import pymongo

T = TypeVar("T")
SCHEMES = ("mongodb://", "mongodb+srv://")
_SHARED = (
    *("user", *sql_options.PASSWORD, "bytes_per_second", "rows_per_second"),
    *("statement_seconds", "patience", "replica_only"),
)
OPTIONS: Mapping[str, type] = {
    **{name: sql_options.OPTIONS[name] for name in _SHARED},
    "tls": str,  # verify (the default unless the server is on this machine), require, disable
    "tls_ca": str,  # file with the certificate authority
    "auth_source": str,  # the database that knows the user; admin if not given
    "auth_mechanism": str,
    "replica_set": str,
}
_FORM = "mongodb://user@host:port/database"
_TLS = ("verify", "require", "disable")
_IN_QUERY = {
    "authSource": "auth_source",
    "authMechanism": "auth_mechanism",
    "replicaSet": "replica_set",
    "tlsCAFile": "tls_ca",
}


@dataclass(frozen=True, slots=True)
class Target:
    """``hosts`` as they stand, with their ports; ``database`` is empty for all of them."""

    scheme: str
    hosts: str
    database: str

    @property
    def uri(self) -> str:
        return f"{self.scheme}{quote(self.hosts, safe='[]:,.-')}/{quote(self.database, safe='')}"

    @property
    def local(self) -> bool:
        names = [host.rpartition(":")[0] or host for host in self.hosts.split(",")]
        return self.scheme == SCHEMES[0] and all(sql_options.is_local(name) for name in names)


def parse(target: str) -> tuple[Target, dict[str, Any]]:
    """The target, and options that stood in it. Raises ``UsageError``, which never repeats what may
    be a password."""
    sql_options.refuse_password(
        target, _FORM, "a file or variable: MongoDB has no place of its own"
    )
    scheme = next(scheme for scheme in SCHEMES if target.startswith(scheme))
    parts = urlsplit(f"mongo://{target.removeprefix(scheme)}")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if not query.keys() <= _IN_QUERY.keys():
        known = ", ".join(_IN_QUERY)
        raise UsageError(f"a {scheme} target: expected in its query only {known}")
    user, _, hosts = parts.netloc.rpartition("@")
    database = unquote(parts.path.removeprefix("/"))
    if not hosts or "/" in database or "\0" in database or parts.fragment:
        raise UsageError(f"a {scheme} target: expected {_FORM}")
    options: dict[str, Any] = {_IN_QUERY[key]: value for key, value in query.items()}
    if user:
        options["user"] = unquote(user)
    return Target(scheme, unquote(hosts), database), options


def check(uri: str, options: Mapping[str, Any]) -> None:
    """Raises ``UsageError`` for an option that cannot be right."""
    sql_options.check(uri, options, "tls", _TLS)


_ERRORS = {
    13: (Reason.ACCESS_DENIED, "the role may not read this"),
    18: (Reason.CREDENTIALS, "the server refused the login"),
    8000: (Reason.CREDENTIALS, "the server refused the login"),
    26: (Reason.VANISHED, "it was listed, and is gone"),
    50: (Reason.TIMED_OUT, "a question took longer than statement_seconds"),
    46: (Reason.LOCKED, "somebody else holds a lock on it"),
}


class Session:
    """One client, made at the first question."""

    def __init__(self, uri: str, options: Mapping[str, Any]) -> None:
        self.target, _ = parse(uri)
        self.options = options
        self._asking = Asking(uri, options)
        self._pace = Pace({**options, "max_lag": 0}, lambda: None, lambda: None)
        self._client: pymongo.MongoClient[Any] | None = None

    @property
    def tls(self) -> str:
        """``verify`` unless every host is this machine or somebody said otherwise."""
        return str(self.options.get("tls") or ("disable" if self.target.local else "verify"))

    @property
    def max_time(self) -> int:
        """Milliseconds of one question, 0 for no limit."""
        return 1000 * int(self.options.get("statement_seconds", 60))

    @property
    def client(self) -> pymongo.MongoClient[Any]:
        """Raises ``Unreadable``."""
        if self._client is None:
            self._client = self._made()
        return self._client

    def _made(self) -> pymongo.MongoClient[Any]:
        try:
            import pymongo
        except ModuleNotFoundError:
            detail = "expected the MongoDB driver: pip install 'cardtrail[mongodb]'"
            raise Unreadable(Reason.DRIVER, detail) from None
        given: dict[str, Any] = {
            "username": self.options.get("user"),
            "password": sql_options.password(self.options),
            "authSource": self.options.get("auth_source"),
            "authMechanism": self.options.get("auth_mechanism"),
            "replicaSet": self.options.get("replica_set"),
            "tlsCAFile": self.options.get("tls_ca"),
        }
        if self.options.get("replica_only"):
            given["readPreference"] = "secondary"
        if self.tls == "require":
            given["tlsAllowInvalidCertificates"] = True
        try:
            return pymongo.MongoClient(
                f"{self.target.scheme}{self.target.hosts}/",
                appname="cardtrail",
                tls=self.tls != "disable",
                serverSelectionTimeoutMS=5_000,
                connectTimeoutMS=10_000,
                socketTimeoutMS=self.max_time + 30_000 if self.max_time else None,
                retryWrites=False,
                maxPoolSize=2,
                **{name: value for name, value in given.items() if value is not None},
            )
        except (pymongo.errors.PyMongoError, ValueError, OSError) as error:
            detail = f"the driver does not take this target ({type(error).__name__})"
            raise Unreadable(Reason.UNSUPPORTED, detail) from None

    def ask(self, ask: Callable[[pymongo.MongoClient[Any]], T]) -> T:
        """Calls it, and again when the connection is lost. Raises ``Unreadable``."""
        import pymongo.errors

        def question(client: pymongo.MongoClient[Any]) -> T:
            try:
                return ask(client)
            except pymongo.errors.PyMongoError as error:
                problem = fault(error)
                raise Away(problem) if problem.reason is Reason.UNREACHABLE else problem from None

        return self._asking.ask(self._reach, question)

    def _reach(self) -> pymongo.MongoClient[Any]:
        return self.client

    def command(self, database: str, name: str, value: Any = 1, **more: Any) -> dict[str, Any]:
        """Raises ``Unreadable``."""
        if self.max_time:
            more["maxTimeMS"] = self.max_time
        return dict(self.ask(lambda client: client[database].command(name, value, **more)))

    def connect(self) -> None:
        """Once, without patience. Raises ``Unreadable``."""

        import pymongo.errors

        def ping() -> None:
            try:
                self.client.admin.command("ping")
            except pymongo.errors.PyMongoError as error:
                raise fault(error) from None

        self._asking.once(ping)

    def after(self, started: float, documents: Sequence[bytes]) -> None:
        self._pace.after(started, [(raw,) for raw in documents])

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


def fault(error: Exception) -> Unreadable:
    """By its code alone: the message may quote values."""
    import pymongo.errors

    code = getattr(error, "code", None)
    if isinstance(code, int) and code in _ERRORS:
        reason, detail = _ERRORS[code]
        return Unreadable(reason, f"{detail} (error {code})")
    if isinstance(error, pymongo.errors.ConnectionFailure):
        return Unreadable(Reason.UNREACHABLE, "the server could not be reached, or went away")
    if isinstance(error, pymongo.errors.ConfigurationError):
        return Unreadable(Reason.CREDENTIALS, "the driver cannot log in or connect like this")
    told = f" (error {code})" if code else ""
    return Unreadable(Reason.IO_ERROR, f"the server refused the question{told}")
