"""The made-up company end to end: what was planted is what is found, and who read it is known."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import s3_server
from tests.conftest import ROOT, Cardtrail, Planted

sys.path.insert(0, str(ROOT / "tools"))

import northlight

pytestmark = pytest.mark.xdist_group("demo")


@pytest.fixture
def scanned(cardtrail: Cardtrail, planted: Planted) -> tuple[Any, northlight.Truth, Path]:
    import boto3

    truth, today = northlight.Truth(), northlight.today()
    data = planted.allow(cardtrail.cwd / "data")
    northlight.fill_logs(data / "logs", today, truth)
    northlight.fill_payments(data / "payments.db", truth)
    northlight.save_identities(cardtrail.cwd / "iam.json")
    (cardtrail.cwd / "cardtrail.toml").write_text(northlight.CONFIG)
    with s3_server.environment() as endpoint:
        session = boto3.Session("testing", "testing", region_name="us-east-1")
        clients = [session.client(name, endpoint_url=endpoint) for name in ("s3", "cloudtrail")]
        northlight.fill_buckets(*clients, today, truth)
    planted.pans += [pan for pans in truth.pans.values() for pan in pans]
    result = cardtrail(
        "scan",
        "-o",
        "run.json",
        "-o",
        "r.html",
        env={"CARDTRAIL_JOBS": "", **s3_server.variables()},
    )
    assert result.code == 1, result.err
    return json.loads((cardtrail.cwd / "run.json").read_text()), truth, cardtrail.cwd


def test_the_company(scanned: tuple[Any, northlight.Truth, Path]) -> None:
    """One scan, for it takes its time: what was found, and what protects it and who read it."""
    run, truth, _ = scanned
    check_findings(run, truth)
    check_protection_and_access(run, truth)


def check_findings(run: Any, truth: northlight.Truth) -> None:
    stores = {store["uri"].rpartition("/")[2]: store for store in run["stores"]}
    for name, store in stores.items():
        assert store["distinct_pans"] == len(truth.pans.get(name, ())), name
    confirmed = [
        f for f in run["findings"] if f["state"] in ("clear", "encoded") and f["confidence"] >= 0.8
    ]
    masks = sorted(f"{p[:6]}{'*' * (len(p) - 10)}{p[-4:]}" for s in truth.pans.values() for p in s)
    assert sorted(f["masked"] for f in confirmed if f["entity"] == "CREDIT_CARD") == masks
    possible = [
        f for f in run["findings"] if f["state"] in ("clear", "encoded") and f["confidence"] < 0.8
    ]
    assert possible == [], "order ids and masked numbers are not cards"
    assert len([f for f in run["findings"] if f["state"] == "test"]) == 3
    assert run["run"]["status"] == "complete"

    verdicts = {name: store["verdict"] for name, store in stores.items()}
    assert verdicts == {
        northlight.EXPORTS: "unprotected",
        northlight.ARCHIVE: "unprotected",
        northlight.ASSETS: "no-card-data",
        "payments.db": "unprotected",
        "logs": "unprotected",
    }


def check_protection_and_access(run: Any, truth: northlight.Truth) -> None:
    stores = {store["uri"].rpartition("/")[2]: store for store in run["stores"]}

    def fact(store: str, control: str) -> str:
        return next(f["state"] for f in stores[store]["protection"] if f["control"] == control)

    assert fact(northlight.EXPORTS, "public-access") == "yes"
    assert fact(northlight.ARCHIVE, "public-access") == "no"
    assert fact(northlight.ARCHIVE, "default-encryption") == "yes"
    assert fact(northlight.ARCHIVE, "versioning") == "yes"

    for bucket in (northlight.EXPORTS, northlight.ARCHIVE):
        access = stores[bucket]["access"]
        wanted = sum(n for (name, _), n in truth.reads.items() if name == bucket)
        assert access["answer"] == "read"
        assert access["did_read"]["reads"] == wanted
        assert access["did_read"]["principals"] == len(
            [principal for name, principal in truth.reads if name == bucket]
        )
    anonymous = [
        flag["rule"]
        for reader in stores[northlight.EXPORTS]["access"]["did_read"]["list"]
        for flag in reader["flags"]
    ]
    assert "anonymous" in anonymous
    for reader in stores[northlight.ARCHIVE]["access"]["did_read"]["list"]:
        assert reader["card_reads"] == reader["reads"]
    could = stores[northlight.ARCHIVE]["access"]["could_read"]
    assert could["principals"] == len(could["list"]) == 7  # four of support, two roles, root
    assert could["detail"] == ""
    uses = {
        each["principal"].rpartition("/")[2]: each["relation"]
        for each in stores[northlight.ARCHIVE]["access"]["together"]
    }
    whole = stores[northlight.ARCHIVE]["access"]["evidence"][0]["coverage"] == "complete"
    assert uses["settlement-batch"] == "did"
    assert uses["settlement-2019"] == uses["ben"] == ("never" if whole else "untold")
    for store in (northlight.ASSETS, "payments.db", "logs"):
        access = stores[store]["access"]
        assert access["answer"] == "cannot-tell"
        assert access["did_read"]["reads"] is None
