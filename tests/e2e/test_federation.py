"""People of another homeserver and our puppets, in rooms that are hosted there."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import pytest_asyncio

from tests.e2e.world import World
from tests.lab.people import Person, body_of

BRIDGE: Final[dict[str, Any]] = {
    "access": {"invite": {"allow": ["*"], "deny": ["@stranger*:*"]}, "ask": {"allow": ["@*:*"]}}
}


@pytest_asyncio.fixture(loop_scope="session")
async def bob(world: World) -> Person:
    """A person of the other homeserver."""
    return await world.town.person(world.away, "bob")


async def test_a_person_elsewhere_invites_a_puppet_and_talks_to_it(
    world: World, bob: Person
) -> None:
    room_id = await world.room_of(bob, world.luna, name="Hosted elsewhere")
    for words in ("Luna, hello from far away!", "Luna, and once more?"):
        asked = await bob.send(room_id, words)
        answer = await world.answer(bob, room_id, asked, world.luna)
        assert "asked to be Luna." in body_of(answer)
    assert len(await world.answers(bob, room_id, asked)) == 1


async def test_an_invite_by_a_stranger_elsewhere_is_declined_with_a_reason(world: World) -> None:
    stranger = await world.town.person(world.away, "stranger")
    room_id = await stranger.create_room()
    await stranger.invite(room_id, world.luna)
    event = await stranger.wait_membership(room_id, world.luna, "leave")
    assert event["sender"] == world.luna
    assert "the lab" in event["content"]["reason"]


async def test_people_of_both_homeservers_share_a_room_with_two_puppets(
    world: World, alice: Person, bob: Person
) -> None:
    room_id = await world.room_of(bob, world.luna, world.milo)
    await bob.invite(room_id, alice.user_id)
    await alice.wait_invite(room_id)
    await alice.join(room_id, via=world.away.name)
    await bob.wait_membership(room_id, alice.user_id, "join")

    asked = await alice.send(room_id, "Milo, who are you?")
    await world.answer(bob, room_id, asked, world.milo)
    asked = await bob.send(room_id, "Luna, and you?")
    await world.answer(alice, room_id, asked, world.luna)
    await world.answer(bob, room_id, asked, world.luna)
    assert len(await world.answers(bob, room_id, asked)) == 1


async def test_a_dm_from_elsewhere_is_a_dm(world: World, bob: Person) -> None:
    room_id = await bob.create_dm(world.luna)
    await world.wait_until_there(bob, room_id, world.luna)
    asked = await bob.send(room_id, "hello there")
    await world.answer(bob, room_id, asked, world.luna)


async def test_many_invites_from_elsewhere_at_once_are_all_followed_or_declined(
    world: World,
) -> None:
    async def invite(person: Person, outcome: str) -> None:
        room_id = await person.create_room()
        await person.invite(room_id, world.luna)
        await person.wait_membership(room_id, world.luna, outcome, patience_s=12)

    for localpart, outcome in (("guest", "join"), ("stranger", "leave")):
        people = [await world.town.person(world.away, localpart) for _ in range(4)]
        for _ in range(3):
            async with asyncio.TaskGroup() as group:
                for person in people:
                    group.create_task(invite(person, outcome))
