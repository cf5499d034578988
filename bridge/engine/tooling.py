"""Tools on the wire, in what both dialects have in common."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, cast

from bridge.domain.prompt import Prompt
from bridge.domain.tool import Tool, ToolCall, wire_name

MAX_CALLS: Final = 16
MAX_ARGUMENTS_CHARS: Final = 16_000
"""What goes beyond is left out: its end is missing then, and nobody runs it."""
_ABOUT_TOOLS: Final = re.compile(
    r"(does not|doesn't|not|no endpoints found that) support (the )?(tool|function)"
    r"|tools? (param|is not|are not|not supported|use is not)|tool[_ ]choice|tool-call-parser"
    r"|(unsupported|unknown|unrecognized|invalid|unexpected)\W.{0,40}\btools?\b"
    r"|\btools?\b.{0,40}(extra|unsupported|not permitted|unrecognized|unexpected)",
    re.IGNORECASE,
)


def is_about_tools(problem: str) -> bool:
    """Does a server refuse a call because its model, or its setting, knows no tools?"""
    return bool(_ABOUT_TOOLS.search(problem))


def specs(tools: Sequence[Tool]) -> list[dict[str, object]]:
    """The field `tools`, the same in both dialects."""
    return [
        {
            "type": "function",
            "function": {
                "name": wire_name(tool.name),
                "description": tool.description,
                "parameters": {"type": "object", "properties": {}, **tool.parameters},
            },
        }
        for tool in tools
    ]


def arguments_of(call: ToolCall) -> Mapping[str, object]:
    """The arguments as an object; what is none is empty."""
    try:
        value = cast("object", json.loads(call.arguments))
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def told(prompt: Prompt) -> Prompt:
    """The prompt for a model without tools: what came of calls so far stands in its text."""
    given = [result.text for step in prompt.steps for result in step.results]
    return replace(prompt, user="\n".join((prompt.user, *given)), tools=(), steps=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Part of a call in a stream. Pieces of one `index` belong together; without one, each is a
    call of its own."""

    index: int | None = None
    call_id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(slots=True)
class Collected:
    """Calls, put together from their pieces."""

    _calls: list[ToolCall] = field(default_factory=list[ToolCall])
    _at: dict[int, int] = field(default_factory=dict[int, int])
    """Which call the pieces of an index now belong to."""

    def add(self, piece: Piece) -> None:
        at = None if piece.index is None else self._at.get(piece.index)
        # Some servers count all calls as the first one: a new id begins a new call.
        if at is not None and piece.call_id and self._calls[at].call_id not in ("", piece.call_id):
            at = None
        if at is None:
            if len(self._calls) >= MAX_CALLS:
                return
            at = len(self._calls)
            self._calls.append(ToolCall(name="", arguments=""))
            if piece.index is not None:
                self._at[piece.index] = at
        call = self._calls[at]
        self._calls[at] = ToolCall(
            name=call.name or piece.name,
            arguments=(call.arguments + piece.arguments)[:MAX_ARGUMENTS_CHARS],
            call_id=call.call_id or piece.call_id,
        )

    def calls(self) -> tuple[ToolCall, ...]:
        return tuple(
            replace(call, arguments=call.arguments or "{}") for call in self._calls if call.name
        )


def text_of(arguments: object) -> str:
    """Arguments as JSON text: one dialect sends an object, the other text in pieces."""
    if arguments is None:
        return ""
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
