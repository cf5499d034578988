"""What ends a reply that is being made, and what keeps a puppet quiet."""

from __future__ import annotations

import asyncio

from tests.e2e.world import STUCK, World
from tests.lab.people import Person


async def test_a_question_redacted_meanwhile_is_not_answered(world: World, alice: Person) -> None:
    room_id = await world.room_of(alice, world.luna)
    world.ollama.once.append(STUCK)
    asked = await alice.send(room_id, "Luna, my password is hunter2, is that safe?")
    thinking = await world.thinking()
    await alice.redact(room_id, asked)
    await asyncio.wait_for(thinking.hung_up.wait(), 10)
    await world.catch_up(alice, room_id, world.luna)
    assert await world.answers(alice, room_id, asked) == []
    assert "hunter2" not in str(world.ollama.chats()[-1]["messages"])


async def test_a_stop_word_drops_the_reply_and_mutes_that_puppet_only(
    world: World, alice: Person
) -> None:
    bob = await world.town.person(world.home, "bob")
    room_id = await world.room_of(alice, world.luna, world.milo, invite=[bob.user_id])
    await bob.join(room_id)
    world.ollama.once.append(STUCK)
    asked = await alice.send(room_id, "Luna, tell me everything.")
    thinking = await world.thinking()
    stop = await bob.send(room_id, "Luna, stop")
    await asyncio.wait_for(thinking.hung_up.wait(), 10)
    again = await alice.send(room_id, "Luna, are you still there?")
    await world.catch_up(alice, room_id, world.milo)
    for event_id in (asked, stop, again):
        assert await world.answers(alice, room_id, event_id) == []


async def test_a_stop_sign_on_its_message_mutes_a_puppet(world: World, alice: Person) -> None:
    room_id = await world.room_of(alice, world.luna, world.milo)
    asked = await alice.send(room_id, "Luna, hello!")
    answer = await world.answer(alice, room_id, asked, world.luna)
    await alice.react(room_id, answer["event_id"], "🛑")
    again = await alice.send(room_id, "Luna, are you still there?")
    await world.catch_up(alice, room_id, world.milo)
    assert await world.answers(alice, room_id, again) == []


async def test_a_puppet_kicked_while_it_thinks_is_gone_and_can_be_invited_again(
    world: World, alice: Person
) -> None:
    room_id = await world.room_of(alice, world.luna)
    world.ollama.once.append(STUCK)
    asked = await alice.send(room_id, "Luna, tell me everything.")
    thinking = await world.thinking()
    await alice.kick(room_id, world.luna)
    await asyncio.wait_for(thinking.hung_up.wait(), 10)
    await alice.send(room_id, "Luna, hello?")
    assert (await alice.members(room_id))[world.luna] == "leave"
    # Synapse may go on believing that nobody of ours is in the room when a puppet comes back in the
    # very moment in which it decides whom to send the last message to.
    await asyncio.sleep(0.5)

    await alice.invite(room_id, world.luna)
    await alice.wait_membership(room_id, world.luna, "join")
    await world.catch_up(alice, room_id, world.luna)
    assert await world.answers(alice, room_id, asked) == []


async def test_a_missing_model_is_told_to_the_person_once(world: World, alice: Person) -> None:
    room_id = await world.room_of(alice, world.luna)
    models = dict(world.ollama.models)
    world.ollama.models.clear()
    try:
        asked = await alice.send(room_id, "Luna, hello!")
        await world.answer(alice, room_id, asked, world.luna)
    finally:
        world.ollama.models.update(models)
    await world.catch_up(alice, room_id, world.luna)
    assert len(await world.answers(alice, room_id, asked)) == 1
