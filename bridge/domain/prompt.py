"""What an engine is asked, and what it answers, independent of any engine's wire format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from bridge.domain.ids import PuppetId
from bridge.domain.tool import Step, Tool, ToolCall

Purpose = Literal["reply", "gate", "summary", "vision"]
"""What a model is asked for. Each may have a model of its own."""
Urgency = Literal["mention", "reply", "gate", "unasked", "background"]
"""Who is served first, where many wait."""
URGENCIES: tuple[Urgency, ...] = get_args(Urgency)


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
    """One system and one user message: the only layout all chat templates keep in order.

    `steps` come after them: what the model asked of its `tools` so far, and what it was given.
    """

    system: str
    user: str
    system_shared_first: str = ""
    """The same as `system`, in the order for servers that share prefixes among rooms."""
    pictures: tuple[bytes, ...] = ()
    """JPEGs that go with `user`."""
    model: str = ""
    max_tokens: int = 400
    temperature: float = 0.8
    stop: tuple[str, ...] = ()
    tools: tuple[Tool, ...] = ()
    steps: tuple[Step, ...] = ()
    scene: Scene
    purpose: Purpose = "reply"
    urgency: Urgency = "reply"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """End of a stream. `reason` is `stop`, or `length` when `max_tokens` ran out. `calls`: what the
    model wants of its tools before it goes on."""

    reason: Literal["stop", "length"] = "stop"
    model: str = ""
    prompt_tokens: int = 0
    reply_tokens: int = 0
    calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """The call has waited for a while, and still waits, because others are served first."""


Delta = TextDelta | Finished | Queued
