"""What a MySQL or MariaDB target names, and how to connect to it without a secret in sight.

``mysql://[user@]host[:port]/database``; ``mariadb://`` is the same. A password in it is refused: it
comes from MYSQL_PWD, ``~/.my.cnf``, ``password_env`` or ``password_file``.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from detectors.records import dataclass
from scanner.errors import Reason, Unreadable, UsageError
from scanner.stores import sql_options, sql_secrets

SCHEMES = ("mysql://", "mariadb://")
OPTIONS: Mapping[str, type] = {
    **sql_options.OPTIONS,
    "ssl_mode": str,  # verify (the default unless the server is on this machine), require, disable
    "ssl_ca": str,  # file with the certificate authority
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
    sql_options.refuse_password(target, _FORM, "MYSQL_PWD, ~/.my.cnf")
    rest = target.partition("://")[2]
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
    sql_options.check(uri, options, "ssl_mode", _MODES)


def parameters(uri: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """What the driver is given. Raises ``Unreadable`` when a password is not where it should be."""
    target, _ = parse(uri)
    own = Path("~/.my.cnf").expanduser()
    given: dict[str, Any] = {
        "user": options.get("user"),
        "database": target.database,
        "password": sql_options.password(options) or os.environ.get("MYSQL_PWD"),
        "charset": "utf8mb4",
        "autocommit": True,
        "connect_timeout": 10,
        "program_name": "cardtrail",
        "read_default_file": str(own) if own.exists() else None,
        "ssl": _tls(target.host, options),
    }
    if options.get("iam_region"):
        user, port = str(options.get("user") or ""), target.port or 3306
        region, private = str(options["iam_region"]), given["ssl"] is not None
        given["password"] = sql_secrets.iam_token(target.host, port, user, region, private=private)
    if target.host.startswith("/"):
        given["unix_socket"] = target.host
    else:
        given |= {"host": target.host, "port": target.port or 3306}
    return {name: value for name, value in given.items() if value is not None}


def mode_of(host: str, options: Mapping[str, Any]) -> str:
    """``verify`` unless the server is on this machine or somebody said not to; ``""`` where
    nothing was said and nothing leaves the machine."""
    return str(options.get("ssl_mode") or ("" if sql_options.is_local(host) else "verify"))


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
