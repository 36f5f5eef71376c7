"""Where the fingerprint key comes from.

First of: a 0600 file (``key.file`` in the config or ``CARDTRAIL_KEY_FILE``), the environment
(``CARDTRAIL_KEY``), the keyring (``key.keyring``). Without any of them a random key is made for the
run: fingerprints then cannot be compared with other runs. So that a killed run can go on, the
random key lies in a 0600 file beside the ledger until the run has finished (docs/adr/0002).
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

from scanner.errors import UsageError

KEY_BYTES = 32
_HOW = "make one with: cardtrail key FILE"


def find_key(
    file: str | None, keyring: str | None, environ: Mapping[str, str] = os.environ
) -> bytes | None:
    """The configured key, or None when none is configured. Raises ``UsageError`` for a key that is
    configured but missing, too short, or readable by others."""
    path = environ.get("CARDTRAIL_KEY_FILE") or file
    if path:
        return read_key_file(Path(path).expanduser())
    if text := environ.get("CARDTRAIL_KEY"):
        return _parse(text, "CARDTRAIL_KEY")
    if keyring:
        return _from_keyring(keyring)
    return None


def read_key_file(path: Path) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise UsageError(f"key file {path}: {error.strerror}; {_HOW}") from None
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        raise UsageError(f"key file {path}: expected a regular file; {_HOW}")
    with os.fdopen(fd, "rb") as handle:
        if status.st_mode & 0o077 or status.st_uid not in (os.geteuid(), 0):
            raise UsageError(
                f"key file {path}: expected mode 0600 and you as the owner, found mode "
                f"{stat.S_IMODE(status.st_mode):04o}; mend it with: chmod 600 {path}"
            )
        return _parse(handle.read(4096).decode("ascii", "replace"), f"key file {path}")


def new_key_file(path: Path) -> None:
    """Writes a fresh random key, readable by the owner only. Never replaces a file."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UsageError(f"key file {path}: {error.strerror}") from None
    with os.fdopen(fd, "w") as handle:
        handle.write(secrets.token_hex(KEY_BYTES) + "\n")
        handle.flush()
        os.fsync(fd)


def run_key(ledger: Path, run_id: str) -> bytes:
    """The random key of a run without a configured one: made at its start, found on resume."""
    path = _run_key_path(ledger, run_id)
    if not path.exists():
        new_key_file(path)
    return read_key_file(path)


def forget_run_key(ledger: Path, run_id: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        _run_key_path(ledger, run_id).unlink()


def _run_key_path(ledger: Path, run_id: str) -> Path:
    return ledger.with_name(f"{ledger.name}-{run_id}.key")


def _parse(text: str, where: str) -> bytes:
    text = text.strip()
    if not re.fullmatch(r"(?:[0-9A-Fa-f]{2}){32,}", text):
        raise UsageError(f"{where}: expected at least 64 hexadecimal digits (32 bytes); {_HOW}")
    return bytes.fromhex(text)


def _from_keyring(name: str) -> bytes:
    service, slash, user = name.partition("/")
    if not (service and slash and user):
        raise UsageError(f'key.keyring: expected "service/user", found "{name}"')
    try:
        import keyring
    except ImportError:
        raise UsageError(
            "key.keyring: the keyring package is not installed; pip install 'cardtrail[keyring]'"
        ) from None
    text = keyring.get_password(service, user)
    if text is None:
        raise UsageError(
            f"key.keyring: no entry {name}; set one with: keyring set {service} {user}"
        )
    return _parse(text, f"keyring entry {name}")
