"""A homeserver with the rate limits it comes with, for puppets too."""

from __future__ import annotations

from typing import Final

import pytest

from tests.e2e.world import World
from tests.fakes.ollama import FakeOllama
from tests.lab.bridge import BridgeProcess
from tests.lab.labs import Town
from tests.lab.synapse import Lab

STOCK: Final = {"rc_message": {"per_second": 0.2, "burst_count": 10}}
"""Synapse's own default."""
QUESTIONS: Final = 11


@pytest.mark.timeout(120)
async def test_answers_wait_as_told_and_come_all_once_and_in_order(lab: Lab, town: Town) -> None:
    home, away = lab.homeserver("stock"), lab.homeserver("unused")
    home.settings = STOCK
    async with FakeOllama() as ollama:
        bridge = BridgeProcess(lab.folder / "bridge-stock", home, engine_url=ollama.url)
        path = bridge.settings.appservice.registration
        path.write_text(path.read_text().replace("rate_limited: false", "rate_limited: true"))
        world = World(home=home, away=away, bridge=bridge, ollama=ollama, town=town)
        world.reset_model()
        try:
            bridge.spawn()
            await lab.start(home)
            await bridge.ready()
            people = [await town.person(home, "alice") for _ in range(2)]
            alice, bob = people
            room_id = await world.room_of(alice, world.luna)
            await alice.call(
                "POST", f"/_matrix/client/v3/rooms/{room_id}/invite", {"user_id": bob.user_id}
            )
            await bob.join(room_id)
            # Each person stays below the limit, the puppet does not.
            asked = [
                await people[n % 2].send(room_id, f"Luna, question {n}?") for n in range(QUESTIONS)
            ]
            await alice.wait_for(
                room_id,
                lambda event: (
                    event["sender"] == world.luna
                    and event["content"]
                    .get("m.relates_to", {})
                    .get("m.in_reply_to", {})
                    .get("event_id")
                    == asked[-1]
                ),
                patience_s=60,
            )
            answered = [
                event["content"]["m.relates_to"]["m.in_reply_to"]["event_id"]
                for event in await alice.messages(room_id)
                if event["sender"] == world.luna and event["content"].get("m.relates_to")
            ]
            assert answered == asked
            assert " 429 " in (home.folder / "synapse.log").read_text()
        finally:
            await bridge.kill()
            home.kill()
