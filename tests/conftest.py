"""Fixtures of all tests. The first of them: nothing that was planted may come out.

A test asks ``planted`` for card numbers and says with ``planted.allow(path)`` where they may lie.
If one of them shows up anywhere else (stdout, stderr, logs, the text of an exception, the ledger, a
report, a temporary file) the test fails, whatever it asserts itself.
"""

from __future__ import annotations

import base64
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import hyperscan
import pytest
from hypothesis import HealthCheck, settings

from detectors import luhn
from tests import one_engine, warm
from tests.examples import EXAMPLES

# how fast examples are made says something of the machine, and nothing of what is tested
settings.register_profile(
    "any machine",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=EXAMPLES,
)
settings.load_profile("any machine")

ROOT = Path(__file__).resolve().parent.parent
_AT_THE_START = ("LANG", "LC_ALL", "LC_CTYPE", "PYTHONIOENCODING", "PYTHONUTF8")
"""what an interpreter looks at when it starts, and never again"""
_MANY = 20
_PLANTED = pytest.StashKey["Planted"]()


class Leak(AssertionError):
    pass


@dataclass
class Planted:
    """Card numbers of one test, and where they may be."""

    rng: random.Random = field(repr=False)
    folder: Path
    pans: list[str] = field(default_factory=list, repr=False)
    allowed: list[Path] = field(default_factory=list)

    def pan(self, prefix: str = "453912", length: int = 16) -> str:
        """A made-up card number that satisfies Luhn and is not a published test PAN."""
        body = prefix + "".join(self.rng.choices("0123456789", k=length - 1 - len(prefix)))
        pan = next(body + digit for digit in "0123456789" if luhn.valid(body + digit))
        self.pans.append(pan)
        return pan

    def allow(self, path: Path) -> Path:
        """``path`` is a store: planted numbers may lie in and below it."""
        self.allowed.append(path)
        return path

    def check(self, data: bytes | str, where: str) -> None:
        raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
        if _holds(raw, frozenset(self.pans)):
            raise Leak(f"a planted card number came out in {where}")

    def without(self, text: str) -> str:
        """``text`` with something else in the place of planted numbers."""
        for form in (form for pan in self.pans for form in _forms(pan)):
            text = text.replace(form.decode("latin-1"), "(planted)")
        return text

    def check_files(self, folder: Path) -> None:
        for path in sorted(folder.rglob("*")):
            if any(path == ok or ok in path.parents for ok in self.allowed):
                continue
            self.check(os.fsencode(path), f"a file name in {folder}")
            if path.is_file() and not path.is_symlink() and path.stat().st_size < 64 << 20:
                self.check(path.read_bytes(), str(path))


def _holds(raw: bytes, pans: frozenset[str]) -> bool:
    if len(pans) < _MANY:
        return any(form in raw for pan in pans for form in _forms(pan))
    found: list[int] = []
    _searcher(pans).scan(raw, match_event_handler=lambda *match: found.append(match[1]))
    return bool(found)


@lru_cache(4)
def _searcher(pans: frozenset[str]) -> hyperscan.Database:
    """All forms at once: one after the other, hundreds of them take longer than the scan."""
    forms = [form for pan in sorted(pans) for form in _forms(pan)]
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    hexed = ["".join(f"\\x{byte:02x}" for byte in form).encode() for form in forms]
    flags = [hyperscan.HS_FLAG_SINGLEMATCH] * len(forms)
    database.compile(expressions=hexed, ids=list(range(len(forms))), flags=flags)
    return database


def _forms(pan: str) -> Iterator[bytes]:
    yield pan.encode()
    yield pan.encode("utf-16-le")
    yield base64.b64encode(pan.encode())
    for separator in " -":
        yield separator.join(pan[i : i + 4] for i in range(0, len(pan), 4)).encode()


@pytest.fixture(autouse=True, scope="session")
def engine() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        one_engine.use(patch)
        yield


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of its own for everything the tool keeps or leaves behind (its path is short: sockets
    are made below it)."""
    home = Path(tempfile.mkdtemp(prefix="ct-", dir="/tmp"))
    for name in ("state", "runtime", "tmp", "config"):
        (home / name).mkdir(mode=0o700)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home / "runtime"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("TMPDIR", str(home / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    for name in [name for name in os.environ if name.startswith(("CARDTRAIL_", "AWS_"))]:
        if name != "CARDTRAIL_CORPORA":
            monkeypatch.delenv(name)
    yield home
    shutil.rmtree(home)


@pytest.fixture
def planted(request: pytest.FixtureRequest, home: Path, tmp_path: Path) -> Iterator[Planted]:
    planted = Planted(random.Random(request.node.name), tmp_path)
    request.node.stash[_PLANTED] = planted
    yield planted
    for folder in (tmp_path, home):
        planted.check_files(folder)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """What a test printed, logged or raised is searched as well."""
    report = yield
    planted = item.stash.get(_PLANTED, None)
    if planted is not None and call.when == "call":
        shown = (report.capstdout, report.capstderr, report.caplog, report.longreprtext)
        try:
            for text in shown:
                planted.check(text, "the output of the test")
        except Leak as leak:
            # they may be no more than arguments in a traceback: why it failed is shown all the same
            why = [text for text in (report.longreprtext, f"{item.nodeid}: {leak}") if text]
            report.longrepr = planted.without("\n".join(why))
            report.sections = [(name, planted.without(text)) for name, text in report.sections]
            report.outcome = "failed"
    return report


@dataclass
class Result:
    code: int
    out: str
    err: str


@dataclass
class Cardtrail:
    """Runs the real command in a process of its own (``warm``), and searches what it says for
    leaks."""

    planted: Planted
    cwd: Path
    prefix: Sequence[str] = ()
    """a command to run it with"""

    def __call__(
        self, *arguments: str | Path, env: Mapping[str, str] | None = None, timeout: float = 120
    ) -> Result:
        code, out, err = self._run(arguments, self.env(env), timeout)
        self.planted.check(out, "stdout")
        self.planted.check(err, "stderr")
        return Result(
            code,
            out.decode("utf-8", "surrogateescape"),
            err.decode("utf-8", "surrogateescape"),
        )

    def _run(
        self, arguments: Sequence[str | Path], env: dict[str, str], timeout: float
    ) -> tuple[int, bytes, bytes]:
        if self.prefix or any(os.environ.get(name) != env.get(name) for name in _AT_THE_START):
            done = subprocess.run(
                self.command(*arguments),
                cwd=self.cwd,
                env=env,
                capture_output=True,
                timeout=timeout,
                check=False,
            )
            return done.returncode, done.stdout, done.stderr
        process = warm.start([*map(str, arguments)], self.cwd, env)
        try:
            out, err = process.communicate(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return process.wait(), out, err

    def start(self, *arguments: str | Path, env: Mapping[str, str] | None = None) -> warm.Warm:
        """Does not wait for its end."""
        return warm.start([*map(str, arguments)], self.cwd, self.env(env))

    def command(self, *arguments: str | Path) -> list[str]:
        return [*self.prefix, sys.executable, "-m", "scanner", *map(str, arguments)]

    def env(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """One job if the test does not say otherwise: worker processes cost a second of start."""
        return {**os.environ, "PYTHONPATH": str(ROOT), "CARDTRAIL_JOBS": "1", **(more or {})}


@pytest.fixture
def cardtrail(planted: Planted, tmp_path: Path) -> Cardtrail:
    work = tmp_path / "work"
    work.mkdir()
    return Cardtrail(planted, work)
