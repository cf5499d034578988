"""What to do though nothing has come: a room's quiet is a cause too."""

from __future__ import annotations

from typing import Final

from bridge.domain.decision import Consider, Decision
from bridge.domain.history import Said
from bridge.domain.persona import Puppet
from bridge.policy import reasons
from bridge.policy.asking import is_question
from bridge.policy.exchange import next_turn
from bridge.policy.floor import MAX_UNASKED, unasked_run
from bridge.policy.levels import speakers
from bridge.policy.names import own_words
from bridge.policy.score import Score, is_share_full, score
from bridge.policy.view import View

_OPEN: Final = frozenset({reasons.NOT_ADDRESSED, reasons.TALKED_ABOUT})
_CARE_MS: Final = 1_800_000
"""For this long nobody speaks unasked after somebody needed care."""
_LONGEST_MS: Final = 600_000
"""What nobody said a word to for this long is let go."""


def on_quiet(view: View, now: int) -> tuple[tuple[Decision, ...], int | None]:
    """What is due now, and in how many milliseconds to look again (None: when something comes)."""
    if not view.room.may_be_written_to() or not view.recent:
        return (), None
    if now - view.room.cared_at < _CARE_MS:
        return (), None
    if turn := next_turn(view, now):
        answer, due_at = turn
        return ((answer,), None) if due_at <= now else ((), due_at - now)
    return _on_silence(view, view.recent[-1], now)


def _on_silence(view: View, cause: Said, now: int) -> tuple[tuple[Decision, ...], int | None]:
    """An open question, or something else that nobody has said a word to since."""
    if not _may_be_taken_up(view, cause):
        return (), None
    scored = _scored(view, cause, now)
    dues = [each.due_ms for _, each in scored if each.due_ms is not None]
    silence_ms = now - cause.stored_at
    if not dues or silence_ms > _LONGEST_MS:
        return (), None
    if min(dues) > silence_ms:
        return (), min(dues) - silence_ms
    ready = [
        (p, each) for p, each in scored if each.due_ms is not None and each.due_ms <= silence_ms
    ]
    is_open = is_question(own_words(cause.text))
    consider = Consider(
        cause_id=cause.event_id,
        puppets=tuple(puppet.puppet_id for puppet, _ in ready),
        reason=reasons.OPEN_QUESTION if is_open else reasons.JOINS_IN,
        score=ready[0][1].parts,
        thread_root=cause.thread_root,
    )
    return (consider,), None


def _may_be_taken_up(view: View, cause: Said) -> bool:
    return (
        cause.is_human
        and cause.is_context
        and cause.reason in _OPEN
        and cause.reply_to is None
        and cause.event_id != view.room.considered
        and cause.sender not in view.opted_out
        and unasked_run(view.recent) < MAX_UNASKED
        and not is_share_full(view)
    )


def _scored(view: View, cause: Said, now: int) -> list[tuple[Puppet, Score]]:
    found = ((puppet, score(view, cause, puppet)) for puppet in speakers(view, now))
    return [(puppet, each) for puppet, each in found if each is not None]
