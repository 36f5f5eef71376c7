"""Every kind that has a shape of its own: those of the world, the USA and Britain; ``pii_nations``
and ``pii_documents`` have the others."""

from __future__ import annotations

import re

from detectors import pii_checks as checks
from detectors.pii_documents import DOCUMENTS
from detectors.pii_kind import Kind, shape
from detectors.pii_nations import NATIONS

_MONTH = rb"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_BORN = (
    r"d\.?o\.?b|birth.?(?:date|day|dt)?|(?:date|day).{0,3}of.{0,3}birth|born|geburts\w*"
    r"|naissance|nacimiento"
)

KINDS: tuple[Kind, ...] = (
    *NATIONS,
    *DOCUMENTS,
    Kind(
        "US_SSN",
        "UsSsnRecognizer",
        shape(rb"[0-9]{3}-[0-9]{2}-[0-9]{4}|[0-9]{3} [0-9]{2} [0-9]{4}|[0-9]{9}"),
        0.85,
        0.97,
        r"ssns?|social.?sec\w*|soc.?sec",
        (rb"[0-9]{3}-[0-9]{2}-[0-9]{4}",),
        ("us",),
        chance=0.88,
        test=checks.ssn,
    ),
    Kind(
        "US_ITIN",
        "UsItinRecognizer",
        shape(rb"[0-9]{3}-[0-9]{2}-[0-9]{4}|9[0-9]{2} [5-9][0-9] [0-9]{4}|9[0-9]{8}"),
        0.82,
        0.97,
        r"itin|individual.?taxpayer|taxpayer.?id\w*|tax.?id",
        (rb"[0-9]{3}-[0-9]{2}-[0-9]{4}",),
        ("us",),
        chance=0.08,
        test=checks.itin,
    ),
    Kind(
        "IBAN_CODE",
        "IbanRecognizer",
        re.compile(
            rb"(?<![A-Za-z0-9_])[A-Z]{2}[0-9]{2}(?:"
            rb"[A-Z0-9]{11,30}|(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,3})?)(?![A-Za-z0-9_])",
            re.IGNORECASE,
        ),
        0.97,
        0.99,
        r"iban|bank\w*|account|wire|konto\w*|bic|swift",
        (rb"[A-Z]{2}[0-9]{2} ?[A-Z0-9]{4} ?[A-Z0-9]{3}[A-Z0-9 ]",),
        chance=0.01,
        test=checks.iban,
        fit=checks.iban_length,
        lead="iban",
    ),
    Kind(
        "CRYPTO",
        "CryptoRecognizer",
        re.compile(
            rb"(?<![A-Za-z0-9+/_\-])(?<!==)(?:[13][a-km-zA-HJ-NP-Z1-9]{25,34}|bc1[a-z0-9]{25,59})"
            rb"(?![A-Za-z0-9+/=_\-])"
        ),
        0.95,
        0.98,
        r"bitcoin|btc|wallet|crypto\w*",
        (rb"\b[13][a-km-zA-HJ-NP-Z1-9]{25,34}\b", rb"bc1[a-z0-9]{25}"),
        chance=0.001,
    ),
    Kind(
        "MAC_ADDRESS",
        "MacAddressRecognizer",
        re.compile(
            rb"(?<![A-Za-z0-9_\-:.])[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}"
            rb"(?![A-Za-z0-9_\-:]|\.[0-9A-Fa-f])"
        ),
        0.85,
        0.95,
        r"mac|ether\w*|hardware|physical|hwaddr|lladdr",
        (
            rb"[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}",
            rb"[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}",
        ),
        test=checks.mac,
    ),
    Kind(
        "UK_NHS",
        "NhsRecognizer",
        shape(rb"[0-9]{3}[ -][0-9]{3}[ -][0-9]{4}|[0-9]{10}"),
        0.0,
        0.96,
        r"nhs|national.?health|health.?(?:services?.?)?authority",
        (),
        ("gb",),
        chance=0.1,
    ),
    Kind(
        "UK_NINO",
        "UkNinoRecognizer",
        shape(
            rb"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]",
            re.IGNORECASE,
        ),
        0.6,
        0.96,
        r"nino|national.?insurance|ni.?(?:no|number|num)|nin",
        (rb"\b[A-Z]{2}[0-9]{6}[A-D]\b", rb"\b[A-Z]{2} [0-9]{2} [0-9]{2} [0-9]{2} [A-D]\b"),
        ("gb",),
    ),
    Kind(
        "UK_DRIVING_LICENCE",
        "UkDrivingLicenceRecognizer",
        shape(rb"[A-Z9]{5}[0-9](?:0[1-9]|1[0-2]|5[1-9]|6[0-2])[0-3][0-9][0-9][A-Z9]{2}[A-Z0-9]{3}"),
        0.75,
        0.97,
        r"driv\w*|licen[cs]e|dvla",
        (rb"\b[A-Z9]{5}[0-9][0156][0-9][0-3][0-9][0-9][A-Z9]{2}[A-Z0-9]{3}\b",),
        ("gb",),
    ),
    Kind(
        "UK_PASSPORT",
        "UkPassportRecognizer",
        shape(rb"[A-Z]{2}[0-9]{7}"),
        0.0,
        0.88,
        r"passports?",
        (),
        ("gb",),
    ),
    Kind(
        "US_PASSPORT",
        "UsPassportRecognizer",
        shape(rb"[A-Z]?[0-9]{8,9}"),
        0.0,
        0.88,
        r"passports?",
        (),
        ("us",),
    ),
    Kind(
        "IN_PASSPORT",
        "InPassportRecognizer",
        shape(rb"[A-Z][1-9][0-9] ?[0-9]{4}[1-9]"),
        0.0,
        0.88,
        r"passports?",
        (),
        ("in",),
    ),
    Kind(
        "US_DRIVER_LICENSE",
        "UsLicenseRecognizer",
        shape(
            rb"(?:[A-Z]{1,2}[0-9]{3,14}[A-Z]?|[0-9]{6,14}|[0-9]{16}|[0-9]{3}[A-Z]{2}[0-9]{4})",
            re.IGNORECASE,
        ),
        0.0,
        0.9,
        r"driv[a-z]{0,5}.{0,5}licen[cs]es?|licen[cs]e.?(?:no|num|number|id)"
        r"|dl.?(?:no|num|number|#)|drivers?.?(?:lic|permit)",
        (),
        ("us",),
    ),
    Kind(
        "US_BANK_NUMBER",
        "UsBankRecognizer",
        shape(rb"[0-9]{8,17}"),
        0.0,
        0.85,
        r"bank.{0,2}acc(?:oun)?ts?|acc(?:oun)?t.{0,2}(?:no|num|number|nr)|checking|savings",
        (),
        ("us",),
    ),
    Kind(
        "ABA_ROUTING_NUMBER",
        "AbaRoutingRecognizer",
        shape(rb"[0123678][0-9]{8}|[0123678][0-9]{3}-[0-9]{4}-[0-9]"),
        0.0,
        0.95,
        r"routing|aba|rtn",
        (),
        ("us",),
        chance=0.1,
    ),
    Kind(
        "US_NPI",
        "UsNpiRecognizer",
        shape(rb"[12][0-9]{9}|[12][0-9]{3}[ -][0-9]{3}[ -][0-9]{3}"),
        0.0,
        0.95,
        r"npi|national.?provider",
        (),
        ("us",),
        chance=0.1,
    ),
    Kind(
        "US_MBI",
        "UsMbiRecognizer",
        shape(
            rb"[0-9][AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y][0-9]-?[AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y]"
            rb"[0-9]-?[AC-HJKMNP-RT-Y]{2}[0-9]{2}"
        ),
        0.6,
        0.96,
        r"mbi|medicare|beneficiary",
        (rb"\b[0-9][A-Z][0-9A-Z][0-9]-[A-Z][0-9A-Z][0-9]-[A-Z]{2}[0-9]{2}\b",),
        ("us",),
    ),
    Kind(
        "MEDICAL_LICENSE",
        "MedicalLicenseRecognizer",
        shape(rb"[A-HJ-MPR-UX][A-Z9][0-9]{7}", re.IGNORECASE),
        0.0,
        0.95,
        r"dea|medical.?licen[cs]e|prescriber|physician",
        (),
        ("us",),
        chance=0.1,
    ),
    Kind(
        "DATE_OF_BIRTH",
        "DateRecognizer",
        shape(
            rb"[0-9]{1,2}[/.-][0-9]{1,2}[/.-](?:19|20)?[0-9]{2}"
            rb"|(?:19|20)[0-9]{2}[/.-][0-9]{1,2}[/.-][0-9]{1,2}(?:T00:00:00[0-9.Z]*)?",
        ),
        0.0,
        0.93,
        _BORN,
        (),
        presidio_entity="DATE_TIME",
    ),
    Kind(  # with the month in words, which Presidio's dates are without
        "DATE_OF_BIRTH",
        "",
        shape(
            rb"[0-9]{1,2}(?:st|nd|rd|th)?[- ,.]{1,2}" + _MONTH + rb"[- ,.]{1,2}(?:19|20)[0-9]{2}"
            rb"|" + _MONTH + rb" [0-9]{1,2}(?:st|nd|rd|th)?,? (?:19|20)[0-9]{2}",
            re.IGNORECASE,
        ),
        0.0,
        0.93,
        _BORN,
    ),
)
"""Kinds found by shape or by a word. E-mail, telephone and IP have modules of their own."""
