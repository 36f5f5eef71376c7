"""A server that speaks MongoDB's wire protocol (OP_MSG), as far as the store asks it anything.

No real one can be had where these tests run. It keeps to the manual where that matters for reading:
the order of types, ``min`` and ``max`` as places in the index beside comparisons that stay within a
type, batches, error codes, and what a role may ask. It is written from the documentation, so what
it cannot show is how a real server differs from that.
"""

from __future__ import annotations

import socketserver
import struct
import threading
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

import bson
from bson import Binary, Decimal128, Int64, MaxKey, MinKey, ObjectId
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

_OP_REPLY, _OP_QUERY, _OP_MSG = 1, 2004, 2013
_RAW: CodecOptions[Any] = CodecOptions(document_class=RawBSONDocument)


class Refused(Exception):
    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def order(value: Any) -> tuple[int, Any]:
    """By type first, as the manual has it (Comparison/Sort Order)."""
    if isinstance(value, MinKey):
        return 0, 0
    if value is None:
        return 1, 0
    if isinstance(value, Decimal128):
        return 2, float(value.to_decimal())
    if isinstance(value, bool):
        return 8, value
    if isinstance(value, int | float):
        return 2, float(value)
    if isinstance(value, str):
        return 3, value.encode()
    if isinstance(value, dict | RawBSONDocument):
        return 4, bson.encode(dict(value))
    if isinstance(value, bytes | Binary):
        return 6, bytes(value)
    if isinstance(value, ObjectId):
        return 7, value.binary
    if isinstance(value, datetime):
        return 9, value
    return (11, 0) if isinstance(value, MaxKey) else (10, repr(value))


@lru_cache(1 << 16)
def _place(document: bytes) -> tuple[int, Any]:
    return order(bson.decode(document).get("_id"))


class MongoServer:
    """``data[database][collection]`` is a list of raw documents. ``options`` is what
    ``getCmdLineOpts`` tells; ``denied`` are the commands the role may not say; ``reads`` counts
    what was asked; ``drop_after`` closes the connection after so many reads, once."""

    def __init__(self) -> None:
        self.data: dict[str, dict[str, list[bytes]]] = {}
        self.kinds: dict[tuple[str, str], str] = {}
        self.options: dict[str, Any] = {}
        self.users: list[dict[str, Any]] = []
        self.privileges: dict[str, list[dict[str, Any]]] = {}
        self.denied: set[str] = set()
        self.without_index: set[tuple[str, str]] = set()
        self.said: list[str] = []
        self.written = False
        self.drop_after = -1
        self._cursors: dict[int, list[bytes]] = {}
        self._lock = threading.RLock()
        self._server = _Tcp(("127.0.0.1", 0), _Handler)
        self._server.mongo = self
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def target(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}/"

    def put(self, database: str, collection: str, *documents: Mapping[str, Any]) -> None:
        held = self.data.setdefault(database, {}).setdefault(collection, [])
        held += [bson.encode(document) for document in documents]
        held.sort(key=_place)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    # --- commands

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        name = next(iter(command))
        self.said.append(name)
        with self._lock:
            try:
                if name in self.denied:
                    raise Refused(13, f"not authorized to execute command {name}")
                handler = getattr(self, f"_{name.lower()}", None)
                if handler is None:
                    raise Refused(59, f"no such command: {name}")
                return {**handler(command), "ok": 1.0}
            except Refused as error:
                return {"ok": 0.0, "code": error.code, "errmsg": str(error), "codeName": "x"}

    def _hello(self, command: dict[str, Any]) -> dict[str, Any]:
        return {
            "helloOk": True,
            "isWritablePrimary": True,
            "ismaster": True,
            "maxBsonObjectSize": 16 << 20,
            "maxMessageSizeBytes": 48_000_000,
            "maxWriteBatchSize": 100_000,
            "localTime": datetime(2026, 1, 1),
            "minWireVersion": 0,
            "maxWireVersion": 21,
            "readOnly": False,
        }

    _ismaster = _hello

    def _ping(self, command: dict[str, Any]) -> dict[str, Any]:
        return {}

    _endsessions = _ping

    def _killcursors(self, command: dict[str, Any]) -> dict[str, Any]:
        for number in command["cursors"]:
            self._cursors.pop(number, None)
        return {}

    def _listdatabases(self, command: dict[str, Any]) -> dict[str, Any]:
        return {"databases": [{"name": name} for name in sorted(self.data) if self.data[name]]}

    def _listcollections(self, command: dict[str, Any]) -> dict[str, Any]:
        database = command["$db"]
        names = self.data.get(database, {})
        documents = [
            bson.encode({"name": name, "type": self.kinds.get((database, name), "collection")})
            for name in names
        ]
        return self._first(f"{database}.$cmd.listCollections", documents, 1000)

    def _collstats(self, command: dict[str, Any]) -> dict[str, Any]:
        documents = self._documents(command, command["collStats"])
        return {"count": len(documents), "size": sum(map(len, documents))}

    def _documents(self, command: dict[str, Any], name: str) -> list[bytes]:
        return self.data.get(command["$db"], {}).get(name, [])

    def _find(self, command: dict[str, Any]) -> dict[str, Any]:
        place = (command["$db"], command["find"])
        if command.get("filter"):
            raise Refused(2, "this server compares nothing: it would have to know the brackets")
        if "hint" in command and place in self.without_index:
            raise Refused(2, "hint provided does not correspond to an existing index")
        if ("min" in command or "max" in command) and "hint" not in command:
            raise Refused(
                51173, "When using min()/max() a hint of which index to use must be provided"
            )
        self.drop_after -= 1
        if self.drop_after == 0:
            raise ConnectionAbortedError
        held = self._documents(command, command["find"])
        low, high = command.get("min"), command.get("max")
        first = bisect_left(held, order(low["_id"]), key=_place) if low else 0
        behind = bisect_left(held, order(high["_id"]), key=_place) if high else len(held)
        documents = held[first:behind]
        if (command.get("sort") or {}).get("_id") == -1:
            documents.reverse()
        limit = command.get("limit") or len(documents)
        if command.get("projection"):
            documents = [
                bson.encode({"_id": bson.decode(raw).get("_id")}) for raw in documents[:limit]
            ]
        return self._first(".".join(place), documents[:limit], command.get("batchSize", 101))

    def _first(self, namespace: str, documents: list[bytes], size: int) -> dict[str, Any]:
        batch, rest = _batch(documents, size)
        number = Int64(0)
        if rest:
            number = Int64(len(self._cursors) + 7)
            self._cursors[number] = rest
        return {"cursor": {"id": number, "ns": namespace, "firstBatch": _plain(batch)}}

    def _getmore(self, command: dict[str, Any]) -> dict[str, Any]:
        number = command["getMore"]
        if number not in self._cursors:
            raise Refused(43, "cursor not found")
        batch, rest = _batch(self._cursors.pop(number), command.get("batchSize", 1 << 30))
        if rest:
            self._cursors[number] = rest
        namespace = f"{command['$db']}.{command['collection']}"
        return {
            "cursor": {
                "id": Int64(number if rest else 0),
                "ns": namespace,
                "nextBatch": _plain(batch),
            }
        }

    # --- for administrators

    def _getcmdlineopts(self, command: dict[str, Any]) -> dict[str, Any]:
        return {"argv": ["mongod"], "parsed": self.options}

    def _usersinfo(self, command: dict[str, Any]) -> dict[str, Any]:
        asked = command["usersInfo"]
        if asked == {"forAllDBs": True}:
            if command.get("showPrivileges"):
                raise Refused(
                    2, "Privilege or restriction details require exact-match usersInfo queries"
                )
            return {"users": self.users}
        found = [u for u in self.users if (u["user"], u["db"]) == (asked["user"], asked["db"])]
        return {
            "users": [
                {**u, "inheritedPrivileges": self.privileges.get(u["user"], [])} for u in found
            ]
        }

    def _connectionstatus(self, command: dict[str, Any]) -> dict[str, Any]:
        return {"authInfo": {"authenticatedUsers": [], "authenticatedUserPrivileges": []}}


def _batch(documents: list[bytes], size: int) -> tuple[list[bytes], list[bytes]]:
    """As many as ``size``, and no more than 16 MiB, as a real one does."""
    taken, held = 0, 0
    for raw in documents[:size]:
        held += len(raw)
        if held > 16 << 20 and taken:
            break
        taken += 1
    return documents[:taken], documents[taken:]


def _plain(batch: list[bytes]) -> list[Any]:
    return [RawBSONDocument(raw) for raw in batch]


class _Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    mongo: MongoServer


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        server = self.server
        assert isinstance(server, _Tcp)
        for request, code, body in self._messages():
            try:
                command, more = _query(body) if code == _OP_QUERY else _message(body)
                answer = bson.encode(server.mongo.answer(command))
            except ConnectionAbortedError:
                return
            if code == _OP_QUERY:
                reply, kind = struct.pack("<iqii", 8, 0, 0, 1) + answer, _OP_REPLY
            else:
                reply, kind = struct.pack("<iB", 0, 0) + answer, _OP_MSG
            if not more:
                header = struct.pack("<4i", 16 + len(reply), 0, request, kind)
                self.request.sendall(header + reply)

    def _messages(self) -> Iterator[tuple[int, int, bytes]]:
        while header := self._exactly(16):
            length, request, _, code = struct.unpack("<4i", header)
            yield request, code, self._exactly(length - 16)

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            try:
                more = self.request.recv(count - len(data))
            except OSError:
                return b""
            if not more:
                return b""
            data += more
        return data


def _query(body: bytes) -> tuple[dict[str, Any], bool]:
    """The old form, in which a driver says hello: flags, a name, two numbers, the command."""
    start = body.index(0, 4) + 9
    command: dict[str, Any] = bson.decode(body[start:])
    return {**command.get("$query", command), "$db": "admin"}, False


def _message(body: bytes) -> tuple[dict[str, Any], bool]:
    flags = struct.unpack_from("<i", body)[0]
    assert body[4] == 0, "one document is all the store ever sends"
    length = struct.unpack_from("<i", body, 5)[0]
    return bson.decode(body[5 : 5 + length]), bool(flags & 2)


_ = _RAW
