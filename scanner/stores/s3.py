"""S3 and servers that speak its protocol: ``s3://bucket`` and ``s3://bucket/prefix``.

``s3://bucket/logs`` is the object ``logs``, if there is one, and everything under ``logs/``; not
``logs-old/``. Reads and never writes. What obstore is not asked for, and why: listing
(``s3_listing``) and keys it cannot name (``s3_object``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scanner.contracts import Ignore, OpenStore, SealName, Source
from scanner.errors import Reason, Unreadable, UsageError
from scanner.model import Access, Fact, Outcome, Status, Store, Tri, Unit
from scanner.retention import Kept
from scanner.text import plural, seal_around_accounts

if TYPE_CHECKING:
    from scanner.stores.s3_client import Connection
    from scanner.stores.s3_controls import Controls
    from scanner.stores.s3_facts import Scope
    from scanner.stores.s3_listing import Listed

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")


def split_uri(target: str) -> tuple[str, str]:
    """Bucket and prefix of ``s3://bucket/prefix``. The prefix is taken as it stands, without
    percent-decoding, as the AWS tools do."""
    bucket, _, prefix = target.removeprefix("s3://").partition("/")
    return bucket, prefix


class S3Kind:
    kind = "s3"
    options: Mapping[str, type] = {
        "endpoint": str,  # of a compatible server
        "region": str,
        "profile": str,  # of the AWS configuration
        "anonymous": bool,  # unsigned requests, as the public would make them
        "patience": int,  # seconds to wait for an endpoint that went away; 120 if not given
        "identities": str,  # saved get-account-authorization-details: a file, or a folder of them
        "scps": str,  # saved service and resource control policies
    }

    def claims(self, target: str) -> bool:
        return target.startswith("s3://")

    def resolve(self, target: str, options: Mapping[str, Any]) -> Store:
        bucket, prefix = split_uri(target)
        if not _BUCKET.fullmatch(bucket):
            raise UsageError(f"{target}: expected s3://bucket or s3://bucket/prefix")
        endpoint = options.get("endpoint")
        if endpoint is not None:
            parts = urlsplit(str(endpoint))
            if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
                raise UsageError(
                    f"s3://{bucket}: endpoint: expected http://host:port or https://host:port, "
                    "without a user name or password"
                )
        if options.get("patience", 0) < 0:
            raise UsageError(f"s3://{bucket}: patience: expected seconds, 0 or more")
        uri = f"s3://{bucket}/{prefix}".rstrip("/")
        if "identities" in options or "scps" in options:
            _check_saved(uri, options)
        return Store(uri=uri, kind=self.kind, options=dict(options))

    def connect(self, store: Store, seal_name: SealName) -> OpenStore:
        from scanner.stores import s3_client

        bucket, prefix = split_uri(store.uri)
        connection = s3_client.connect(bucket, prefix, store.options)
        return S3(store, prefix, connection, seal_name)


def _check_saved(uri: str, options: Mapping[str, Any]) -> None:
    """That saved policies are what they should be is found out before the scan, not after it."""
    from scanner.stores import iam_ask

    if "identities" in options:
        iam_ask.saved_accounts(str(options["identities"]), uri)
    if "scps" in options:
        iam_ask.saved_levels(str(options["scps"]), uri)


STORE = S3Kind()


class S3:
    """A bucket, or the part of it under a prefix, that is connected."""

    def __init__(
        self, store: Store, prefix: str, connection: Connection, seal_name: SealName
    ) -> None:
        from scanner.stores.s3_object import PATIENCE, Objects, Outage

        self._store, self._prefix, self._connection = store, prefix, connection
        self._seal_name = seal_name
        patience = float(store.options.get("patience", PATIENCE))
        self._objects = Objects(connection, Outage(patience))
        self._controls: Controls | None = None

    def units(self, ignore: Ignore) -> Iterator[Unit | Outcome]:
        """Objects in the order of the server, which is that of the bytes of their keys. An archived
        object is *skipped* here, since to ask for it would cost a request and give nothing."""
        from botocore.exceptions import BotoCoreError, ClientError

        from scanner.stores import s3_errors

        listed = 0
        try:
            for item in self._listing():
                listed += 1
                name = self._name(item.key)
                if not ignore(name, False):
                    yield self._unit(item, name)
        except (BotoCoreError, ClientError, Unreadable) as error:
            fault = error if isinstance(error, Unreadable) else s3_errors.from_boto(error)
            if not listed:
                raise fault from None
            detail = f"the listing broke off after {plural(listed, 'object')}: {fault.detail}"
            yield Outcome(
                store=self._store.uri,
                unit=self._seal_name(self._prefix),
                status=Status.FAILED,
                reason=fault.reason,
                detail=detail,
            )

    def _listing(self) -> Iterator[Listed]:
        from scanner.stores import s3_listing

        client, bucket, prefix = self._connection.client, self._connection.bucket, self._prefix
        s3_listing.prepare(client)
        if prefix:
            # in the order of keys the object ``prefix`` itself comes before all that begin with it
            first = s3_listing.objects(client, bucket, prefix, limit=1)
            yield from (item for item in first if item.key == prefix)
            prefix += "/"
        yield from s3_listing.objects(client, bucket, prefix)

    def _name(self, key: str) -> str:
        """The key under the prefix. The object at the prefix itself has its last segment for a
        name; should ``prefix/last`` exist too, that one gets ``./`` before it."""
        last = self._prefix.rpartition("/")[2]
        if not self._prefix:
            return key
        if key == self._prefix:
            return last
        name = key[len(self._prefix) + 1 :]
        return f"./{name}" if name == last else name

    def _unit(self, item: Listed, name: str) -> Unit | Outcome:
        sealed = self._seal_name(name)
        if item.archived:
            return Outcome(
                store=self._store.uri,
                unit=sealed,
                status=Status.SKIPPED,
                reason=Reason.ARCHIVED,
                detail="in an archive storage class; it needs a restore before it can be read",
                size=item.size,
                version=item.etag,
            )
        return Unit(
            store=self._store.uri, key=item.key, name=sealed, size=item.size, version=item.etag
        )

    def open(self, unit: Unit) -> Source:
        size = unit.size
        if size is None:
            size = self._size(unit.key)
            if size is None:
                raise Unreadable(Reason.VANISHED, "the object was listed and is gone now")
        return self._source(unit.key, unit.name, size, unit.version)

    def _source(self, key: str, name: str, size: int, etag: str | None) -> Source:
        def sibling(suffix: str) -> Source | None:
            beside = self._size(key + suffix)
            if beside is None:
                return None
            return self._source(key + suffix, name + suffix, beside, None)

        return Source(
            file=self._objects.open(key, size, etag),
            name=name,
            size=size,
            seekable=True,
            sibling=sibling,
        )

    def _size(self, key: str) -> int | None:
        """The size of an object, None when there is none."""
        from botocore.exceptions import BotoCoreError, ClientError

        from scanner.stores import s3_errors

        try:
            answer = self._connection.client.head_object(Bucket=self._connection.bucket, Key=key)
        except (BotoCoreError, ClientError) as error:
            fault = s3_errors.from_boto(error)
            if fault.reason in {Reason.VANISHED, Reason.NOT_FOUND}:
                return None
            raise fault from None
        return answer["ContentLength"]

    def facts(self) -> tuple[Fact, ...]:
        from scanner.stores import s3_facts

        return tuple(
            replace(fact, detail=seal_around_accounts(fact.detail, self._seal_name))
            for fact in s3_facts.facts(self._asked(), self._scope())
        )

    def access(self) -> Access:
        """Whom the policies let in, as far as they may be asked or were saved."""
        from scanner.stores import iam_ask, s3_facts, s3_readers

        controls, scope = self._asked(), self._scope()
        around = iam_ask.surroundings(
            self._connection, controls, self._store.options, self._store.uri
        )
        found = s3_readers.readers(controls, scope, around, self._seal_name)
        public = s3_facts.public_reading(controls, scope)
        anyone = any(each.kind == "public" and each.state == "allow" for each in found.grants)
        if public is Tri.NO and around.points and anyone:
            public = Tri.YES  # an access point opens what the bucket's policy leaves to it
        return Access(
            public=public,
            could_read_known=not found.doubts,
            could_read=found.grants,
            could_read_detail="; ".join(found.doubts),
        )

    def kept(self) -> Kept:
        """See ``retention.Keeps``."""
        from scanner.stores import s3_lifecycle

        found = s3_lifecycle.kept(self._connection, self._prefix)

        def sealed(text: str) -> str:
            return seal_around_accounts(text, self._seal_name)

        return Kept(
            [replace(limit, said=sealed(limit.said)) for limit in found.limits],
            [*map(sealed, found.remarks)],
        )

    def _asked(self) -> Controls:
        from scanner.stores import s3_controls

        if self._controls is None:
            self._controls = s3_controls.ask(self._connection)
        return self._controls

    def _scope(self) -> Scope:
        from scanner.stores.s3_facts import Scope, partition_of

        partition = partition_of(self._connection.region)
        return Scope(self._connection.bucket, self._prefix, partition)

    def close(self) -> None:
        self._objects.close()
        self._connection.client.close()
