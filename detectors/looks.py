"""What a value looks like when it is no finding: a hash, a token, ciphertext, a number cut short.

By length, alphabet and check digit alone. A look is never a proof: whether a hash is keyed, or a
token opens nothing, cannot be seen from outside. Applied to a sample of the cells of a table.
"""

from __future__ import annotations

import math
import re

from detectors import iin, luhn
from detectors.words import key_weight

_HEX = re.compile(rb"(?:0x|\\x)?([0-9a-fA-F]{32,})")
_DIGESTS = {32: "MD5", 40: "SHA-1", 56: "SHA-224", 64: "SHA-256", 96: "SHA-384", 128: "SHA-512"}
_BASE64 = re.compile(rb"[A-Za-z0-9+/_\-]{22,}={0,2}")
_BASE64_DIGESTS = {28: "SHA-1", 44: "SHA-256", 88: "SHA-512"}
_PASSWORD = re.compile(rb"\$(?:2[abxy]|argon2(?:id?|d)|5|6|y|pbkdf2[a-z0-9\-]*|scrypt)\$")
_CIPHER = re.compile(
    rb"gAAAAA[A-Za-z0-9_\-]|AQICAH[A-Za-z0-9+/]|vault:v[0-9]+:|-----BEGIN PGP MESSAGE"
    rb"|ENC\[|\$ANSIBLE_VAULT|\{cipher\}|U2FsdGVkX1|eyJ[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]*\.[A-Za-z0-9_\-]+\."
)
_TOKEN = re.compile(rb"(?i:tok|token|tkn|vlt|vault|card|pm|src|cus|pay|ct)[_\-][A-Za-z0-9_\-]{6,}")
_UUID = re.compile(rb"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_DIGITS = re.compile(rb"[0-9](?:[ \-]?[0-9]){3,18}")

HASH, PASSWORD, CIPHERTEXT, TOKEN, UUID = "hash", "password-hash", "ciphertext", "token", "uuid"
NUMBER, FIRST, LAST = "card-length-number", "first-digits", "last-four"
OTHER = "other"
_MOST = 4096


def look(value: bytes) -> tuple[str, str]:
    """Kind of look and a detail of it (``SHA-256`` ...). ``OTHER`` for nothing in particular."""
    size = len(value)
    if size < 4 or size > _MOST:
        return OTHER, ""
    digits = _DIGITS.fullmatch(value)
    if digits:
        return _number(value)
    if size < 10:
        return OTHER, ""
    if _CIPHER.match(value):
        return CIPHERTEXT, ""
    if _PASSWORD.match(value):
        return PASSWORD, ""
    if _UUID.fullmatch(value):
        return UUID, ""
    if _TOKEN.fullmatch(value) and any(48 <= char < 58 for char in value):
        return TOKEN, "prefix"
    packed = _HEX.fullmatch(value)
    if packed:
        length = len(packed[1])
        if length in _DIGESTS:
            return HASH, _DIGESTS[length]
        return (CIPHERTEXT, "") if length % 32 == 0 else (OTHER, "")
    if _BASE64.fullmatch(value):
        return _base64(value)
    return (CIPHERTEXT, "") if size >= 16 and _random(value) else (OTHER, "")


def _number(value: bytes) -> tuple[str, str]:
    """Digits: of the length of a card, or of a part that a truncation leaves."""
    digits = re.sub(rb"[^0-9]", b"", value).decode("ascii")
    if len(digits) in (6, 8):
        return (FIRST, "") if iin.prefix_brands(digits) else (OTHER, "")
    if len(digits) == 4:
        return LAST, ""
    if not 13 <= len(digits) <= 19:
        return OTHER, ""
    if not iin.brands(digits):
        return NUMBER, "not issued"
    return NUMBER, "good check digit" if luhn.valid(digits) else "wrong check digit"


def _base64(value: bytes) -> tuple[str, str]:
    padded = value.endswith(b"=")
    mixed = (
        re.search(rb"[0-9]", value) and re.search(rb"[A-Z]", value) and re.search(rb"[a-z]", value)
    )
    if not mixed:
        return OTHER, ""
    if padded and len(value) in _BASE64_DIGESTS:
        return HASH, _BASE64_DIGESTS[len(value)]
    bare = len(value.rstrip(b"=")) * 3 // 4
    blocks = bare >= 16 and (bare % 16 == 0 or bare >= 28)
    return (CIPHERTEXT, "") if blocks and (padded or bare >= 28) else (OTHER, "")


def _random(value: bytes) -> bool:
    """Bytes that are no text: many of them above ASCII or controls, spread evenly."""
    odd = sum(char < 9 or 13 < char < 32 or char > 126 for char in value)
    if odd * 3 < len(value):
        return False
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        counts = [value.count(char) for char in set(value)]
        entropy = -sum(n / len(value) * math.log2(n / len(value)) for n in counts)
        return entropy > 0.8 * math.log2(min(256, len(value)))
    return False


def speaks_of_cards(name: str) -> bool:
    """Whether the name of a column or key says that a card, or what became of one, is in it."""
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])|[\W_]+", " ", name).casefold()
    return key_weight(name) >= 4 or (bool(_ABOUT.search(plain)) and not _ELSE.search(plain))


_ABOUT = re.compile(
    r"\b(?:pans?|cards?|ccn?|creditcard|cardnumber|cardno|bin|iin|last ?4|last ?four|first ?6"
    r"|[df]pan|karte|carte|tarjeta|cartao|tokens?)\b"
)
_ELSE = re.compile(r"\b(?:session|auth|access|refresh|csrf|xsrf|api|reset|push|bearer|id card)\b")
