"""Who decides in a room, from any server, and what keeps machines from talking for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import pytest_asyncio

from bridge.domain.vendor import AI_KEY
from tests.e2e.world import World, is_message
from tests.lab.people import Event, Person, replies_to

BRIDGE: Final[dict[str, Any]] = {
    "access": {"invite": {"allow": ["*"]}, "ask": {"allow": ["*"]}, "max_invites_per_day": 100}
}


@pytest_asyncio.fixture(loop_scope="session")
async def bob(world: World) -> Person:
    """A person of the other homeserver."""
    return await world.town.person(world.away, "bob")


async def shared(world: World, alice: Person, bob: Person, *, power_of_bob: int = 0) -> str:
    """A room of Alice's with Luna and Bob in it."""
    room_id = await world.room_of(alice, world.luna)
    await alice.invite(room_id, bob.user_id)
    await bob.wait_invite(room_id)
    await bob.join(room_id, via=world.home.name)
    await alice.wait_membership(room_id, bob.user_id, "join")
    if power_of_bob:
        levels = await alice.state(room_id, "m.room.power_levels")
        users = {**levels["users"], bob.user_id: power_of_bob}
        await alice.set_state(room_id, "m.room.power_levels", {**levels, "users": users})
    return room_id


def reaction(to: str, by: str, key: str) -> Callable[[Event], bool]:
    def is_it(event: Event) -> bool:
        relation = event["content"].get("m.relates_to", {})
        found = (event["type"], event["sender"], relation.get("event_id"), relation.get("key"))
        return found == ("m.reaction", by, to, key)

    return is_it


async def test_a_remote_admin_decides_and_others_get_a_sign(
    world: World, alice: Person, bob: Person
) -> None:
    room_id = await shared(world, alice, bob, power_of_bob=50)
    carol = await world.town.person(world.home, "carol")
    await alice.invite(room_id, carol.user_id)
    await carol.join(room_id)
    refused = await carol.send(room_id, "!ai level silent")
    await carol.wait_for(room_id, reaction(refused, world.luna, "🚫"))
    asked = await carol.send(room_id, "Luna, hello?")
    await world.answer(carol, room_id, asked, world.luna)

    told = await bob.send(room_id, "!ai level silent")
    answer = await bob.wait_for(
        room_id, lambda e: is_message(e, world.luna) and replies_to(e) == told
    )
    assert "level silent" in answer["content"]["body"]
    unheard = await carol.send(room_id, "Luna, and now?")
    await world.bridge.restart()
    still = await carol.send(room_id, "Luna, after a restart?")
    told = await bob.send(room_id, "!ai level reply-only")
    await bob.wait_for(room_id, lambda e: is_message(e, world.luna) and replies_to(e) == told)
    asked = await carol.send(room_id, "Luna, hello again?")
    await world.answer(carol, room_id, asked, world.luna)
    for event_id in (refused, unheard, still):
        assert await world.answers(alice, room_id, event_id) == []


async def test_anybody_stops_and_only_the_power_lifts_it(
    world: World, alice: Person, bob: Person
) -> None:
    room_id = await shared(world, alice, bob)
    stop = await bob.send(room_id, "!ai stop")
    await bob.wait_for(room_id, reaction(stop, world.luna, "🤫"))
    refused = await bob.send(room_id, "!ai continue")
    await bob.wait_for(room_id, reaction(refused, world.luna, "🚫"))
    unheard = await alice.send(room_id, "Luna, hello?")
    lifted = await alice.send(room_id, "!ai continue")
    await alice.wait_for(room_id, reaction(lifted, world.luna, "✅"))
    await world.catch_up(alice, room_id, world.luna)
    assert await world.answers(alice, room_id, unheard) == []


async def test_the_asker_takes_an_answer_back_and_nobody_else_does(
    world: World, alice: Person, bob: Person
) -> None:
    room_id = await shared(world, alice, bob)
    asked = await bob.send(room_id, "Luna, what is the moon?")
    answer = await world.answer(bob, room_id, asked, world.luna)
    carol = await world.town.person(world.home, "carol")
    await alice.invite(room_id, carol.user_id)
    await carol.join(room_id)
    await carol.react(room_id, answer["event_id"], "👎")
    await world.catch_up(carol, room_id, world.luna)
    assert len(await world.answers(alice, room_id, asked)) == 1
    await bob.react(room_id, answer["event_id"], "👎")
    await bob.wait_for(
        room_id,
        lambda e: e["type"] == "m.room.redaction" and e["sender"] == world.luna,
    )
    now = {e["event_id"]: e for e in await alice.messages(room_id)}
    assert now[answer["event_id"]]["content"] == {}


async def test_why_says_the_same_reason_as_the_logs(world: World, alice: Person) -> None:
    room_id = await world.room_of(alice, world.luna)
    asked = await alice.send(room_id, "Luna, what is the moon?")
    answer = await world.answer(alice, room_id, asked, world.luna)
    why = await alice.send(room_id, "!ai why", reply_to=answer["event_id"])
    said = await alice.wait_for(
        room_id, lambda e: is_message(e, world.luna) and replies_to(e) == why
    )
    assert "`named`" in said["content"]["body"]
    assert "gemma3:4b" in said["content"]["body"]
    assert said["content"]["msgtype"] == "m.notice"


async def test_two_puppets_and_a_foreign_bot_left_alone_fall_silent(
    world: World, alice: Person, bob: Person
) -> None:
    """The bot, an account elsewhere that marks itself, answers everything and mentions both."""
    room_id = await shared(world, alice, bob)
    await alice.invite(room_id, world.milo)
    await world.wait_until_there(alice, room_id, world.milo)
    said: list[str] = []

    async def speak(n: int) -> None:
        content = {
            "msgtype": "m.text",
            "body": f"Luna and Milo, what of {n}?",
            "m.mentions": {"user_ids": [world.luna, world.milo]},
            AI_KEY: {"generated": True},
        }
        said.append(await bob.send_event(room_id, "m.room.message", content))

    for n in range(10):
        await speak(n)
        await asyncio.sleep(0.4)
    await world.catch_up(alice, room_id, world.luna)
    answers = [len(await world.answers(alice, room_id, each)) for each in said]
    assert 1 <= sum(answers) <= 4, answers
    assert answers[-6:] == [0] * 6


async def test_an_exchange_that_a_person_opened_ends_by_itself(world: World, alice: Person) -> None:
    room_id = await world.room_of(alice, world.luna, world.milo)
    replies = iter(
        f"Thought number {n}: {words}."
        for n, words in enumerate(("tea is warm", "coffee wakes", "milk is white", "ice melts") * 4)
    )
    world.ollama.reply = lambda _: next(replies)
    opened = await alice.send(room_id, "Luna and Milo, discuss: tea or coffee?")
    await world.answer(alice, room_id, opened, world.luna)
    await asyncio.sleep(12)
    since = [e for e in await alice.messages(room_id) if is_message(e, world.luna, world.milo)]
    spoken = [e for e in since if e["content"].get(AI_KEY, {}).get("generated")]
    assert len(spoken) == 4
    assert [e["content"][AI_KEY]["hops"] for e in spoken] == [0, 0, 2, 3]


async def test_unasked_speech_is_a_notice_to_an_open_question(world: World, alice: Person) -> None:
    room_id = await world.room_of(alice, world.luna)
    told = await alice.send(room_id, "!ai level chatty")
    await alice.wait_for(room_id, lambda e: is_message(e, world.luna) and replies_to(e) == told)
    world.ollama.choice = "A"
    asked = await alice.send(room_id, "does anybody know how to get wax off wood?")
    answer = await world.answer(alice, room_id, asked, world.luna)
    assert answer["content"]["msgtype"] == "m.notice"
    assert answer["content"].get("m.mentions") == {}


async def test_nobody_stays_behind_when_the_last_person_leaves(
    world: World, alice: Person, bob: Person
) -> None:
    room_id = await shared(world, alice, bob)
    await alice.leave(room_id)
    await world.catch_up(bob, room_id, world.luna)
    await bob.leave(room_id)
    await world.bridge.logged("nobody_left")


async def test_an_upgraded_room_keeps_its_settings(world: World, alice: Person) -> None:
    room_id = await world.room_of(alice, world.luna)
    told = await alice.send(room_id, "!ai settings rules Always mention the weather.")
    await alice.wait_for(room_id, lambda e: is_message(e, world.luna) and replies_to(e) == told)
    upgraded = await alice.call(
        "POST", f"/_matrix/client/v3/rooms/{room_id}/upgrade", {"new_version": "11"}
    )
    new_id = upgraded["replacement_room"]
    await alice.invite(new_id, world.luna)
    await world.wait_until_there(alice, new_id, world.luna)
    shown = await alice.send(new_id, "!ai settings")
    said = await alice.wait_for(
        new_id, lambda e: is_message(e, world.luna) and replies_to(e) == shown
    )
    assert "Always mention the weather" in said["content"]["body"]


async def test_an_upgraded_public_room_is_followed(world: World, alice: Person) -> None:
    room_id = await world.room_of(alice, world.luna, preset="public_chat")
    upgraded = await alice.call(
        "POST", f"/_matrix/client/v3/rooms/{room_id}/upgrade", {"new_version": "11"}
    )
    new_id = upgraded["replacement_room"]
    await world.wait_until_there(alice, new_id, world.luna)
    asked = await alice.send(new_id, "Luna, are you here too?")
    await world.answer(alice, new_id, asked, world.luna)


async def test_who_may_hurt_themselves_is_met_with_care_once(world: World, alice: Person) -> None:
    room_id = await world.room_of(alice, world.luna)
    said = await alice.send(room_id, "Luna, I want to die")
    care = await alice.wait_for(
        room_id, lambda e: is_message(e, world.luna) and replies_to(e) == said
    )
    assert care["content"]["msgtype"] == "m.notice"
    assert "helpline" in care["content"]["body"]
    assert not world.ollama.chats()
    again = await alice.send(room_id, "Luna, I really want to die")
    await world.answer(alice, room_id, again, world.luna)
    assert "make no jokes" in str(world.ollama.chats()[-1]["messages"])
