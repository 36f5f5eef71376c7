"""Secrets: what is found, what is left alone, and that a cut changes nothing."""

from __future__ import annotations

import base64
import json
import random
import string
import time

import pytest

import detectors
from detectors import secret_checks, secrets
from detectors.base import AFTER, BEFORE, CONFIRMED, NoHints, State
from tests.examples import seeds
from tools.planted_secrets import PLACES, kinds

DICE = random.Random(7)
MAKERS = kinds(DICE)
LETTERS = string.ascii_letters + string.digits


def find(text: str, at_least: float = CONFIRMED) -> list[str]:
    found = detectors.find(text.encode(), using=[secrets.DETECTOR], at_least=at_least)
    return [match.entity for match in found]


@pytest.mark.parametrize("example", secrets.DETECTOR.examples, ids=lambda e: e.entity)
def test_examples(example: detectors.base.Example) -> None:
    (match,) = detectors.find(example.data, using=[secrets.DETECTOR], at_least=CONFIRMED)
    assert (match.entity, match.state) == (example.entity, example.state)
    value = secrets.DETECTOR.value(example.data, match)
    assert (value.text, value.pan) == (example.value, None)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", MAKERS)
def test_found_wherever_it_is_written(kind: str, place: str) -> None:
    names = {"aws secret": "aws_secret_access_key", "password": "db_password"}
    for _ in range(5):
        line = PLACES[place][1](names.get(kind, "its_value"), MAKERS[kind]())
        assert find(line), line


@pytest.mark.parametrize(
    "text",
    [
        'password = os.environ["DB_PASSWORD"]',
        "password: ${DB_PASSWORD}",
        "password=********",
        'api_key = "your-api-key-here"',
        "token = get_token(request)",
        "secret: null",
        "password authentication failed for user bob",
        "no password for user1 at 10.0.0.5:5432",
        "https://host.example:8443/path@v2",
        "git+ssh://git@github.com/acme/tool",
        "postgres://user:password@localhost/db",
        "http://[::1]:8080/@scope/pkg",
        "sha1 3f786850e387550fdab836ed7e6dc881de23001b",
        "AKIA in a sentence, and ghp_ too, and SG. and xoxb-",
        "-----BEGIN PUBLIC KEY-----\\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIB",
        "-----BEGIN CERTIFICATE-----",
        "const HEADER = '-----BEGIN RSA PRIVATE KEY-----';",
        "eyJhbGciOi not a token. eyJ.eyJ",
        '"secret":"myapp-pg-cluster-ca"',
        "secret_name=production/db/main1",
        "next_token=abcdef123456",
        "arn:aws:secretsmanager:us-east-1:123123123123:secret:prod-db-1a2b3c",
    ],
)
def test_left_alone(text: str) -> None:
    assert find(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "SK" + "0" * 32,
        "TASK" + "0123456789abcdef" * 2,
        "sq0csp-short",
        "shpat_" + "0123456789abcdef" * 3,
        "dop_v1_" + "z" * 64,
        "hf_space_and_more_words_here_for_a_name",
        "glsa_" + "a" * 32 + "_zzzzzzzz",
        "chvs.example-of-a-name-with-words-in-it",
        "md5 0123456789abcdef0123456789abcdef-usb1",
        "at 1767225600:AA00",
        "NRAK-123",
        "GOCSPX-your-client-secret-here-xxxx",
        "https://acme.example.net/x?page=2&sig=" + "A1b2" * 12,
        "SharedAccessKeyName=root;SharedAccessKey=<key>",
        "abc8Q~short",
    ],
)
def test_near_misses_of_services(text: str) -> None:
    assert find(text) == []


def test_checksums_that_are_wrong() -> None:
    age = MAKERS["age key"]()
    assert find(age) == ["SECRET_AGE_KEY"]
    assert find(age[:-1] + ("Q" if age[-1] != "Q" else "P")) == []
    discord = MAKERS["discord"]()
    assert find("bot: " + discord) == ["SECRET_DISCORD_TOKEN"]
    assert find("bot: " + "N" + "x" * 23 + discord[discord.index(".") :]) == []


def test_an_allowlist_pragma_silences_nothing() -> None:
    key = MAKERS["aws key"]()
    assert find(f"key = '{key}'  # pragma: allowlist secret") == ["SECRET_AWS_KEY"]


def test_an_example_of_the_vendor_is_no_live_key() -> None:
    data = b"AWS_ACCESS_KEY_ID=AKIA" + b"IOSFODNN7EXAMPLE"
    (match,) = detectors.find(data, using=[secrets.DETECTOR])
    assert match.state is State.TEST


def test_a_secret_key_beside_its_id() -> None:
    text = f"{MAKERS['aws key']()},{MAKERS['aws secret']()}"
    assert find(text) == ["SECRET_AWS_KEY", "SECRET_AWS_SECRET_KEY"]
    assert find(MAKERS["aws secret"]()) == []


def test_the_checksum_of_a_github_token_counts() -> None:
    token = MAKERS["github ghp"]()
    assert secret_checks.github(token) > secret_checks.github(token[:-1] + "!") > CONFIRMED


def test_the_header_of_basic_authentication() -> None:
    written = base64.b64encode(b"deploy:kV9x2LmQ7z").decode()
    assert find(f"Authorization: Basic {written}") == ["SECRET_BASIC_AUTH"]
    assert find(f"Authorization: Basic {written[4:10]}ABCD") == []


def test_a_token_must_decode() -> None:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    good = f"{part({'alg': 'RS256'})}.{part({'sub': '1'})}.{'a' * 40}"
    assert find(good) == ["SECRET_JWT"]
    assert find(good.replace(part({"alg": "RS256"}), part({"typ": "cookie"}))) == []


def test_a_column_named_for_it() -> None:
    class Hints:
        def field_name(self, start: int) -> str | None:
            begin = data.rfind(b"\n", 0, start) + 1
            return ("id", "api_key")[min(1, data.count(b"\t", begin, start))]

    data = b"".join(
        b"%d\t%s\n" % (i, "".join(DICE.choice(LETTERS) for _ in range(24)).encode() + b"7z")
        for i in range(20)
    )
    found = detectors.find(data, using=[secrets.DETECTOR], at_least=CONFIRMED, hints=Hints())
    assert len(found) == 20


def pieces(data: bytes, size: int) -> list[tuple[int, int, str, float]]:
    scan = secrets.DETECTOR.scan()
    out: list[tuple[int, int, str, float]] = []
    for lo in range(0, len(data), size):
        hi = min(lo + size, len(data))
        first = max(0, lo - BEFORE)
        chunk = data[first : hi + AFTER]
        out += [
            (match.start + first, match.end + first, match.entity, match.score)
            for match in scan.find(chunk, lo - first, hi - first, NoHints())
        ]
    return out


@pytest.mark.parametrize("seed", seeds(2))
def test_where_a_stream_is_cut_changes_nothing(seed: int) -> None:
    dice = random.Random(seed)
    makers = kinds(dice)
    lines = []
    for _ in range(60):
        kind = dice.choice(list(makers))
        lines.append(dice.choice(list(PLACES.values()))[1](kind.replace(" ", "_"), makers[kind]()))
        lines.append(dice.choice(["", "x" * 300, "password: ", "é=" * 20]))
    data = dice.choice(["\n", " ", "\n\n"]).join(lines).encode()
    whole = pieces(data, len(data))
    assert len(whole) > 40
    for size in (61, 500, 1011, 4096):
        assert pieces(data, size) == whole


WORST = {
    "spaces": b"password" + b" " * 200_000,
    "equals": b"password=" * 20_000,
    "colons": b"://" * 70_000,
    "url": b"http://" + b"a:" * 100_000 + b"@",
    "jwt": b"eyJ" + b"A" * 200_000,
    "jwts": b"eyJAAAAAAAAA." * 16_000,
    "aws": b"aws_secret_key" * 14_000,
    "key": b"-----BEGIN RSA PRIVATE KEY-----\n" * 6_000,
    "base64": b"QUJD" * 50_000,
    "sk": b"sk-" * 70_000,
    "npm": b"//a:_authToken=" * 14_000,
}


@pytest.mark.parametrize("name", WORST)
def test_no_input_is_slow(name: str) -> None:
    find("password=aB3dE6gH9k AKIA" + "QWERTYUIOP234567")
    begin = time.process_time()
    detectors.find(WORST[name], using=[secrets.DETECTOR])
    assert time.process_time() - begin < 1.0


def test_any_bytes_will_do() -> None:
    scan = secrets.DETECTOR.scan()
    for kind in (bytes, bytearray, memoryview):
        data = kind(DICE.randbytes(20_000))
        scan.find(data, 0, len(data), NoHints())
    assert scan.find(b"", 0, 0, NoHints()) == []
