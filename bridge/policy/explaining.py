"""`!ai why` and `!ai usage`: facts into sentences."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final, cast

from bridge.domain.budget import Budget, Spent
from bridge.domain.decision import Say
from bridge.domain.tool import ToolUse
from bridge.domain.turn import Turn, Used
from bridge.policy.wording import escape
from bridge.policy.words.why import OUTCOMES, PHRASES, TOOLS

_MAX_ARGUMENTS_CHARS: Final = 60


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


def why(
    say: Say, turn: Turn | None, reason: str | None, name: str, uses: Sequence[ToolUse] = ()
) -> Say:
    """Why a message was said (its turn), and with which tools, or why nobody answered it (the
    reason), if that is known.

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
            tools="\n".join(f"- {_told(use, say.language)}" for use in uses),
        )
    if reason:
        return _filled(
            replace(say, sentence="why_silent"), why=_phrase(reason, say.language), code=reason
        )
    return replace(say, sentence="why_unknown", values=())


def _phrase(reason: str, language: str) -> str:
    return _in(PHRASES.get(reason, {}), language) or reason.replace("_", " ")


def _told(use: ToolUse, language: str) -> str:
    """A call of a tool in a line of Markdown."""
    phrase = _in(TOOLS.get(use.call.name, TOOLS[""]), language)
    phrase = phrase.replace("{tool}", escape(use.call.name))
    arguments = escape(_short(use.call.arguments))
    outcome = _in(OUTCOMES[use.result.outcome], language)
    return f"{phrase} ({arguments}) – {outcome}" if arguments else f"{phrase} – {outcome}"


def _short(arguments: str) -> str:
    told: object = arguments
    with suppress(ValueError, RecursionError):
        told = json.loads(arguments)
    if isinstance(told, dict):
        named = cast("dict[str, object]", told)
        arguments = ", ".join(f"{key}: {value}" for key, value in named.items())
    if len(arguments) <= _MAX_ARGUMENTS_CHARS:
        return arguments
    return f"{arguments[: _MAX_ARGUMENTS_CHARS - 1]}…"


def _in(phrases: Mapping[str, str], language: str) -> str:
    return phrases.get(language.partition("-")[0]) or phrases.get("en", "")


def _filled(say: Say, **values: str) -> Say:
    return replace(say, values=tuple(values.items()))
