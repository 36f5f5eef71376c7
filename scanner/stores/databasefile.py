"""What stores share that are one database file on this machine: SQLite and DuckDB."""

from __future__ import annotations

import os
import re
import stat
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Generic, Protocol, TypeVar
from urllib.parse import quote, unquote_to_bytes

from scanner import formats
from scanner.contracts import SealName, Source
from scanner.errors import Reason, Unreadable, UsageError
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


class Copy(Protocol):
    """A copy of a database, open."""

    def close(self) -> None: ...


C = TypeVar("C", bound=Copy)


class OpenDatabaseFile(ABC, Generic[C]):
    """One database, read from a copy. Its tables share one as long as the store is open."""

    product: ClassVar[str]
    """as messages call it"""
    beside: ClassVar[Sequence[str]]
    """suffixes of the files beside it that hold its rows"""
    encrypted: ClassVar[str] = ""
    """what those who encrypt such a file use, as messages ask for it"""

    def __init__(self, store: Store, path: Path, seal_name: SealName) -> None:
        """Raises ``Unreadable``."""
        self._store, self._seal_name = store, seal_name
        self._file = DatabaseFile(store, path, seal_name, self.beside)
        self._database: C | None = None
        self._version: str | None = None
        try:
            self._source().file.close()
        except BaseException:
            self._file.close()
            raise

    @abstractmethod
    def _begins(self, head: bytes, size: int | None) -> bool:
        """Whether a file of so many bytes that begins so is a database of this kind."""

    @abstractmethod
    def _copy(self, source: Source) -> C:
        """Raises ``Unreadable``."""

    def _source(self) -> Source:
        """The file, known to be a database. Raises ``Unreadable``."""
        source = self._file.source()
        head = source.file.read(4096)
        source.file.seek(0)
        if self._begins(head, source.size):
            return source
        source.file.close()
        product = self.product
        if formats.looks_random(head):
            detail = f"no {product} header, and bytes as if at random{self.encrypted}"
            raise Unreadable(Reason.ENCRYPTED, detail)
        detail = f"it is no {product} database: it has no {product} header"
        raise Unreadable(Reason.UNSUPPORTED, detail)

    def _opened(self) -> C:
        """The copy; made anew when the database was written to since."""
        version = self._file.state()
        if self._database is not None and version == self._version:
            return self._database
        self._drop()
        source = self._source()
        with source.file:
            self._database = self._copy(source)
        self._version = version
        return self._database

    def facts(self) -> tuple[Fact, ...]:
        return self._file.facts()

    def access(self) -> Access:
        return self._file.access()

    def _drop(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def close(self) -> None:
        self._drop()
        self._file.close()
