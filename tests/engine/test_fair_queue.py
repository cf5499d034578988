"""Who is served next."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.engine.fair_queue import FairQueue


def drained(queue: FairQueue[str]) -> list[str]:
    found: list[str] = []
    while (item := queue.pop()) is not None:
        found.append(item)
    return found


def test_the_more_urgent_is_first() -> None:
    queue = FairQueue[str]()
    queue.push("gate", rank=2, room="a", cost=1)
    queue.push("mention", rank=0, room="b", cost=1)
    queue.push("reply", rank=1, room="c", cost=1)
    assert drained(queue) == ["mention", "reply", "gate"]


def test_rooms_with_the_same_urgency_and_no_past_come_in_order() -> None:
    queue = FairQueue[str]()
    for room in "abc":
        queue.push(room, rank=0, room=room, cost=10)
    assert drained(queue) == ["a", "b", "c"]


def test_a_room_that_was_given_much_waits_for_those_that_were_given_less() -> None:
    queue = FairQueue[str]()
    queue.push("busy 1", rank=0, room="busy", cost=1000)
    queue.push("other", rank=0, room="other", cost=1)
    assert [queue.pop(), queue.pop()] == ["busy 1", "other"]
    queue.push("busy 2", rank=0, room="busy", cost=1000)
    queue.push("quiet", rank=0, room="quiet", cost=1000)
    assert drained(queue) == ["quiet", "busy 2"]


def test_who_asked_long_ago_has_saved_up_nothing() -> None:
    queue = FairQueue[str]()
    queue.push("old", rank=0, room="old", cost=1)
    queue.pop()
    for n in range(5):
        queue.push(f"new {n}", rank=0, room="new", cost=10)
        queue.pop()
    queue.push("new", rank=0, room="new", cost=10)
    queue.push("old 1", rank=0, room="old", cost=10)
    queue.push("old 2", rank=0, room="old", cost=10)
    assert drained(queue) == ["old 1", "new", "old 2"]


def test_what_is_taken_out_is_not_served() -> None:
    queue = FairQueue[str]()
    queue.push("a", rank=0, room="a", cost=1)
    queue.push("b", rank=0, room="b", cost=1)
    assert queue.remove("a")
    assert not queue.remove("a")
    assert queue.clear() == ["b"]
    assert len(queue) == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 50)), min_size=40, max_size=200))
def test_rooms_that_always_wait_are_given_alike(asks: list[tuple[int, int]]) -> None:
    """Each of four rooms has a call waiting all the time; what they get differs by no more than
    two of the largest calls."""
    queue = FairQueue[tuple[int, int]]()
    costs: dict[int, list[int]] = {room: [c for r, c in asks if r == room] or [1] for room in
                                   range(4)}  # fmt: skip
    given_to = dict.fromkeys(range(4), 0)
    served = dict.fromkeys(range(4), 0)

    def ask(room: int) -> None:
        cost = costs[room][served[room] % len(costs[room])]
        served[room] += 1
        queue.push((room, cost), rank=0, room=str(room), cost=cost)

    for room in range(4):
        ask(room)
    for _ in range(100):
        item = queue.pop()
        assert item is not None
        room, cost = item
        given_to[room] += cost
        ask(room)
    assert max(given_to.values()) - min(given_to.values()) <= 2 * 50
