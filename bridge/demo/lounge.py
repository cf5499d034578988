"""The demo's room: the one of earlier starts, or a new one, with every puppet in it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from bridge.demo.engine_choice import EngineChoice
from bridge.demo.person import Lounge, Person
from bridge.errors import SetupError
from bridge.policy.wording import sentence

_NAME: Final = "AI lounge"
_JOIN_S: Final = 30.0
_LOOK_S: Final = 0.1


async def open_lounge(
    person: Person, room_id: str, engine: EngineChoice, puppets: Sequence[str]
) -> str:
    """Returns the id of the room to talk in; `room_id` is the last start's, or "".

    Raises SetupError when a puppet does not come.
    """
    topic = _topic(engine)
    before = await person.lounge(room_id) if room_id else None
    if before is None or not _is_usable(before, puppets):
        room_id = await person.make_lounge(_NAME, topic, puppets)
    else:
        if before.topic != topic:
            await person.set_topic(room_id, topic)
        for puppet in puppets:
            if before.members.get(puppet) not in ("join", "invite"):
                await person.invite(room_id, puppet)
    for _ in range(round(_JOIN_S / _LOOK_S)):
        now = await person.lounge(room_id)
        if now is not None and all(now.members.get(puppet) == "join" for puppet in puppets):
            return room_id
        await asyncio.sleep(_LOOK_S)
    raise SetupError(f"Not every AI member came into the lounge within {_JOIN_S:.0f} s.")


def _topic(engine: EngineChoice) -> str:
    if engine.kind == "demo":
        return sentence("demo_topic", "en", label=engine.label)
    return f"A lounge with AI members. Their replies come from {engine.label}."


def _is_usable(room: Lounge, puppets: Sequence[str]) -> bool:
    """Puppets stay out of encrypted rooms, and somebody banned cannot be invited."""
    return not room.is_encrypted and all(room.members.get(puppet) != "ban" for puppet in puppets)
