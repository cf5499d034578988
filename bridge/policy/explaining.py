"""`!ai why` and `!ai usage`: facts into sentences."""

from __future__ import annotations

from dataclasses import replace

from bridge.domain.budget import Budget, Spent
from bridge.domain.decision import Say
from bridge.domain.turn import Turn, Used
from bridge.policy.words.why import PHRASES


def usage(say: Say, used: Used, own: Spent, budget: Budget) -> Say:
    """How much was written for a person, of how much, and in the room, and what it took."""
    return _filled(
        say,
        own=str(own.messages_in_day),
        most=str(budget.messages_per_day or ""),
        turns=str(used.turns),
        prompt=str(used.prompt_tokens),
        reply=str(used.reply_tokens),
    )


def why(say: Say, turn: Turn | None, reason: str | None, name: str) -> Say:
    """Why a message was said (its turn), or why nobody answered it (the reason), if that is known.

    Reason codes are the same as in logs, metrics and `replay`.
    """
    if turn is not None:
        return _filled(
            replace(say, sentence="why_said"),
            why=_phrase(turn.reason, say.language),
            code=turn.reason,
            name=name,
            model=turn.model,
            count=str(turn.context_messages or ""),
        )
    if reason:
        return _filled(
            replace(say, sentence="why_silent"), why=_phrase(reason, say.language), code=reason
        )
    return replace(say, sentence="why_unknown", values=())


def _phrase(reason: str, language: str) -> str:
    phrases = PHRASES.get(reason, {})
    return phrases.get(language.partition("-")[0]) or phrases.get("en") or reason.replace("_", " ")


def _filled(say: Say, **values: str) -> Say:
    return replace(say, values=tuple(values.items()))
