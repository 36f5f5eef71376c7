"""A server that is away is asked again, one that refuses is not."""

from __future__ import annotations

import pytest

from scanner.errors import Reason, Unreadable
from scanner.stores.asking import Asking, Away

GONE = Unreadable(Reason.UNREACHABLE, "the connection was lost")
BUSY = Unreadable(Reason.THROTTLED, "the server is short of resources")


def never() -> str:
    raise GONE


def test_until_an_answer_comes() -> None:
    asking, reached, asked = Asking("test://", {}), list[int](), list[str]()

    def reach() -> str:
        reached.append(1)
        if len(reached) == 1:
            raise BUSY
        return "connection"

    def question(connection: str) -> int:
        asked.append(connection)
        if len(asked) == 1:
            raise Away(GONE)
        return 7

    assert asking.ask(reach, question) == 7
    assert (len(reached), asked) == (3, ["connection"] * 2)


@pytest.mark.parametrize("refused", [BUSY, Unreadable(Reason.ACCESS_DENIED)], ids=str)
def test_what_the_server_refuses_is_not_asked_again(refused: Unreadable) -> None:
    asked: list[str] = []

    def question(connection: str) -> None:
        asked.append(connection)
        raise refused

    with pytest.raises(Unreadable) as raised:
        Asking("test://", {}).ask(lambda: "connection", question)
    assert raised.value is refused
    assert len(asked) == 1


def test_patience_runs_out_once_and_comes_back_with_the_server() -> None:
    asking, reached = Asking("test://", {"patience": 0.15}), list[int]()

    def reach() -> str:
        reached.append(1)
        raise GONE

    def tries() -> int:
        before = len(reached)
        with pytest.raises(Unreadable):
            asking.ask(reach, str)
        return len(reached) - before

    assert tries() == 2
    assert tries() == 1
    assert asking.ask(lambda: 7, str) == "7"
    assert tries() == 2


def test_the_first_question_of_all_does_not_wait() -> None:
    asking = Asking("test://", {})
    with pytest.raises(Unreadable):
        asking.once(never)
    with pytest.raises(Unreadable):
        asking.ask(never, str)  # nor does the next
    assert asking.once(lambda: "connection") == "connection"
