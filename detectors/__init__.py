"""Detectors: bytes in, spans out. Usable on its own, without ``scanner``::

    >>> import detectors
    >>> text = "please charge card 4111 1111 1111 1111, exp 12/29"
    >>> [(m.entity, m.state.value, text[m.start : m.end]) for m in detectors.find(text)]
    [('CREDIT_CARD', 'test', '4111 1111 1111 1111')]

``find`` is the whole of it for bytes or text in memory. Whoever streams takes ``all_detectors()``
and drives each detector's ``scan()`` himself, as ``detectors.base`` describes.

Nothing heavy is imported until a detector is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detectors.base import Buffer, Detector, Hints, Match

ENTRY_POINTS = "cardtrail.detectors"
"""entry point group for detectors of other packages: each names an object like ``DETECTOR``"""


@cache
def all_detectors(profiles: frozenset[str] | None = None) -> tuple[Detector, ...]:
    """Every detector, or those of some ``profiles``, by name: the modules of this package that have
    a ``DETECTOR``, and what other packages offer as entry points. Raises ``ValueError`` when two
    have one name."""
    import importlib
    import pkgutil
    from importlib.util import find_spec

    from detectors.offered import offered

    found: list[Detector] = []
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        if module.name.startswith(f"{__name__}._"):
            continue
        spec = find_spec(module.name)
        # only what is asked for is imported: the rest is heavy
        get_source = getattr(spec and spec.loader, "get_source", None)
        source = get_source(module.name) if get_source else None
        if source is None or ("\nDETECTOR = " in source and _is_for(source, profiles)):
            found.append(importlib.import_module(module.name).DETECTOR)
    found += offered(ENTRY_POINTS)
    names = [detector.name for detector in found]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two detectors are called {name}: names have to be unique")
    wanted = [d for d in found if profiles is None or profiles & d.profiles]
    return tuple(sorted(wanted, key=lambda detector: detector.name))


def _is_for(source: str, profiles: frozenset[str] | None) -> bool:
    """False for a plug-in whose source says that it is for other profiles."""
    _, found, rest = source.partition("\n    profiles = frozenset({")
    if profiles is None or not found:
        return True
    return any(f'"{name}"' in rest.partition("}")[0] for name in profiles)


def find(
    data: Buffer | str,
    *,
    profile: str = "card",
    at_least: float = 0.3,
    hints: Hints | None = None,
    using: Iterable[Detector] | None = None,
) -> list[Match]:
    """Everything found in ``data``, in order, with its final probability.

    ``data`` is bytes, or text; offsets count bytes, or characters of the text. ``profile`` picks
    the detectors (``card`` or ``full``) unless ``using`` names them. What is less likely than
    ``at_least`` is left out: 0.8 and more is *confirmed*, 0.3 to 0.8 *possible*. ``hints`` knows
    the columns of the data, if someone does. Never raises for any content.
    """
    from detectors.fieldstats import Evidence
    from detectors.marks import OneBuffer

    text = data if isinstance(data, str) else None
    buffer = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    chosen = all_detectors(frozenset({profile})) if using is None else tuple(using)
    out: list[Match] = []
    known = hints or OneBuffer()
    for detector in chosen:
        scan = detector.scan()
        matches = scan.find(buffer, 0, len(buffer), known)
        evidence = Evidence(scan.fields() if matches else {})
        for match in matches:
            score, why = detector.settle(match, evidence.of(match.field))
            if score >= at_least:
                out.append(replace(match, score=score, why=why))
    out.sort(key=lambda match: (match.start, match.end, match.entity))
    return out if text is None else _in_characters(out, text)


def _in_characters(matches: list[Match], text: str) -> list[Match]:
    """Byte offsets of the UTF-8 form turned into character offsets."""
    if text.isascii():
        return matches
    buffer = text.encode("utf-8", "surrogatepass")
    out: list[Match] = []
    byte = char = 0
    for match in matches:
        char += len(buffer[byte : match.start].decode("utf-8", "surrogatepass"))
        byte = match.start
        width = len(buffer[match.start : match.end].decode("utf-8", "surrogatepass"))
        out.append(replace(match, start=char, end=char + width))
    return out
