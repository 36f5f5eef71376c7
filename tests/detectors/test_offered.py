"""Plug-ins of other packages are found by their entry points."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = """
from detectors.base import FieldCounts, Match, Value
class Scan:
    def fields(self): return {}
    def find(self, data, lo, hi, hints):
        at = bytes(data).find(b"marker")
        return [Match("marker", "MARKER", at, at + 6, 0.9)] if lo <= at < hi else []
class Marker:
    name = "marker"
    entities = ("MARKER",)
    profiles = frozenset({"card"})
    summary = limits = ""
    examples = near_misses = ()
    def scan(self): return Scan()
    def value(self, data, match): return Value("marker", None)
    def settle(self, match, counts): return match.score, match.why
DETECTOR = Marker()
"""


def _found(folder: Path) -> str:
    program = "import detectors; print([m.entity for m in detectors.find(b'a marker here')])"
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
        cwd=folder,
        capture_output=True,
        check=True,
        text=True,
    ).stdout.strip()


def test_a_detector_of_another_package(tmp_path: Path) -> None:
    assert _found(tmp_path) == "[]"
    (tmp_path / "elsewhere.py").write_text(PLUGIN)
    info = tmp_path / "elsewhere-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[cardtrail.detectors]\nmarker = elsewhere:DETECTOR\n")
    assert _found(tmp_path) == "['MARKER']"
