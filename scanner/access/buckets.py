"""S3 stores as evidence sees them: which of them a bucket and a key belong to."""

from __future__ import annotations

from collections.abc import Sequence

from detectors.records import dataclass
from scanner.model import Store


@dataclass(slots=True)
class Place:
    """One store, ``s3://bucket`` or ``s3://bucket/prefix``."""

    store: Store
    bucket: str
    prefix: str

    def holds(self, key: str | None) -> bool:
        """A key that is not told may be anywhere: it counts."""
        if not self.prefix or key is None:
            return True
        return key == self.prefix or key.startswith(f"{self.prefix}/")

    def name(self, key: str) -> str:
        """The name of an object's unit before it is sealed, as the S3 store makes it."""
        last = self.prefix.rpartition("/")[2]
        if not self.prefix:
            return key
        if key == self.prefix:
            return last
        name = key[len(self.prefix) + 1 :]
        return f"./{name}" if name == last else name


class Places:
    """All S3 stores of a collection."""

    def __init__(self, stores: Sequence[Store]) -> None:
        self.all: list[Place] = []
        self._by_bucket: dict[str, list[Place]] = {}
        for store in stores:
            if store.uri.startswith("s3://"):
                bucket, _, prefix = store.uri.removeprefix("s3://").partition("/")
                place = Place(store, bucket, prefix.removesuffix("/"))
                self.all.append(place)
                self._by_bucket.setdefault(bucket, []).append(place)

    def of(self, bucket: str) -> Sequence[Place]:
        """The stores that are this bucket or a part of it."""
        return self._by_bucket.get(bucket, ())

    def __contains__(self, bucket: str) -> bool:
        return bucket in self._by_bucket
