"""The commands around a scan."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from scanner.config import Settings
from tests.conftest import ROOT, Cardtrail, Planted


@pytest.fixture
def store(planted: Planted, cardtrail: Cardtrail) -> Path:
    store = planted.allow(cardtrail.cwd / "logs")
    store.mkdir()
    (store / "a.log").write_text(f"card={planted.pan()}\n")
    return store


def test_init_plan_scan_runs_report_as_a_newcomer_would(cardtrail: Cardtrail, store: Path) -> None:
    made = cardtrail("init")
    assert made.code == 0 and "cardtrail plan" in made.err
    again = cardtrail("init")
    assert again.code == 2 and "exists" in again.err
    planned = cardtrail("plan")
    assert planned.code == 0 and "2 units" in planned.out and "file://" in planned.out
    scanned = cardtrail("scan", env={"CARDTRAIL_JOBS": ""})
    assert scanned.code == 1
    assert "logs/a.log:1:6" in scanned.out
    listed = cardtrail("runs")
    assert len(listed.out.splitlines()) == 2 and "complete" in listed.out
    run = listed.out.splitlines()[1].split()[0]
    for name in (run, run[:-3], "last"):
        assert cardtrail("report", name).out == scanned.out
    wrong = cardtrail("report", "nope")
    assert wrong.code == 2 and "cardtrail runs" in wrong.err


def test_plan_reads_no_content_and_leaves_nothing_behind(
    cardtrail: Cardtrail, store: Path, home: Path
) -> None:
    (store / "b.bin").write_bytes(b"x" * 1000)
    os.mkfifo(store / "fifo")
    result = cardtrail("plan", store, "--json")
    (plan,) = json.loads(result.out)
    assert (plan["units"], plan["problems"]) == (2, {"not-a-regular-file": 1})
    assert plan["bytes"] > 1000 and plan["largest"] == 1000
    assert result.code == 3
    assert not list(home.rglob("*.db"))
    assert cardtrail("plan", store, "--exclude", "*").code == 5


def test_key_is_written_once_and_private(cardtrail: Cardtrail) -> None:
    assert cardtrail("key", "k").code == 0
    assert stat.S_IMODE((cardtrail.cwd / "k").stat().st_mode) == 0o600
    assert cardtrail("key", "k").code == 2


def test_schemas_are_json_schema(cardtrail: Cardtrail) -> None:
    run = json.loads(cardtrail("schema").out)
    assert run["$schema"].endswith("2020-12/schema") and "findings" in run["properties"]
    assert "Settings" in json.loads(cardtrail("schema", "--config").out)["$defs"]


def test_config_is_found_from_below_and_paths_count_from_its_folder(
    cardtrail: Cardtrail, store: Path
) -> None:
    (cardtrail.cwd / "cardtrail.toml").write_text('[[store]]\nuri = "logs"\nenvironment = "uat"\n')
    below = cardtrail.cwd / "deep" / "er"
    below.mkdir(parents=True)
    cardtrail.cwd = below
    result = cardtrail("scan", "-f", "json")
    run = json.loads(result.out)
    assert result.code == 1
    assert run["stores"][0]["uri"].endswith("/logs")
    assert run["findings"][0]["severity"] == "critical"  # a live PAN in pre-production
    assert "6.5.5" in run["findings"][0]["requirements"]


def test_flags_over_environment_over_file(cardtrail: Cardtrail, store: Path) -> None:
    (cardtrail.cwd / "cardtrail.toml").write_text('fail_on = "critical"\n')
    assert cardtrail("scan", store).code == 0
    high = {"CARDTRAIL_FAIL_ON": "high"}
    assert cardtrail("scan", store, env=high).code == 1
    assert cardtrail("scan", store, "--fail-on", "critical", env=high).code == 0


def test_a_target_that_the_config_describes_keeps_its_description(
    cardtrail: Cardtrail, store: Path
) -> None:
    (cardtrail.cwd / "cardtrail.toml").write_text('[[store]]\nuri = "logs"\nowner = "ops"\n')
    run = json.loads(cardtrail("scan", "logs", "-f", "json").out)
    assert run["stores"][0]["owner"] == "ops"


def test_config_errors_name_file_key_and_expectation(cardtrail: Cardtrail) -> None:
    (cardtrail.cwd / "cardtrail.toml").write_text('[[store]]\nuri = "logs"\nregoin = "eu"\n')
    (cardtrail.cwd / "logs").mkdir()
    result = cardtrail("scan")
    assert result.code == 2
    assert "cardtrail.toml: store[0].regoin: expected" in result.err


def test_trend_shows_earlier_runs_over_the_same_targets(cardtrail: Cardtrail, store: Path) -> None:
    for _ in range(3):
        cardtrail("scan", store, "-q")
    run = json.loads(cardtrail("report", "last", "-f", "json").out)
    assert len(run["earlier"]) == 2


def test_a_broken_pipe_is_quiet(cardtrail: Cardtrail, store: Path) -> None:
    command = " ".join(cardtrail.command("scan", store, "-f", "json"))
    done = subprocess.run(
        ["sh", "-c", f"{command} | true"],
        cwd=cardtrail.cwd,
        env=cardtrail.env(),
        capture_output=True,
        check=False,
    )
    assert done.stderr == b""


def test_version_and_bare_command() -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "scanner", *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    assert run("--version").stdout.startswith("cardtrail ")
    bare = run()
    assert "scan" in bare.stdout + bare.stderr and "Traceback" not in bare.stderr
    assert "Exit status" in run("--help").stdout


def test_an_unforeseen_error_shows_its_type_only(
    cardtrail: Cardtrail, store: Path, planted: Planted
) -> None:
    pan = planted.pan()
    breaker = (
        "import sys\nfrom scanner import cli, commands\n"
        f"def broken(*a): raise RuntimeError({pan!r})\n"
        "commands.scan = broken\nsys.argv = ['cardtrail', 'scan', '.']\ncli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", breaker],
        cwd=cardtrail.cwd,
        env=cardtrail.env(),
        capture_output=True,
        text=True,
        check=False,
    )
    planted.check(done.stdout + done.stderr, "an internal error")
    assert done.returncode == 70 and "RuntimeError" in done.stderr


def test_outputs_are_whole_or_not_there(cardtrail: Cardtrail, store: Path) -> None:
    target = cardtrail.cwd / "out"
    target.mkdir()
    (target / "r.json").mkdir()  # a folder where the report should go
    result = cardtrail("scan", store, "-o", "out/r.json")
    assert result.code == 2 and "--output" in result.err
    assert [path.name for path in target.iterdir()] == ["r.json"]
    assert cardtrail("scan", store, "-o", "out/s.json").code == 1
    assert stat.S_IMODE((target / "s.json").stat().st_mode) == 0o600


def test_progress_line_says_rate_and_time_left() -> None:
    from scanner.progress import Progress

    progress = Progress()
    progress.read(2 << 20)
    progress.total = 6 << 20
    assert progress.line(2.0) == "cardtrail: 0 units, 2.0 MiB read, 1.0 MiB/s, 4 s left"


def test_defaults_need_no_file() -> None:
    assert Settings().profile == "card"


def test_access_and_incident_answer_from_the_ledger(cardtrail: Cardtrail, store: Path) -> None:
    cardtrail("scan", store, "-q")
    told = cardtrail("access")
    assert told.code == 0 and "cannot tell" in told.out and str(store) in told.out
    (answer,) = json.loads(cardtrail("access", "--json", "--store", "logs").out)["stores"]
    assert answer["answer"] == "cannot-tell"
    page = cardtrail("access", "incident", "logs")
    assert "12.10.7" in page.out and "1 distinct card number" in page.out
    asked = json.loads(cardtrail("access", "incident", "logs", "--json").out)
    assert asked["schema"] == "cardtrail.incident/1" and len(asked["questions"]) >= 6
    for wrong in (["--store", "nowhere"], ["--since", "soon"], ["incident", "nowhere"]):
        result = cardtrail("access", *wrong)
        assert result.code == 2 and "expected" in result.err
