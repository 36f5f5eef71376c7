"""Times as a described log writes them: ISO 8601, seconds since 1970, or a form of ``strptime``."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_WIDTHS = {
    **{"d": r"\d\d", "m": r"\d\d", "y": r"\d\d", "H": r"\d\d", "M": r"\d\d", "Y": r"\d{4}"},
    **{"b": r"[^\W\d_]+", "z": r"[+-]\d{4}", "S": r"(?P<second>[0-5]\d)"},
}
"""directives as nearly every log has them; ``strptime`` takes shorter numbers as well"""
_DIRECTIVE = re.compile(r"%(.)")
_APART = {False: re.compile(r"[ ,./:T-]\D*"), True: re.compile(r"[ ,./]\D*")}
"""what ends a directive: of digits alone, or (True) of a name or a zone"""
_MINUTES = 10_000
"""that are remembered"""


class Moments:
    """``zone``: of times that do not tell it. Raises no error for a form that cannot be right."""

    def __init__(self, form: str, zone: ZoneInfo) -> None:
        self._form, self._zone = form, zone
        self._written = _written(form)
        self._minutes: dict[tuple[str, str], datetime | None] = {}

    def moment(self, text: str) -> datetime | None:
        """In UTC; None if the text is no such time."""
        found = self._written and self._written.fullmatch(text)
        if not found:
            return self._read(text)
        # ``strptime`` takes ten times as long as all else that is done with a line
        start, end = found.span("second")
        key = text[:start], text[end:]
        try:
            minute = self._minutes[key]
        except KeyError:
            if len(self._minutes) >= _MINUTES:
                self._minutes.clear()
            minute = self._minutes[key] = self._read(f"{key[0]}00{key[1]}")
        return minute and minute + timedelta(seconds=int(found[1]))

    def _read(self, text: str) -> datetime | None:
        try:
            if self._form == "epoch":
                seconds = float(text)
                return datetime.fromtimestamp(seconds, UTC) if 0 <= seconds < 1 << 35 else None
            if self._form == "iso":
                when = datetime.fromisoformat(text)
            else:
                when = datetime.strptime(text, self._form)
            if when.tzinfo is None:
                when = when.replace(tzinfo=self._zone)
            return when.astimezone(UTC)
        except (ValueError, OverflowError, OSError, re.error):  # the last: a directive twice
            return None


def _written(form: str) -> re.Pattern[str] | None:
    """What times of a form look like where each directive is written in full, None where it is not
    sure that they divide in one way only."""
    pieces = _DIRECTIVE.split(form)
    texts, letters = pieces[::2], pieces[1::2]
    if letters.count("S") != 1 or not set(letters) <= set(_WIDTHS):
        return None
    behind = (*texts[1:-1], texts[-1] or " ")
    if not all(
        _APART[each in "bz"].fullmatch(text) for each, text in zip(letters, behind, strict=True)
    ):
        return None
    written = re.escape(texts[0])
    for each, text in zip(letters, texts[1:], strict=True):
        written += _WIDTHS[each] + re.escape(text)
    return re.compile(written)
