"""The search for planted numbers finds them, one by one and hundreds at once."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.conftest import Leak, Planted, _forms


@pytest.mark.parametrize("count", [1, 300])
def test_every_form_is_found_anywhere(count: int, tmp_path: Path) -> None:
    planted = Planted(random.Random(count), tmp_path)
    pans = [planted.pan() for _ in range(count)]
    filler = random.Random(0).randbytes(10_000)
    planted.check(filler, "nothing")
    for pan in pans[::60]:
        for form in _forms(pan):
            for data in (filler + form, form + filler, filler + form + filler):
                with pytest.raises(Leak):
                    planted.check(data, "something")


def test_a_failure_is_shown_without_them(tmp_path: Path) -> None:
    planted = Planted(random.Random(1), tmp_path)
    for form in _forms(planted.pan()):
        assert planted.without(f"a {form.decode()} z") == "a (planted) z"
