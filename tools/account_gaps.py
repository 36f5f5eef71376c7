"""Gaps in the logs of an account: what happens to each form of log, and the words that name it.

    for gap in gaps(form): gap.harm(case) ...        # then the answer must hold gap.words(case)

A gap is made in the middle of the window. Whatever it is, nothing may be said never to have been
read, and no count be called complete.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from scanner.audits import Audit
from scanner.contracts import EvidenceResult
from scanner.model import Access, Coverage, Problem
from tools.account_checks import EVERYTHING, PAY, QUIET, Case, case
from tools.account_logs import (
    FORMATS,
    Format,
    _access_line,
    lines,
    management,
    packed,
)
from tools.account_postgres import POSTGRES_FORMS, Said
from tools.accounts import Account, Act

Harm = Callable[[Case], str]
"""Makes a gap, and says which words the evidence must have for it."""


@dataclass(frozen=True)
class Gap:
    name: str
    harm: Harm


def gaps(form: Format, name: str) -> Iterator[Gap]:
    """All kinds that a form of log can have."""
    yield Gap("missing hours", lost)
    yield Gap("the log begins late", late)
    yield Gap("a file that cannot be opened", closed)
    if name != "Athena, Parquet":
        yield Gap("a file that is cut off", cut)
        yield Gap("records that are not understood", strange)
    for what, harm in _OF_A_KIND.get(form.kind, {}).items():
        delivered = form.kind != "cloudtrail" or name in ("CloudTrail", "CloudWatch")
        if what == "an export" and delivered:
            continue
        if form.kind != "cloudtrail" or what not in _OF_TRAILS or name == "CloudTrail":
            yield Gap(what, harm)


def wrong_gaps(made: Account, name: str) -> Iterator[str]:
    """A sentence for each gap that is not named, or with which a zero is said."""
    for gap in gaps(FORMATS[name], name):
        harmed = case(made, name)
        words = gap.harm(harmed)
        yield from unnamed(harmed, gap.name, words)


def unnamed(harmed: Case, gap: str, words: str) -> Iterator[str]:
    found: dict[str, EvidenceResult] = {}
    for store in (PAY, QUIET):
        uri = harmed.form.uri(store)
        if "store" in harmed.options:
            harmed.options["store"] = uri
        if not found or "store" in harmed.options:
            found = dict(harmed.collect())
        result = found.get(uri)
        if result is None:  # a described log answers for one store
            continue
        alone = gap in _OF_ONE_STORE or (gap in _OF_ITS_LOG and not _hourly(harmed.form))
        if store == QUIET and alone:
            continue
        detail = result.evidence.detail
        if words not in detail:
            yield f"{harmed.name}: {gap}: {store}: “{words}” is not in: {detail}"
        if result.evidence.coverage is Coverage.COMPLETE:
            yield f"{harmed.name}: {gap}: {store}: said to be complete"
        answer = Access(evidence=(result.evidence,), did_read=result.reads).answer
        if store == QUIET and answer != "cannot-tell":
            yield f"{harmed.name}: {gap}: of the quiet store {answer}"


_OF_ONE_STORE = frozenset(
    {"a forged line", "a cursor without a name", "a function", "a procedure", "best effort"}
    | {"switched off for a session"}
)
"""gaps in what is known of the store that is read"""
_OF_ITS_LOG = frozenset({"missing hours", "the log begins late"})
"""the same, where each store has a log of its own"""


# --- of every form --------------------------------------------------------------------------------


def middle(made: Case) -> datetime:
    start, end = made.account.window
    return (start + (end - start) / 2).replace(hour=0, minute=0, second=0)


def _file(made: Case) -> str:
    day = f"{middle(made):%Y-%m-%d}"
    return next((name for name in made.files if name.startswith(day)), next(iter(made.files)))


def _without(made: Case, gone: Callable[[Act], bool], hours: str) -> str:
    kept = [a for a in made.account.acts if made.form.sees(a) and not gone(a)]
    made.files = made.form.write(kept)
    return hours


def lost(made: Case) -> str:
    """Four hours."""
    begin = middle(made) + timedelta(hours=14)
    hours = "in 4 hours of the window" if _hourly(made.form) else "hours of the window"
    return _without(made, lambda act: begin <= act.when < begin + timedelta(hours=4), hours)


def late(made: Case) -> str:
    """Retention, or a log that was switched on then."""
    begin = middle(made)
    quiet = int((begin - made.account.window[0]).total_seconds() // 3600)
    hours = f"in {quiet:,} hours of the window" if _hourly(made.form) else "hours of the window"
    if made.form.kind == "cloudtrail":
        hours = f"the record begins at {_clock(begin)} only"
    return _without(made, lambda act: act.when < begin, hours)


def _hourly(form: Format) -> bool:
    """Whether what is read elsewhere shows that there was logging."""
    return form.kind not in ("s3-access-logs", "rgw", "pattern")


def closed(made: Case) -> str:
    made.files[_file(made)] = Problem("access-denied")
    return "1 file could not be read"


def cut(made: Case) -> str:
    name = _file(made)
    data = made.files[name]
    whole = data if name.endswith(".gz") else gzip.compress(data, mtime=0)
    made.files[name] = whole[:-40]
    return "1 file is cut off or corrupt"


def strange(made: Case) -> str:
    """Two records that nobody understands, among others."""
    name, form = _file(made), made.form
    data = made.files[name]
    said = "2 records could not be understood"
    if name.endswith(".gz"):
        records = json.loads(gzip.decompress(data))["Records"]
        made.files[name] = packed([*records, {"eventName": 1}, {**records[0], "eventTime": "noon"}])
        return said
    if form.kind == "cloudtrail":
        made.files[name] = data + lines([{"eventName": 1}, {"eventTime": "noon"}])
        return said
    if made.name == "SQL Server, JSON":
        made.files[name] = json.dumps([*json.loads(data), {}, {"event_time": "noon"}]).encode()
        return said
    odd, words = _STRANGE[form.kind]
    if made.name.endswith(" stderr"):
        odd, words = _STRANGE_PLAIN, "times of the zone XYZ could not be placed"
    made.files[name] = data + odd
    return words


_STRANGE_PLAIN = (
    b"2026-06-14 12:00:00.000 XYZ [7] ann@pay LOG:  AUDIT: SESSION,x,statement: s\n" * 2
)
_STRANGE: dict[str, tuple[bytes, str]] = {
    "s3-access-logs": (
        b"a pay [14/Jun/2026:12:00:00 +0000] nonsense\n" * 2,
        "2 lines could not be understood",
    ),
    "rgw": (b'{"trans_id": "x", "bytes_sent": 7}\n' * 2, "2 lines could not be understood"),
    "pattern": (b"nonsense\n" * 2, "2 lines that did not fit the format"),
    "pgaudit": (
        b'2026-06-14 12:00:00.000 IST,"ann","pay",AUDIT: statement: \n' * 2,
        "entries could not be understood",
    ),
    "log-statement": (
        b'2026-06-14 12:00:00.000 IST,"ann","pay",AUDIT: statement: \n' * 2,
        "entries could not be understood",
    ),
    "server-audit": (b"nonsense\n" * 2, "2 lines could not be understood"),
    "general-log": (b'"2026-06-14 12:00:00","x\n' * 2, "could not be understood"),
    "slow-log": (b'"2026-06-14 12:00:00","x\n' * 2, "could not be understood"),
    "mongodb-audit": (b"nonsense\n" * 2, "2 lines could not be understood"),
    "sqlserver-audit": (b"noon,1\r\nnoon,1\r\n", "2 records could not be understood"),
}


# --- of one kind ----------------------------------------------------------------------------------


def _clock(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M} UTC"


def _switched(name: str, **more: Any) -> Harm:
    """An event of CloudTrail itself."""

    def harm(made: Case) -> str:
        when = middle(made) + timedelta(hours=10)
        asked = {"requestParameters": {"name": "main"}, "eventSource": "cloudtrail.amazonaws.com"}
        record = management(when, name, **asked, **more)
        made.files["x.json.gz" if made.name == "CloudTrail" else "x"] = (
            packed([record]) if made.name == "CloudTrail" else lines([record])
        )
        return f"{name} at {_clock(when)}"

    return harm


def _selected(*fields: dict[str, Any], words: str) -> Harm:
    """Advanced selectors; the one for management events beside them."""

    def harm(made: Case) -> str:
        base = [
            {"Field": "eventCategory", "Equals": ["Data"]},
            {"Field": "resources.type", "Equals": ["AWS::S3::Object"]},
        ]
        made.selectors = {
            "AdvancedEventSelectors": [
                {"FieldSelectors": [*base, *fields]},
                {"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]},
            ]
        }
        return words

    return harm


def trail_off(made: Case) -> str:
    made.trail = {"IsLogging": False, "StopLoggingTime": middle(made)}
    return f"the trail is not logging since {_clock(middle(made))}"


def undelivered(made: Case) -> str:
    made.trail = {"IsLogging": True, "LatestDeliveryError": "AccessDenied"}
    return "the trail's latest delivery of files failed"


def begun(made: Case) -> str:
    made.trail = {"IsLogging": True, "StartLoggingTime": middle(made)}
    return f"the trail logs since {_clock(middle(made))} only"


def one_region(made: Case) -> str:
    made.trail = {"IsLogging": True, "HomeRegion": "us-east-1"}
    return "the trail records the region us-east-1 only"


def summaries(made: Case) -> str:
    made.files["x.json.gz"] = packed([{"eventCategory": "Aggregated"}])
    return "1 record is a five-minute summary"


def writes_only(made: Case) -> str:
    made.selectors = json.loads(json.dumps(EVERYTHING).replace('"All"', '"WriteOnly"'))
    return "the trail's selectors leave out reads of this store"


def without_selectors(made: Case) -> str:
    made.selectors = None
    return "give the trail, or its selectors, to know"


def exported(made: Case) -> str:
    return "records were put out by a query"


def best_effort(made: Case) -> str:
    return "best-effort"


def forged_line(made: Case) -> str:
    """An attacker's user agent, so that the line divides in two ways."""
    act = Act(middle(made) + timedelta(hours=9), "mallory", record=3)
    agent = '"x" 403 AccessDenied 9 9 9 9 "-" "x"'
    line = _access_line(999_999, act).decode().replace('"a "quoted" agent"', agent)
    made.files["x"] = line.encode()
    return (
        "best-effort"
        if made.name.endswith("JSON")
        else "1 line holds quotes that make their result uncertain"
    )


def _told(audit: Audit, words: str) -> Harm:
    def harm(made: Case) -> str:
        made.audit = audit
        return words

    return harm


def started(made: Case) -> str:
    when = middle(made)
    made.audit = Audit(since=int(when.timestamp()))
    return f"the server was started at {_clock(when)}: how it was set before that does not show"


def _server(message: str, words: str) -> Harm:
    """What a PostgreSQL server says of itself in its log."""

    def harm(made: Case) -> str:
        form = POSTGRES_FORMS[made.name.rpartition(" ")[2]]
        when = middle(made) + timedelta(hours=9)
        made.files["x"] = form(Said(when, "", "", 7, message))
        return words

    return harm


def _says(statement: str, words: str, group: str = "MISC", command: str = "SET") -> Harm:
    """A statement in a log of a database."""

    def harm(made: Case) -> str:
        when, kind = middle(made) + timedelta(hours=9), made.form.kind
        stamp = f"{when + timedelta(hours=5, minutes=30):%Y%m%d %H:%M:%S}"
        if kind == "server-audit":
            text = statement.replace("'", "\\'")
            made.files["x"] = f"{stamp},vm,root,localhost,9,9,QUERY,pay,'{text}',0\n".encode()
        elif made.name == "general log, table":
            who = '"root[root] @ localhost []"'
            local = f"{when + timedelta(hours=5, minutes=30):%Y-%m-%d %H:%M:%S}.0"
            use = ("Connect", "root@localhost on pay using TCP/IP"), ("Query", statement)
            rows = (f'"{local}",{who},900001,1,"{what}","{text}"\n' for what, text in use)
            made.files["x"] = "".join(rows).encode()
        elif kind == "general-log":
            iso = f"{when:%Y-%m-%dT%H:%M:%S.000000}+00:00"
            use = ("Connect", "root@localhost on pay using TCP/IP"), ("Query", statement)
            rows = (f"{iso}\t900001 {what}\t{text}\n" for what, text in use)
            made.files["x"] = "".join(rows).encode()
        else:
            form = POSTGRES_FORMS[made.name.rpartition(" ")[2]]
            message = f'AUDIT: SESSION,1,1,{group},{command},,,"{statement}",<none>'
            message = f"statement: {statement}" if kind == "log-statement" else message
            made.files["x"] = form(Said(when, "root", "pay", 900_001, message))
        return words

    return harm


def _record(words: str, record: Callable[[datetime], dict[str, Any]]) -> Harm:
    def harm(made: Case) -> str:
        made.files["x"] = lines([record(middle(made))])
        return words

    return harm


def _mongodb(kind: str, **param: Any) -> Callable[[datetime], dict[str, Any]]:
    users = [{"user": "root", "db": "admin"}]
    return lambda when: {
        "atype": kind,
        "ts": {"$date": when.isoformat(timespec="milliseconds")},
        "users": users,
        "param": param,
        "result": 0,
    }


def only_refusals(made: Case) -> str:
    """``auditAuthorizationSuccess`` is not set."""
    made.files = made.form.write(
        [replace(act, what="denied") for act in made.account.acts if made.form.sees(act)]
    )
    return "auditAuthorizationSuccess is not set, so reads are not recorded"


def audit_changed(made: Case) -> str:
    when = middle(made)
    row = {"event_time": f"{when:%Y-%m-%d %H:%M:%S}.0", "action_id": "AUSC", "succeeded": 1}
    more = {"server_principal_name": "root", "session_id": 9, "sequence_number": 1}
    made.files["x"] = json.dumps([{**row, **more}]).encode()
    return "the audit was started, stopped or changed once"


_OF_TRAILS = frozenset(
    {"five-minute summaries", "trail off", "trail switched on late", "another region"}
    | {"delivery errors", "writes only", "a prefix only", "a principal left out"}
    | {"selectors not known"}
)
"""what is not in exports"""
_ROLE = "the role batch has pgaudit.log = none"
_ACCOUNT = "the accounts batch are left out now"
_KEPT = "the server writes over its logs (pg-%a.log): older ones are lost unless carried off"
_SET = "of server_audit's own settings"
_STARTED = "the server was started once in the window"
_READY = _server("database system is ready to accept connections", _STARTED)
_CHANGED = "1 change of settings of the audit"
_SERVER_GAPS: dict[str, Harm] = {"server restart": _READY}
_OF_A_KIND: dict[str, dict[str, Harm]] = {
    "cloudtrail": {
        "StopLogging": _switched("StopLogging"),
        "PutEventSelectors": _switched("PutEventSelectors"),
        "DeleteTrail": _switched("DeleteTrail"),
        "trail off": trail_off,
        "trail switched on late": begun,
        "another region": one_region,
        "delivery errors": undelivered,
        "five-minute summaries": summaries,
        "writes only": writes_only,
        "selectors not known": without_selectors,
        "a prefix only": _selected(
            {"Field": "resources.ARN", "StartsWith": [f"arn:aws:s3:::{b}/c" for b in (PAY, QUIET)]},
            words="the trail records reads under",
        ),
        "a principal left out": _selected(
            {"Field": "userIdentity.arn", "NotEquals": ["arn:aws:iam::123456789012:role/batch"]},
            words="role/batch",
        ),
        "an export": exported,
    },
    "s3-access-logs": {"best effort": best_effort, "a forged line": forged_line},
    "pgaudit": {
        **_SERVER_GAPS,
        "started within the window": started,
        "a setting changed": _server('parameter "pgaudit.log" changed to "none"', _CHANGED),
        "a role left out": _told(Audit((_ROLE,)), _ROLE),
        "files written over": _told(Audit(kept=(_KEPT,)), _KEPT),
        "settings not asked": _told(Audit(), "its store was not asked"),
        "switched off by a statement": _says(
            "SET pgaudit.log = 'none'", "1 statement speaks of pgaudit's own settings"
        ),
        "a cursor without a name": _says(
            "COPY cards TO STDOUT", "1 COPY or cursor does not name", "READ", "COPY"
        ),
    },
    "log-statement": {
        **_SERVER_GAPS,
        "a setting changed": _server('parameter "log_statement" changed to "none"', _CHANGED),
        "a role left out": _told(Audit((_ROLE,)), _ROLE),
        "files written over": _told(Audit(kept=(_KEPT,)), _KEPT),
        "switched off for a session": _says(
            "SET log_statement = 'none'", "1 statement speaks of log_statement itself"
        ),
        "a function": _says("SELECT peek()", "1 statement does not tell what they read"),
    },
    "server-audit": {
        "started within the window": started,
        "an account left out": _told(Audit((_ACCOUNT,)), _ACCOUNT),
        "files written over": _told(Audit(kept=(_KEPT,)), _KEPT),
        "settings not asked": _told(Audit(), "its store was not asked"),
        "switched off by a statement": _says("SET GLOBAL server_audit_logging=OFF", _SET),
        "an account left out by a statement": _says(
            "SET GLOBAL server_audit_excl_users='eve'", _SET
        ),
        "LOCK TABLES": _says("LOCK TABLES cards READ", "1 LOCK TABLES counted as one read each"),
    },
    "general-log": {
        "switched off by a statement": _says(
            "SET GLOBAL general_log=OFF", "1 statement changes settings of the log"
        ),
        "not on now": _told(
            Audit(("the general log is not on now",)), "the general log is not on now"
        ),
        "a procedure": _says("CALL peek()", "1 statement does not tell what they read"),
    },
    "slow-log": {
        "fast statements": _told(
            Audit(("only statements that take 10 s or longer are in it now",)),
            "only statements that take 10 s or longer",
        ),
        "sampled": _told(
            Audit(("only one in 5 statements is in it now",)), "only one in 5 statements"
        ),
    },
    "mongodb-audit": {
        "server restart": _record(_STARTED, _mongodb("startup")),
        "a filter": _record(
            "the server was started with auditLog.filter",
            _mongodb("startup", startupOptions={"auditLog": {"filter": "{}"}}),
        ),
        "only refusals": only_refusals,
    },
    "sqlserver-audit": {
        "the audit changed": audit_changed,
    },
}
