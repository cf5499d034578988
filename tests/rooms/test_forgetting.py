"""What people take back is gone within seconds, also while a reply is being made."""

from __future__ import annotations

from bridge.domain.ids import EventId, RoomId
from tests.rooms.conftest import ALICE, BOB, World
from tests.store.making import everything

SECRET = "CANARY"


async def dump(world: World) -> str:
    return await everything(world.store.database)


def proof(world: World, room_id: RoomId, command: EventId) -> str:
    [notice] = world.said(room_id, command)
    return notice["body"]


async def shared(world: World) -> RoomId:
    """A room with Alice, Bob and Luna."""
    room_id = await world.lounge()
    await world.homeserver.member(room_id, sender=BOB, user_id=BOB, membership="join")
    await world.settle()
    return room_id


async def test_words_redacted_during_a_long_reply_are_gone_before_its_end(world: World) -> None:
    room_id = await shared(world)
    secret = await world.ask(room_id, SECRET)
    assert SECRET in await dump(world)
    world.engine.state = "slow"
    asked = await world.ask(room_id, "Luna, hello?", BOB)
    waiting = await world.ask(room_id, f"Luna, {SECRET}?")
    await world.homeserver.redact(room_id, ALICE, secret)
    await world.homeserver.redact(room_id, ALICE, waiting)
    await world.settle()
    assert SECRET not in await dump(world)
    await world.pass_s(20)
    assert len(world.said(room_id, asked)) == 1
    assert world.said(room_id, waiting) == []


async def test_a_person_is_forgotten_during_a_long_reply_to_another(world: World) -> None:
    room_id = await shared(world)
    await world.ask(room_id, f"Luna, {SECRET}")
    world.engine.state = "slow"
    asked = await world.ask(room_id, "Luna, hello?", BOB)
    command = await world.ask(room_id, "!ai forget")
    await world.pass_s(1)
    assert SECRET not in await dump(world)
    assert world.said(room_id, command) == []
    await world.pass_s(20)
    assert len(world.said(room_id, asked)) == 1
    assert "1 of your messages and 1 of the answers" in proof(world, room_id, command)


async def test_a_long_reply_to_who_wants_to_be_forgotten_ends_in_any_room(world: World) -> None:
    here, there = await shared(world), await world.lounge()
    world.engine.state = "slow"
    asked = await world.ask(there, f"Luna, {SECRET}?")
    waiting = await world.ask(there, f"Luna, and {SECRET}?")
    command = await world.ask(here, "!ai forget")
    await world.pass_s(1)
    assert SECRET not in await dump(world)
    assert "2 of your messages and 0 of the answers" in proof(world, here, command)
    await world.pass_s(20)
    assert world.said(there, asked) == world.said(there, waiting) == []
    assert await world.turn_states() == ["dropped"]
    world.engine.state = "up"
    later = await world.ask(there, "Luna, still there?")
    assert len(world.said(there, later)) == 1


async def test_the_counts_are_right_when_we_die_before_they_are_told(world: World) -> None:
    room_id = await shared(world)
    await world.ask(room_id, f"Luna, {SECRET}")
    world.homeserver.fail_next_send("before")
    command = await world.ask(room_id, "!ai forget")
    assert SECRET not in await dump(world)
    assert world.said(room_id, command) == []
    await world.fall()
    await world.rise()
    await world.pass_s(15)
    assert "1 of your messages and 1 of the answers" in proof(world, room_id, command)
