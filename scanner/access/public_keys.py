"""The public keys that CloudTrail's digests are signed with: RSA, PKCS #1 v1.5, SHA-256.

Given in a file, as ``aws cloudtrail list-public-keys`` prints it, or asked of the account (needs
cloudtrail:ListPublicKeys). A signature is checked the strict way: the whole block that a good one
must hold is made and compared, so that there is no padding to be lenient about.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from detectors.records import dataclass
from scanner.contracts import OpenFiles, Source
from scanner.errors import Unreadable

_LARGEST = 4 << 20
_SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")
"""the DigestInfo of SHA-256, before the hash (RFC 8017, 9.2)"""
_BITS = range(1024, 8193)


@dataclass(frozen=True, slots=True)
class PublicKey:
    fingerprint: str
    modulus: int
    exponent: int

    def verifies(self, signature: str, data: bytes) -> bool:
        """Whether ``signature``, in hexadecimal, is one of ``data``."""
        size = (self.modulus.bit_length() + 7) // 8
        try:
            given = bytes.fromhex(signature)
        except ValueError:
            return False
        number = int.from_bytes(given, "big")
        if len(given) != size or number >= self.modulus:
            return False
        block = pow(number, self.exponent, self.modulus).to_bytes(size, "big")
        told = _SHA256 + hashlib.sha256(data).digest()
        return block == b"\x00\x01" + b"\xff" * (size - 3 - len(told)) + b"\x00" + told


class BadKeys(ValueError):
    """The document is not one of keys; the message says what was expected."""


def from_document(document: Any) -> Iterator[PublicKey]:
    """The keys of what ``list-public-keys`` prints. Raises ``BadKeys``."""
    listed = document.get("PublicKeyList") if isinstance(document, Mapping) else None
    if not isinstance(listed, list):
        raise BadKeys("expected the list PublicKeyList that list-public-keys prints")
    for each in listed:
        value = each.get("Value") if isinstance(each, Mapping) else None
        try:
            data = (
                value if isinstance(value, bytes) else base64.b64decode(value or "", validate=True)
            )
            yield _key(str(each.get("Fingerprint", "")), data)
        except (ValueError, TypeError, IndexError, AttributeError, binascii.Error):
            raise BadKeys("expected RSA public keys in PublicKeyList") from None


def _key(fingerprint: str, data: bytes) -> PublicKey:
    """A key in the DER form of PKCS #1: a sequence of modulus and exponent."""
    tag, inside, rest = _der(data)
    if tag != 0x30 or rest:
        raise ValueError
    first, modulus, inside = _der(inside)
    second, exponent, inside = _der(inside)
    if (first, second) != (2, 2) or inside:
        raise ValueError
    key = PublicKey(fingerprint, int.from_bytes(modulus, "big"), int.from_bytes(exponent, "big"))
    if key.modulus.bit_length() not in _BITS or not 2 < key.exponent < 1 << 33:
        raise ValueError
    return key


def _der(data: bytes) -> tuple[int, bytes, bytes]:
    """Tag and content of the first element, and what follows it. Raises ``IndexError``."""
    tag, length, start = data[0], data[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[2:start], "big")
    if start + length > len(data):
        raise ValueError
    return tag, data[start : start + length], data[start + length :]


def from_file(uri: str, open_files: OpenFiles) -> tuple[list[PublicKey] | None, list[str]]:
    """Keys out of a file, and what is wrong with it. Never raises."""
    try:
        for _, source in open_files(uri):
            if isinstance(source, Source):
                return list(from_document(msgspec.json.decode(source.file.read(_LARGEST)))), []
    except (Unreadable, OSError) as error:
        reason = error.reason if isinstance(error, Unreadable) else type(error).__name__
        return None, [f"the file of public keys could not be read ({reason})"]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None, ["the file of public keys is not JSON"]
    except BadKeys as error:
        return None, [f"the file of public keys could not be understood ({error})"]
    return None, ["the file of public keys does not exist"]


def look_up(
    settings: Mapping[str, Any], regions: Sequence[str], window: tuple[datetime, datetime]
) -> tuple[list[PublicKey] | None, list[str]]:
    """Asks the account, in each region that wrote digests: every one has its own keys. Never
    raises."""
    import boto3.session
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    keys: list[PublicKey] = []
    try:
        session = boto3.session.Session(profile_name=settings.get("profile"))
        for region in regions:
            config = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 3})
            client = session.client("cloudtrail", region_name=region, config=config)
            more: dict[str, Any] = {"StartTime": window[0], "EndTime": window[1]}
            for _ in range(100):
                answer = client.list_public_keys(**more)
                keys.extend(from_document(answer))
                if not answer.get("NextToken"):
                    break
                more["NextToken"] = answer["NextToken"]
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        code = code if re.fullmatch(r"[A-Za-z.]{1,64}", code) else "refused"
        return None, [f"CloudTrail could not be asked for its public keys ({code})"]
    except (BotoCoreError, BadKeys) as error:
        kind = type(error).__name__
        return None, [f"CloudTrail could not be asked for its public keys ({kind})"]
    return keys, []
