"""What the stores of database servers have in common: who logs in, and how gently it is read."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scanner.errors import Reason, Unreadable, UsageError
from scanner.stores import sql_secrets

PASSWORD = ("password_env", "password_file", "password_secret")
OPTIONS: Mapping[str, type] = {
    "user": str,
    "password_env": str,  # name of the variable that holds the password
    "password_file": str,  # a file that holds it, and nothing else
    "password_secret": str,  # where it lies in AWS, see sql_secrets
    "iam_region": str,  # log in to Amazon RDS with an IAM token of this region
    "bytes_per_second": int,  # of one connection; 0, the default, is no limit
    "rows_per_second": int,  # the same in rows
    "statement_seconds": int,  # longest single statement; 60 if not given
    "lock_seconds": int,  # how long to wait for a lock; 2 if not given
    "patience": int,  # seconds to wait for a server that went away; 60 if not given
    "max_lag": int,  # pause while a replica is this many seconds behind; 60 if not given
    "max_load": int,  # pause while others run more statements than this; 0, the default: never
    "replica_only": bool,  # refuse to read a primary
}


def check(uri: str, options: Mapping[str, Any], mode: str, modes: tuple[str, ...]) -> None:
    """``mode`` names the option that says how TLS is used. Raises ``UsageError`` for an option
    that cannot be right."""
    if options.get(mode) is not None and options[mode] not in modes:
        raise UsageError(f"{uri}: {mode}: expected one of {', '.join(modes)}")
    for name, kind in OPTIONS.items():
        if kind is int and options.get(name, 0) < 0:
            raise UsageError(f"{uri}: {name}: expected 0 or more")
    check_password(uri, options)


def check_password(uri: str, options: Mapping[str, Any]) -> None:
    """Raises ``UsageError`` when it is said to be in two places, or in one that cannot be."""
    named = [name for name in (*PASSWORD, "iam_region") if options.get(name)]
    if len(named) > 1:
        raise UsageError(f"{uri}: expected {' or '.join(named)}, found both")
    if options.get("password_secret"):
        sql_secrets.parse(options["password_secret"], uri)


def refuse_password(target: str, form: str, places: str) -> None:
    """Raises ``UsageError``, which never repeats what may be a password."""
    scheme, _, rest = target.partition("://")
    if "@" in rest and ":" in rest.rpartition("@")[0]:
        raise UsageError(
            f"a password stands in a {scheme}:// target: expected {form}, with the password in "
            f"{places}, password_env or password_file"
        )


def is_local(host: str) -> bool:
    """Whether what is sent to ``host`` stays on this machine."""
    if not host or host.startswith("/") or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def password(options: Mapping[str, Any]) -> str | None:
    """The password by our own options, None to leave it to the driver or the client's own files.

    Raises ``Unreadable`` when it is not where the options say.
    """
    variable, file = options.get("password_env"), options.get("password_file")
    if variable:
        value = os.environ.get(variable)
        if value is None:
            raise Unreadable(Reason.CREDENTIALS, f"password_env: {variable} is not set")
        return value
    if file:
        try:
            return Path(file).expanduser().read_text("utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise Unreadable(Reason.CREDENTIALS, f"password_file: {file}: {why}") from None
    if options.get("password_secret"):
        return sql_secrets.fetch(sql_secrets.parse(options["password_secret"], ""))
    return None
