"""Names hashed many at a time have the numbers that each has alone."""

from __future__ import annotations

import hashlib
import os
import shutil

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scanner import known

_TEXTS = st.text(max_size=9)


def test_it_is_built_where_there_is_a_compiler() -> None:
    if os.environ.get("CARDTRAIL_ARRAYS"):
        pytest.skip("CARDTRAIL_ARRAYS is set")
    assert known._names is not None or shutil.which("cc") is None


@given(
    st.lists(st.builds(lambda part, times: part * times, _TEXTS, st.integers(0, 60)), max_size=5)
)
@example(["x" * size for size in (0, 1, 127, 128, 129, 255, 256, 257, 1000)])
@example(["é" * 64, "\0", "\ud800"])
def test_each_as_alone(names: list[str]) -> None:
    assert list(known.name_hashes(names)) == [known.name_hash(name) for name in names]


def test_a_hash_is_the_first_bytes_of_blake2b() -> None:
    digest = hashlib.blake2b(b"cards.csv", digest_size=8).digest()
    assert known.name_hash("cards.csv") == int.from_bytes(digest, "big")


def test_what_is_no_text_is_refused() -> None:
    if known._names is None:
        pytest.skip("the extension is not built")
    for wrong in ([b"x"], ["a", None], ("a",)):
        with pytest.raises(TypeError):
            known._names.hashes(wrong)
