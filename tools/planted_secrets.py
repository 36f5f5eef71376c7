"""Secrets of every supported kind, made up at run time, planted in code, logs, env files and JSON;
what is found of them, beside ``detect-secrets scan`` over the same files."""

from __future__ import annotations

import base64
import json
import random
import string
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote
from zlib import crc32

import detectors
from detectors import secrets
from detectors.base import CONFIRMED
from detectors.secret_checks import _BASE62, _BECH32, bech32

LETTERS = string.ascii_letters + string.digits


def kinds(dice: random.Random) -> dict[str, Callable[[], str]]:
    """By name: the secret as it would be written where a value stands."""

    def some(count: int, alphabet: str = LETTERS) -> str:
        return "".join(dice.choice(alphabet) for _ in range(count))

    def github(prefix: str) -> str:
        body = some(30)
        value, check = crc32(body.encode()), ""
        for _ in range(6):
            value, digit = divmod(value, 62)
            check = _BASE62[digit] + check
        return f"{prefix}_{body}{check}"

    def part(value: dict[str, object]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    def key(name: str) -> str:
        lines = "\\n".join(base64.b64encode(dice.randbytes(48)).decode() for _ in range(6))
        return f"-----BEGIN {name}PRIVATE KEY-----\\n{lines}\\n-----END {name}PRIVATE KEY-----"

    upper = string.ascii_uppercase + "234567"
    return {
        "aws key": lambda: "AKIA" + some(16, upper),
        "aws secret": lambda: base64.b64encode(dice.randbytes(30)).decode(),
        "private key": lambda: key("RSA "),
        "encrypted key": lambda: key("ENCRYPTED "),
        "openssh key": lambda: key("OPENSSH "),
        "basic auth": lambda: f"https://deploy:{some(14)}@git.acme.io/x.git",
        "redis url": lambda: f"redis://:{some(16)}@cache.acme.io:6379/0",
        "jwt": lambda: (
            f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part({'sub': some(8)})}.{some(43)}"
        ),
        "github ghp": lambda: github("ghp"),
        "github ghs": lambda: github("ghs"),
        "github pat": lambda: f"github_pat_{some(22)}_{some(59)}",
        "gitlab": lambda: "glpat-" + some(20),
        "slack": lambda: f"xoxb-{some(12, string.digits)}-{some(12, string.digits)}-{some(24)}",
        "slack hook": lambda: f"https://hooks.slack.com/services/T{some(8)}/B{some(8)}/{some(24)}",
        "stripe": lambda: "sk_live_" + some(24),
        "stripe rk": lambda: "rk_live_" + some(24),
        "sendgrid": lambda: f"SG.{some(22)}.{some(43)}",
        "npm": lambda: github("npm"),
        "azure": lambda: (
            "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey="
            + base64.b64encode(dice.randbytes(64)).decode()
        ),
        "openai": lambda: f"sk-{some(20)}T3BlbkFJ{some(20)}",
        "openai proj": lambda: f"sk-proj-{some(60)}T3BlbkFJ{some(60)}",
        "anthropic": lambda: f"sk-ant-api03-{some(80)}",
        "google": lambda: "AIza" + some(35),
        "pypi": lambda: "pypi-AgEIcHlwaS5vcmc" + some(70),
        "twilio": lambda: "SK" + some(32, "0123456789abcdef"),
        "square": lambda: "sq0csp-" + some(43),
        "square token": lambda: "sq0atp-" + some(22),
        "shopify": lambda: "shpat_" + some(32, "0123456789abcdef"),
        "digitalocean": lambda: "dop_v1_" + some(64, "0123456789abcdef"),
        "docker": lambda: "dckr_pat_" + some(27),
        "databricks": lambda: "dapi" + some(32, "0123456789abcdef"),
        "hugging face": lambda: "hf_" + some(34, string.ascii_letters),
        "grafana": lambda: f"glsa_{some(32)}_{some(8, '0123456789abcdef')}",
        "vault": lambda: "hvs." + some(90),
        "atlassian": lambda: "ATATT3xFfGF0" + some(180),
        "postman": lambda: f"PMAK-{dice.randbytes(12).hex()}-{dice.randbytes(17).hex()}",
        "linear": lambda: "lin_api_" + some(40),
        "new relic": lambda: "NRAK-" + some(27, string.ascii_uppercase + string.digits),
        "google oauth": lambda: "GOCSPX-" + some(28),
        "age key": lambda: age(dice.randbytes(32)),
        "mailchimp": lambda: f"{dice.randbytes(16).hex()}-us{dice.randrange(1, 22)}",
        "telegram": lambda: f"{dice.randrange(10**8, 10**10)}:AA{some(33)}",
        "discord": lambda: f"{bot(dice)}.{some(6)}.{some(27)}",
        "azure client": lambda: f"{some(3)}8Q~{some(34)}",
        "azure bus": lambda: (
            "Endpoint=sb://acme.example.net/;SharedAccessKeyName=root;SharedAccessKey="
            + base64.b64encode(dice.randbytes(32)).decode()
        ),
        "azure sas": lambda: (
            "https://acme.example.net/x?sv=2024-11-04&se=2027-01-01T00%3A00%3A00Z&sr=c&sp=rl&sig="
            + quote(base64.b64encode(dice.randbytes(32)).decode(), safe="")
        ),
        "service account": lambda: key(""),
        "database url": lambda: f"postgresql://app:{some(14)}@db.acme.io:5432/shop",
        "mongo url": lambda: f"mongodb+srv://app:{some(14)}@c0.acme.io/shop?w=majority",
        "amqp url": lambda: f"amqps://app:{some(14)}@mq.acme.io/vh",
        "password": lambda: some(12) + "!7z",
    }


def bot(dice: random.Random) -> str:
    """The first part of a Discord token: the number of the bot."""
    number = str(dice.randrange(10**17, 10**18)).encode()
    return base64.urlsafe_b64encode(number).decode().rstrip("=")


def age(secret: bytes) -> str:
    """An age key: Bech32, whose checksum is found by trying what makes it right."""
    number = int.from_bytes(secret) << 4
    data = [number >> 5 * i & 31 for i in range(51, -1, -1)]
    text = "age-secret-key-1" + "".join(_BECH32[value] for value in data)
    residue = bech32(text + "qqqqqq") ^ 1
    return (text + "".join(_BECH32[residue >> 5 * (5 - i) & 31] for i in range(6))).upper()


PLACES: dict[str, tuple[str, Callable[[str, str], str]]] = {
    "code": ("settings.py", lambda name, value: f'{name} = "{value}"'),
    "log": (
        "app.log",
        lambda name, value: f"2026-03-01 12:00:01 INFO calling with {name}={value} ok",
    ),
    "env": (".env", lambda name, value: f"{name.upper()}={value}"),
    "json": ("config.json", lambda name, value: json.dumps({name: value.replace("\\n", "\n")})),
}
NAMES = {
    "aws key": "aws_access_key_id",
    "aws secret": "aws_secret_access_key",
    "password": "db_password",
}


def theirs(folder: Path) -> set[tuple[str, int]]:
    """(file, line) of what ``detect-secrets scan`` reports."""
    command = [sys.executable, "-m", "detect_secrets", "scan", "--all-files", "--no-verify", "."]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)["results"]
    return {(name, hit["line_number"]) for name, hits in found.items() for hit in hits}


def compare(show: bool = False, each: int = 10, seed: int = 11) -> int:
    """Prints, for every kind and place, how many were found; returns how many of ours were not."""
    dice = random.Random(seed)
    makers = kinds(dice)
    missed = 0
    with tempfile.TemporaryDirectory() as at:
        folder = Path(at)
        lines: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
        for place, (file, write) in PLACES.items():
            for kind, make in makers.items():
                name = NAMES.get(kind, kind.replace(" ", "_") + "_value")
                lines[file] += [(kind, place, write(name, make())) for _ in range(each)]
        for file, written in lines.items():
            (folder / file).write_text("".join(f"{text}\n" for _, _, text in written))
        there = theirs(folder)
        ours: dict[tuple[str, str], int] = defaultdict(int)
        other: dict[tuple[str, str], int] = defaultdict(int)
        for file, written in lines.items():
            for number, (kind, place, text) in enumerate(written, 1):
                found = detectors.find(text.encode(), using=[secrets.DETECTOR], at_least=CONFIRMED)
                ours[kind, place] += bool(found)
                other[kind, place] += (file, number) in there
                if not found:
                    missed += 1
                    if show:
                        print(f"    missed {kind} in {place}: {text[:110]}")
    print(f"secrets, {each} of each planted: found / by detect-secrets scan")
    print(f"{'kind':16}" + "".join(f"{place:>12}" for place in PLACES))
    for kind in makers:
        row = "".join(f"{ours[kind, p]:>7} /{other[kind, p]:>3}" for p in PLACES)
        print(f"{kind:16}{row}")
    total = each * len(makers) * len(PLACES)
    print(f"all {total}: {sum(ours.values())} / {sum(other.values())}")
    return missed
