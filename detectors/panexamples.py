"""What the card detector must find and must leave alone: run by the contract suite.

Numbers are published test PANs, so each example is a finding of state *test*.
"""

from __future__ import annotations

import base64

from detectors.base import Example, State

VISA = "4111111111111111"
_MASTERCARD = "5555555555554444"
_AMEX = "378282246310005"
_DINERS = "30569309025904"
_T = State.TEST


def _card(data: bytes | str, pan: str = VISA) -> Example:
    return Example(data.encode() if isinstance(data, str) else data, "CREDIT_CARD", pan, _T)


def _fours(separator: str) -> str:
    return separator.join(("4111", "1111", "1111", "1111"))


_SEPARATORS = (" ", "-", ".", "/", "_", "\t", "\u00a0", "\u2009", "\u2013", "  ", "\u202f")

EXAMPLES: tuple[Example, ...] = (
    _card(f"{VISA}"),
    _card(f"line one\n{VISA}\nline three"),
    *(_card(f"my card is {_fours(separator)} thanks") for separator in _SEPARATORS),
    _card("amex 3782 822463 10005", _AMEX),
    _card("diners 3056 930902 5904", _DINERS),
    _card("Mastercard 5555-5555-5555-4444", _MASTERCARD),
    _card(f"pan_{VISA}"),
    _card(f"PAN{VISA}"),
    _card(f"card={VISA}&x=1"),
    _card(f'{{"n": {VISA}}}'),
    _card(f"7,{VISA}.0,EUR"),
    _card(f"[{VISA}]"),
    _card(f"'{VISA}'"),
    _card("INSERT INTO t VALUES (1,'4111111111111111');"),
    _card(f"<pan>{VISA}</pan>"),
    _card(f"q=card%3D{VISA}%26"),
    _card(f"card={_fours('%20')}&x"),
    _card(f'{{"m":"a\\n{VISA}\\n"}}'),
    _card(f'{{"m":"{_fours(chr(92) + "u00a0")}"}}'),
    _card(f"<td>{_fours('&nbsp;')}</td>"),
    _card("".join(chr(0xFF10 + int(c)) for c in VISA)),
    _card("".join(chr(0x0660 + int(c)) for c in VISA)),
    _card("card 4111 1111\n1111 1111"),
    _card("card 41111111=\r\n11111111 and"),
    _card(b"x=" + base64.b64encode(VISA.encode())),
    _card(b"x=" + base64.b64encode(f'{{"pan":"{VISA}"}}'.encode())),
    _card("0x" + VISA.encode().hex()),
    _card(f"card {VISA} ok".encode("utf-16-le")),
    _card(f"card {_fours('-')} ok".encode("utf-16-be")),
    _card(f"card {_fours(chr(0x2009))} ok".encode("utf-16")),
    _card(f"CARD {VISA} OK".encode("cp037")),
    _card(f"CARD {_fours(' ')} OK".encode("cp500")),
    _card(f"%B{VISA}^DOE/JOHN^29121010000000000000?"),
    _card(f";{VISA}=29121010000000000000?"),
    _card(f"57 11 {VISA}D29122010000000000F"),
    _card(f"5A08{VISA}5F2403291231"),
    _card("card_number=4.111111111111111E+15"),
    Example(f"%B{VISA}^DOE/JOHN^2912101?".encode(), "TRACK_1", f"{VISA}^DOE/JOHN^2912101", _T),
    Example(f";{VISA}=29121010001?".encode(), "TRACK_2", f"{VISA}=29121010001", _T),
    Example(f"{VISA}D29122010001F".encode(), "TRACK_2", f"{VISA}D29122010001", _T),
    Example(f"{VISA}|12|29|123".encode(), "CVV", "123"),
    Example(f"{VISA},12/2029,123".encode(), "CVV", "123"),
    Example(f"{_AMEX};1234;3/2028".encode(), "CVV", "1234"),
)

NEAR_MISSES: tuple[bytes, ...] = (
    b"card 4111111111111112",  # check digit
    b"order_id=4539578763621486",
    b'{"traceId": 4539578763621486}',
    b"ts=1700000000000000 took 5",
    b"run 20260317120000 done",
    b"loss 0.4539578763621486",
    b"id 45395787-6362-1486-8000-000000000000",
    b"sha1 a4539578763621486bcdef0123456789abcdef01",
    b"imei 356938035643809",
    b"iccid 8944500102198304826",
    b"sizes 4539 5787 6362 1486 4539 5787 6362 1486",
    b"IBAN DE89 3704 0044 0532 0130 00",
    b"tracking number 9400111899223033005011",
    b"EAN 4006381333931",
    b"https://example.com/a/4539578763621486/b.png",
    b"blk_4539578763621486789",
    b"M4539.5787 6362.1486L4539.5787 6362.1486",
    b"5.54563E+15",
    b"411111******1111",
)
