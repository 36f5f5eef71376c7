"""Dumps, backups and snapshots of databases, by how they begin: which database, when, by what.

Looked for in the first 4 KiB of a stream alone, so it costs nothing. Readers of packed dumps give
the head of theirs in the words of a plain one.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from detectors.base import BEFORE, Buffer, Example, FieldCounts, Hints, Match, Value
from detectors.records import dataclass

ENTITY = "DATABASE_DUMP"
_HEAD = 4096
_NAME = rb"\"?([A-Za-z_][\w$-]{0,62})\"?"
_LONG_NUMBER = re.compile(r"\d{6}")


@dataclass(frozen=True, slots=True)
class _Kind:
    """``what`` it is of, and where in the head the rest is told: group 1 of each."""

    sign: re.Pattern[bytes]
    what: str
    database: re.Pattern[bytes] | None = None
    server: re.Pattern[bytes] | None = None
    tool: re.Pattern[bytes] | None = None
    made: Callable[[bytes], str] = lambda head: ""


def _after(pattern: bytes) -> Callable[[bytes], str]:
    compiled = re.compile(pattern)

    def told(head: bytes) -> str:
        found = compiled.search(head)
        return found[1].decode("ascii", "replace") if found else ""

    return told


def _redis_time(head: bytes) -> str:
    found = re.search(rb"\x05ctime\xc2(.{4})", head, re.DOTALL)
    if found is None:
        return ""
    seconds = struct.unpack("<i", found[1])[0]
    return datetime.fromtimestamp(max(0, seconds), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


_KINDS = (
    _Kind(
        re.compile(rb"^-- PostgreSQL database (?:cluster )?dump\r?$", re.MULTILINE),
        "PostgreSQL",
        re.compile(rb"^(?:\\connect|CREATE DATABASE) " + _NAME, re.MULTILINE),
        re.compile(rb"^-- Dumped from database version (\d[\w.]{0,15})", re.MULTILINE),
        re.compile(rb"^-- Dumped by (pg_dump(?:all)? version \d[\w.]{0,15})", re.MULTILINE),
        _after(rb"\n-- Started on (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?: [A-Z]{3,5})?)"),
    ),
    _Kind(
        re.compile(rb"^-- MySQL dump \d", re.MULTILINE),
        "MySQL",
        re.compile(rb"^-- Host: \S*\s+Database: " + _NAME, re.MULTILINE),
        re.compile(rb"^-- Server version\t(\d[\w.]{0,15})", re.MULTILINE),
        re.compile(rb"^-- (MySQL dump \d[\w.]{0,15})", re.MULTILINE),
        _after(rb"\n-- Dump completed on (\d{4}-\d\d-\d\d +\d+:\d\d:\d\d)"),
    ),
    _Kind(
        re.compile(rb"^-- MariaDB dump \d", re.MULTILINE),
        "MariaDB",
        re.compile(rb"^-- Host: \S*\s+Database: " + _NAME, re.MULTILINE),
        re.compile(rb"^-- Server version\t(\d[\w.]{0,15})", re.MULTILINE),
        re.compile(rb"^-- (MariaDB dump \d[\w.]{0,15})", re.MULTILINE),
        _after(rb"\n-- Dump completed on (\d{4}-\d\d-\d\d +\d+:\d\d:\d\d)"),
    ),
    _Kind(
        re.compile(rb"^-- MongoDB archive dump$", re.MULTILINE),
        "MongoDB",
        None,
        re.compile(rb"^-- Server version: (\d[\w.]{0,15})$", re.MULTILINE),
        re.compile(rb"^-- Dumped by (mongodump \w[\w.]{0,15})$", re.MULTILINE),
    ),
    _Kind(
        re.compile(
            rb"\A\s*\{(?=.{0,3000}\"exportTaskIdentifier\").{0,3000}?"
            rb"\"sourceArn\"\s*:\s*\"arn:[\w-]+:rds:",
            re.DOTALL,
        ),
        "Amazon RDS",
        re.compile(rb"\"sourceArn\"\s*:\s*\"arn:[^\"]*:(?:cluster-)?snapshot:" + _NAME[3:]),
        made=_after(rb"\"snapshotTime\"\s*:\s*\"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)"),
    ),
    _Kind(re.compile(rb"\ATAPE\0\0[\x03\x13]\0"), "SQL Server"),
    _Kind(
        re.compile(rb"\AREDIS00\d\d"),
        "Redis",
        None,
        re.compile(rb"\x09redis-ver[\x01-\x10](\d[\w.]{0,15})"),
        made=_redis_time,
    ),
)


class DumpScan:
    """One pass. A head is looked for where a stream begins: there is less context before it than
    there would be anywhere else."""

    def find(self, data: Buffer, lo: int, hi: int, hints: Hints) -> list[Match]:
        if lo >= BEFORE:
            return []
        head = bytes(data[:_HEAD])
        found = []
        for kind in _KINDS:
            sign = kind.sign.search(head)
            if sign is not None and lo <= sign.start() < hi:
                words = _words(kind, bytes(data[sign.start() :]) if len(data) < 1 << 16 else head)
                match = Match(
                    "dump", ENTITY, sign.start(), sign.end(), 0.99, why=(words,), layout=kind.what
                )
                found.append(match)
        return sorted(found, key=lambda match: match.start)

    def fields(self) -> Mapping[int, FieldCounts]:
        return {}


def _words(kind: _Kind, text: bytes) -> str:
    """A name that could itself be data, one with a long number in it, is left out."""

    def told(pattern: re.Pattern[bytes] | None) -> str:
        found = pattern.search(text) if pattern is not None else None
        name = found[1].decode("ascii", "replace") if found else ""
        return "" if _LONG_NUMBER.search(name) else name

    database, server, tool = told(kind.database), told(kind.server), told(kind.tool)
    what = f"{kind.what} {server}".strip()
    words = f"a dump of the database {database} ({what})" if database else f"a dump of {what}"
    words += f", by {tool}" if tool else ""
    made = kind.made(text)
    return f"{words}, made {made}" if made else f"{words}; when is not told at its head"


class Dump:
    """The plug-in."""

    name = "dump"
    entities = (ENTITY,)
    profiles = frozenset({"card", "full"})
    summary = (
        "Dumps and backups of databases, with the database and the time where they are told:"
        " pg_dump (all formats), mysqldump, mariadb-dump, mongodump archives, SQL Server backups,"
        " Redis snapshots, exports of RDS snapshots."
    )
    limits = (
        "By the first 4 KiB alone; the name of a database that holds a number of six digits or more"
        " is not told. Images of whole volumes (EBS) are not recognised."
    )
    examples: tuple[Example, ...] = (
        Example(
            b"--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 16.1\n"
            b"-- Dumped by pg_dump version 16.2\n",
            ENTITY,
            "-- PostgreSQL database dump",
        ),
        Example(
            b"-- MySQL dump 10.13  Distrib 8.0.33, for Linux (x86_64)\n--\n"
            b"-- Host: localhost    Database: shop\n",
            ENTITY,
            "-- MySQL dump 1",
        ),
    )
    near_misses: tuple[bytes, ...] = (
        b"how to make a PostgreSQL database dump",
        b"-- MySQL dumps are kept for ten days",
        b"tape and redis",
    )

    def scan(self) -> DumpScan:
        return DumpScan()

    def value(self, data: Buffer, match: Match) -> Value:
        return Value(bytes(data[match.start : match.end]).decode("utf-8", "replace"), None)

    def settle(self, match: Match, counts: FieldCounts | None) -> tuple[float, tuple[str, ...]]:
        return match.score, match.why


DETECTOR = Dump()
