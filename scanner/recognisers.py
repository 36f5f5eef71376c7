"""A file of Presidio's recognisers (YAML), as patterns of the user's own.

Read in the main process before a scan, so that what is wrong with it is said at once, and what
runs in the workers is in the settings of the run. Patterns run on RE2, which cannot hang; one that
RE2 does not take is an error that names the file, the recogniser and the pattern.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from scanner.config import PatternTable, check_keys, in_words
from scanner.errors import ConfigError

_FLAGS = re.DOTALL | re.MULTILINE | re.IGNORECASE
"""Presidio's own, unless the file says otherwise (``global_regex_flags``)"""
_CONTEXT_ADDS, _CONTEXT_LEAST = 0.35, 0.4
"""what Presidio makes of a score when a context word is near"""


class _Pattern(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    regex: str
    score: float


class _Language(msgspec.Struct, forbid_unknown_fields=True):
    language: str
    context: list[str] = []


class _Recogniser(msgspec.Struct, forbid_unknown_fields=True):
    name: str = ""
    type: str = "custom"
    enabled: bool = True
    supported_language: str | None = None
    supported_languages: list[str | _Language] = []
    supported_entity: str | None = None
    supported_entities: list[str] = []
    patterns: list[_Pattern] = []
    deny_list: list[str] = []
    deny_list_score: float = 1.0
    context: list[str] = []
    country_code: str | None = None
    global_regex_flags: int | None = None
    version: str = ""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    recognizers: list[_Recogniser]
    supported_languages: list[str] = []
    supported_countries: list[str] = []
    global_regex_flags: int = _FLAGS


def load(path: Path) -> list[PatternTable]:
    """Raises ``ConfigError`` with file, recogniser and what was expected."""
    file = str(path)
    document = _yaml(path)
    check_keys(document, _File, file, "")
    recognisers = document.get("recognizers")
    if not isinstance(recognisers, list) or not recognisers:
        raise ConfigError(file, "recognizers", "a list of recognisers")
    for i, table in enumerate(recognisers):
        check_keys(table, _Recogniser, file, f"recognizers[{i}].")
    try:
        content = msgspec.convert(document, _File)
    except msgspec.ValidationError as error:
        raise ConfigError(file, *in_words(str(error))) from None
    return [
        pattern
        for i, recogniser in enumerate(content.recognizers)
        if recogniser.enabled and _in_scope(recogniser, content)
        for pattern in _patterns(recogniser, content, file, f"recognizers[{i}]")
    ]


def _yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        document = yaml.safe_load(path.read_text("utf-8"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(str(path), where, "YAML", getattr(error, "problem", "") or "") from None
    except UnicodeDecodeError:
        raise ConfigError(str(path), "", "a text file in UTF-8") from None
    except OSError as error:
        raise ConfigError(str(path), "", "a readable file", error.strerror or "") from None
    if not isinstance(document, dict):
        raise ConfigError(str(path), "", "a YAML file with the key recognizers")
    return document


def _in_scope(recogniser: _Recogniser, content: _File) -> bool:
    countries = [country.lower() for country in content.supported_countries]
    country = recogniser.country_code
    return not countries or country is None or country.lower() in countries


def _patterns(recogniser: _Recogniser, content: _File, file: str, where: str) -> list[PatternTable]:
    named = f"{where} ({recogniser.name})" if recogniser.name else where
    if recogniser.type != "custom":
        raise ConfigError(
            file,
            f"{named}.type",
            "custom: Presidio's own recognisers are there already (docs/detectors.md), so leave "
            "this one out",
            recogniser.type,
        )
    entities = [*filter(None, [recogniser.supported_entity]), *recogniser.supported_entities]
    if len(entities) != 1:
        raise ConfigError(file, f"{named}.supported_entity", "the name of one entity")
    if not recogniser.patterns and not recogniser.deny_list:
        raise ConfigError(file, named, "patterns or a deny_list")
    words = list(recogniser.context)
    for language in recogniser.supported_languages:
        if isinstance(language, _Language):
            words += [word for word in language.context if word not in words]
    flags = recogniser.global_regex_flags
    prefix = _prefix(content.global_regex_flags if flags is None else flags)
    regions = [recogniser.country_code.lower()] if recogniser.country_code else []
    regions = ["gb" if region == "uk" else region for region in regions]

    def table(score: float, name: str, pattern: str = "", values: list[str] | None = None) -> Any:
        near = min(1.0, max(_CONTEXT_LEAST, score + _CONTEXT_ADDS))
        return PatternTable(
            entity=entities[0],
            pattern=pattern,
            values=values or [],
            score=score,
            near=near,
            words=words,
            regions=regions,
            source=f"{file}: {named}.{name}",
        )

    made = [
        table(each.score, f"patterns[{i}] ({each.name})", prefix + each.regex)
        for i, each in enumerate(recogniser.patterns)
    ]
    if recogniser.deny_list:
        made.append(table(recogniser.deny_list_score, "deny_list", values=recogniser.deny_list))
    return made


def _prefix(flags: int) -> str:
    letters = "".join(
        letter
        for letter, flag in (("i", re.IGNORECASE), ("m", re.MULTILINE), ("s", re.DOTALL))
        if flags & flag
    )
    return f"(?{letters})" if letters else ""
