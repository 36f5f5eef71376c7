"""The acts of an account (``tools/accounts.py``) written down in every form of log there is.

    files = FORMATS["pgaudit csvlog"].write(account.acts)          # names and bytes, a file a day

``FORMATS`` also says what each of them can tell, so that what it must come to is known exactly.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from tools.account_postgres import POSTGRES_FORMS, Said
from tools.accounts import ABROAD, DENIED, LIST, LOCAL, NOBODY, ZONE, Act

OWNER, FOREIGN = "123456789012", "444455556666"
ENDPOINT = "https://rgw.example"
Files = dict[str, Any]
"""bytes, or the ``Problem`` of what could not be opened"""
Write = Callable[[Sequence[Act]], Files]


@dataclass(frozen=True)
class Format:
    """``scheme``: of the store. ``refused`` False: what was denied looks like a read. ``tells``:
    numbers and acts it has beside reads: bytes, rows, lists, callers (of other accounts), values
    (which record was asked for)."""

    kind: str
    scheme: str
    write: Write
    options: Mapping[str, Any] = field(default_factory=dict)
    refused: bool = True
    tells: frozenset[str] = frozenset()
    name_of: Callable[[str], str] = str
    """what the log calls a principal"""

    @property
    def objects(self) -> bool:
        return self.scheme == "s3"

    def uri(self, name: str) -> str:
        return f"s3://{name}" if self.objects else f"{self.scheme}://db/{name}"

    def sees(self, act: Act) -> bool:
        if act.what == LIST:
            return "lists" in self.tells
        return "callers" in self.tells or act.who not in (NOBODY, ABROAD)


def by_day(acts: Sequence[Act], make: Callable[[list[tuple[int, Act]]], bytes]) -> Files:
    """A file for each day; acts come with a number of their own, in no order."""
    days: dict[str, list[tuple[int, Act]]] = {}
    for number, act in enumerate(acts):
        days.setdefault(f"{act.when:%Y-%m-%d}", []).append((number, act))
    return {day: make(each) for day, each in sorted(days.items())}


def joined(entry: Callable[[int, Act], bytes]) -> Callable[[list[tuple[int, Act]]], bytes]:
    return lambda day: b"".join(entry(*each) for each in day)


# --- objects --------------------------------------------------------------------------------------


def arn(who: str) -> str:
    if who == NOBODY:
        return "anonymous (no credentials)"
    return f"arn:aws:iam::{FOREIGN if who == ABROAD else OWNER}:user/{who}"


def event(number: int, act: Act) -> dict[str, Any]:
    """A record of CloudTrail."""
    bucket = "other" if act.other else "pay"
    identity = {"type": "IAMUser", "arn": arn(act.who), "accountId": OWNER, "userName": act.who}
    if act.who == NOBODY:
        identity = {"type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL"}
    elif act.who == ABROAD:
        identity = {"type": "AWSAccount", "principalId": "AIDA", "accountId": FOREIGN}
        identity["arn"] = arn(act.who)
    asked = {"bucketName": bucket} | ({} if act.what == LIST else {"key": act.key})
    made: dict[str, Any] = {
        "eventVersion": "1.11",
        "eventID": f"00000000-0000-0000-0000-{number:012x}",
        "eventTime": f"{act.when:%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": "s3.amazonaws.com",
        "eventName": "ListObjects" if act.what == LIST else "GetObject",
        "awsRegion": "eu-west-1",
        "userIdentity": identity,
        "userAgent": act.agent,
        "requestParameters": asked,
        "additionalEventData": {"bytesTransferredOut": 0 if act.what == DENIED else act.sent},
        "resources": [
            {"type": "AWS::S3::Bucket", "accountId": OWNER, "ARN": f"arn:aws:s3:::{bucket}"}
        ],
        "readOnly": True,
        "managementEvent": False,
        "eventCategory": "Data",
        "recipientAccountId": OWNER,
    }
    return made | ({"errorCode": "AccessDenied"} if act.what == DENIED else {})


def management(when: datetime, name: str = "DescribeInstances", **more: Any) -> dict[str, Any]:
    made = event(1_000_000 + int(when.timestamp()), Act(when, "admin"))
    about = {"eventName": name, "eventSource": "ec2.amazonaws.com", "eventCategory": "Management"}
    return made | about | {"managementEvent": True} | more


def packed(records: Iterable[Mapping[str, Any]]) -> bytes:
    return gzip.compress(
        json.dumps({"Records": list(records)}, separators=(",", ":")).encode(), 1, mtime=0
    )


def lines(rows: Iterable[Any]) -> bytes:
    return b"\n".join(json.dumps(row).encode() for row in rows) + b"\n"


def trail(acts: Sequence[Act]) -> Files:
    def make(day: list[tuple[int, Act]]) -> bytes:
        return packed([*(event(*each) for each in day), management(day[0][1].when)])

    return {f"{name}.json.gz": data for name, data in by_day(acts, make).items()}


def stream(acts: Sequence[Act]) -> Files:
    """A trail's log group of CloudWatch, a record a line."""

    def make(day: list[tuple[int, Act]]) -> bytes:
        return lines([*(event(*each) for each in day), management(day[0][1].when)])

    return by_day(acts, make)


def athena(record: Mapping[str, Any]) -> dict[str, Any]:
    row = {name.lower(): value for name, value in record.items()}
    row["useridentity"] = {n.lower(): v for n, v in record["userIdentity"].items()}
    for name in ("requestParameters", "additionalEventData"):
        row[name.lower()] = json.dumps(record[name])
    return row | {"managementevent": "false"}


def lake(record: Mapping[str, Any]) -> dict[str, Any]:
    row = {**record, "eventTime": record["eventTime"].replace("T", " ").replace("Z", ".000")}
    for name in ("requestParameters", "additionalEventData"):
        row[name] = {key: str(value) for key, value in record[name].items()}
    return row


def rows(shape: Callable[[Mapping[str, Any]], Any]) -> Write:
    """Records of CloudTrail, one a line."""
    return lambda acts: by_day(acts, lambda day: lines(shape(event(*each)) for each in day))


def parquet(acts: Sequence[Act]) -> Files:
    """As UNLOAD of Athena writes it."""
    import tempfile
    from pathlib import Path

    import duckdb

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "a.json", Path(folder) / "a.parquet"
        source.write_bytes(lines(athena(event(*each)) for each in enumerate(acts)))
        duckdb.sql(
            f"COPY (SELECT * FROM read_json_auto('{source}')) TO '{target}' (FORMAT parquet)"
        )
        return {"all.parquet": target.read_bytes()}


def _access(number: int, act: Act) -> dict[str, Any]:
    listed = act.what == LIST
    key = "-" if listed else quote(quote(act.key))
    return {
        "bucket_owner": "a" * 64,
        "bucket": "other" if act.other else "pay",
        "time": f"{act.when.astimezone(LOCAL):%d/%b/%Y:%H:%M:%S %z}",
        "remote_ip": "10.0.0.1",
        "requester": "-" if act.who == NOBODY else arn(act.who),
        "request_id": f"R{number:09X}",
        "operation": "REST.GET.BUCKET" if listed else "REST.GET.OBJECT",
        "key": key,
        "request_uri": f"GET /{'' if listed else quote(act.key)} HTTP/1.1",
        "http_status": "403" if act.what == DENIED else "200",
        "error_code": "AccessDenied" if act.what == DENIED else "-",
        "bytes_sent": "243" if act.what == DENIED else str(act.sent),
        "user_agent": act.agent,
    }


def _access_line(number: int, act: Act) -> bytes:
    said = _access(number, act)
    uri, agent = said.pop("request_uri"), act.agent.replace("\n", " ")
    status, error, sent = said["http_status"], said["error_code"], said["bytes_sent"]
    head = " ".join(f"[{v}]" if k == "time" else v for k, v in list(said.items())[:8])
    return (
        f'{head} "{uri}" {status} {error} {sent} 5000 7 6 "-" "{agent}" - host= SigV4'
        f" TLS_AES AuthHeader pay.s3.eu-west-1.amazonaws.com TLSv1.3 - -\n"
    ).encode()


def access_text(acts: Sequence[Act]) -> Files:
    return by_day(acts, joined(_access_line))


def access_json(acts: Sequence[Act]) -> Files:
    return by_day(acts, lambda day: lines(_access(*each) for each in day))


def gateway(acts: Sequence[Act]) -> Files:
    def entry(number: int, act: Act) -> dict[str, Any]:
        named = "" if act.what == LIST else quote(act.key)
        who = {NOBODY: "anonymous", ABROAD: f"elsewhere${ABROAD}"}.get(act.who, act.who)
        return {
            "bucket": "other" if act.other else "pay",
            "time": act.when.isoformat(),
            "user": who,
            "operation": "list_bucket" if act.what == LIST else "get_obj",
            "uri": f"GET /{'other' if act.other else 'pay'}/{named} HTTP/1.1",
            "http_status": "403" if act.what == DENIED else "200",
            "bytes_sent": 243 if act.what == DENIED else act.sent,
            "user_agent": act.agent,
            "trans_id": f"tx{number}",
        }

    return by_day(acts, lambda day: lines(entry(*each) for each in day))


def escaped(text: str, mark: str = '"') -> str:
    """With backslashes, within marks of that kind."""
    text = text.replace("\\", "\\\\").replace(mark, f"\\{mark}")
    return text.replace("\n", "\\n").replace("\r", "\\r")


def application(acts: Sequence[Act]) -> Files:
    def line(number: int, act: Act) -> bytes:
        status = 403 if act.what == DENIED else 200
        path = "/health" if act.other else f"/{escaped(act.key)}"
        method = "HEAD" if act.other else "GET"
        stamp = f"{act.when.astimezone(LOCAL):%d/%b/%Y:%H:%M:%S %z}"
        return f'{number} {act.who} [{stamp}] {method} "{path}" {status} {act.sent}\n'.encode()

    return by_day(acts, joined(line))


# --- databases ------------------------------------------------------------------------------------


def asks(act: Act) -> str:
    """The statement; each has a number of a record, as an application sends it."""
    said = act.said.replace("'", "''")
    more = f" AND note <> '{said}'" if said else ""
    return f"SELECT * FROM {act.table} WHERE id = {act.record}{more}"


def database(act: Act) -> str:
    return "other" if act.other else "pay"


def postgres(form: Callable[[Said], bytes], entries: Callable[[int, Act], Iterator[Said]]) -> Write:
    def entry(number: int, act: Act) -> bytes:
        return b"".join(map(form, entries(number, act)))

    return lambda acts: by_day(sorted(acts, key=lambda act: act.when), joined(entry))


def audited(number: int, act: Act) -> Iterator[Said]:
    where = (act.when, act.who, database(act), number + 1)
    if act.what == DENIED:
        said = f"permission denied for table {act.table}"
        yield Said(
            *(*where, said), severity="ERROR", state="42501", statement=asks(act), agent=act.agent
        )
        return
    out = io.StringIO()
    relation = ["TABLE", f"public.{act.table}", asks(act), "<none>", act.rows]
    csv.writer(out, lineterminator="").writerow(
        ["SESSION", number + 1, 1, "READ", "SELECT", *relation]
    )
    yield Said(*where, f"AUDIT: {out.getvalue()}", agent=act.agent)


def stated(number: int, act: Act) -> Iterator[Said]:
    where = (act.when, act.who, database(act), number + 1)
    yield Said(*where, f"statement: {asks(act)}", agent=act.agent)
    if act.what == DENIED:
        said = f"permission denied for table {act.table}"
        yield Said(*where, said, 2, "ERROR", "42501", asks(act))


def server_audit(acts: Sequence[Act]) -> Files:
    def entry(number: int, act: Act) -> bytes:
        stamp = f"{act.when.astimezone(LOCAL):%Y%m%d %H:%M:%S}"
        head = f"{stamp},vm,{act.who},localhost,{number + 1},{number + 1}"
        outcome = 1142 if act.what == DENIED else 0
        text = escaped(asks(act), "'")
        opened = "" if outcome else f"{head},READ,{database(act)},{act.table},\n"
        return f"{opened}{head},QUERY,{database(act)},'{text}',{outcome}\n".encode()

    return by_day(acts, joined(entry))


def general_file(acts: Sequence[Act]) -> Files:
    def entry(number: int, act: Act) -> bytes:
        stamp = f"{act.when.astimezone(LOCAL):%Y-%m-%dT%H:%M:%S.000000%z}"
        stamp = f"{stamp[:-2]}:{stamp[-2:]}"
        connect = f"{act.who}@localhost on {database(act)} using TCP/IP"
        return "".join(
            f"{stamp}\t{number + 1:6} {command}\t{text}\n"
            for command, text in (("Connect", connect), ("Query", asks(act)), ("Quit", ""))
        ).encode()

    return by_day(acts, joined(entry))


def general_table(acts: Sequence[Act]) -> Files:
    def entry(number: int, act: Act) -> bytes:
        stamp = f"{act.when.astimezone(LOCAL):%Y-%m-%d %H:%M:%S}.000000"
        who = f"{act.who}[{act.who}] @ localhost []"
        use = f"{act.who}@localhost on {database(act)} using TCP/IP"
        return "".join(
            f'"{stamp}","{who}",{number + 1},1,"{command}","{text}"\n'
            for command, text in (("Connect", use), ("Query", escaped(asks(act))))
        ).encode()

    return by_day(acts, joined(entry))


def slow_file(acts: Sequence[Act]) -> Files:
    def entry(number: int, act: Act) -> bytes:
        stamp = f"{act.when.astimezone(LOCAL):%y%m%d %H:%M:%S}"
        return (
            f"# Time: {stamp}\n# User@Host: {act.who}[{act.who}] @ localhost []\n"
            f"# Thread_id: {number + 1}  Schema: {database(act)}  QC_hit: No\n"
            f"# Query_time: 0.000100  Lock_time: 0.000010  Rows_sent: {act.rows}"
            f"  Rows_examined: 50\nSET timestamp={int(act.when.timestamp())};\n{asks(act)};\n"
        ).encode()

    return by_day(acts, joined(entry))


def slow_table(acts: Sequence[Act]) -> Files:
    def entry(number: int, act: Act) -> bytes:
        stamp = f"{act.when.astimezone(LOCAL):%Y-%m-%d %H:%M:%S}.000000"
        who = f"{act.who}[{act.who}] @ localhost []"
        times = '"00:00:00.000100","00:00:00.000010"'
        text = escaped(asks(act))
        return (
            f'"{stamp}","{who}",{times},{act.rows},50,"{database(act)}",0,0,1,"{text}",'
            f"{number + 1},0\n"
        ).encode()

    return by_day(acts, joined(entry))


def mongodb(acts: Sequence[Act]) -> Files:
    def record(number: int, act: Act) -> dict[str, Any]:
        arguments = {"find": act.table, "filter": {"id": act.record}}
        where = f"{database(act)}.{act.table}"
        return {
            "atype": "authCheck",
            "ts": {"$date": act.when.astimezone(LOCAL).isoformat(timespec="milliseconds")},
            "remote": {"ip": "10.0.0.7", "port": number},
            "users": [{"user": act.who, "db": "admin"}],
            "param": {"command": "find", "ns": where, "args": arguments},
            "result": 13 if act.what == DENIED else 0,
        }

    return by_day(acts, lambda day: lines(record(*each) for each in day))


def _sqlserver(number: int, act: Act) -> dict[str, Any]:
    return {
        "event_time": f"{act.when:%Y-%m-%d %H:%M:%S.%f}0",
        "sequence_number": 1,
        "action_id": "SL  ",
        "succeeded": int(act.what != DENIED),
        "session_id": number + 1,
        "server_principal_name": act.who,
        "session_server_principal_name": act.who,
        "database_name": database(act),
        "schema_name": "dbo",
        "object_name": act.table,
        "statement": asks(act),
        "response_rows": act.rows,
    }


def sqlserver_csv(acts: Sequence[Act]) -> Files:
    def make(day: list[tuple[int, Act]]) -> bytes:
        out = io.StringIO()
        written = csv.DictWriter(out, list(_sqlserver(*day[0])), lineterminator="\r\n")
        written.writeheader()
        written.writerows(_sqlserver(*each) for each in day)
        return out.getvalue().encode()

    return by_day(acts, make)


def sqlserver_json(acts: Sequence[Act]) -> Files:
    return by_day(acts, lambda day: json.dumps([_sqlserver(*each) for each in day]).encode())


# --- all of them ----------------------------------------------------------------------------------

_AWS = frozenset({"bytes", "lists", "callers", "values"})
_ACCOUNT = {"account": OWNER}
_APPLICATION = {
    "format": '{id} {principal} [{time}] {method} "{object}" {status} {bytes}',
    "time": "%d/%b/%Y:%H:%M:%S %z",
}
_VALUES, _ROWS = frozenset({"values"}), frozenset({"values", "rows"})
_IN_ZONE = {"zone": ZONE}


_OF_RGW = {NOBODY: arn(NOBODY), ABROAD: f"elsewhere${ABROAD}"}
FORMATS: dict[str, Format] = {
    "CloudTrail": Format("cloudtrail", "s3", trail, {}, True, _AWS, arn),
    "Athena, JSON": Format("cloudtrail", "s3", rows(athena), {}, True, _AWS, arn),
    "Athena, Parquet": Format("cloudtrail", "s3", parquet, {}, True, _AWS, arn),
    "CloudTrail Lake": Format("cloudtrail", "s3", rows(lake), {}, True, _AWS, arn),
    "CloudWatch": Format("cloudtrail", "s3", stream, {}, True, _AWS, arn),
    "S3 access log, text": Format("s3-access-logs", "s3", access_text, _ACCOUNT, True, _AWS, arn),
    "S3 access log, JSON": Format("s3-access-logs", "s3", access_json, _ACCOUNT, True, _AWS, arn),
    "Ceph RGW": Format("rgw", "s3", gateway, {}, True, _AWS, lambda who: _OF_RGW.get(who, who)),
    "pattern": Format("pattern", "s3", application, _APPLICATION, True, _VALUES | {"bytes"}),
    **{
        f"pgaudit {name}": Format(
            *("pgaudit", "postgresql", postgres(form, audited)), _IN_ZONE, True, _ROWS
        )
        for name, form in POSTGRES_FORMS.items()
    },
    **{
        f"log_statement {name}": Format(
            *("log-statement", "postgresql", postgres(form, stated)), _IN_ZONE, True, _VALUES
        )
        for name, form in POSTGRES_FORMS.items()
    },
    "server_audit": Format("server-audit", "mysql", server_audit, _IN_ZONE, True, _VALUES),
    "general log": Format("general-log", "mysql", general_file, _IN_ZONE, False, _VALUES),
    "general log, table": Format("general-log", "mysql", general_table, _IN_ZONE, False, _VALUES),
    "slow log": Format("slow-log", "mysql", slow_file, _IN_ZONE, False, _ROWS),
    "slow log, table": Format("slow-log", "mysql", slow_table, _IN_ZONE, False, _ROWS),
    "MongoDB audit": Format(
        *("mongodb-audit", "mongodb", mongodb), {}, True, _VALUES, "{}@admin".format
    ),
    "SQL Server, CSV": Format("sqlserver-audit", "mssql", sqlserver_csv, {}, True, _ROWS),
    "SQL Server, JSON": Format("sqlserver-audit", "mssql", sqlserver_json, {}, True, _ROWS),
}
"""by what they are called"""
