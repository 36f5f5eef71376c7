"""How fast a server is read, and when reading pauses, over a clock of the test's own."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner import pausing
from scanner.errors import ExitCode, Reason, Stopped, Unreadable
from scanner.stores import sql_pace
from scanner.stores.sql_pace import Pace
from scanner.stores.sql_rows import NEW_ROW


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def rules(self, patch: pytest.MonkeyPatch) -> None:
        for module in (sql_pace, pausing):
            patch.setattr(module, "time", self)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds


def pace(
    clock: Clock,
    options: Mapping[str, int],
    lags: list[float | None] | None = None,
    loads: list[int] | None = None,
) -> Pace:
    return Pace(
        options,
        lambda: lags.pop(0) if lags else 0.0,
        lambda: loads.pop(0) if loads else 0,
        "db",
    )


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=20), st.floats(0, 0.5))
def test_a_rate_is_kept_over_all_statements_together(sizes: list[int], each: float) -> None:
    with pytest.MonkeyPatch.context() as patch:
        clock = Clock()
        clock.rules(patch)
        paced = pace(clock, {"bytes_per_second": 1000, "max_lag": 0})
        for size in sizes:
            started = clock.now
            clock.now += each  # what the server took
            paced.after(started, [(b"x" * size, 7)])
        least = sum(sizes) / 1000
        assert clock.now - 1000 >= least - 1e-6
        assert clock.now - 1000 <= least + each * len(sizes) + 1e-6


def test_rows_are_those_in_one_text_or_many(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    clock.rules(monkeypatch)
    paced = pace(clock, {"rows_per_second": 10, "max_lag": 0})
    paced.after(clock.now, [(NEW_ROW.join([b"row"] * 30),)])
    assert clock.now == pytest.approx(1003)
    paced.after(clock.now, [(b"a", 1), (b"b", 2), (None, 3), (b"", 4), (b"e", 5)])
    assert clock.now == pytest.approx(1003.5)


def test_it_waits_for_replicas_and_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    clock.rules(monkeypatch)
    lags: list[float | None] = [90.0, 61.0, None]
    loads = [9, 3]
    paced, told = pace(clock, {"max_load": 4}, lags, loads), list[str]()
    with pausing.ended_by(lambda: None, told.append):
        paced.after(clock.now, [])
    assert clock.now == pytest.approx(1003) and not lags and not loads
    assert told == ["db: reading waits: replication is 90 s behind (max_lag = 60)"]
    paced.after(clock.now, [])  # not asked again at once
    assert clock.now == pytest.approx(1003)


@pytest.mark.parametrize(
    ("options", "words"), [({}, "max_lag"), ({"max_load": 1, "max_lag": 0}, "max_load")]
)
def test_a_server_that_stays_busy_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, int], words: str
) -> None:
    clock = Clock()
    clock.rules(monkeypatch)
    paced = pace(clock, options, [1e9] * 1000, [99] * 1000)
    with pytest.raises(Unreadable, match=words) as caught:
        paced.after(clock.now, [])
    assert caught.value.reason is Reason.THROTTLED
    assert 600 <= clock.now - 1000 < 610


def test_a_pause_ends_when_somebody_asks_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """In whichever thread: pieces are asked for ahead."""
    clock = Clock()
    clock.rules(monkeypatch)
    paced = pace(clock, {}, [1e9] * 1000)
    with (
        pausing.ended_by(lambda: ExitCode.SIGTERM if clock.now > 1005 else None),
        ThreadPoolExecutor(1) as thread,
        pytest.raises(Stopped) as caught,
    ):
        thread.submit(paced.after, clock.now, []).result()
    assert caught.value.exit_code is ExitCode.SIGTERM
    assert 1005 <= clock.now < 1006.5
