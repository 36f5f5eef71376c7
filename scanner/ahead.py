"""Reading ahead: the next piece is read by a thread while the last one is searched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Iterator[T], more: Callable[[T], bool]) -> Iterator[T]:
    """The ``items``, each made while the caller is still busy with the one before; ``more`` says of
    an item whether another follows.

    A single item starts no thread. ``items`` never runs in two threads at once, and runs no more
    when this has ended, however that was. What it raises is raised here.
    """
    item = next(items)
    if not more(item):
        yield item
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1, "ahead") as pool:
        while more(item):
            coming = pool.submit(next, items)
            yield item
            item = coming.result()
        yield item
