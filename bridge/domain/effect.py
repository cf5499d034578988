"""Changes on the homeserver that are planned in the outbox before they are sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bridge.domain.ids import EventId, PuppetId, RoomId, TurnId, TxnId, UserId

EffectState = Literal["planned", "sent", "confirmed", "abandoned"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SendText:
    """A message. `text` is Markdown; `is_generated` is False for our own fixed sentences; `reason`
    is that of its turn. `hops` counts the AI messages in a row that led to it; `bounces_left`
    is passed on where the message that it answers had one. What `is_private` no later prompt shows:
    it answers somebody whose words none may hold. What `is_live` is still being written."""

    kind: Literal["send_text"] = "send_text"
    text: str
    is_notice: bool = False
    is_generated: bool = False
    reply_to: EventId | None = None
    thread_root: EventId | None = None
    mentions: tuple[UserId, ...] = ()
    model: str = ""
    hops: int = 0
    bounces_left: int | None = None
    reason: str = ""
    is_private: bool = False
    is_live: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EditText:
    """Puts `new` in the place of a message of ours. What that replies to and its thread stay."""

    kind: Literal["edit_text"] = "edit_text"
    target: EventId
    new: SendText


@dataclass(frozen=True, slots=True, kw_only=True)
class React:
    kind: Literal["react"] = "react"
    target: EventId
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Redact:
    kind: Literal["redact"] = "redact"
    target: EventId
    reason: str = ""


def is_for_prompts(said: SendText) -> bool:
    """May later prompts show it? What is not whole yet may still change."""
    return said.is_generated and not (said.is_private or said.is_live)


Effect = SendText | EditText | React | Redact


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A row of the outbox."""

    txn_id: TxnId
    turn_id: TurnId
    room_id: RoomId
    puppet_id: PuppetId
    effect: Effect
    state: EffectState = "planned"
    event_id: EventId | None = None
    attempts: int = 0
    planned_at: int = 0
