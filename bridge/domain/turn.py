"""A turn: one puppet's reply to one cause."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from bridge.domain.ids import EventId, PuppetId, RoomId, TurnId, UserId

TurnState = Literal["thinking", "speaking", "done", "dropped", "failed"]
"""thinking: its reply is not known, generate again after a crash; what it has shown of it is marked
as live. speaking: its effects are planned, never generate again. done, dropped, failed: over."""

OPEN: Final[frozenset[TurnState]] = frozenset({"thinking", "speaking"})

LEGAL: Final[dict[TurnState, frozenset[TurnState]]] = {
    "thinking": frozenset({"speaking", "dropped", "failed"}),
    "speaking": frozenset({"done", "failed", "dropped"}),
    "done": frozenset(),
    "dropped": frozenset(),
    "failed": frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    turn_id: TurnId
    room_id: RoomId
    puppet_id: PuppetId
    cause_id: EventId
    reason: str
    asker: UserId | None = None
    """Who asked for it, where somebody did: it counts against their budget."""
    state: TurnState = "thinking"
    model: str = ""
    prompt_tokens: int = 0
    reply_tokens: int = 0
    context_messages: int = 0
    """How many of the room's messages the model was shown."""
    started_at: int = 0
    ended_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What the turns of a room came to in some time."""

    turns: int
    prompt_tokens: int
    reply_tokens: int
