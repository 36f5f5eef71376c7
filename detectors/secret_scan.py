"""One pass for secrets: fast pass, then shape, plug-in and judgement."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache

from detectors import secret_checks as checks
from detectors import secret_plugins
from detectors.base import Buffer, FieldCounts, Hints, Match, NoHints, State
from detectors.pii_fastpass import Anchor, FastPass, split
from detectors.pii_found import Found, best, columns
from detectors.pii_view import plain
from detectors.secret_kind import Kind
from detectors.secret_kinds import BEFORE_KEYWORD, KEYWORD, KEYWORDS, KINDS

NAME = "secrets"
LONGEST = 700
"""bytes looked at behind the start of a secret: less than what every buffer has (``base.AFTER``)"""
_KEYWORD = 999
_NAMED = ("password", "passwd", "pwd", "passphrase", "secret", "api key", "apikey", "access key")


@cache
def fast() -> FastPass:
    anchors = [
        Anchor(kind.anchor, index, caseless=kind.caseless) for index, kind in enumerate(KINDS)
    ]
    return FastPass([*anchors, Anchor(KEYWORDS, _KEYWORD, caseless=True)])


class SecretScan:
    """``detectors.base.Scan`` for secrets; no field speaks for or against one."""

    def fields(self) -> Mapping[int, FieldCounts]:
        return {}

    def find(self, data: Buffer, lo: int, hi: int, hints: Hints) -> list[Match]:
        text = data if isinstance(data, bytes) else bytes(data)
        found: dict[tuple[int, int, str], Found] = {}
        for end, target in map(split, fast().hits(text)):
            if target == _KEYWORD:
                for one in _keyword(text, end):
                    _keep(found, one)
            else:
                for one in _kind(text, end, KINDS[target]):
                    _keep(found, one)
        for one in _columns(text, lo, hi, hints):
            _keep(found, one)
        return [
            Match(NAME, f.entity, f.start, f.end, f.score, f.state, why=f.why)
            for f in best(found.values())
            if lo <= f.start < hi
        ]


def _keep(found: dict[tuple[int, int, str], Found], one: Found) -> None:
    key = (one.start, one.end, one.entity)
    if key not in found or found[key].score < one.score:
        found[key] = one


def _kind(data: bytes, end: int, kind: Kind) -> list[Found]:
    out: list[Found] = []
    matches: Iterable[re.Match[bytes]]
    stop = min(len(data), end + LONGEST)
    if kind.reach:
        matches = kind.shape.finditer(data, max(0, end - kind.reach), stop)
    else:
        matches = filter(None, (kind.shape.match(data, end, stop),))
    for match in matches:
        if kind.reach and match.start() >= end:
            break
        if match.end() < end:
            continue
        start, close = match.span(1 if kind.shape.groups else 0)
        close = min(close, start + LONGEST)
        text = data[start:close].decode("ascii", "replace")
        score = kind.judge(text)
        if score < 0.3:
            continue
        around = data[match.start() : match.end()].decode("ascii", "replace")
        why = "has the form of one"
        if kind.plugin and secret_plugins.confirms(kind.plugin, around):
            why = "has the form of one, which detect-secrets knows too"
        elif kind.plugin:
            # what it does not know yet: encrypted keys, tokens of newer shapes
            score -= 0.05
        out.append(_found(start, close, kind.entity, score, text, why))
        if kind.entity == "SECRET_AWS_KEY":
            out += _beside_key(data, close)
        break
    return out


def _found(start: int, end: int, entity: str, score: float, text: str, why: str) -> Found:
    state = State.CLEAR
    if checks.documented(text):
        state, why, score = State.TEST, "a published example, or a key of a test mode", 0.95
    return Found(start, end, entity, score, (why,), 0, state)


def _beside_key(data: bytes, end: int) -> list[Found]:
    """The secret that goes with an AWS key id, when it stands behind it without a name."""
    for match in checks.FORTY.finditer(data, end, min(len(data), end + 120)):
        text = match[0].decode("ascii")
        if checks.aws_secret(text):
            why = "stands behind the key id it goes with"
            return [_found(*match.span(), "SECRET_AWS_SECRET_KEY", 0.88, text, why)]
    return []


def _keyword(data: bytes, end: int) -> list[Found]:
    match = KEYWORD.match(data, end, min(len(data), end + 240))
    if match is None:
        return []
    front = data[max(0, end - 64) : end]
    bare = front.rstrip(BEFORE_KEYWORD)
    if bare.endswith(b":") and match[2] == b":":
        return []  # a part of an ARN or URN
    front = front[len(bare) :]
    group = 4 if match[4] is not None else 5
    name = (front + match[1]).decode("ascii")
    value = match[group].decode("utf-8", "replace").rstrip(".")
    score = checks.keyword(name, value, group == 4, match[2] != b":")
    if score < 0.3:
        return []
    if not secret_plugins.confirms("keyword.KeywordDetector", f'{name} = "{value}"'):
        score = min(score, 0.6)
    start = match.start(group)
    stop = start + len(value.encode("utf-8", "replace"))
    why = "the value of a key that is named for a secret"
    return [_found(start, min(stop, match.end(group)), "SECRET_KEYWORD", score, value, why)]


def _columns(data: bytes, lo: int, hi: int, hints: Hints) -> list[Found]:
    """Values of columns that are named for a secret."""
    if isinstance(hints, NoHints):
        return []
    wanted = {
        name
        for name in columns(data, lo, hi, hints)
        if any(word in plain(name) for word in _NAMED) and not plain(name).endswith(("hash", "id"))
    }
    out: list[Found] = []
    if not wanted:
        return out
    for match in checks.CELL.finditer(data, lo, min(len(data), hi + 160)):
        name = hints.field_name(match.start())
        if name in wanted:
            value = match[0].decode("utf-8", "replace")
            score = checks.keyword(name, value, True, True)
            if score >= 0.3:
                why = "in a column named for it"
                out.append(_found(*match.span(), "SECRET_KEYWORD", score, value, why))
    return out
