"""A store whose reads are all on record: could and did in every way, for tests of what is said."""

from __future__ import annotations

from datetime import timedelta

from scanner.model import (
    Access,
    Coverage,
    Evidence,
    Fact,
    Flag,
    Grant,
    Held,
    Reads,
    Run,
    Store,
    StoreReport,
    Tri,
    Verdict,
)
from scanner.reach import Holding
from tests.runparts import START, finding, make_run, outcome

SHOP = "postgresql://db.acme.example/shop"
VAULT = "s3://acme-vault/exports"
_WINDOW = (START - timedelta(days=90), START)
_ROLE = "arn:aws:iam::111122223333:role/"


def watched() -> Run:
    """One database and one bucket."""
    stores = (_shop(), _vault())
    found = [finding(SHOP, "cards", n) for n in range(4)]
    found += [finding(VAULT, "2026/q1.csv", n) for n in range(3)]
    outcomes = [outcome(SHOP, name, 40_112) for name in ("cards", "orders", "staff")]
    outcomes += [outcome(VAULT, f"2026/q{n}.csv", 9_112) for n in (1, 2)]
    return make_run(stores, found, outcomes)


def _report(uri: str, kind: str, cards: int, access: Access) -> StoreReport:
    return StoreReport(
        store=Store(uri, kind, "production", expected=True, owner="payments@acme.example"),
        verdict=Verdict.UNPROTECTED,
        sentence="Card numbers can be read by anyone who can read the store.",
        distinct_pans=cards,
        distinct_pans_estimated=False,
        findings=0,
        protection=(Fact("public-access", Tri.NO, "Nobody is let in without credentials."),),
        access=access,
    )


def _shop() -> StoreReport:
    analysts = Held("analysts", "table")
    through = "SELECT granted to analysts: cards, orders"
    last = START - timedelta(hours=9)
    evidence = Evidence("pgaudit", Coverage.COMPLETE, *_WINDOW, "Every read was logged.")
    access = Access(
        *_WINDOW,
        evidence=(evidence,),
        public=Tri.NO,
        could_read_known=True,
        could_read=(
            Grant(
                "role:admin", "superuser", "allow", "superuser", None, (Held("admin", "superuser"),)
            ),
            Grant("role:ann", "role", "allow", through, last, (analysts,)),
            *(
                Grant(f"role:{name}", "role", "allow", through, None, (analysts,))
                for name in "bcdef"
            ),
            Grant(
                "role:shop",
                "role",
                "allow",
                "SELECT granted: cards",
                last,
                (Held("shop", "table"),),
            ),
        ),
        did_read=(
            Reads("shop", 41_022, 82_044, None, 1, 0, _WINDOW[0], last, (), 41_022),
            Reads("ann", 12, 3_100, None, 1, 0, last - timedelta(days=3), last, (), 12),
            Reads("former", 2, 9, None, 1, 0, last - timedelta(days=60), last - timedelta(days=59)),
            Reads("guest", 0, None, None, None, 8, last, last),
        ),
        holdings=(Holding(("cards",), ("analysts", "shop")), Holding(("orders",), ("analysts",))),
    )
    return _report(SHOP, "postgresql", 48_112, access)


def _vault() -> StoreReport:
    policy = "policy ReadEverything of group staff, statement 1"
    user = "arn:aws:iam::111122223333:user/"
    detail = "service and resource control policies, which can only take away, are not known"
    evidence = Evidence("cloudtrail", Coverage.COMPLETE, *_WINDOW, "Reads of all objects.")
    last = START - timedelta(days=2)
    flag = Flag("bulk", "Read 900 objects in a night, three times as many as ever before.")
    access = Access(
        *_WINDOW,
        evidence=(evidence,),
        public=Tri.NO,
        could_read_known=False,
        could_read_detail=f"{detail} (AccessDenied: these credentials lack organizations)",
        could_read=(
            Grant(f"{_ROLE}etl", "role", "allow", "inline policy job, statement Exports", last),
            *(Grant(f"{user}{name}", "user", "allow", policy) for name in ("ann", "bob", "eve")),
            Grant(
                f"{_ROLE}audit",
                "role",
                "conditional",
                "inline policy audit, statement 1; depends on aws:sourceip; may be refused by"
                " bucket policy, statement OnlyFromOffice",
            ),
        ),
        did_read=(
            Reads(
                f"{_ROLE}etl session nightly", 900, None, 1 << 33, 900, 0, last, last, (flag,), 0
            ),
        ),
    )
    return _report(VAULT, "s3", 3_120, access)
