"""When a server writes over its own logs: patterns of names, and what real servers say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from scanner.stores import postgres_rotation
from scanner.stores.mysql_audits import _kept, _slow_kept
from scanner.stores.postgres_rotation import keeps, said
from tests import postgres_server
from tests.stores.test_audits import asked

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("name", "age", "kept"),
    [
        ("postgresql-%a.log", DAY, 6 * DAY),
        ("postgresql-%a.log", HOUR, 6 * DAY),  # it goes on in the file of the day
        ("postgresql-%H.log", HOUR, 23 * HOUR),
        ("postgresql-%H%M.log", 30 * MINUTE, 23.5 * HOUR),
        ("postgresql-%H.log", 2 * DAY, None),  # midnight, always: one file, which grows
        ("postgresql-%d.log", DAY, 27 * DAY),  # over February
        ("postgresql-%m-%a.log", DAY, 6 * DAY),
        ("postgresql-%m%d.log", DAY, 364 * DAY),
        ("postgresql-%Y-%m-%d_%H%M%S.log", DAY, None),
        ("postgresql-%Y-%m.log", DAY, None),
        ("postgresql.log", DAY, None),
        ("postgresql-%M.log", MINUTE, 59 * MINUTE),
    ],
)
def test_names_that_come_round_again(name: str, age: timedelta, kept: timedelta | None) -> None:
    assert keeps(name, age) == kept


USUAL = {
    "logging_collector": "on",
    "log_filename": "postgresql-%a.log",
    "log_rotation_age": "1440",
    "log_truncate_on_rotation": "on",
}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            {},
            [
                "writes over its logs (postgresql-%a.log) and keeps 6 days of them: what is older"
                " than 2026-03-09 12:00 UTC is lost unless"
            ],
        ),
        ({"log_truncate_on_rotation": "off"}, []),
        ({"log_rotation_age": "0"}, []),  # only the size ends a file, and that writes over none
        ({"log_filename": "postgresql-%F.log"}, []),
        ({"log_filename": None}, ["is not known", "pg_read_all_settings"]),
        ({"logging_collector": "off"}, ["logging_collector = off"]),
        (
            {"rds.log_retention_period": "4320", "log_truncate_on_rotation": "off"},
            ["RDS deletes the server's logs after 3 days: what is older than 2026-03-12 12:00 UTC"],
        ),
    ],
)
def test_settings(more: dict[str, str | None], words: list[str]) -> None:
    settings = {name: value for name, value in {**USUAL, **more}.items() if value is not None}
    found = list(said(settings, NOW))
    assert len(found) == bool(words)
    assert all(each in found[0] for each in words)


def test_files_of_mariadb_and_percona() -> None:
    on = {"server_audit_logging": "ON", "server_audit_file_rotate_size": "1000000"}
    (told,) = _kept({**on, "server_audit_file_rotations": "9"})
    assert "keeps 10 files of it, 10,000,000 bytes" in told
    assert list(_kept({**on, "server_audit_file_rotations": "0"})) == []  # it never rotates
    assert list(_kept({**on, "server_audit_output_type": "syslog"})) == []
    assert list(_slow_kept({})) == []
    (told,) = _slow_kept({"max_slowlog_files": "4", "max_slowlog_size": "4096"})
    assert "keeps 4 files of it, of 4096 bytes each" in told


@pytest.mark.xdist_group("postgres")
def test_what_a_server_shows_of_its_logs() -> None:
    """To a superuser, and to a role that is not shown names of files."""
    why = postgres_server.missing()
    if why:
        pytest.skip(why)
    server = postgres_server.server()
    names = ", ".join(f"'{name}'" for name in postgres_rotation.SETTINGS)
    query = f"SELECT name, setting FROM pg_settings WHERE name IN ({names})"
    with server.database("audits"):
        shown = dict(server.rows("audits", query))
        told = list(said(shown, NOW))
        assert shown["logging_collector"] == "off" and len(told) == 1
        assert told[0] in asked(server)["pgaudit"]
        server.run("audits", "DROP ROLE IF EXISTS plain", "CREATE ROLE plain LOGIN")
        try:
            hidden = dict(server.rows("audits", query, user="plain"))
        finally:
            server.run("audits", "DROP ROLE plain")
        assert set(shown) - set(hidden) == {"log_filename"}
