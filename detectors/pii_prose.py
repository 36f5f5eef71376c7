"""Which text may hold names of people and places: sentences and cells, never logs or code.

Everything here is decided from what stands within a detector's sight (``base.BEFORE`` and
``base.AFTER``) of a passage, so the answer is the same wherever a stream was cut.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

LONGEST = 640
"""bytes of a passage that are looked at"""
_BACK = 960

_MONTH = rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_TIME = rb"[0-9]{1,2}:[0-9]{2}:[0-9]{2}"
_LEVEL = (
    rb"(?:TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|FATAL|CRITICAL|SEVERE|PANIC|LOG|STATEMENT"
    rb"|DETAIL|HINT|CONTEXT|EXCEPTION)"
)
LOG = re.compile(
    rb"^[\[(<\"' \t]{0,4}(?:<[0-9]{1,3}>)?(?:"
    rb"[0-9]{4}[-/.][0-9]{2}[-/.][0-9]{2}[T ]" + _TIME + rb"|" + _TIME + rb"\b"
    rb"|" + _MONTH + rb" {1,2}[0-9]{1,2} " + _TIME + rb"|[0-9]{10,19}\b"
    rb"|[0-9]{1,3}(?:\.[0-9]{1,3}){3} )"
    rb"|^[^\n]{0,90}\[[0-9]{1,2}/" + _MONTH + rb"/[0-9]{4}:"
    rb"|^[^\n]{0,120}?(?<![A-Za-z])" + _LEVEL + rb"(?:[:\]|,>)]| {1,2}[-\[(:]? ?[\w./$-])"
    rb"|^\s+at [\w.$]+\(|^Traceback \(|^\s+File \"[^\"\n]+\", line [0-9]+"
    rb"|^[^\n]{0,200}?\b[a-z_.-]{2,20}=[^\s=][^\n]{0,200}?\b[a-z_.-]{2,20}=[^\s=]"
    rb"|^\{[^\n]{0,400}?\"(?:level|severity|lvl|loglevel|log\.level)\" ?:"
    rb"|\"(?:@?timestamp|textPayload|log_level)\" ?: ?\"",
    re.MULTILINE,
)
"""a line that a machine wrote: time, level, keys and values, a trace, an object with a level"""
_SIGN = re.compile(
    r"[{}|^~`$\\]|;\s*$|::|[-=]>|[=!]=|\w\([\w.,]*\)|\w\.\w+\(|[\w\]]=\S|^\s*(?://|/\*|--|#!|@\w)"
)
"""what programs are full of; a sentence may have one now and then"""
_PER_SIGN = 30
"""characters of a sentence for each"""
_STATEMENT = re.compile(
    r"^\s*(?:import|from|def|class|return|package|using|include|public|private|static|var|let|const"
    r"|function)\s[\w.* ,]+(?:[;:({]|import\b|=)"
    r"|\b(?:SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP)\b.*\b(?:FROM|INTO|SET|TABLE|INDEX|VIEW)\b"
)
_TAG = re.compile(rb"<[^<>\n]{1,200}>")
_SENTENCE = re.compile(rb"(?<=[.!?])[\"')]{0,2} (?=[A-Z\"'\xc3-\xcf])")
_LETTER = re.compile(r"[^\W\d_]")


def machine_written(data: bytes, start: int) -> bool:
    """Whether a line around ``start``, or one near it, is that of a log."""
    first = data.rfind(b"\n", max(0, start - _BACK), start) + 1
    back = data.rfind(b"\n", max(0, first - 400), max(0, first - 1)) + 1
    return LOG.search(data, back or max(0, first - 400), start + LONGEST) is not None


def prose(text: str) -> bool:
    """Words that somebody wrote to be read, rather than code or numbers."""
    letters = len(_LETTER.findall(text))
    dense = len(text) - text.count(" ")
    if letters < 4 or letters < 0.3 * dense or _STATEMENT.search(text):
        return False
    plain = text.replace('\\"', '"').replace("\\'", "'")  # of a text inside a text
    return len(_SIGN.findall(plain)) * _PER_SIGN <= len(plain)


def lines(data: bytes, lo: int, hi: int) -> Iterator[tuple[int, int]]:
    """Lines that lie in ``lo``..``hi`` or reach into it, as far as they are in sight."""
    at = data.rfind(b"\n", max(0, lo - _BACK), lo) + 1 or max(0, lo - _BACK)
    end = min(len(data), hi + LONGEST)
    while at < hi:
        stop = data.find(b"\n", at, end)
        stop = end if stop < 0 else stop
        yield at, stop
        at = stop + 1


def passages(data: bytes, start: int, stop: int, lo: int, hi: int) -> Iterator[tuple[int, int]]:
    """Of a line the passages that lie in ``lo``..``hi`` or reach into it: the line itself if it
    is not long, else its sentences; without the tags of HTML."""
    first, last = max(start, lo - _BACK), min(stop, hi + LONGEST)
    whole = start == 0 or data[start - 1 : start] == b"\n"
    cuts = {start} if whole else set()
    ends = {stop}
    if stop - start > LONGEST or not whole:
        cuts |= {match.end() for match in _SENTENCE.finditer(data, first, last)}
        ends |= cuts
    for tag in _TAG.finditer(data, first, last):
        cuts.add(tag.end())
        ends |= {tag.start()}
    ordered = sorted(ends)
    for begin in sorted(cuts):
        if begin >= hi:
            return
        end = ordered[min(bisect_right(ordered, begin), len(ordered) - 1)]
        end = min(end, begin + LONGEST)
        if end > lo and end - begin > 3:
            yield begin, end


_TABBED = re.compile(rb"[^\t\n]+")
_OTHER = re.compile(rb"\"((?:[^\"\\\n]|\\.|\"\")*)\"|[^\s,;|\"{}\[\]:][^,;|\"\n{}\[\]]*")


def cells(data: bytes, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Values of a line of a table or of an object, without their quotes."""
    tabbed = data.find(b"\t", start, stop) >= 0
    for match in (_TABBED if tabbed else _OTHER).finditer(data, start, stop):
        first, last = match.span(1) if not tabbed and match[1] is not None else match.span()
        while last > first and data[last - 1] in b" \r":
            last -= 1
        if last - first > 1:
            yield first, last
