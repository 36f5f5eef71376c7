"""The files store: nothing followed, nothing blocked on, nothing changed, nothing left unsaid."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.contracts import Source
from scanner.errors import Reason, Unreadable, UsageError
from scanner.model import Outcome, Status, Unit
from scanner.stores import filefacts
from scanner.stores.files import STORE, path_of, spell, uri_of
from tests.stores.files_lab import listed, one, opened

# --- targets ------------------------------------------------------------------------------------


def test_what_it_claims() -> None:
    for target in ("/var/log", "logs", "./a b", "file:///var/log", "C:\\x", "~/x"):
        assert STORE.claims(target), target
    for target in ("s3://bucket", "sqlite:///x.db", "postgres://h/db"):
        assert not STORE.claims(target), target


@given(name=st.binary(min_size=1, max_size=40).filter(lambda n: b"\0" not in n and b"/" not in n))
def test_a_uri_is_ascii_and_leads_back(name: bytes) -> None:
    if name in (b".", b".."):
        return
    path = Path("/srv") / os.fsdecode(name)
    uri = uri_of(path)
    assert uri.isascii()
    assert uri.isprintable()
    assert " " not in uri
    assert path_of(uri) == path


def test_a_relative_path_becomes_the_same_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "logs").mkdir()
    monkeypatch.chdir(tmp_path)
    uris = {
        STORE.resolve(target, {}).uri
        for target in ("logs", "./logs/", str(tmp_path / "logs"), f"file://{tmp_path}/logs")
    }
    assert uris == {f"file://{tmp_path}/logs"}


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("file://elsewhere/x", "expected file:///path, found the host elsewhere"),
        ("", "an empty or impossible one"),
    ],
)
def test_a_target_that_cannot_be_is_a_usage_error(target: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        STORE.resolve(target, {})


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("no such thing", Reason.NOT_FOUND),
        ("loop", Reason.LINK_LOOP),
        ("file/part", Reason.NOT_FOUND),
    ],
)
def test_a_target_that_is_not_there_has_its_reason(
    target: str, reason: Reason, tmp_path: Path
) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    with pytest.raises(Unreadable) as caught:
        STORE.connect(STORE.resolve(str(tmp_path / target), {}), str)
    assert caught.value.reason is reason


def test_a_target_that_is_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a").write_text("x")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "to file").symlink_to("real/a")
    assert [unit.name for unit in listed(tmp_path / "link")[0]] == ["a"]
    store, source = one(tmp_path / "to file")
    assert source.file.read() == b"x"
    assert source.check() is None
    source.file.close()
    store.close()


def test_a_target_that_goes_before_the_scan_is_told(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    store = STORE.resolve(str(tmp_path / "x"), {})
    (tmp_path / "x").rmdir()
    with pytest.raises(Unreadable) as caught:
        STORE.connect(store, str)
    assert caught.value.reason is Reason.NOT_FOUND


# --- listing ------------------------------------------------------------------------------------


def test_order_is_by_name_and_folders_are_entered_in_place(tmp_path: Path) -> None:
    for name in ("b/2", "b/1/x", "a", "c", "b.txt", "empty/"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if name.endswith("/") else path.write_text(name)
    assert [unit.name for unit in listed(tmp_path)[0]] == ["a", "b/1/x", "b/2", "b.txt", "c"]


def test_a_single_file_has_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("hello")
    (unit,) = listed(tmp_path / "app.log")[0]
    assert (unit.key, unit.name, unit.size) == ("app.log", "app.log", 5)


def test_what_is_no_regular_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("x")
    (tmp_path / "link").symlink_to("target")
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "folder link").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        units, outcomes = listed(tmp_path)
    assert [unit.name for unit in units] == ["target"]
    assert {outcome.unit: (outcome.status, outcome.reason) for outcome in outcomes} == {
        "link": (Status.SKIPPED, Reason.LINK),
        "broken": (Status.SKIPPED, Reason.LINK),
        "loop": (Status.SKIPPED, Reason.LINK),
        "folder link": (Status.SKIPPED, Reason.LINK),
        "fifo": (Status.SKIPPED, Reason.NOT_REGULAR),
        "socket": (Status.SKIPPED, Reason.NOT_REGULAR),
    }


def test_a_fifo_as_the_target_is_an_outcome(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    units, (outcome,) = listed(tmp_path / "fifo")
    assert not units
    assert (outcome.status, outcome.reason) == (Status.SKIPPED, Reason.NOT_REGULAR)


@pytest.mark.parametrize("target", ["/proc/self", "/sys"])
def test_file_systems_of_the_kernel_are_not_entered(target: str) -> None:
    if not filefacts.pseudo_devices():
        pytest.skip("no /proc/self/mountinfo here")
    units, (outcome,) = listed(Path(target))
    assert not units
    assert outcome.reason is Reason.NOT_REGULAR


def test_excluded_folders_are_not_entered(tmp_path: Path) -> None:
    for name in ("keep/a", "drop/b", "keep/c.tmp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    asked: list[tuple[str, bool]] = []

    def ignore(name: str, is_folder: bool) -> bool:
        asked.append((name, is_folder))
        return name in ("drop", "keep/c.tmp")

    store = opened(tmp_path)
    assert [item.name for item in store.units(ignore) if isinstance(item, Unit)] == ["keep/a"]
    store.close()
    assert asked == [("drop", True), ("keep", True), ("keep/a", False), ("keep/c.tmp", False)]


def test_a_tree_deeper_than_any_path_may_be_long(tmp_path: Path) -> None:
    depth, name = 600, "a folder of the tree"  # 12,600 bytes: three times PATH_MAX
    at = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=at)
        below = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=at)
        os.close(at)
        at = below
    file = os.open("leaf", os.O_CREAT | os.O_WRONLY, dir_fd=at)
    os.write(file, b"deep")
    os.close(file)
    os.close(at)
    try:
        store, source = one(tmp_path)
        assert source.file.read() == b"deep"
        assert source.check() is None
        source.file.close()
        store.close()
    finally:
        subprocess.run(["rm", "-rf", tmp_path / name], check=True)


# --- names --------------------------------------------------------------------------------------


@given(
    a=st.binary(min_size=1, max_size=8).filter(lambda n: b"\0" not in n),
    b=st.binary(min_size=1, max_size=8).filter(lambda n: b"\0" not in n),
)
def test_names_are_text_and_no_two_are_alike(a: bytes, b: bytes) -> None:
    spelled = [spell(os.fsdecode(name)) for name in (a, b)]
    for text in spelled:
        text.encode("utf-8")
    assert (spelled[0] == spelled[1]) == (a == b)


def test_an_undecodable_name_and_one_that_looks_like_it() -> None:
    assert spell(os.fsdecode(b"a\xff")) == "a\\xff"
    assert spell("a\\xff") == "a\\\\xff"
    assert spell("C:\\logs") == "C:\\logs"


def test_hostile_names_are_listed_and_read(tmp_path: Path) -> None:
    names = [b"new\nline", b"\x1b[31mred", b"<script>", b"\xff\xfe", "\u202egpj.exe".encode()]
    for name in names:
        (tmp_path / os.fsdecode(name)).write_bytes(name)
    store = opened(tmp_path)
    units = [item for item in store.units(lambda n, d: False) if isinstance(item, Unit)]
    assert len(units) == len(names)
    for unit in units:
        source = store.open(unit)
        assert isinstance(source, Source)
        assert source.file.read() == os.fsencode(unit.key)
        source.file.close()
        unit.name.encode("utf-8")
    store.close()


def test_names_pass_the_seal_and_keys_are_not_shown(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").touch()
    (tmp_path / "secret link").symlink_to("x")
    store = opened(tmp_path, lambda name: name.replace("secret", "SEALED"))
    items = list(store.units(lambda name, is_folder: False))
    store.close()
    names = [item.unit if isinstance(item, Outcome) else item.name for item in items]
    assert names == ["SEALED link", "SEALED.txt"]
    assert "secret" not in repr(items)


# --- reading ------------------------------------------------------------------------------------


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def rewrite(path: Path) -> None:
    path.write_bytes(b"HELLO WORLD")
    os.utime(path, ns=(1, 1))


def replace(path: Path) -> None:
    path.rename(path.with_name("rotated.1"))
    path.write_bytes(b"hello world")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (append, "grew from 11 to 15 bytes"),
        (lambda path: os.truncate(path, 3), "shrank from 11 to 3 bytes"),
        (rewrite, "was written to"),
        (replace, "was replaced"),
        (lambda path: path.unlink(), "was removed"),
    ],
)
@pytest.mark.parametrize("single", [True, False])
def test_a_change_while_it_is_read_is_told(
    change: Callable[[Path], None], words: str, single: bool, tmp_path: Path
) -> None:
    path = tmp_path / "x" / "f"
    path.parent.mkdir()
    path.write_bytes(b"hello world")
    store, source = one(path if single else tmp_path)
    source.file.read(4)
    assert source.check() is None
    change(path)
    problem = source.check()
    assert problem is not None
    assert problem.reason is Reason.CHANGED
    assert words in problem.detail
    source.file.close()
    store.close()


def swap_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def swap_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def swap_folder_link(path: Path) -> None:
    path.unlink()
    path.parent.rmdir()
    path.parent.symlink_to("/etc")


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        (lambda path: path.unlink(), [Reason.VANISHED]),
        (swap_link, [Reason.LINK]),
        (swap_fifo, [Reason.NOT_REGULAR]),
        (swap_folder_link, [Reason.VANISHED, Reason.LINK]),
    ],
)
def test_what_is_swapped_after_the_listing_is_not_followed(
    change: Callable[[Path], None], reasons: list[Reason], tmp_path: Path
) -> None:
    path = tmp_path / "folder" / "passwd"
    path.parent.mkdir()
    path.write_text("x")
    units, _ = listed(tmp_path)
    change(path)
    store = opened(tmp_path)  # as another process would: nothing is open yet
    with pytest.raises(Unreadable) as caught:
        store.open(units[0])
    assert caught.value.reason in reasons
    store.close()


def test_reading_leaves_the_time_of_last_access(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("x")
    os.utime(path, ns=(10**18, 2 * 10**18))  # accessed before it was changed: relatime would update
    store, source = one(tmp_path)
    source.file.read()
    source.file.close()
    store.close()
    assert path.stat().st_atime_ns == 10**18


def test_holes_are_known(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.write(b"start")
        file.seek(10 << 30)
        file.write(b"end")
    if path.stat().st_blocks * 512 > 1 << 20:
        pytest.skip("no sparse files on this file system")
    store, source = one(tmp_path)
    ranges = list(source.data_ranges(0, path.stat().st_size))
    assert sum(end - start for start, end in ranges) < 1 << 20
    assert ranges[0][0] == 0
    assert ranges[-1][1] == (10 << 30) + 3
    assert list(source.data_ranges(1 << 20, 2 << 20)) == []
    source.file.close()
    store.close()


def test_a_version_changes_with_the_content(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("x")
    first = listed(tmp_path)[0][0].version
    assert first == listed(tmp_path)[0][0].version
    append(path)
    assert first != listed(tmp_path)[0][0].version


def test_a_sibling_is_opened_the_same_way(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("db")
    (tmp_path / "a.db-wal").write_text("wal")
    for target in (tmp_path / "a.db", tmp_path):
        store, source = one(target)
        wal = source.sibling("-wal")
        assert wal is not None
        assert wal.file.read() == b"wal"
        assert source.sibling("-journal") is None
        for each in (wal, source):
            each.file.close()
        store.close()
