"""Formats this version does not look into: each is told, none is passed over in silence.

A reader of its own for one of them claims it first (a lower ``priority``) and this one never sees
it.
"""

from __future__ import annotations

from collections.abc import Iterator

from scanner import formats
from scanner.contracts import Chunk, Limits, Member, Source
from scanner.errors import Reason, Unreadable
from scanner.model import Problem, Slice
from scanner.windows import windows

_ENCRYPTED_OFFICE = "EncryptedPackage".encode("utf-16-le")


class Signatures:
    name = "signatures"
    sliceable = False
    priority = 80

    def claims(self, head: bytes, name: str) -> bool:
        known = formats.recognise(head) or formats.data_file(name, head)
        return known is not None or _encrypted_database(head, name)

    def read(
        self, source: Source, part: Slice, limits: Limits
    ) -> Iterator[Chunk | Member | Problem]:
        form: formats.Format | None = None
        encrypted = False
        for item in windows(source, part):
            if isinstance(item, Chunk):
                assert not isinstance(item.data, memoryview)
                form = form or _readable(bytes(item.data[:4096]), source.name)
                encrypted = encrypted or _ENCRYPTED_OFFICE in item.data
            yield item
        if encrypted:
            yield Problem(Reason.ENCRYPTED, "An office document that a password protects")
        elif form is not None:
            detail = f"{form.name} was searched as raw bytes: what it packs or splits was not seen"
            yield Problem(Reason.UNSUPPORTED, detail)


def _encrypted_database(head: bytes, name: str) -> bool:
    """SQLCipher and its like leave no header, only the name to go by."""
    named = name.lower().endswith((".db", ".db3", ".sqlite", ".sqlite3"))
    return named and formats.looks_random(head)


def _readable(head: bytes, name: str) -> formats.Format | None:
    if _encrypted_database(head, name):
        raise Unreadable(Reason.ENCRYPTED, "A database with no header and bytes as if at random")
    form = formats.recognise(head) or formats.data_file(name, head)
    if form is None or form.raw:
        return form
    if form.encrypted:
        raise Unreadable(Reason.ENCRYPTED, f"{form.name} cannot be read without its key")
    raise Unreadable(Reason.UNSUPPORTED, f"{form.name} is not read by this version")


READER = Signatures()
