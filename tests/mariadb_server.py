"""A real MariaDB for tests: on loopback, one a process, in a temporary folder, never as root.

    server = mariadb_server.server()             # started at the first call, stopped at exit
    server.run(None, "CREATE DATABASE shop")
    target = server.target("shop")

It is Debian's ``mariadb-server``, of which only the binaries are used; ``missing()`` says why
there are none.
"""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pymysql
import pytest

from tests import ports

ADMIN = "ct_admin"
"""may do everything; without a password, on loopback only"""


def missing() -> str | None:
    """Why no server can be had here, None when one can."""
    if shutil.which("mariadbd", path="/usr/sbin:/usr/bin") is None:
        return "no MariaDB server: the Debian package mariadb-server is not installed"
    return None


MARKS = [
    pytest.mark.xdist_group("mariadb"),
    pytest.mark.skipif(missing() is not None, reason=missing() or ""),
]
"""of a module whose tests share the server of their process"""


class Server:
    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ct-my-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.data = self.folder / "data"
        self._as: dict[str, Any] = {}
        if os.getuid() == 0:  # the server refuses to run as root
            nobody = pwd.getpwnam("nobody")
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            self._as = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self._as["env"] = {"PATH": f"{os.environ['PATH']}:/usr/sbin", "TMPDIR": str(self.folder)}
        self.port = ports.free()
        self._process: subprocess.Popen[bytes] | None = None
        install = shutil.which("mariadb-install-db") or "mariadb-install-db"
        done = subprocess.run(
            [install, "--no-defaults", f"--datadir={self.data}", "--skip-test-db"],
            cwd=self.folder,
            capture_output=True,
            check=False,
            **self._as,
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
        script = self.folder / "init.sql"
        script.write_text(
            f"CREATE USER IF NOT EXISTS {ADMIN}@localhost;\n"
            f"GRANT ALL ON *.* TO {ADMIN}@localhost WITH GRANT OPTION;\n"
        )
        self._script = script
        atexit.register(self.stop)
        self.start()

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            process: subprocess.Popen[bytes] = subprocess.Popen(
                [
                    *(shutil.which("mariadbd", path="/usr/sbin:/usr/bin") or "", "--no-defaults"),
                    *(f"--datadir={self.data}", f"--port={self.port}", "--bind-address=127.0.0.1"),
                    *(f"--socket={self.folder}/s", f"--pid-file={self.folder}/pid"),
                    # 2: what is committed outlives the process, as on a server of its users (with
                    # 0 a killed one loses the last second)
                    *(f"--init-file={self._script}", "--innodb-flush-log-at-trx-commit=2"),
                    *("--innodb-buffer-pool-size=64M", "--performance-schema=ON"),
                ],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **self._as,
            )
        self._process = process
        deadline = time.monotonic() + 60
        while True:
            try:
                ((folder,),) = self.rows(None, "SELECT @@datadir")
                assert folder.rstrip("/") == str(self.data), "another server has the port"
                return
            except pymysql.err.OperationalError:
                assert process.poll() is None, (self.folder / "log").read_text()[-2000:]
                assert time.monotonic() < deadline, "the server does not come up"
                time.sleep(0.05)

    def halt(self, signal: int = 15) -> None:
        if self._process is not None:
            self._process.send_signal(signal)
            self._process.wait(60)
            self._process = None

    def stop(self) -> None:
        self.halt(9)
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self, database: str | None, user: str = ADMIN) -> Any:
        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user=user,
            database=database,
            autocommit=True,
            charset="utf8mb4",
        )

    def run(self, database: str | None, *statements: str) -> None:
        with self.connect(database) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def rows(self, database: str | None, query: str) -> Sequence[tuple[Any, ...]]:
        with self.connect(database) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            found: Sequence[tuple[Any, ...]] = cursor.fetchall()
            return found

    @contextmanager
    def database(self, name: str) -> Iterator[str]:
        drop = f"DROP DATABASE IF EXISTS {name}"
        self.run(None, drop, f"CREATE DATABASE {name}")
        try:
            yield name
        finally:
            self.run(None, drop)

    def target(self, database: str, user: str = ADMIN) -> str:
        return f"mysql://{user}@127.0.0.1:{self.port}/{database}"


@cache
def server() -> Server:
    return Server()
