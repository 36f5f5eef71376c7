"""Watch list and tickets: read and sealed, held against reads, never shown."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scanner import registry, snooping
from scanner.contracts import EvidenceResult
from scanner.errors import ConfigError
from scanner.model import Store
from scanner.seal import Sealer
from scanner.statements import asked_for
from tests.access import postgres_logs
from tests.access.postgres_logs import as_csv
from tests.access.trails import opener
from tests.conftest import Cardtrail

SEALER = Sealer(b"k" * 32)
NUMBER = snooping.numbering(SEALER.fingerprint, SEALER.name)
CARD = "4556737586899855"


def watch(tmp_path: Path, text: str | bytes) -> dict[int, int]:
    path = tmp_path / "watch.txt"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return snooping.read_watch(path, NUMBER)


def tickets(tmp_path: Path, text: str) -> dict[str, list[snooping.Ticket]]:
    path = tmp_path / "tickets.csv"
    path.write_text(text)
    return snooping.read_tickets(path, NUMBER, SEALER.name)


# --- the files


def test_a_watch_list_becomes_numbers_with_their_lines(tmp_path: Path) -> None:
    found = watch(tmp_path, f"\ufeffK-4711\n\n# a remark\n Ärger@example.com \n{CARD}\n")
    assert found == {NUMBER("k-4711"): 1, NUMBER("ÄRGER@example.COM"): 4, NUMBER(CARD): 5}
    other = Sealer(b"o" * 32)
    assert not set(found) & set(
        snooping.read_watch(
            tmp_path / "watch.txt", snooping.numbering(other.fingerprint, other.name)
        )
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a subject a line, found none"),
        (b"\xff\xfe", "expected a subject a line, in UTF-8, found other bytes"),
        ("ok\n" + "x" * 1_001, "line 2: expected a subject of at most 1,000 characters"),
    ],
)
def test_a_bad_watch_list_is_named(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        watch(tmp_path, text)
    with pytest.raises(ConfigError, match="nowhere: expected a subject a line, found No such"):
        snooping.read_watch(tmp_path / "nowhere", NUMBER)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: expected a first line with the columns principal, subject"),
        ("principal,subject,from\n", "line 1: expected a first line"),
        ("principal,subject,from,to\nann,4711,2026-03-01\n", "line 2: expected 4 cells, found 3"),
        ("principal,subject,from,to\nann,,2026-03-01,2026-03-02\n", "line 2: .*an empty cell"),
        ("principal,subject,from,to\nann,SECRET,noon,2026-03-02\n", "line 2: expected a date"),
        ("principal,subject,from,to\nann,x,2026-03-02,2026-03-01\n", "line 2: .*not before"),
        ('principal,subject,from,to\nann,"SECRET,2026-03-02,2026-03-01\n', "line 2: expected CSV"),
    ],
)
def test_a_bad_ticket_is_named_without_its_content(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        tickets(tmp_path, text)
    assert "SECRET" not in str(caught.value) and "4711" not in str(caught.value)


def test_tickets_hold_for_principal_subject_and_time(tmp_path: Path) -> None:
    found = tickets(
        tmp_path,
        "From,To,Object,Principal,note\n"
        "2026-03-01T10:00+01:00,2026-03-01T11:00+01:00,4711,ann,x\n"
        "2026-03-02,2026-03-02,*,role-*,y\n",
    )
    against = snooping.Snooping(tickets=found, by_ticket=("support-*",))
    nine = int(datetime(2026, 3, 1, 9, tzinfo=UTC).timestamp())
    mine, others = frozenset((NUMBER("4711"),)), frozenset((NUMBER("4712"),))
    assert against.has_ticket("ann", "", mine, nine, nine)
    assert against.has_ticket("role", "ann", mine, nine + 3600, nine + 7200)
    assert not against.has_ticket("ann", "", mine, nine + 3601, nine + 7200)
    assert not against.has_ticket("ann", "", others, nine, nine)
    assert not against.has_ticket("bob", "", mine, nine, nine)
    late = int(datetime(2026, 3, 2, 23, 59, tzinfo=UTC).timestamp())
    assert against.has_ticket("role-7", "x", others, late, late)
    assert not against.has_ticket("role", "", others, late, late)
    assert [against.works_by_ticket(who, "") for who in ("ann", "bob", "support-3", "role-7")] == [
        *(True, False, True, False)
    ]


def test_forms_of_an_object_name() -> None:
    name = "2026/customers/ann.lee@example.com.json?id=4711&x"
    wanted = {name, "customers", "ann.lee@example.com.json", "ann.lee@example.com", "4711"}
    assert wanted <= set(snooping.forms(name))


@pytest.mark.parametrize(
    ("text", "parameters", "values"),
    [
        ("SELECT * FROM c WHERE id = 4711 AND n > 17 LIMIT 3", "", ("4711",)),
        ("SELECT 'x' FROM c WHERE mail = 'o''hara@x' OR a<=9", "", ("o'hara@x",)),
        ("SELECT 1 FROM c WHERE id IN (4711, '4712') AND b != 5", "", ("4711", "4712")),
        ("SELECT 1 FROM c WHERE id = $1", "$1 = '47''11', $2 = NULL", ("47'11",)),
        ("SELECT 1 FROM c WHERE id IN (1,2,3,4,5,6)", "", ()),
        ("SELECT 1 -- id = 5\n FROM c /* a = 6 */", "", ()),
        ("SELECT * FROM c", "", ()),
    ],
)
def test_values_a_statement_asks_for(text: str, parameters: str, values: tuple[str, ...]) -> None:
    assert asked_for(text, "postgres", parameters) == values


def test_values_of_mysql() -> None:
    text = r"SELECT 1 FROM `a=b` WHERE m = 'o\'hara' AND k = \"z\"".replace(r"\"", '"')
    assert asked_for(text, "mysql") == ("o'hara", "z")


# --- held against reads

END = datetime(2026, 4, 1, tzinfo=UTC)
START = END - timedelta(days=20)
HISTORY = START - timedelta(days=60)
URI = "postgresql://db/shop"


def pgaudit(reads: list[tuple[datetime, str, str]], parameters: bool = False) -> bytes:
    """A csvlog: when, role, value asked for."""
    return as_csv(
        *(
            postgres_logs.audit(
                number + 1,
                "public.c",
                text=f"SELECT * FROM c WHERE id = {'$1' if parameters else value}",
                parameters=value if parameters else "<none>",
                user=role,
                minute=(when - postgres_logs.START).total_seconds() / 60,
            )
            for number, (when, role, value) in enumerate(reads)
        )
    )


def held(
    kind: str, files: dict[str, bytes], against: snooping.Snooping | None, **more: Any
) -> dict[str, dict[str, str]]:
    """Flags by principal and rule."""
    settings = {"uri": "folder", **more}
    if against is not None:
        settings["snooping"] = snooping.Lookout(against, NUMBER)
    stores = [Store(URI, "postgresql"), Store("s3://pay", "s3")]
    found: dict[str, EvidenceResult] = registry.evidence()[kind].collect(
        settings, opener(files), stores, (START, END), SEALER.name, {}
    )  # type: ignore[assignment]  # a mapping
    return {
        reads.principal: {flag.rule: flag.sentence for flag in reads.flags}
        for result in found.values()
        for reads in result.reads
    }


def usual(role: str, values: int = 50) -> list[tuple[datetime, str, str]]:
    """Four reads on each working hour of each day, of changing records."""
    return [
        (HISTORY + timedelta(days=day, hours=hour), role, str(1000 + (day * 7 + hour) % values))
        for day in range(80)
        for hour in (9, 11, 13, 15)
    ]


@pytest.mark.parametrize("parameters", [False, True])
def test_statements_of_a_database(parameters: bool) -> None:
    day = START + timedelta(days=5, hours=10)
    reads = [
        *usual("ann"),
        *usual("bob"),
        *((day + timedelta(minutes=n), "bob", "4711") for n in range(3)),
        *((day + timedelta(days=n // 3, minutes=n), "eve", "77") for n in range(12)),
        *usual("eve"),
    ]
    against = snooping.Snooping({NUMBER("4711"): 3})
    found = held("pgaudit", {"a.csv": pgaudit(sorted(reads), parameters)}, against)
    assert found["ann"] == {}
    assert found["bob"] == {
        "watch-list": "read 3 times of one subject of the watch list (line 3) among 7 reads of the"
        " day, without a ticket for it (2026-03-17 10:00 to 10:02 UTC)"
    }
    assert set(found["eve"]) == {"same-record"}
    assert "read the same record 12 times in the seven days to this one" in str(found["eve"])
    # a ticket for it, and nothing is said; one for another record or another day does not help
    start = int(day.timestamp())
    for ticket, covered in (
        (snooping.Ticket("bob", NUMBER("4711"), start, start + 600), True),
        (snooping.Ticket("bob", None, start, start + 600), True),
        (snooping.Ticket("bob", NUMBER("4712"), start, start + 600), False),
        (snooping.Ticket("bob", NUMBER("4711"), start + 86_400, start + 90_000), False),
    ):
        given = snooping.Snooping(against.subjects, {"bob": [ticket]})
        flags = held("pgaudit", {"a.csv": pgaudit(sorted(reads), parameters)}, given)
        assert ("watch-list" not in flags["bob"]) == covered
        assert "no-ticket" in flags["bob"] and "no-ticket" not in flags["ann"]


def line(when: datetime, who: str, name: str) -> str:
    return f"{when.isoformat()} {who} {name} 200 10"


FORMAT = {"store": "s3://pay", "format": "{time} {principal} {object} {status} {bytes}"}


def test_objects_and_who_is_a_machine() -> None:
    day = START + timedelta(days=3)
    lines = [line(when, who, f"c/{value}.json") for when, who, value in [*usual("bob", 9)]]
    lines += [line(day + timedelta(hours=9, minutes=1), "bob", "c/1000.json")]
    lines += [line(day + timedelta(hours=h), "robot", "c/VIP.json") for h in range(24)]
    lines += [line(day + timedelta(hours=9, seconds=n), "bulky", "c/VIP.json") for n in range(600)]
    lines += [line(day + timedelta(hours=9), who, "c/VIP.json") for who in ("bob", "etl")]
    files = {"a.log": "\n".join(lines).encode()}
    against = snooping.Snooping({NUMBER("vip"): 1}, machines=("et*",))
    found = held("pattern", files, against, **FORMAT)
    assert "watch-list" in found["bob"] and "same-record" not in found["bob"]
    for who in ("robot", "bulky", "etl"):
        assert "watch-list" not in found[who], found[who]
    # without a list, the rule on one record is there for objects all the same
    again = [line(day + timedelta(hours=9, minutes=n), "bob", "c/ex.json") for n in range(60)]
    files["a.log"] += "\n".join(["", *again]).encode()
    alone = held("pattern", files, None, **FORMAT)
    assert set(alone["bob"]) == {"bulk", "same-record"}


def test_who_works_by_ticket() -> None:
    day = START + timedelta(days=3, hours=9)
    lines = [line(day, "ann", "c/1.json"), line(day + timedelta(hours=4), "ann", "c/2.json")]
    lines += [line(day, "sup-1", "c/1.json"), line(day, "bob", "c/1.json")]
    start = int(day.timestamp())
    held_tickets = {"ann": [snooping.Ticket("ann", NUMBER("1"), start, start + 60)]}
    against = snooping.Snooping({}, held_tickets, by_ticket=("sup-*",))
    found = held("pattern", {"a.log": "\n".join(lines).encode()}, against, **FORMAT)
    assert found["ann"]["no-ticket"].startswith("read once without a ticket for it, of 2 reads")
    assert "no-ticket" in found["sup-1"] and "no-ticket" not in found["bob"]


# --- through the command


def test_a_scan_says_the_line_and_keeps_no_subject(cardtrail: Cardtrail, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "cards.csv").write_text(f"name,number\nann,{CARD}\n")
    now = datetime.now(UTC).replace(microsecond=0)
    log = [f"{(now - timedelta(hours=3 + n)).isoformat()} bob cards.csv 200 9" for n in range(2)]
    log.append(f"{(now - timedelta(hours=2)).isoformat()} bob c/{CARD}.json 200 9")
    (tmp_path / "app.log").write_text("\n".join(log))
    (tmp_path / "vip.txt").write_text(f"PRINCESS-17\n{CARD}\n")
    (tmp_path / "tickets.csv").write_text(
        "principal,subject,from,to\nann,PRINCESS-17,2026-01-01,2026-12-31\n"
    )
    config = tmp_path / "cardtrail.toml"
    text = f"""ledger = "ledger.db"
[[store]]
uri = "data"
[[evidence]]
kind = "pattern"
uri = "app.log"
store = "file://{tmp_path}/data"
format = "{{time}} {{principal}} {{object}} {{status}} {{bytes}}"
[snooping]
watch = "vip.txt"
tickets = "tickets.csv"
"""
    config.write_text(text)
    refused = cardtrail("scan", "-c", str(config), "-q")
    assert refused.code == 2 and "snooping: expected a fingerprint key beside it" in refused.err
    assert cardtrail("key", str(tmp_path / "key")).code == 0
    config.write_text(text + '[key]\nfile = "key"\n')
    done = cardtrail("scan", "-c", str(config), "-q", "--format", "json", "--jobs", "1")
    assert done.code == 1, done.err
    (bob,) = json.loads(done.out)["stores"][0]["access"]["did_read"]["list"]
    assert [flag["rule"] for flag in bob["flags"]] == ["watch-list"]
    assert "(line 2)" in bob["flags"][0]["sentence"]
    kept = b"".join(file.read_bytes() for file in tmp_path.glob("ledger.db*"))
    assert b"PRINCESS-17" not in kept and CARD.encode() not in kept
    assert b"princess-17" not in kept and CARD not in done.out
    (tmp_path / "vip.txt").unlink()
    broken = cardtrail("scan", "-c", str(config), "-q")
    assert broken.code == 2 and "vip.txt: expected a subject a line, found No such" in broken.err
