"""Which messages join a room's history, and in which words."""

from __future__ import annotations

from typing import Final

from bridge.domain.cast import Cast
from bridge.domain.decision import (
    Acknowledge,
    Answer,
    Configure,
    Decision,
    Explain,
    ForgetPerson,
    Mute,
    Opt,
    Say,
    Silence,
)
from bridge.domain.events import Message, MessageKind
from bridge.domain.history import Said
from bridge.domain.ids import PuppetId
from bridge.domain.room import Room

_ORDERS: Final = (Say, Mute, Acknowledge, ForgetPerson, Opt, Explain, Configure)
"""What comes of commands."""
_DESCRIPTIONS: Final[dict[MessageKind, str]] = {
    "image": "[an image: {}]",
    "file": "[a file: {}]",
    "audio": "[a voice message: {}]",
    "video": "[a video: {}]",
    "other": "[something that is no text: {}]",
    "emote": "* {}",
}


def said_of(
    message: Message,
    room: Room,
    cast: Cast,
    decisions: tuple[Decision, ...],
    *,
    is_machine: bool = False,
) -> Said:
    """The message as history. What was a command or a stop is no context for a model."""
    template = _DESCRIPTIONS.get(message.content_kind)
    is_order = any(isinstance(d, _ORDERS) for d in decisions)
    return Said(
        event_id=message.event_id,
        room_id=message.room_id,
        sender=message.sender,
        sender_name=room.display_name(message.sender),
        text=template.format(message.text) if template else message.text,
        sent_at=message.sent_at,
        reply_to=message.reply_to,
        thread_root=message.thread_root,
        is_ours=cast.is_ours(message.sender),
        is_ai=message.is_ai_marked or (is_machine and message.content_kind != "notice"),
        is_notice=message.content_kind == "notice",
        is_context=not is_order,
        reason=decisions[0].reason,
        asked=tuple(puppet_id for d in decisions for puppet_id in _asked(d)),
        hops=message.hops,
        media=message.media,
    )


def _asked(decision: Decision) -> tuple[PuppetId, ...]:
    match decision:
        case Answer():
            return (decision.puppet_id,)
        case Silence():
            return decision.asked
        case _:
            return ()
