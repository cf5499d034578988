"""What was asked is answered once, whoever was away meanwhile."""

from __future__ import annotations

import asyncio
import re
import uuid
from typing import Final

from tests.e2e.world import STUCK, World
from tests.lab.people import Person, replies_to

DATABASES: Final = ("sqlite", "postgres")


async def test_what_was_asked_while_the_bridge_was_down_is_answered_in_order(
    world: World, alice: Person
) -> None:
    room_id = await world.room_of(alice, world.luna)
    assert await world.bridge.stop() == 0
    first = await alice.send(room_id, "Luna, are you there?")
    second = await alice.send(room_id, "Luna, hello?")
    # Long enough that the homeserver has marked it as down, and would wait before it tries again.
    await asyncio.sleep(3)
    await world.bridge.start()
    await world.answer(alice, room_id, first, world.luna)
    await world.answer(alice, room_id, second, world.luna)
    await world.catch_up(alice, room_id, world.luna)
    assert len(await world.answers(alice, room_id, first)) == 1
    assert len(await world.answers(alice, room_id, second)) == 1


async def test_a_bridge_restarted_between_questions_remembers_the_room(
    world: World, alice: Person
) -> None:
    room_id = await world.room_of(alice, world.luna)
    before = await alice.send(room_id, "Luna, my dog is called Rex.")
    await world.answer(alice, room_id, before, world.luna)
    await world.bridge.restart()
    after = await alice.send(room_id, "Luna, what is my dog called?")
    await world.answer(alice, room_id, after, world.luna)
    assert "Rex" in str(world.ollama.chats()[-1]["messages"])
    assert len(await world.answers(alice, room_id, before)) == 1


async def test_a_bridge_killed_while_it_thinks_answers_once_when_it_is_back(
    world: World, alice: Person
) -> None:
    room_id = await world.room_of(alice, world.luna)
    world.ollama.once.append(STUCK)
    asked = await alice.send(room_id, "Luna, what is the moon?")
    await world.thinking()
    await world.bridge.kill()
    await world.bridge.start()
    await world.answer(alice, room_id, asked, world.luna)
    await world.catch_up(alice, room_id, world.luna)
    assert len(await world.answers(alice, room_id, asked)) == 1


async def test_a_restarted_homeserver_whose_transaction_ids_begin_again_loses_and_repeats_nothing(
    world: World, alice: Person
) -> None:
    room_id = await world.room_of(alice, world.luna)
    before = await alice.send(room_id, "Luna, what is the moon?")
    await world.answer(alice, room_id, before, world.luna)
    world.home.stop()
    await world.home.start()
    after = [await alice.send(room_id, f"Luna, question {n}?") for n in (1, 2, 3)]
    for asked in after:
        await world.answer(alice, room_id, asked, world.luna)
    for asked in (before, *after):
        assert len(await world.answers(alice, room_id, asked)) == 1
    log = (world.home.folder / "synapse.log").read_text()
    sent = re.findall(r"/_matrix/app/v1/transactions/(\d+)", log)
    assert len(sent) > len(set(sent)), "else this test has not shown anything"


async def test_a_homeserver_away_when_the_answer_is_ready_gets_it_once_when_it_is_back(
    world: World, alice: Person
) -> None:
    room_id = await world.room_of(alice, world.luna)
    told = asyncio.Event()

    def _tell(_: object) -> str:
        world.home.kill()
        told.set()
        return "The moon is a rock."

    world.ollama.reply = _tell
    asked = await alice.send(room_id, "Luna, what is the moon?")
    await asyncio.wait_for(told.wait(), 10)
    world.reset_model()
    await world.home.start()
    await world.answer(alice, room_id, asked, world.luna)
    await world.catch_up(alice, room_id, world.luna)
    assert len(await world.answers(alice, room_id, asked)) == 1
    assert not any("what is the moon" in _last_task(body) for body in world.ollama.chats())


def _last_task(body: dict[str, object]) -> str:
    return str(body).rpartition("Reply to")[2]


async def test_a_transaction_delivered_twice_is_handled_once(world: World, alice: Person) -> None:
    room_id = await world.room_of(alice, world.luna)
    asked = await alice.send(room_id, "Luna, what is the moon?")
    await world.answer(alice, room_id, asked, world.luna)
    event = next(e for e in await alice.messages(room_id) if e["event_id"] == asked)
    body = {"events": [event | {"room_id": room_id}]}
    txn_id = uuid.uuid4().hex
    for same_or_new in (txn_id, txn_id, uuid.uuid4().hex):
        assert await world.bridge.deliver(same_or_new, body) == 200
    await world.catch_up(alice, room_id, world.luna)
    assert len(await world.answers(alice, room_id, asked)) == 1


async def test_what_a_homeserver_held_in_memory_when_it_was_killed_is_answered_in_order(
    world: World, alice: Person
) -> None:
    """While one transaction is under way, what comes next has not been written down for us."""
    room_id = await world.room_of(alice, world.luna)
    world.bridge.pause()
    asked = [await alice.send(room_id, f"Luna, question {n}?") for n in (1, 2, 3)]
    world.home.kill()
    world.bridge.go_on()
    await world.home.start()
    asked.append(await alice.send(room_id, "Luna, question 4?"))
    for one in asked:
        await world.answer(alice, room_id, one, world.luna)
    await world.catch_up(alice, room_id, world.luna)
    answers = [
        replies_to(event)
        for event in await alice.messages(room_id)
        if event["sender"] == world.luna and replies_to(event) in asked
    ]
    assert answers == asked
    assert "events_were_missing" in world.bridge.log.read_text(), "else this has shown nothing"
