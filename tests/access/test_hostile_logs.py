"""Hostile logs, for every form of log: nothing is dropped without a count, nothing believed twice.

A small account (``tools/accounts.py``) is written in each form and then spoilt: fields that imitate
records, wrong order, cut and doubled files, clocks that are wrong, bytes that are none.
"""

from __future__ import annotations

import gzip
import random
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.contracts import EvidenceResult
from scanner.model import Coverage
from scanner.text import plural
from tests.examples import costly
from tools.account_checks import PAY, case, expected
from tools.account_logs import FORMATS, Files
from tools.accounts import DENIED, READ, Account, Act, account

SMALL = account(3, days=5, window=4, people=2, misuse=False)
MALLORY = "mallory"
every_form = pytest.mark.parametrize("name", FORMATS)
UNESCAPED = {"general log", "slow log"}
"""forms in which the text of a statement can be an entry: their answer always says so"""


def collect(name: str, files: Files, of: Account = SMALL) -> EvidenceResult:
    made = case(of, name)
    made.files = files
    return made.collect()[made.form.uri(PAY)]


def written(name: str, acts: list[Act]) -> Files:
    form = FORMATS[name]
    return form.write([act for act in acts if form.sees(act)])


def reads(result: EvidenceResult) -> dict[str, int]:
    return {each.principal: each.reads or 0 for each in result.reads if each.reads}


def wanted(name: str, of: Account = SMALL) -> dict[str, int]:
    found = {who: told[0] for who, told in expected(of, FORMATS[name]).items() if told[0]}
    assert len(found) == 2  # or the tests could not fail
    return found


def packed(files: Files) -> dict[str, bytes]:
    """All as gzip, whatever they were; Parquet is as it is."""
    return {
        name: data if data[:2] == b"\x1f\x8b" or data[:4] == b"PAR1" else gzip.compress(data)
        for name, data in files.items()
    }


# --- order, copies, pieces, clocks ----------------------------------------------------------------


@every_form
def test_files_in_any_order_doubled_in_pieces_and_late_count_once(name: str) -> None:
    """Copies, packed ones, and what copytruncate of logrotate leaves: a part beside the whole.
    What a wrong clock puts twenty years off is of another time."""
    act = next(act for act in SMALL.acts if act.what == READ and not act.other)
    off = [replace(act, when=act.when.replace(year=year)) for year in (2006, 2046)]
    of = replace(SMALL, acts=[*SMALL.acts, *off])
    files = case(of, name).files
    names = list(files)
    random.Random(name).shuffle(names)
    pieces = {f"piece of {at}": _first_half(data) for at, data in files.items()}
    copies = {f"late/{at}.gz": data for at, data in packed(files).items()}
    shuffled = {at: files[at] for at in names}
    assert reads(collect(name, {**pieces, **copies, **shuffled}, of)) == wanted(name, of)


def _first_half(data: bytes) -> bytes:
    """Of a text, whole lines."""
    if data[:4] == b"PAR1":
        return data
    plain = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    lines = plain.splitlines(keepends=True)
    return b"".join(lines[: len(lines) // 2])


# --- damage ---------------------------------------------------------------------------------------


@every_form
@given(part=st.floats(0.2, 0.95))
@costly(1)
def test_a_file_cut_in_the_middle_counts_as_far_as_it_goes(name: str, part: float) -> None:
    files = packed(case(SMALL, name).files)
    cut = {at: data[: int(len(data) * part)] for at, data in files.items()}
    result = collect(name, cut)
    whole = wanted(name)
    assert all(count <= whole.get(who, 0) for who, count in reads(result).items())
    assert result.evidence.coverage is not Coverage.COMPLETE
    said = (
        plural(len(cut), "file is", "files are") + " cut off or corrupt",
        plural(len(cut), "file") + " could not be read",
    )
    assert any(each in result.evidence.detail for each in said), result.evidence.detail
    # the whole file comes late
    assert reads(collect(name, {**cut, **{f"whole {at}": d for at, d in files.items()}})) == whole


@every_form
@given(seed=st.integers(0, 1 << 20))
@costly(1)
def test_a_torn_record_is_counted(name: str, seed: int) -> None:
    """One in each file ends in its middle, as a full disk leaves it. What is lost with it is among
    what was not understood."""
    rng = random.Random(seed)
    files, torn = dict(case(SMALL, name).files), 0
    for at, data in files.items():
        if data[:4] == b"PAR1":
            return
        plain = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        ends = [match.end() for match in re.finditer(RECORD_END.get(name, rb"\n"), plain)]
        start, end = rng.choice(list(pairwise([0, *ends])))
        # of a plain entry what is torn further on is a text like any other
        limit = end - 2
        if "stderr" in name:
            limit = plain.index(b":  ", start)
        elif name == "general log":  # and what is torn sooner may be a number in a statement
            start, limit = start + 3, plain.index(b"\t", plain.index(b"\t", start) + 1)
        elif name == "slow log":
            start, limit = start + 2, plain.index(b" ", start + 2)
        middle = rng.randrange(start + 2, limit)
        files[at] = plain[:middle] + plain[end - 1 :]
        torn += 1
    result = collect(name, files)
    whole, found = sum(wanted(name).values()), sum(reads(result).values())
    assert whole - found <= result.evidence.unparsed, result.evidence.detail
    assert found <= whole + torn  # a statement whose outcome is lost counts


RECORD_END = {
    "slow log": rb"\n(?=# )",
    "CloudTrail": rb"\},(?=\{\"eventVersion)",
    "SQL Server, JSON": rb"\}, ",
}


# --- fields that imitate records ------------------------------------------------------------------

AROUND: list[Callable[[str], str]] = [
    lambda bait: bait,
    lambda bait: f"\n{bait}\n",
    lambda bait: f"'\n{bait}",
    lambda bait: f'",""\n{bait}',
    lambda bait: f'"}}}}\n{bait},{{"a": "',
    lambda bait: f"\\\n{bait}\\ ",
    lambda bait: f" '; \r\n{bait}\t",
]


def bait(name: str) -> str:
    """A record of a read by somebody else, as text of the same form."""
    form = "Athena, JSON" if "Parquet" in name else name
    data = next(iter(written(form, [replace(SMALL.acts[0], who=MALLORY, what=READ)]).values()))
    return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode().strip()


@every_form
def test_what_a_caller_writes_is_no_record(name: str) -> None:
    like, acts = bait(name), []
    for number, act in enumerate(SMALL.acts):
        forged = AROUND[number % len(AROUND)](like)
        worst = (
            name == "S3 access log, text" and act.what == DENIED
        )  # it counts as a read: doubtful
        acts.append(act if worst else replace(act, agent=forged, said=forged))
    of = replace(SMALL, acts=acts)
    result = collect(name, written(name, acts), of)
    if name in UNESCAPED:
        assert "look like an entry" in result.evidence.detail
    else:
        assert reads(result) == wanted(name, of), result.evidence.detail
