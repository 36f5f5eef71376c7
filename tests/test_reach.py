"""What views and parents open, and how evidence calls a read of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scanner.known import COUNTS_TABLES, NAMES_NO_BASE, known, name_hash
from scanner.reach import Door, Holding, doors, held_alike, leading
from scanner.registry import evidence

NAMES = st.sampled_from("abcdef")
EDGES = st.dictionaries(NAMES, st.lists(NAMES, max_size=3))


def same(name: str) -> str:
    return name


@given(EDGES)
def test_a_door_opens_whatever_can_be_reached_by_it(edges: dict[str, list[str]]) -> None:
    """Views of views, partitions of partitions; circles too, as rules can make them."""
    found = {door.name: set(door.opens) for door in doors(edges, (), same)}
    assert set(found) == set(edges)
    for name, opens in found.items():
        step = {each for one in (name, *opens) for each in edges.get(one, ())}
        assert step - {name} == opens


def test_grants_alike_stand_together() -> None:
    nobody = ((), ())
    by = {
        **{(name, ""): (["x"], *nobody) for name in "ba"},
        ("c", ""): ([], *nobody),
        ("d", ""): (["y", "x"], ["y"], ["x"]),
        **{("d", column): (["x"], *nobody) for column in "nm"},
        ("a", "o"): (["x"], *nobody),
    }
    assert held_alike(by, str.upper) == (
        Holding(("A", "B"), ("X",)),
        Holding(("D",), ("X", "Y"), (), ("Y",), ("X",)),
        Holding(("D",), ("X",), ("M", "N")),
        Holding(("A",), ("X",), ("O",)),
    )


def test_what_a_read_of_cards_is_called() -> None:
    """By a parent in every log; by a view where the log does not name the table under it; counters
    of tables count the tables themselves."""
    all_doors = (
        Door("sales", ("sales_1", "sales_2"), False),
        Door("seen", ("cards",), True),
        Door("other", ("plain",), True),
    )
    assert [door.name for door in leading({"cards", "sales_1"}, all_doors)] == ["sales", "seen"]
    found = known(4, ["cards", "sales_1"], all_doors)
    held = {name_hash(name) for name in ("cards", "sales_1")}
    assert found.of("pgaudit").cards == held | {name_hash("sales")}
    assert found.of("general-log").cards == held | {name_hash("sales"), name_hash("seen")}
    assert found.of("table-counters").cards == held
    assert known(None, []).of("pgaudit") == known(None, [])


def test_kinds_are_spelt_as_they_are_called() -> None:
    counters = {"pg_stat_statements", *COUNTS_TABLES}
    assert NAMES_NO_BASE - counters <= set(evidence())
