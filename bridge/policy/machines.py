"""Other people's bots: who is one, and when one is answered.

A server or a name alone makes nobody a bot: people who are bridged from other networks are people.
"""

from __future__ import annotations

from collections.abc import Sequence

from bridge.domain.events import Message
from bridge.policy import reasons
from bridge.policy.access import matches
from bridge.policy.addressing import Addressed
from bridge.policy.floor import (
    MAX_HOPS,
    MAX_UNASKED,
    PAIR_ANSWERS,
    PAIR_WITHIN_MS,
    answers_to,
    unasked_run,
)
from bridge.policy.view import View


def is_machine(view: View, message: Message) -> bool:
    """Does the message say so, or its author's profile, or does the operator know it?"""
    if message.content_kind == "notice" or message.is_ai_marked:
        return True
    if message.sender in view.flagged:
        return True
    return matches(view.house.bots, message.sender, message.room_id)


def why_machine_waits(view: View, message: Message, asked: Sequence[Addressed]) -> str | None:
    """Why a bot that mentions these puppets gets no answer, or None.

    Nothing that only machines say to one another goes on for long.
    """
    if message.hops >= MAX_HOPS or message.bounces_left == 0:
        return reasons.BOUNCED
    if unasked_run(view.recent) >= MAX_UNASKED:
        return reasons.AI_RUN
    since = message.received_at - PAIR_WITHIN_MS
    counts = (answers_to(view.recent, message.sender, each.puppet.user_id, since) for each in asked)
    return reasons.PAIR_BUDGET if any(count >= PAIR_ANSWERS for count in counts) else None
