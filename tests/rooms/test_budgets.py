"""Who asks for more than the operator allows waits; the others are answered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bridge.domain.budget import Budget, Budgets
from tests.lab.stores import sqlite_url
from tests.rooms.conftest import BOB, World


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """What is said doesn't depend on the kind of database."""
    return sqlite_url(tmp_path)


async def limited(world: World, budgets: Budgets) -> None:
    world.house = replace(world.house, budgets=budgets)
    await world.fall()
    await world.rise()


async def test_one_who_asks_too_much_gets_an_hourglass_once_and_others_are_answered(
    world: World,
) -> None:
    await limited(world, Budgets(person=Budget(messages_per_minute=2)))
    room_id = await world.lounge()
    await world.homeserver.member(room_id, sender=BOB, user_id=BOB, membership="join")
    asked = [await world.ask(room_id, f"Luna, what is {n}?") for n in range(5)]
    assert [len(world.said(room_id, each)) for each in asked] == [1, 1, 0, 0, 0]
    assert [world.reactions(room_id, each) for each in asked] == [[], [], ["⏳"], [], []]
    bobs = await world.ask(room_id, "Luna, and for me?", BOB)
    assert len(world.said(room_id, bobs)) == 1
    await world.pass_s(61)
    later = await world.ask(room_id, "Luna, now again?")
    assert len(world.said(room_id, later)) == 1


async def test_commands_and_stops_cost_nothing_and_are_always_heard(world: World) -> None:
    await limited(world, Budgets(person=Budget(messages_per_day=1)))
    room_id = await world.lounge()
    for n in range(3):
        await world.ask(room_id, f"Luna, what is {n}?")
    usage = await world.ask(room_id, "!ai usage")
    assert "you got 1 replies of at most 1" in world.said(room_id, usage)[0]["body"]
    stop = await world.ask(room_id, "Luna, stop")
    assert world.reactions(room_id, stop) == ["🤫"]


async def test_asking_to_be_forgotten_gives_no_new_budget(world: World) -> None:
    await limited(world, Budgets(person=Budget(messages_per_day=1)))
    room_id = await world.lounge()
    await world.ask(room_id, "Luna, hello?")
    await world.ask(room_id, "!ai forget")
    again = await world.ask(room_id, "Luna, hello again?")
    assert world.said(room_id, again) == []
