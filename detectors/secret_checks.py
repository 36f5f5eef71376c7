"""How likely something shaped like a secret is one: checksums where there are, placeholders."""

from __future__ import annotations

import base64
import binascii
import json
import re
from zlib import crc32

_PLACEHOLDER = re.compile(
    r"x{4}|\*{3}|\.{3}|<|\$\{|\{\{|%\(|\$[A-Z_({]|%[sdA-Z]|your|change.?me|placeholder|dummy|redacted"
    r"|insert|todo|fixme|hidden|masked|filtered|sample|\A(?:n/?a|none|null|undefined|true|false)\Z"
    r"|env[.\[(]|process\.|os\.|secrets?\.|vault:|ssm:|arn:|\[|function|lambda|self\.|this\.",
    re.IGNORECASE,
)
_FILLED_IN = re.compile(
    r"xxxx|XXXX|\*{3}|(?:your|YOUR|my|MY)[-_]|example|EXAMPLE|placeholder|0{8}|12345678|\.{3}"
)
_ASSIGNMENT = re.compile(r"(?:[Pp]ass|PASS|ecret|ECRET|oken|OKEN|[Kk]ey|KEY)\w{0,20}[=:]")
_WEAK = re.compile(
    r"(?:user(?:name)?|pass(?:word|wd)?|pwd|secret|token|test|foo|bar|baz|abc|root|admin|guest|xxx)\d*\Z",
    re.IGNORECASE,
)
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def placeholder(text: str) -> bool:
    """What stands where a secret would: a variable, stars, ``your-key-here``."""
    return _PLACEHOLDER.search(text) is not None or len(set(text)) < 4


def documented(text: str) -> bool:
    """A value vendors publish as an example, which opens nothing; or a key of a test mode."""
    return "EXAMPLE" in text or text.startswith(("sk_test_", "rk_test_"))


def token(text: str) -> float:
    """A fixed prefix and length leave little doubt, unless someone filled it in by hand."""
    body = text[text.rfind("_") + 1 :] if "_" in text[:12] else text
    return 0.3 if _FILLED_IN.search(body) or len(set(body)) < 8 else 0.95


def aws_secret(text: str) -> float:
    """Forty characters of base64: small and capital letters and digits, unlike a hash in hex."""
    kinds = (
        any("a" <= c <= "z" for c in text),
        any("A" <= c <= "Z" for c in text),
        any(c.isdigit() for c in text),
    )
    return 0.95 if all(kinds) and len(set(text)) >= 16 else 0.0


def github(text: str) -> float:
    """The last six characters are the CRC-32 of the others, in base 62; npm's are made alike."""
    body, check = text[4:34], text[34:]
    value, wanted = crc32(body.encode()), ""
    for _ in range(6):
        value, digit = divmod(value, 62)
        wanted = _BASE62[digit] + wanted
    if check == wanted:
        return 0.99
    return 0.3 if len(set(body)) < 8 else 0.88


_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def age(text: str) -> float:
    """An age key is Bech32 (BIP 173), whose last six characters are a checksum."""
    return 0.99 if bech32(text.lower()) == 1 else 0.2


def bech32(text: str) -> int:
    """The residue of a text: 1 when its checksum is right."""
    prefix, _, data = text.rpartition("1")
    values = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    check = 1
    for value in values + [_BECH32.find(c) for c in data]:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for i, term in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= term if top >> i & 1 else 0
    return check


def discord(text: str) -> float:
    """Its first part is the number of the bot, in base64."""
    try:
        number = base64.b64decode(text.partition(".")[0] + "==", altchars=b"-_")
    except (ValueError, binascii.Error):
        return 0.0
    return 0.95 if number.isdigit() and len(number) >= 17 else 0.3


def private_key(text: str) -> float:
    """A header alone is a word in a program; with something of the body behind it, a key."""
    body = re.split(r"-----\s*|----\s*|PuTTY-User-Key-File-\d: \S+", text, maxsplit=2)[-1]
    return 0.97 if re.search(r"[A-Za-z0-9+/]{16}", body) else 0.4


def password_of_url(text: str) -> float:
    if placeholder(text) or _WEAK.match(text):
        return 0.35
    if text.isdigit() and len(text) < 6:
        return 0.3  # host:port@ ... of a path, not a password
    return 0.92


def basic(text: str) -> float:
    """User and password of an ``Authorization: Basic`` header, in base64."""
    try:
        user, _, password = base64.b64decode(text, validate=True).decode("utf-8").partition(":")
    except (ValueError, binascii.Error):
        return 0.0
    return password_of_url(password) if password and user.isprintable() else 0.0


def jwt(text: str) -> float:
    """Header and payload are JSON, as far as they are in sight, and the header names an
    algorithm."""
    parts = text.split(".")
    header = _json(parts[0])
    if not isinstance(header, dict) or "alg" not in header:
        return 0.0
    if len(parts) > 2 and not isinstance(_json(parts[1]), dict):
        return 0.0
    return 0.95 if len(parts) > 2 and len(parts[2]) >= 8 else 0.7


def _json(part: str) -> object:
    try:
        return json.loads(base64.urlsafe_b64decode(part.rstrip("=") + "=" * (-len(part) % 4)))
    except (ValueError, binascii.Error):
        return None


def keyword(name: str, value: str, quoted: bool, assigned: bool) -> float:
    """A value behind ``password``, ``secret`` ...: from its strength and how it is written.

    ``assigned`` means ``=``-like signs rather than a colon in running text.
    """
    if _ASSIGNMENT.search(value):
        return 0.0  # the next assignment, not a value
    if placeholder(value) or _WEAK.match(value) or " " in value.strip():
        return 0.0
    if re.match(r"[/~.]|[A-Za-z]:\\|https?:", value) and "+" not in value:
        return 0.0  # a path
    letters = any(c.isalpha() for c in value)
    digits = any(c.isdigit() for c in value)
    signs = any(not c.isalnum() for c in value)
    lower = name.lower()
    if re.search(
        r"(?:id|name|type|expir\w*|length|len|count|policy|hash|file|path|url|uri|ttl)\Z", lower
    ):
        return 0.0
    if "token" in lower and not re.search(r"(?:auth|access|api|bearer|refresh|secret|bot)", lower):
        strong = letters and digits and len(value) >= 20
        return 0.6 if strong else 0.0
    strong = (letters and digits and len(value) >= 8) or (letters and signs and len(value) >= 10)
    if re.fullmatch(
        r"[a-z]+(?:-[a-z]+)+|[\w.]+\(.*|[a-z]+(?:[._][a-z_]+)+|[A-Z][a-z]+(?:[A-Z][a-z]+)+", value
    ):
        return 0.0  # a call, an attribute, a class
    if strong:
        return 0.88 if quoted or assigned else 0.82
    return 0.4 if quoted or assigned else 0.0


FORTY = re.compile(rb"(?<![A-Za-z0-9/+])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])")
"""what an AWS secret key looks like"""
CELL = re.compile(rb"(?<=[\t,;|\n\"])[^\t,;|\n\"\s]{6,160}(?=[\t,;|\n\"\r])")
"""a value in a delimited line"""
