"""``python tools/bench_logs.py``: the first run over logs, seconds of processor time for 100 MB.

Each form of log beside the bare loop everybody would write over it (``json.loads``,
``csv.reader``, ``re.match`` for each line), in turn, in one run, on one core, from the file to the
answer with facts written to their file as a scan does it. The logs are made from a seed: 300
services in sessions, an application's statements with other literals each time. *usual*: of five
shapes, on a few tables; *many*: on 2,000 tables, and no statement has the shape of another, so that
what is remembered of shapes is of no use.

    python tools/bench_logs.py --megabytes 25 --only pgaudit
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import re
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

# ruff: noqa: E402 - the tool runs from a checkout that is not installed
from scanner.hygiene import collect_seldom, keep_memory
from tools.account_postgres import POSTGRES_FORMS, Said
from tools.bench_access import ours, timed

START, DAYS = datetime(2026, 1, 1, tzinfo=UTC), 30
PER_SECOND = 20
_COLUMNS = tuple(f"{part}_{of}" for part in ("id", "name", "state", "paid") for of in "abcdefgh")
_SHAPES = (
    "SELECT o.id, o.created_at, o.total, c.name FROM {} o JOIN customers c ON c.id = o.customer_id"
    " WHERE o.id = {} AND o.state = '{}' ORDER BY o.created_at DESC LIMIT 50",
    'SELECT "t0"."id", "t0"."holder", "t0"."token", "t0"."expires" FROM {} AS "t0" WHERE'
    ' ("t0"."id" = {} AND "t0"."holder" = \'{}\')',
    "SELECT count(*) FROM {} WHERE customer_id = {} AND status IN ('{}', 'open', 'paid')",
    "SELECT id, amount, currency FROM {} WHERE account = {} AND note LIKE '%{}%'",
    "SELECT coalesce(sum(amount), 0) AS paid FROM {} WHERE merchant_id = {} AND day >= '{}'",
)


class Act(NamedTuple):
    """One read: of ``number`` records of ``table`` (or of an object) by ``who``, in a session."""

    when: datetime
    who: str
    session: int
    number: int
    table: str
    text: str
    event: int


def acts(many: bool) -> Iterator[Act]:
    """Without an end, ``PER_SECOND`` of them in each second."""
    rng, at, event = random.Random(7), START, 0
    while True:
        for _ in range(PER_SECOND):
            service = min(int(rng.paretovariate(0.6)), 300)
            number, word = rng.randrange(10_000_000), f"{rng.choice(_COLUMNS)} {event % 977}"
            table = f"ledger_{number % 2_000}" if many else f"orders_{number % 8}"
            if many:
                chosen = ", ".join(rng.sample(_COLUMNS, 6))
                asked = " AND ".join(f"{c} <> {number % 97}" for c in rng.sample(_COLUMNS, 3))
                text = f"SELECT {chosen} FROM {table} WHERE {asked} AND name_a = '{word}'"
            else:
                text = rng.choice(_SHAPES).format(table, number, word)
            session = service * 8 + rng.randrange(8)
            yield Act(at, f"service-{service}", session, number, table, text, event)
            event += 1
        at += timedelta(seconds=1)


# --- the forms: from acts to lines, of which some are no reads ------------------------------------


def postgres(write: Callable[[Said], bytes], message: Callable[[Act], str]) -> Form:
    def lines(made: Iterable[Act]) -> Iterator[tuple[bytes, int]]:
        numbers: Counter[int] = Counter()
        for act in made:
            where = act.when, act.who, "pay", act.session
            if not act.event % 12:
                numbers[act.session] += 1
                said = f"disconnection: session time: 0:00:{act.number % 60:02} user={act.who}"
                yield write(Said(*where, said, numbers[act.session])), 0
            numbers[act.session] += 1
            yield write(Said(*where, message(act), numbers[act.session], agent="app")), 1

    return lines


def audit(act: Act) -> str:
    text = act.text.replace('"', '""')
    return (
        f"AUDIT: SESSION,{act.event + 1},1,READ,SELECT,TABLE,public.{act.table},"
        f'"{text}",<not logged>'
    )


def server_audit(made: Iterable[Act]) -> Iterator[tuple[bytes, int]]:
    for act in made:
        head = f"{act.when:%Y%m%d %H:%M:%S},db-1,{act.who},10.0.3.{act.session % 250}"
        head += f",{act.session},{act.event}"
        text = act.text.replace("'", "\\'")
        if not act.event % 12:
            yield f"{head},CONNECT,pay,,0\n".encode(), 0
        yield f"{head},READ,pay,{act.table},\n{head},QUERY,pay,'{text}',0\n".encode(), 1


def general_log(made: Iterable[Act]) -> Iterator[tuple[bytes, int]]:
    known = set()
    for act in made:
        stamp = f"{act.when:%Y-%m-%dT%H:%M:%S}.{act.event % 10**6:06}Z\t{act.session:6}"
        if act.session not in known:
            known.add(act.session)
            yield f"{stamp} Connect\t{act.who}@10.0.3.7 on pay using TCP/IP\n".encode(), 0
        yield f"{stamp} Query\t{act.text}\n".encode(), 1


def s3_access(made: Iterable[Act]) -> Iterator[tuple[bytes, int]]:
    owner = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"
    for act in made:
        operation = "REST.HEAD.OBJECT" if not act.event % 12 else "REST.GET.OBJECT"
        key = f"exports/2026/{act.table}/part-{act.number % 200_000:06}.csv.gz"
        stamp = f"{act.when:%d/%b/%Y:%H:%M:%S} +0000"
        who = f"arn:aws:sts::111122223333:assumed-role/{act.who}/i-{act.session:017x}"
        yield (
            (
                f"{owner} pay [{stamp}] 10.0.3.{act.session % 250} {who} {act.event:016X}"
                f' {operation} {key} "GET /{key} HTTP/1.1" 200 - {act.number} 9 41 28 "-"'
                f' "aws-sdk-java/2.20.26 Linux/5.10.16 OpenJDK_64-Bit_Server_VM/17.0.6+10-LTS" -'
                f" {act.number:076x} SigV4 TLS_AES_128_GCM_SHA256 AuthHeader"
                f" pay.s3.eu-west-1.amazonaws.com TLSv1.3 - -\n"
            ).encode(),
            act.event % 12 > 0,
        )


def web(made: Iterable[Act]) -> Iterator[tuple[bytes, int]]:
    """The combined form of nginx and Apache."""
    for act in made:
        stamp = f"{act.when:%d/%b/%Y:%H:%M:%S} +0000"
        method = "POST" if not act.event % 12 else "GET"
        yield (
            (
                f"10.0.3.{act.session % 250} - {act.who} [{stamp}]"
                f' "{method} /api/{act.table}/{act.number % 200_000} HTTP/1.1" 200'
                ' "https://shop.example/checkout" "Mozilla/5.0 (X11; Linux x86_64)'
                ' AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"\n'
            ).encode(),
            act.event % 12 > 0,
        )


# --- the bare loops -------------------------------------------------------------------------------


def bare_csv(column: int, start: str) -> Bare:
    def count(path: Path) -> int:
        counts: Counter[str] = Counter()
        with path.open(newline="", encoding="utf-8") as file:
            counts.update(row[1] for row in csv.reader(file) if row[column].startswith(start))
        return counts.total()

    return count


def bare_json(path: Path) -> int:
    counts: Counter[str] = Counter()
    with path.open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            counts[row["user"]] += row["message"].startswith("AUDIT: ")
    return counts.total()


def bare_match(pattern: str) -> Bare:
    """``pattern`` fits a line that is a read, and its group ``who`` is who did it."""
    fits = re.compile(pattern)

    def count(path: Path) -> int:
        counts: Counter[str] = Counter()
        with path.open(encoding="utf-8") as file:
            for line in file:
                if found := fits.match(line):
                    counts[found["who"]] += 1
        return counts.total()

    return count


Form = Callable[[Iterable[Act]], Iterator[tuple[bytes, int]]]
"""each line, or lines, with how many reads they are"""
Bare = Callable[[Path], int]


@dataclass(frozen=True)
class Log:
    kind: str
    uri: str
    lines: Form
    bare: tuple[str, Bare]
    options: tuple[tuple[str, str], ...] = ()


_PG, _MY, _S3 = "postgresql://db/pay", "mysql://db/pay", "s3://pay"
_IST = (("zone", "Asia/Kolkata"),)
_NGINX = (
    ("store", _S3),
    ("format", '{client} - {principal} [{time}] "{method} {object} {*}" {status} {bytes} {*}'),
    ("time", "%d/%b/%Y:%H:%M:%S %z"),
)
LOGS = {
    "pgaudit csvlog": Log(
        *("pgaudit", _PG, postgres(POSTGRES_FORMS["csvlog"], audit)),
        ("csv.reader", bare_csv(13, "AUDIT: ")),
        _IST,
    ),
    "pgaudit jsonlog": Log(
        *("pgaudit", _PG, postgres(POSTGRES_FORMS["jsonlog"], audit)),
        ("json.loads", bare_json),
        _IST,
    ),
    "pgaudit stderr": Log(
        *("pgaudit", _PG, postgres(POSTGRES_FORMS["stderr"], audit)),
        ("re.match", bare_match(r"(\S+ \S+ \w+) \[(\d+)\] (?P<who>\w[^@]*)@(\w+) LOG:  AUDIT: ")),
        _IST,
    ),
    "log_statement csvlog": Log(
        *("log-statement", _PG),
        postgres(POSTGRES_FORMS["csvlog"], lambda act: f"statement: {act.text}"),
        ("csv.reader", bare_csv(13, "statement: ")),
        _IST,
    ),
    "server_audit": Log(
        *("server-audit", _MY, server_audit),
        ("re.match", bare_match(r"(\d+ [\d:]+),([^,]*),(?P<who>[^,]*),([^,]*),(\d+),(\d+),READ,")),
    ),
    "general log": Log(
        *("general-log", _MY, general_log),
        ("re.match", bare_match(r"(\S+)\t\s*(?P<who>\d+) Query\t(.*)")),
    ),
    "S3 access log": Log(
        *("s3-access-logs", _S3, s3_access),
        (
            "re.match",
            bare_match(
                r"(\S+) (\S+) \[(.*?)\] (\S+) (?P<who>\S+) (\S+) REST\.GET\.OBJECT (\S+)"
                r' "(.*?)" (\S+) (\S+) (\S+)'
            ),
        ),
    ),
    "pattern (nginx)": Log(
        *("pattern", _S3, web),
        (
            "re.match",
            bare_match(r'(\S+) - (?P<who>\S+) \[(.*?)\] "GET (\S+) (\S+)" (\d+) (\d+) '),
        ),
        _NGINX,
    ),
}


def made(folder: Path, name: str, many: bool, size: int) -> tuple[Path, int]:
    """A log of about ``size`` bytes, and how many reads it is."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name} {'many' if many else 'usual'} {size}".replace(" ", "-")
    counted = path.with_suffix(".reads")
    if not counted.exists():
        reads = written = 0
        with path.open("wb") as file:
            for line, read in LOGS[name].lines(acts(many)):
                written, reads = written + file.write(line), reads + read
                if written > size:
                    break
        counted.write_text(str(reads))
    return path, int(counted.read_text())


def compare(folder: Path, name: str, many: bool, size: int, rounds: int) -> None:
    log = LOGS[name]
    path, reads = made(folder, name, many, size)
    megabytes = path.stat().st_size / 1e6
    ways = {"cardtrail": None, log.bare[0]: log.bare[1]}
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, bare in ways.items():
            with tempfile.TemporaryDirectory() as place:
                facts, settings = Path(place) / "facts", {"uri": "x", **dict(log.options)}
                seconds, count = timed(
                    bare or (lambda p, at=facts, s=settings: ours([p], at, log.kind, log.uri, s)),
                    path,
                )
            if count != reads:
                sys.exit(f"{name}, {way}: {count:,} reads counted, expected {reads:,}")
            times[way].append(100 * seconds / megabytes)
    here, bare_ = (statistics.median(times[way]) for way in ways)
    print(
        f"{name:22}{'many' if many else 'usual':7}{here:8.2f}{bare_:8.2f}  {log.bare[0]:11}"
        f"{here / bare_:5.1f}{reads * 100 / here / megabytes:10,.0f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--megabytes", type=int, default=25)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="forms whose name holds this")
    parser.add_argument("--folder", type=Path, default=ROOT / "bench-out")
    given = parser.parse_args()
    collect_seldom()  # as every process of cardtrail does
    keep_memory()  # as its workers do
    os.environ["TZ"] = "UTC"
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    print("first run over logs, one core; seconds of processor time for 100 MB")
    print(f"{'form':22}{'shapes':7}{'here':>8}{'bare':>8}  {'loop':11}{'ratio':>5}{'reads/s':>10}")
    for name in LOGS:
        if given.only in name:
            for many in (False, True):
                size = given.megabytes * 1_000_000
                compare(given.folder / "logs", name, many, size, given.rounds)


if __name__ == "__main__":
    main()
