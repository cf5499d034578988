"""Is it worth asking a model whether somebody should speak unasked? A sum, and its parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bridge.domain.history import Said
from bridge.domain.persona import Puppet, Talkativeness
from bridge.policy.asking import is_question
from bridge.policy.daytime import is_quiet_hour, mood
from bridge.policy.filler import is_filler
from bridge.policy.floor import ai_share, unasked_run
from bridge.policy.levels import is_active, level_of
from bridge.policy.names import fold, own_words
from bridge.policy.view import View

THRESHOLD: Final = 0.5
_BASE: Final[Mapping[Talkativeness, float]] = {
    "reserved": 0.0,
    "balanced": 0.15,
    "sociable": 0.3,
    "chatty": 0.42,
}
_LEAST_SILENCE_MS: Final[Mapping[Talkativeness, int]] = {
    "reserved": 60_000,
    "balanced": 30_000,
    "sociable": 15_000,
    "chatty": 8_000,
}
_QUESTION: Final = 0.3
_SILENCE: Final = 0.3
_FULL_SILENCE_MS: Final = 120_000
_FIT: Final = 0.15
_TALKED_ABOUT: Final = 0.15
_UNFAIR: Final = -0.15
_QUIET_HOURS: Final = -1.0
_PER_RUN: Final = 0.5
_LEAST_WORD_CHARS: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Of one puppet for one message: the parts, and how much silence after it is needed yet.

    `due_ms` is the silence after the message from which on it is worth asking, None for never.
    """

    parts: tuple[tuple[str, float], ...]
    due_ms: int | None


def score(view: View, cause: Said, puppet: Puppet) -> Score | None:
    """None where the puppet does not speak unasked at all."""
    level = level_of(view, puppet)
    if level not in _BASE or not is_active(view, puppet):
        return None
    words = own_words(cause.text)
    if is_filler(words):
        return None
    recent = (*view.recent, cause) if cause not in view.recent else view.recent
    parts = {
        "level": _BASE[level],
        "question": _QUESTION if is_question(words) else 0.0,
        "fit": _FIT if _fits(words, puppet) else 0.0,
        "talked_about": _TALKED_ABOUT if any(fold(n) in words for n in puppet.names()) else 0.0,
        "share": _UNFAIR if _has_more_than_its_share(recent, puppet, view) else 0.0,
        "time_of_day": mood(view),
        "quiet_hours": _QUIET_HOURS if is_quiet_hour(view) else 0.0,
    }
    damping = _PER_RUN ** unasked_run(recent)
    total = sum(parts.values()) * damping
    missing = THRESHOLD - total
    if missing > _SILENCE * damping:
        return Score(parts=tuple(parts.items()), due_ms=None)
    needed_ms = max(0.0, missing) / (_SILENCE * damping) * _FULL_SILENCE_MS
    return Score(parts=tuple(parts.items()), due_ms=max(_LEAST_SILENCE_MS[level], round(needed_ms)))


def is_share_full(view: View) -> bool:
    """Have AIs written as much as this group wants? Then nobody speaks unasked."""
    wanted = view.room.settings.ai_share
    limit = view.house.ai_share if wanted is None else wanted
    return len(view.recent) >= _LEAST_LINES and ai_share(view.recent) >= limit


_LEAST_LINES: Final = 10
"""Of fewer messages no share can be told."""


def _fits(words: str, puppet: Puppet) -> bool:
    """Does the message share a word of some length with what the character is about?"""
    persona = puppet.persona
    about = _long_words(fold(f"{persona.description} {persona.character}"))
    return bool(about & _long_words(words))


def _long_words(text: str) -> set[str]:
    return {word.strip(".,!?;:") for word in text.split() if len(word) >= _LEAST_WORD_CHARS}


def _has_more_than_its_share(recent: tuple[Said, ...], puppet: Puppet, view: View) -> bool:
    members = max(2, len(view.room.joined()))
    own = sum(said.sender == puppet.user_id for said in recent)
    return len(recent) >= _LEAST_LINES and own / len(recent) > 1 / members
