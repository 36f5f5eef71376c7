"""What a process that holds raw card data does to itself before it reads any.

Core dumps off, memory closed to debuggers of the same user, files private, and for workers: die
with the parent, a memory limit, and (Linux 5.13+) Landlock, by which the kernel refuses every write
outside the scratch folders. Where the kernel lacks a feature the rest still holds; ``harden``
says which it got.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import signal
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
_SYS_LANDLOCK_CREATE_RULESET = 444
_SYS_LANDLOCK_ADD_RULE = 445
_SYS_LANDLOCK_RESTRICT_SELF = 446
_LANDLOCK_RULE_PATH_BENEATH = 1
# include/uapi/linux/landlock.h: every right that changes a file system. Reading is not handled,
# so it stays as it was.
_WRITES_ABI1 = sum(1 << bit for bit in (1, 4, 5, 6, 7, 8, 9, 10, 11, 12))
_TRUNCATE_ABI3 = 1 << 14


def collect_seldom() -> None:
    """What a process has loaded at its start stays: the collector is not to look at it often."""
    gc.set_threshold(250_000, 20, 100)


def keep_private() -> None:
    """For every process: no core dump, no ptrace by the same user, new files for the owner only.

    ``RLIMIT_CORE`` alone is not enough: a core pattern that is a pipe ignores it.
    """
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _prctl(_PR_SET_DUMPABLE, 0)


def harden_worker(memory: int, writable: Sequence[Path]) -> bool:
    """For a worker: ``keep_private``, die with the parent, at most ``memory`` bytes of data, and no
    writes outside ``writable``. Returns whether the kernel enforces the last.

    SIGINT is left to the main process, which lets a worker finish or stops it.
    """
    keep_private()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    return _forbid_writes(writable)


def keep_memory() -> None:
    """Blocks of a few megabytes, which come and go with each chunk, are kept by the allocator: to
    have the kernel give them anew each time costs a fifth of reading and searching a table."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:  # musl has none
        mallopt(_M_MMAP_THRESHOLD, 16 << 20)
        mallopt(_M_TRIM_THRESHOLD, 64 << 20)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _forbid_writes(writable: Sequence[Path]) -> bool:
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    abi = libc.syscall(_SYS_LANDLOCK_CREATE_RULESET, None, 0, 1)
    if abi < 1:
        return False
    rights = _WRITES_ABI1 | (_TRUNCATE_ABI3 if abi >= 3 else 0)
    attributes = struct.pack("=Q", rights)
    ruleset = libc.syscall(_SYS_LANDLOCK_CREATE_RULESET, attributes, len(attributes), 0)
    if ruleset < 0:
        return False
    try:
        for folder in writable:
            fd = os.open(folder, os.O_PATH | os.O_CLOEXEC)
            try:
                rule = struct.pack("=Qi", rights, fd)
                libc.syscall(_SYS_LANDLOCK_ADD_RULE, ruleset, _LANDLOCK_RULE_PATH_BENEATH, rule, 0)
            finally:
                os.close(fd)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        return bool(libc.syscall(_SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)
