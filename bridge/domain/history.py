"""What was said in a room, as the prompt sees it."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.domain.events import Media
from bridge.domain.ids import EventId, PuppetId, RoomId, UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One message of a room's history. `seq` orders it; its bytes never change but by redaction.

    `sender_name` is the name at the time it was said; `is_ours` marks our own puppets' words,
    `is_ai` any message that says it was written by an AI, `is_notice` one that a program wrote.
    What is not `is_context` (commands, help, our own sentences) is kept to know who said it, and
    never shown to a model. `reason` is why a puppet said it, or what was decided about somebody
    else's; `asked` are the puppets that it asked; `hops` counts the AI messages in a row that led
    to an AI's one.
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
    is_notice: bool = False
    is_context: bool = True
    reason: str = ""
    asked: tuple[PuppetId, ...] = ()
    hops: int = 0
    media: Media | None = None
    """An image or a voice message that nobody has put in words yet."""
    stored_at: int = 0
    """By our own clock (`sent_at` is the sender's claim); 0 until it is stored."""

    @property
    def is_human(self) -> bool:
        """As far as anybody can tell."""
        return not (self.is_ours or self.is_ai or self.is_notice)


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What a person had erased: messages of theirs, our replies to them, and in how many rooms."""

    messages: int
    replies: int
    rooms: int
