"""The ordinary command over S3: what cannot be reached has its reason, and a resume goes on."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests import s3_server
from tests.conftest import Cardtrail, Planted

pytestmark = pytest.mark.xdist_group("demo")


class Gate(ThreadingHTTPServer):
    """Passes requests on to the real server, and hangs up on reads of objects once it is shut."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Pass)
        self.reads_left: int | None = None
        self.lock = threading.Lock()

    def may_read(self) -> bool:
        with self.lock:
            if self.reads_left is None:
                return True
            self.reads_left -= 1
            return self.reads_left >= 0


class _Pass(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Gate

    def log_message(self, *words: object) -> None:
        pass

    def do_GET(self) -> None:
        path = urlsplit(self.path)
        if path.path.count("/") >= 2 and not path.path.endswith("/") and not self.server.may_read():
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        real = urlsplit(s3_server.endpoint())
        upstream = http.client.HTTPConnection(real.netloc)
        length = int(self.headers.get("Content-Length") or 0)
        upstream.request(self.command, self.path, self.rfile.read(length), dict(self.headers))
        answer = upstream.getresponse()
        body = answer.read()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", answer.getheader("Content-Length") or str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_HEAD = do_POST = do_PUT = do_GET


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    threading.Thread(target=gate.serve_forever, daemon=True).start()
    yield gate
    gate.shutdown()
    gate.server_close()


def env(gate: Gate | None = None, **more: str) -> dict[str, str]:
    variables = s3_server.variables()
    if gate is not None:
        variables["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{gate.server_port}"
    return {**variables, **more}


def run_of(cardtrail: Cardtrail, *arguments: str, code: int, **more: Any) -> Any:
    result = cardtrail("scan", *arguments, "-o", "run.json", "-q", **more)
    assert result.code == code, result.err
    return json.loads((cardtrail.cwd / "run.json").read_text())


def test_a_prefix_and_exact_places(cardtrail: Cardtrail, planted: Planted) -> None:
    pan, other = planted.pan(), planted.pan()
    s3_server.bucket(
        "scan-places",
        {
            "in/a.csv": f"id,card_number\n1,{pan}\n".encode(),
            f"in/{other}.txt": b"a number in the key",
            "out/b.txt": planted.pan().encode(),
        },
    )
    run = run_of(cardtrail, "s3://scan-places/in/", code=1, env=env())
    assert {f["masked"] for f in run["findings"]} == {
        f"{p[:6]}******{p[-4:]}" for p in (pan, other)
    }
    where = {f["location"]["field"]: f["location"]["line"] for f in run["findings"]}
    assert where == {"card_number": 2, "(name)": None}
    assert run["coverage"]["units"] == 2


def test_missing_bucket_and_dead_endpoint_do_not_stop_the_other_stores(
    cardtrail: Cardtrail, planted: Planted
) -> None:
    s3_server.bucket("scan-good", {"a.txt": f"card={planted.pan()}".encode()})
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{unused.getsockname()[1]}"
    (cardtrail.cwd / "cardtrail.toml").write_text(
        f'[[store]]\nuri = "s3://scan-missing"\n[[store]]\nuri = "s3://scan-dead"\n'
        f'endpoint = "{dead}"\n[[store]]\nuri = "s3://scan-good"\n'
    )
    run = run_of(cardtrail, code=4, env=env())
    reasons = {each["store"]: each["reason"] for each in run["outcomes"]}
    assert reasons == {
        "s3://scan-missing": "not-found",
        "s3://scan-dead": "endpoint-unreachable",
        "s3://scan-good": None,
    }
    verdicts = [store["verdict"] for store in run["stores"]]
    assert verdicts == ["unknown", "unknown", "unprotected"]
    assert run["stores"][0]["distinct_pans"] is None


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_endpoint_that_goes_away_in_mid_scan_and_comes_back(
    cardtrail: Cardtrail, planted: Planted, gate: Gate, jobs: str
) -> None:
    objects = {f"d/{i:03}.log": f"card={planted.pan()} {i}\n".encode() for i in range(60)}
    s3_server.bucket("scan-gate", objects)
    cardtrail("key", "k")
    (cardtrail.cwd / "cardtrail.toml").write_text(
        '[key]\nfile = "k"\n[[store]]\nuri = "s3://scan-gate"\npatience = 0\n'
    )
    gate.reads_left = 25
    run = run_of(cardtrail, "-j", jobs, code=4, env=env(gate))
    reasons = [each["reason"] for each in run["outcomes"]]
    assert len(reasons) == 60
    assert reasons.count(None) == 25 and set(reasons) == {None, "endpoint-unreachable"}

    gate.reads_left = None
    arguments = ["--resume", "--run", run["run"]["id"]]
    run = run_of(cardtrail, *arguments, code=1, env=env(gate))
    assert run["run"]["status"] == "complete"
    assert run["stores"][0]["distinct_pans"] == len(run["findings"]) == 60


def test_no_credentials_is_a_reason(cardtrail: Cardtrail) -> None:
    bare = env()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        bare[name] = ""
    run = run_of(cardtrail, "s3://scan-any", code=3, env=bare)
    assert [each["reason"] for each in run["outcomes"]] == ["bad-credentials"]
