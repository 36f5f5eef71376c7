"""Facts of a server whose pg_hba.conf and settings the test writes itself."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.errors import Reason, Unreadable
from scanner.model import Fact
from scanner.stores.postgres import STORE
from tests import postgres_server
from tests.postgres_server import ADMIN, Server

pytestmark = postgres_server.MARKS
HERE = "local all all trust\nhost all all 127.0.0.1/32 trust\n"


@pytest.fixture
def server() -> Iterator[Server]:
    server = postgres_server.server()
    hba = server.data / "pg_hba.conf"
    before = hba.read_text()
    yield server
    hba.write_text(before)
    server.reload()


def facts(server: Server, target: str | None = None) -> dict[str, Fact]:
    opened = STORE.connect(STORE.resolve(target or server.target("postgres"), {}), str)
    try:
        return {fact.control: fact for fact in opened.facts()}
    finally:
        opened.close()


@pytest.mark.parametrize(
    ("rule", "control", "state", "words"),
    [
        ("host all all 0.0.0.0/0 trust", "public-access", "yes", "line 3"),
        ("host all all 10.0.0.0/8 scram-sha-256", "public-access", "no", ""),
        ("host all all 10.0.0.0/8 scram-sha-256", "tls-only", "no", "TLS"),
        ("host all all 10.0.0.0/8 md5", "strong-passwords", "no", "md5"),
        ("nonsense", "public-access", "unknown", "understand"),
    ],
)
def test_what_a_rule_means(server: Server, rule: str, control: str, state: str, words: str) -> None:
    (server.data / "pg_hba.conf").write_text(f"{HERE}{rule}\n")
    fact = facts(server)[control]
    assert fact.state == state, fact
    assert words in fact.detail


def test_a_role_that_sees_little_gets_unknown_with_a_reason(server: Server) -> None:
    server.run("postgres", "DROP ROLE IF EXISTS plain", "CREATE ROLE plain LOGIN")
    told = facts(server, server.target("postgres", "plain"))
    assert told["public-access"].state == "unknown"
    assert "pg_hba.conf" in told["public-access"].detail
    assert told["read-only-role"].state == "yes"
    assert told["access-logging"].state in ("no", "unknown")
    assert "superuser" in facts(server)["read-only-role"].detail
    server.run("postgres", "DROP ROLE plain")


@pytest.mark.parametrize(
    ("grant", "words"),
    [
        ("ALTER ROLE plain CREATEROLE NOBYPASSRLS REPLICATION", "can make roles, can copy the"),
        ("GRANT UPDATE (note) ON duty TO plain", "can change 1 table"),
        ("GRANT DELETE ON duty TO others", "can change 1 table"),
        ("GRANT CREATE ON SCHEMA public TO others", "can make objects in 1 schema"),
        ("GRANT CREATE ON DATABASE duties TO plain", "can make schemas"),
        ("GRANT pg_signal_backend TO others", "is member of pg_signal_backend"),
        ("ALTER ROLE others SUPERUSER", "is superuser"),
    ],
)
def test_what_more_a_role_can_do_also_after_set_role(
    server: Server, grant: str, words: str
) -> None:
    """``others`` is a role that does not give its rights by itself."""
    roles = ("plain", "others")
    with server.database("duties") as database:
        server.run(
            database,
            *(f"DROP ROLE IF EXISTS {role}" for role in roles),
            "CREATE ROLE plain LOGIN NOINHERIT",
            "CREATE ROLE others",
            "GRANT others TO plain",
            "CREATE TABLE duty (note text)",
            "GRANT SELECT ON duty TO plain",
        )
        target = server.target(database, "plain")
        assert facts(server, target)["read-only-role"].state == "yes"
        server.run(database, grant)
        told = facts(server, target)["read-only-role"]
        server.run(database, *(f"DROP OWNED BY {role}" for role in roles))
        assert told.state == "no" and words in told.detail
    server.run("postgres", *(f"DROP ROLE {role}" for role in roles))


def test_settings_that_log_reads(server: Server) -> None:
    assert facts(server)["access-logging"].state == "no"
    server.run("postgres", "ALTER DATABASE postgres SET log_statement = 'all'")
    assert facts(server)["access-logging"].state == "yes"
    server.run("postgres", "ALTER DATABASE postgres RESET log_statement")


def test_what_public_may_read_is_a_fact(server: Server) -> None:
    with server.database("open_to_all") as name:
        server.run(name, "CREATE TABLE t(a text)", "GRANT SELECT ON t TO PUBLIC")
        assert facts(server, server.target(name))["no-grant-to-public"].state == "no"
        server.run(name, "REVOKE SELECT ON t FROM PUBLIC")
        assert facts(server, server.target(name))["no-grant-to-public"].state == "yes"


def test_the_certificate_of_the_server_is_verified(tmp_path: Path) -> None:
    server = postgres_server.debian()
    if server is None:
        pytest.skip("no PostgreSQL with TLS: the Debian package postgresql is not installed")
    own, other = certificate(tmp_path / "own"), certificate(tmp_path / "other")
    for name, text in zip(("server.crt", "server.key"), own, strict=True):
        path = server.data / name
        path.write_bytes(text)
        server.give(path)
    server.run("postgres", "ALTER SYSTEM SET ssl = on")
    server.reload()
    (tmp_path / "own.crt").write_bytes(own[0])
    (tmp_path / "other.crt").write_bytes(other[0])
    target = f"postgresql://{ADMIN}@localhost:{server.port}/postgres?sslmode=verify-full"
    good = f"{target}&sslrootcert={tmp_path / 'own.crt'}"
    assert facts(server, good)["scanned-over-tls"].state == "yes"
    bad = f"{target}&sslrootcert={tmp_path / 'other.crt'}"
    opened = STORE.connect(STORE.resolve(bad, {}), str)
    with pytest.raises(Unreadable) as caught:
        list(opened.units(lambda name, is_folder: False))
    assert caught.value.reason is Reason.CREDENTIALS
    assert "certificate" in caught.value.detail
    opened.close()


def certificate(folder: Path) -> tuple[bytes, bytes]:
    """A certificate of its own for localhost, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, folder.name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return made.public_bytes(serialization.Encoding.PEM), secret
