"""A SQLite database found as a file, in a folder or inside an archive: each table is a member."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

from scanner.contracts import Chunk, Limits, Member, Source
from scanner.model import Problem, Slice
from scanner.sqlitefile import MAGIC, Database
from scanner.tablerows import chunks, sqlite_rows


class Sqlite:
    name = "sqlite"
    sliceable = False
    priority = 50

    def claims(self, head: bytes, name: str) -> bool:
        return head.startswith(MAGIC)

    def read(
        self, source: Source, part: Slice, limits: Limits
    ) -> Iterator[Chunk | Member | Problem]:
        with closing(Database(source, limits)) as database:
            if database.problem is not None:
                yield database.problem
            for table in database.tables:
                rows = sqlite_rows(database, table, f"{table.name}!")
                for item in chunks(rows, table.columns, table.name):
                    if isinstance(item, Problem) and item.member is None:
                        item = replace(item, member=table.name)
                    yield item


READER = Sqlite()
