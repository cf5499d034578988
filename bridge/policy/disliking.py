"""👎 on what a puppet said: it takes it back, and talks less where whoever decides said so."""

from __future__ import annotations

from typing import Final

from bridge.domain.decision import Configure, Decision, Retract
from bridge.domain.events import Reaction
from bridge.domain.history import Said
from bridge.policy import reasons
from bridge.policy.configure import one_lower
from bridge.policy.view import View

_THUMBS_DOWN: Final = "👎"
_TONES: Final = "".join(chr(tone) for tone in range(0x1F3FB, 0x1F400)) + "\ufe0e\ufe0f"


def disliked(view: View, reaction: Reaction, target: Said | None) -> tuple[Decision, ...]:
    """Only the asker counts, and whoever may change the room's state; that one lowers the level."""
    if target is None or not target.is_ours or not target.is_context:
        return ()
    if reaction.key.strip().rstrip(_TONES) != _THUMBS_DOWN:
        return ()
    puppet = view.house.cast.by_user_id(target.sender)
    if puppet is None:
        return ()
    asked = view.said.get(target.reply_to) if target.reply_to else None
    has_power = view.room.may_set_up(reaction.sender)
    if not has_power and (asked is None or asked.sender != reaction.sender):
        return ()
    retract = Retract(
        puppet_id=puppet.puppet_id,
        cause_id=reaction.event_id,
        target=target.event_id,
        reason=reasons.THUMBS_DOWN,
    )
    if not has_power:
        return (retract,)
    settings = one_lower(view, puppet)
    lower = Configure(cause_id=reaction.event_id, settings=settings, reason=reasons.THUMBS_DOWN)
    return (retract, lower)
