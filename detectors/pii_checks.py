"""Cheap exact tests, said to agree with Presidio's recognisers: for values that come in masses.

A test of ``tests/detectors`` compares each with the recogniser it stands for.
"""

from __future__ import annotations

import re

from detectors import luhn

SAMPLE_SSN = frozenset({"123456789", "987654320", "078051120"})
_ITIN = re.compile(r"9\d\d(?:5\d|6[0-5]|7\d|8[0-8]|9[0-24-9])\d{4}\Z")


def digits(text: str) -> str:
    return "".join(char for char in text if "0" <= char <= "9")


def ssn(text: str) -> bool:
    """Rules of the SSA: no 000, 666 or 9xx area, no group 00, no serial 0000; no sample number."""
    number = digits(text)
    return (
        len(number) == 9
        and number[:3] not in ("000", "666")
        and number[0] != "9"
        and number[3:5] != "00"
        and number[5:] != "0000"
        and len(set(number)) > 1
        and number not in SAMPLE_SSN
    )


def itin(text: str) -> bool:
    return _ITIN.match(digits(text)) is not None


def iban(text: str) -> bool:
    """ISO 13616: the length of the country, and 97 divides it with a remainder of 1."""
    code = text.replace(" ", "").upper()
    if IBAN_LENGTHS.get(code[:2]) != len(code):
        return False
    number = "".join(str(int(char, 36)) for char in code[4:] + code[:4])
    return int(number) % 97 == 1


def iban_length(text: str) -> int:
    """Characters of the IBAN at the start of ``text``, spaces between counted; 0 for none."""
    wanted = IBAN_LENGTHS.get(text[:2].upper(), 0)
    for index, char in enumerate(text):
        wanted -= char != " "
        if wanted == 0:
            return index + 1 if text[index + 1 : index + 2] in ("", " ") else 0
    return 0


def mac(text: str) -> bool:
    """Neither nobody (all zero) nor everybody (all ones)."""
    plain = text.replace("-", ":").lower()
    return plain not in ("00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff")


def luhn_digits(text: str) -> bool:
    return luhn.valid(digits(text))


def nric(text: str) -> bool:
    """Singapore's check letter (series M: since 2022)."""
    series = text[0]
    if series not in "STFGM" or not text[1:8].isdigit():
        return False
    total = sum(int(d) * w for d, w in zip(text[1:8], (2, 7, 6, 5, 4, 3, 2), strict=True))
    total += {"T": 4, "G": 4, "M": 3}.get(series, 0)
    if series == "M":
        return "KLJNPQRTUWX"[10 - total % 11] == text[8]
    letters = "JZIHGFEDCBA" if series in "ST" else "XWUTRQPNMLK"
    return letters[total % 11] == text[8]


_ODD = dict(
    zip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3,
         6, 8, 12, 14, 16, 10, 22, 25, 24, 23),
        strict=True)
)  # fmt: skip


def fiscal_code(text: str) -> bool:
    """The last letter of an Italian fiscal code checks the others. Presidio lets a wrong one pass,
    with less confidence."""
    code = text.upper()
    total = sum(_ODD[char] for char in code[:15:2])
    total += sum(int(char) if char.isdigit() else ord(char) - 65 for char in code[1:15:2])
    return chr(65 + total % 26) == code[15]


IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22,
    "BI": 27, "BR": 29, "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27,
    "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27,
    "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HN": 28, "HR": 21, "HU": 28,
    "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28,
    "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22,
    "MK": 19, "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18, "NO": 15, "OM": 23,
    "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24,
    "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25, "SV": 28,
    "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20, "YE": 30,
}  # fmt: skip
"""lengths by country, of SWIFT's IBAN registry, release 97"""
