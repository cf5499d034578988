"""Who may change how the AI behaves in a room."""

from __future__ import annotations

import pytest

from bridge.domain.ids import UserId
from bridge.domain.room import Powers, Room, apply
from tests.policy.builders import ALICE, BOB, CAROL, ROOM, state


def after(*events: tuple[str, dict[str, object]]) -> Room:
    room = Room(room_id=ROOM, powers=Powers())
    for kind, content in events:
        room = apply(room, state(kind, content))
    return room


def test_nobody_may_while_the_powers_are_unknown() -> None:
    assert not Room(room_id=ROOM).may_set_up(ALICE)


def test_the_creator_may_until_power_levels_are_set() -> None:
    room = after(("m.room.create", {"room_version": "10"}))
    assert room.may_set_up(ALICE)
    assert not room.may_set_up(BOB)


@pytest.mark.parametrize(
    ("levels", "may"),
    [
        ({"users": {BOB: 50}}, True),
        ({"users": {BOB: 49}}, False),
        ({"users": {BOB: "50"}}, True),
        ({"users": {BOB: "many"}}, False),
        ({"users": {BOB: True}}, False),
        ({"users_default": 50}, True),
        ({"state_default": 0}, True),
        ({"state_default": 100, "users": {BOB: 99}}, False),
        ({"users": []}, False),
        ({}, False),
    ],
)
def test_the_level_must_reach_that_of_state(levels: dict[str, object], may: bool) -> None:
    room = after(("m.room.create", {"room_version": "10"}), ("m.room.power_levels", levels))
    assert room.may_set_up(BOB) is may


def test_creators_of_new_rooms_stand_above_numbers() -> None:
    create: dict[str, object] = {"room_version": "12", "additional_creators": [CAROL, 5]}
    room = after(("m.room.create", create), ("m.room.power_levels", {"state_default": 100}))
    assert room.may_set_up(ALICE)
    assert room.may_set_up(CAROL)
    assert not room.may_set_up(BOB)


def test_a_creator_of_an_old_room_may_lose_the_power() -> None:
    room = after(
        ("m.room.create", {"room_version": "11"}),
        ("m.room.power_levels", {"users": {BOB: 100, ALICE: 0}}),
    )
    assert not room.may_set_up(ALICE)
    assert room.may_set_up(BOB)
    assert not room.may_set_up(UserId("@nobody:far.example"))
