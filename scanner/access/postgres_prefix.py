"""``log_line_prefix`` of PostgreSQL, read back: what stands before each message of a plain log."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

SEVERITY = r"(?:LOG|NOTICE|WARNING|INFO|ERROR|FATAL|PANIC|DEBUG[1-5]?)"
FOLLOWS = "CONTEXT|STATEMENT|DETAIL|HINT|QUERY|LOCATION"
_TIME = r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? (?:[A-Z]{1,6}|[+-]\d\d(?::?\d\d)?))"
# identifiers have at most 63 bytes
_NAME = r".{0,63}?"
_PLAIN_NAME = r"[^\s@]{0,63}?"
_ESCAPES = {
    **{"m": _TIME, "t": _TIME, "n": r"(?P<time>\d{9,11}\.\d+)", "p": r"(?P<pid>\d+)"},
    **{"c": r"(?P<session>[0-9a-f]+\.[0-9a-f]+)", "u": rf"(?P<user>{_NAME})"},
    **{"d": rf"(?P<database>{_NAME})", "a": _NAME, "h": r"\S*", "r": r"\S*"},
    "b": r"(?P<backend>[a-z ]*)",
    **{"l": r"(?P<number>\d+)", "x": r"\d+", "v": r"(?P<transaction>[\d/]*)"},
    **{"i": r"[A-Za-z ]*", "e": r"(?P<state>\w{5})"},
    **{"s": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+", "Q": r"-?\d+"},
    **{"P": r"(?P<leader>\d*)", "q": "(?:", "%": "%"},
}
USUAL = (
    "%m [%p] %q%u@%d ",  # Debian
    "%t:%r:%u@%d:[%p]:",  # Amazon RDS
    "%m [%p]: [%l-1] db=%d,user=%u ",  # Cloud SQL
    "%t-%c-",  # Azure
    "%m [%p] ",  # as delivered
    "%t [%p] ",
)


class Prefix:
    """A ``log_line_prefix`` that can be read back. Raises ``ValueError`` for an unknown escape.
    ``guessed``: nobody said it is this one, so names with blanks are not believed."""

    def __init__(self, text: str, guessed: bool = False) -> None:
        pattern, end, place = "", "", 0
        seen: set[str] = set()
        for escape in re.finditer(r"%(-?\d*)(.)", text):
            pattern += re.escape(text[place : escape.start()])
            place = escape.end()
            letter = escape[2]
            if letter not in _ESCAPES:
                raise ValueError(f"%{letter}")
            if letter == "q":  # what follows it is left out by processes that are of no session
                end += ")?"
            part = _ESCAPES[letter].replace(_NAME, _PLAIN_NAME if guessed else _NAME)
            if part.startswith("(?P<") and part in seen:
                part = re.sub(r"\?P<\w+>", "?:", part)
            seen.add(part)
            pattern += f" *{part} *" if escape[1] else part
        pattern += re.escape(text[place:]) + end
        self.forgeable = "%a" in text
        """True when a client chooses part of it"""
        self.pattern = re.compile(rf"{pattern}(?P<severity>{SEVERITY}|{FOLLOWS}):  ")


def given_prefix(settings: Mapping[str, Any], faults: list[str]) -> Prefix | None:
    """That of “prefix”, None without one; what is wrong with it goes to ``faults``."""
    try:
        return Prefix(str(settings["prefix"])) if settings.get("prefix") else None
    except ValueError as error:
        faults.append(f"“prefix” has an escape that is not understood ({error})")
        return None
