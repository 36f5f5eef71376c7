"""A small made-up company, the same every time: five stores of every look."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from scanner.model import (
    Access,
    Coverage,
    DayReads,
    Evidence,
    Fact,
    Finding,
    Flag,
    Grant,
    Location,
    Misfit,
    ObjectReads,
    Outcome,
    Reads,
    Run,
    RunSummary,
    Severity,
    Status,
    Store,
    StoreReport,
    Tri,
    Verdict,
)
from tests.fieldparts import beside_cards, card_columns
from tests.runparts import (
    DUMPS,
    EXPORTS,
    LOGS,
    PAYMENTS,
    SITE,
    START,
    finding,
    make_run,
    not_read,
    outcome,
)

_WINDOW = (START - timedelta(days=90), START)
_READABLE = "Card numbers can be read by anyone who can read the store."
_SAD = "Sensitive authentication data is stored, which no protection makes acceptable (3.3.1)."


def dumps() -> StoreReport:
    trail = Evidence(
        "cloudtrail-data-events",
        Coverage.PARTIAL,
        START - timedelta(days=61),
        START,
        "Trail “org-trail” records reads of this bucket since 31 December 2025; nothing before.",
        unparsed=2,
        misfits=(Misfit("2026/02/11/trail_1.json.gz", "record 17", '{"a":"9.9","a":"a.a.a"}'),),
    )
    first = START - timedelta(days=58)
    return StoreReport(
        store=Store(DUMPS, "s3", "staging", expected=False, owner="data-platform@acme.example"),
        verdict=Verdict.UNPROTECTED,
        sentence=_READABLE,
        distinct_pans=4218,
        distinct_pans_estimated=False,
        findings=0,
        protection=(
            Fact("public-access", Tri.YES, "The bucket policy allows s3:GetObject to everyone."),
            Fact("public-access-block", Tri.NO, "Neither account nor bucket blocks public access."),
            Fact("default-encryption", Tri.NO, "No default encryption is set."),
            Fact(
                "versioning", Tri.YES, "Old versions are kept; deleting an object keeps its PANs."
            ),
            Fact("access-logging", Tri.NO, "Server access logging is off."),
        ),
        access=Access(
            *_WINDOW,
            evidence=(trail,),
            public=Tri.YES,
            could_read_known=True,
            could_read=(
                Grant("*", "public", "allow", "bucket policy, statement “PublicRead”"),
                Grant(
                    "arn:aws:iam::111122223333:role/etl-nightly",
                    "role",
                    "allow",
                    "identity policy etl-rw",
                    START - timedelta(hours=4),
                ),
                Grant(
                    "arn:aws:iam::111122223333:user/intern-2024",
                    "user",
                    "allow",
                    "group “analysts”",
                ),
                Grant(
                    "arn:aws:iam::999988887777:root",
                    "account",
                    "conditional",
                    "bucket policy, statement “Vendor”, if aws:SourceVpce is vpce-0a1b",
                ),
            ),
            did_read=(
                Reads(
                    "arn:aws:iam::111122223333:role/etl-nightly",
                    1412,
                    None,
                    52_881_920_441,
                    212,
                    0,
                    first,
                    START - timedelta(hours=4),
                ),
                Reads(
                    "anonymous",
                    96,
                    None,
                    3_221_225_472,
                    31,
                    14,
                    START - timedelta(days=9),
                    START - timedelta(days=8),
                    (
                        Flag(
                            "anonymous",
                            "96 reads without credentials from 3 addresses, all within 31 hours.",
                        ),
                        Flag(
                            "bulk",
                            "31 of 34 objects with cards fetched in one night, 3.0 GiB in all.",
                        ),
                    ),
                ),
                Reads(
                    "arn:aws:sts::999988887777:assumed-role/vendor-sync/i-0f",
                    7,
                    None,
                    None,
                    7,
                    None,
                    START - timedelta(days=30),
                    START - timedelta(days=2),
                    (Flag("foreign-account", "Account 999988887777 is not one of yours."),),
                ),
            ),
            days=_days(),
            objects=(
                ObjectReads(
                    *("nightly/2026-02-28/orders.csv.gz", 2, 96, 1_322_118_400, None),
                    *(START - timedelta(days=9), START - timedelta(days=1)),
                ),
                ObjectReads(
                    *("nightly/2026-02-27/orders.csv.gz", 1, 12, None, None),
                    *(START - timedelta(days=9), START - timedelta(days=8)),
                ),
            ),
        ),
    )


def exports() -> StoreReport:
    return StoreReport(
        store=Store(EXPORTS, "s3", "production", expected=None, owner=None),
        verdict=Verdict.UNPROTECTED,
        sentence=_READABLE,
        distinct_pans=2,
        distinct_pans_estimated=False,
        findings=0,
        protection=(
            Fact("public-access", Tri.NO, "Public Access Block is on for the account."),
            Fact("default-encryption", Tri.YES, "SSE-KMS with key alias/exports."),
            Fact("versioning", Tri.UNKNOWN, "s3:GetBucketVersioning was denied to this role."),
        ),
        access=Access(
            *_WINDOW,
            evidence=(
                Evidence(
                    "cloudtrail-data-events",
                    Coverage.NONE,
                    None,
                    None,
                    "No event selector covers this bucket: reads of it were not recorded.",
                ),
            ),
            public=Tri.NO,
        ),
    )


def payments() -> StoreReport:
    return StoreReport(
        store=Store(PAYMENTS, "sqlite", "production", expected=True, owner="payments@acme.example"),
        verdict=Verdict.UNPROTECTED,
        sentence=_SAD,
        distinct_pans=48112,
        distinct_pans_estimated=False,
        findings=0,
        protection=(
            Fact("file-mode", Tri.NO, "Mode 0640: group “www-data” can read the file."),
            Fact("encryption", Tri.NO, "The file is a plain SQLite database."),
        ),
        access=Access(
            *_WINDOW,
            public=Tri.NO,
            could_read_known=True,
            could_read=(
                Grant("root", "user", "allow", "superuser"),
                Grant("payments", "user", "allow", "owner, mode 0640"),
                Grant("www-data", "group", "allow", "group, mode 0640"),
            ),
        ),
        fields=card_columns(),
        fields_further=3,
        beside=beside_cards(),
    )


def logs() -> StoreReport:
    return StoreReport(
        store=Store(LOGS, "files", "production", expected=False, owner="shop-backend"),
        verdict=Verdict.UNPROTECTED,
        sentence=_SAD,
        distinct_pans=2,
        distinct_pans_estimated=False,
        findings=0,
        protection=(Fact("file-mode", Tri.YES, "Mode 0600, owner “shop”, on every file read."),),
        access=Access(
            *_WINDOW,
            public=Tri.NO,
            could_read_known=True,
            could_read=(
                Grant("root", "user", "allow", "superuser"),
                Grant("shop", "user", "allow", "owner, mode 0600"),
            ),
        ),
    )


def site() -> StoreReport:
    return StoreReport(
        store=Store(SITE, "s3", "production", expected=False, owner="web@acme.example"),
        verdict=Verdict.NO_CARD_DATA,
        sentence="Everything in scope was read and no card data was found.",
        distinct_pans=0,
        distinct_pans_estimated=False,
        findings=0,
        protection=(Fact("public-access", Tri.YES, "Meant to be public: it serves the site."),),
        access=Access(
            *_WINDOW,
            evidence=(
                Evidence(
                    "cloudtrail-data-events",
                    Coverage.COMPLETE,
                    *_WINDOW,
                    "Reads and writes of this bucket were recorded for the whole window.",
                ),
            ),
            public=Tri.YES,
            could_read_known=True,
            could_read=(Grant("*", "public", "allow", "bucket policy"),),
        ),
    )


def _sample_findings() -> list[Finding]:
    table = Location(row=1, field="card_number")
    found = [
        finding(DUMPS, f"2026/02/dump-{day:02d}.sql.gz", n, count=1 + n % 19)
        for day in range(1, 9)
        for n in range(day * 5, day * 5 + 5)
    ]
    found += [
        finding(DUMPS, "2026/02/dump-08.sql.gz", 99, distinct=4178, count=4677, rest=True),
        finding(
            EXPORTS,
            "crm/leads.csv",
            1,
            severity=Severity.HIGH,
            location=Location(line=31, row=30, field="notes"),
        ),
        finding(
            EXPORTS,
            "crm/backup.zip",
            2,
            severity=Severity.HIGH,
            confidence=0.86,
            state="encoded",
            location=Location(line=4, column=18, offset=211, member="old/cards.b64"),
        ),
        finding(
            EXPORTS,
            "crm/orders.csv",
            3,
            severity=Severity.MEDIUM,
            confidence=0.41,
            why=("Luhn", "no word near it speaks of cards"),
        ),
        finding(PAYMENTS, "payments", 4, severity=Severity.HIGH, location=table, count=2),
        finding(PAYMENTS, "payments", 5, severity=Severity.HIGH, location=replace(table, row=2)),
        finding(
            PAYMENTS, "payments", 98, severity=Severity.HIGH, distinct=48110, count=50003, rest=True
        ),
        finding(
            PAYMENTS,
            "sessions",
            6,
            entity="CVV",
            requirements=("3.3.1.2", "3.3.1"),
            location=Location(row=7, field="cvv2"),
            why=("three digits in a column named “cvv2”", "a PAN stands beside it"),
        ),
        finding(LOGS, "app.log", 7, severity=Severity.HIGH, count=40),
        finding(LOGS, "app.log.2.gz", 8, severity=Severity.MEDIUM, confidence=0.7),
        finding(LOGS, "pos.log", 9, severity=Severity.HIGH),
        finding(
            LOGS,
            "pos.log",
            9,
            entity="TRACK_2",
            requirements=("3.3.1.1", "3.3.1"),
            why=("whole track 2 with a valid expiry and service code",),
        ),
        finding(
            LOGS,
            "tests/fixtures.json",
            10,
            severity=Severity.LOW,
            state="test",
            requirements=("6.5.6",),
            why=("a published test number",),
        ),
        finding(
            LOGS,
            "receipts.txt",
            11,
            severity=Severity.INFO,
            state="truncated",
            requirements=(),
            why=("first 6 and last 4 only",),
        ),
    ]
    return found


def _sample_outcomes() -> list[Outcome]:
    scanned = [outcome(DUMPS, f"2026/02/dump-{day:02d}.sql.gz", 412_331_000) for day in range(1, 9)]
    scanned += [outcome(SITE, f"assets/{name}", 40_112) for name in ("app.js", "index.html")]
    scanned += [outcome(EXPORTS, f"crm/{n}", 91_004) for n in ("leads.csv", "orders.csv")]
    scanned += [outcome(PAYMENTS, n, 7_340_032) for n in ("payments", "sessions")]
    scanned += [
        outcome(LOGS, n, 104_857_600)
        for n in ("app.log", "app.log.2.gz", "pos.log", "tests/fixtures.json", "receipts.txt")
    ]
    return [
        *scanned,
        Outcome(
            EXPORTS,
            "crm/backup.zip",
            Status.SAMPLED,
            "encrypted",
            "1 of 4 members is encrypted.",
            bytes=60_000,
            size=91_004,
            fraction=0.75,
        ),
        not_read(EXPORTS, "hr/", Status.FAILED, "access-denied", "Listing was denied."),
        not_read(DUMPS, "2019/", Status.SKIPPED, "archived", "In Glacier: needs a restore."),
        not_read(LOGS, "app.log.9.gz", Status.FAILED, "truncated", "Ends before its trailer."),
        not_read(LOGS, "core.4411", Status.SKIPPED, "unsupported-format", ""),
        not_read(LOGS, "spool.fifo", Status.SKIPPED, "not-a-regular-file", "A named pipe."),
    ]


def _earlier() -> tuple[RunSummary, ...]:
    history = ((28, 61004, 4, 9), (21, 58210, 4, 7), (14, 55871, 5, 7), (7, 53020, 4, 6))
    return tuple(
        RunSummary(
            id=f"r-{days}",
            started=START - timedelta(days=days),
            finished=START - timedelta(days=days) + timedelta(minutes=5),
            status="incomplete",
            profile="card",
            units=24,
            not_read=not_read,
            findings=70 + days,
            distinct_pans=pans,
            unprotected=unprotected,
        )
        for days, pans, unprotected, not_read in history
    )


def _days() -> tuple[DayReads, ...]:
    """A job every night, one night with far more, and days nothing is known of."""
    days = []
    for back in range(90, -1, -1):
        untold = back > 84 or 40 < back < 45
        cards = 96 if back == 9 else 2 if back % 7 == 0 else 0
        reads = None if untold else 14 + back % 5 + cards
        day = (START - timedelta(days=back)).date()
        days.append(DayReads(day, reads, None if untold else cards, False))
    return tuple(days)


def sample(**changes: object) -> Run:
    """Five stores of every look, 25 units, every severity, state and status."""
    reports = (dumps(), exports(), site(), payments(), logs())
    stores = sorted(reports, key=lambda report: report.store.uri)
    run = make_run(stores, _sample_findings(), _sample_outcomes(), earlier=_earlier())
    return replace(run, **changes)  # type: ignore[arg-type]  # keywords are fields of Run
