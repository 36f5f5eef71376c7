"""An account against what its logs come to: counts, gaps, misuse. Each finding is a sentence.

wrong_counts(account, "CloudTrail")      # nothing, if the counts come out exactly
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from scanner import registry, snooping
from scanner.audits import Audit
from scanner.contracts import EvidenceResult, OpenFiles, Source
from scanner.known import Known, name_hash
from scanner.model import Access, Coverage, Problem, Store
from scanner.seal import Sealer
from tools.account_logs import ENDPOINT, FORMATS, Files, Format
from tools.accounts import DENIED, END, READ, RECORDS, TABLES, WATCHED, Account, Act

SEALER = Sealer(b"accuracy of access, a key for made-up logs")
NUMBER = snooping.numbering(SEALER.fingerprint, SEALER.name)
PAY, QUIET = "pay", "quiet"
EVERYTHING: dict[str, Any] = {
    "EventSelectors": [
        {
            "ReadWriteType": "All",
            "IncludeManagementEvents": True,
            "DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]}],
        }
    ]
}
_TRAILS = ("CloudTrail", "CloudWatch")
"""as delivered, so that they can be a complete record"""


@dataclass
class Case:
    """One collection: what lies in the folder, how it is configured, what the server said."""

    name: str
    account: Account
    files: Files
    options: dict[str, Any] = field(default_factory=dict)
    audit: Audit | None = None
    selectors: Any = None
    trail: dict[str, Any] | None = None
    """what AWS says of the trail, when it is asked; ``HomeRegion``: it records that one only"""

    @property
    def form(self) -> Format:
        return FORMATS[self.name]

    def collect(self, against: snooping.Snooping | None = None) -> Mapping[str, EvidenceResult]:
        form, pay, quiet = self.form, self.form.uri(PAY), self.form.uri(QUIET)
        files = dict(self.files)
        settings = {"uri": "folder", **form.options, **self.options}
        if self.trail is not None:
            settings["trail"] = "arn:aws:cloudtrail:us-east-1:123456789012:trail/main"
        elif self.selectors is not None:
            files["_selectors"] = json.dumps(self.selectors).encode()
            settings["selectors"] = "_selectors"
        if against is not None:
            settings["snooping"] = snooping.Lookout(against, NUMBER)
        stores = [Store(uri, form.scheme, options={"endpoint": ENDPOINT}) for uri in (pay, quiet)]
        if form.kind == "pattern":
            settings["store"] = pay
        audits = {} if self.audit is None else {form.kind: self.audit}
        known = {
            pay: Known(RECORDS, frozenset(map(name_hash, cards(form))), audits),
            quiet: Known(RECORDS, frozenset(), audits),
        }
        with mock.patch("boto3.session.Session", return_value=_Aws(self)):
            found: Mapping[str, EvidenceResult] = registry.evidence()[form.kind].collect(
                settings, opener(files), stores, self.account.window, SEALER.name, known
            )
        return found


class _Aws:
    """What answers in the place of AWS for the trail of a case."""

    region_name = "eu-west-1"

    def __init__(self, made: Case) -> None:
        self._trail, self._selectors = made.trail or {}, made.selectors

    def client(self, *name: str, **more: Any) -> _Aws:
        return self

    def get_trail(self, **asked: str) -> dict[str, Any]:
        region = self._trail.get("HomeRegion")
        return {"Trail": {"IsMultiRegionTrail": region is None, "HomeRegion": region}}

    def get_trail_status(self, **asked: str) -> dict[str, Any]:
        return self._trail

    def get_event_selectors(self, **asked: str) -> dict[str, Any]:
        return dict(self._selectors)


def can_be_complete(name: str) -> bool:
    return name in _TRAILS or FORMATS[name].kind in ("pgaudit", "server-audit")


def cards(form: Format) -> set[str]:
    """The objects, or the tables, that hold card numbers: a third of them."""
    acts = [Act(END, "", record=number) for number in range(RECORDS)]
    if form.objects:
        return {act.key for act in acts if act.record % 3 == 0}
    return {TABLES[0]}


def case(account: Account, name: str) -> Case:
    """Nothing is missing."""
    form = FORMATS[name]
    made = Case(name, account, form.write([act for act in account.acts if form.sees(act)]))
    if name in _TRAILS:
        made.selectors = EVERYTHING
    if form.kind in ("pgaudit", "server-audit"):
        made.audit = Audit(since=int(account.start.timestamp()))
        made.options["store"] = form.uri(PAY)
    return made


def opener(files: Files) -> OpenFiles:
    def open_files(uri: str) -> Iterator[tuple[str, Source | Problem]]:
        for name, data in files.items():
            if (uri == "folder") == name.startswith("_") or uri not in ("folder", name):
                continue
            whole = isinstance(data, Problem)
            yield name, data if whole else Source(io.BytesIO(data), name, len(data))

    return open_files


# --- counts ---------------------------------------------------------------------------------------

_Counts = tuple[int, int | None, int, int | None, int | None, int]
"""reads, denied, of cards, bytes, rows, different things"""


def expected(account: Account, form: Format) -> dict[str, _Counts]:
    mine: dict[str, list[Act]] = {}
    for act in account.acts:
        if account.inside(act) and form.sees(act) and not act.other and act.what in (READ, DENIED):
            mine.setdefault(form.name_of(act.who), []).append(act)
    hold = cards(form)
    found: dict[str, _Counts] = {}
    for who, acts in mine.items():
        done = [act for act in acts if act.what == READ or not form.refused]
        named = Counter(_thing(act, form) for act in done)
        found[who] = (
            len(done),
            len(acts) - len(done),
            sum(count for name, count in named.items() if name in hold),
            sum(act.sent for act in done) if "bytes" in form.tells else None,
            sum(act.rows for act in done) if "rows" in form.tells else None,
            len(named),
        )
    return found


def _thing(act: Act, form: Format) -> str:
    return act.key if form.objects else act.table


def wrong_counts(made: Case) -> Iterator[str]:
    """Every file is there twice, under two names."""
    twice = {**made.files, **{f"copy of {name}": data for name, data in made.files.items()}}
    result = Case(**{**vars(made), "files": twice}).collect()[made.form.uri(PAY)]
    wanted = expected(made.account, made.form)
    found: dict[str, _Counts] = {
        each.principal: (
            *(each.reads or 0, each.denied, each.card_reads or 0),
            *(each.bytes if each.reads else wanted.get(each.principal, (0,) * 6)[3],),
            *(each.rows if each.reads else wanted.get(each.principal, (0,) * 6)[4],),
            each.objects or 0,
        )
        for each in result.reads
    }
    for who in sorted(wanted.keys() | found.keys()):
        if wanted.get(who) != found.get(who):
            yield f"{made.name}: {who}: wanted {wanted.get(who)}, found {found.get(who)}"
    if result.evidence.unparsed:
        yield f"{made.name}: {result.evidence.unparsed} records were not understood"


def zeros(made: Case, *, complete: bool) -> Iterator[str]:
    """The store nobody read: only a complete record may say so."""
    if "store" in made.options:
        made = Case(**{**vars(made), "options": {**made.options, "store": made.form.uri(QUIET)}})
    result = made.collect().get(made.form.uri(QUIET))
    if result is None:  # a described log answers for one store
        return
    answer = Access(evidence=(result.evidence,), did_read=result.reads).answer
    wanted = "not-read" if complete else "cannot-tell"
    if answer != wanted or (result.evidence.coverage is Coverage.COMPLETE) != complete:
        detail = result.evidence.detail
        yield f"{made.name}: of the quiet store {answer}, wanted {wanted} ({detail})"


# --- misuse ---------------------------------------------------------------------------------------


@dataclass
class Misuse:
    injected: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def against(account: Account, form: Format) -> snooping.Snooping:
    tickets: dict[str, list[snooping.Ticket]] = {}
    for who, record, start, end in account.tickets:
        times = int(start.timestamp()), int(end.timestamp())
        name = form.name_of(who)
        tickets.setdefault(name, []).append(snooping.Ticket(name, NUMBER(record), *times))
    watched = {NUMBER(record): line for line, record in enumerate(WATCHED, 1)}
    return snooping.Snooping(watched, tickets)


_NEEDS = {
    "list-then-fetch": "lists",
    "foreign-account": "callers",
    "anonymous": "callers",
    "watch-list": "values",
    "same-record": "values",
}


def misuse(made: Case) -> Misuse:
    """What can be seen in a format at all is what it tells; the share of a store needs objects."""
    form, score = made.form, Misuse()
    result = made.collect(against(made.account, form))[form.uri(PAY)]
    flags = {
        each.principal: {flag.rule: flag.sentence for flag in each.flags} for each in result.reads
    }
    guilty = set()
    for who, rule in made.account.misused.items():
        needs = _NEEDS.get(rule)
        guilty.add(form.name_of(who))
        told = needs is None or needs in form.tells
        if told and (form.objects or rule != "share") and (form.refused or "denied" not in rule):
            score.injected.append(rule)
            if rule not in flags.get(form.name_of(who), {}):
                score.missed.append(f"{made.name}: {rule}")
    for name, said in flags.items():
        if name not in guilty:
            score.wrong += [f"{made.name}: {name}: {rule}: {text}" for rule, text in said.items()]
    return score
