"""What a PostgreSQL target names, and how to connect to it without a secret in sight.

``postgresql://[user@]host[:port]/database``; ``postgresql:///database`` is the local socket or
whatever PGHOST or a service says. A password in it is refused: it would be in the shell's history,
the process list and the report. It comes from where libpq looks (PGPASSWORD, PGPASSFILE,
``~/.pgpass``, PGSERVICE) or from ``password_env`` and ``password_file``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from detectors.records import dataclass
from scanner.errors import UsageError
from scanner.stores import sql_options, sql_secrets

SCHEMES = ("postgresql://", "postgres://")
OPTIONS: Mapping[str, type] = {
    **sql_options.OPTIONS,
    "service": str,  # of pg_service.conf
    "sslmode": str,  # verify-full unless the server is on this machine
    "sslrootcert": str,
    "sslcert": str,
    "sslkey": str,
    "large_objects": bool,  # read pg_largeobject too
}
_FORM = "postgresql://user@host:port/database"
_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_IN_QUERY = ("host", "port", "user", "service", "sslmode", "sslrootcert", "sslcert", "sslkey")


@dataclass(frozen=True, slots=True)
class Target:
    """``host`` is empty for the default of libpq, and a path for the folder of a socket."""

    host: str
    port: int | None
    database: str
    user: str | None

    @property
    def uri(self) -> str:
        """The identity of the store; who logs in is not part of it."""
        host = quote(self.host, safe="[:]" if ":" in self.host else "")
        if ":" in self.host and not self.host.startswith("/"):
            host = f"[{host.strip('[]')}]"
        port = f":{self.port}" if self.port not in (None, 5432) else ""
        return f"postgresql://{host}{port}/{quote(self.database, safe='')}"


def parse(target: str) -> tuple[Target, dict[str, Any]]:
    """The target, and options that stood in its query. Raises ``UsageError``, which never repeats
    what may be a password."""
    sql_options.refuse_password(target, _FORM, "PGPASSWORD, ~/.pgpass")
    rest = target.partition("://")[2]
    try:
        parts = urlsplit(f"postgresql://{rest}")
        port = parts.port
    except ValueError:
        raise UsageError(f"a postgresql:// target: expected {_FORM}") from None
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    for key in query:
        if key not in _IN_QUERY:
            known = ", ".join(_IN_QUERY)
            raise UsageError(f"a postgresql:// target: expected in its query only {known}")
    shown = f"postgresql://{parts.netloc}{parts.path}"
    host = query.pop("host", None) or unquote(parts.hostname or "")
    if "%" in (parts.netloc.rpartition("@")[2]):  # urlsplit lowers the host, a path keeps its case
        host = unquote(parts.netloc.rpartition("@")[2].partition(":")[0])
    if "port" in query:
        if not query["port"].isdigit():
            raise UsageError(f"{shown}: port: expected a number")
        port = int(query.pop("port"))
    database = unquote(parts.path.removeprefix("/"))
    if not database and "service" not in query:
        raise UsageError(f"{shown}: expected the name of a database: {_FORM}")
    if "\0" in host + database or "," in host or parts.fragment:
        raise UsageError(f"{shown}: expected one host and one database: {_FORM}")
    user = query.pop("user", None) or (unquote(parts.username) if parts.username else None)
    options: dict[str, Any] = dict(query)
    if user:
        options["user"] = user
    return Target(host, port, database, user), options


def check(uri: str, options: Mapping[str, Any]) -> None:
    """Raises ``UsageError`` for an option that cannot be right."""
    sql_options.check(uri, options, "sslmode", _MODES)


def parameters(uri: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """What libpq is given. Raises ``Unreadable`` as ``password`` does."""
    target, _ = parse(uri)
    host = target.host or ("" if options.get("service") else os.environ.get("PGHOST", ""))
    given: dict[str, Any] = {
        "host": target.host or None,
        "port": target.port,
        "dbname": target.database or None,
        "user": options.get("user"),
        "service": options.get("service"),
        "password": sql_options.password(options),
        "application_name": "cardtrail",
        "client_encoding": "UTF8",
        "connect_timeout": 10,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 60_000,
        **_tls(host, options),
    }
    if options.get("iam_region"):
        # "allow" and "prefer" may end in the clear
        mode = given.get("sslmode") or os.environ.get("PGSSLMODE")
        private = mode in ("require", "verify-ca", "verify-full")
        user, port = str(options.get("user") or ""), target.port or 5432
        region = str(options["iam_region"])
        given["password"] = sql_secrets.iam_token(host, port, user, region, private=private)
    return {name: value for name, value in given.items() if value is not None}


def _tls(host: str, options: Mapping[str, Any]) -> dict[str, str]:
    """The server's certificate is verified unless it is on this machine or somebody said not to."""
    given = {
        name: str(options[name])
        for name in ("sslmode", "sslrootcert", "sslcert", "sslkey")
        if options.get(name)
    }
    if "sslmode" in given or "PGSSLMODE" in os.environ:
        return given
    if sql_options.is_local(host) and not options.get("service"):
        return given
    given["sslmode"] = "verify-full"
    own = Path("~/.postgresql/root.crt").expanduser()
    if "sslrootcert" not in given and "PGSSLROOTCERT" not in os.environ and not own.exists():
        given["sslrootcert"] = "system"
    return given
