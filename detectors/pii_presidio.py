"""Presidio's recognisers, called directly on a window: no engine, no model, no network.

An ``AnalyzerEngine`` is never built: it wants a model, and takes the whole text through every
recogniser. A recogniser called on a candidate takes microseconds.
"""

from __future__ import annotations

import importlib
import logging
from functools import cache
from typing import Any

from detectors import pii_later


class _TimeOuts(logging.Handler):
    """Presidio logs a warning when a pattern times out and goes on as if nothing were there; and
    its messages may hold the text. So nothing it logs goes any further, and time-outs count."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.msg, str) and "timed out" in record.msg:
            self.count += 1


_time_outs = _TimeOuts()


def time_outs() -> int:
    """How many patterns were given up in this process so far: what they would have found is
    unknown."""
    return _time_outs.count


@cache
def package() -> Any:
    """Presidio, silent and offline. Takes about half a second, and 50 MB."""
    logger = logging.getLogger("presidio-analyzer")
    logger.handlers[:] = [_time_outs]
    logger.propagate = False
    logger.setLevel(logging.WARNING)
    tldextract: Any = importlib.import_module("tldextract")
    # the list of suffixes that comes with the package, instead of one fetched at the first e-mail
    offline = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    recognizers = pii_later.load()
    email: Any = importlib.import_module(recognizers.EmailRecognizer.__module__)
    email.tldextract = _Offline(offline)
    return recognizers


class _Offline:
    """Stands in for the module ``tldextract`` inside the e-mail recogniser."""

    def __init__(self, extract: Any) -> None:
        self.extract = extract


@cache
def recognizer(name: str, regions: tuple[str, ...] = ()) -> Any:
    """A recogniser by the name of its class, made once a process."""
    made = getattr(package(), name)
    if name == "PhoneRecognizer":
        return made(supported_regions=regions or ("ZZ",))
    return made()


def confirms(
    name: str, entity: str, window: str, start: int, end: int, regions: tuple[str, ...] = ()
) -> bool:
    """Whether the recogniser sees ``entity`` at ``start``..``end`` of ``window``, give or take the
    punctuation at its ends."""
    made = recognizer(name, regions)
    for text in (window, window.upper()):  # some know codes in capitals only
        for result in made.analyze(text, [entity], None):
            if result.start <= start + 1 and result.end >= end - 1:
                return True
        if window.isupper() or name == "PhoneRecognizer":
            break
    return False
