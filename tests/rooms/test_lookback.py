"""What a homeserver forgot to send is answered all the same, in its place."""

from __future__ import annotations

import asyncio
from typing import Any

from bridge.domain.ids import EventId, RoomId
from bridge.errors import Refused, TimedOut
from bridge.rooms.lookback import EVENTS
from tests.rooms.conftest import ALICE, BOB, LUNA, World


async def forgetting(world: World, room_id: RoomId, *texts: str) -> list[EventId]:
    """Things that people say while the homeserver is about to lose what it holds."""
    world.homeserver.detach()
    said = [await world.homeserver.say(room_id, BOB, text) for text in texts]
    world.homeserver.drop_waiting()
    return said


async def back(world: World) -> None:
    assert world.accept is not None
    await world.homeserver.attach(world.accept)
    await world.settle()


async def test_a_lost_question_is_answered_once_there_is_doubt(world: World) -> None:
    room_id = await world.lounge()
    [lost] = await forgetting(world, room_id, "Luna, hello?")
    await back(world)
    await world.pass_s(5)
    assert world.said(room_id, lost) == []
    assert world.dispatcher is not None
    world.dispatcher.lookback.doubt()
    await world.pass_s(5)
    assert len(world.said(room_id, lost)) == 1


async def test_a_lost_question_is_answered_before_the_one_that_came(world: World) -> None:
    room_id = await world.lounge()
    await world.fall()
    [lost] = await forgetting(world, room_id, "Luna, who are you?")
    came = await world.homeserver.say(room_id, BOB, "Luna, and how?")
    await world.rise()
    await world.pass_s(10)
    targets = [
        content["m.relates_to"]["m.in_reply_to"]["event_id"]
        for content in world.said(room_id)
        if "m.relates_to" in content
    ]
    assert targets == [lost, came]


async def test_a_doubt_that_arises_while_the_room_is_at_work_comes_before_its_next_event(
    world: World,
) -> None:
    room_id = await world.lounge()
    world.engine.state = "slow"
    first = await world.ask(room_id, "Luna, hello?")
    [lost] = await forgetting(world, room_id, "Luna, who are you?")
    assert world.dispatcher is not None
    world.dispatcher.lookback.doubt()
    await world.pass_s(1)
    await back(world)
    last = await world.ask(room_id, "Luna, and how?", BOB)
    await world.pass_s(40)
    targets = [
        content["m.relates_to"]["m.in_reply_to"]["event_id"]
        for content in world.said(room_id)
        if "m.relates_to" in content
    ]
    assert targets == [first, lost, last]


async def test_what_was_lost_is_found_behind_all_that_waits(world: World) -> None:
    room_id = await world.lounge()
    world.engine.state = "slow"
    await world.ask(room_id, "Luna, hello?")
    [lost] = await forgetting(world, room_id, "Luna, who are you?")
    assert world.dispatcher is not None
    world.dispatcher.lookback.doubt()
    await back(world)
    for n in range(EVENTS + 10):
        await world.homeserver.say(room_id, BOB, f"number {n}")
    await world.pass_s(30)
    assert len(world.said(room_id, lost)) == 1


async def test_a_doubt_is_heeded_after_the_event_in_hand_not_after_all_that_wait(
    world: World,
) -> None:
    room_id = await world.lounge()
    world.engine.state = "slow"
    for n in range(4):
        await world.homeserver.say(room_id, ALICE, f"Luna, question {n}?")
    await world.settle()
    looks = 0
    look_back = world.homeserver.look_back

    async def counted(*args: Any, **options: Any) -> Any:
        nonlocal looks
        looks += 1
        return await look_back(*args, **options)

    world.homeserver.look_back = counted  # type: ignore[method-assign]
    assert world.dispatcher is not None
    world.dispatcher.lookback.doubt()
    await world.pass_s(12)
    assert looks == 1
    assert len(world.said(room_id)) == 2, "the disclosure and one answer"


async def test_a_room_waits_for_the_homeserver_that_it_must_ask(world: World) -> None:
    room_id = await world.lounge()
    [lost] = await forgetting(world, room_id, "Luna, hello?")
    world.homeserver.is_down = True
    await back(world)
    assert world.dispatcher is not None
    world.dispatcher.lookback.doubt()
    await world.pass_s(5)
    assert world.said(room_id, lost) == []
    world.homeserver.is_down = False
    await world.pass_s(31)
    assert len(world.said(room_id, lost)) == 1


async def test_a_homeserver_that_is_too_slow_or_refuses_holds_nothing_up(
    world: World,
) -> None:
    room_id = await world.lounge()
    look_back = world.homeserver.look_back
    for error in (TimedOut("slow"), Refused("no", status=403, errcode="M_FORBIDDEN")):

        async def fail(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        world.homeserver.look_back = fail  # type: ignore[method-assign,assignment]
        assert world.dispatcher is not None
        world.dispatcher.lookback.doubt()
        await world.pass_s(2)
        asked = await world.ask(room_id, "Luna, hello?")
        await world.pass_s(5)
        assert len(world.said(room_id, asked)) == 1
    world.homeserver.look_back = look_back  # type: ignore[method-assign]


async def test_nothing_from_before_a_puppets_join_is_answered(world: World) -> None:
    room_id = await world.lounge()
    await world.homeserver.member(
        room_id, sender=LUNA.user_id, user_id=LUNA.user_id, membership="leave"
    )
    await world.pass_s(1)
    before = await world.homeserver.say(room_id, BOB, "Luna, hello?")
    await world.homeserver.invite(room_id, sender=BOB, user_id=LUNA.user_id)
    await world.pass_s(2)
    assert world.dispatcher is not None
    world.dispatcher.lookback.doubt()
    await world.pass_s(5)
    assert world.said(room_id, before) == []


async def test_doubts_come_to_the_rooms_at_most_once_a_second(world: World) -> None:
    await world.lounge()
    assert world.dispatcher is not None
    told = 0
    doubt = world.store.lookback.doubt

    async def counted() -> int:
        nonlocal told
        told += 1
        return await doubt()

    world.store.lookback.doubt = counted  # type: ignore[method-assign]
    for _ in range(50):
        world.dispatcher.lookback.doubt()
        await asyncio.sleep(0)
    await world.pass_s(3)
    assert told <= 2
