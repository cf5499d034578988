"""The model is missing: an admin is told in their DM, has it pulled, and everybody is answered."""

from __future__ import annotations

from typing import Final

from tests.e2e.world import World, is_message
from tests.lab.people import Event, Person, body_of, replies_to

MODEL: Final = "other:7b"
BRIDGE: Final = {"engine": {"model": MODEL}, "admins": ["@alice*:*"]}


async def says(person: Person, room_id: str, puppet: str, *words: str, to: str = "") -> Event:
    """Wait for the puppet's message with these words, in reply to `to` where that is given."""

    def is_it(event: Event) -> bool:
        if not is_message(event, puppet) or (to and replies_to(event) != to):
            return False
        return all(word in body_of(event) for word in words)

    return await person.wait_for(room_id, is_it)


async def test_a_missing_model_is_told_an_admin_pulled_and_then_the_puppet_answers(
    world: World, alice: Person
) -> None:
    bob = await world.town.person(world.home, "bob")
    private, other = await alice.create_dm(world.luna), await bob.create_dm(world.luna)
    for person, room_id in ((alice, private), (bob, other)):
        await world.wait_until_there(person, room_id, world.luna)

    asked = await bob.send(other, "What is the tallest tree?")
    await says(bob, other, world.luna, "operator has to fix that", to=asked)
    await says(alice, private, world.luna, MODEL, world.ollama.url, f"!ai pull {MODEL}")

    refused = await bob.send(other, f"!ai pull {MODEL}")
    await says(bob, other, world.luna, "admins", to=refused)
    assert world.ollama.pulls() == []

    world.ollama.pull_gap_s = 0.05
    command = await alice.send(private, f"!ai pull {MODEL}")
    await says(alice, private, world.luna, "Fetching", MODEL, to=command)
    await says(alice, private, world.luna, "It took", MODEL, to=command)
    assert world.ollama.pulls() == [MODEL]

    listed = await alice.send(private, "!ai models")
    await says(alice, private, world.luna, "✅", MODEL, "reply", to=listed)

    again = await bob.send(other, "And now, what is the tallest tree?")
    answer = await world.answer(bob, other, again, world.luna)
    assert "luna" in body_of(answer).lower()
    assert [body["model"] for body in world.ollama.warm_ups()][-1:] == [MODEL]
    told = [body_of(e) for e in await bob.messages(other) if is_message(e, world.luna)]
    assert not any(MODEL in text for text in told)
