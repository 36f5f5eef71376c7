"""Where the key comes from, and what is wrong with a bad one."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from scanner import key
from scanner.errors import UsageError

HEX = "ab" * 32


def private(path: Path, text: str = HEX) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_file_before_environment_before_keyring(tmp_path: Path) -> None:
    one, two = private(tmp_path / "one"), private(tmp_path / "two", "cd" * 32)
    env = {"CARDTRAIL_KEY_FILE": str(one), "CARDTRAIL_KEY": "ef" * 32}
    assert key.find_key(str(two), "no/one", env) == bytes.fromhex(HEX)
    del env["CARDTRAIL_KEY_FILE"]
    assert key.find_key(str(two), "no/one", env) == bytes.fromhex("cd" * 32)
    assert key.find_key(None, "no/one", env) == bytes.fromhex("ef" * 32)
    assert key.find_key(None, None, {}) is None


def test_a_new_key_is_private_random_and_never_replaces(tmp_path: Path) -> None:
    path = tmp_path / "key"
    key.new_key_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(key.read_key_file(path)) == 32
    before = path.read_text()
    with pytest.raises(UsageError, match="File exists"):
        key.new_key_file(path)
    assert path.read_text() == before


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p, "No such file"),
        (lambda p: (private(p), p.chmod(0o644))[0], r"mode 0644.*chmod 600"),
        (lambda p: private(p, "abc"), "64 hexadecimal digits"),
        (lambda p: private(p, "zz" * 32), "64 hexadecimal digits"),
        (lambda p: (p.mkdir(), p)[1], "regular file"),
        (lambda p: (p.symlink_to(private(p.with_name("x"))), p)[1], "symbolic links"),
    ],
)
def test_bad_key_files_are_named_and_never_shown(tmp_path: Path, make, message: str) -> None:  # type: ignore[no-untyped-def]  # lambdas
    path = make(tmp_path / "key")
    with pytest.raises(UsageError, match=message) as caught:
        key.find_key(str(path), None, {})
    assert str(path) in str(caught.value)
    assert "zz" * 32 not in str(caught.value)


def test_keyring_extra_missing_is_said_with_what_to_do() -> None:
    try:
        import keyring  # noqa: F401
    except ImportError:
        with pytest.raises(UsageError, match=r"pip install 'cardtrail\[keyring\]'"):
            key.find_key(None, "cardtrail/key", {})
    with pytest.raises(UsageError, match="service/user"):
        key.find_key(None, "nonsense", {})


def test_the_random_key_of_a_run_lives_until_the_run_ends(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.db"
    first = key.run_key(ledger, "r1")
    assert key.run_key(ledger, "r1") == first
    assert key.run_key(ledger, "r2") != first
    key.forget_run_key(ledger, "r1")
    key.forget_run_key(ledger, "r1")
    assert [path.name for path in tmp_path.iterdir()] == ["ledger.db-r2.key"]
