"""The files store: who is let in, what is denied, and what modes and owners say."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.contracts import Source
from scanner.model import Tri, Unit
from scanner.stores.files import OpenFiles
from tests.stores.files_lab import ROOT, one, opened

# --- denied -------------------------------------------------------------------------------------

SCRIPT = """
import os, sys
from pathlib import Path
from scanner.stores.files import STORE
from scanner.errors import Unreadable
from scanner.model import Unit
if os.geteuid() == 0:  # the superuser is refused nothing
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
store = STORE.connect(STORE.resolve(sys.argv[1], {}), str)
try:
    for item in store.units(lambda name, is_folder: False):
        if not isinstance(item, Unit):
            print(item.status, item.reason, item.unit)
            continue
        try:
            with store.open(item).file as file:
                print("read", item.name, len(file.read()))
        except Unreadable as fault:
            print("unreadable", fault.reason, item.name)
except Unreadable as fault:
    print("listing", fault.reason)
"""


@pytest.fixture
def lobby() -> Iterator[Path]:
    """A folder that another user can reach; pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    subprocess.run(["rm", "-rf", folder], check=True)


def as_nobody(target: Path) -> list[str]:
    """What a process without rights sees."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(target)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_what_is_denied_is_told_and_the_rest_is_read(lobby: Path) -> None:
    for name in ("closed/a", "open/a", "unreadable"):
        (lobby / name).parent.mkdir(exist_ok=True)
        (lobby / name).write_text("x")
        (lobby / name).chmod(0o644)
    (lobby / "open").chmod(0o755)
    (lobby / "unreadable").chmod(0)
    (lobby / "closed").chmod(0)
    assert as_nobody(lobby) == [
        "failed access-denied closed/",
        "read open/a 1",
        "unreadable access-denied unreadable",
    ]


def test_a_target_that_is_denied(lobby: Path) -> None:
    (lobby / "closed").mkdir(mode=0)
    assert as_nobody(lobby / "closed") == ["listing access-denied"]


def test_a_folder_that_may_be_listed_and_not_entered(lobby: Path) -> None:
    (lobby / "list only").mkdir()
    (lobby / "list only" / "a").write_text("x")
    (lobby / "list only").chmod(0o744)
    assert as_nobody(lobby) == ["failed access-denied list only/"]


# --- facts --------------------------------------------------------------------------------------


def fact(store: OpenFiles, control: str) -> tuple[Tri, str]:
    (found,) = (fact for fact in store.facts() if fact.control == control)
    return found.state, found.detail


def test_modes_say_who_could_read(lobby: Path) -> None:
    for name, mode in (("a", 0o644), ("b", 0o640), ("c", 0o600), ("in/d", 0o644)):
        (lobby / name).parent.mkdir(exist_ok=True, mode=0o700)
        (lobby / name).write_text("x")
        (lobby / name).chmod(mode)
    store = opened(lobby)
    state, detail = fact(store, "public-access")
    assert state is Tri.YES
    assert "1 of 4 files" in detail  # d lies behind a folder that lets no one else through
    assert fact(store, "owner-only-mode") == (Tri.NO, "modes: 0644 ×2, 0640 ×1, 0600 ×1")
    access = store.access()
    assert access.public is Tri.YES
    assert not access.could_read_known
    grants = {grant.principal: grant.via for grant in access.could_read}
    assert "user:root" in grants
    assert grants["others"].startswith("mode o+r on 1 file;")
    group = next(via for name, via in grants.items() if name.startswith("group:"))
    assert group == "mode g+r on 2 files"
    store.close()


def test_a_closed_store(lobby: Path) -> None:
    (lobby / "a").write_text("x")
    (lobby / "a").chmod(0o600)
    store = opened(lobby)
    assert fact(store, "public-access")[0] is Tri.NO
    assert fact(store, "owner-only-mode")[0] is Tri.YES
    assert store.access().public is Tri.NO
    store.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser gives files away")
def test_an_owner_without_account(lobby: Path) -> None:
    (lobby / "a").write_text("x")
    os.chown(lobby / "a", 54321, 54321)
    store = opened(lobby)
    assert fact(store, "known-owner") == (Tri.NO, "owners: 54321 ×1")
    store.close()


def test_every_fact_that_is_unknown_says_why(tmp_path: Path) -> None:
    store = opened(tmp_path)
    facts = store.facts()
    store.close()
    assert {fact.control for fact in facts} >= {
        "public-access",
        "default-encryption",
        "versioning",
        "access-logging",
    }
    assert all(fact.detail for fact in facts)


def test_descriptors_are_given_back(tmp_path: Path) -> None:
    for i in range(100):
        (tmp_path / f"d{i}" / "sub").mkdir(parents=True)
        (tmp_path / f"d{i}" / "sub" / "f").write_text("x")
    before = len([*Path("/proc/self/fd").iterdir()])
    store = opened(tmp_path)
    for item in store.units(lambda name, is_folder: False):
        assert isinstance(item, Unit)
        source = store.open(item)
        assert isinstance(source, Source)
        source.file.close()
    assert len([*Path("/proc/self/fd").iterdir()]) < before + 70
    store.close()
    assert len([*Path("/proc/self/fd").iterdir()]) == before


def test_mode_of_what_is_opened_is_read_only(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    (tmp_path / "f").chmod(stat.S_IRUSR | stat.S_IWUSR)
    store, source = one(tmp_path)
    assert not source.file.writable()
    with pytest.raises(OSError):
        os.write(source.file.fileno(), b"x")
    source.file.close()
    store.close()
