"""What the user says of personal data, checked before a scan and told to the detectors: regions,
patterns of his own, and whether names of people are looked for."""

from __future__ import annotations

from pathlib import Path

from detectors import pii_settings
from detectors.pii_settings import UserPattern
from scanner.config import PatternTable, Settings
from scanner.errors import ConfigError, UsageError


def region_list(text: str) -> list[str]:
    """``us,gb`` as it stands on the command line. Britain may be called uk."""
    codes = [code.strip().lower() for code in text.split(",") if code.strip()]
    return ["gb" if code == "uk" else code for code in codes]


def check(settings: Settings, file: str) -> None:
    """Raises ``ConfigError`` for regions and patterns that cannot be, ``UsageError`` when the model
    for names is not installed."""
    if settings.regions:
        _check_regions(settings.regions, file)
    for i, table in enumerate(settings.pattern):
        _check_pattern(table, file, f"pattern[{i}] ({table.entity})")
    if names(settings):
        from detectors import pii_nlp

        if pii_nlp.model() is None:
            raise UsageError(pii_nlp.EXTRA)


def names(settings: Settings) -> bool:
    return settings.names and settings.profile == "full"


def configure(settings: Settings, kept: Path | None = None) -> None:
    """Tells the detectors of this process. Once, before its first scan. ``kept`` is the folder for
    what they compile."""
    if settings.profile == "full":
        from detectors.kept import keep_in

        keep_in(kept)
    pii_settings.configure(
        pii_settings.PiiSettings(
            tuple(settings.regions),
            tuple(map(_pattern, settings.pattern)),
            settings.distinct_limit,
        )
    )


def compile_ahead(settings: Settings) -> None:
    """What the detectors of this process compile at first need, at once."""
    if settings.profile == "full":
        from detectors import kept, pii_plan, secret_scan

        plan = pii_plan.plan(pii_settings.version())
        secret_scan.fast()
        if kept.folder() is not None:
            plan.rest()


def _check_regions(regions: list[str], file: str) -> None:
    import phonenumbers

    known = {region.lower() for region in phonenumbers.SUPPORTED_REGIONS}
    for region in regions:
        if region not in known:
            meant = ' (Britain is "gb")' if region == "uk" else ""
            raise ConfigError(
                file,
                "regions",
                f"ISO 3166 codes in lower case, as us, gb, in{meant}",
                f'"{region}"',
            )


def _check_pattern(table: PatternTable, file: str, where: str) -> None:
    from detectors import pii_user

    try:
        pii_user.compile_all([_pattern(table)])
    except ValueError as error:
        source, _, key = table.source.rpartition(": ") if table.source else (file, "", where)
        raise ConfigError(source, key, str(error)) from None


def _pattern(table: PatternTable) -> UserPattern:
    return UserPattern(
        entity=table.entity,
        pattern=table.pattern,
        values=tuple(table.values),
        score=table.score,
        near=table.near,
        words=tuple(table.words),
        regions=tuple(table.regions),
    )
