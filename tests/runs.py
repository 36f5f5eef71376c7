"""Sample runs for tests of whatever takes a ``Run``: reports, summary, ledger, diff.

``sample()`` is a small made-up company, the same every time; ``empty()`` found nothing and read
everything; ``large(n)`` has n findings; ``hostile()`` has names that try to break a format;
``runs()`` is a hypothesis strategy. No value here is a real card number: masks are made up.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from scanner.model import (
    Access,
    Coverage,
    Evidence,
    Fact,
    Finding,
    Flag,
    Grant,
    Location,
    Outcome,
    Reads,
    Run,
    RunCoverage,
    RunSummary,
    Severity,
    Status,
    Store,
    StoreReport,
    Tri,
    Verdict,
)

START = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
DUMPS = "s3://acme-dumps"
EXPORTS = "s3://acme-exports"
SITE = "s3://acme-site"
PAYMENTS = "sqlite:///srv/payments.db"
LOGS = "file:///var/log/shop"


def finding(
    store: str,
    unit: str,
    seed: int,
    *,
    entity: str = "CREDIT_CARD",
    severity: Severity = Severity.CRITICAL,
    state: str = "clear",
    confidence: float = 0.99,
    count: int = 1,
    distinct: int = 1,
    location: Location | None = None,
    requirements: tuple[str, ...] = ("3.5.1",),
    why: tuple[str, ...] = ("issuer prefix and length of Visa", "Luhn", "stands under “card”"),
    rest: bool = False,
) -> Finding:
    """A finding that differs with ``seed``. ``rest``: the one past the limit of distinct values."""
    digest = hashlib.sha256(f"{store}{unit}{seed}".encode("utf-8", "surrogateescape")).hexdigest()
    head, tail = ("411111", "555544", "378282")[seed % 3], f"{int(digest[:4], 16) % 10000:04d}"
    brand, stars = (("visa", 6), ("mastercard", 6), ("amex", 5))[seed % 3]
    shown = entity in {"CREDIT_CARD", "TRACK_1", "TRACK_2"} and not rest
    first = location or Location(line=12 + seed * 7, column=5 + seed % 40, offset=1234 + seed * 311)
    more = tuple(_later(first, i) for i in range(min(count, 15)))
    return Finding(
        store=store,
        unit=unit,
        detector="track" if entity.startswith("TRACK") else "pan",
        entity=entity,
        brands=() if rest or not shown else (brand,),
        masked=head + "*" * stars + tail if shown else None,
        fingerprint=None if rest else digest[:32],
        distinct=distinct,
        count=count,
        confidence=confidence,
        severity=severity,
        state=state,
        location=None if rest else first,
        locations=() if rest else more,
        requirements=requirements,
        why=why,
    )


def _later(place: Location, i: int) -> Location:
    """The ``i``-th place after ``place``; what does not apply to it still does not."""
    return replace(
        place,
        line=None if place.line is None else place.line + 3 * i,
        row=None if place.row is None else place.row + 3 * i,
        offset=None if place.offset is None else place.offset + 977 * i,
    )


def make_run(
    stores: Iterable[StoreReport],
    findings: Iterable[Finding],
    outcomes: Iterable[Outcome],
    **changes: object,
) -> Run:
    """A run whose sums agree with its parts; findings and outcomes sorted as the engine does."""
    found = sorted(findings, key=lambda f: (f.store, f.unit, f.entity, f.fingerprint or "~"))
    results = tuple(sorted(outcomes, key=lambda o: (o.store, o.unit)))
    status = Counter(o.status for o in results)
    not_read = (o for o in results if o.status in {Status.SKIPPED, Status.FAILED})
    coverage = RunCoverage(
        units=len(results),
        scanned=status[Status.SCANNED],
        sampled=status[Status.SAMPLED],
        skipped=status[Status.SKIPPED],
        failed=status[Status.FAILED],
        bytes=sum(o.size or o.bytes for o in results),
        bytes_scanned=sum(o.bytes for o in results),
        excluded=0,
        reasons=dict(sorted(Counter(o.reason or "unknown" for o in not_read).items())),
    )
    per_store = Counter(f.store for f in found)
    run = Run(
        id="20260302T063000Z-7f3a",
        version="0.1.0",
        started=START,
        finished=START + timedelta(minutes=4, seconds=11),
        status="complete" if coverage.complete else "incomplete",
        profile="card",
        config_digest="b5d4045c3f466fa91fe2cc6abe79232a",
        key_id="9f86d081884c",
        detectors=("pan", "track"),
        targets=tuple(s.store.uri for s in stores),
        coverage=coverage,
        stores=tuple(replace(s, findings=per_store[s.store.uri]) for s in stores),
        findings=tuple(found),
        outcomes=results,
    )
    return replace(run, **changes)  # type: ignore[arg-type]  # keywords are fields of Run


# --- a made-up company --------------------------------------------------------------------------

_WINDOW = (START - timedelta(days=90), START)
_READABLE = "Card numbers can be read by anyone who can read the store."
_SAD = "Sensitive authentication data is stored, which no protection makes acceptable (3.3.1)."


def _dumps() -> StoreReport:
    trail = Evidence(
        "cloudtrail-data-events",
        Coverage.PARTIAL,
        START - timedelta(days=61),
        START,
        "Trail “org-trail” records reads of this bucket since 31 December 2025; nothing before.",
        unparsed=2,
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
        ),
    )


def _exports() -> StoreReport:
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


def _payments() -> StoreReport:
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
    )


def _logs() -> StoreReport:
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


def _site() -> StoreReport:
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


def _outcome(store: str, unit: str, size: int, **changes: object) -> Outcome:
    return replace(
        Outcome(store, unit, Status.SCANNED, bytes=size, size=size, version="v1"),
        **changes,  # type: ignore[arg-type]  # keywords are fields of Outcome
    )


def _not_read(store: str, unit: str, status: Status, reason: str, detail: str) -> Outcome:
    return Outcome(store, unit, status, reason, detail, size=48_213)


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
    scanned = [
        _outcome(DUMPS, f"2026/02/dump-{day:02d}.sql.gz", 412_331_000) for day in range(1, 9)
    ]
    scanned += [_outcome(SITE, f"assets/{name}", 40_112) for name in ("app.js", "index.html")]
    scanned += [_outcome(EXPORTS, f"crm/{n}", 91_004) for n in ("leads.csv", "orders.csv")]
    scanned += [_outcome(PAYMENTS, n, 7_340_032) for n in ("payments", "sessions")]
    scanned += [
        _outcome(LOGS, n, 104_857_600)
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
        _not_read(EXPORTS, "hr/", Status.FAILED, "access-denied", "Listing was denied."),
        _not_read(DUMPS, "2019/", Status.SKIPPED, "archived", "In Glacier: needs a restore."),
        _not_read(LOGS, "app.log.9.gz", Status.FAILED, "truncated", "Ends before its trailer."),
        _not_read(LOGS, "core.4411", Status.SKIPPED, "unsupported-format", ""),
        _not_read(LOGS, "spool.fifo", Status.SKIPPED, "not-a-regular-file", "A named pipe."),
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


def sample(**changes: object) -> Run:
    """Five stores of every look, 25 units, every severity, state and status."""
    reports = (_dumps(), _exports(), _site(), _payments(), _logs())
    stores = sorted(reports, key=lambda report: report.store.uri)
    run = make_run(stores, _sample_findings(), _sample_outcomes(), earlier=_earlier())
    return replace(run, **changes)  # type: ignore[arg-type]  # keywords are fields of Run


def empty() -> Run:
    """One store, all of it read, nothing found."""
    outcomes = [_outcome(SITE, f"assets/{name}", 40_112) for name in ("app.js", "index.html")]
    return make_run((_site(),), (), outcomes)


def large(count: int) -> Run:
    """``count`` findings in three stores, a tenth as many units, one in fifty units not read."""
    stores = (_dumps(), _logs(), _payments())
    severities = list(Severity)
    found = [
        finding(
            stores[n % 3].store.uri,
            f"part-{n // 1000:04d}/file-{n // 10:06d}.log",
            n,
            severity=severities[(n * 7) % 5],
            confidence=0.3 + (n * 37 % 70) / 100,
            count=1 + n % 3,
        )
        for n in range(count)
    ]
    units = sorted({(f.store, f.unit) for f in found})
    outcomes = [
        _not_read(store, unit, Status.FAILED, "access-denied", "Reading was denied.")
        if n % 50 == 49
        else _outcome(store, unit, 65_536)
        for n, (store, unit) in enumerate(units)
    ]
    return make_run(stores, found, outcomes)


# --- names that try to break out ----------------------------------------------------------------

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "<!--<script>",
    "\"quoted\" & 'single' `tick`",
    "line\none\r\ntwo\ttab",
    '=HYPERLINK("http://x.example","x")',
    "+1-1",
    "-2+3",
    "@SUM(1)",
    "\x1b[31mred\x1b]0;title\x07",
    "\u202egpj.exe",
    "zero\u200bwidth\ufeff",
    "para\u2029sep",
    "undecodable\udcff\udc80",
    "null\x00byte",
    "c1\x9b31m",
    "del\x7f",
    "{{ 7*7 }} {% raw %}",
    "a|b;c,d",
    "日本語/ключ/😀.txt",
    " leading and trailing ",
    "%2e%2e/a b#c?d",
)


def hostile() -> Run:
    """Every text field that can come from data holds a name that tries something."""
    stores, found, outcomes = [], [], []
    for n, name in enumerate(HOSTILE):
        uri = f"s3://{name}"
        base = _dumps()
        stores.append(
            replace(
                base,
                store=Store(uri, "s3", name, expected=False, owner=name),
                sentence=name,
                protection=(Fact(name, Tri.UNKNOWN, name),),
                access=replace(
                    base.access,
                    evidence=(Evidence(name, Coverage.PARTIAL, None, None, name),),
                    could_read=(Grant(name, name, "allow", name),),
                    did_read=(Reads(name, 3, flags=(Flag(name, name),)),),
                ),
            )
        )
        place = Location(line=1, column=2, member=name, sheet=name, field=name)
        found.append(finding(uri, name, n, location=place, why=(name,)))
        outcomes.append(_not_read(uri, name, Status.FAILED, "corrupt", name))
    stores.sort(key=lambda report: report.store.uri)
    return make_run(stores, found, outcomes, targets=HOSTILE)


# --- any run at all -----------------------------------------------------------------------------

_text = st.text(max_size=12) | st.sampled_from(HOSTILE)
_times = st.datetimes(
    min_value=datetime(1990, 1, 1), max_value=datetime(2090, 1, 1), timezones=st.just(UTC)
)
_maybe_time = st.none() | _times
_number = st.none() | st.integers(0, 10**15)
_position = st.none() | st.integers(1, 10**9)
_locations = st.builds(
    Location,
    offset=_number,
    line=_position,
    column=_position,
    member=st.none() | _text,
    page=_position,
    sheet=st.none() | _text,
    row=_position,
    field=st.none() | _text,
)
_flags = st.lists(st.builds(Flag, rule=_text, sentence=_text), max_size=2).map(tuple)
_access = st.builds(
    Access,
    window_start=_maybe_time,
    window_end=_maybe_time,
    evidence=st.lists(
        st.builds(
            Evidence,
            source=_text,
            coverage=st.sampled_from(Coverage),
            start=_maybe_time,
            end=_maybe_time,
            detail=_text,
            unparsed=st.integers(0, 9),
        ),
        max_size=2,
    ).map(tuple),
    public=st.sampled_from(Tri),
    could_read_known=st.booleans(),
    could_read=st.lists(
        st.builds(
            Grant,
            principal=_text,
            kind=_text,
            state=st.sampled_from(["allow", "conditional", "unknown"]),
            via=_text,
            last_read=_maybe_time,
        ),
        max_size=3,
    ).map(tuple),
    did_read=st.lists(
        st.builds(
            Reads,
            principal=_text,
            reads=_number,
            rows=_number,
            bytes=_number,
            objects=_number,
            denied=_number,
            first=_maybe_time,
            last=_maybe_time,
            flags=_flags,
        ),
        max_size=3,
    ).map(tuple),
)


@st.composite
def _findings(draw: st.DrawFn, store: str, unit: str) -> Finding:
    rest = draw(st.booleans())
    places = draw(st.lists(_locations, max_size=15))
    return Finding(
        store=store,
        unit=unit,
        detector=draw(st.sampled_from(["pan", "track", "pii"])),
        entity=draw(st.sampled_from(["CREDIT_CARD", "TRACK_1", "CVV", "EMAIL_ADDRESS"])),
        brands=draw(st.sampled_from([(), ("visa",), ("discover", "unionpay")])),
        masked=None if rest else draw(st.sampled_from([None, "411111******1111"])),
        fingerprint=None if rest else draw(st.uuids()).hex,
        distinct=draw(st.integers(1, 9)) if rest else 1,
        count=draw(st.integers(9, 10**12)),
        confidence=draw(st.floats(0.0, 1.0)),
        severity=draw(st.sampled_from(Severity)),
        state=draw(st.sampled_from(["clear", "encoded", "test", "truncated", "hashed"])),
        location=places[0] if places else None,
        locations=tuple(places),
        requirements=draw(st.sampled_from([(), ("3.5.1",), ("3.3.1", "3.3.1.1")])),
        why=tuple(draw(st.lists(_text, max_size=2))),
    )


@st.composite
def runs(draw: st.DrawFn) -> Run:
    """Up to three stores with up to four units each and any text anywhere."""
    stores, found, outcomes = [], [], []
    for uri in sorted(draw(st.sets(_text, min_size=1, max_size=3))):
        store = Store(
            uri,
            draw(st.sampled_from(["s3", "files", "sqlite"])),
            draw(st.none() | _text),
            draw(st.sampled_from([True, False, None])),
            draw(st.none() | _text),
        )
        protection = st.builds(Fact, control=_text, state=st.sampled_from(Tri), detail=_text)
        stores.append(
            StoreReport(
                store=store,
                verdict=draw(st.sampled_from(Verdict)),
                sentence=draw(_text),
                distinct_pans=draw(_number),
                distinct_pans_estimated=draw(st.booleans()),
                findings=0,
                protection=tuple(draw(st.lists(protection, max_size=3))),
                access=draw(_access),
            )
        )
        for unit in draw(st.sets(_text, max_size=4)):
            found += draw(st.lists(_findings(uri, unit), max_size=3))
            outcomes.append(
                Outcome(
                    store=uri,
                    unit=unit,
                    status=draw(st.sampled_from(Status)),
                    reason=draw(st.sampled_from(["encrypted", "access-denied", "corrupt"])),
                    detail=draw(_text),
                    bytes=draw(st.integers(0, 10**12)),
                    size=draw(_number),
                    fraction=draw(st.none() | st.floats(0.0, 1.0)),
                )
            )
    return make_run(stores, found, outcomes)
