"""What falls out of a room's window is summed up while nobody waits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bridge.domain.access import Limits
from bridge.domain.ids import RoomId
from tests.lab.stores import sqlite_url
from tests.rooms.conftest import BOB, World

SUMMARY = "They plan a picnic."
WINDOW = 8


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """What is said doesn't depend on the kind of database."""
    return sqlite_url(tmp_path)


@pytest.fixture
async def room_id(world: World) -> RoomId:
    limits = Limits(burst_ms=0, window_messages=WINDOW)
    world.house = replace(world.house, summaries=True, limits=limits)
    world.engine.summary = SUMMARY
    await world.fall()
    await world.rise()
    room_id = await world.lounge()
    await world.homeserver.member(room_id, sender=BOB, user_id=BOB, membership="join")
    return room_id


async def talk(world: World, room_id: RoomId, count: int) -> None:
    for n in range(count):
        await world.ask(room_id, f"word{n}", BOB)
    await world.pass_s(2)


def asked_to_sum_up(world: World) -> int:
    return sum(prompt.purpose == "summary" for prompt in world.engine.prompts)


async def test_the_next_reply_is_told_the_summary_in_place_of_the_words(
    world: World, room_id: RoomId
) -> None:
    await world.ask(room_id, "Luna, hello?")
    await talk(world, room_id, WINDOW)
    assert asked_to_sum_up(world) == 1
    await world.ask(room_id, "Luna, and now?")
    prompt = world.engine.prompts[-1]
    assert SUMMARY in prompt.system
    assert "word0" not in prompt.user
    assert f"word{WINDOW - 1}" in prompt.user


async def test_the_transcript_that_is_summed_up_is_that_of_the_last_reply(
    world: World, room_id: RoomId
) -> None:
    await talk(world, room_id, WINDOW - 1)
    await world.ask(room_id, "Luna, hello?")
    await world.pass_s(2)
    reply, summary = world.engine.prompts[-2:]
    assert summary.purpose == "summary"
    assert summary.system == reply.system
    seen = reply.user.partition("\n\n==")[0]
    assert summary.user.startswith(seen)


async def test_a_room_where_nobody_talks_to_a_puppet_is_not_summed_up(
    world: World, room_id: RoomId
) -> None:
    await world.pass_s(700)
    await talk(world, room_id, 3 * WINDOW)
    assert asked_to_sum_up(world) == 0


async def test_who_asks_meanwhile_is_answered_first(world: World, room_id: RoomId) -> None:
    await world.ask(room_id, "Luna, hello?")
    world.engine.state = "slow"
    await talk(world, room_id, WINDOW)
    world.engine.state = "up"
    asked = await world.ask(room_id, "Luna, and now?")
    await world.pass_s(0.5)
    assert len(world.said(room_id, asked)) == 1
    assert await world.store.summaries.get(room_id) is None
    await world.pass_s(70)
    await world.ask(room_id, "nobody")
    await world.pass_s(2)
    assert await world.store.summaries.get(room_id) is not None


async def test_long_messages_are_summed_up_before_they_no_longer_fit(
    world: World, room_id: RoomId
) -> None:
    world.house = replace(world.house, limits=replace(world.house.limits, prompt_tokens=2500))
    await world.fall()
    await world.rise()
    await world.ask(room_id, "Luna, hello?")
    for n in range(4):
        await world.ask(room_id, f"word{n} " + "and so it goes on and on " * 40)
        await world.pass_s(3)
    assert (await world.store.rooms.get(room_id)).window_from > 0
    await world.ask(room_id, "Luna, and now?")
    prompt = world.engine.prompts[-1]
    assert SUMMARY in prompt.system
    assert "word0" not in prompt.user
    assert "word3" in prompt.user


async def test_without_a_summary_the_window_is_cut_all_the_same(
    world: World, room_id: RoomId
) -> None:
    world.engine.summary = ""
    await world.ask(room_id, "Luna, hello?")
    await talk(world, room_id, 2 * WINDOW)
    await world.ask(room_id, "Luna, and now?")
    assert "word0" not in world.engine.prompts[-1].user
    assert await world.store.summaries.get(room_id) is None


async def test_a_summary_that_is_redacted_away_is_told_no_more(
    world: World, room_id: RoomId
) -> None:
    secret = await world.ask(room_id, "Luna, it is a secret, right?")
    await talk(world, room_id, WINDOW)
    assert await world.store.summaries.get(room_id) is not None
    await world.homeserver.redact(room_id, BOB, secret)
    await world.settle()
    assert await world.store.summaries.get(room_id) is None
    await world.ask(room_id, "Luna, and now?")
    assert SUMMARY not in world.engine.prompts[-1].system
