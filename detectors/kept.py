"""Compiled databases of Hyperscan, kept in a folder from one start to the next.

Compiling takes a third of a second, loading a tenth of a millisecond. A file is named for all that
the compiled form depends on: patterns, flags, the library, the machine and its processor. What it
holds is patterns of ours, never anything that was read. One that is damaged, not ours, or open to
others' writing is not used, and whatever goes wrong here costs the time of compiling, no more.
"""

from __future__ import annotations

import importlib
import os
import platform
import secrets
import stat
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

_SUFFIX = ".hs"
_DIGEST = 32
_LARGEST = 32 << 20
_FILES = 8
"""kept of one folder: the newest"""
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_folder: Path | None = None


def keep_in(folder: Path | None) -> None:
    """Where this process keeps what it compiles; None, as it begins: nowhere."""
    global _folder
    _folder = folder


def folder() -> Path | None:
    return _folder


def database(expressions: Sequence[bytes], flags: Sequence[int]) -> Any:
    """A ``hyperscan.Database`` of the expressions, each with its place as its id."""
    # the package brings no types, and is loaded at first need only
    hyperscan: Any = importlib.import_module("hyperscan")
    path = None
    if _folder is not None:
        path = _folder / f"{_name(hyperscan, expressions, flags)}{_SUFFIX}"
        content = _read(path)
        if content is not None:
            with suppress(hyperscan.error, ValueError, TypeError):
                return hyperscan.loadb(content, hyperscan.HS_MODE_BLOCK)
    made = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    made.compile(expressions=expressions, ids=list(range(len(expressions))), flags=flags)
    if path is not None:
        # a worker may not write here: one of them did before it gave that up
        with suppress(OSError, hyperscan.error):
            _write(path, bytes(hyperscan.dumpb(made)))
    return made


def _name(hyperscan: Any, expressions: Sequence[bytes], flags: Sequence[int]) -> str:
    digest = blake2b(digest_size=16)
    about = (hyperscan.__version__, platform.machine(), _processor())
    for part in (*map(str.encode, about), *expressions, *(b"%d" % flag for flag in flags)):
        digest.update(b"%d:" % len(part) + part)
    return digest.hexdigest()


@cache
def _processor() -> str:
    """What it can do, as the kernel tells: what was compiled for one may not run on another."""
    with suppress(OSError), Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith(("flags", "Features")):
                return line
    return platform.processor()


def _read(path: Path) -> bytes | None:
    """The content of a file of this user's that nobody else may write, and that is whole."""
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            about = os.fstat(opened)
            mine = about.st_uid == os.geteuid() and not about.st_mode & (
                stat.S_IWGRP | stat.S_IWOTH
            )
            if not mine or not stat.S_ISREG(about.st_mode) or about.st_size > _LARGEST:
                return None
            whole = os.read(opened, about.st_size)
        finally:
            os.close(opened)
    except OSError:
        return None
    told, content = whole[:_DIGEST], whole[_DIGEST:]
    return content if content and blake2b(content, digest_size=_DIGEST).digest() == told else None


def _write(path: Path, content: bytes) -> None:
    """Beside, then renamed: it is whole or not there. Raises ``OSError``."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    opened = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(opened, "wb") as file:
            file.write(blake2b(content, digest_size=_DIGEST).digest() + content)
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    files = sorted(path.parent.glob(f"*{_SUFFIX}"), key=lambda each: each.stat().st_mtime)
    for old in files[:-_FILES]:
        old.unlink(missing_ok=True)
