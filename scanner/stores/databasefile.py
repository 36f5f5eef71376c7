"""What stores share that are one database file on this machine: SQLite and DuckDB."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from scanner.contracts import SealName, Source
from scanner.errors import UsageError
from scanner.model import Access, Fact, Store
from scanner.stores.filefacts import Modes, access, facts
from scanner.stores.files import OpenFiles, version_of


def path_of(target: str, scheme: str) -> Path:
    """``sqlite:///var/a.db`` is absolute. Where there is no such file it may also be meant as
    SQLAlchemy means it, relative to here; ``sqlite:////var/a.db`` is absolute to everyone.

    Raises ``UsageError``.
    """
    raw = re.sub(r"[?#].*", "", target.removeprefix(scheme))
    name = os.fsdecode(unquote_to_bytes(raw))
    if not name.startswith(("/", "./", "../")) or not name.strip("/") or "\0" in name:
        raise UsageError(f"{target}: expected {scheme}/path/file.db")
    here = name[1:] if name.startswith("/") and not name.startswith("//") else ""
    path = Path(f"/{name.lstrip('/')}") if name.startswith("/") else Path(name)
    if here and not os.path.lexists(path) and os.path.lexists(here):
        path = Path(here)
    return path.resolve() if ".." in path.parts else Path.cwd() / path


def uri_of(target: str, scheme: str) -> str:
    """The canonical uri. Raises ``UsageError`` for what is there and no file."""
    path = path_of(target, scheme)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UsageError(f"{target}: expected a database file, found something else")
    except OSError:
        pass  # whether it exists is for the scan to say: one must not cost the others
    return f"{scheme}{quote(os.fsencode(path), safe='/')}"


class DatabaseFile:
    """The file, and those beside it that hold its rows: ``path`` with each of ``suffixes``."""

    def __init__(
        self, store: Store, path: Path, seal_name: SealName, suffixes: Sequence[str]
    ) -> None:
        """Raises ``Unreadable``."""
        self._path, self._suffixes = path, ("", *suffixes)
        self._file = OpenFiles(store, path, seal_name)

    def source(self) -> Source:
        """Raises ``Unreadable``."""
        return self._file.open_target()

    @property
    def size(self) -> int | None:
        try:
            return self._path.stat().st_size
        except OSError:
            return None

    def state(self) -> str:
        """Versions of all the files the database consists of."""
        base = os.path.realpath(self._path)
        parts = []
        for suffix in self._suffixes:
            try:
                parts.append(version_of(Path(base + suffix).stat()))
            except OSError:
                parts.append("")
        return "/".join(parts).rstrip("/")

    def facts(self) -> tuple[Fact, ...]:
        return facts(self._modes(), self._file.device)

    def access(self) -> Access:
        return access(self._modes())

    def _modes(self) -> Modes:
        modes = Modes(self._path)
        base = os.path.realpath(self._path)
        for suffix in self._suffixes:
            try:
                modes.file("", Path(base + suffix).stat())
            except OSError as error:
                if not suffix:
                    modes.broken = error.strerror
        return modes

    def close(self) -> None:
        self._file.close()
