"""What the modes and owners of files say of protection and of who could read.

Modes are what the kernel asks first, not all it asks: access lists, capabilities, network shares
and backups can let others in. So the list of who could read is never called complete.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections import Counter
from pathlib import Path

from scanner.model import Access, Fact, Grant, Tri
from scanner.text import plural

_PSEUDO = frozenset(
    (
        *("binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "efivarfs"),
        *("fusectl", "mqueue", "nsfs", "proc", "pstore", "rpc_pipefs", "securityfs", "selinuxfs"),
        *("sysfs", "tracefs"),
    )
)


def pseudo_devices() -> dict[int, str]:
    """Device numbers of mounted file systems that the kernel makes up, with their type."""
    found: dict[int, str] = {}
    try:
        lines = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return found
    for line in lines:
        before, _, after = line.partition(" - ")
        kind = after.split(" ", 1)[0]
        if kind in _PSEUDO:
            major, _, minor = before.split(" ")[2].partition(":")
            found[os.makedev(int(major), int(minor))] = kind
    return found


class Modes:
    """Counts over the regular files of a store. A few numbers, whatever the size of the store."""

    def __init__(self, path: Path) -> None:
        self.files = 0
        self.owners: Counter[int] = Counter()
        """by user id: every owner can read, or give himself the right to"""
        self.groups: Counter[int] = Counter()
        """by group id: files its members can read"""
        self.others = 0
        """files any local account can read"""
        self.modes: Counter[int] = Counter()
        self.broken: str | None = None
        self._open = {"": _leads_in(Path(os.path.realpath(path)).parent)}
        """folders that others, and that the group, can go through; by key"""

    def folder(self, key: str, info: os.stat_result) -> None:
        others, group = self._open[_parent(key)] if key else self._open[""]
        # the listing goes depth first: what lies beside the way here is not needed any more
        way = set(_way(key))
        self._open = {name: through for name, through in self._open.items() if name in way}
        self._open[key] = (
            others and bool(info.st_mode & stat.S_IXOTH),
            group and bool(info.st_mode & (stat.S_IXGRP | stat.S_IXOTH)),
        )

    def file(self, key: str, info: os.stat_result) -> None:
        others, group = self._open[_parent(key)]
        self.files += 1
        self.modes[stat.S_IMODE(info.st_mode)] += 1
        self.owners[info.st_uid] += 1
        if group and info.st_mode & stat.S_IRGRP:
            self.groups[info.st_gid] += 1
        if others and info.st_mode & stat.S_IROTH:
            self.others += 1


def _parent(key: str) -> str:
    return key.rpartition("/")[0]


def _way(key: str) -> list[str]:
    """The folder and all above it, down to the root, whose key is ""."""
    way = [""]
    place = key.find("/")
    while place >= 0:
        way.append(key[:place])
        place = key.find("/", place + 1)
    return [*way, key]


def _leads_in(folder: Path) -> tuple[bool, bool]:
    """Whether others, and a group, can come as far as ``folder`` from the root. Which group it is
    that a folder lets through is not compared with the file's: rather one too many is named."""
    others = group = True
    for part in (folder, *folder.parents):
        try:
            mode = part.stat().st_mode
        except OSError:
            continue
        others = others and bool(mode & stat.S_IXOTH)
        group = group and bool(mode & (stat.S_IXGRP | stat.S_IXOTH))
    return others, group


def facts(modes: Modes, device: int) -> tuple[Fact, ...]:
    return (
        public(modes),
        _restricted(modes),
        _owners(modes),
        _encryption(device),
        Fact(
            "versioning",
            Tri.UNKNOWN,
            "a file system does not tell of snapshots and backups of it",
        ),
        Fact("access-logging", Tri.UNKNOWN, "whether reads are audited (auditd) was not looked at"),
    )


def public(modes: Modes) -> Fact:
    """*Public* on one machine means: every local account, every service that was broken into."""
    if modes.broken is not None:
        return Fact("public-access", Tri.UNKNOWN, f"could not be listed: {modes.broken}")
    if modes.others:
        return Fact(
            "public-access",
            Tri.YES,
            f"every local account can read {modes.others:,} of {plural(modes.files, 'file')}"
            " (mode o+r, and every folder above lets others through)",
        )
    return Fact(
        "public-access",
        Tri.NO,
        f"no mode lets others read any of {plural(modes.files, 'file')}; network shares not"
        " looked at",
    )


def _restricted(modes: Modes) -> Fact:
    if not modes.files:
        return Fact("owner-only-mode", Tri.UNKNOWN, modes.broken or "there are no files in it")
    common = ", ".join(f"{mode:04o} ×{n:,}" for mode, n in modes.modes.most_common(5))
    wide = any(mode & (stat.S_IRGRP | stat.S_IROTH) for mode in modes.modes)
    return Fact("owner-only-mode", Tri.NO if wide else Tri.YES, f"modes: {common}")


def _owners(modes: Modes) -> Fact:
    """An owner without an account is whoever gets that number next."""
    if not modes.files:
        return Fact("known-owner", Tri.UNKNOWN, modes.broken or "there are no files in it")
    names = {uid: _user(uid) for uid in modes.owners}
    listed = ", ".join(f"{names[uid]} ×{n:,}" for uid, n in modes.owners.most_common(5))
    more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
    orphaned = any(name.isdigit() for name in names.values())
    return Fact("known-owner", Tri.NO if orphaned else Tri.YES, f"owners: {listed}{more}")


def _encryption(device: int) -> Fact:
    if _encrypted(Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}"), 4):
        return Fact(
            "default-encryption",
            Tri.YES,
            "on an encrypted volume (dm-crypt): that protects a disk which is carried away, not "
            "a machine that runs (PCI DSS 3.5.1.2)",
        )
    return Fact(
        "default-encryption",
        Tri.UNKNOWN,
        "no encrypted volume is seen below it; what a disk or a hypervisor does does not show",
    )


def _encrypted(device: Path, depth: int) -> bool:
    """The device or one that it lies on is a dm-crypt mapping."""
    try:
        if (device / "dm/uuid").read_text("ascii", "replace").startswith("CRYPT-"):
            return True
        below = sorted((device / "slaves").iterdir()) if depth else []
    except OSError:
        return False
    return any(_encrypted(each, depth - 1) for each in below)


def access(modes: Modes) -> Access:
    """Who could read by mode and owner. ``could_read_known`` stays False, see the module."""
    grants = [
        Grant(f"user:{_user(uid)}", "user", "allow", f"owner of {plural(count, 'file')}")
        for uid, count in sorted(modes.owners.items())
        if uid != 0
    ]
    root = "the superuser; so can whoever holds CAP_DAC_READ_SEARCH"
    grants.insert(0, Grant("user:root", "user", "allow", root))
    grants += [
        Grant(f"group:{_group(gid)}", "group", "allow", f"mode g+r on {plural(count, 'file')}")
        for gid, count in sorted(modes.groups.items())
    ]
    if modes.others:
        via = f"mode o+r on {plural(modes.others, 'file')}; access lists not looked at"
        grants.append(Grant("others", "public", "allow", via))
    return Access(public=public(modes).state, could_read_known=False, could_read=tuple(grants))


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
