"""The chat completions API's objects: events of a stream, and whole answers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast

from bridge.domain.prompt import Prompt
from bridge.domain.tool import wire_name
from bridge.engine.chunks import Chunk
from bridge.engine.http import error_text
from bridge.engine.tooling import Piece, arguments_of, text_of
from bridge.errors import EngineBroken

_HIDDEN: Final = ("reasoning_content", "reasoning", "tool_calls", "function_call")


def from_wire(data: str) -> Chunk | None:
    """One event's data, None for what says nothing. Raises EngineBroken.

    Reasoning (`reasoning_content`, `reasoning`) is left out.
    """
    try:
        value = cast("object", json.loads(data))
    except (ValueError, RecursionError):
        raise EngineBroken(
            "What answers at the engine's address does not speak the chat completions format."
        ) from None
    if not isinstance(value, dict):
        return None
    event = cast("dict[str, object]", value)
    if event.get("error") or event.get("object") == "error":
        return Chunk(error=error_text(event.get("error") or event))
    choice = _first(event.get("choices"))
    usage = _object(event.get("usage"))
    reason = choice.get("finish_reason")
    delta = _object(choice.get("delta"))
    text = delta.get("content")
    model = event.get("model")
    return Chunk(
        text=text if isinstance(text, str) else "",
        is_hidden=any(delta.get(name) for name in _HIDDEN),
        calls=_pieces(delta.get("tool_calls")),
        end=reason if isinstance(reason, str) and reason else None,
        model=model if isinstance(model, str) else "",
        prompt_tokens=_count(usage.get("prompt_tokens")),
        reply_tokens=_count(usage.get("completion_tokens")),
    )


def steps(prompt: Prompt) -> Iterator[dict[str, object]]:
    """What the model asked of its tools, and what it was given, as messages."""
    for step in prompt.steps:
        calls = [
            {
                "id": call.call_id,
                "type": "function",
                # Servers read it again: what was no JSON would make them refuse everything.
                "function": {
                    "name": wire_name(call.name),
                    "arguments": json.dumps(arguments_of(call), ensure_ascii=False),
                },
            }
            for call in step.calls
        ]
        yield {"role": "assistant", "content": step.said, "tool_calls": calls}
        for call, result in zip(step.calls, step.results, strict=True):
            yield {"role": "tool", "tool_call_id": call.call_id, "content": result.text}


def schema(letters: Sequence[str]) -> dict[str, object]:
    """A `response_format` that can only answer with one of the letters."""
    choice = {
        "type": "object",
        "properties": {"choice": {"type": "string", "enum": list(letters)}},
        "required": ["choice"],
        "additionalProperties": False,
    }
    wrapped = {"name": "choice", "schema": choice, "strict": True}
    return {"type": "json_schema", "json_schema": wrapped}


def logprobs(answer: Mapping[str, object]) -> object:
    """The log-probabilities of a whole answer's tokens; None where it tells none."""
    return _object(_first(answer.get("choices")).get("logprobs")).get("content")


def content(answer: Mapping[str, object]) -> str:
    """The text of a whole answer."""
    text = _object(_first(answer.get("choices")).get("message")).get("content")
    return text if isinstance(text, str) else ""


def _pieces(value: object) -> tuple[Piece, ...]:
    listed = cast("list[object]", value) if isinstance(value, list) else []
    pieces: list[Piece] = []
    for entry in map(_object, listed):
        function, index = _object(entry.get("function")), entry.get("index")
        call_id, name = entry.get("id"), function.get("name")
        pieces.append(
            Piece(
                index=index if type(index) is int else None,
                call_id=call_id if isinstance(call_id, str) else "",
                name=name if isinstance(name, str) else "",
                arguments=text_of(function.get("arguments")),
            )
        )
    return tuple(pieces)


def _first(value: object) -> Mapping[str, object]:
    listed = cast("list[object]", value) if isinstance(value, list) else []
    return _object(listed[0]) if listed else {}


def _object(value: object) -> Mapping[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _count(value: object) -> int:
    return max(0, value) if isinstance(value, int) else 0
