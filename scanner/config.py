"""cardtrail.toml, or ``[tool.cardtrail]`` in pyproject.toml, as typed settings.

The nearest file wins, from the working directory upwards. An unknown key is an error that says
which one was probably meant. Flags and environment are laid over this by the command line.
"""

from __future__ import annotations

import difflib
import hashlib
import tomllib
from pathlib import Path
from typing import Any, Literal

import msgspec

from scanner.errors import ConfigError
from scanner.model import Severity

FILE = "cardtrail.toml"
Profile = Literal["card", "full"]
PROFILES = ("card", "full")


class Key(msgspec.Struct, forbid_unknown_fields=True):
    """Where the fingerprint key lies. The key itself never stands in the configuration."""

    file: str | None = None
    keyring: str | None = None


class SnoopingTable(msgspec.Struct, forbid_unknown_fields=True):
    """``[snooping]``: see ``scanner.snooping``."""

    watch: str | None = None
    """a file with a subject a line, sealed at once"""
    tickets: str | None = None
    """a CSV file: principal, subject (or object), from, to"""
    by_ticket: list[str] = []
    """principals that may read with a ticket only (* for any text), beside those who have one"""
    machines: list[str] = []
    """principals that are nobody's: not held to look at single records"""


class LimitsTable(msgspec.Struct, forbid_unknown_fields=True):
    depth: int = 8
    entries: int = 1_000_000
    bytes: int = 64 << 30
    ratio: int = 1_000
    seconds: float = 3_600.0
    memory: int = 64 << 20
    slice: int = 64 << 20
    """a unit above this size whose format allows it is read in slices of this size, in parallel"""


class StoreTable(msgspec.Struct):
    """``[[store]]``. Keys that are not here belong to the kind of store and are checked by it."""

    uri: str
    environment: str | None = None
    expected: bool | None = None
    owner: str | None = None
    exclude: list[str] = []
    options: dict[str, Any] = {}


class EvidenceTable(msgspec.Struct):
    """``[[evidence]]``: records of who read what. ``options`` as in ``StoreTable``."""

    kind: str
    options: dict[str, Any] = {}


class PatternTable(msgspec.Struct, forbid_unknown_fields=True):
    """``[[pattern]]``: a pattern of the user's own, RE2 syntax, or a list of values (whole words,
    in capitals or not), for the full profile."""

    entity: str
    pattern: str = ""
    values: list[str] = []
    score: float = 0.85
    near: float = 0.9
    """the probability with one of ``words`` near it, if that is more"""
    words: list[str] = []
    """words near it, or in the name of its field, that make it likely"""
    regions: list[str] = []
    """looked for when ``regions`` has one of them; always if empty"""
    source: str = ""
    """where it was written, for messages; filled in when it comes from a file of recognisers"""


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    profile: Profile = "card"
    jobs: int | None = None
    """None: the number of cores"""
    fail_on: Severity = Severity.HIGH
    min_confidence: float = 0.3
    quick: bool = False
    """large tables get a first pass over a sample, and are read if something is in it"""
    distinct_limit: int = 1_000
    """distinct values of an entity in one unit that are listed one by one"""
    ledger: str | None = None
    exclude: list[str] = []
    window_days: int = 90
    """how far back the question "who read it" goes"""
    regions: list[str] = []
    """ISO 3166 codes in lower case: national ids and phone numbers of these only; all if empty"""
    pattern: list[PatternTable] = []
    recognisers: str | None = None
    """a YAML file of Presidio's recognisers, whose patterns are added to ``pattern``"""
    names: bool = False
    """look for names of people and places too, in documents and text columns (profile full)"""
    key: Key = msgspec.field(default_factory=Key)
    limits: LimitsTable = msgspec.field(default_factory=LimitsTable)
    snooping: SnoopingTable | None = None
    """single records and who looks at them"""
    store: list[StoreTable] = []
    evidence: list[EvidenceTable] = []
    mute: list[dict[str, Any]] = []
    """``[[mute]]``: flags that somebody has explained, of all evidence. See ``access.rules``."""

    def digest(self) -> str:
        """Identifies the settings in a report, without the places of key and ledger."""
        plain = msgspec.to_builtins(self)
        for local in ("key", "ledger", "jobs", "recognisers"):
            del plain[local]
        for pattern in plain["pattern"]:
            del pattern["source"]
        text = msgspec.json.encode(plain, order="deterministic")
        return hashlib.sha256(text).hexdigest()[:16]


def find(start: Path) -> Path | None:
    """The nearest configuration file at or above ``start``."""
    for folder in (start, *start.parents):
        if (folder / FILE).is_file():
            return folder / FILE
        pyproject = folder / "pyproject.toml"
        if pyproject.is_file() and "cardtrail" in _toml(pyproject).get("tool", {}):
            return pyproject
    return None


def load(path: Path) -> Settings:
    """Raises ``ConfigError`` with file, key and what was expected."""
    document = _toml(path)
    if path.name == "pyproject.toml":
        document = document.get("tool", {}).get("cardtrail", {})
    return parse(document, str(path))


def parse(document: dict[str, Any], file: str) -> Settings:
    check_keys(document, Settings, file, "")
    check_keys(document.get("key", {}), Key, file, "key.")
    check_keys(document.get("limits", {}), LimitsTable, file, "limits.")
    check_keys(document.get("snooping", {}), SnoopingTable, file, "snooping.")
    for name, table in (
        ("store", StoreTable),
        ("evidence", EvidenceTable),
        ("pattern", None),
        ("mute", None),
    ):
        entries = document.get(name, [])
        if not isinstance(entries, list):
            raise ConfigError(file, name, f"a list of tables, written [[{name}]]")
        if table is None:
            for i, entry in enumerate(entries if name == "pattern" else ()):
                check_keys(entry, PatternTable, file, f"{name}[{i}].")
            continue
        document = {**document, name: [_gather_options(entry, table) for entry in entries]}
    try:
        settings = msgspec.convert(document, Settings)
    except msgspec.ValidationError as error:
        raise ConfigError(file, *in_words(str(error))) from None
    _check_ranges(settings, file)
    return settings


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(path), "", "TOML", str(error)) from None
    except UnicodeDecodeError:
        raise ConfigError(str(path), "", "a text file in UTF-8") from None
    except OSError as error:
        raise ConfigError(str(path), "", "a readable file", error.strerror or "") from None


def check_keys(table: object, struct: type[msgspec.Struct], file: str, prefix: str) -> None:
    """Raises ``ConfigError`` for what is no table, or has a key that is unknown."""
    if not isinstance(table, dict):
        raise ConfigError(file, prefix.rstrip("."), "a table")
    known = struct.__struct_fields__
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            meant = f'; did you mean "{near[0]}"?' if near else ""
            raise ConfigError(
                file, prefix + key, f"one of {', '.join(known)}", f"an unknown key{meant}"
            )


def _gather_options(entry: object, struct: type[msgspec.Struct]) -> object:
    """Keys of the plug-in go into ``options``."""
    if not isinstance(entry, dict):
        return entry
    own = set(struct.__struct_fields__) - {"options"}
    mine = {key: value for key, value in entry.items() if key in own}
    return {**mine, "options": {key: value for key, value in entry.items() if key not in own}}


def check_options(options: dict[str, Any], known: dict[str, type], file: str, where: str) -> None:
    """Options of a plug-in against what it declares. Raises ``ConfigError``."""
    for key, value in options.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            meant = f'; did you mean "{near[0]}"?' if near else ""
            expected = f"one of {', '.join(sorted(known))}" if known else "no further keys"
            raise ConfigError(file, f"{where}.{key}", expected, f"an unknown key{meant}")
        fits = isinstance(value, known[key] if known[key] is not float else float | int)
        if not fits or (known[key] in (int, float) and isinstance(value, bool)):
            found = _FOUND.get(type(value).__name__, "something else")
            raise ConfigError(file, f"{where}.{key}", _FORMS[known[key].__name__], found)


_FORMS = {
    "str": "text, in quotes",
    "int": "a whole number, without quotes",
    "float": "a number, without quotes",
    "bool": "true or false, without quotes",
    "list": "a list",
    "dict": "a table",
}
"""How a type, by its name in Python, is written."""
_FOUND = {
    "str": "text",
    "int": "a whole number",
    "float": "a number with a point",
    "bool": "true or false",
    "list": "a list",
    "dict": "a table",
    "date": "a date: put it in quotes",
    "datetime": "a time: put it in quotes",
}
_MSGSPEC = {"array": "list", "object": "dict"}
"""its names where they are others"""


def in_words(message: str) -> tuple[str, str, str]:
    """msgspec says "Expected `int`, got `str` - at `$.store[0].uri`": key, expected, found."""
    text, _, where = message.partition(" - at `$")
    key = where.rstrip("`").lstrip(".")
    if text.startswith("Expected `") and "`, got `" in text:
        expected, _, found = text.removeprefix("Expected `").rstrip("`").partition("`, got `")
        wanted = [_MSGSPEC.get(name, name) for name in expected.split(" | ") if name != "null"]
        found = _MSGSPEC.get(found, found)
        return key, " or ".join(_FORMS.get(name, name) for name in wanted), _FOUND.get(found, found)
    if text.startswith("Object missing required field `"):
        missing = text.removeprefix("Object missing required field `").rstrip("`")
        return f"{key}.{missing}".lstrip("."), "a value: this key is required", "none"
    if text.startswith("Invalid enum value"):
        choices = Severity if key.endswith("fail_on") else PROFILES
        return key, f"one of {', '.join(choices)}", text.removeprefix("Invalid enum value ")
    return key, text[0].lower() + text[1:], ""


def _check_ranges(settings: Settings, file: str) -> None:
    limits = settings.limits
    at_least = {
        "jobs": (settings.jobs or 1, 1),
        "distinct_limit": (settings.distinct_limit, 1),
        "window_days": (settings.window_days, 1),
        "limits.depth": (limits.depth, 0),
        "limits.entries": (limits.entries, 1),
        "limits.bytes": (limits.bytes, 1),
        "limits.ratio": (limits.ratio, 1),
        "limits.seconds": (limits.seconds, 0.001),
        "limits.memory": (limits.memory, 1 << 20),
        "limits.slice": (limits.slice, 1 << 16),
    }
    if settings.jobs == 0:
        raise ConfigError(file, "jobs", "1 or more", "0")
    for key, (value, least) in at_least.items():
        if value < least:
            raise ConfigError(file, key, f"{least:,} or more", f"{value:,}")
    if not 0 <= settings.min_confidence <= 1:
        raise ConfigError(
            file, "min_confidence", "a probability from 0 to 1", str(settings.min_confidence)
        )


def json_schema() -> dict[str, Any]:
    """JSON Schema of cardtrail.toml, for editors."""
    return msgspec.json.schema(Settings)
