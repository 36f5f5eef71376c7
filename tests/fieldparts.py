"""Verdicts on columns for the sample runs."""

from __future__ import annotations

from scanner.model import (
    BesideCards,
    FieldContent,
    FieldLook,
    FieldVerdict,
    Neighbour,
    Severity,
)

_CRITICAL, _HIGH = Severity.CRITICAL, Severity.HIGH


def card_columns() -> tuple[FieldVerdict, ...]:
    """Of a table of payments: codes, card numbers, tokens."""
    return (
        FieldVerdict(
            "cards",
            None,
            None,
            "cvv2",
            "column",
            "sad",
            51003,
            (FieldContent("CVV", "clear", True, 51003, 999, True, True, 51003, _CRITICAL),),
            None,
            _CRITICAL,
            ("3.3.1.2", "3.3.1"),
            "card verification codes, 999 distinct in 51,003 rows",
        ),
        FieldVerdict(
            "cards",
            None,
            None,
            "pan",
            "column",
            "clear-pans",
            51003,
            (FieldContent("CREDIT_CARD", "clear", True, 50990, 48112, True, True, 51003, _HIGH),),
            None,
            _HIGH,
            ("3.5.1",),
            "clear PANs, 48,112 distinct in 50,990 of 51,003 rows (over 99.9 %)",
        ),
        FieldVerdict(
            "cards",
            None,
            None,
            "vault_token",
            "column",
            "tokens",
            51003,
            (),
            FieldLook("token", "", 1.0, 64),
            Severity.INFO,
            (),
            "look like tokens (all of 64 values looked at); what opens them cannot be seen",
        ),
    )


def beside_cards() -> BesideCards:
    return BesideCards(
        50990,
        1,
        {"row": 50990},
        (
            Neighbour("CVV", 50990, 1),
            Neighbour("EXPIRY_DATE", 50990, 1),
            Neighbour("EMAIL_ADDRESS", 1000, 1, at_least=True),
            Neighbour("PERSON", 88, 1),
        ),
    )


def named(name: str) -> FieldVerdict:
    """A verdict with this name wherever a name can stand."""
    content = FieldContent("US_SSN", "clear", True, 7, 5, False, True, 9, Severity.MEDIUM)
    look = FieldLook("hash", name, 0.9, 24)
    words = f"US Social Security numbers, about 5 distinct; hashes beside in {name}"
    return FieldVerdict(
        name, name, name, name, "key", "personal-data", 9, (content,), look, Severity.MEDIUM, (),
        words,
    )  # fmt: skip
