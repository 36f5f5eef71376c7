"""Files of database servers that are searched as bytes only, and say so."""

from __future__ import annotations

import pytest

from tests.readers.packing import see


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("full.bak", b"TAPE\0\0\3\0" + b"\0x" * 5000),
        ("dump.rdb", b"REDIS0011\xfa\x09redis-ver\x067.0.15" + b"y" * 99),
        ("shop.MDF", b"\1\x0f\0\0" + b"z" * 9999),
        ("shop_log.ldf", bytes(range(256)) * 40),
        ("orders.ibd", bytes(16384)),
    ],
)
def test_they_are_read_in_part(name: str, data: bytes) -> None:
    seen = see(data, name)
    assert seen.content == {None: data}
    assert seen.problems == [(None, "unsupported-format")]


def test_a_text_with_such_a_name_is_a_text() -> None:
    assert see(b"just words\n" * 99, "notes.mdf").problems == []
