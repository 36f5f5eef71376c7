"""What a MySQL or MariaDB target names, and how to connect to it without a secret in sight.

``mysql://[user@]host[:port]/database``; ``mariadb://`` is the same. A password in it is refused: it
comes from MYSQL_PWD, ``~/.my.cnf``, ``password_env`` or ``password_file``.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from scanner.errors import Reason, Unreadable, UsageError
from scanner.stores.postgres_target import is_local, password

SCHEMES = ("mysql://", "mariadb://")
OPTIONS: Mapping[str, type] = {
    "user": str,
    "password_env": str,  # name of the variable that holds the password
    "password_file": str,  # a file that holds it, and nothing else
    "ssl_mode": str,  # verify (the default unless the server is on this machine), require, disable
    "ssl_ca": str,  # file with the certificate authority
    "bytes_per_second": int,  # of one connection; 0, the default, is no limit
    "statement_seconds": int,  # longest single statement; 60 if not given
    "lock_seconds": int,  # how long to wait for a lock; 2 if not given
    "patience": int,  # seconds to wait for a server that went away; 60 if not given
    "replica_only": bool,  # refuse to read a server that can be written
}
_FORM = "mysql://user@host:port/database"
_MODES = ("verify", "require", "disable")
_IN_QUERY = ("user", "ssl_mode", "ssl_ca")


@dataclass(frozen=True, slots=True)
class Target:
    """``host`` is the path of a socket when it begins with a slash."""

    host: str
    port: int | None
    database: str

    @property
    def uri(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else quote(self.host, safe="")
        port = f":{self.port}" if self.port not in (None, 3306) else ""
        return f"mysql://{host}{port}/{quote(self.database, safe='')}"


def parse(target: str) -> tuple[Target, dict[str, Any]]:
    """The target, and options that stood in it. Raises ``UsageError``, which never repeats what may
    be a password."""
    rest = target.partition("://")[2]
    if "@" in rest and ":" in rest.rpartition("@")[0]:
        raise UsageError(
            f"a password stands in a mysql:// target: expected {_FORM}, with the password in "
            "MYSQL_PWD, ~/.my.cnf, password_env or password_file"
        )
    try:
        parts = urlsplit(f"mysql://{rest}")
        port = parts.port
    except ValueError:
        raise UsageError(f"a mysql:// target: expected {_FORM}") from None
    options: dict[str, Any] = dict(parse_qsl(parts.query, keep_blank_values=True))
    if not options.keys() <= set(_IN_QUERY):
        known = ", ".join(_IN_QUERY)
        raise UsageError(f"a mysql:// target: expected in its query only {known}")
    place = parts.netloc.rpartition("@")[2]
    host = unquote(place.partition(":")[0]) if "%" in place else parts.hostname or ""
    database = unquote(parts.path.removeprefix("/"))
    if not host or not database or "\0" in host + database or parts.fragment:
        raise UsageError(f"mysql://{parts.netloc}{parts.path}: expected {_FORM}")
    if parts.username:
        options["user"] = unquote(parts.username)
    return Target(host, port, database), options


def check(uri: str, options: Mapping[str, Any]) -> None:
    """Raises ``UsageError`` for an option that cannot be right."""
    mode = options.get("ssl_mode")
    if mode is not None and mode not in _MODES:
        raise UsageError(f"{uri}: ssl_mode: expected one of {', '.join(_MODES)}")
    for name, kind in OPTIONS.items():
        if kind is int and options.get(name, 0) < 0:
            raise UsageError(f"{uri}: {name}: expected 0 or more")
    if options.get("password_env") and options.get("password_file"):
        raise UsageError(f"{uri}: expected password_env or password_file, found both")


def parameters(uri: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """What the driver is given. Raises ``Unreadable`` when a password is not where it should be."""
    target, _ = parse(uri)
    own = Path("~/.my.cnf").expanduser()
    given: dict[str, Any] = {
        "user": options.get("user"),
        "database": target.database,
        "password": password(options) or os.environ.get("MYSQL_PWD"),
        "charset": "utf8mb4",
        "autocommit": True,
        "connect_timeout": 10,
        "program_name": "cardtrail",
        "read_default_file": str(own) if own.exists() else None,
        "ssl": _tls(target.host, options),
    }
    if target.host.startswith("/"):
        given["unix_socket"] = target.host
    else:
        given |= {"host": target.host, "port": target.port or 3306}
    return {name: value for name, value in given.items() if value is not None}


def mode_of(host: str, options: Mapping[str, Any]) -> str:
    """``verify`` unless the server is on this machine or somebody said not to; ``""`` where
    nothing was said and nothing leaves the machine."""
    return str(options.get("ssl_mode") or ("" if is_local(host) else "verify"))


def _tls(host: str, options: Mapping[str, Any]) -> ssl.SSLContext | None:
    mode = mode_of(host, options)
    if mode in ("", "disable"):
        return None
    file = options.get("ssl_ca")
    try:
        context = ssl.create_default_context(cafile=str(file) if file else None)
    except OSError as error:
        detail = f"ssl_ca: {file}: {error.strerror or 'no certificates in it'}"
        raise Unreadable(Reason.CREDENTIALS, detail) from None
    if mode == "require":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
