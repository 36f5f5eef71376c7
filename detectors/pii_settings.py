"""What the user may say about personal data: regions, and patterns of his own.

``configure`` is called once in a process, before its first scan.
"""

from __future__ import annotations

from detectors.records import dataclass

PHONE_REGIONS = ("us", "gb", "de", "fr", "il", "in", "ca", "br")
"""regions whose national phone numbers are looked for when nobody says which: Presidio's own"""


@dataclass(frozen=True, slots=True)
class UserPattern:
    """A pattern of the user's own, run on RE2 (linear time, so it cannot hang a scan), or a list
    of values that are looked for as whole words, in capitals or not.

    ``entity`` is the name in findings; ``pattern`` in RE2 syntax over UTF-8 (``\\d``, ``\\w`` and
    ``\\b`` know ASCII only); ``score`` the probability of a hit by itself; with a word of ``words``
    near it or in the name of its field it is at least ``near``. ``regions``: looked for when one
    of them is asked for.
    """

    entity: str
    pattern: str = ""
    score: float = 0.85
    words: tuple[str, ...] = ()
    near: float = 0.9
    values: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PiiSettings:
    """``regions`` are ISO 3166 codes in lower case: national ids and national phone numbers of
    these only. Empty: the ids of all countries, and phones of ``PHONE_REGIONS``.

    ``list_at_most`` values of an entity of a slice are listed one by one; what the exact test
    confirms beyond them is only counted, in ``PiiScan.more()``. None lists everything.
    """

    regions: tuple[str, ...] = ()
    patterns: tuple[UserPattern, ...] = ()
    list_at_most: int | None = None

    def has(self, regions: tuple[str, ...]) -> bool:
        """Whether a kind that belongs to these regions (none: to the world) is looked for."""
        return not regions or not self.regions or any(one in self.regions for one in regions)

    def phone_regions(self) -> tuple[str, ...]:
        return tuple(region.upper() for region in self.regions or PHONE_REGIONS)


_current = PiiSettings()
_version = 0


def configure(settings: PiiSettings) -> None:
    """Sets what this process looks for. Raises ``ValueError`` for a pattern RE2 does not take."""
    global _current, _version
    if settings.patterns:
        from detectors.pii_user import compile_all

        compile_all(settings.patterns)
    _current, _version = settings, _version + 1


def settings() -> PiiSettings:
    return _current


def version() -> int:
    """Changes with every ``configure``: what was built for older settings is stale."""
    return _version
