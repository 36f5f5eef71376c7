"""What a target of the generic store names, and how to connect to it without a secret in sight.

``dialect+driver://[user@]host[:port]/database?option=value``, as SQLAlchemy writes it, for every
dialect that has no store of its own here. A password is refused: it comes from ``password_env``,
``password_file``, or where the driver itself looks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from detectors.records import dataclass
from scanner.errors import UsageError
from scanner.stores import sql_options

_FORM = "dialect+driver://user@host:port/database"
_SHARED = ("user", *sql_options.PASSWORD, "bytes_per_second", "rows_per_second")
OPTIONS: Mapping[str, type] = {
    **{name: sql_options.OPTIONS[name] for name in _SHARED},
    "statement_seconds": int,  # longest single statement where the dialect has such a limit; 60
    "lock_seconds": int,  # how long to wait for a lock, likewise; 2
    "patience": int,  # seconds to wait for a server that went away; 60 if not given
    "schemas": list,  # these alone; all but those of the system if not given
    "connect_args": dict,  # for the driver: TLS, wallets ...; no secrets
}
_OWN = frozenset(("postgresql", "postgres", "mysql", "mariadb"))
"""Dialects with a store of their own, which is the better one; meant here with ``+driver``."""
_FILES = {"sqlite": "sqlite:///file.db", "duckdb": "duckdb:///file.duckdb"}
"""Dialects that open the file where it lies and may write beside it."""
DRIVERS = {
    "mssql": "pymssql",
    "oracle": "oracledb",
    "snowflake": "snowflake-sqlalchemy",
    "redshift": "sqlalchemy-redshift redshift_connector",
    "bigquery": "sqlalchemy-bigquery",
    "databricks": "databricks-sqlalchemy",
    "trino": "trino[sqlalchemy]",
    "awsathena": "PyAthena[SQLAlchemy]",
    "clickhouse": "clickhouse-sqlalchemy",
    "cockroachdb": "sqlalchemy-cockroachdb psycopg[binary]",
    "firebird": "sqlalchemy-firebird",
    "hana": "sqlalchemy-hana",
    "ibm_db_sa": "ibm_db_sa",
    "db2": "ibm_db_sa",
    "teradatasql": "teradatasqlalchemy",
    "vertica": "sqlalchemy-vertica-python",
    "exa": "sqlalchemy-exasol",
    "presto": "pyhive[presto]",
    "hive": "pyhive[hive]",
    "postgresql": "psycopg[binary]",
    "mysql": "pymysql",
    "mariadb": "pymysql",
}
"""What to install for a dialect, as its package is called."""
_SECRET = re.compile(r"pass|pwd|secret|token|api_?key|access_?key|credentials_base64|odbc_connect")
_SCHEME = re.compile(r"([a-z][a-z0-9_]*)(?:\+([a-z0-9_]+))?://")


@dataclass(frozen=True, slots=True)
class Target:
    scheme: str
    host: str
    port: int | None
    database: str
    query: Mapping[str, str]

    @property
    def dialect(self) -> str:
        return self.scheme.partition("+")[0]

    @property
    def uri(self) -> str:
        """The identity of the store; who logs in is not part of it."""
        host = f"[{self.host}]" if ":" in self.host else quote(self.host, safe="")
        port = f":{self.port}" if self.port is not None else ""
        query = f"?{urlencode(sorted(self.query.items()))}" if self.query else ""
        return f"{self.scheme}://{host}{port}/{quote(self.database, safe='/')}{query}"


def claims(target: str) -> bool:
    """By the name of the dialect: one known here, or one that an installed package offers."""
    found = _SCHEME.match(target)
    if found is None:
        return False
    dialect, driver = found[1], found[2]
    if dialect in _OWN or dialect in _FILES:
        return driver is not None
    return dialect in DRIVERS or _installed(dialect, driver)


def _installed(dialect: str, driver: str | None) -> bool:
    names = {dialect, f"{dialect}.{driver}"}
    return any(point.name in names for point in entry_points(group="sqlalchemy.dialects"))


def parse(target: str) -> tuple[Target, dict[str, Any]]:
    """The target, and options that stood in it. Raises ``UsageError``, which never repeats what may
    be a secret."""
    scheme, _, rest = target.partition("://")
    dialect = scheme.partition("+")[0]
    if dialect in _FILES:
        raise UsageError(f"a {scheme}:// target: expected {_FILES[dialect]}, read from a copy")
    sql_options.refuse_password(target, _FORM, "the place the driver looks")
    try:
        parts = urlsplit(f"sql://{rest}")
        port = parts.port
    except ValueError:
        raise UsageError(f"a {scheme}:// target: expected {_FORM}") from None
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    refuse_secrets(f"a {scheme}:// target", query)
    user, _, place = parts.netloc.rpartition("@")
    host = unquote(re.sub(r":\d*$", "", place)).strip("[]")  # its case can matter: an account
    database = unquote(parts.path.removeprefix("/"))
    if parts.fragment or "\0" in host + database or not (host or database):
        raise UsageError(f"a {scheme}:// target: expected {_FORM}")
    options: dict[str, Any] = {"user": unquote(user)} if user else {}
    return Target(scheme, host, port, database, query), options


def refuse_secrets(where: str, given: Mapping[str, Any]) -> None:
    """Raises ``UsageError`` for a key whose value would be a secret: it would be in the ledger."""
    for key in given:
        if _SECRET.search(key.lower()):
            raise UsageError(
                f"{where}: {key}: expected no secret here, but in password_env, password_file or "
                "the place the driver looks"
            )


def check(uri: str, options: Mapping[str, Any]) -> None:
    """Raises ``UsageError`` for an option that cannot be right."""
    for name, kind in OPTIONS.items():
        if kind is int and options.get(name, 0) < 0:
            raise UsageError(f"{uri}: {name}: expected 0 or more")
    sql_options.check_password(uri, options)
    if not all(isinstance(name, str) for name in options.get("schemas", [])):
        raise UsageError(f"{uri}: schemas: expected a list of names")
    refuse_secrets(f"{uri}: connect_args", options.get("connect_args", {}))
