"""How often, and with how much, the model is asked whether somebody should speak.

Two days of six people and two puppets at level "balanced", with a model that always wants to speak.
Beside it, over the same messages: each puppet asks the model about each of them, in prompts of the
same layout.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

from bridge.domain.history import Said
from bridge.domain.ids import EventId, RoomId
from bridge.domain.room import Member, Room
from bridge.policy.context import build_question
from bridge.policy.gate import choices
from bridge.policy.tokens import estimate_tokens
from bridge.replay.people import house_of, user_of
from bridge.replay.scenario import Scenario, load
from bridge.replay.stage import play
from bridge.rooms.quiet import RECENT
from tests.bench.figure import Figure, beside

_LUNCH: Final = Path(__file__).parents[1] / "scenarios/transcripts/lunch-group.yaml"
_ROOM: Final = RoomId("!lunch:home.example")


async def figures(at_most: int) -> AsyncIterator[Figure]:
    whole = load(_LUNCH)
    scenario = whole.model_copy(update={"messages": whole.messages[:at_most]})
    played = await play(scenario)
    messages = len(scenario.messages)
    asked = list(_each_puppet_asks(scenario))
    yield beside(
        "gate: model calls per human message (baseline: every puppet asks)",
        played.asked_model / messages, "calls", len(asked) / messages,
    )  # fmt: skip
    yield beside(
        "gate: tokens of prompts per human message (baseline: every puppet asks)",
        played.tokens / messages, "tokens", sum(asked) / messages,
    )  # fmt: skip
    yield Figure(
        name="gate: messages of AIs per human message", unit="messages",
        value=played.ai_messages / messages,
    )  # fmt: skip


def _each_puppet_asks(scenario: Scenario) -> Iterator[float]:
    """The tokens of each prompt."""
    house = house_of(scenario)
    everybody = [*(p.name for p in scenario.people), *(p.name for p in scenario.puppets)]
    members = {
        user: Member(user_id=user, membership="join", display_name=name)
        for name in everybody
        for user in [user_of(scenario, name)]
    }
    room = Room(room_id=_ROOM, is_encrypted=False, members=members)
    said: list[Said] = []
    for number, message in enumerate(scenario.messages, start=1):
        said.append(
            Said(
                seq=number,
                event_id=EventId(f"${number}"),
                room_id=_ROOM,
                sender=user_of(scenario, message.sender),
                sender_name=message.sender,
                text=message.text,
                sent_at=number,
            )
        )
        for puppet in house.cast.personas():
            prompt = build_question(
                house=house, room=room, said=said[-RECENT:], options=choices([puppet.puppet_id])
            )
            yield estimate_tokens(prompt.system + prompt.user)
