"""cardtrail.toml: what is right loads, what is wrong is named with what was expected."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path

import pytest

from scanner import config
from scanner.errors import ConfigError
from scanner.model import Severity
from scanner.starter import STARTER


def load(tmp_path: Path, text: str, name: str = "cardtrail.toml") -> config.Settings:
    path = tmp_path / name
    path.write_text(text)
    return config.load(path)


def test_the_starter_is_valid_and_so_are_its_comments(tmp_path: Path) -> None:
    settings = load(tmp_path, STARTER)
    assert settings.profile == "card" and settings.fail_on is Severity.HIGH
    assert settings.store[0].uri == "." and settings.store[0].expected is False
    uncommented = "\n".join(
        line[2:] if line.startswith("# ") and ("=" in line or "[[" in line) else line
        for line in STARTER.splitlines()
        if not line.startswith(("# What", "# Paths", "# ordinary", "# Make", "# A stable"))
    )
    assert len(tomllib.loads(uncommented)["store"]) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("jbos = 2", r'jbos: expected one of .*did you mean "jobs"'),
        ("[[store]]\nenvironment='x'", r"store\[0\].uri: expected a value: this key is required"),
        ("[[store]]\nuri=3", r"store\[0\].uri: expected text, in quotes, found a whole number"),
        ("fail_on = 'bad'", r"fail_on: expected one of critical, high, medium, low, info"),
        ("profile = 'everything'", r"profile: expected one of card, full, found 'everything'"),
        ("jobs = 0", r"jobs: expected 1 or more, found 0"),
        ("jobs = 'two'", r"jobs: expected a whole number, without quotes, found text"),
        ("jobs = 2.5", r"jobs: expected a whole number, without quotes, found a number with a po"),
        ("[limits]\nseconds = '9'", r"limits.seconds: expected a number, without quotes, found te"),
        ("names = 1", r"names: expected true or false, without quotes, found a whole number"),
        ("exclude = 'x'", r"exclude: expected a list, found text"),
        ("[limits]\ndept = 1", r'limits.dept: .*did you mean "depth"'),
        ("[limits]\nmemory = 5", r"limits.memory: expected 1,048,576 or more, found 5"),
        ("min_confidence = 1.5", r"min_confidence: expected a probability from 0 to 1"),
        ("store = 3", r"store: expected a list of tables, written \[\[store\]\]"),
        ("store = [3]", r"store\[0\]: expected a table, found a whole number"),
        ("key = 'secret'", r"key: expected a table"),
        ("= nonsense", r"expected TOML, found .*line 1"),
        ("[[evidence]]\nuri='x'", r"evidence\[0\].kind: expected a value"),
    ],
)
def test_errors_name_file_key_and_what_was_expected(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path / "cardtrail.toml"))


def test_options_of_a_kind_are_checked_against_what_it_declares() -> None:
    known = {"region": str, "port": int}
    config.check_options({"region": "eu", "port": 1}, known, "f", "store[0]")
    with pytest.raises(ConfigError, match=r'store\[0\].regoin: .*did you mean "region"'):
        config.check_options({"regoin": "eu"}, known, "f", "store[0]")
    for wrong, said in (
        ({"region": 3}, "expected text, in quotes, found a whole number"),
        ({"region": date(2026, 3, 1)}, "found a date: put it in quotes"),
        ({"port": True}, "expected a whole number, without quotes, found true or false"),
        ({"port": "80"}, "expected a whole number, without quotes, found text"),
    ):
        with pytest.raises(ConfigError, match=said):
            config.check_options(wrong, known, "f", "store[0]")


def test_nearest_file_wins_and_pyproject_counts_when_it_has_our_table(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert config.find(inner) is None or not config.find(inner).is_relative_to(tmp_path)  # type: ignore[union-attr]  # just asked
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.other]\nx=1\n")
    (tmp_path / "cardtrail.toml").write_text("jobs = 1")
    assert config.find(inner) == tmp_path / "cardtrail.toml"
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.cardtrail]\njobs = 7\n")
    found = config.find(inner)
    assert found == tmp_path / "a" / "pyproject.toml"
    assert config.load(found).jobs == 7


def test_digest_tells_settings_apart_but_not_machines() -> None:
    one, two = config.Settings(), config.Settings(jobs=9, ledger="/x")
    two.key.file = "/secret"
    assert one.digest() == two.digest()
    assert one.digest() != config.Settings(min_confidence=0.5).digest()


def test_schema_describes_every_key() -> None:
    properties = config.json_schema()["$defs"]["Settings"]["properties"]
    assert set(properties) == set(config.Settings.__struct_fields__)
