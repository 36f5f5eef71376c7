"""The page in a real browser: the script runs under the policy, filters from the hash, and keeps
two hundred rows in the page."""

from __future__ import annotations

import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest

from reports.html import REPORT
from scanner.model import Run
from tests import runs
from tests.reports.drawing import Page, draw

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="needs chromium or google-chrome on PATH"),
    pytest.mark.xdist_group("browser"),
]


def opened(run: Run, folder: Path, fragment: str = "") -> Page:
    return Page(dumped(run, folder, fragment))


def dumped(run: Run, folder: Path, fragment: str = "") -> str:
    """The page after its script has run. Fails on any message of the console."""
    assert BROWSER is not None
    file = folder / "report.html"
    file.write_text(draw(REPORT, run), "utf-8")
    done = subprocess.run(
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={folder / 'profile'}",
            "--enable-logging=stderr",
            "--virtual-time-budget=2000",
            "--dump-dom",
            f"{file.as_uri()}#{fragment}",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "CONSOLE" not in done.stderr, done.stderr
    return done.stdout


def rows(html: str, table: str) -> list[str]:
    """The text of each row of a table, without the details that open on a click."""
    body = html[html.index(f'id="{table}"') :].partition("<tbody>")[2].partition("</tbody>")[0]
    body = re.sub(r'<dl class="details">.*?</dl>', "", body, flags=re.DOTALL)
    texts = (re.sub(r"<[^>]*>", " ", row) for row in body.split("</tr>")[:-1])
    return [" ".join(unescape(text).split()) for text in texts]


def total(page: Page) -> str:
    found = re.search(r"[\d,]+(?: of [\d,]+)? findings? \([^.]*\.", page.text())
    assert found is not None
    return found[0]


def test_two_hundred_rows_and_the_total_of_all(tmp_path: Path) -> None:
    page = opened(runs.large(1_000), tmp_path)
    assert total(page) == (
        "1,000 findings (200 critical, 200 high, 200 medium, 200 low, 200 info),"
        " 1,999 occurrences, in 3 stores."
    )
    table = page.text()[page.text().index("Findings, one for each distinct value") :]
    table = table[: table.index("Previous 1 to 200 of 1,000 Next")]
    assert table.count("Confirmed") + table.count("Possible") == 200


def test_filter_and_order_come_from_the_hash(tmp_path: Path) -> None:
    fragment = "findings?severity=critical.high&q=file-00001&certainty=confirmed&sort=-count"
    page = opened(runs.large(1_000), tmp_path, fragment)
    wanted = [
        f
        for f in runs.large(1_000).findings
        if f.severity in {"critical", "high"} and "file-00001" in f.unit and f.confidence >= 0.8
    ]
    assert wanted
    assert total(page).startswith(f"{len(wanted)} of 1,000 findings")
    sorts = [th["aria-sort"] for th in page.all("th") if "aria-sort" in th]
    assert sorts == ["descending"]


def test_hostile_names_run_nothing(tmp_path: Path) -> None:
    page = opened(runs.hostile(), tmp_path)
    assert "<script>alert(1)</script>" in page.text()
    assert len(page.all("script")) == 2
    assert not page.all("img")


def test_the_script_draws_what_the_page_says_without_it(tmp_path: Path) -> None:
    run = runs.sample()
    static, scripted = draw(REPORT, run), dumped(run, tmp_path)
    for table, many in (("findings-table", 25), ("not-read-table", 6)):
        said = rows(static, table)
        assert len(said) == many
        assert rows(scripted, table)[:many] == said
