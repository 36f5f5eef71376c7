"""The ordinary command over real stores, good and bad: one outcome each, and the exit status."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import socket
import sqlite3
import subprocess
import sys
import tarfile
import threading
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from reports.schema import schema
from tests.conftest import Cardtrail, Planted, Result


def document(cardtrail: Cardtrail, *arguments: str | Path, **more: Any) -> tuple[Result, Any]:
    result = cardtrail("scan", *arguments, "-f", "json", **more)
    run = json.loads(result.out) if result.out else None
    if run is not None:
        jsonschema.validate(run, schema())
        coverage = run["coverage"]
        parts = ("scanned", "sampled", "skipped", "failed")
        assert coverage["units"] == sum(coverage[part] for part in parts) == len(run["outcomes"])
    return result, run


def statuses(run: Any) -> dict[str, tuple[str, str | None]]:
    return {each["unit"]: (each["status"], each["reason"]) for each in run["outcomes"]}


@pytest.fixture
def store(planted: Planted, tmp_path: Path) -> Path:
    store = planted.allow(tmp_path / "store")
    store.mkdir()
    return store


def test_exact_places_in_every_reader(cardtrail: Cardtrail, planted: Planted, store: Path) -> None:
    pans = [planted.pan() for _ in range(7)]
    line = "2024-01-01 INFO pay card={} ok\n"
    (store / "app.log").write_text("first\n" + line.format(pans[0]))
    (store / "app.log.1.gz").write_bytes(gzip.compress(line.format(pans[1]).encode()))
    with zipfile.ZipFile(store / "out.zip", "w") as archive:
        archive.writestr("inner/a.txt", line.format(pans[2]))
    with tarfile.open(store / "out.tar.gz", "w:gz") as tar:
        data = line.format(pans[3]).encode()
        info = tarfile.TarInfo("deep/b.txt")
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    rows = io.StringIO()
    csv.writer(rows).writerows([["id", "card_number", "note"], ["1", pans[4], "x"]])
    (store / "table.csv").write_text(rows.getvalue())
    (store / "events.jsonl").write_text(json.dumps({"payment": {"card": pans[5]}}) + "\n")
    with sqlite3.connect(store / "pay.db") as db:
        db.execute("CREATE TABLE payment (id INTEGER PRIMARY KEY, card_number TEXT)")
        db.execute("INSERT INTO payment VALUES (41, ?)", (pans[6],))
    db.close()

    result, run = document(cardtrail, store)
    assert result.code == 1
    assert run["stores"][0]["verdict"] == "unprotected"
    assert run["stores"][0]["distinct_pans"] == 7
    places = {
        found["unit"]: found["location"] for found in run["findings"] if found["confidence"] >= 0.8
    }
    assert len(places) == 7
    assert (places["app.log"]["line"], places["app.log"]["column"]) == (2, 26)
    assert places["app.log.1.gz"]["line"] == 1
    assert places["out.zip"]["member"] == "inner/a.txt"
    assert places["out.tar.gz"]["member"].endswith("deep/b.txt")
    assert places["table.csv"]["field"] == "card_number" and places["table.csv"]["line"] == 2
    assert places["events.jsonl"]["field"].endswith("card")
    assert places["pay.db"]["member"] == "payment"
    assert (places["pay.db"]["field"], places["pay.db"]["row"]) == ("card_number", 41)
    masked = {found["masked"] for found in run["findings"]}
    assert masked == {f"{pan[:6]}******{pan[-4:]}" for pan in pans}


def test_sqlite_as_a_store_of_tables(cardtrail: Cardtrail, planted: Planted, store: Path) -> None:
    db = sqlite3.connect(store / "pay.db", isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute('CREATE TABLE "odd "" name" ("card no" TEXT)')
    db.execute("CREATE TABLE empty (x)")
    db.execute('INSERT INTO "odd "" name" VALUES (?)', (planted.pan(),))
    before = {path.name: path.stat().st_mtime_ns for path in store.iterdir()}
    result, run = document(cardtrail, f"sqlite:///{store}/pay.db")
    after = {path.name: path.stat().st_mtime_ns for path in store.iterdir()}
    db.close()
    assert result.code == 1 and before == after
    (found,) = run["findings"]
    assert (found["unit"], found["location"]["field"]) == ('odd " name', "card no")
    assert set(statuses(run)) == {'odd " name', "empty", "sqlite_master"}


def test_clean_store_says_so_only_because_everything_was_read(
    cardtrail: Cardtrail, store: Path
) -> None:
    (store / "a.txt").write_text("nothing here\n")
    result, run = document(cardtrail, store)
    assert result.code == 0
    assert run["run"]["status"] == "complete"
    assert run["stores"][0]["verdict"] == "no-card-data"
    assert run["stores"][0]["access"]["answer"] == "cannot-tell"
    assert run["stores"][0]["access"]["did_read"]["reads"] is None


def test_bad_files_each_have_one_outcome_and_the_rest_is_read(
    cardtrail: Cardtrail, planted: Planted, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pan = planted.pan()
    packed = gzip.compress(os.urandom(50_000).hex().encode() + f"card={pan} ".encode())
    (store / "truncated.gz").write_bytes(packed[: len(packed) // 2])
    (store / "encrypted.zip").write_bytes(encrypted_zip())
    os.mkfifo(store / "fifo")
    bound = socket.socket(socket.AF_UNIX)
    monkeypatch.chdir(store)
    bound.bind("socket")
    (store / "loop").symlink_to("loop")
    (store / "dangling").symlink_to("nowhere")
    (store / "up").symlink_to("..")
    (store / "line\nbreak \x1b[31m<b>&.txt").write_text("x")
    (store / "page.pdf").write_bytes(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    Path(os.fsdecode(os.fsencode(store) + b"/caf\xe9.txt")).write_text("x")
    (store / f"{pan}.txt").write_text("a card number in the name")
    (store / "good.log").write_text(f"card={pan}\n")
    result, run = document(cardtrail, store)
    bound.close()
    assert result.code == 4
    found = statuses(run)
    assert found["truncated.gz"] == ("sampled", "truncated")
    assert found["encrypted.zip"][1] == "encrypted"
    assert found["fifo"] == found["socket"] == ("skipped", "not-a-regular-file")
    assert found["loop"][1] in ("symbolic-link", "link-loop")
    assert found["up"] == found["dangling"] == ("skipped", "symbolic-link")
    assert found["line\nbreak \x1b[31m<b>&.txt"] == ("scanned", None)
    assert found["caf\\xe9.txt"] == ("scanned", None)
    assert found["page.pdf"] == ("skipped", "unsupported-format")
    in_names = [f for f in run["findings"] if f["location"]["field"] == "(name)"]
    assert len(in_names) == 1 and in_names[0]["masked"].startswith(pan[:6])
    assert not any(pan in name for name in found)
    assert len(found) == 12

    page = cardtrail("report", "last", "-f", "html").out
    assert "<b>&" not in page.replace("<b>&amp;", "") and "\x1b" not in page


def encrypted_zip() -> bytes:
    """A zip whose one member says that it is encrypted (zipfile cannot write such a thing)."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.txt", "twelve bytes of header and then something")
    data = bytearray(packed.getvalue())
    data[6] |= 1  # general purpose flag of the local header
    data[data.index(b"PK\x01\x02") + 8] |= 1  # and of the central directory
    return bytes(data)


def test_denied_file_and_folder(cardtrail: Cardtrail, planted: Planted, store: Path) -> None:
    (store / "denied.txt").write_text(f"card={planted.pan()}")
    (store / "closed").mkdir()
    (store / "closed" / "x.txt").write_text("x")
    (store / "open.txt").write_text("x")
    if os.geteuid() == 0:  # root reads everything, unless it lays down the right to
        for name in ("denied.txt", "closed"):
            os.chown(store / name, 65534, 65534)
        without = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
        cardtrail.prefix = without
    for name in ("denied.txt", "closed"):
        (store / name).chmod(0)
    result, run = document(cardtrail, store)
    assert result.code == 3
    found = statuses(run)
    assert found["denied.txt"] == ("failed", "access-denied")
    assert [reason for name, (_, reason) in found.items() if "closed" in name] == ["access-denied"]
    assert found["open.txt"] == ("scanned", None)
    assert run["stores"][0]["verdict"] == "unknown"
    (store / "closed").chmod(0o700)


def test_a_file_that_grows_or_goes_while_read(cardtrail: Cardtrail, store: Path) -> None:
    growing = store / "growing.log"
    growing.write_bytes(b"x" * 80_000_000)
    going = threading.Event()

    def grow() -> None:
        with growing.open("ab") as out:
            while not going.wait(0.002):
                out.write(b"more\n")
                out.flush()

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        result, run = document(cardtrail, store, "-j", "1")
    finally:
        going.set()
        writer.join()
    assert result.code == 3
    assert statuses(run)["growing.log"] == ("sampled", "changed-while-read")


def test_wrong_usage_is_one_sentence_and_status_2(cardtrail: Cardtrail, store: Path) -> None:
    (store / "a.txt").write_text("x")
    for arguments, word in [
        (["--fail-on", "awful"], "--fail-on"),
        (["--profile", "nope"], "--profile"),
        (["--format", "pdf"], "--format"),
        (["-o", "x.doc"], "--output"),
        (["-o", "no/such/folder/x.json"], "does not exist"),
        (["--key-file", "nokey"], "key file"),
        (["--config", "no.toml"], "no.toml"),
        (["--ledger", store / "in.db"], "never written to"),
        (["--jobs", "0"], "jobs"),
        (["--nonsense"], "--nonsense"),
        (["--resume"], "name none"),
    ]:
        result = cardtrail("scan", store, *arguments)
        assert result.code == 2 and word in result.err, (arguments, result)
        assert "Traceback" not in result.err and result.out == ""
    assert sorted(path.name for path in store.iterdir()) == ["a.txt"]
    assert cardtrail("scan", "ftp://host/x").code == 2
    assert cardtrail("scan", "--resume").code == 2


def test_a_missing_path_is_an_outcome_and_the_others_are_read(
    cardtrail: Cardtrail, planted: Planted, store: Path
) -> None:
    (store / "a.log").write_text(f"card={planted.pan()}\n")
    (store / "loop").symlink_to("loop")
    targets = [store / "missing", f"sqlite://{store}/no.db", store / "loop", store / "a.log"]
    result, run = document(cardtrail, *targets)
    assert result.code == 4
    assert [each["reason"] for each in run["outcomes"]] == [
        "not-found",
        "not-found",
        "link-loop",
        None,
    ]
    assert [each["verdict"] for each in run["stores"]] == ["unknown"] * 3 + ["unprotected"]
    alone = cardtrail("scan", store / "missing")
    assert alone.code == 3 and "missing" in alone.out


def test_nothing_in_scope_is_status_5(cardtrail: Cardtrail, store: Path) -> None:
    result = cardtrail("scan", store)
    assert result.code == 5 and "nothing in scope" in result.err
    (store / "a.png").write_text("x")
    result = cardtrail("scan", store, "--exclude", "*.png")
    assert result.code == 5 and "1 excluded" in result.err
    assert cardtrail("scan").code == 5


def test_exclude_is_out_of_scope_but_counted(cardtrail: Cardtrail, store: Path) -> None:
    for name in ("keep.txt", "a.png", "node_modules/x.js", "node_modules/y.js"):
        (store / name).parent.mkdir(exist_ok=True)
        (store / name).write_text("x")
    _, run = document(cardtrail, store, "--exclude", "*.png", "--exclude", "node_modules/")
    assert set(statuses(run)) == {"keep.txt"}
    assert run["coverage"]["excluded"] == 2


def test_exit_zero_and_fail_on(cardtrail: Cardtrail, planted: Planted, store: Path) -> None:
    (store / "a.log").write_text(f"card={planted.pan()}\n")
    assert cardtrail("scan", store).code == 1
    assert cardtrail("scan", store, "--exit-zero").code == 0
    assert cardtrail("scan", store, "--fail-on", "critical").code == 0
    os.mkfifo(store / "fifo")
    assert cardtrail("scan", store).code == 4
    assert cardtrail("scan", store, "--exit-zero").code == 3


def test_reports_of_a_past_run_are_the_same_bytes(
    cardtrail: Cardtrail, planted: Planted, store: Path
) -> None:
    (store / "a.log").write_text(f"card={planted.pan()}\n")
    names = ["r.html", "r.json", "r.csv", "r.sarif"]
    outputs = [part for name in names for part in ("-o", name)]
    assert cardtrail("scan", store, *outputs).code == 1
    first = {name: (cardtrail.cwd / name).read_bytes() for name in names}
    assert cardtrail("report", "last", *outputs).code == 0
    assert first == {name: (cardtrail.cwd / name).read_bytes() for name in names}
    assert sorted(path.name for path in cardtrail.cwd.iterdir()) == sorted(names)


def test_fingerprints_are_stable_under_one_key_and_not_without(
    cardtrail: Cardtrail, planted: Planted, store: Path
) -> None:
    (store / "a.log").write_text(f"card={planted.pan()}\n")
    cardtrail("key", "k")

    def print_of(*arguments: str) -> str:
        _, run = document(cardtrail, store, *arguments)
        return str(run["findings"][0]["fingerprint"])

    assert print_of("--key-file", "k") == print_of("--key-file", "k")
    assert print_of() != print_of()
    left = list(planted.folder.rglob("*.key"))
    assert left == [], "the random key of a finished run is gone"


def test_a_large_file_in_slices_is_like_one_in_one_go(
    cardtrail: Cardtrail, planted: Planted, store: Path
) -> None:
    pans = [planted.pan() for _ in range(20)]
    lines = [f"{i} card={pans[i % 20]} x\n" if i % 7 == 0 else f"{i}\n" for i in range(60_000)]
    (store / "a.log").write_text("".join(lines))
    (cardtrail.cwd / "k.toml").write_text(f"[limits]\nslice = {1 << 16}\n")
    cardtrail("key", "k")
    _, whole = document(cardtrail, store, "--key-file", "k", "-j", "1")
    _, cut = document(cardtrail, store, "--key-file", "k", "-c", "k.toml")
    assert cut["findings"] == whole["findings"]
    assert cut["outcomes"] == whole["outcomes"]
    assert sum(found["count"] for found in cut["findings"]) == len(range(0, 60_000, 7))


def test_memory_is_flat_on_a_line_of_ten_gigabytes(cardtrail: Cardtrail, store: Path) -> None:
    with (store / "sparse.log").open("wb") as out:
        out.write(b"a" * 1000)
        out.seek(10_000_000_000)
        out.write(b"b" * 1000)
    # measured by a small process in between: a child's figure begins with that of its parent
    measure = (
        "import resource, subprocess, sys\n"
        "code = subprocess.run(sys.argv[1:]).returncode\n"
        "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
    )
    command = cardtrail.command("scan", store, "-j", "1", "-q")
    done = subprocess.run(
        [sys.executable, "-c", measure, *command],
        cwd=cardtrail.cwd,
        env=cardtrail.env(),
        capture_output=True,
        text=True,
        check=True,
    )
    code, kilobytes = map(int, done.stdout.split())
    assert code == 0
    assert kilobytes < 250_000, f"{kilobytes} kB"


def test_progress_off_a_terminal_is_quiet_for_short_scans(
    cardtrail: Cardtrail, store: Path
) -> None:
    (store / "a.txt").write_text("x")
    result = cardtrail("scan", store)
    assert result.err == "" and "1 unit" in result.out
    quiet = cardtrail("scan", store, "-q")
    assert (quiet.out, quiet.err) == ("", "")
