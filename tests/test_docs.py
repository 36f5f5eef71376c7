"""What the README says of the command is what the command says of itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(<!-- help:(\w+) -->\n```text\n)(.*?)(```\n<!-- /help -->)", re.DOTALL)


def help_of(command: str) -> str:
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "scanner", command, "--help"],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    text = done.stdout.replace("python -m scanner", "cardtrail")
    return "\n".join(line.rstrip() for line in text.strip().splitlines()) + "\n"


def test_help_in_the_readme_is_the_help() -> None:
    """``CARDTRAIL_UPDATE_DOCS=1`` writes it anew."""
    readme = ROOT / "README.md"
    text = readme.read_text()
    blocks = BLOCK.findall(text)
    assert {command for _, command, _, _ in blocks} == {"scan"}
    if os.environ.get("CARDTRAIL_UPDATE_DOCS"):
        text = BLOCK.sub(lambda m: m[1] + help_of(m[2]) + m[4], text)
        readme.write_text(text)
    for _, command, shown, _ in BLOCK.findall(text):
        assert shown == help_of(command), f"README.md: the help of {command} is not what it says"


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "SECURITY.md", "CHANGELOG.md"])
def test_links_and_files_that_are_named_exist(name: str) -> None:
    text = (ROOT / name).read_text()
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / target).exists(), f"{name} links to {target}"
    for path in re.findall(r"`((?:tests|docs|tools|scanner|detectors|reports)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), f"{name} names {path}"


def test_every_make_target_of_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)", (ROOT / "README.md").read_text()))
    assert named <= targets
    shown = subprocess.run(
        ["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert {line.split()[0] for line in shown.stdout.splitlines()} >= {"demo", "test", "bench"}


def test_no_tracked_file_is_too_long_to_read() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "*.py", "*.js", "*.j2", "*.css"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if tracked.returncode:
        pytest.skip("not a git checkout")
    for name in tracked.stdout.split():
        path = ROOT / name
        lines = len(path.read_text().splitlines()) if path.exists() else 0
        assert lines <= 500, f"{name} has {lines} lines"
