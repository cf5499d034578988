"""What was said in a room, as the prompt sees it."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.domain.ids import EventId, RoomId, UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One message of a room's history. `seq` orders it; its bytes never change but by redaction.

    `sender_name` is the name at the time it was said; `is_ours` marks our own puppets' words,
    `is_ai` any message that says it was written by an AI. What is not `is_context` (commands, help,
    notices) is kept to know who said it, and never shown to a model.
    """

    seq: int = 0
    event_id: EventId
    room_id: RoomId
    sender: UserId
    sender_name: str
    text: str
    sent_at: int
    reply_to: EventId | None = None
    thread_root: EventId | None = None
    is_ours: bool = False
    is_ai: bool = False
    is_context: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What a person had erased: messages of theirs, our replies to them, and in how many rooms."""

    messages: int
    replies: int
    rooms: int
