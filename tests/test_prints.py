"""Rows of fingerprints."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner import prints
from scanner.prints import distinct

WORDS = st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 9))


@given(WORDS, st.booleans())
def test_distinct_is_a_sorted_set_few_or_many(values: list[int], many: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if many:
            patch.setattr(prints, "_FEW", 0)
        out = distinct(array("Q", values).tobytes())
    assert array("Q", out).tolist() == sorted(set(values))
