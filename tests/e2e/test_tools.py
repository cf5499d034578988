"""A puppet with tools on a real Synapse: the time, the room's history, and a real MCP server."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.world import World, is_message
from tests.fakes.ollama_stream import FakeModel, Reply
from tests.lab.people import Person, replies_to

_ROOT: Final = Path(__file__).parents[2]
_SERVER: Final = {
    "name": "house",
    "command": [sys.executable, "-m", "tests.fakes.mcp_server"],
    "env": {"PYTHONPATH": str(_ROOT), "TOKEN": "t0k3n"},
}
HAS_MCP: Final = find_spec("mcp") is not None
MODEL: Final = "qwen3:8b"
BRIDGE: Final[dict[str, Any]] = {
    "engine": {"model": MODEL},
    "personas": {"folder": str(Path(__file__).parent / "personas")},
    "tools": {
        "allow": ["time", "search", *(["house.forecast"] if HAS_MCP else [])],
        "servers": [_SERVER] if HAS_MCP else [],
    },
}


async def answer(world: World, person: Person, room_id: str, *calls: Any) -> tuple[str, list[str]]:
    """What Luna answers when the model asks for these tools, and what it was given."""
    world.ollama.models[MODEL] = FakeModel(name=MODEL, capabilities=("completion", "tools"))
    world.ollama.seen.clear()
    world.ollama.once = [Reply(text="Let me look.", calls=calls), Reply(text="There it is.")]
    asked = await person.send(room_id, "Luna, can you find out?")
    event = await world.answer(person, room_id, asked, world.luna)
    assert event["content"]["body"] == "Let me look.\n\nThere it is."
    given = [m["content"] for m in world.ollama.chats()[-1]["messages"] if m["role"] == "tool"]
    return event["event_id"], given


async def test_it_looks_up_the_time_and_the_room_and_says_so_when_asked(
    world: World, alice: Person
) -> None:
    room_id = await world.room_of(alice, world.luna)
    await alice.send(room_id, "The picnic is on the blue meadow.")
    answered, given = await answer(
        world, alice, room_id, ("time", {}), ("search", {"query": "picnic"})
    )
    assert "UTC" in given[0]
    assert "blue meadow" in given[1]
    # Who comes later may not see it, and Synapse knows it, too.
    bob = await world.town.person(world.home, "bob")
    await alice.invite(room_id, bob.user_id)
    await bob.join(room_id)
    await alice.wait_membership(room_id, bob.user_id, "join")
    _, given = await answer(world, bob, room_id, ("search", {"query": "picnic meadow"}))
    assert "No message found" in given[0]

    why = await alice.send(
        room_id, "!ai why", **{"m.relates_to": {"m.in_reply_to": {"event_id": answered}}}
    )
    told = await alice.wait_for(
        room_id, lambda e: is_message(e, world.luna) and replies_to(e) == why
    )
    body = told["content"]["body"]
    assert "- Looked up the time – it worked" in body
    assert "- Searched this room (query: picnic) – it worked" in body


@pytest.mark.skipif(not HAS_MCP, reason="the extra [mcp] is not installed")
async def test_it_uses_what_is_allowed_of_an_mcp_server(world: World, alice: Person) -> None:
    room_id = await world.room_of(alice, world.luna)
    given: list[str] = []
    for _ in range(5):
        # The server may take longer to start than the first answer waits.
        _, given = await answer(
            world, alice, room_id, ("house_forecast", {"city": "Ulm"}), ("house_secret", {})
        )
        if "sunny" in given[0]:
            break
    assert "Ulm: sunny for 1 days (token t0k3n)" in given[0]
    assert "no such tool" in given[1]
    assert "SECRET" not in world.bridge.log_tail()
