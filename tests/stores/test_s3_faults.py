"""Faults of S3 against a small server of our own that can refuse, break off and go away."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest

from scanner.contracts import Source
from scanner.errors import Reason, Unreadable
from scanner.model import Outcome, Tri, Unit
from scanner.stores import s3_client, s3_object
from scanner.stores.s3 import S3, STORE
from tests import s3_server

Answer = tuple[int, bytes] | tuple[int, bytes, int]
"""status, body, and after how many bytes of it to hang up"""


class Server:
    """``objects`` by key; ``rules`` are asked first: ``(method, key or "?list", range)``."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.rules: list[Callable[[str, str, str], Answer | None]] = []
        self.asked: list[tuple[str, str, str]] = []
        self.connections: list[socket.socket] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version: ClassVar[str] = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                outer.connections.append(self.connection)

            def log_message(self, format: str, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                outer.answer(self)

            do_HEAD = do_GET

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.05,))
        self.thread.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}"

    def stop(self) -> None:
        """As a server that dies: open connections go too."""
        if self.thread.is_alive():
            for connection in self.connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self.http.shutdown()
            self.http.server_close()
            self.thread.join()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(request.path)
        query = parse_qs(parts.query, keep_blank_values=True)
        key = unquote(parts.path).removeprefix("/bucket").removeprefix("/")
        if "list-type" in query:
            key = "?list"
        elif not key:
            key = "?" + parts.query.partition("=")[0]
        wanted = request.headers.get("Range", "")
        self.asked.append((request.command, key, wanted))
        for rule in self.rules:
            found = rule(request.command, key, wanted)
            if found:
                send(request, *found)
                return
        if key == "?list":
            send(request, 200, self.listing(query))
        elif key in self.objects:
            body = self.objects[key]
            status = 200
            if wanted:
                start, _, end = wanted.removeprefix("bytes=").partition("-")
                total, body, status = len(body), body[int(start) : int(end or 1 << 40) + 1], 206
                extra = f"bytes {start}-{int(start) + len(body) - 1}/{total}"
                send(request, status, body, None, {"Content-Range": extra})
                return
            send(request, status, body)
        else:
            send(request, 404, error("NoSuchKey"))

    def listing(self, query: dict[str, list[str]]) -> bytes:
        prefix = query.get("prefix", [""])[0]
        rows = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(body)}</Size>"
            "<ETag>&quot;tag&quot;</ETag><LastModified>2026-01-01T00:00:00Z</LastModified></Contents>"
            for key, body in sorted(self.objects.items())
            if key.startswith(prefix)
        )
        return (
            f"<ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>".encode()
        )


def send(
    request: BaseHTTPRequestHandler,
    status: int,
    body: bytes,
    hang_up: int | None = None,
    headers: dict[str, str] | None = None,
) -> None:
    request.send_response(status)
    request.send_header("Content-Length", str(len(body)))
    if status < 300:
        request.send_header("ETag", '"tag"')
        request.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
    for name, value in (headers or {}).items():
        request.send_header(name, value)
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body if hang_up is None else body[:hang_up])
    if hang_up is not None:
        request.wfile.flush()
        request.close_connection = True
        request.connection.shutdown(2)


def error(code: str, message: str = "no secret of ours") -> bytes:
    return f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(s3_client, "ATTEMPTS", 2)
    monkeypatch.setattr(s3_client, "CONNECT_SECONDS", 2)
    monkeypatch.setattr(s3_client, "READ_SECONDS", 2)
    patient = s3_object.Outage

    def impatient(patience: float = s3_object.PATIENCE) -> s3_object.Outage:
        return patient(patience=0.3, pause=60, enough=2)

    monkeypatch.setattr(s3_object, "Outage", impatient)
    server = Server()
    with s3_server.environment():
        yield server
    server.stop()


def connect(server: Server, uri: str = "s3://bucket") -> S3:
    opened = STORE.connect(
        STORE.resolve(uri, {"endpoint": server.endpoint, "region": "eu-west-1"}), lambda name: name
    )
    assert isinstance(opened, S3)
    return opened


def units(store: S3) -> list[Unit | Outcome]:
    return list(store.units(lambda name, folder: False))


def read(store: S3, key: str, size: int) -> bytes:
    source = store.open(Unit(store="s3://bucket", key=key, name=key, size=size, version="tag"))
    assert isinstance(source, Source)
    return source.file.read()


SSE_C = (
    "The object was stored using a form of Server Side Encryption. The correct parameters must be "
    "provided to retrieve the object."
)


@pytest.mark.parametrize("key", ["by-obstore", "by//boto"])
@pytest.mark.parametrize(
    ("status", "code", "message", "reason"),
    [
        (403, "AccessDenied", "", Reason.ACCESS_DENIED),
        (403, "AccessDenied", "not authorized to perform: kms:Decrypt", Reason.ACCESS_DENIED),
        (403, "InvalidObjectState", "", Reason.ARCHIVED),
        (400, "InvalidRequest", SSE_C, Reason.ENCRYPTED),
        (400, "KMS.DisabledException", "", Reason.ENCRYPTED),
        (400, "ExpiredToken", "", Reason.EXPIRED),
        (403, "InvalidAccessKeyId", "", Reason.CREDENTIALS),
        (403, "SignatureDoesNotMatch", "", Reason.CREDENTIALS),
        (403, "RequestTimeTooSkewed", "", Reason.CREDENTIALS),
        (404, "NoSuchKey", "", Reason.VANISHED),
        (412, "PreconditionFailed", "", Reason.CHANGED),
        (503, "SlowDown", "", Reason.THROTTLED),
        (500, "InternalError", "", Reason.IO_ERROR),
    ],
)
def test_a_refused_object_says_why(
    server: Server, key: str, status: int, code: str, message: str, reason: Reason
) -> None:
    store = connect(server)
    text = f"{message} 4111-in-the-key"
    server.rules.append(
        lambda method, name, _: (status, error(code, text)) if name == key else None
    )
    with pytest.raises(Unreadable) as caught:
        read(store, key, 10)
    assert caught.value.reason is reason
    assert "4111" not in caught.value.detail and key not in caught.value.detail
    if "kms" in message:
        assert "KMS key" in caught.value.detail
    store.close()


def test_a_key_cannot_pretend_to_be_an_answer(server: Server) -> None:
    key = "status code: 403: <Code>InvalidObjectState</Code>"
    store = connect(server)
    with pytest.raises(Unreadable) as caught:
        read(store, key, 10)
    assert caught.value.reason is Reason.VANISHED


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (404, "NoSuchBucket", Reason.NOT_FOUND),
        (403, "InvalidAccessKeyId", Reason.CREDENTIALS),
        (400, "ExpiredToken", Reason.EXPIRED),
        (503, "SlowDown", Reason.THROTTLED),
    ],
)
def test_a_bucket_that_cannot_be_reached(
    server: Server, status: int, code: str, reason: Reason
) -> None:
    server.rules.append(lambda *_: (status, error(code)))
    with pytest.raises(Unreadable) as caught:
        connect(server)
    assert caught.value.reason is reason


def test_no_credentials(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    with pytest.raises(Unreadable, match="no AWS credentials were found") as caught:
        connect(server)
    assert caught.value.reason is Reason.CREDENTIALS
    assert server.asked == []


def test_a_profile_that_does_not_exist(server: Server) -> None:
    store = STORE.resolve("s3://bucket", {"endpoint": server.endpoint, "profile": "nobody"})
    with pytest.raises(Unreadable, match="profile does not exist"):
        STORE.connect(store, lambda name: name)


def test_an_anonymous_connection_signs_nothing(server: Server) -> None:
    server.objects["a"] = b"public"
    store = STORE.connect(
        STORE.resolve("s3://bucket", {"endpoint": server.endpoint, "anonymous": True}),
        lambda name: name,
    )
    (unit,) = store.units(lambda name, folder: False)
    assert isinstance(unit, Unit)
    source = store.open(unit)
    assert isinstance(source, Source) and source.file.read() == b"public"


def test_a_denied_listing_still_gives_facts(server: Server) -> None:
    def deny(method: str, key: str, wanted: str) -> Answer | None:
        if key == "?list":
            return 403, error("AccessDenied")
        if key == "?versioning":
            return (
                200,
                b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
            )
        if key == "?encryption":
            return 200, b""
        if key == "?logging":
            return 501, error("NotImplemented")
        if key.startswith("?"):
            return 403, error("AccessDenied")
        return None

    server.rules.append(deny)
    store = connect(server)
    with pytest.raises(Unreadable) as caught:
        units(store)
    assert caught.value.reason is Reason.ACCESS_DENIED
    facts = {fact.control: fact for fact in store.facts()}
    assert facts["versioning"].state is Tri.YES
    for control, why in (
        ("public-access", "these credentials lack s3:GetBucketPolicy"),
        ("default-encryption", "empty body"),
        ("access-logging", "the server does not offer this (NotImplemented)"),
    ):
        assert facts[control].state is Tri.UNKNOWN and why in facts[control].detail
    assert store.access().public is Tri.UNKNOWN


def test_a_listing_that_breaks_off_is_an_outcome(server: Server) -> None:
    pages = iter(
        [
            b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
            b"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t"
            b"</NextContinuationToken><Contents><Key>a</Key><Size>1</Size></Contents>"
            b"</ListBucketResult>",
        ]
    )

    def rule(method: str, key: str, wanted: str) -> Answer:
        page = next(pages, None)
        return (200, page) if page else (403, error("AccessDenied"))

    server.rules.append(rule)
    unit, outcome = units(connect(server))
    assert isinstance(unit, Unit) and isinstance(outcome, Outcome)
    assert outcome.reason is Reason.ACCESS_DENIED and "after 1 object" in outcome.detail


def test_a_listing_without_an_end_ends(server: Server) -> None:
    page = (
        b"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t"
        b"</NextContinuationToken><Contents><Key>a</Key><Size>1</Size></Contents></ListBucketResult>"
    )
    server.rules.append(lambda method, key, _: (200, page) if key == "?list" else None)
    outcome = units(connect(server))[-1]
    assert isinstance(outcome, Outcome) and outcome.reason is Reason.IO_ERROR


def test_a_cut_body_is_asked_for_again(server: Server) -> None:
    body = bytes(range(256)) * 400
    server.objects["cut"] = body
    store = connect(server)
    cuts = iter([50_000])

    def cut(method: str, key: str, wanted: str) -> Answer | None:
        if key == "cut" and (at := next(cuts, None)):
            return 200, body, at
        return None

    server.rules.append(cut)
    assert read(store, "cut", len(body)) == body
    store.close()


def test_a_small_object_is_one_request_and_an_empty_one_none(server: Server) -> None:
    server.objects.update({"small": b"x" * 1000, "empty": b""})
    store = connect(server)
    before = len(server.asked)
    source = store.open(Unit("s3://bucket", "small", "small", 1000, "tag"))
    assert isinstance(source, Source)
    assert source.file.read(10) == b"x" * 10
    source.file.seek(0)
    assert source.file.read() == b"x" * 1000
    assert read(store, "empty", 0) == b""
    assert [key for _, key, _ in server.asked[before:]] == ["small"]


def test_an_endpoint_that_goes_away_costs_little_time(server: Server) -> None:
    server.objects.update({f"k{i}": b"x" for i in range(200)})
    store = connect(server)
    found = units(store)
    assert len(found) == 200
    assert read(store, "k0", 1) == b"x"
    server.stop()
    began = time.monotonic()
    reasons = []
    for unit in found:
        assert isinstance(unit, Unit)
        with pytest.raises(Unreadable) as caught:
            read(store, unit.key, 1)
        reasons.append(caught.value.reason)
    assert set(reasons) == {Reason.UNREACHABLE}
    assert time.monotonic() - began < 10
    facts = store.facts()
    assert {fact.state for fact in facts} == {Tri.UNKNOWN}
    store.close()


def test_a_short_outage_costs_nothing(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.objects["a"] = b"x"
    store = connect(server)
    until = time.monotonic() + 1.0
    server.rules.append(
        lambda *_: (503, error("ServiceUnavailable")) if time.monotonic() < until else None
    )
    store._objects._outage = _waiting()
    assert read(store, "a", 1) == b"x"


def _waiting() -> s3_object.Outage:
    from scanner.stores.s3_object import Outage

    made = Outage()
    made._patience = 20.0
    return made


def test_one_object_that_always_times_out_does_not_cost_the_others(server: Server) -> None:
    server.objects["good"] = b"x"
    server.rules.append(lambda method, key, _: (504, b"") if key == "bad" else None)
    store = connect(server)
    for _ in range(3):
        with pytest.raises(Unreadable):
            read(store, "bad", 1)
        assert read(store, "good", 1) == b"x"


def test_nothing_secret_is_logged(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.objects["a"] = b"content of the object"
    server.objects["key//by-boto"] = b"x"
    server.rules.append(lambda m, key, _: (403, error("AccessDenied")) if key == "no" else None)
    store = connect(server)
    read(store, "a", 21)
    read(store, "key//by-boto", 1)
    units(store)
    store.facts()
    with pytest.raises(Unreadable) as caught:
        read(store, "no", 1)
    text = caplog.text + repr(caught.value) + repr(store._connection)
    for secret in ("testing-secret", "testing-token", "content of", "by-boto"):
        assert secret not in text


def test_credentials_that_cannot_be_renewed(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def renew() -> None:
        raise RuntimeError("the text of a provider, testing-secret")

    monkeypatch.setattr(s3_client, "_credentials", lambda session: renew)
    store = connect(server)
    with pytest.raises(Unreadable) as caught:
        read(store, "a", 1)
    assert caught.value.reason is Reason.CREDENTIALS
    assert "provider" not in caught.value.detail


def test_the_region_of_the_bucket_is_learned_from_its_answer(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_client, "is_aws", lambda endpoint: True)
    monkeypatch.setattr(s3_client, "_probe", lambda connection, prefix: "eu-central-1")
    connection = s3_client.connect("bucket", "", {"endpoint": server.endpoint})
    assert connection.region == "eu-central-1"
    assert connection.client.meta.region_name == "eu-central-1"


def test_the_private_authority_of_boto_is_that_of_obstore_too(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("a certificate")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    session = connect(server)._connection.session
    assert s3_client._root_certificate(session) == {"root_certificate": b"a certificate"}
    bundle.unlink()
    assert s3_client._root_certificate(session) == {}
