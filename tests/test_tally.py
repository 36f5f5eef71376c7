"""Sealed counts add up to the same however the work was cut."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.base import Buffer, FieldCounts, Match, State, Value
from scanner.contracts import Chunk
from scanner.kinds import LEAST_SCORE, least_of, step_of
from scanner.model import Location
from scanner.seal import Sealer
from scanner.tally import MAX_PLACES, Crowd, SliceResult, Tallies, add_up, short

SEALER = Sealer(b"k" * 32)


class Words:
    """A detector for the tests: every match is its own value; digits have a mask."""

    name = "words"

    def value(self, data: Buffer, match: Match) -> Value:
        text = bytes(data[match.start : match.end]).decode()
        return Value(text, text if text.isdigit() else None)


def chunk_of(words: list[str], line: int = 1) -> tuple[Chunk, list[Match]]:
    data = "\n".join(words).encode()
    matches, at = [], 0
    for i, word in enumerate(words):
        score = 0.5 + 0.4 * (i % 2)
        matches.append(
            Match("words", "WORD", at, at + len(word), score, State.CLEAR, (), (f"w{i}",), field=7)
        )
        at += len(word) + 1

    def locate(start: int, end: int) -> Location:
        return Location(offset=start, line=line + data.count(b"\n", 0, start), field="col")

    return Chunk(data, 0, len(data), locate, newlines=data.count(b"\n")), matches


def slice_of(words: list[str], part: int, limit: int) -> SliceResult:
    tallies = Tallies(SEALER, part, limit)
    chunk, matches = chunk_of(words)
    for match in matches:
        tallies.add(Words(), match, chunk)  # type: ignore[arg-type]  # only value() is used
    found, crowds = tallies.done()
    return SliceResult(
        unit="u",
        index=part,
        bytes=len(chunk.data),
        newlines=len(words),
        tallies=found,
        crowds=crowds,
        fields={"words": {7: FieldCounts(len(words), 1, 1, {16: 1})}},
    )


WORDS = st.lists(st.sampled_from([f"word{i}" for i in range(8)]), max_size=30)


@given(st.lists(WORDS, min_size=1, max_size=4), st.randoms())
def test_order_of_slices_does_not_matter(parts: list[list[str]], rng: random.Random) -> None:
    def total(order: list[int]) -> SliceResult:
        return add_up(slice_of(parts[i], i, 100) for i in order)

    straight = total(list(range(len(parts))))
    shuffled = list(range(len(parts)))
    rng.shuffle(shuffled)
    other = total(shuffled)
    assert msgspec.json.encode(straight) == msgspec.json.encode(other)
    words = [word for part in parts for word in part]
    assert sum(tally.count for tally in straight.tallies) == len(words)
    assert len(straight.tallies) == len(set(words))
    assert not words or straight.fields["words"][7].seen == len(words)
    assert straight.newlines == len(words)


@given(st.lists(WORDS, min_size=1, max_size=4), st.integers(0, 5))
def test_distinct_values_are_exact_when_they_are_too_many(
    parts: list[list[str]], limit: int
) -> None:
    total = add_up(slice_of(words, i, limit) for i, words in enumerate(parts))
    words = [word for part in parts for word in part]
    seen = {short(tally.fingerprint) for tally in total.tallies}
    for crowd in total.crowds:
        packed = crowd.prints
        seen |= {int.from_bytes(packed[i : i + 8], "little") for i in range(0, len(packed), 8)}
    count = sum(each.count for each in [*total.tallies, *total.crowds])
    assert (len(seen), count) == (len(set(words)), len(words))


def test_lines_of_later_slices_become_lines_of_the_unit() -> None:
    total = add_up([slice_of(["a", "b", "c"], 0, 9), slice_of(["d", "e"], 1, 9)])
    lines = {t.places[0].where.line for t in total.tallies}
    assert lines == {1, 2, 3, 4, 5}


def test_places_are_the_first_fifteen() -> None:
    total = add_up([slice_of(["x"] * 10, part, 9) for part in (2, 0, 1)])
    (tally,) = total.tallies
    assert tally.count == 30 and len(tally.places) == MAX_PLACES
    assert [place.part for place in tally.places] == [0] * 10 + [1] * 5


def test_best_occurrence_gives_score_and_words() -> None:
    (tally,) = slice_of(["same", "same"], 0, 9).tallies
    assert tally.score == pytest.approx(0.9) and tally.why == ("w1",)


def test_crowds_stay_small_with_many_repeats() -> None:
    words = [f"v{i % 50}" for i in range(3_000)]
    result = slice_of(words, 0, 10)
    assert sum(len(crowd.prints) for crowd in result.crowds) <= 2 * 40 * 8
    assert all(isinstance(crowd, Crowd) for crowd in result.crowds)


def test_what_leaves_a_worker_survives_the_ledger_unchanged() -> None:
    result = slice_of(["4539120000000008", "b"], 3, 1)
    packed = msgspec.msgpack.encode(result)
    assert msgspec.msgpack.decode(packed, type=SliceResult) == result
    assert b"4539120000000008" not in packed


def test_names_in_locations_are_sealed() -> None:
    pan = "4539120000000008"
    tallies = Tallies(SEALER, 0, 9)
    where = Location(member=f"{pan}.txt", field=pan, sheet=pan)
    chunk = Chunk(b"secret", 0, 6, lambda start, end: where)
    match = Match("words", "WORD", 0, 6, 0.9)
    tallies.add(Words(), match, chunk)  # type: ignore[arg-type]  # only value() is used
    assert pan not in repr(tallies.done())


@given(st.floats(0, 1))
def test_a_step_of_probability_is_asked_for_by_what_it_is_at_least(score: float) -> None:
    step = step_of(score)
    assert least_of(step) <= score + 1e-12
    # a field that makes the value certain still does when asked for the step
    assert score < LEAST_SCORE or least_of(step) >= 0.49 * score
