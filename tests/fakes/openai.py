"""A server that speaks the chat completions API, with the manners and faults of real ones."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

Body = dict[str, Any]


@dataclass
class FakeOpenAI:
    """`reply` is streamed word by word. `refuses`: fields that it answers 400 to, by name unless
    `names_fields` is off. `cut`: bytes of each packet, 0 for whole events; `is_one_packet`: all
    events at once. `ending`: how a stream ends: "done" (with `[DONE]`), "silent" (the reason, no
    `[DONE]`), "unexplained" (`[DONE]`, no reason), "early" (neither), "error" (in the middle).
    `after`: what comes then: "close", "hang", "reset". `pings_after`: so many pieces, and then
    signs of life for ever. `raw`: this stream instead. `window_tokens`: words it reads, 0: any."""

    reply: str = "Hello you there."
    models: Sequence[str] = ("tiny-chat",)
    refuses: set[str] = field(default_factory=set[str])
    names_fields: bool = True
    status: int = 200
    problem: object = ""
    """What a refusal's `error` holds; a string becomes its message."""
    key: str = ""
    owner: str = "llamacpp"
    cut: int = 0
    is_one_packet: bool = False
    ending: str = "done"
    after: str = "close"
    pings_after: int | None = None
    raw: str | None = None
    window_tokens: int = 0
    line_end: str = "\n"
    reasoning: str = ""
    reasoning_field: str = "reasoning_content"
    calls_tool: bool = False
    calls: list[list[tuple[str, str]]] = field(default_factory=list[list[tuple[str, str]]])
    """Tools and arguments (text) that it wants after its reply, of one answer after the other."""
    call_indexes: bool = True
    """Does it count its calls? Else all are the first one, told apart by their ids."""
    first_delay_s: float = 0.0
    stall_after: int = 0
    choice: dict[str, float] = field(default_factory=dict[str, float])
    tells_logprobs: bool = True
    seen: list[Body] = field(default_factory=list[Body])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    heard: list[bytes] = field(default_factory=list[bytes])
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when somebody went away before the stream's end."""
    url: str = ""
    _runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.add_routes(
            [
                web.get("/v1/models", self._models),
                web.post("/v1/chat/completions", self._chat),
                web.post("/v1/audio/transcriptions", self._transcribe),
            ]
        )
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _models(self, request: web.Request) -> web.Response:
        if refusal := self._refusal(request):
            return refusal
        data = [{"id": name, "object": "model", "owned_by": self.owner} for name in self.models]
        return web.json_response({"object": "list", "data": data})

    async def _transcribe(self, request: web.Request) -> web.Response:
        if refusal := self._refusal(request):
            return refusal
        form = await request.post()
        part = form["file"]
        assert isinstance(part, web.FileField)
        self.heard.append(part.file.read())
        self.seen.append({key: value for key, value in form.items() if key != "file"})
        return web.json_response({"text": self.reply})

    def _refusal(self, request: web.Request) -> web.Response | None:
        self.headers.append(dict(request.headers))
        given = request.headers.get("Authorization", "")
        if self.key and given != f"Bearer {self.key}":
            told = f"Incorrect API key provided: {given.removeprefix('Bearer ')}."
            return web.json_response({"error": {"message": told}}, status=401)
        if self.status != 200:
            headers = {"Location": "/elsewhere"} if self.status in (301, 307) else None
            problem = self.problem
            if isinstance(problem, str):
                problem = {"message": problem, "type": "invalid_request_error"}
            return web.json_response({"error": problem}, status=self.status, headers=headers)
        return None

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body: Body = await request.json()
        self.seen.append(body)
        self.asked.set()
        if refusal := self._refusal(request):
            return refusal
        for name in self.refuses:
            if name in body:
                told = f"Unsupported parameter: {name}" if self.names_fields else "Bad Request"
                return web.json_response({"error": {"message": told}}, status=400)
        if body["model"] not in self.models:
            error = {"error": {"message": f"The model `{body['model']}` does not exist."}}
            return web.json_response(error, status=404)
        count = sum(len(str(m["content"]).split()) for m in body["messages"])
        if self.window_tokens and count > self.window_tokens:
            told = f"This model's maximum context length is {self.window_tokens} tokens."
            return web.json_response({"error": {"message": told}}, status=400)
        if not body.get("stream"):
            return web.json_response(self._whole(body))
        return await self._stream(request, body)

    def _whole(self, body: Body) -> Body:
        choice: Body = {"index": 0, "finish_reason": "stop"}
        if body.get("logprobs") and self.tells_logprobs:
            top = [{"token": t, "logprob": p} for t, p in self.choice.items()]
            choice["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
        best = max(self.choice, key=lambda letter: self.choice[letter], default="").strip()
        text = json.dumps({"choice": best}) if "response_format" in body else f"{best}."
        choice["message"] = {"role": "assistant", "content": text}
        return {"id": "x", "object": "chat.completion", "choices": [choice]}

    async def _stream(self, request: web.Request, body: Body) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            await asyncio.sleep(self.first_delay_s)
            pieces = self._pieces(body) if self.raw is None else [self.raw]
            for n, piece in enumerate(["".join(pieces)] if self.is_one_packet else pieces):
                if self.stall_after and n >= self.stall_after:
                    await asyncio.sleep(3600)
                while n == self.pings_after:
                    await self._write(response, ": ping\n\n")
                    await asyncio.sleep(0.02)
                await self._write(response, piece)
            if self.after != "close":
                await asyncio.sleep(0.05 if self.after == "reset" else 3600)
                assert request.transport is not None
                request.transport.abort()
        except (asyncio.CancelledError, ConnectionError):
            self.left.set()
            raise
        return response

    def _pieces(self, body: Body) -> list[str]:
        def event(delta: Body, reason: str | None = None) -> str:
            choice = {"index": 0, "delta": delta, "finish_reason": reason}
            return self._event({"model": body["model"], "choices": [choice]})

        text = self.reply
        for stop in body.get("stop", []):
            text = text.partition(stop)[0]
        words = [w + " " for w in text.split(" ")]
        words[-1] = words[-1].rstrip(" ")
        is_long = len(words) > body["max_tokens"]
        words = words[: body["max_tokens"]]
        pieces = [":" + " keep alive" + self.line_end, event({"role": "assistant"})]
        pieces += [event({self.reasoning_field: self.reasoning})] if self.reasoning else []
        tool = {"index": 0, "function": {"name": "f", "arguments": "{}"}}
        pieces += [event({"tool_calls": [tool]})] if self.calls_tool else []
        pieces += [event({"content": word}) for word in words if word]
        wanted = self.calls.pop(0) if self.calls else []
        for n, (name, arguments) in enumerate(wanted):
            head = {"name": name, "arguments": ""}
            at = n if self.call_indexes else 0
            opening = {"index": at, "id": f"id{n}", "type": "function", "function": head}
            pieces.append(event({"tool_calls": [opening]}))
            for start in range(0, len(arguments), 5):
                more = {"arguments": arguments[start : start + 5]}
                pieces.append(event({"tool_calls": [{"index": at, "function": more}]}))
        if self.ending == "error":
            return [*pieces[:-1], self._event({"error": {"message": "out of memory"}})]
        if self.ending == "early":
            return pieces
        if self.ending == "unexplained":
            return [*pieces, f"data: [DONE]{2 * self.line_end}"]
        end = "tool_calls" if wanted else "stop"
        pieces.append(event({}, "length" if is_long else end))
        if "stream_options" in body:
            usage = {"prompt_tokens": 11, "completion_tokens": len(words)}
            pieces.append(self._event({"model": body["model"], "choices": [], "usage": usage}))
        if self.ending == "done":
            pieces.append(f"data: [DONE]{2 * self.line_end}")
        return pieces

    def _event(self, value: Body) -> str:
        return f"data: {json.dumps(value, ensure_ascii=False)}{2 * self.line_end}"

    async def _write(self, response: web.StreamResponse, piece: str) -> None:
        data = piece.encode()
        size = self.cut or len(data)
        for start in range(0, len(data), size):
            await response.write(data[start : start + size])


@asynccontextmanager
async def serving(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> AsyncIterator[str]:
    """The address of a server that answers every path like this."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
