"""Reports of the sample run, kept to be looked at when they change.

``CARDTRAIL_UPDATE_GOLDEN=1 pytest tests/reports/test_golden.py`` writes them anew; read the diff
before committing it. Style and script of the page are left out: they are files of their own.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from reports.csv import REPORT as CSV
from reports.html import REPORT as HTML
from reports.json import REPORT as JSON
from reports.sarif import REPORT as SARIF
from reports.summary import lines
from scanner.model import Run
from tests import runs
from tests.reports.drawing import draw

GOLDEN = Path(__file__).parent.parent / "golden"


def page(run: Run) -> str:
    html = draw(HTML, run)
    html = re.sub(r"<(style|script)>.*?</\1>", r"<\1></\1>", html, flags=re.DOTALL)
    return re.sub(r"'sha256-[^']+'", "'sha256-'", html)


DRAWN = {
    "sample.json": lambda: draw(JSON, runs.sample()),
    "sample.csv": lambda: draw(CSV, runs.sample()),
    "sample.sarif": lambda: draw(SARIF, runs.sample()),
    "sample.html": lambda: page(runs.sample()),
    "sample.txt": lambda: "".join(f"{line}\n" for line in lines(runs.sample())),
    "empty.html": lambda: page(runs.empty()),
    "hostile.csv": lambda: draw(CSV, runs.hostile()),
}


@pytest.mark.parametrize("name", DRAWN)
def test_golden(name: str) -> None:
    drawn, file = DRAWN[name](), GOLDEN / name
    if os.environ.get("CARDTRAIL_UPDATE_GOLDEN") == "1":
        file.write_text(drawn, "utf-8")
    assert drawn == file.read_text("utf-8"), f"{name} changed: see the docstring of this module"
