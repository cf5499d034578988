"""What exactly-once answers rest on: Synapse recognises a send that is repeated with its device."""

from __future__ import annotations

from urllib.parse import quote

import pytest_asyncio

from tests.e2e.world import World
from tests.lab.people import Event, Person


@pytest_asyncio.fixture(loop_scope="session")
async def puppet(world: World) -> Person:
    """Luna as the homeserver sees her: the appservice's token, and no device."""
    registered = await world.town.person(world.home, "unused")
    registered.user_id, registered.token = world.luna, world.bridge.registration.as_token
    return registered


async def _send(
    puppet: Person, room_id: str, txn_id: str, content: Event, *, has_device: bool
) -> str:
    query = [("user_id", puppet.user_id)]
    if has_device:
        query.append(("device_id", "AI_LUNA"))
    path = f"/_matrix/client/v3/rooms/{quote(room_id)}/send/m.room.message/{txn_id}"
    return (await puppet.call("PUT", path, content, query=query))["event_id"]


async def test_a_repeated_send_with_the_device_is_one_event_also_after_a_restart(
    world: World, alice: Person, puppet: Person
) -> None:
    room_id = await world.room_of(alice, world.luna)
    content = {"msgtype": "m.text", "body": "Only once."}
    first = await _send(puppet, room_id, "turn.0", content, has_device=True)
    again = await _send(puppet, room_id, "turn.0", content, has_device=True)
    world.home.stop()
    await world.home.start()
    later = await _send(puppet, room_id, "turn.0", content, has_device=True)
    assert {first, again, later} == {first}
    bodies = [e["content"].get("body") for e in await alice.messages(room_id)]
    assert bodies.count("Only once.") == 1


async def test_without_the_device_a_restart_makes_it_two_events(
    world: World, alice: Person, puppet: Person
) -> None:
    """Should this fail one day, the device is no longer what matters."""
    room_id = await world.room_of(alice, world.luna)
    content = {"msgtype": "m.text", "body": "Perhaps twice."}
    first = await _send(puppet, room_id, "turn.1", content, has_device=False)
    world.home.stop()
    await world.home.start()
    assert await _send(puppet, room_id, "turn.1", content, has_device=False) != first
