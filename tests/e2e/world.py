"""A homeserver with the bridge, another one that federates with it, people, and a model."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Any, Final

from tests.fakes.ollama import FakeOllama, Seen
from tests.fakes.ollama_stream import Reply, Shape
from tests.lab.bridge import BridgeProcess
from tests.lab.labs import Town
from tests.lab.people import Event, Person, is_answer, replies_to
from tests.lab.synapse import Homeserver

_PATIENCE_S: Final = 15.0
STUCK: Final = Reply(text="I would never get to the end of this.", shape=Shape(stall_after=2))
"""A reply that the model begins and never ends."""


@dataclass(kw_only=True)
class World:
    home: Homeserver
    """Whose appservice the bridge is."""
    away: Homeserver
    bridge: BridgeProcess
    ollama: FakeOllama
    town: Town

    @property
    def luna(self) -> str:
        return self.bridge.user_id("luna")

    @property
    def milo(self) -> str:
        return self.bridge.user_id("milo")

    def reset_model(self) -> None:
        self.ollama.reply = answer_of_model
        self.ollama.choice = "N"
        self.ollama.rules.clear()
        self.ollama.once.clear()
        self.ollama.seen.clear()

    async def room_of(self, person: Person, *puppets: str, **options: Any) -> str:
        """A room with these puppets in it, who have said what they are."""
        room_id = await person.create_room(**options)
        for puppet in puppets:
            await person.invite(room_id, puppet)
            await self.wait_until_there(person, room_id, puppet)
        return room_id

    async def wait_until_there(self, person: Person, room_id: str, puppet: str) -> Event:
        """The puppet's first message, which says what it is."""
        await person.wait_membership(room_id, puppet, "join")
        return await person.wait_for(room_id, lambda event: is_message(event, puppet))

    async def thinking(self) -> Seen:
        """Wait until the model has begun a reply; returns the first one of this test."""
        async with asyncio.timeout(_PATIENCE_S):
            while not self.ollama.chats():
                await self.ollama.arrived(len(self.ollama.seen) + 1)
        chats = (seen for seen in self.ollama.seen if seen.path == "/api/chat")
        return next(seen for seen in chats if seen.body.get("messages"))

    async def answer(self, person: Person, room_id: str, asked: str, puppet: str) -> Event:
        return await person.wait_for(room_id, lambda event: is_answer(event, asked, puppet))

    async def answers(self, person: Person, room_id: str, asked: str) -> list[Event]:
        """What the homeserver has of our puppets' answers to an event."""
        return [
            event
            for event in await person.messages(room_id)
            if is_message(event, self.luna, self.milo) and replies_to(event) == asked
        ]

    async def catch_up(self, person: Person, room_id: str, puppet: str) -> None:
        """Return when the room's earlier events have been handled: rooms are handled in order."""
        asked = await person.send(room_id, "One more question.", mentions=[puppet])
        await self.answer(person, room_id, asked, puppet)


def is_message(event: Event, *senders: str) -> bool:
    return event["type"] == "m.room.message" and event["sender"] in senders


def answer_of_model(body: dict[str, Any]) -> str:
    """Which character it was asked to be, as the model of these tests says it."""
    return f"I was asked to be {character_in(body)}."


def character_in(body: dict[str, Any]) -> str:
    """Whose turn the last lines of a prompt say it is."""
    asked = str(body["messages"][-1]["content"])
    found = re.findall(r"Write only (\w+)'s next message", asked)
    return found[-1] if found else "nobody"
