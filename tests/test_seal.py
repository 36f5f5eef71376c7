"""Sealing: masks, fingerprints, and names that came from data."""

from __future__ import annotations

import hashlib
import hmac
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors import iin, luhn
from detectors.base import Form
from scanner import seal
from scanner.seal import Sealer, canonical, mask

SEALER = Sealer(b"k" * 32)
VISA = "4111111111111111"


@st.composite
def pans(draw: st.DrawFn) -> str:
    prefix, length = draw(
        st.sampled_from([("4539", 16), ("5425", 16), ("374245", 15), ("36", 14), ("6221", 19)])
    )
    body = prefix + draw(
        st.text("0123456789", min_size=length - 1 - len(prefix), max_size=length - 1 - len(prefix))
    )
    return next(body + d for d in "0123456789" if luhn.valid(body + d))


@given(pans())
def test_mask_leaves_first_six_and_last_four(pan: str) -> None:
    masked = mask(pan)
    assert len(masked) == len(pan)
    assert masked[:6] + masked[-4:] == pan[:6] + pan[-4:]
    assert set(masked[6:-4]) == {"*"}


@pytest.mark.parametrize("short", ["", "1", "123", "12345678901"])
def test_what_is_too_short_for_a_mask_is_hidden_whole(short: str) -> None:
    assert mask(short) == "*" * len(short)


def test_fingerprint_is_a_keyed_hash_of_the_whole_value() -> None:
    expected = hmac.new(b"k" * 32, VISA.encode(), hashlib.sha256).digest()[:16]
    assert SEALER.fingerprint(VISA) == expected
    assert Sealer(b"j" * 32).fingerprint(VISA) != expected


def test_key_is_in_no_repr_and_short_keys_are_refused() -> None:
    assert "k" * 32 not in repr(SEALER)
    with pytest.raises(ValueError, match="16 bytes"):
        Sealer(b"short")


@given(pans(), st.sampled_from(["", "-", " ", ".", "_", "/"]), st.text("ab/._x", max_size=8))
def test_no_card_number_survives_in_a_name(pan: str, separator: str, around: str) -> None:
    written = separator.join(pan[i : i + 4] for i in range(0, len(pan), 4))
    sealed = SEALER.name(f"{around}{written}{around}")
    digits = "".join(char for char in sealed if char.isdigit())
    assert pan not in sealed and pan not in digits
    assert written not in sealed


@given(pans(), pans())
def test_names_that_differ_only_in_the_number_stay_different(one: str, other: str) -> None:
    sealed = SEALER.name(f"scan-{one}.pdf"), SEALER.name(f"scan-{other}.pdf")
    assert (sealed[0] == sealed[1]) == (one == other)


def test_glued_numbers_are_masked_too() -> None:
    sealed = SEALER.name(f"20231124{VISA}99.txt")
    assert VISA not in sealed and sealed.endswith(".txt")


@pytest.mark.parametrize(
    "name",
    [
        "logs/2023-11-24T12:00:00.log",
        "AWSLogs/218007301253/CloudTrail/us-east-1/2023/07/10/x.json.gz",
        "backup-20231124120000.tar",
        "plain name with spaces",
        "1700000000000",
        "résumé ‮ \n\x1b[31m",
    ],
)
def test_ordinary_names_are_left_alone(name: str) -> None:
    assert SEALER.name(name) == name


@given(st.text())
def test_any_text_can_be_sealed_and_sealing_twice_changes_nothing(text: str) -> None:
    once = SEALER.name(text)
    assert SEALER.name(once) == once


@given(st.lists(st.sampled_from([*"0123456789", "4 ", "1-"]), min_size=12, max_size=60))
def test_no_window_of_digits_that_could_be_a_card_survives(pieces: list[str]) -> None:
    sealed = SEALER.name("".join(pieces))
    for run in re.split("[*~]", sealed):
        digits = "".join(char for char in run if char.isdigit())
        for length in (14, 15, 16, 19):
            for start in range(len(digits) - length + 1):
                window = digits[start : start + length]
                assert not (luhn.valid(window) and iin.brands(window))


@given(
    st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=150)),
    st.sampled_from(Form),
    st.binary(min_size=16, max_size=80),
)
def test_prints_of_many_are_those_of_each(texts: list[str], form: Form, key: bytes) -> None:
    sealer, data = Sealer(key), "".join(texts).encode()
    ends = np.cumsum([0, *map(len, texts)])
    prints = sealer.prints(data, ends[:-1], ends[1:], form)
    assert [row.tobytes() for row in prints] == [
        sealer.fingerprint(canonical(text, form)) for text in texts
    ]


@pytest.mark.parametrize("span", [(-1, 2), (0, 9), (3, 2)])
def test_spans_outside_are_refused(span: tuple[int, int]) -> None:
    if seal._prints is None:
        pytest.skip("the extension is not built")
    with pytest.raises(ValueError, match="spans inside"):
        Sealer(b"k" * 32).prints(b"x" * 8, *np.array(span)[:, None], Form.PLAIN)
