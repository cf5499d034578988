"""What an engine is asked, and what it answers, independent of any engine's wire format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bridge.domain.ids import PuppetId


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The turn in plain values, for engines that are no language model (demo, scripted)."""

    puppet_id: PuppetId
    speaker: str
    description: str = ""
    greeting: str = ""
    asker: str = ""
    question: str = ""
    cause_id: str = ""
    language: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    """Letters to choose from, with the puppet or the emoji that each stands for ("": nobody)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One system and one user message: the only layout all chat templates keep in order."""

    system: str
    user: str
    model: str = ""
    max_tokens: int = 400
    temperature: float = 0.8
    stop: tuple[str, ...] = ()
    scene: Scene


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """End of a stream. `reason` is `stop`, or `length` when `max_tokens` ran out."""

    reason: Literal["stop", "length"] = "stop"
    model: str = ""
    prompt_tokens: int = 0
    reply_tokens: int = 0


Delta = TextDelta | Finished
