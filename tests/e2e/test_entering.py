"""Which rooms puppets enter, and which they leave."""

from __future__ import annotations

from typing import Any, Final

from tests.e2e.world import World, is_message
from tests.lab.people import Person

BRIDGE: Final[dict[str, Any]] = {"access": {"invite": {"deny": ["@denied*:*"]}}}
_MEGOLM: Final = {"algorithm": "m.megolm.v1.aes-sha2"}


async def _left(person: Person, room_id: str, puppet: str) -> str:
    """Wait until the puppet has left, or declined; returns the reason that it gave."""
    event = await person.wait_membership(room_id, puppet, "leave")
    assert event["sender"] == puppet
    return str(event["content"].get("reason", ""))


async def test_an_invite_by_somebody_denied_is_declined_with_a_reason(world: World) -> None:
    denied = await world.town.person(world.home, "denied")
    room_id = await denied.create_room()
    await denied.invite(room_id, world.luna)
    assert "the lab hasn't opened me" in await _left(denied, room_id, world.luna)


async def test_an_invite_to_a_space_is_declined(world: World, alice: Person) -> None:
    space = await alice.create_room(creation_content={"type": "m.space"})
    await alice.invite(space, world.luna)
    assert "not spaces" in await _left(alice, space, world.luna)


async def test_an_invite_to_an_encrypted_room_is_declined_and_nothing_is_said(
    world: World, alice: Person
) -> None:
    encryption = {"type": "m.room.encryption", "state_key": "", "content": _MEGOLM}
    room_id = await alice.create_room(initial_state=[encryption])
    await alice.invite(room_id, world.luna)
    assert "encrypted" in await _left(alice, room_id, world.luna)
    assert not any(is_message(e, world.luna) for e in await alice.messages(room_id))


async def test_a_room_that_becomes_encrypted_is_left_without_a_word(
    world: World, alice: Person
) -> None:
    room_id = await world.room_of(alice, world.luna)
    encrypted = await alice.set_state(room_id, "m.room.encryption", _MEGOLM)
    asked = await alice.send(room_id, "Luna, hello?")
    assert "encrypted" in await _left(alice, room_id, world.luna)
    events = await alice.messages(room_id)
    order = [event["event_id"] for event in events]
    after = events[order.index(encrypted) :]
    assert not any(is_message(event, world.luna) for event in after)
    assert await world.answers(alice, room_id, asked) == []


async def test_a_puppet_never_joins_a_public_room_by_itself(world: World, alice: Person) -> None:
    room_id = await alice.create_room(preset="public_chat")
    await alice.send(room_id, "Luna, come in!", mentions=[world.luna])
    other = await world.room_of(alice, world.luna)
    await world.catch_up(alice, other, world.luna)
    assert world.luna not in await alice.members(room_id)
