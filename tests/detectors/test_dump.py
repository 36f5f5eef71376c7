"""What a dump says of itself, and what is no dump."""

from __future__ import annotations

import json
import struct

import pytest

from detectors.base import NoHints
from detectors.dump import DumpScan


def why(data: bytes) -> str | None:
    found = DumpScan().find(data, 0, len(data), NoHints())
    assert len(found) <= 1
    return found[0].why[0] if found else None


RDS = {
    "exportTaskIdentifier": "monthly",
    "sourceArn": "arn:aws:rds:eu-west-1:123456789012:snapshot:shop-2026",
    "snapshotTime": "2026-03-01T04:05:06Z",
    "status": "COMPLETE",
}
REDIS = b"REDIS0011\xfa\x09redis-ver\x067.0.15\xfa\x0aredis-bits\xc0@\xfa\x05ctime\xc2"
MYSQL = (
    b"-- MySQL dump 10.13  Distrib 8.0.33, for Linux (x86_64)\n--\n"
    b"-- Host: localhost    Database: %s\n"
    b"-- -----------------------------------------------------\n-- Server version\t8.0.33-0ubuntu\n"
)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (json.dumps(RDS, indent=2).encode(), ["shop-2026", "Amazon RDS", "2026-03-01T04:05:06"]),
        (REDIS + struct.pack("<i", 1_700_000_000), ["Redis 7.0.15", "2023-11-14 22:13:20 UTC"]),
        (b"TAPE\0\0\3\0\x8c\0", ["SQL Server", "when is not told"]),
        (MYSQL % b"shop", ["database shop", "MySQL 8.0.33", "MySQL dump 10.13"]),
        (
            MYSQL % b"shop" + b"x\n" * 99 + b"-- Dump completed on 2026-01-02  3:04:05\n",
            ["2026-01-02"],
        ),
        (b"--\n-- PostgreSQL database cluster dump\n--\n\n", ["PostgreSQL"]),
        (
            b"/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19-11.4.2-MariaDB\n",
            ["MariaDB dump 10.19"],
        ),
    ],
)
def test_what_it_says(data: bytes, words: list[str]) -> None:
    said = why(data) or ""
    assert all(word in said for word in words), said


def test_a_name_that_could_be_data_is_not_told() -> None:
    said = why(MYSQL % b"c4111111111111111") or ""
    assert "MySQL" in said and "4111" not in said


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x" * 5000 + b"\n-- PostgreSQL database dump\n",
        b"REDIS is a server",
        b"TAPE 7 was lost",
        b'{"sourceArn": "arn:aws:s3:::bucket", "exportTaskIdentifier": 1}',
        b"-- PostgreSQL database dump complete\n",
    ],
)
def test_what_is_none(data: bytes) -> None:
    assert why(data) is None


def test_only_where_a_stream_begins() -> None:
    data = b" " * 1024 + b"\n-- PostgreSQL database dump\n"
    assert DumpScan().find(data, 1024, len(data), NoHints()) == []
    assert len(DumpScan().find(data, 1000, len(data), NoHints())) == 1
