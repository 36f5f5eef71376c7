"""Paths of a configuration count from its folder, in whatever folder the command runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from scanner import config, paths, registry
from tests.conftest import Cardtrail


def test_every_option_that_names_a_file_is_one_of_them() -> None:
    """A new option of a store or of evidence is to be a path on purpose, or on purpose none."""
    no_paths = {"read_default_file", "profile", "password_env", "password_secret"}
    named = {
        option
        for kinds in (registry.stores(), registry.evidence())
        for kind in kinds.values()
        for option in kind.options
        if option.endswith(("_file", "_ca", "_keys", "selectors", "identities", "scps"))
    }
    assert named - no_paths <= {*paths.STORE_OPTIONS, *paths.EVIDENCE_OPTIONS}


def test_each_counts_from_the_folder_of_the_configuration(tmp_path: Path) -> None:
    settings = config.parse(
        {
            "recognisers": "own.yaml",
            "key": {"file": "~/key"},
            "snooping": {"watch": "w.txt", "tickets": "/t.csv"},
            "store": [
                {"uri": "sqlite:///a.db"},
                {"uri": "duckdb:///sub/a.duckdb"},
                {"uri": "duckdb:////a.duckdb"},
                {"uri": "mysql://db/x", "ssl_ca": "ca.pem", "password_file": "../p"},
                {"uri": "s3://pay/x", "identities": "auth.json", "scps": "scps/"},
            ],
            "evidence": [
                {"kind": "cloudtrail", "uri": "trail/", "selectors": "s.json", "public_keys": "k"},
                {"kind": "pattern", "uri": "s3://logs/", "store": "files"},
                {"kind": "cloudtrail", "resources": {"arn:x": "sqlite:///a.db", "arn:y": 3}},
            ],
        },
        "cardtrail.toml",
    )
    for _ in range(2):  # the second time nothing is left to do
        paths.anchor(settings, tmp_path)
    assert settings.recognisers == f"{tmp_path}/own.yaml"
    assert settings.key.file == str(Path.home() / "key")
    assert settings.snooping is not None
    assert (settings.snooping.watch, settings.snooping.tickets) == (f"{tmp_path}/w.txt", "/t.csv")
    assert [store.uri for store in settings.store] == [
        *(f"sqlite:///{tmp_path}/a.db", f"duckdb:///{tmp_path}/sub/a.duckdb"),
        *("duckdb:////a.duckdb", "mysql://db/x", "s3://pay/x"),
    ]
    mysql, s3 = (store.options for store in settings.store[3:])
    assert mysql == {"ssl_ca": f"{tmp_path}/ca.pem", "password_file": f"{tmp_path.parent}/p"}
    assert s3 == {"identities": f"{tmp_path}/auth.json", "scps": f"{tmp_path}/scps"}
    trail, log, other = (evidence.options for evidence in settings.evidence)
    assert trail == {
        "uri": f"{tmp_path}/trail",
        "selectors": f"{tmp_path}/s.json",
        "public_keys": f"{tmp_path}/k",
    }
    assert log == {"uri": "s3://logs/", "store": f"{tmp_path}/files"}
    assert other["resources"] == {"arn:x": f"sqlite:///{tmp_path}/a.db", "arn:y": 3}


def test_cron_names_the_configuration_from_elsewhere(cardtrail: Cardtrail) -> None:
    """All of it is found; half a second."""
    etc = cardtrail.cwd.parent / "etc"
    for folder in ("logs", "store"):
        (etc / folder).mkdir(parents=True)
    (etc / "store/a.txt").write_text("nothing")
    (etc / "logs/app.log").write_text("t=2026-03-01T00:00:00Z p=bob o=a.txt\n")
    (etc / "watch.txt").write_text("a.txt\n")
    (etc / "tickets.csv").write_text("principal,subject,from,to\nbob,*,2026-01-01,2026-01-02\n")
    (etc / "cardtrail.toml").write_text(
        'key = { file = "key" }\nsnooping = { watch = "watch.txt", tickets = "tickets.csv" }\n'
        '[[store]]\nuri = "store"\n[[evidence]]\nkind = "pattern"\nuri = "logs"\n'
        'store = "store"\nformat = "t={time} p={principal} o={object}"\n'
    )
    assert cardtrail("key", "../etc/key").code == 0
    done = cardtrail("scan", "-q", "-c", "../etc/cardtrail.toml", "-o", "run.json")
    assert done.code == 0, done.err
    (store,) = json.loads((cardtrail.cwd / "run.json").read_text())["stores"]
    (evidence,) = store["access"]["evidence"]
    assert "1 lie outside it" in evidence["detail"]  # the line was read


_PATTERN = 'kind = "pattern"\nstore = "."\nformat = "{time} {principal}"\n'
_NOWHERE = r"evidence\[0\].uri: expected where the logs lie: a path, s3://BUCKET/PREFIX or cloudw"


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('kind = "cloudtrail"', f"{_NOWHERE}.*, found none"),
        ('kind = "cloudtrail"\nuri = ""', f"{_NOWHERE}.*, found none"),
        (f'{_PATTERN}uri = "ftp://x/y"', f"{_NOWHERE}.*, found ftp://x/y"),
        ('kind = "server-audit"\nuri = "cloudwatch://x"', _NOWHERE),
        (f'{_PATTERN}uri = "."\ntime = "%Q"', r"time: expected iso, epoch, or a form with year, "),
        (
            f'{_PATTERN}uri = "."\ntime = "%b %d %H:%M"',
            r"time: expected iso, epoch, or a fo",
        ),
        (f'{_PATTERN}uri = "."\ntime = "%Y-%m-%d %d"', r"time: expected iso, epoch, or a fo"),
        (f'{_PATTERN}uri = "."\ndone = []', r"done: expected at least one value.* found none"),
        (
            'kind = "cloudtrail"\nuri = "."\nselectors = "none.json"',
            r"evidence\[0\].selectors: expected a file that is there, found .*/none.json",
        ),
        (
            'kind = "s3-access-logs"\nuri = "."\naccount = "12"',
            r"account: expected an AWS account: 12 digits, in quotes, found 12",
        ),
    ],
)
def test_what_cannot_be_right_is_refused_before_any_work(
    cardtrail: Cardtrail, table: str, said: str
) -> None:
    """An [[evidence]] without its logs ended in exit status 0 and an answer of nothing."""
    config = f'[[store]]\nuri = "."\n[[evidence]]\n{table}\n'
    (cardtrail.cwd / "cardtrail.toml").write_text(config)
    done = cardtrail("scan", "-q")
    assert done.code == 2 and re.search(said, done.err), done.err
