"""What the user says of personal data: regions, patterns, Presidio's YAML, names. On the command
line and in cardtrail.toml, with an error that says what to do where it cannot be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import detectors
from detectors import pii, pii_nlp
from detectors.pii_settings import PiiSettings
from detectors.pii_settings import configure as tell
from scanner import personal, recognisers
from scanner.config import PatternTable, Settings
from scanner.errors import ConfigError, UsageError
from tests.conftest import Cardtrail

YAML = r"""
recognizers:
  - name: Zip code
    supported_language: de
    supported_entity: ZIP
    patterns:
      - {name: weak, regex: '(\b\d{5}(?:\-\d{4})?\b)', score: 0.01}
    context: [zip, code]
  - name: Projects
    supported_languages:
      - language: en
        context: [project]
      - de
    supported_entities: [PROJECT]
    deny_list: [Blue Heron, "Straße 7", C++]
    deny_list_score: 0.9
  - name: Staff of Britain
    supported_language: en
    supported_entity: STAFF
    country_code: uk
    patterns: [{name: id, regex: 'e-[0-9]{6}', score: 0.85}]
  - name: Not now
    enabled: false
    supported_entity: LATER
    deny_list: [never]
"""


@pytest.fixture
def default_settings() -> Any:
    yield
    tell(PiiSettings())


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "own.yaml"
    path.write_text(text)
    return path


def found(text: str) -> list[tuple[str, str, float]]:
    matches = detectors.find(text, using=[pii.DETECTOR], at_least=0.3)
    return [(m.entity, text[m.start : m.end], round(m.score, 2)) for m in matches]


def use(tables: list[PatternTable], **more: Any) -> None:
    settings = Settings(profile="full", pattern=tables, **more)
    personal.check(settings, "cardtrail.toml")
    personal.configure(settings)


def test_recognisers_of_presidio(tmp_path: Path, default_settings: Any) -> None:
    use(recognisers.load(written(tmp_path, YAML)))
    assert found("at 90210") == []
    assert found("zip 90210") == [("ZIP", "90210", 0.4)]
    assert found("the BLUE heron, my blueheron, Blue Herons; in straße 7, in C++.") == [
        ("PROJECT", "BLUE heron", 0.9),
        ("PROJECT", "straße 7", 0.9),
        ("PROJECT", "C++", 0.9),
    ]
    assert found("project Blue Heron") == [("PROJECT", "Blue Heron", 1.0)]
    assert found("E-123456 never") == [("STAFF", "E-123456", 0.85)]


def test_recognisers_of_a_country(tmp_path: Path, default_settings: Any) -> None:
    use(recognisers.load(written(tmp_path, YAML)), regions=["us"])
    assert found("E-123456") == []
    only = YAML + "supported_countries: [us]\n"
    assert "STAFF" not in {table.entity for table in recognisers.load(written(tmp_path, only))}


def test_the_same_as_presidio_itself(tmp_path: Path, default_settings: Any) -> None:
    """Values found by the engine's own reading of the file."""
    from presidio_analyzer import RecognizerRegistry

    path = written(tmp_path, YAML.replace("country_code: uk", "country_code: gb"))
    registry = RecognizerRegistry()
    text = "Blue Heron E-123456 blue heron's C++ (straße 7) 90210 90210-1234 x90210 e-1234567"
    registry.add_recognizers_from_yaml(
        written(tmp_path, YAML.split("  - name: Projects")[0])
    )  # the only one here that the short form of the library reads
    theirs = {
        (text[r.start : r.end]) for one in registry.recognizers for r in one.analyze(text, ["ZIP"])
    }
    path = written(tmp_path, YAML.replace("score: 0.01", "score: 0.4"))
    use(recognisers.load(path))
    assert {value for entity, value, _ in found(text) if entity == "ZIP"} == theirs
    assert len(theirs) == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("recognizers: [", r"own.yaml: line 1, column \d+: expected YAML"),
        ("- a", "own.yaml: expected a YAML file with the key recognizers"),
        ("recognizers: 3", "recognizers: expected a list of recognisers"),
        ("recognisers: []", r'recognisers: expected .*did you mean "recognizers"'),
        ("recognizers: [{name: x, paterns: []}]", r'paterns: .*did you mean "patterns"'),
        ("recognizers: [{name: x, patterns: 3}]", r"recognizers\[0\].patterns: expected a list"),
        ("recognizers: [{name: x, supported_entity: A1}]", r"\(x\): expected patterns or a deny"),
        ("recognizers: [{name: x, deny_list: [a]}]", "supported_entity: expected the name of one"),
        ("recognizers: [{name: UrlRecognizer, type: predefined}]", "expected custom: Presidio's"),
    ],
)
def test_a_file_that_cannot_be(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        recognisers.load(written(tmp_path, text))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.yaml: expected a readable file, found No such"):
        recognisers.load(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("regex", "told"),
    [
        (r"(?<=id )\d+", "look-behind: leave it out"),
        (r"\d+(?!x)", "look-ahead: leave it out"),
        (r"(a)\1", "backreferences"),
        (r"(?>a)b", "atomic"),
        (r"a++", "possessive"),
        (r"(", "missing"),
        (r"x*", "matches nothing"),
    ],
)
def test_a_pattern_re2_cannot_run(tmp_path: Path, regex: str, told: str) -> None:
    text = f"""
recognizers:
  - name: Mine
    supported_entity: MINE
    patterns:
      - {{name: one, regex: 'fine', score: 0.5}}
      - {{name: odd, regex: '{regex}', score: 0.5}}
"""
    tables = recognisers.load(written(tmp_path, text))
    with pytest.raises(ConfigError, match=told) as caught:
        personal.check(Settings(pattern=tables), "cardtrail.toml")
    assert "own.yaml: recognizers[0] (Mine).patterns[1] (odd): expected a pattern" in str(
        caught.value
    )


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (PatternTable("A1"), r"pattern\[0\] \(A1\): expected a pattern or a list of values"),
        (PatternTable("A1", "a", values=["b"]), "a pattern or a list"),
        (PatternTable("A1", values=[" "]), "values that are not empty"),
        (PatternTable("A1", "a", near=2), "a near from 0 to 1"),
        (PatternTable("A1", "a", score=0), "a score above 0, or words"),
    ],
)
def test_tables_that_cannot_be(table: PatternTable, told: str) -> None:
    with pytest.raises(ConfigError, match=f"^cardtrail.toml: .*{told}"):
        personal.check(Settings(pattern=[table]), "cardtrail.toml")


def test_regions_on_the_command_line() -> None:
    assert personal.region_list("us, UK,in,") == ["us", "gb", "in"]
    personal.check(Settings(regions=["us", "gb", "in"]), "command line")
    for wrong in ("xx", "US", "england"):
        with pytest.raises(ConfigError, match=f'command line: regions: .*found "{wrong}"'):
            personal.check(Settings(regions=[wrong]), "command line")


def test_names_without_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pii_nlp, "MODELS", ("no_such_model",))
    asked = Settings(profile="full", names=True)
    with pytest.raises(UsageError, match=r"pip install 'cardtrail\[names\]'"):
        personal.check(asked, "cardtrail.toml")
    personal.check(Settings(profile="card", names=True), "cardtrail.toml")


# --- the command


def test_the_profile_card_loads_none_of_it(tmp_path: Path) -> None:
    """0.6 s: a process of its own, as those of other tests have much loaded already."""
    store = tmp_path / "logs"
    store.mkdir()
    (store / "a.log").write_text("card 4539578763621486 mail ann@cardtrail.org ssn 308-63-0237\n")
    command = [sys.executable, "-X", "importtime", "-m", "scanner", "scan", str(store), "-j1"]
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    done = subprocess.run([*command, "-q"], capture_output=True, text=True, env=environment)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert done.returncode == 1, done.stderr[-500:]
    assert "detectors.panscan" in loaded
    heavy = {"presidio_analyzer", "detect_secrets", "spacy", "hyperscan", "re2"}
    assert not heavy & loaded


def config(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "cardtrail.toml"
    path.write_text(text)
    return path


@pytest.fixture
def letters(tmp_path: Path) -> Path:
    folder = tmp_path / "letters"
    folder.mkdir()
    (folder / "a.txt").write_text(
        "My name is Charlotte Becker and I live in Berlin.\nnino: AB123456C\nssn 308-63-0237\n"
        "project Blue Heron\n"
    )
    return folder


def run(cardtrail: Cardtrail, *words: object, code: int = 1) -> set[tuple[str, str]]:
    done = cardtrail("scan", *map(str, words), "--format", "json", "-j", "1")
    assert done.code == code, done.err
    return {(f["entity"], f["detector"]) for f in json.loads(done.out)["findings"]}


def test_a_scan(cardtrail: Cardtrail, letters: Path, tmp_path: Path) -> None:
    written(tmp_path, YAML)
    file = config(tmp_path, 'profile = "full"\nnames = true\nrecognisers = "own.yaml"\n')
    found = run(cardtrail, letters, "--config", file, "--fail-on", "low")
    assert {
        ("PERSON", "names"),
        ("LOCATION", "names"),
        ("UK_NINO", "pii"),
        ("US_SSN", "pii"),
    } < found
    assert ("PROJECT", "pii") in found
    less = run(cardtrail, letters, "-c", file, "--fail-on", "low", "--no-names", "--regions", "uk")
    assert {entity for entity, _ in less} == {"UK_NINO", "PROJECT"}


def test_mistakes(cardtrail: Cardtrail, letters: Path, tmp_path: Path) -> None:
    file = config(tmp_path, "names = true\n")
    done = cardtrail("scan", str(letters), "-c", str(file))
    assert done.code == 2 and 'names: expected profile "full" beside it' in done.err
    file = config(tmp_path, 'profile = "full"\nrecognisers = "none.yaml"\n')
    done = cardtrail("scan", str(letters), "-c", str(file))
    assert done.code == 2 and "none.yaml: expected a readable file" in done.err
    file = config(tmp_path, 'profile = "full"\n')
    done = cardtrail("scan", str(letters), "-c", str(file), "--regions", "xx")
    assert done.code == 2 and "regions: expected ISO 3166 codes" in done.err
    file = config(tmp_path, 'profile = "full"\n[[pattern]]\nentity = "A1"\npattern = "(a)\\\\1"\n')
    done = cardtrail("scan", str(letters), "-c", str(file), "-j", "2")
    assert (
        done.code == 2
        and "cardtrail.toml: pattern[0] (A1): expected a pattern in the syntax of RE2" in done.err
    )


def test_a_key_of_dense_values_says_at_least(cardtrail: Cardtrail, tmp_path: Path) -> None:
    """Beyond the first thousand values of a log it is not known which key they stand under."""
    folder = tmp_path / "logs"
    folder.mkdir()
    lines = (f"INFO user {n} ssn=308-{10 + n % 89}-{1000 + n} ok\n" for n in range(3000))
    (folder / "a.log").write_text("".join(lines))
    done = cardtrail("scan", str(folder), "--profile", "full", "--format", "json", "-j", "1")
    document = json.loads(done.out)
    (field,) = document["stores"][0]["fields"]
    (content,) = field["contents"]
    assert (field["name"], content["entity"]) == ("ssn", "US_SSN")
    assert 1000 <= content["count"] < 3000
    assert (content["complete"], content["distinct_exact"]) == (False, False)
    assert "at least" in field["sentence"] and "in at least" in field["sentence"]
    assert sum(found["count"] for found in document["findings"]) == 3000


def test_the_summary_says_what_lies_where_no_card_is(cardtrail: Cardtrail, letters: Path) -> None:
    done = cardtrail("scan", str(letters), "--profile", "full", "-j", "1", "--exit-zero")
    assert "NO CARD DATA" in done.out
    assert "In it: UK National Insurance number, US Social Security number" in " ".join(
        done.out.split()
    )
