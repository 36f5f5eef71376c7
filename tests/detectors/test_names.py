"""Names of people and places: in documents and columns, not in logs; a sample; offline."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter

import pytest

from detectors import pii_nlp

if pii_nlp.model() is None:
    pytest.skip("the extra names is not installed", allow_module_level=True)

import detectors
from detectors import pii_namescan, pii_prose
from detectors.base import AFTER, BEFORE, CONFIRMED, NoHints
from detectors.pii_names import DETECTOR

LETTER = (
    "Dear Mr. Hoffmann,\n\nCharlotte Becker from Berlin called me last week. "
    "She and Daniel Novak are moving to Madrid in March.\nPlease send the contract to Laura "
    "Jensen.\n\nYours, James Miller\n"
)


def find(text: str, at_least: float = CONFIRMED) -> list[tuple[str, str]]:
    found = detectors.find(text, using=[DETECTOR], at_least=at_least)
    return [(match.entity, text[match.start : match.end]) for match in found]


class Columns:
    def __init__(self, data: bytes, *names: str, sign: bytes = b",") -> None:
        self.data, self.names, self.sign = data, names, sign

    def field_name(self, start: int) -> str | None:
        begin = self.data.rfind(b"\n", 0, start) + 1
        place = self.data.count(self.sign, begin, start)
        return self.names[place] if place < len(self.names) else None


def voted(rows: list[str], *names: str) -> Counter[tuple[str | None, str]]:
    """Confirmed values by column and entity."""
    data = "\n".join(rows).encode() + b"\n"
    hints = Columns(data, *names)
    found = detectors.find(data, using=[DETECTOR], at_least=CONFIRMED, hints=hints)
    return Counter((hints.field_name(match.start), match.entity) for match in found)


def test_a_letter() -> None:
    people = {value for entity, value in find(LETTER) if entity == "PERSON"}
    assert {"Charlotte Becker", "Daniel Novak", "Laura Jensen"} <= people
    assert {("LOCATION", "Berlin"), ("LOCATION", "Madrid")} <= set(find(LETTER, 0.5))


def test_html() -> None:
    text = "<p>My name is Charlotte Becker</p><td>and I have lived in Berlin since 1999</td>"
    assert find(text) == [("PERSON", "Charlotte Becker")]
    assert ("LOCATION", "Berlin") in find(text, 0.5)


@pytest.mark.parametrize(
    "line",
    [
        "2026-03-01 12:00:01 INFO user Charlotte Becker logged in from Berlin",
        "Mar  1 12:00:01 db1 sshd[812]: session of Charlotte Becker from Berlin opened",
        "[worker-3] ERROR: Charlotte Becker could not be billed in Berlin",
        '{"level":"info","msg":"Charlotte Becker moved to Berlin"}',
        "user=Charlotte city=Berlin took=12ms for Charlotte Becker",
        '86.231.85.193 - - [01/Mar/2026:12:00:01 +0000] "GET /Charlotte Becker"',
        "\tat com.acme.Charlotte(Berlin.java:91)",
        "1767225600123 Charlotte Becker moved to Berlin",
        "public void charlotte(Becker becker) { return becker.getBerlin(); }",
        "INSERT INTO people VALUES ('Charlotte Becker', 'Berlin')",
    ],
)
def test_never_in_logs_and_code(line: str) -> None:
    assert find(line, 0.1) == []
    beside = f"{line}\nCharlotte Becker went on to Berlin\n{line}\n"
    if line.startswith(("2026", "Mar", "[", "{", "user", "86", "1767")):
        assert find(beside, 0.1) == [], "a line of text in a log is a part of it"


def people(count: int, seed: int = 1) -> list[tuple[str, str]]:
    dice = random.Random(seed)
    first = ["Charlotte", "Daniel", "Laura", "James", "Maria", "Peter", "Susan", "Thomas", "Anna"]
    last = ["Becker", "Novak", "Jensen", "Miller", "Rossi", "Garcia", "Taylor", "Wilson", "Moore"]
    return [(dice.choice(first), dice.choice(last)) for _ in range(count)]


def test_columns_named_for_people_and_places() -> None:
    rows = [f"{a},{b},12 High Street,{a} {b}" for a, b in people(40)]
    found = voted(rows, "firstName", "last_name", "home address", "cardholder")
    assert found == {
        ("firstName", "PERSON"): 40,
        ("last_name", "PERSON"): 40,
        ("home address", "LOCATION"): 40,
        ("cardholder", "PERSON"): 40,
    }


def test_a_column_that_says_nothing_is_voted_on() -> None:
    things = [
        *("Blue Widget", "Steel Hammer", "Coffee Mug", "Red Lamp", "Desk Chair", "Water Bottle"),
        *("Running Shoes", "Leather Wallet", "Wool Socks", "Yoga Mat", "Tea Pot", "Dog Food"),
    ]
    dice = random.Random(2)
    rows = [f"{a} {b},{dice.choice(things)},{a} {b}" for a, b in people(60)]
    found = voted(rows, "who", "name", "product name")
    assert found["who", "PERSON"] >= 40
    assert not found["name", "PERSON"], "things called by a name are no people"
    assert not found["product name", "PERSON"]


def test_a_column_of_text() -> None:
    rows = [
        f"{i},{a} {b} called from Berlin about the order" for i, (a, b) in enumerate(people(20))
    ]
    assert voted(rows, "id", "comment")["comment", "PERSON"] >= 15


def test_a_column_named_for_names_that_holds_codes() -> None:
    rows = [f"C-{i:05},x" for i in range(50)]
    assert not voted(rows, "customer_name", "other")


def pieces(data: bytes, size: int) -> list[tuple[int, str]]:
    scan, out = DETECTOR.scan(), []
    for lo in range(0, len(data), size):
        hi, first = min(lo + size, len(data)), max(0, lo - BEFORE)
        chunk = data[first : hi + AFTER]
        found = scan.find(chunk, lo - first, hi - first, NoHints())
        out += [(match.start + first, match.entity) for match in found]
    return out


def test_where_a_stream_is_cut_changes_nothing() -> None:
    paragraph = " ".join(f"Then {a} {b} left for Berlin." for a, b in people(60))
    data = (LETTER + paragraph + "\n" + LETTER).encode()
    whole = pieces(data, len(data))
    assert len(whole) > 60
    for size in (400, 701, 1500):
        assert pieces(data, size) == whole


def test_a_sample_of_a_large_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the model sees grows far slower than the text, and reaches its end."""
    seen: list[int] = []
    real = pii_nlp.named

    def counted(texts: list[str]) -> list[list[tuple[int, int, str]]]:
        seen.extend(map(len, texts))
        return [[(0, 4, "PERSON")] for _ in texts]

    assert real
    monkeypatch.setattr(pii_nlp, "named", counted)
    data = (LETTER * 40_000).encode()
    scan, places = DETECTOR.scan(), []
    for lo in range(0, len(data), 1 << 20):
        hi, first = min(lo + (1 << 20), len(data)), max(0, lo - BEFORE)
        chunk = data[first : hi + AFTER]
        places += [m.start + first for m in scan.find(chunk, lo - first, hi - first, NoHints())]
    assert pii_namescan.FIRST * 0.8 < sum(seen) < 1.3 * (pii_namescan.FIRST + len(data) / 1024)
    assert max(places) > 0.9 * len(data)


WORST = {
    "capitals": b"Aa Bb " * 40_000,
    "a line of equals": b"a=" * 100_000,
    "short lines": b"A\n" * 100_000,
    "tags": b"<" * 200_000,
    "quotes": b'"' * 200_000,
    "spaces": b" " * 200_000,
    "brackets": b"[" * 200_000,
    "sentences": b"Aa. " * 60_000,
    "keys": (b"x=1 " * 30 + b"\n") * 2_000,
}


@pytest.mark.parametrize("name", WORST)
def test_no_input_is_slow(name: str) -> None:
    """Beyond what the model takes, which is bounded by the sample."""
    find("warm up, Charlotte Becker")
    data = WORST[name]
    begin = time.process_time()
    for start in range(0, min(len(data), 20_000), 700):
        pii_prose.machine_written(data, start)
        list(pii_prose.passages(data, start, len(data), start, start + 700))
        list(pii_prose.cells(data, start, start + 700))
        pii_prose.prose(data[start : start + 640].decode())
    assert time.process_time() - begin < 1.0


def test_offline_and_within_its_memory() -> None:
    """In a process of its own: no socket is made, nothing is printed, under 700 MB."""
    code = """
import socket, sys
def refuse(*_, **__): raise AssertionError("the network was used")
socket.socket.connect = socket.getaddrinfo = refuse
import detectors
from detectors import pii, pii_names, secrets
text = "My name is Charlotte Becker, mail charlotte@becker-mail.org, key AKIA" + "Q" * 16
found = detectors.find(text * 50, using=[pii.DETECTOR, pii_names.DETECTOR, secrets.DETECTOR])
assert {"PERSON", "EMAIL_ADDRESS"} <= {match.entity for match in found}
status = open("/proc/self/status").read()  # ru_maxrss begins with the peak of the parent
print(int(status.partition("VmHWM:")[2].split()[0]) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert int(done.stdout) < 700


def test_importing_the_plug_in_loads_nothing_heavy() -> None:
    code = (
        "import sys, detectors.pii_names, detectors.pii_nlp;"
        "print(sorted({'numpy', 'spacy', 'presidio_analyzer'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
