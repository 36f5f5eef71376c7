"""A table of real life, with each sort of column: what the run document says of each, from CSV,
SQLite and JSON lines; and that no value comes out anywhere."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from reports.schema import schema
from tests.conftest import Cardtrail, Planted

ROWS = 120
COLUMNS = (
    "id", "customer_name", "email", "card_number", "exp", "cvv", "masked_pan", "pan_hash",
    "card_token", "card_alias", "card_enc", "order_id", "note",
)  # fmt: skip


def table(planted: Planted) -> list[tuple[Any, ...]]:
    rng = random.Random(7)
    rows = []
    for number in range(ROWS):
        pan = planted.pan()
        # a column that keeps the format of a card number: check digits as chance would have it
        alias = f"4{rng.randrange(10**15):015d}"
        rows.append(
            (
                number + 1,
                f"{rng.choice(('Ann', 'Bob', 'Eve'))} {rng.choice(('Roe', 'Doe', 'Lee'))}",
                f"secretive.person{number}@mail{number % 7}.org",
                pan,
                f"{number % 12 + 1:02}/29",
                f"{rng.randrange(1000):03}",
                f"{pan[:6]}******{pan[-4:]}",
                hashlib.sha256(pan.encode()).hexdigest(),
                f"tok_{rng.getrandbits(64):016x}",
                alias,
                base64.b64encode(rng.randbytes(48)).decode(),
                f"7{rng.randrange(10**15):015d}",
                "call back" if number % 40 else f"card is {pan}",
            )
        )
    return rows


def written(kind: str, folder: Path, rows: list[tuple[Any, ...]]) -> Path:
    folder.mkdir()
    if kind == "csv":
        with (folder / "cards.csv").open("w", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *rows])
    elif kind == "jsonl":
        lines = (json.dumps(dict(zip(COLUMNS, row, strict=True))) for row in rows)
        (folder / "cards.jsonl").write_text("\n".join(lines) + "\n")
    else:
        with sqlite3.connect(folder / "cards.db") as db:
            db.execute(f"CREATE TABLE cards ({', '.join(COLUMNS)}, PRIMARY KEY (id))")
            marks = ", ".join("?" * len(COLUMNS))
            db.executemany(f"INSERT INTO cards VALUES ({marks})", rows)
        db.close()
    return folder


def fields(run: Any) -> dict[str, Any]:
    (store,) = run["stores"]
    return {each["name"]: each for each in store["fields"]}


def ledgers(home: Path) -> Iterator[bytes]:
    for path in home.rglob("*"):
        if path.is_file():
            yield path.read_bytes()


@pytest.mark.parametrize("kind", ["csv", "sqlite", "jsonl"])
def test_a_table_with_each_sort_of_column(
    cardtrail: Cardtrail, planted: Planted, home: Path, tmp_path: Path, kind: str
) -> None:
    rows = table(planted)
    folder = written(kind, planted.allow(tmp_path / "store"), rows)
    page, out = tmp_path / "run.html", tmp_path / "run.json"
    result = cardtrail("scan", folder, "--profile", "full", "-o", page, "-o", out)
    assert result.code == 1, result.err
    run = json.loads(out.read_text())
    jsonschema.validate(run, schema())
    told = fields(run)

    pan = told["card_number"]
    assert pan["kind"] == "clear-pans" and pan["severity"] == "high"
    assert pan["contents"][0]["distinct"] == ROWS and pan["contents"][0]["share"] == 1.0
    one = "lines" if kind == "jsonl" else "rows"
    assert pan["sentence"] == f"clear PANs, {ROWS} distinct in {ROWS} {one}"
    assert pan["rows"] == ROWS and pan["requirements"] == ["3.5.1"]
    assert told["cvv"]["kind"] == "sad" and told["cvv"]["severity"] == "critical"
    assert told["email"]["contents"][0]["entity"] == "EMAIL_ADDRESS"
    note = told["note"]["contents"][0]
    assert (note["entity"], note["count"], note["rows"]) == ("CREDIT_CARD", 3, ROWS)
    masked = told["masked_pan"]
    assert masked["kind"] == "truncated-pans" and "pan_hash" in masked["sentence"]
    hashed = told["pan_hash"]
    assert hashed["kind"] == "unkeyed-hashes" and "masked_pan" in hashed["sentence"]
    assert {"3.5.1.1", "3.5.1"} <= set(hashed["requirements"]) and hashed["severity"] == "high"
    if kind != "jsonl":  # cells are looked at in tables
        assert told["card_token"]["kind"] == "tokens"
        assert told["card_alias"]["kind"] in ("tokens", "possible")
        assert "chance" in told["card_alias"]["sentence"]
        assert told["card_enc"]["kind"] == "ciphertext"
    assert "order_id" not in told and "id" not in told

    beside = run["stores"][0]["beside_cards"]
    kinds = {each["entity"]: each["records"] for each in beside["kinds"]}
    assert beside["records"] == ROWS
    assert beside["per"] == {"object" if kind == "jsonl" else "row": ROWS}
    for entity in ("EXPIRY_DATE", "PERSON", "CVV", "EMAIL_ADDRESS"):
        assert kinds[entity] == ROWS, entity
    (together,) = [f for f in run["findings"] if f["entity"] == "PAN_WITH_SAD"]
    assert together["count"] == ROWS
    assert together["distinct"] == ROWS or (kind == "jsonl" and together["distinct"] < ROWS + 20)
    assert together["severity"] == "critical" and together["masked"] is None
    assert len(together["locations"]) == 15

    # names of holders are no findings here, and stand in none of the reports or the ledger
    secrets = [str(row[at]).encode() for row in rows for at in (1, 2, 7, 8)]
    kept = [page.read_bytes(), out.read_bytes(), *ledgers(home)]
    for blob in kept:
        assert not any(secret in blob for secret in secrets)
    assert b"Columns and keys" in kept[0] and b"Beside card numbers" in kept[0]


def test_keys_and_columns_that_are_personal_data_are_sealed(
    cardtrail: Cardtrail, planted: Planted, home: Path, tmp_path: Path
) -> None:
    folder = planted.allow(tmp_path / "store")
    folder.mkdir(exist_ok=True)
    keys = ["jane.roe@cardtrail.org", "308-63-0237", "GB82WEST12345698765432", "plain"]
    pans = [planted.pan() for _ in keys]
    document = {
        key: {"card": pan, key: pan, "ip": key} for key, pan in zip(keys, pans, strict=True)
    }
    (folder / "a.json").write_text(json.dumps(document, indent=1))
    (folder / "b.jsonl").write_text("".join(json.dumps({key: pans[0]}) + "\n" for key in keys))
    (folder / "c.csv").write_text(",".join(keys) + "\n" + f"{','.join(pans)}\n" * 3)
    page, out = tmp_path / "run.html", tmp_path / "run.json"
    table = tmp_path / "run.csv"
    result = cardtrail("scan", folder, "--profile", "full", "-o", page, "-o", out, "-o", table)
    assert result.code == 1, result.err
    where = [w for f in json.loads(out.read_text())["findings"] for w in f["locations"]]
    named = {str(w.get("field")) for w in where}
    assert any("plain" in name for name in named) and any("~" in name for name in named)
    for blob in (page.read_bytes(), out.read_bytes(), table.read_bytes(), *ledgers(home)):
        for key in keys[:-1]:
            assert key.encode() not in blob, key


def test_keys_of_a_log_are_named_and_the_record_is_the_line(
    cardtrail: Cardtrail, planted: Planted, tmp_path: Path
) -> None:
    store = planted.allow(tmp_path / "store")
    store.mkdir()
    lines = [f"12:00:{i:02} INFO pay pan={planted.pan()} exp=12/29 ok\n" for i in range(30)]
    lines += ["12:01:00 INFO nothing here\n"] * 70
    (store / "app.log").write_text("".join(lines))
    result = cardtrail("scan", store, "-f", "json")
    run = json.loads(result.out)
    pan = fields(run)["pan"]
    assert pan["structure"] == "key" and pan["sentence"] == "clear PANs, 30 distinct in 30 places"
    assert pan["rows"] is None and pan["contents"][0]["share"] is None
    beside = run["stores"][0]["beside_cards"]
    assert beside["per"] == {"line": 30}
    assert beside["kinds"] == [
        {"entity": "EXPIRY_DATE", "records": 30, "at_least": False, "units": 1}
    ]


def test_whole_columns_of_cards_under_names_of_ids_are_cards(
    cardtrail: Cardtrail, planted: Planted, tmp_path: Path
) -> None:
    """Of ids one in ten has a good check digit; where all have, the name is wrong. Counts and
    verdicts stay whole also beyond the values that are listed one by one."""
    rng, names = random.Random(3), ("ts", "ref", "order_id", "hash", "created_at")
    folder = planted.allow(tmp_path / "store")
    folder.mkdir()
    with (folder / "events.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow([*names, "trace"])
        for _ in range(240):
            out.writerow([*(planted.pan() for _ in names), f"4{rng.randrange(10**15):015d}"])
    assert cardtrail("scan", folder, "-j", "1", "-o", "run.json").code == 1
    (store,) = json.loads((cardtrail.cwd / "run.json").read_text())["stores"]
    assert store["distinct_pans"] == 240 * len(names)
    assert {field["name"]: field["sentence"] for field in store["fields"]} == dict.fromkeys(
        names, "clear PANs, 240 distinct in 240 rows"
    )


def test_slices_and_workers_give_the_same_verdicts(
    cardtrail: Cardtrail, planted: Planted, tmp_path: Path
) -> None:
    folder = planted.allow(tmp_path / "store")
    folder.mkdir()
    with (folder / "big.csv").open("w") as file:
        file.write("id,card_number,filler\n")
        for number in range(6_000):
            pan = planted.pan() if number % 500 == 0 else "-"
            file.write(f"{number},{pan},{'x' * 500}\n")
    told = []
    for name, more in (("a", ()), ("b", ("--jobs", "2"))):
        config = tmp_path / f"{name}.toml"
        config.write_text("" if name == "a" else "[limits]\nslice = 1048576\n")
        result = cardtrail("scan", folder, "-f", "json", "-c", config, *more)
        assert result.out, result.err
        run = json.loads(result.out)
        told.append((run["stores"][0]["fields"], run["stores"][0]["beside_cards"]))
    assert told[0] == told[1]
    assert told[0][0][0]["sentence"] == "clear PANs, 12 distinct in 12 of 6,000 rows (0.2 %)"


@pytest.mark.parametrize("keyed", [False, True])
def test_a_hash_is_undone_by_first_and_last_digits_in_two_other_columns(
    cardtrail: Cardtrail, planted: Planted, tmp_path: Path, keyed: bool
) -> None:
    store = planted.allow(tmp_path / "store")
    store.mkdir()
    salt = b"secret" if keyed else b""
    with (store / "vault.csv").open("w") as file:
        file.write("id,bin,last4,pan_ref\n")
        for number in range(20):
            pan = planted.pan()
            digest = hashlib.sha256(salt + pan.encode()).hexdigest()
            file.write(f"{number},{pan[:6]},{pan[-4:]},{digest}\n")
    result = cardtrail("scan", store, "-f", "json")
    run = json.loads(result.out)
    told, found = fields(run), [f for f in run["findings"] if f["entity"] == "PAN_HASH"]
    if keyed:
        assert found == [] and told["pan_ref"]["kind"] == "hashes"
        assert "cannot be seen" in told["pan_ref"]["sentence"]
        assert "bin, last4" in told["pan_ref"]["sentence"]
        return
    assert result.code == 1 and run["stores"][0]["verdict"] == "unprotected"
    assert told["pan_ref"]["kind"] == "unkeyed-hashes" and told["pan_ref"]["severity"] == "high"
    assert told["pan_ref"]["requirements"] == ["3.5.1.1", "3.5.1"]
    assert "sha256 with bin and last4" in told["pan_ref"]["sentence"]
    assert found[0]["location"]["field"] == "pan_ref" and found[0]["severity"] == "high"
