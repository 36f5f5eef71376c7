"""Names that try to break out of a format, and a run full of them."""

from __future__ import annotations

from dataclasses import replace

from scanner.model import (
    Coverage,
    Evidence,
    Fact,
    Flag,
    Grant,
    Location,
    Misfit,
    Reads,
    Run,
    Status,
    Store,
    Tri,
)
from tests.company import dumps
from tests.fieldparts import named
from tests.runparts import finding, make_run, not_read

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
        base = dumps()
        stores.append(
            replace(
                base,
                store=Store(uri, "s3", name, expected=False, owner=name),
                sentence=name,
                protection=(Fact(name, Tri.UNKNOWN, name),),
                fields=(named(name),),
                access=replace(
                    base.access,
                    evidence=(
                        Evidence(
                            *(name, Coverage.PARTIAL, None, None, name),
                            unparsed=1,
                            misfits=(Misfit(name, name, name),),
                        ),
                    ),
                    could_read=(Grant(name, name, "allow", name),),
                    did_read=(Reads(name, 3, flags=(Flag(name, name),)),),
                ),
            )
        )
        place = Location(line=1, column=2, member=name, sheet=name, field=name)
        found.append(finding(uri, name, n, location=place, why=(name,)))
        outcomes.append(not_read(uri, name, Status.FAILED, "corrupt", name))
    stores.sort(key=lambda report: report.store.uri)
    return make_run(stores, found, outcomes, targets=HOSTILE)
