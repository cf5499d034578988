"""The default of `access`: the own server, and nobody else."""

from __future__ import annotations

from tests.e2e.world import World
from tests.lab.people import Person


async def test_an_invite_from_another_server_is_declined(world: World) -> None:
    bob = await world.town.person(world.away, "bob")
    room_id = await bob.create_room()
    await bob.invite(room_id, world.luna)
    event = await bob.wait_membership(room_id, world.luna, "leave")
    assert event["sender"] == world.luna
    assert event["content"]["reason"]


async def test_a_guest_of_another_server_is_not_answered_in_a_room_of_ours(
    world: World, alice: Person
) -> None:
    bob = await world.town.person(world.away, "bob")
    room_id = await world.room_of(alice, world.luna)
    await alice.invite(room_id, bob.user_id)
    await bob.wait_invite(room_id)
    await bob.join(room_id, via=world.home.name)
    asked = await bob.send(room_id, "Luna, hello?")
    await alice.wait_for(room_id, lambda event: event["event_id"] == asked)
    await world.catch_up(alice, room_id, world.luna)
    assert await world.answers(alice, room_id, asked) == []
