"""Digests: what is missing, changed or put there shows, and only that."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import example, given
from hypothesis import strategies as st

from scanner.access import digests, kept_digests, public_keys
from scanner.access.cloudtrail import EVIDENCE
from scanner.access.digests import Checked, Digest
from scanner.access.public_keys import BadKeys, PublicKey, from_document
from scanner.model import Coverage, Evidence, Problem, Store
from scanner.seal import Sealer
from tests.access.trails import EVERYTHING, OWNER, delivered, event, management, opener

HOUR = timedelta(hours=1)
START = datetime(2026, 3, 1, tzinfo=UTC)
WINDOW = (START, START + 8 * HOUR)
PRIVATE = rsa.generate_private_key(65537, 2048)
OTHER = rsa.generate_private_key(65537, 2048)


def listed(key: rsa.RSAPrivateKey, fingerprint: str = "f0") -> dict[str, Any]:
    der = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.PKCS1
    )
    return {
        "PublicKeyList": [{"Value": base64.b64encode(der).decode(), "Fingerprint": fingerprint}]
    }


KEYS = list(from_document(listed(PRIVATE)))


def log_name(when: datetime, number: int = 0) -> str:
    return f"{OWNER}_CloudTrail_eu-west-1_{when:%Y%m%dT%H%M}Z_{number:016x}.json.gz"


@dataclass
class Trail:
    """Log files and digests of eight hours, as CloudTrail would have made them."""

    logs: dict[str, bytes] = field(default_factory=dict)
    digests: list[bytes] = field(default_factory=list)
    signatures: list[str] = field(default_factory=list)
    region: str = "eu-west-1"

    def hour(
        self,
        number: int,
        key: rsa.RSAPrivateKey = PRIVATE,
        logs: Mapping[str, bytes] | None = None,
    ) -> None:
        start = START + number * HOUR
        names = [log_name(start + timedelta(minutes=m), m) for m in (5, 35)]
        made = {name: name.encode() for name in names} if logs is None else logs
        files = {name: made[name] for name in names if name in made}
        self.logs |= files
        end = start + HOUR
        name = f"{OWNER}_CloudTrail-Digest_{self.region}_main_{self.region}_{end:%Y%m%dT%H%M%SZ}"
        before = json.loads(self.digests[-1]) if self.digests else {}
        document = {
            "awsAccountId": OWNER,
            "digestStartTime": f"{start:%Y-%m-%dT%H:%M:%SZ}",
            "digestEndTime": f"{end:%Y-%m-%dT%H:%M:%SZ}",
            "digestS3Bucket": "trail",
            "digestS3Object": f"AWSLogs/{OWNER}/CloudTrail-Digest/{self.region}/{end:%Y/%m/%d}/"
            f"{name}.json.gz",
            "digestPublicKeyFingerprint": "f0",
            "digestSignatureAlgorithm": "SHA256withRSA",
            "previousDigestS3Bucket": before.get("digestS3Bucket"),
            "previousDigestS3Object": before.get("digestS3Object"),
            "previousDigestHashValue": (before and hashlib.sha256(self.digests[-1]).hexdigest())
            or None,
            "previousDigestHashAlgorithm": "SHA-256",
            "previousDigestSignature": self.signatures[-1] if before else None,
            "logFiles": [
                {
                    "s3Bucket": "trail",
                    "s3Object": f"AWSLogs/{OWNER}/CloudTrail/{name}",
                    "hashValue": hashlib.sha256(data).hexdigest(),
                    "hashAlgorithm": "SHA-256",
                    "oldestEventTime": f"{start:%Y-%m-%dT%H:%M:%SZ}",
                    "newestEventTime": f"{end:%Y-%m-%dT%H:%M:%SZ}",
                }
                for name, data in files.items()
            ],
        }
        data = json.dumps(document).encode()
        # by the words of the manual, apart from our own code
        told = (
            f"{document['digestEndTime']}\ntrail/{document['digestS3Object']}\n"
            f"{hashlib.sha256(data).hexdigest()}\n{document['previousDigestSignature'] or 'null'}"
        )
        self.digests.append(data)
        self.signatures.append(key.sign(told.encode(), padding.PKCS1v15(), hashes.SHA256()).hex())

    def check(
        self, keys: list[PublicKey] | None = KEYS, window: Any = WINDOW, **more: Any
    ) -> Checked:
        made = [digests.parse(data) for data in self.digests]
        assert all(made)
        hashed = {name: hashlib.sha256(data).hexdigest() for name, data in self.logs.items()}
        return digests.check([each for each in made if each], hashed, window, keys, **more)


def trail(hours: int = 8) -> Trail:
    made = Trail()
    for number in range(hours):
        made.hour(number)
    return made


def test_a_whole_chain_is_said_to_be_whole() -> None:
    found = trail().check()
    assert found.causes == []
    assert found.remarks == [
        "16 log files match the hashes in 8 digests of 2026-03-01 00:00 UTC to 2026-03-01 08:00"
        " UTC; 7 signatures checked, 1 not to be had (the newest digest's stands on S3 only)"
    ]


def test_the_newest_signature_is_checked_where_it_could_be_had() -> None:
    made = trail()
    last = digests.parse(made.digests[-1])
    assert last is not None
    name = last.place.rpartition("/")[2]
    good = made.check(signatures={name: made.signatures[-1]})
    assert good.causes == [] and "8 signatures checked" in good.remarks[0]
    bad = made.check(signatures={name: made.signatures[-2]})
    assert "1 digest is not signed by CloudTrail" in bad.causes[0]


def test_without_keys_it_is_said_that_signatures_were_not_checked() -> None:
    found = trail().check(keys=None)
    assert found.causes == []
    assert "hashes checked, signatures not (give the public keys" in found.remarks[0]


def _lose_a_log(made: Trail) -> None:
    del made.logs[log_name(START + 3 * HOUR + timedelta(minutes=5), 5)]


def _change_a_log(made: Trail) -> None:
    made.logs[log_name(START + 3 * HOUR + timedelta(minutes=5), 5)] += b" "


def _add_a_log(made: Trail) -> None:
    made.logs[log_name(START + 4 * HOUR, 99)] = b"forged"


def _lose_a_digest(made: Trail) -> None:
    del made.digests[3]


def _change_a_digest(made: Trail) -> None:
    """A log is taken out, and its digest made to fit."""
    document = json.loads(made.digests[3])
    name = document["logFiles"].pop()["s3Object"].rpartition("/")[2]
    del made.logs[name]
    made.digests[3] = json.dumps(document).encode()


def _forge_from_here(made: Trail) -> None:
    """All hashes are made to fit, but nobody has the key."""
    del made.digests[3:], made.signatures[3:]
    for number in range(3, 8):
        made.hour(number, OTHER)


def _begin_anew(made: Trail) -> None:
    document = json.loads(made.digests[3])
    for name in document:
        if name.startswith("previous"):
            document[name] = None
    made.digests[3] = json.dumps(document).encode()


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (_lose_a_log, "1 log file that digests name is not here"),
        (_change_a_log, "1 log file is not as CloudTrail delivered it"),
        (_add_a_log, "1 log file is in no digest of the time"),
        (_lose_a_digest, "digests are missing before 2026-03-01 04:00 UTC"),
        (_change_a_digest, "1 digest was changed"),
        (_forge_from_here, "4 digests are not signed by CloudTrail"),
        (_begin_anew, "begins anew at 2026-03-01 03:00 UTC"),
    ],
)
def test_each_harm_is_named(harm: Callable[[Trail], None], words: str) -> None:
    made = trail()
    harm(made)
    found = made.check()
    assert any(words in cause for cause in found.causes), found


def test_what_lies_outside_the_window_is_not_missed() -> None:
    made = trail()
    made.logs.clear()
    made.digests = made.digests[4:]
    window = (START + 6 * HOUR + timedelta(minutes=1), START + 8 * HOUR)
    found = made.check(window=window)
    assert found.causes[0].startswith("4 log files that digests name are not here")
    assert "are missing before" not in " ".join(found.causes)
    assert digests.check([], {}, WINDOW, KEYS) == Checked()


def test_log_files_of_times_without_digests_are_not_called_strange() -> None:
    made = trail(3)
    made.logs[log_name(START - 6 * HOUR)] = b""
    found = made.check()
    assert found.causes == []
    assert "1 log file is of times without digests" in found.remarks[0]


def test_digests_that_end_before_the_log_files_do() -> None:
    made = trail()
    whole = dict(made.logs)
    for number in (7, 6, 5, 4):
        del made.digests[number], made.signatures[number]
    (cause,) = made.check().causes
    assert cause.startswith("digests end at 2026-03-01 04:00 UTC, and 4 log files are of later")
    # the newest digest is not there yet
    made = trail()
    made.logs = whole
    del made.digests[-1], made.signatures[-1]
    assert made.check().causes == []


def test_names_in_sentences_are_ones_that_cloudtrail_gives() -> None:
    made = trail()
    document = json.loads(made.digests[-1])
    document["logFiles"][0]["s3Object"] = "x/4111111111111111 <b>"
    made.digests[-1] = json.dumps(document).encode()
    assert "4111" not in repr(made.check().causes)


def test_a_key_that_is_not_given_and_one_that_does_not_fit() -> None:
    strangers = list(from_document(listed(OTHER, "07")))
    found = trail().check(keys=strangers)
    assert found.causes[0].startswith("7 digests name a public key that is not among those given")
    posing = list(from_document(listed(OTHER, "f0")))
    assert "7 digests are not signed" in trail().check(keys=posing).causes[0]


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b"\xff", b'{"Records": []}', b"[" * 100_000, b"null"],
)
def test_what_is_no_digest(data: bytes) -> None:
    assert digests.parse(data) is None


def test_a_digest_with_values_that_can_not_be() -> None:
    (data,) = trail(1).digests
    for wrong in ({"digestEndTime": "x"}, {"digestStartTime": 3}, {"logFiles": [{"s3Object": 1}]}):
        assert digests.parse(json.dumps({**json.loads(data), **wrong}).encode()) is None
    document = json.loads(data)
    document["logFiles"][0]["hashValue"] = "x"
    assert digests.parse(json.dumps(document).encode()) is None


# --- with the trail -------------------------------------------------------------------------------


def collected(made: Trail, *, lost: str = "", changed: str = "", **more: Any) -> Evidence:
    """The answer over the files of a trail, all of whose log files hold events."""
    folder: dict[str, Any] = {}
    for number, name in enumerate(made.logs):
        at = digests.delivered(name)
        assert at is not None
        minute = (at - START) / timedelta(minutes=1) - 4
        if name != lost:
            records = [management(minute=minute), event(key=str(number), minute=minute)]
            folder[f"AWSLogs/x/{name}"] = text = delivered(*records)
            made.logs[name] = gzip.decompress(text)
        if name == changed:
            folder[f"AWSLogs/x/{name}"] = delivered(event())
    again = Trail()
    for number in range(8):
        again.hour(number, logs=made.logs)
    for data in again.digests:
        name = json.loads(data)["digestS3Object"].rpartition("/")[2]
        folder[f"AWSLogs/x/{name}"] = gzip.compress(data)
    folder["_keys.json"] = json.dumps(listed(PRIVATE)).encode()
    folder["_selectors.json"] = json.dumps(EVERYTHING).encode()
    found = EVIDENCE.collect(
        {"uri": "folder", "selectors": "_selectors.json", **more},
        opener(folder),
        [Store("s3://pay", "s3")],
        WINDOW,
        Sealer(b"k" * 32).name,
    )
    return found["s3://pay"].evidence


def test_a_trail_with_digests_is_complete_and_says_so() -> None:
    evidence = collected(trail(), public_keys="_keys.json")
    assert evidence.coverage is Coverage.COMPLETE, evidence.detail
    assert "16 log files match the hashes in 8 digests" in evidence.detail
    assert "7 signatures checked" in evidence.detail
    assert "hashes checked, signatures not" in collected(trail()).detail


def test_digests_tell_a_quiet_hour_from_a_lost_file() -> None:
    """Of the last two hours before the end files may still come into digests."""
    for quiet, coverage in ((2, Coverage.COMPLETE), (6, Coverage.PARTIAL)):
        made = trail()
        for minute in (5, 35):
            del made.logs[log_name(START + quiet * HOUR + timedelta(minutes=minute), minute)]
        evidence = collected(made)
        assert evidence.coverage is coverage, evidence.detail
        assert ("no record of any kind in 1 hour" in evidence.detail) == (quiet == 6)
        # digests that are not whole prove nothing
        (lost, *_) = made.logs
        assert "no record of any kind in 1 hour" in collected(made, changed=lost).detail


def test_a_trail_that_was_tampered_with_is_not_complete() -> None:
    made = trail()
    first, second, *_ = made.logs
    evidence = collected(made, changed=second)
    assert evidence.coverage is Coverage.PARTIAL
    assert f"1 log file is not as CloudTrail delivered it ({second})" in evidence.detail
    evidence = collected(trail(), lost=first)
    assert evidence.coverage is Coverage.PARTIAL
    assert f"1 log file that digests name is not here ({first})" in evidence.detail


def _sealed_alike(text: str) -> bool:
    return Sealer(b"k" * 32).name(text) == text


NUMBERS = st.tuples(
    st.from_regex(r"[0-9]{12}", fullmatch=True),
    st.sampled_from(["us-east-1", "eu-west-3", "ap-southeast-2"]),
    st.datetimes(datetime(2024, 1, 1), datetime(2029, 12, 31)),
)


@given(NUMBERS)
@example(("123456789012", "us-east-1", datetime(2026, 11, 20)))
@example(("509912345673", "us-east-1", datetime(2026, 11, 20)))
def test_names_of_cloudtrail_are_kept_as_they_are(made: tuple[str, str, datetime]) -> None:
    """Folders of days and an account next to each other look like a card number now and then."""
    account, region, day = made
    place = (
        f"trail/AWSLogs/o-a1b2c3d4e5/{account}/CloudTrail-Digest/{region}/{day:%Y/%m/%d}/"
        f"{account}_CloudTrail-Digest_{region}_main_{region}_{day:%Y%m%dT%H%M%SZ}.json.gz"
    )
    log = f"{account}_CloudTrail_{region}_{day:%Y%m%dT%H%M}Z_abcdefghijklmnop.json.gz"
    seal = Sealer(b"k" * 32).name
    for name in (place, log, "anything else", ""):
        assert kept_digests.shown(seal(kept_digests.hidden(name))) == name


def test_a_card_number_in_a_name_is_sealed_all_the_same() -> None:
    assert not _sealed_alike("1/2026/11/20/123456789012"), "the example is none"
    seal = Sealer(b"k" * 32).name
    for name in ("4012888888881881/CloudTrail-Digest/", "a/4012888888881881_CloudTrail_x"):
        assert "4012888888881881" not in kept_digests.shown(seal(kept_digests.hidden(name)))


def test_a_digest_that_is_damaged_is_a_broken_file() -> None:
    name = f"{OWNER}_CloudTrail-Digest_eu-west-1_main_eu-west-1_20260301T010000Z.json.gz"
    for data in (b"{}", gzip.compress(b"x" * 1000)[:40], b""):
        found = EVIDENCE.collect(
            {"uri": "folder"}, opener({name: data}), [Store("s3://pay", "s3")], WINDOW, str
        )
        assert "1 file is cut off or corrupt" in found["s3://pay"].evidence.detail


# --- signatures -----------------------------------------------------------------------------------


def test_only_the_one_signature_verifies() -> None:
    (key,) = KEYS
    data = b"text"
    good = PRIVATE.sign(data, padding.PKCS1v15(), hashes.SHA256()).hex()
    assert key.verifies(good, data)
    assert not key.verifies(good, b"07")
    assert not key.verifies(good + "00", data)
    assert not key.verifies("00" + good, data)
    assert not key.verifies(good[:-2], data)
    assert not key.verifies("zz", data) and not key.verifies("", data)
    assert not key.verifies(PRIVATE.sign(data, padding.PKCS1v15(), hashes.SHA1()).hex(), data)
    assert not key.verifies(OTHER.sign(data, padding.PKCS1v15(), hashes.SHA256()).hex(), data)
    grown = int(good, 16) + key.modulus
    assert not key.verifies(f"{grown:0{len(good)}x}", data)


@pytest.mark.parametrize(
    "document",
    [
        None,
        {},
        {"PublicKeyList": 3},
        {"PublicKeyList": [3]},
        {"PublicKeyList": [{"Value": "?"}]},
        {"PublicKeyList": [{"Value": ""}]},
        {
            "PublicKeyList": [
                {"Value": base64.b64encode(b"\x30\x06\x02\x01\x05\x02\x01\x03").decode()}
            ]
        },
        {"PublicKeyList": [{"Value": base64.b64encode(b"\x30\xff\x02").decode()}]},
    ],
)
def test_documents_that_are_no_keys(document: Any) -> None:
    with pytest.raises(BadKeys, match="expected"):
        list(from_document(document))


def test_a_file_of_keys() -> None:
    files: dict[str, Any] = {
        "good": json.dumps(listed(PRIVATE)).encode(),
        "bad": b"{}",
        "text": b"\xff",
        "denied": Problem("access-denied"),
    }
    assert public_keys.from_file("good", opener(files)) == (KEYS, [])
    for name, words in (
        ("bad", "could not be understood"),
        ("text", "is not JSON"),
        ("denied", "does not exist"),
        ("none", "does not exist"),
    ):
        keys, (cause,) = public_keys.from_file(name, opener(files))
        assert keys is None and words in cause


def test_the_parsed_digest() -> None:
    found = digests.parse(trail(2).digests[1])
    assert isinstance(found, Digest)
    assert (found.account, found.region) == (OWNER, "eu-west-1")
    assert found.chain == f"{OWNER}_CloudTrail-Digest_eu-west-1_main_eu-west-1"
