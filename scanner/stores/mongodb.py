"""MongoDB as a store: ``mongodb://user@host:port/database``, or all databases without one.

Each collection is a unit, ``database.collection`` where all databases are read. Documents are text
with dotted paths, see ``scanner.bsonlines``. They come in the order of ``_id``, some at a time; a
slice of a collection is a share of the span of its ids, where these are all whole numbers or all
ObjectIds.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from scanner.bsonlines import Damaged, Documents
from scanner.contracts import Chunk, Ignore, Member, Records, SealName
from scanner.errors import Reason, Unreadable
from scanner.model import Access, Fact, Outcome, Problem, Slice, Status, Store, Unit
from scanner.stores import mongodb_facts
from scanner.stores import mongodb_session as mongodb
from scanner.stores.mongodb_session import Session

if TYPE_CHECKING:
    import pymongo

_FIRST, _MOST = 200, 20_000
_TARGET = 4 << 20
"""bytes of documents a question is meant to give"""
_KEY_LIMIT = 10**10
"""an id from here on could be a card number, and is not told"""


class MongoDb:
    kind = "mongodb"
    options: Mapping[str, type] = mongodb.OPTIONS

    def claims(self, target: str) -> bool:
        return target.startswith(mongodb.SCHEMES)

    def resolve(self, target: str, options: Mapping[str, Any]) -> Store:
        parsed, own = mongodb.parse(target)
        together = {**own, **options}
        mongodb.check(parsed.uri, together)
        return Store(uri=parsed.uri, kind=self.kind, options=together)

    def connect(self, store: Store, seal_name: SealName) -> OpenMongoDb:
        return OpenMongoDb(store, Session(store.uri, store.options), seal_name)


STORE = MongoDb()


class OpenMongoDb:
    def __init__(self, store: Store, session: Session, seal_name: SealName) -> None:
        self._store, self._session, self._seal_name = store, session, seal_name

    # --- what there is

    def units(self, ignore: Ignore) -> Iterator[Unit | Outcome]:
        self._session.connect()
        for database in self._databases():
            try:
                listed = self._session.ask(partial(_collections, database=database))
            except Unreadable as problem:
                yield self._outcome(self._key(database, "*"), problem)
                continue
            for name in listed:
                key = self._key(database, name)
                if not ignore(key, False):
                    yield self._unit(key, database, name)

    def _databases(self) -> list[str]:
        named = self._session.target.database
        if not named:
            return sorted(self._session.ask(lambda client: client.list_database_names()))
        try:
            there = self._session.ask(lambda client: client.list_database_names())
        except Unreadable:
            return [named]  # the role may not list them
        if named not in there:
            raise Unreadable(Reason.NOT_FOUND, "there is no such database, or it has no collection")
        return [named]

    def _key(self, database: str, name: str) -> str:
        return name if self._session.target.database else f"{database}.{name}"

    def _place(self, key: str) -> tuple[str, str]:
        named = self._session.target.database
        if named:
            return named, key
        database, _, name = key.partition(".")  # no name of a database has a dot in it
        return database, name

    def _unit(self, key: str, database: str, name: str) -> Unit | Outcome:
        """Its version: number and size of the documents, and the bounds of their ids, so that
        every worker cuts alike."""
        size, version = None, None
        try:
            stats = self._session.command(database, "collStats", name)
            size = int(stats.get("size", 0))
            version = f"{stats.get('count', 0)}-{size}"
            low, high = self._session.ask(partial(_ends, database=database, name=name))
            bounds = _span(low, high)
            version += f"@{bounds[0]}:{bounds[1]}:{bounds[2]}" if bounds else ""
        except Unreadable as problem:
            if problem.reason not in (Reason.ACCESS_DENIED, Reason.IO_ERROR):
                return self._outcome(key, problem)
        return Unit(self._store.uri, key, self._seal_name(key), size, version)

    def _outcome(self, key: str, problem: Unreadable) -> Outcome:
        status = Status.SKIPPED if problem.reason.skips else Status.FAILED
        name = self._seal_name(key)
        return Outcome(self._store.uri, name, status, problem.reason, problem.detail)

    # --- one of them

    def open(self, unit: Unit) -> Records:
        database, name = self._place(unit.key)
        if name not in self._session.ask(partial(_collections, database=database)):
            raise Unreadable(Reason.VANISHED, "the collection was listed, and is gone")
        bounds = None
        if unit.version and "@" in unit.version and unit.size:
            kind, low, high = unit.version.partition("@")[2].split(":")
            bounds = (kind, int(low), int(high))
        reader = _Reader(self._session, database, name, unit.size or 0, bounds)
        return Records(reader.chunks, sliceable=bounds is not None)

    def facts(self) -> tuple[Fact, ...]:
        return mongodb_facts.facts(self._session, self._seal_name)

    def access(self) -> Access:
        return mongodb_facts.access(self._session, self._seal_name)

    def close(self) -> None:
        self._session.close()


def _collections(client: pymongo.MongoClient[Any], database: str) -> list[str]:
    """Views hold nothing."""
    listed = client[database].list_collections()
    return sorted(each["name"] for each in listed if each.get("type") != "view")


def _ends(client: pymongo.MongoClient[Any], database: str, name: str) -> tuple[Any, Any]:
    found = []
    for way in (1, -1):
        one = client[database][name].find({}, {"_id": 1}).sort("_id", way).limit(1)
        found.append(next((document["_id"] for document in one), None))
    return found[0], found[1]


def _span(low: Any, high: Any) -> tuple[str, int, int] | None:
    """The sort of the ids, the lowest and the highest as numbers; None when they are of other
    sorts, or of two. Types have an order: what lies between two of one type is of that type."""
    from bson import ObjectId

    if isinstance(low, ObjectId) and isinstance(high, ObjectId):
        return "oid", int.from_bytes(low.binary, "big"), int.from_bytes(high.binary, "big")
    numbers = (low, high)
    if all(isinstance(each, int) and not isinstance(each, bool) for each in numbers):
        return "int", low, high
    return None


class _Reader:
    """One collection, for the slices one worker reads of it."""

    def __init__(
        self,
        session: Session,
        database: str,
        name: str,
        size: int,
        bounds: tuple[str, int, int] | None,
    ) -> None:
        self._session, self._database, self._name = session, database, name
        self._size, self._bounds = size, bounds

    def chunks(self, part: Slice) -> Iterator[Chunk | Member | Problem]:
        """Raises ``Unreadable`` when nothing of the part can be read."""
        before, count = b"", 0
        try:
            for documents in self._pieces(part):
                held = Documents()
                for raw in documents:
                    count += 1
                    row, place = _told(raw)
                    try:
                        held.add(raw, row, place or str(count))
                    except Damaged:
                        yield Problem(Reason.CORRUPT, f"document {count:,} is damaged")
                yield from held.members
                yield held.chunk(before)
                before = held.tail(before)
        except Unreadable as fault:
            if not count:
                raise
            yield Problem(fault.reason, fault.detail)

    def _pieces(self, part: Slice) -> Iterator[list[bytes]]:
        """In the order of ids. ``min`` and ``max`` are places in the index: unlike a comparison
        they pass from one type of id to the next."""
        from bson import decode

        start = self._at(part.start) if part.start > 0 else None
        end = self._at(part.end) if part.end is not None and part.end < self._size else None
        step, last = _FIRST, None
        while True:
            started = time.monotonic()
            try:
                found = self._session.ask(partial(self._find, start=start, end=end, step=step))
            except Unreadable as fault:
                if last is None and part.index == 0 and fault.reason is Reason.IO_ERROR:
                    yield from self._in_one()  # no index on the ids: capped, clustered, a series
                    return
                raise
            ended = len(found) < step
            fresh = found[1:] if last is not None and found[:1] == [last] else found
            if fresh:
                yield fresh
            self._session.after(started, fresh)
            if ended:
                return
            last = found[-1]
            start = decode(last).get("_id")
            each = sum(map(len, found)) // len(found) + 1
            step = max(2, min(_TARGET // each, 2 * step, _MOST))

    def _at(self, offset: int) -> Any:
        from bson import Int64, ObjectId

        assert self._bounds is not None
        kind, low, high = self._bounds
        number = low + (high - low + 1) * offset // self._size
        return ObjectId(number.to_bytes(12, "big")) if kind == "oid" else Int64(number)

    def _collection(self, client: pymongo.MongoClient[Any]) -> Any:
        from bson.codec_options import CodecOptions
        from bson.raw_bson import RawBSONDocument

        options: CodecOptions[Any] = CodecOptions(document_class=RawBSONDocument)
        return client[self._database].get_collection(self._name, codec_options=options)

    def _find(
        self, client: pymongo.MongoClient[Any], start: Any, end: Any, step: int
    ) -> list[bytes]:
        cursor = self._collection(client).find({}).hint([("_id", 1)]).limit(step).batch_size(step)
        if start is not None:
            cursor = cursor.min([("_id", start)])
        if end is not None:
            cursor = cursor.max([("_id", end)])
        if start is None and end is None:
            cursor = cursor.sort("_id", 1)
        if self._session.max_time:
            cursor = cursor.max_time_ms(self._session.max_time)
        return [bytes(document.raw) for document in cursor.comment("cardtrail")]

    def _in_one(self) -> Iterator[list[bytes]]:
        import pymongo.errors

        from scanner.stores.mongodb_session import fault

        held: list[bytes] = []
        try:
            for document in self._collection(self._session.client).find({}).comment("cardtrail"):
                held.append(bytes(document.raw))
                if len(held) >= _FIRST:
                    yield held
                    held = []
        except pymongo.errors.PyMongoError as error:
            raise fault(error) from None
        if held:
            yield held


def _told(raw: bytes) -> tuple[int | None, str]:
    """The number that stands for a document in a location, and the end of the names of what lies
    in it: by its id, which comes first, where that is a whole number or an ObjectId."""
    if raw[5:9] != b"_id\0":
        return None, ""
    if raw[4] == 0x07:
        return None, raw[9:21].hex()
    if raw[4] in (0x10, 0x12):
        number = int(struct.unpack_from("<i" if raw[4] == 0x10 else "<q", raw, 9)[0])
        return (number if 0 <= number < _KEY_LIMIT else None), str(number)
    return None, ""
