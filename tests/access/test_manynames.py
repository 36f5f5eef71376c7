"""Many names sealed at once come out as each of them alone."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from scanner.access.manynames import digits_gather, seal_all
from scanner.seal import _RUN, Sealer
from scanner.text import _ACCOUNT, few_digits

SEALER = Sealer(b"k" * 32)
_NAMES = st.one_of(
    st.text("0123456789 -./ab\n:é\u0661", max_size=30),
    st.sampled_from(["4111111111111111", "4111-1111-1111-1111", "4 111 1111 1111 1111", "", "a"]),
)


@given(st.lists(_NAMES, max_size=9))
@example(["4111111", "111111111"])
@example(["4111  1111  1111  1111"])
def test_as_each_alone(names: list[str]) -> None:
    assert list(seal_all(names, SEALER.name)) == [SEALER.name(name) for name in names]


@given(_NAMES)
@example("41111111111")
@example("411111111111")
def test_few_digits_are_no_number(name: str) -> None:
    assert not few_digits(name) or not (_RUN.search(name) or _ACCOUNT.search(name))


def test_ordinary_names_are_not_looked_at_twice() -> None:
    names = [f"exports/2026/03/part-{number:06}.csv.gz" for number in range(100)]
    assert not digits_gather("\n".join(names)) and not digits_gather("")
    assert digits_gather("\n".join([*names, "4111111111111111"]))
