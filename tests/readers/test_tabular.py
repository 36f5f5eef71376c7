"""Which column or key a value stands under."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner import registry
from scanner.contracts import Chunk, Limits, Source
from scanner.model import Slice
from scanner.readers.tabular import Columns, Keys
from scanner.walk import walk


def field_of(data: bytes, value: bytes, name: str, start: int = 0) -> str | None:
    """What the reader says of the field of ``value``, reading from ``start``."""
    source = Source(io.BytesIO(data), name, len(data))
    for _, item in walk(source, name, Slice(0, start, None), registry.readers(), Limits()):
        assert isinstance(item, Chunk)
        place = bytes(item.data).find(value, item.lo)
        if item.lo <= place < item.hi:
            located = item.locate(place, place + len(value))
            assert located.field == item.field_name(place)
            assert located.offset == data.index(value)
            return located.field
    raise AssertionError("the value was not seen")


@pytest.mark.parametrize(
    ("head", "row"),
    [
        (b"name,card,note\n", b"Ann,@@,x\n"),
        (b"name;card;note\r\n", b'"A;n""n";@@;x\r\n'),
        (b"\xef\xbb\xbfname\tcard\tnote\n", b"Ann\t@@\tx\n"),
        (b'"name"|"card"|"note"\n', b"Ann|@@|x\n"),
    ],
)
def test_columns(head: bytes, row: bytes) -> None:
    data = head + row.replace(b"@@", b"other") * 1000 + row + row.replace(b"@@", b"more") * 1000
    assert field_of(data, b"@@", "x.csv") == "card"
    assert field_of(data, b"@@", "x.csv", start=500) == "card"


def test_a_first_line_of_data_names_no_column() -> None:
    data = b"Ann,4111000000000000,x\nBob,@@,y\n"
    assert field_of(data, b"@@", "x.csv") is None


def test_a_line_begun_far_in_front_has_no_column() -> None:
    data = b"name,card\n" + b"a" * (3 << 20) + b",@@\n"
    assert field_of(data, b"@@", "x.csv") is None


@given(
    rows=st.lists(st.lists(st.text("abc,;\"' é", max_size=8), min_size=3, max_size=3), max_size=6),
    place=st.integers(0, 2),
)
@settings(deadline=None)
def test_columns_of_whatever_the_csv_module_writes(rows: list[list[str]], place: int) -> None:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["first", "second", "third"])
    writer.writerows(rows)
    target = ["x, y", 'say "z"', "w"]
    target[place] = "@@"
    writer.writerow(target)
    data = out.getvalue().encode()
    assert field_of(data, b"@@", "x.csv") == ["first", "second", "third"][place]


def paths_to(value: object, path: str = "") -> str | None:
    """The way to "@@" in a parsed document, by the rule of the reader."""
    if value == "@@":
        return path
    if isinstance(value, dict):
        for key, inner in value.items():
            found = paths_to(inner, f"{path}.{key}" if path else key)
            if found is not None:
                return found
    if isinstance(value, list):
        for inner in value:
            found = paths_to(inner, f"{path}[]" if path else path)
            if found is not None:
                return found
    return None


keys = st.text("abcKEY_", min_size=1, max_size=4)
leaves = st.none() | st.integers() | st.text('ab"\\{}[],:\n é', max_size=6)
trees = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3)
)


@given(tree=trees, before=st.lists(trees, max_size=2), way=st.lists(keys, min_size=1, max_size=3))
@settings(deadline=None)
def test_the_whole_way_in_json_lines(tree: object, before: list[object], way: list[str]) -> None:
    target: object = "@@"
    for key in reversed(way):
        target = {"before": tree, key: target} if key != "before" else {key: target}
    lines = [json.dumps({"line": each}) for each in before]
    document = json.dumps(target)
    data = "\n".join([*lines, document, json.dumps({"after": 1})]).encode()
    assert field_of(data, b"@@", "x.jsonl") == paths_to(json.loads(document))


def test_the_nearest_key_in_one_large_document() -> None:
    records = [{"id": i, "payment": {"number": f"n{i}", "list": [1, 2]}} for i in range(40_000)]
    records[30_000]["payment"]["number"] = "@@"  # type: ignore[index]  # as built above
    for indent in (None, 2):
        data = json.dumps({"records": records}, indent=indent).encode()
        assert field_of(data, b"@@", "x.json") == "number"
        assert field_of(data, b"@@", "x.json", start=len(data) // 3) == "number"


@given(data=st.binary(max_size=300), start=st.integers(0, 299))
def test_no_bytes_break_it(data: bytes, start: int) -> None:
    if start >= len(data):
        return
    columns = Columns()
    columns.learn(data)
    columns.at(data, start, 0)
    Keys().at(data, start, 0)
    Keys().at(b'{"' + data, start, 0)
