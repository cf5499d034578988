"""A server that speaks the chat completions API, with the manners and faults of real ones."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

Body = dict[str, Any]


@dataclass
class FakeOpenAI:
    """`reply` is streamed word by word. `refuses`: fields that it answers 400 to, by name.
    `cut`: bytes of each packet, 0 for whole events. `ending`: how a stream ends: "done" (with
    `[DONE]`), "silent" (the reason, no `[DONE]`), "early" (no reason), "error" (in the middle)."""

    reply: str = "Hello you there."
    models: Sequence[str] = ("tiny-chat",)
    refuses: set[str] = field(default_factory=set[str])
    status: int = 200
    problem: str = ""
    key: str = ""
    owner: str = "llamacpp"
    cut: int = 0
    ending: str = "done"
    line_end: str = "\n"
    reasoning: str = ""
    first_delay_s: float = 0.0
    stall_after: int = 0
    choice: dict[str, float] = field(default_factory=dict[str, float])
    tells_logprobs: bool = True
    seen: list[Body] = field(default_factory=list[Body])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    heard: list[bytes] = field(default_factory=list[bytes])
    cancelled: int = 0
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
        if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
            return web.json_response({"error": {"message": "bad key"}}, status=401)
        if self.status != 200:
            headers = {"Location": "/elsewhere"} if self.status in (301, 307) else None
            error = {"error": {"message": self.problem, "type": "invalid_request_error"}}
            return web.json_response(error, status=self.status, headers=headers)
        return None

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body: Body = await request.json()
        self.seen.append(body)
        if refusal := self._refusal(request):
            return refusal
        for name in self.refuses:
            if name in body:
                error = {"error": {"message": f"Unsupported parameter: {name}"}}
                return web.json_response(error, status=400)
        if body["model"] not in self.models:
            error = {"error": {"message": f"The model `{body['model']}` does not exist."}}
            return web.json_response(error, status=404)
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
            for n, piece in enumerate(self._pieces(body)):
                if self.stall_after and n >= self.stall_after:
                    await asyncio.sleep(3600)
                await self._write(response, piece)
        except (asyncio.CancelledError, ConnectionError):
            self.cancelled += 1
            raise
        return response

    def _pieces(self, body: Body) -> list[str]:
        def event(delta: Body, reason: str | None = None) -> str:
            choice = {"index": 0, "delta": delta, "finish_reason": reason}
            return self._event({"model": body["model"], "choices": [choice]})

        words = [w + " " for w in self.reply.split(" ")]
        words[-1] = words[-1].rstrip(" ")
        is_long = len(words) > body["max_tokens"]
        words = words[: body["max_tokens"]]
        pieces = [":" + " keep alive" + self.line_end, event({"role": "assistant"})]
        pieces += [event({"reasoning_content": self.reasoning})] if self.reasoning else []
        pieces += [event({"content": word}) for word in words]
        if self.ending == "error":
            return [*pieces[:-1], self._event({"error": {"message": "out of memory"}})]
        if self.ending == "early":
            return pieces
        pieces.append(event({}, "length" if is_long else "stop"))
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
