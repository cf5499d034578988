"""One question to the model for all puppets together: who, if anybody, should say something now?"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bridge.domain.decision import Acknowledge, Answer, Consider, Decision, Silence
from bridge.domain.history import Said
from bridge.domain.ids import PuppetId
from bridge.domain.persona import Talkativeness
from bridge.policy import reasons

REACTIONS: Final = ("👍", "😂", "❤️")
NOBODY: Final = "N"
_LETTERS: Final = string.ascii_uppercase.replace(NOBODY, "")
_ENOUGH: Final[Mapping[Talkativeness, float]] = {
    "reserved": 0.7,
    "balanced": 0.6,
    "sociable": 0.5,
    "chatty": 0.4,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of the things that the model may choose, by a letter."""

    letter: str
    puppet_id: PuppetId | None = None
    reaction: str = ""


def choices(puppets: Sequence[PuppetId]) -> tuple[Choice, ...]:
    """Each puppet, a few reactions, and nobody."""
    letters = iter(_LETTERS)
    return (
        *(Choice(letter=next(letters), puppet_id=puppet_id) for puppet_id in puppets),
        *(Choice(letter=next(letters), reaction=emoji) for emoji in REACTIONS),
        Choice(letter=NOBODY),
    )


def verdict(
    consider: Consider,
    cause: Said,
    options: Sequence[Choice],
    chances: Mapping[str, float],
    level: Talkativeness,
) -> Decision:
    """What comes of the model's answer: the likeliest choice where it is sure enough of it."""
    best = max(options, key=lambda choice: chances.get(choice.letter, 0.0))
    is_sure = chances.get(best.letter, 0.0) >= _ENOUGH.get(level, 1.0)
    if is_sure and best.puppet_id is not None:
        return Answer(
            puppet_id=best.puppet_id,
            cause_id=consider.cause_id,
            asker=cause.sender,
            reason=consider.reason,
            thread_root=consider.thread_root,
            is_unasked=True,
        )
    if is_sure and best.reaction:
        return Acknowledge(
            puppet_id=consider.puppets[0],
            cause_id=consider.cause_id,
            key=best.reaction,
            reason=consider.reason,
        )
    return Silence(cause_id=consider.cause_id, reason=reasons.MODEL_SAYS_NOBODY)
