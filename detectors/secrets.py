"""Secrets through detect-secrets: the plug-in. ``secret_scan`` does the work."""

from __future__ import annotations

from detectors.base import Buffer, Example, FieldCounts, Match, Scan, State, Value
from detectors.secret_kinds import KINDS

_AWS_EXAMPLE = "AKIA" + "IOSFODNN7EXAMPLE"


class Secrets:
    """The plug-in."""

    name = "secrets"
    entities = (*dict.fromkeys(kind.entity for kind in KINDS), "SECRET_KEYWORD")
    profiles = frozenset({"full"})
    summary = (
        "Keys, tokens and passwords: AWS, private keys (encrypted ones too), passwords in URLs,"
        " JWT, GitHub, GitLab, Slack, Stripe, SendGrid, npm, PyPI, Azure (storage, access keys,"
        " client secrets, signed URLs), OpenAI, Anthropic, Google, age, and the tokens of some"
        " twenty services that have a form of their own; and values behind `password`, `secret`,"
        " `api_key` ... None is ever tried out."
    )
    limits = (
        "Secrets without a prefix, a name or a form of their own are not told from other random"
        " text. Of a secret longer than 700 bytes the first 700 are looked at."
    )
    examples: tuple[Example, ...] = (
        Example(b"key = " + _AWS_EXAMPLE.encode(), "SECRET_AWS_KEY", _AWS_EXAMPLE, State.TEST),
        Example(b"redis://:kV9x2LmQ7@cache:6379/0", "SECRET_BASIC_AUTH", "kV9x2LmQ7"),
        Example(b"DB_PASSWORD=kV9x2LmQ7z", "SECRET_KEYWORD", "kV9x2LmQ7z"),
    )
    near_misses: tuple[bytes, ...] = (
        b"password=${DB_PASSWORD}",
        b"postgres://host:5432/db",
        b"token expired at 12:00",
        b"-----BEGIN PUBLIC KEY-----",
    )

    def scan(self) -> Scan:
        from detectors.pii_wide import Wide
        from detectors.secret_scan import SecretScan

        return Wide(SecretScan())

    def value(self, data: Buffer, match: Match) -> Value:
        from detectors.pii_wide import narrow

        return Value(narrow(data, match).decode("utf-8", "replace"), None)

    def settle(self, match: Match, counts: FieldCounts | None) -> tuple[float, tuple[str, ...]]:
        return match.score, match.why


DETECTOR = Secrets()
