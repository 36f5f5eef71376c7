"""Files and folders of this machine: ``PATH`` or ``file:///path``.

Nothing is ever opened that could block, be written, or lead elsewhere: each file is opened below
its folder's descriptor with ``O_NOFOLLOW | O_NONBLOCK`` and must be a regular file by ``fstat``.
Symbolic links inside a folder are told, not followed; a target that is itself a link is followed.
"""

from __future__ import annotations

import errno
import io
import os
import re
import stat
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import quote, unquote_to_bytes, urlsplit

from detectors.records import dataclass
from scanner.contracts import Ignore, Records, SealName, Source
from scanner.errors import Reason, Unreadable, UsageError
from scanner.model import Access, Fact, Outcome, Problem, Status, Store, Unit
from scanner.stores import filefacts
from scanner.text import plural

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://")
_OPEN_FOLDERS = 64
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


class Files:
    kind = "files"
    options: Mapping[str, type] = {}

    def claims(self, target: str) -> bool:
        return target.startswith("file://") or not _SCHEME.match(target)

    def resolve(self, target: str, options: Mapping[str, Any]) -> Store:
        # whether it exists is for the scan to say: one missing path must not cost the others
        path = path_of(target)
        return Store(uri=uri_of(path), kind=self.kind, options=dict(options))

    def connect(self, store: Store, seal_name: SealName) -> OpenFiles:
        return OpenFiles(store, path_of(store.uri), seal_name)


STORE = Files()


def path_of(target: str) -> Path:
    """The absolute path a target or uri names; links in it are kept, since the name is what
    stays the same from run to run. Raises ``UsageError``."""
    if target.startswith("file://"):
        parts = urlsplit(target)
        if parts.netloc not in ("", "localhost"):
            raise UsageError(f"{target}: expected file:///path, found the host {parts.netloc}")
        raw = target.removeprefix("file://").removeprefix(parts.netloc)
        target = os.fsdecode(unquote_to_bytes(raw))
    if not target or "\0" in target:
        raise UsageError("expected the path of a file or folder, found an empty or impossible one")
    path = Path(target).expanduser() if target.startswith("~") else Path(target)
    # ``a/../b`` is not ``b`` when a is a link: only then the links must be resolved
    return path.resolve() if ".." in path.parts else Path.cwd() / path


def uri_of(path: Path) -> str:
    return "file://" + quote(os.fsencode(path), safe="/")


def version_of(info: os.stat_result) -> str:
    return f"{info.st_dev}:{info.st_ino}:{info.st_size}:{info.st_mtime_ns}:{info.st_ctime_ns}"


_AMBIGUOUS = re.compile(r"\\(?:\\|x[89a-f][0-9a-f])|[\udc80-\udcff]")
_ESCAPED = re.compile(r"\\|[\udc80-\udcff]")


def spell(key: str) -> str:
    r"""A file name as text that is valid UTF-8: an undecodable byte becomes ``\xNN``.

    No two names are spelled alike: where it could be mistaken, a backslash is doubled.
    """
    if not _AMBIGUOUS.search(key):
        return key
    return _ESCAPED.sub(
        lambda found: "\\\\" if found[0] == "\\" else f"\\x{ord(found[0]) - 0xDC00:02x}", key
    )


class OpenFiles:
    """A folder or a single file. ``Unit.key`` is the path below the folder, or the file's name."""

    def __init__(self, store: Store, path: Path, seal_name: SealName) -> None:
        self._store, self._path, self._seal_name = store, path, seal_name
        try:
            self._root = os.open(path, os.O_PATH | os.O_CLOEXEC)  # follows: the target is meant
            self._info = os.fstat(self._root)
        except OSError as error:
            raise _no_target(error) from None
        self.device = self._info.st_dev
        self._single = not stat.S_ISDIR(self._info.st_mode)
        self._folders: OrderedDict[str, int] = OrderedDict()
        self._modes: filefacts.Modes | None = None

    # --- listing ---

    def units(self, ignore: Ignore) -> Iterator[Unit | Outcome]:
        """Depth first, by name in each folder. The largest folder's names are held in memory."""
        modes = filefacts.Modes(self._path)
        if self._single:
            yield self._item(self._path.name, self._info, modes)
        else:
            yield from self._tree(ignore, modes)
        self._modes = modes

    def _tree(self, ignore: Ignore, modes: filefacts.Modes) -> Iterator[Unit | Outcome]:
        pseudo = filefacts.pseudo_devices()
        if self._info.st_dev in pseudo:
            yield self._outcome("", Reason.NOT_REGULAR, _pseudo(pseudo[self._info.st_dev]))
            return
        top = self._names("")
        modes.folder("", self._info)
        stack: list[tuple[str, Iterator[str]]] = [("", top)]
        while stack:
            folder, names = stack[-1]
            name = next(names, None)
            if name is None:
                stack.pop()
                continue
            key = f"{folder}/{name}" if folder else name
            try:
                info = os.stat(name, dir_fd=self._folder(folder), follow_symlinks=False)
            except OSError as error:
                yield self._failed(key, _unreadable(error))
                continue
            except Unreadable as fault:
                yield self._failed(key, fault)
                continue
            is_folder = stat.S_ISDIR(info.st_mode)
            if ignore(key, is_folder):
                continue
            if not is_folder:
                yield self._item(key, info, modes)
            elif info.st_dev in pseudo:
                yield self._outcome(f"{key}/", Reason.NOT_REGULAR, _pseudo(pseudo[info.st_dev]))
            else:
                modes.folder(key, info)
                try:
                    stack.append((key, self._names(key)))
                except Unreadable as fault:
                    yield self._failed(f"{key}/", fault)

    def _names(self, folder: str) -> Iterator[str]:
        """Raises ``Unreadable``."""
        parent = self._folder(folder)
        try:
            listing = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=parent)
            try:
                return iter(sorted(os.listdir(listing)))  # noqa: PTH208 - of a descriptor
            finally:
                os.close(listing)
        except OSError as error:
            raise _unreadable(error) from None

    def _item(self, key: str, info: os.stat_result, modes: filefacts.Modes) -> Unit | Outcome:
        if stat.S_ISLNK(info.st_mode):
            detail = "a symbolic link; what it leads to is read where it lies, if in scope"
            return self._outcome(key, Reason.LINK, detail)
        if not stat.S_ISREG(info.st_mode):
            return self._outcome(key, Reason.NOT_REGULAR, f"a {_what(info.st_mode)}")
        modes.file(key, info)
        return Unit(self._store.uri, key, self._name(key), info.st_size, version_of(info))

    def _name(self, key: str) -> str:
        return self._seal_name(spell(key or self._path.name))

    def _outcome(self, key: str, reason: Reason, detail: str) -> Outcome:
        status = Status.SKIPPED if reason.skips else Status.FAILED
        return Outcome(self._store.uri, self._name(key), status, reason, detail)

    def _failed(self, key: str, fault: Unreadable) -> Outcome:
        return self._outcome(key, fault.reason, fault.detail)

    # --- reading ---

    def open(self, unit: Unit) -> Source | Records:
        return self._open(unit.key)

    def open_target(self) -> Source:
        """The target itself, when it is a file. Raises ``Unreadable``."""
        return self._open(self._path.name)

    def _open(self, key: str) -> Source:
        try:
            descriptor = self._descriptor(key)
        except OSError as error:
            raise _unreadable(error) from None
        file = io.FileIO(descriptor, "rb")  # owns the descriptor from here on
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            file.close()
            raise Unreadable(Reason.NOT_REGULAR, f"a {_what(info.st_mode)}")
        return Source(
            file=cast(BinaryIO, file),
            name=key or self._path.name,
            size=info.st_size,
            sibling=lambda suffix: self._sibling(key, suffix),
            check=lambda: self._check(key, file, info),
            data_ranges=_Ranges(file, info),
        )

    def _descriptor(self, key: str) -> int:
        """An open descriptor; without touching the time of last access where that is allowed."""
        if self._single:  # the target: a link is followed
            return _open_untouched(str(self._path), _READ, None)
        folder, _, name = key.rpartition("/")
        return _open_untouched(name, _READ | os.O_NOFOLLOW, self._folder(folder))

    def _folder(self, folder: str) -> int:
        """A descriptor of a folder below the root, reached part by part without following links,
        so no path is too long and none can be swapped for a link. Raises ``Unreadable``."""
        if not folder:
            return self._root
        held = self._folders.get(folder)
        if held is not None:
            self._folders.move_to_end(folder)
            return held
        known = folder
        while known and known not in self._folders:
            known = known.rpartition("/")[0]
        at = self._folders[known] if known else self._root
        for name in folder[len(known) :].strip("/").split("/"):
            known = f"{known}/{name}" if known else name
            try:
                at = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=at)
            except OSError as error:
                raise _unreadable(error) from None
            self._folders[known] = at
            if len(self._folders) > _OPEN_FOLDERS:
                os.close(self._folders.popitem(last=False)[1])
        return at

    def _sibling(self, key: str, suffix: str) -> Source | None:
        try:
            if not self._single:
                return self._open(key + suffix)
            beside = Path(f"{os.path.realpath(self._path)}{suffix}")
            with closing(OpenFiles(self._store, beside, self._seal_name)) as opened:
                return opened.open_target()
        except Unreadable as fault:
            if fault.reason in (Reason.VANISHED, Reason.NOT_FOUND):
                return None
            raise

    def _check(self, key: str, file: io.FileIO, before: os.stat_result) -> Problem | None:
        """Whether what was read is one state of the file."""
        now = os.fstat(file.fileno())
        if now.st_size != before.st_size:
            verb = "grew" if now.st_size > before.st_size else "shrank"
            return Problem(
                Reason.CHANGED,
                f"{verb} from {before.st_size:,} to {plural(now.st_size, 'byte')} while it"
                " was read",
            )
        if now.st_mtime_ns != before.st_mtime_ns:
            return Problem(Reason.CHANGED, "was written to while it was read")
        try:
            if self._single:
                there = self._path.stat()
            else:
                folder, _, name = key.rpartition("/")
                there = os.stat(name, dir_fd=self._folder(folder), follow_symlinks=False)
        except (OSError, Unreadable):
            return Problem(Reason.CHANGED, "was removed or renamed while it was read")
        if (there.st_dev, there.st_ino) != (before.st_dev, before.st_ino):
            return Problem(Reason.CHANGED, "was replaced by another file while it was read")
        return None

    # --- facts ---

    def facts(self) -> tuple[Fact, ...]:
        return filefacts.facts(self._seen(), self._info.st_dev)

    def access(self) -> Access:
        return filefacts.access(self._seen())

    def _seen(self) -> filefacts.Modes:
        """The modes of what was listed; lists now when that has not happened yet."""
        if self._modes is None:
            try:
                for _ in self.units(lambda name, is_folder: False):
                    pass
            except Unreadable as fault:
                modes = filefacts.Modes(self._path)
                modes.broken = fault.detail or str(fault.reason)
                return modes
        assert self._modes is not None
        return self._modes

    def close(self) -> None:
        for descriptor in self._folders.values():
            os.close(descriptor)
        self._folders.clear()
        os.close(self._root)


@dataclass(frozen=True, slots=True)
class _Ranges:
    """The parts of a file that are not holes."""

    file: io.FileIO
    info: os.stat_result

    def __call__(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        if self.info.st_blocks * 512 >= self.info.st_size:
            yield start, end
            return
        descriptor = self.file.fileno()
        while start < end:
            try:
                start = os.lseek(descriptor, start, os.SEEK_DATA)
                stop = min(end, os.lseek(descriptor, start, os.SEEK_HOLE))
            except OSError as error:
                if error.errno != errno.ENXIO:  # this file system cannot say
                    yield start, end
                return
            if start >= end:
                return
            yield start, stop
            start = stop


def _open_untouched(path: str, flags: int, folder: int | None) -> int:
    try:
        return os.open(path, flags | os.O_NOATIME, dir_fd=folder)
    except PermissionError:  # O_NOATIME is for the owner of the file only
        return os.open(path, flags, dir_fd=folder)


_REASONS = {
    errno.EACCES: Reason.ACCESS_DENIED,
    errno.EPERM: Reason.ACCESS_DENIED,
    errno.ELOOP: Reason.LINK,
    errno.ENXIO: Reason.NOT_REGULAR,
    errno.ENODEV: Reason.NOT_REGULAR,
}


def _unreadable(error: OSError, gone: Reason = Reason.VANISHED) -> Unreadable:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return Unreadable(gone, "it was listed, and is gone" if gone is Reason.VANISHED else "")
    reason = _REASONS.get(error.errno or 0, Reason.IO_ERROR)
    return Unreadable(reason, error.strerror or "")


def _no_target(error: OSError) -> Unreadable:
    if error.errno == errno.ELOOP:
        return Unreadable(Reason.LINK_LOOP, "links that lead in a circle")
    if error.errno == errno.ENOTDIR:
        return Unreadable(Reason.NOT_FOUND, "a part of the path is no folder")
    return _unreadable(error, gone=Reason.NOT_FOUND)


def _what(mode: int) -> str:
    kinds = {
        stat.S_IFIFO: "FIFO",
        stat.S_IFSOCK: "socket",
        stat.S_IFCHR: "character device",
        stat.S_IFBLK: "block device",
        stat.S_IFDIR: "folder",
        stat.S_IFLNK: "symbolic link",
    }
    return kinds.get(stat.S_IFMT(mode), "special file")


def _pseudo(kind: str) -> str:
    return f"a {kind} file system: made by the kernel, holds no data at rest"
