"""Reading objects: ranges by obstore (boto3 where obstore cannot name the key), and a file on top.

Every request carries the ETag of the listing, so all bytes read of an object are of one version,
and an object that was replaced is *changed*, never a mixture.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from scanner.contracts import Buffer
from scanner.errors import Reason, Unreadable
from scanner.stores import s3_errors

if TYPE_CHECKING:
    from obstore import GetOptions
    from obstore.store import S3Store

    from scanner.stores.s3_client import Connection

WHOLE = 4 << 20
"""an object up to this size is one request"""
FIRST, LARGEST = 1 << 20, 8 << 20
"""a block after a jump, and what blocks grow to in sequential reading"""


def obstore_can_name(key: str) -> bool:
    """Whether obstore asks for exactly this key: it strips slashes at the ends without a word,
    and refuses empty or dot segments and control characters."""
    return not (
        key.startswith("/")
        or key.endswith("/")
        or any(segment in {"", ".", ".."} for segment in key.split("/"))
        or any(char < " " or char == "\x7f" for char in key)
    )


PATIENCE = 120.0


class Outage:
    """How long to wait for an endpoint that went away.

    Up to ``patience`` seconds the request is tried again, so a restart of the server costs
    nothing. After that, once ``enough`` different objects failed one after the other, further
    requests fail at once, but for one every ``pause`` seconds: a dead endpoint costs
    minutes, not hours, and one object that always times out does not cost the others.
    """

    def __init__(self, patience: float = PATIENCE, pause: float = 30.0, enough: int = 3) -> None:
        self._patience, self._pause, self._enough = patience, pause, enough
        self._since: float | None = None
        self._failed: set[str] = set()
        self._next = 0.0

    def check(self) -> None:
        """Raises ``Unreadable`` when asking again would be a waste of time."""
        if len(self._failed) < self._enough:
            return
        now = time.monotonic()
        if now < self._next:
            raise Unreadable(Reason.UNREACHABLE, "the endpoint is down; not asked again for now")
        self._next = now + self._pause

    def failed(self, key: str) -> bool:
        """Notes a failure. True when it is worth waiting and trying again."""
        now = time.monotonic()
        if self._since is None:
            self._since = now
        if now - self._since < self._patience:
            return True
        self._failed.add(key)
        self._next = now + self._pause
        return False

    def over(self) -> None:
        self._since = None
        self._failed.clear()


class Objects:
    """Fetches ranges of the objects of one bucket."""

    def __init__(self, connection: Connection, outage: Outage | None = None) -> None:
        self._connection = connection
        self._outage = outage or Outage()
        self._store: S3Store | None = None
        self._asked_for_store = False
        self._pool: ThreadPoolExecutor | None = None

    def open(self, key: str, size: int, etag: str | None) -> io.BufferedReader:
        """The object as a file. The first request is made when the first byte is read, and only
        if there is one. Raises ``Unreadable``, also later while reading."""
        try:
            key.encode()
        except UnicodeEncodeError:
            detail = "the server lists a key that is not UTF-8 and cannot be asked for"
            raise Unreadable(Reason.IO_ERROR, detail) from None
        pinned = _Pinned(self, key, etag)
        raw = ObjectFile(pinned.fetch, size, self._ahead)
        return io.BufferedReader(raw, 64 << 10)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def get(
        self, key: str, etag: str | None, start: int, end: int, whole: bool, patient: bool
    ) -> tuple[Buffer, str | None]:
        """Bytes ``[start, end)`` of an object and its ETag; ``whole`` asks without a range,
        ``patient`` waits for an endpoint that went away."""
        if not patient:
            return self._get_once(key, etag, start, end, whole)
        wait = 0.5
        while True:
            self._outage.check()
            try:
                answer = self._get_once(key, etag, start, end, whole)
            except Unreadable as error:
                if error.reason is not Reason.UNREACHABLE or not self._outage.failed(key):
                    raise
                time.sleep(wait)
                wait = min(2 * wait, 10.0)
                continue
            self._outage.over()
            return answer

    def _get_once(
        self, key: str, etag: str | None, start: int, end: int, whole: bool
    ) -> tuple[Buffer, str | None]:
        store = self._data_store() if obstore_can_name(key) else None
        if store is None:
            return self._get_by_boto(key, etag, start, end, whole)
        import obstore
        from obstore.exceptions import BaseError

        options: GetOptions = {}
        if etag is not None:
            options["if_match"] = f'"{etag}"'
        if not whole:
            options["range"] = (start, end)
        try:
            result = obstore.get(store, key, options=options)
            return memoryview(result.bytes()), _unquoted(result.meta["e_tag"])
        except (BaseError, FileNotFoundError, OSError, ValueError) as error:
            raise s3_errors.from_obstore(error) from None

    def _get_by_boto(
        self, key: str, etag: str | None, start: int, end: int, whole: bool
    ) -> tuple[Buffer, str | None]:
        from botocore.exceptions import BotoCoreError, ClientError

        more: dict[str, Any] = {} if whole else {"Range": f"bytes={start}-{end - 1}"}
        if etag is not None:
            more["IfMatch"] = f'"{etag}"'
        try:
            answer = self._connection.client.get_object(
                Bucket=self._connection.bucket, Key=key, **more
            )
            return answer["Body"].read(), _unquoted(answer.get("ETag"))
        except (BotoCoreError, ClientError) as error:
            raise s3_errors.from_boto(error) from None

    def _data_store(self) -> S3Store | None:
        if not self._asked_for_store:
            from scanner.stores.s3_client import data_store

            self._store = data_store(self._connection)
            self._asked_for_store = True
        return self._store

    def _ahead(self, fetch: Callable[..., Buffer], start: int, end: int) -> Future[Buffer]:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="s3-read-ahead")
        return self._pool.submit(fetch, start, end, patient=False)


def _unquoted(etag: str | None) -> str | None:
    return None if etag is None else etag.removeprefix('"').removesuffix('"')


class _Pinned:
    """One object, held to the version of the listing or else of its first answer."""

    def __init__(self, objects: Objects, key: str, etag: str | None) -> None:
        self._objects, self._key, self._etag = objects, key, etag

    def fetch(self, start: int, end: int, whole: bool = False, patient: bool = True) -> Buffer:
        data, etag = self._objects.get(self._key, self._etag, start, end, whole, patient)
        if self._etag is None:
            self._etag = etag
        elif etag is not None and etag != self._etag:
            # a server that does not know If-Match
            raise Unreadable(Reason.CHANGED, "the object was replaced since it was listed")
        if len(data) < end - start:
            raise Unreadable(Reason.TRUNCATED, "the server sent less than it had announced")
        return data


class ObjectFile(io.RawIOBase):
    """A raw seekable file over ranges.

    Keeps the first block (readers look at the head, then begin again), the current one, and while
    reading goes straight on the next one, fetched meanwhile in another thread.
    """

    def __init__(
        self,
        fetch: Callable[..., Buffer],
        size: int,
        ahead: Callable[[Callable[..., Buffer], int, int], Future[Buffer]],
    ) -> None:
        self._fetch, self._size, self._ahead = fetch, size, ahead
        self._position = 0
        self._head = self._block = (0, memoryview(b""))
        self._next: tuple[int, int, Future[Buffer]] | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("a seek before the start of the file")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        target = memoryview(buffer).cast("B")
        if not target or self._position >= self._size:
            return 0
        start, block = self._at(self._position)
        part = block[self._position - start :][: len(target)]
        target[: len(part)] = part
        self._position += len(part)
        return len(part)

    def close(self) -> None:
        if self._next is not None:
            self._next[2].cancel()
            self._next = None
        self._head = self._block = (0, memoryview(b""))
        super().close()

    def _at(self, position: int) -> tuple[int, memoryview]:
        """The block that holds ``position``, by the cheapest way."""
        for start, block in (self._block, self._head):
            if start <= position < start + len(block):
                return start, block
        last_start, last = self._block
        straight_on = position == last_start + len(last)
        length = min(2 * len(last), LARGEST) if straight_on and len(last) else FIRST
        data: Buffer | None = None
        if self._next is not None:
            start, end, future = self._next
            self._next = None
            if start <= position < end:
                data = _unless_failed(future)
            else:
                future.cancel()
        if data is None:
            whole = self._size <= WHOLE
            start = 0 if whole else position
            end = self._size if whole else min(start + length, self._size)
            data = self._fetch(start, end, whole)
        self._block = (start, memoryview(data)[: end - start])
        if start == 0:
            self._head = self._block
        elif straight_on and end < self._size:
            following = min(end + min(2 * (end - start), LARGEST), self._size)
            self._next = (end, following, self._ahead(self._fetch, end, following))
        return self._block


def _unless_failed(future: Future[Buffer]) -> Buffer | None:
    """What was read ahead; if that failed, the block is asked for again, with patience."""
    try:
        return future.result()
    except Unreadable:
        return None
