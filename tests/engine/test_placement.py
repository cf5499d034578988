"""Which server a room's calls go to."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from bridge.engine.placement import Place, place, ranking

THREE = tuple(Place(name=name) for name in ("one", "two", "three"))
ROOMS = [f"!room{n}:home.example" for n in range(600)]


def test_a_room_goes_to_the_same_server_every_time() -> None:
    assert all(ranking(room, THREE) == ranking(room, THREE[::-1]) for room in ROOMS)


def test_rooms_are_spread_and_by_slots() -> None:
    even = Counter(ranking(room, THREE)[0].name for room in ROOMS)
    assert all(150 < count < 250 for count in even.values())
    large = (Place(name="large", slots=3), Place(name="small", slots=1))
    uneven = Counter(ranking(room, large)[0].name for room in ROOMS)
    assert 2.2 < uneven["large"] / uneven["small"] < 4.2


def test_a_server_that_goes_moves_only_its_own_rooms() -> None:
    for room in ROOMS:
        first = ranking(room, THREE)[0]
        if first.name != "two":
            assert ranking(room, (THREE[0], THREE[2]))[0] == first


def test_a_server_with_too_much_passes_rooms_on() -> None:
    room = ROOMS[0]
    first, second, _ = ranking(room, THREE)
    assert place(room, THREE, {}) == first
    assert place(room, THREE, {first.name: 8}) == second


def test_without_servers_there_is_no_place() -> None:
    assert place("room", (), {}) is None


@given(st.lists(st.sampled_from(ROOMS), max_size=80), st.integers(1, 4))
def test_no_server_gets_much_more_than_its_share(rooms: list[str], slots: int) -> None:
    places = (*THREE, Place(name="large", slots=slots))
    loads: Counter[str] = Counter()
    for n, room in enumerate(rooms, start=1):
        chosen = place(room, places, loads)
        assert chosen is not None
        loads[chosen.name] += 1
        share = n * chosen.slots / sum(each.slots for each in places)
        assert loads[chosen.name] <= 1.25 * share + 1
