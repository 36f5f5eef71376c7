"""Labelled text for measuring detectors: cards of every layout and brand amid look-alikes.

Everything is made up from a seed. A ``Document`` knows where each card stands; all else in it is
noise: ids, time stamps, serial numbers, coordinates and the rest of what logs and tables hold.
"""

from __future__ import annotations

import base64
import json
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote

from detectors import iin, luhn


@dataclass(frozen=True, slots=True)
class Label:
    """One card in a document: byte span of its digits, and what it is."""

    start: int
    end: int
    pan: str
    layout: str
    brand: str


@dataclass(slots=True)
class Document:
    name: str
    data: bytes
    labels: list[Label] = field(default_factory=list)


# --- cards ---------------------------------------------------------------------------------------


def card(brand: str, rng: random.Random, length: int | None = None) -> str:
    """A made-up number of a brand, with a good check digit.

    Not one whose first groups are a good number by themselves: in groups nobody could tell which
    of the two is meant.
    """
    while True:
        rule = rng.choice([r for r in iin.RULES if r.brand == brand])
        size = length if length in rule.lengths else rng.choice(rule.lengths)
        prefix = str(rng.randrange(int(rule.low), int(rule.high) + 1))
        body = prefix + "".join(rng.choices("0123456789", k=size - 1 - len(prefix)))
        pan = body + luhn.check_digit(body)
        if not any(luhn.valid(pan[:n]) and iin.brands(pan[:n]) for n in (12, 16) if n < size):
            return pan


def groups(pan: str) -> list[str]:
    """A number in the groups that are printed on a card."""
    sizes = {15: (4, 6, 5), 14: (4, 6, 4), 19: (4, 4, 4, 4, 3)}.get(len(pan), (4,) * 5)
    out, at = [], 0
    for size in sizes:
        if at < len(pan):
            out.append(pan[at : at + size])
        at += size
    return out


# --- layouts: text with the place of the card marked by \x01 ... \x02 -----------------------------

_SENTENCES = (
    "please charge my credit card {} and send the receipt",
    "card number {} was declined, customer called back",
    "My card {} is expiring 09/28, name on card J. Smith",
    "Kreditkarte {} gültig bis 11/27, Inhaber Frau Weber",
    "merci de débiter la carte bancaire {} pour la commande",
    "mi tarjeta de crédito es la {} vence 04/29",
    "numero carta {} scadenza 01/30 intestata a Rossi",
    "o cartão {} foi recusado pelo banco",
    "номер карты {} срок действия 05/28",
    "信用卡号 {} 有效期 06/29",
    "visa {} exp 10/27 cvv 123",
    "payment by cc {} authorised, terminal 7",
    "paid with Mastercard {} at checkout",
    "2026-03-01 12:00:03 WARN PaymentService declined card {} code=51",
)


def _sentence(text: str, rng: random.Random) -> str:
    return rng.choice(_SENTENCES).format(f"\x01{text}\x02")


def _grouped(separator: str) -> Callable[[str, random.Random], str]:
    return lambda pan, rng: _sentence(separator.join(groups(pan)), rng)


def _script(zero: int) -> Callable[[str, random.Random], str]:
    return lambda pan, rng: _sentence("".join(chr(zero + int(c)) for c in pan), rng)


def _keyed(template: str) -> Callable[[str, random.Random], str]:
    return lambda pan, rng: template.replace("{}", f"\x01{pan}\x02")


def _broken(pan: str, rng: random.Random) -> str:
    cut = rng.randrange(4, len(pan) - 3)
    while iin.brands(pan[:cut]) and luhn.valid(pan[:cut]):  # a good number by itself
        cut -= 1
    return _sentence(pan[:cut] + rng.choice(("\n", "\r\n", "=\r\n")) + pan[cut:], rng)


def _base64(pan: str, rng: random.Random) -> str:
    text = rng.choice(
        (pan, f'{{"pan":"{pan}","exp":"12/29"}}', f"card={pan}&cvv=123", f"<card>{pan}</card>")
    )
    return f'"payload":"\x01{base64.b64encode(text.encode()).decode()}\x02"'


def _hex(pan: str, rng: random.Random) -> str:
    text = rng.choice((pan, f"card {pan} ok", f'{{"pan":"{pan}"}}'))
    return f"blob=0x\x01{text.encode().hex()}\x02"


def _track_two(pan: str, rng: random.Random) -> str:
    return f"read ;\x01{pan}\x02=2912101{rng.randrange(10**9):09d}?"


def _chip(pan: str, rng: random.Random) -> str:
    return f"tag57 \x01{pan}\x02D2912201{rng.randrange(10**9):09d}F"


LAYOUTS: dict[str, Callable[[str, random.Random], str]] = {
    "plain": lambda pan, rng: _sentence(pan, rng),
    "space": _grouped(" "),
    "dash": _grouped("-"),
    "dot": _grouped("."),
    "slash": _grouped("/"),
    "underscore": _grouped("_"),
    "tab": _grouped("\t"),
    "no-break space": _grouped("\u00a0"),
    "thin space": _grouped("\u2009"),
    "en dash": _grouped("\u2013"),
    "double space": _grouped("  "),
    "pan_": _keyed("stored as pan_{} today"),
    "PAN glued": _keyed("value PAN{} read"),
    "card=": _keyed("POST /pay card={}&amount=12.00"),
    "json": _keyed('{"id": 7, "cardNumber": "{}", "ok": true}'),
    "json number": _keyed('{"pan": {}, "amount": 1200}'),
    "float": _keyed("3,jane,card_number={}.0,EUR"),
    "brackets": _keyed("card [{}] accepted"),
    "quotes": _keyed("pan '{}' accepted"),
    "sql": _keyed("INSERT INTO cards (id, pan) VALUES (17, '{}');"),
    "xml": _keyed("<payment><cardNumber>{}</cardNumber></payment>"),
    "url %3D": _keyed("GET /cb?q=card%3D{}%26ok HTTP/1.1"),
    "url %20": lambda pan, rng: "GET /find?card=\x01" + "%20".join(groups(pan)) + "\x02&x=1",
    "json \\n": _keyed('{"msg": "card\\n{}\\nexp 12/29"}'),
    "json \\u00a0": lambda pan, rng: '{"card": "\x01' + "\\u00a0".join(groups(pan)) + '\x02"}',
    "html entity": lambda pan, rng: "<td>card \x01" + "&nbsp;".join(groups(pan)) + "\x02</td>",
    "full-width": _script(0xFF10),
    "arabic-indic": _script(0x660),
    "line end": _broken,
    "base64": _base64,
    "hex": _hex,
    "track 1": _keyed("swipe %B{}^DOE/JOHN^29121010000000000000? done"),
    "track 2": _track_two,
    "chip": _chip,
}
BARE: dict[str, Callable[[str, random.Random], str]] = {
    "bare line": _keyed("{}"),
    "bare words": _keyed("foo {} bar"),
    "bare cell": _keyed("12,jane,{},x"),
    "bare json": _keyed('{"n": "{}"}'),
    "bare list": _keyed("[{}]"),
    "bare groups": lambda pan, rng: "\x01" + " ".join(groups(pan)) + "\x02",
    "bare dashes": lambda pan, rng: "\x01" + "-".join(groups(pan)) + "\x02",
}
"""nothing near says that it is a card: what is left is issuer, length, check digit and the field"""
WHOLE: dict[str, str] = {
    "utf-16-le": "utf-16-le",
    "utf-16 with mark": "utf-16",
    "utf-16-be": "utf-16-be",
    "ebcdic cp037": "cp037",
    "ebcdic cp500": "cp500",
}
"""encodings of a whole document"""


# --- noise ---------------------------------------------------------------------------------------


def _digits(rng: random.Random, count: int) -> str:
    return str(rng.randrange(1, 10)) + "".join(rng.choices("0123456789", k=count - 1))


def _iban(rng: random.Random) -> str:
    country, size = rng.choice((("DE", 18), ("ES", 20), ("FR", 23), ("NL", 10)))
    body = ("".join(rng.choices("ABCDEFGH", k=4)) if country == "NL" else "") + _digits(rng, size)
    number = int("".join(str(int(c, 36)) for c in body + country + "00"))
    return f"{country}{98 - number % 97:02d}{body}"


def _ean(rng: random.Random) -> str:
    body = rng.choice(("40", "50", "45", "97", "59", "63")) + _digits(rng, 10)
    total = sum(int(c) * (3 if i % 2 else 1) for i, c in enumerate(body))
    return body + str(-total % 10)


def _imei(rng: random.Random) -> str:
    body = rng.choice(("35", "86", "01", "99")) + _digits(rng, 12)
    return body + luhn.check_digit(body)


def _iccid(rng: random.Random) -> str:
    body = "89" + _digits(rng, 16)
    return body + luhn.check_digit(body)


NOISE: dict[str, Callable[[random.Random], str]] = {
    "order": lambda r: f"INFO order={_digits(r, 16)} status=shipped",
    "json order": lambda r: json.dumps({"orderId": int(_digits(r, 16)), "qty": 2}),
    "trace": lambda r: f"DEBUG trace_id={_digits(r, 19)} span={_digits(r, 16)} took 12ms",
    "request": lambda r: f"[req {_digits(r, 16)}] GET /api/items/{r.randrange(9999)} 200",
    "session": lambda r: f"session {_digits(r, 15)} closed after 30s",
    "epoch us": lambda r: f"ts={r.randrange(15 * 10**14, 19 * 10**14)} event=tick",
    "epoch ms": lambda r: f'{{"t":{r.randrange(15 * 10**11, 19 * 10**11)},"v":1}}',
    "epoch ns": lambda r: f"{r.randrange(15 * 10**17, 19 * 10**17)} kernel: up",
    "stamp": lambda r: (
        f"run 2026{r.randrange(1, 13):02d}{r.randrange(1, 29):02d}1230{r.randrange(60):02d} ok"
    ),
    "stamp17": lambda r: (
        f"backup-2026{r.randrange(1, 13):02d}171230{r.randrange(60):02d}{r.randrange(1000):03d}.gz"
    ),
    "float": lambda r: f"loss: {r.random():.17f} lr: {r.random():.16f}",
    "uuid": lambda r: f"job {uuid.UUID(int=r.getrandbits(128), version=4)} done",
    "uuid digits": lambda r: (
        f"id {_digits(r, 8)}-{_digits(r, 4)}-4{_digits(r, 3)}-8{_digits(r, 3)}-{_digits(r, 12)}"
    ),
    "hex": lambda r: f"sha1 {r.getrandbits(160):040x} blob",
    "imei": lambda r: f"device imei {_imei(r)} online",
    "iccid": lambda r: f"SIM iccid={_iccid(r)}",
    "ups": lambda r: f"tracking 1Z{_digits(r, 16)}",
    "fedex": lambda r: f"FedEx tracking number {_digits(r, 12)} / {_digits(r, 15)}",
    "usps": lambda r: f"USPS 94{_digits(r, 20)}",
    "iban": lambda r: f"IBAN {_iban(r)} booked",
    "iban groups": lambda r: (
        "transfer " + " ".join((lambda s: [s[i : i + 4] for i in range(0, len(s), 4)])(_iban(r)))
    ),
    "ean": lambda r: f"EAN {_ean(r)} stock 4",
    "isbn": lambda r: (
        f"ISBN 978-{r.randrange(10)}-{_digits(r, 3)}-{_digits(r, 5)}-{r.randrange(10)}"
    ),
    "short list": lambda r: "sizes " + " ".join(_digits(r, 4) for _ in range(r.randrange(3, 12))),
    "table": lambda r: "\t".join(_digits(r, r.randrange(3, 7)) for _ in range(8)),
    "csv numbers": lambda r: ",".join(str(r.randrange(10**9)) for _ in range(6)),
    "coordinates": lambda r: f"[{r.uniform(-180, 180):.14f},{r.uniform(-90, 90):.14f}]",
    "svg": lambda r: (
        "M" + "".join(f"{r.uniform(0, 999):.3f} {r.uniform(0, 999):.4f}L" for _ in range(6))
    ),
    "block": lambda r: f"BLOCK* blk_-{_digits(r, 19)} size {_digits(r, 8)}",
    "block2": lambda r: f"Served block blk_{_digits(r, 18)} to /10.251.{r.randrange(256)}.5",
    "lsn": lambda r: f"redo at {r.getrandbits(16):X}/{r.getrandbits(32):X}, lsn {_digits(r, 13)}",
    "snowflake": lambda r: f'{{"tweet_id":"{_digits(r, 18)}","user_id":{_digits(r, 17)}}}',
    "phone": lambda r: f"call +49 {_digits(r, 3)} {_digits(r, 7)} or 00{_digits(r, 12)}",
    "path": lambda r: f"GET /static/{_digits(r, 16)}/img_{_digits(r, 13)}.png 200",
    "url": lambda r: f"https://example.com/p/{_digits(r, 15)}?v={_digits(r, 13)}",
    "pid lines": lambda r: (
        f"pid={r.randrange(99999)} mem={r.randrange(10**7)}\n"
        f"2026-03-01 {r.randrange(24):02d}:00:11 up"
    ),
    "epoch date": lambda r: (
        f"{r.randrange(14 * 10**8, 18 * 10**8)} 2005.11.{r.randrange(1, 31):02d} R02-M1-N0 RAS INFO"
    ),
    "money": lambda r: f"total {r.randrange(10**7)}.{r.randrange(100):02d} balance {_digits(r, 9)}",
    "quoted url": lambda r: "ref=" + quote(f"order {_digits(r, 16)}"),
    "account": lambda r: f"account balance of {_digits(r, 12)} updated",
    "base64": lambda r: "sig=" + base64.b64encode(r.randbytes(48)).decode(),
    "prose": lambda r: (
        "the quick brown fox met 12 others in 2024 and left at 10:45 with 3,500 coins"
    ),
}


def noise_line(rng: random.Random) -> str:
    """One line of what looks like a card and is none."""
    return NOISE[rng.choice(tuple(NOISE))](rng)


# --- documents -----------------------------------------------------------------------------------


def document(
    seed: int,
    noise: int,
    layouts: dict[str, Callable[[str, random.Random], str]] | None = None,
    codec: str = "utf-8",
) -> Document:
    """Every layout with every brand once, each amid ``noise`` lines of look-alikes; in words that
    can be written in ``codec``, though the document is UTF-8."""
    rng = random.Random(seed)
    chosen = LAYOUTS if layouts is None else layouts
    plan = [(layout, brand) for layout in chosen for brand in iin.BRANDS]
    rng.shuffle(plan)
    out = Document(f"seed {seed}", b"")
    parts: list[bytes] = []
    size = 0
    for layout, brand in plan:
        pan = card(brand, rng)
        lines = [noise_line(rng) for _ in range(noise)]
        line = chosen[layout](pan, rng)
        while "?" in line.replace("?", "").encode(codec, "replace").decode(codec):
            line = chosen[layout](pan, rng)
        lines.insert(rng.randrange(noise + 1), line)
        text = ("\n".join(lines) + "\n").encode()
        start, end = text.index(b"\x01"), text.index(b"\x02") - 1
        parts.append(text.replace(b"\x01", b"").replace(b"\x02", b""))
        out.labels.append(Label(size + start, size + end, pan, layout, brand))
        size += len(parts[-1])
    out.data = b"".join(parts)
    return out


def encoded(seed: int, noise: int, name: str) -> Document:
    """Every brand, plain and grouped, in a document that is encoded as a whole."""
    codec = WHOLE[name]
    some = {key: LAYOUTS[key] for key in ("plain", "space", "dash", "card=")}
    plain = document(seed, noise, some, codec)
    out = Document(f"{name}, seed {seed}", b"")
    text = plain.data.decode()
    if codec.startswith("cp"):
        text = text.encode("latin-1", "replace").decode("latin-1").replace("\n", "\x85")
    marks = 2 if codec == "utf-16" else 0
    out.data = text.encode(codec, "replace")
    scale = 2 if codec.startswith("utf-16") else 1
    raw = plain.data
    for label in plain.labels:
        start = len(raw[: label.start].decode()) * scale + marks
        end = start + (label.end - label.start) * scale
        out.labels.append(Label(start, end, label.pan, name, label.brand))
    return out


def noise_only(seed: int, size: int) -> Document:
    """Nothing but look-alikes."""
    rng = random.Random(seed)
    lines: list[str] = []
    length = 0
    while length < size:
        lines.append(noise_line(rng))
        length += len(lines[-1]) + 1
    return Document(f"noise, seed {seed}", ("\n".join(lines) + "\n").encode())


def order_table(rows: int, seed: int = 1) -> Document:
    """A delimited table whose number column holds random 16-digit ids; its name says nothing."""
    rng = random.Random(seed)
    lines = ["a,b,c"]
    lines += [f"{i},{_digits(rng, 16)},{rng.choice('xyz')}" for i in range(rows)]
    return Document("order table", ("\n".join(lines) + "\n").encode())


def card_table(rows: int, seed: int = 1) -> Document:
    """The same table with cards in it."""
    rng = random.Random(seed)
    out = Document("card table", b"")
    text = b"a,b,c\n"
    parts = [text]
    size = len(text)
    for i in range(rows):
        pan = card(rng.choice(("visa", "mastercard", "amex", "discover")), rng)
        lead = f"{i},".encode()
        out.labels.append(
            Label(size + len(lead), size + len(lead) + len(pan), pan, "column", "any")
        )
        parts.append(lead + pan.encode() + b",x\n")
        size += len(parts[-1])
    out.data = b"".join(parts)
    return out


def rounded(rows: int, seed: int = 1) -> Document:
    """Cards out of a spreadsheet, which keeps fifteen digits and writes a 0."""
    rng = random.Random(seed)
    lines = [f"id={i} card_number={card('mastercard', rng)[:15]}0" for i in range(rows)]
    return Document("rounded cards", ("\n".join(lines) + "\n").encode())


def tokens(rows: int, cards: int, *, by_chance: bool, listed: bool, seed: int = 1) -> Document:
    """Numbers that keep the issuer of a card under the key ``card_number``, and some cards among
    them. ``by_chance``: a tenth satisfies Luhn; else none does. ``listed``: in one JSON list, not
    one on a line."""
    rng = random.Random(seed)
    made = []
    for i in range(rows):
        number = card(rng.choice(("visa", "mastercard")), rng, 16)
        if i >= cards:
            number = number[:-1] + str((int(number[-1]) + rng.randrange(not by_chance, 10)) % 10)
        made.append(number)
    rng.shuffle(made)
    if listed:
        text = '{"card_number":[' + ",".join(made) + "]}\n"
    else:
        text = "".join(
            f'{{"card_number": "{number}", "id": {i}}}\n' for i, number in enumerate(made)
        )
    where = "list" if listed else "lines"
    return Document(f"{where} of tokens{' and cards' if cards else ''}", text.encode())
