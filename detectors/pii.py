"""Personal data through Presidio's recognisers: the plug-in.

``pii_scan`` does the work. Presidio, Hyperscan and the rest are imported at first need, so the
profile ``card`` loads none of them.
"""

from __future__ import annotations

from detectors.base import Buffer, Example, FieldCounts, Match, Scan, Value
from detectors.pii_kinds import KINDS
from detectors.pii_vote import settle as vote

_CHANCE = {kind.entity: kind.chance for kind in KINDS}


class Pii:
    """The plug-in."""

    name = "pii"
    entities = (
        "EMAIL_ADDRESS",
        "PHONE_NUMBER",
        "IP_ADDRESS",
        *dict.fromkeys(kind.entity for kind in KINDS),
    )
    profiles = frozenset({"full"})
    summary = (
        "Personal data confirmed by Presidio's recognisers: e-mail, telephone, IP and MAC"
        " addresses, IBAN, crypto wallets, national and tax ids of 18 countries; licences,"
        " passports, bank accounts, medical numbers and dates of birth where a word or a column's"
        " name says so."
    )
    limits = (
        "Numbers without a test of their own (passport, driver's licence, bank account, SSN in nine"
        " plain digits) are found behind a word or in a column named for them only. Private"
        " IP addresses are confirmed only where a word such as ip or address stands near. The"
        " check digit of Korean numbers has meant nothing since 2020."
    )
    examples: tuple[Example, ...] = (
        Example(b"mail jane.roe@cardtrail.org today", "EMAIL_ADDRESS", "jane.roe@cardtrail.org"),
        Example(b"SSN: 308-63-0237", "US_SSN", "308630237"),
        Example(b"pay to GB82 WEST 1234 5698 7654 32 now", "IBAN_CODE", "GB82WEST12345698765432"),
        Example(b"call +44 20 7946 0958", "PHONE_NUMBER", "+442079460958"),
    )
    near_misses: tuple[bytes, ...] = (
        b"icon@2x.png",
        b"took 308-63-02375 ticks",
        b"GB83 WEST 1234 5698 7654 32",
        b"git@github.com:acme/tool.git",
    )

    def scan(self) -> Scan:
        from detectors.pii_scan import PiiScan
        from detectors.pii_wide import Wide

        return Wide(PiiScan())

    def value(self, data: Buffer, match: Match) -> Value:
        from detectors.pii_scan import value_of
        from detectors.pii_wide import narrow

        return Value(value_of(narrow(data, match), match.entity), None)

    def settle(self, match: Match, counts: FieldCounts | None) -> tuple[float, tuple[str, ...]]:
        return vote(match.score, match.why, counts, _CHANCE.get(match.entity, 1.0))


DETECTOR = Pii()
