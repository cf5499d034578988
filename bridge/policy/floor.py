"""Who may take the floor: what the last messages say about it.

Everything is read off the stored messages, so it survives restarts and counts other people's AIs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bridge.domain.history import Said
from bridge.domain.ids import EventId, UserId
from bridge.policy import reasons
from bridge.policy.names import fold

ASKED_BY_A_PERSON: Final = frozenset(
    {
        reasons.MENTIONED,
        reasons.NAMED,
        reasons.REPLIED_TO,
        reasons.DIRECT,
        reasons.FOLLOW_UP,
    }
)
MAX_UNASKED: Final = 3
"""AI messages in a row that no person asked for."""
MAX_HOPS: Final = 4
"""AI messages in a row that led to one another, whoever their authors' owners are."""
PAIR_ANSWERS: Final = 3
PAIR_WITHIN_MS: Final = 600_000
"""So many answers to one foreign bot in this time; then it has to wait."""

_SAME: Final = 0.6
_GRAM: Final = 3
_OWN_LINES: Final = 5


def unasked_run(recent: Sequence[Said]) -> int:
    """How many AI messages that no person asked for stand behind the last human one."""
    human = {said.event_id for said in recent if said.is_human}
    run = 0
    for said in reversed(recent):
        if said.is_human:
            break
        run += is_unasked(said, human)
    return run


def is_unasked(said: Said, human: set[EventId]) -> bool:
    """An AI message that no person asked for. `human` are the messages of people around it."""
    if said.is_ours:
        return said.hops > 0 or said.reason not in ASKED_BY_A_PERSON
    return said.is_ai and said.reply_to not in human


def ai_share(recent: Sequence[Said]) -> float:
    """What part of the messages AIs wrote."""
    spoken = [said for said in recent if not said.is_notice or said.is_ours]
    return sum(said.is_ours or said.is_ai for said in spoken) / len(spoken) if spoken else 0.0


def answers_to(recent: Sequence[Said], bot: UserId, puppet: UserId, since: int) -> int:
    """How often this puppet has answered that foreign bot since then (unix ms)."""
    theirs = {said.event_id for said in recent if said.sender == bot}
    return sum(
        said.sender == puppet and said.reply_to in theirs and said.sent_at >= since
        for said in recent
    )


def repeats_itself(text: str, recent: Sequence[Said], puppet: UserId) -> bool:
    """Is the text much like one of the puppet's last lines?"""
    own = [said.text for said in recent if said.sender == puppet][-_OWN_LINES:]
    grams = _grams(text)
    return any(_overlap(grams, _grams(line)) > _SAME for line in own)


def _grams(text: str) -> frozenset[str]:
    folded = " ".join(fold(text).split())
    return frozenset(folded[n : n + _GRAM] for n in range(max(1, len(folded) - _GRAM + 1)))


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one or other else 0.0
