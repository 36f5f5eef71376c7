"""Compiled databases that are kept: loaded when they are whole, this user's and for this machine;
compiled anew in every other case."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hyperscan
import pytest

from detectors import kept


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    kept.keep_in(tmp_path / "compiled")
    yield tmp_path / "compiled"
    kept.keep_in(None)


def ends(database: Any, data: bytes = b"an ab and a b at the AB end") -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    scratch = hyperscan.Scratch(database)

    def note(number: int, start: int, end: int, flags: int, context: object) -> None:
        found.append((number, end))

    database.scan(data, match_event_handler=note, scratch=scratch)
    return found


def made() -> Any:
    return kept.database([b"ab", rb"at\b"], [hyperscan.HS_FLAG_CASELESS, 0])


def compiled(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that grows with every database that is compiled."""
    seen: list[int] = []
    real = hyperscan.Database

    def counting(*arguments: Any, **named: Any) -> Any:
        seen.append(1)
        return real(*arguments, **named)

    monkeypatch.setattr(hyperscan, "Database", counting)
    return seen


def test_the_second_start_loads_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ends(made())
    assert first == [(0, 5), (1, 16), (0, 23)]
    (file,) = folder.iterdir()
    assert (file.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)
    seen = compiled(monkeypatch)
    assert ends(made()) == first
    assert not seen


def test_other_patterns_flags_or_processors_are_other_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made()
    kept.database([b"ab", rb"at\b"], [0, 0])
    kept.database([b"ab", rb"at"], [0, 0])
    kept.database([b"abat"], [0])
    monkeypatch.setattr(kept, "_processor", lambda: "another")
    made()
    monkeypatch.setattr(hyperscan, "__version__", "0.0.0")
    made()
    assert len(list(folder.iterdir())) == 6


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def one_bit(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(data)


def whole_but_none(file: Path) -> None:
    content = b"no database of anything" * 10
    file.write_bytes(kept.blake2b(content, digest_size=32).digest() + content)


def everybodys(file: Path) -> None:
    file.chmod(0o666)


def somebody_elses(file: Path) -> None:
    os.chown(file, 12345, 12345)


def a_link(file: Path) -> None:
    file.rename(file.with_name("elsewhere"))
    file.symlink_to("elsewhere")


def a_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize(
    "harm",
    [cut, empty, one_bit, whole_but_none, everybodys, somebody_elses, a_link, a_pipe, a_folder],
)
def test_what_was_tampered_with_is_compiled_anew(
    harm: Callable[[Path], None], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ends(made())
    (file,) = folder.iterdir()
    try:
        harm(file)
    except PermissionError:  # not root: nobody else's file can be made
        assert harm is somebody_elses
        return
    seen = compiled(monkeypatch)
    assert ends(made()) == first
    assert seen == [1]
    assert not list(folder.glob("*.part"))
    if harm is not a_folder:  # mended on the way
        assert ends(made()) == first
        assert seen == [1]


@pytest.mark.parametrize("why", ["a file", "no right"])
def test_a_folder_that_cannot_be_written(
    why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "state"
    if why == "a file":
        place.write_text("")
    else:

        def refuse(*_: Any, **__: Any) -> None:
            raise PermissionError("Landlock")

        monkeypatch.setattr(kept, "_write", refuse)
    kept.keep_in(place / "compiled")
    try:
        assert ends(made()) == [(0, 5), (1, 16), (0, 23)]
    finally:
        kept.keep_in(None)


def test_the_newest_few_stay(folder: Path) -> None:
    for number in range(12):
        kept.database([b"x%d" % number], [0])
    assert len(list(folder.iterdir())) == 8
