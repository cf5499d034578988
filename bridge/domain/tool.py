"""What a puppet may use beside its words: tools, calls of them, and what came of those."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from bridge.domain.ids import EventId, TurnId, UserId
from bridge.domain.room import Room

Outcome = Literal["running", "ok", "failed", "refused"]
"""running: it was begun, and nothing is known of its end. failed: it was tried. refused: it never
ran, because it may not or cannot."""

BUILT_IN_TOOLS: Final = ("time", "search")
"""Names of the tools that come with the program."""
_WIRE_CHARS: Final = 64


def wire_name(name: str) -> str:
    """A tool's name as engines take it: letters, digits, `_` and `-`, at most 64."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:_WIRE_CHARS] or "_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """`name` is the operator's word for it: `time`, or `weather.forecast` of a server `weather`.
    `parameters` is a JSON Schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """What a model asks for, as it wrote it: neither the name nor the arguments (JSON, at best)
    need to make sense. `call_id`: the server's, "" where it gives none."""

    name: str
    arguments: str = "{}"
    call_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """`text` is what the model is shown of it."""

    text: str
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a model asked for at once, and what it was given: as many results as calls. `said` is
    what it wrote before."""

    calls: tuple[ToolCall, ...]
    results: tuple[ToolResult, ...]
    said: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUse:
    """A call as it is kept with its turn, the `number`-th of it, in its `step`-th step."""

    turn_id: TurnId
    number: int
    step: int
    call: ToolCall
    result: ToolResult
    said: str = ""
    """What the model wrote before the step's calls; with the first of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Whom a tool works for, and where. A source may give only what this person may see."""

    room: Room
    asker: UserId
    cause_id: EventId
    """The message that asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolLimits:
    """Bounds of one turn. `reserve_tokens`: what of the model's window prompts leave free for tools
    and their results. `time_limit_s`: of all calls together."""

    max_steps: int = 3
    call_timeout_s: float = 10.0
    time_limit_s: float = 30.0
    reserve_tokens: int = 1600
