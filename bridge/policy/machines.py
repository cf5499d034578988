"""Other people's bots: who is one, and when one is answered.

A server or a name alone makes nobody a bot: people who are bridged from other networks are people.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from bridge.domain.events import Message
from bridge.domain.history import Said
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

_IN_A_ROW: Final = 5
_LEAST_CHARS: Final = 40
_WITHIN_MS: Final = 10_000
_CHARS_PER_S: Final = 15
"""Nobody reads an answer and types the next message that fast, so often in a row."""


def is_machine(view: View, message: Message) -> bool:
    """Does the message say so, or its author's profile, or does the operator know it?"""
    if message.content_kind == "notice" or message.is_ai_marked:
        return True
    if message.sender in view.flagged:
        return True
    if matches(view.house.bots, message.sender, message.room_id):
        return True
    return _writes_like_one(view, message)


def _writes_like_one(view: View, message: Message) -> bool:
    """Were its author's last messages all too fast after a puppet's for anybody's fingers?

    One that is slower ends it. By two clocks: the author's server's may be wrong, and by ours a
    message that was on its way when the puppet spoke seems fast.
    """
    if not view.recent or not _is_inhuman(
        len(message.text),
        view.recent[-1],
        message.sent_at,
        message.received_at,
    ):
        return False
    own = [
        _is_inhuman(len(said.text), before, said.sent_at, said.stored_at)
        for before, said in pairwise(view.recent)
        if said.sender == message.sender
    ][1 - _IN_A_ROW :]
    return len(own) == _IN_A_ROW - 1 and all(own)


def _is_inhuman(chars: int, before: Said, sent_at: int, came_at: int) -> bool:
    if not before.is_ours or chars < _LEAST_CHARS:
        return False
    return all(
        0 <= took_ms < _WITHIN_MS and chars * 1000 > took_ms * _CHARS_PER_S
        for took_ms in (sent_at - before.sent_at, came_at - before.stored_at)
    )


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
