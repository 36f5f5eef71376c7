"""What was not understood: every form of a log says where the first of it stands and of what shape
it is, and no value comes through a shape."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.access.shapes import shape
from tests.access.postgres_logs import Said, as_csv, as_json, as_plain, audit
from tests.access.test_every_kind import CARD, collect
from tests.access.test_sqlserver_audit import record
from tests.access.trails import delivered, event, opener

_STRUCTURE = set("\"'`,;:.|/\\=<>()[]{}-_+@#&?* ")


@given(st.text(max_size=300) | st.from_regex(rf"[ -~]*{CARD}[ -~]*", fullmatch=True))
def test_no_value_comes_through_a_shape(text: str) -> None:
    made = shape(text.encode("utf-8", "replace"))
    assert set(made) <= _STRUCTURE | {"a", "9"}
    assert not any(twice in made for twice in ("aa", "99", "  "))


def test_a_shape_tells_the_form() -> None:
    text = f'2026-03-01T00:05:00Z\tanna@shop [7] "GET /карты/{CARD}?q=Дом€" 200\x1b[0m'
    assert shape(text.encode()) == '9-9-9a9:9:9a a@a [9] "a /a/9?a=a" 9 [9a'
    assert len(shape(b"a.b," * 1000)) == 160


_TIME = "2026-03-01T00:05:00Z"
_ODD = event(eventTime=f"yesterday {CARD}")
_LINE = f't={_TIME} p=bob o="x"\n'
_S3 = (
    f"{'a' * 64} pay [01/Mar/2026:00:05:00 +0000] 10.0.0.1 arn:aws:iam::1:user/x R REST.GET.OBJECT"
    ' k "GET /pay/k HTTP/1.1" 200 - 5 5 1 1 "-" "-" -\n'
)
_RGW = {
    "bucket": "pay",
    "time": "2026-03-01T00:05:00.000000Z",
    "remote_addr": "10.0.0.1",
    "user": "etl",
    "operation": "get_obj",
    "uri": "GET /pay/k HTTP/1.1",
    "http_status": "200",
    "bytes_sent": 1,
}
_MONGO = {"atype": "startup", "ts": {"$date": _TIME}, "users": [], "param": {}}
_TORN = {"atype": CARD}
_AUDIT = f"20260301 00:05:00,vm,bob,h,1,1,QUERY,shop,'select {CARD}',0\n"
_GENERAL = "2026-03-01T00:05:00.000000Z\t    6 Connect\tbob@h on shop using x\n"
_SLOW = "# Time: 2026-03-01T00:05:00.000000Z\n# User@Host: bob[bob] @ h []  Id: 6\n"


def _lines(*records: Any) -> bytes:
    return "".join(json.dumps(each) + "\n" for each in records).encode()


def _mssql_csv(*records: dict[str, Any]) -> bytes:
    rows = [list(records[0]), *([str(each) for each in rec.values()] for rec in records)]
    return "".join(
        ",".join('"' + c.replace('"', '""') + '"' for c in r) + "\n" for r in rows
    ).encode()


_GOOD = record(text="SELECT *\nFROM cards")
_BAD = record(text=f"SELECT *\nFROM {CARD}", event_time="then")
_CASES: dict[str, tuple[str, bytes, str]] = {
    "a trail": ("cloudtrail", delivered(event(), event(), _ODD), "record 3"),
    "plain reads before": (
        "cloudtrail",
        delivered(*[event() for _ in range(9)], _ODD),
        "record 10",
    ),
    "no object": ("cloudtrail", _lines({"Records": [event(), event(), CARD]}), "record 3"),
    "no event": ("cloudtrail", _lines({"Records": [event(), {"x": CARD}]}), "record 2"),
    "a record a line": ("cloudtrail", _lines(event(), event(), _ODD), "line 3"),
    "torn": ("cloudtrail", _lines(event()) + _lines(event())[:90], "line 2"),
    "rows of Lake": (
        "cloudtrail",
        _lines({"QueryResultRows": [[event()], [{**_ODD, "eventTime": CARD}]]}),
        "record 2",
    ),
    "S3": ("s3-access-logs", (_S3 * 2 + _S3[:80] + "\n" + _S3).encode(), "line 3"),
    "RGW": ("rgw", _lines(_RGW, {"bucket": CARD}), "line 2"),
    "RGW shown": (
        "rgw",
        json.dumps({"log_entries": [_RGW, _RGW, {"bucket": CARD}]}, indent=1).encode(),
        "record 3",
    ),
    "MongoDB": ("mongodb-audit", _lines(_MONGO, _MONGO, _TORN), "line 3"),
    "SQL Server, CSV": ("sqlserver-audit", _mssql_csv(_GOOD, _GOOD, _BAD), "line 6"),
    "SQL Server, lines": ("sqlserver-audit", _lines(_GOOD, _BAD), "line 2"),
    "SQL Server, array": (
        "sqlserver-audit",
        json.dumps([_GOOD, _BAD], indent=1).encode(),
        "record 2",
    ),
    "SQL Server, cut": ("sqlserver-audit", b"[\n\n" + _lines(_GOOD, _BAD), "line 4"),
    "pgaudit, torn": (
        "pgaudit",
        as_csv(audit(), audit()) + b'2026-03-01 00:05:00.000 UTC,"bob',
        "line 3",
    ),
    "pgaudit, JSON": ("pgaudit", as_json(audit()) + b"\n" + as_json(audit())[:99], "line 2"),
    "pgaudit, plain": (
        "pgaudit",
        as_plain(audit()) + b"2026-03-01 00:05:00.000 UTC [1] b\n",
        "line 2",
    ),
    "pgaudit, no audit": (
        "pgaudit",
        as_csv(audit(text="x\ny"), audit(text="x\ny"), Said(f"AUDIT: SESSION,{CARD}"), audit()),
        "line 5",
    ),
    "pgaudit, no audit, held": (
        "pgaudit",
        as_plain(audit(text="x\ny"), Said(f"AUDIT: SESSION,{CARD}"), audit()),
        "line 3",
    ),
    "log_statement": (
        "log-statement",
        as_csv(Said("statement: select\n1"), Said("statement: x"))
        + as_csv(Said("statement: x"))[:60],
        "line 4",
    ),
    "server_audit": ("server-audit", (_AUDIT + f"{CARD},,\n").encode(), "line 2"),
    "general log": (
        "general-log",
        (_GENERAL + _GENERAL[:28] + f"\t  6 Que {CARD}\n").encode(),
        "line 2",
    ),
    "slow log": (
        "slow-log",
        (_SLOW + f"SET timestamp={CARD[:3]}x\n" + f"select {CARD};\n").encode(),
        "line 3",
    ),
    "pattern": ("pattern", (_LINE * 4 + f"card {CARD}\n" + _LINE).encode(), "line 5"),
}


@pytest.mark.parametrize("name", _CASES)
def test_every_form_says_where_it_stands(name: str) -> None:
    kind, data, place = _CASES[name]
    for result in collect(kind, opener({"fine": b"", f"{CARD}.log": data})).values():
        evidence = result.evidence
        assert evidence.unparsed == len(evidence.misfits) == 1, result
        (misfit,) = evidence.misfits
        assert (misfit.file, misfit.place) == ("[sealed].log", place)
        assert misfit.shape and set(misfit.shape) <= _STRUCTURE | {"a", "9"}
