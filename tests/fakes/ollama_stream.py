"""What the fake Ollama can be told to say and how it goes over the wire."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
from dataclasses import dataclass
from typing import Any

from aiohttp import web

Body = dict[str, Any]

BUSY = "server busy, please try again.  maximum pending requests exceeded"
TOO_LONG = "the input length exceeds the context length"
STATUS_WORDS = {
    400: TOO_LONG,
    401: "unauthorized",
    403: "ollama cloud is disabled: remote inference is unavailable",
    429: "too many requests",
    499: "request canceled",
    500: "model runner has unexpectedly stopped, this may be due to resource limitations",
    502: "upstream error",
    503: BUSY,
}


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How a stream comes, and what goes wrong in it. Counts are of text chunks sent before."""

    packet_bytes: int = 0
    """Cut the byte stream into packets of this size, through lines and characters."""
    lines_per_packet: int = 1
    first_token_delay_s: float = 0.0
    gap_s: float = 0.0
    stall_after: int | None = None
    error_after: int | None = None
    error: str = "an error was encountered while running the model: unexpected EOF"
    end_after: int | None = None
    """A proper end of the HTTP body without a `done` line (repeated tokens do this)."""
    reset_after: int | None = None
    has_last_newline: bool = True


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the model says. `thinking` goes into its own field where the model can think. `calls`:
    tools that it wants then, each with its arguments."""

    text: str = "Hello from the fake."
    calls: tuple[tuple[str, Body], ...] = ()
    thinking: str = "They want an answer."
    status: int = 200
    error: str = ""
    raw: bytes | None = None
    """Send just these bytes as a good answer."""
    shape: Shape = Shape()


@dataclass(frozen=True, kw_only=True)
class FakeModel:
    name: str
    capabilities: tuple[str, ...] | None = ("completion",)
    """None: an old server, which does not tell."""
    size_bytes: int = 4_000_000_000
    family: str = "llama"
    max_ctx: int = 32_768


def count_tokens(text: str) -> int:
    """A stand-in for a tokenizer: a token per three bytes, begun ones counted."""
    return -(-len(text.encode()) // 3)


def full(name: str) -> str:
    return name if ":" in name else f"{name}:latest"


def details(model: FakeModel) -> Body:
    return {
        "format": "gguf",
        "family": model.family,
        "families": [model.family],
        "parameter_size": "4.3B",
        "quantization_level": "Q4_K_M",
    }


def listed(model: FakeModel) -> Body:
    return {
        "name": model.name,
        "model": model.name,
        "size": model.size_bytes,
        "digest": f"sha256:{model.name.encode().hex()}",
        "modified_at": "2026-01-01T00:00:00Z",
        "details": details(model),
    } | ({} if model.capabilities is None else {"capabilities": list(model.capabilities)})


def unsupported(model: FakeModel, body: Body) -> str:
    can = model.capabilities or ("completion",)
    if "completion" not in can:
        return f'"{model.name}" does not support chat'
    if body.get("think") and "thinking" not in can:
        return f'"{model.name}" does not support thinking'
    if body.get("tools") and "tools" not in can:
        return f'"{model.name}" does not support tools'
    return ""


def refuse(status: int, error: str) -> web.Response:
    return web.json_response({"error": error}, status=status)


def empty(name: str, key: str) -> Body:
    head: Body = {"model": name, "created_at": "2026-01-01T00:00:00Z", "done": False}
    return head | (
        {"message": {"role": "assistant", "content": ""}} if key == "message" else {key: ""}
    )


def _said(name: str, key: str, *, content: str = "", thinking: str = "") -> Body:
    line = empty(name, key)
    if key == "message":
        line["message"] = {"role": "assistant", "content": content}
        if thinking:
            line["message"]["thinking"] = thinking
    else:
        line[key] = content
    return line


def _called(model: str, number: int, name: str, arguments: Body) -> Body:
    line = _said(model, "message")
    function = {"index": number, "name": name, "arguments": arguments}
    line["message"]["tool_calls"] = [{"id": f"call_x{number}", "function": function}]
    return line


def lines_of(
    model: FakeModel, body: Body, reply: Reply, key: str, prompt_tokens: int, load_ns: int
) -> list[Body]:
    """The stream of a reply: stop strings and `num_predict` applied, thinking before text."""
    options = body.get("options") or {}
    text = reply.text
    for stop in options.get("stop") or []:
        text = text.partition(stop)[0]
    pieces = re.findall(r"\s*\S{1,6}|\s+$", text)
    limit = int(options.get("num_predict", -1))
    is_cut = 0 <= limit < len(pieces)
    if is_cut:
        pieces = pieces[:limit]
    thinks = "thinking" in (model.capabilities or ()) and body.get("think") is not False
    thoughts = re.findall(r"\s*\S+", reply.thinking) if thinks else []
    name = str(body["model"])
    done = empty(name, key) | {
        "done": True,
        "done_reason": "length" if is_cut else "stop",
        "total_duration": load_ns + 2_000_000,
        "load_duration": load_ns,
        "prompt_eval_count": prompt_tokens,
        "prompt_eval_duration": 1_000_000,
        "eval_count": len(pieces) + len(thoughts),
        "eval_duration": 1_000_000,
    }
    return [
        *(_said(name, key, thinking=thought) for thought in thoughts),
        *(_said(name, key, content=piece) for piece in pieces),
        *(_called(name, n, *call) for n, call in enumerate(reply.calls)),
        done,
    ]


def joined(lines: list[Body], key: str) -> Body:
    if key != "message":
        return lines[-1] | {key: "".join(line[key] for line in lines)}
    message = {
        part: "".join(str(line["message"].get(part, "")) for line in lines)
        for part in ("content", "thinking")
    }
    return lines[-1] | {"message": {"role": "assistant"} | {k: v for k, v in message.items() if v}}


async def send_lines(
    request: web.Request, lines: list[Body], shape: Shape, raw: bytes | None = None
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await asyncio.sleep(shape.first_token_delay_s)
    await response.prepare(request)
    if raw is not None:
        await response.write(raw)
        return response
    pending = b""
    for count, line in enumerate(lines):
        if count == shape.end_after or count == shape.error_after:
            error = json.dumps({"error": shape.error}).encode() + b"\n"
            await response.write(pending + (error if count == shape.error_after else b""))
            return response
        if count in (shape.stall_after, shape.reset_after):
            await response.write(pending)
            if count == shape.stall_after:
                await asyncio.Event().wait()
            _reset(request)
            return response
        pending += json.dumps(line, ensure_ascii=False).encode() + b"\n"
        if (count + 1) % shape.lines_per_packet == 0:
            pending = await _write(response, pending, shape.packet_bytes)
            await asyncio.sleep(shape.gap_s)
    await response.write(pending if shape.has_last_newline else pending.rstrip(b"\n"))
    return response


async def _write(response: web.StreamResponse, data: bytes, packet_bytes: int) -> bytes:
    """Send the full packets of `data`, or all of it where packets have no size; return the rest."""
    if not packet_bytes:
        await response.write(data)
        return b""
    while len(data) >= packet_bytes:
        await response.write(data[:packet_bytes])
        data = data[packet_bytes:]
        await asyncio.sleep(0.001)
    return data


def _reset(request: web.Request) -> None:
    """Cut the connection so that the client's next read fails with "reset by peer"."""
    assert request.transport is not None
    raw_socket = request.transport.get_extra_info("socket")
    raw_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.transport.abort()
