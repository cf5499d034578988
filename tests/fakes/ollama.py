"""An Ollama server to test against: its routes, its refusals word for word, and every bad day.

    async with FakeOllama() as ollama:
        ollama.reply = "Hello."                       # or a Reply, or a function of the request
        ollama.rules.append(("weather", "Sunny."))    # by regex on the last message
        ollama.once.append(Reply(status=503))         # the next chat only

Alone: `python -m tests.fakes.ollama --port 0 --reply TEXT [--record FILE]`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from tests.fakes.ollama_runners import BUSY, Busy, Runners
from tests.fakes.ollama_stream import (
    STATUS_WORDS,
    TOO_LONG,
    Body,
    FakeModel,
    Reply,
    Shape,
    count_tokens,
    details,
    empty,
    full,
    joined,
    lines_of,
    listed,
    refuse,
    send_lines,
    unsupported,
)


@dataclass(kw_only=True)
class Seen:
    """One request. `hung_up` is set when the client went away before the answer was complete."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Body
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)


Brain = Callable[[Body], "Reply | str"]


class FakeOllama:
    def __init__(
        self,
        *,
        models: tuple[FakeModel, ...] = (FakeModel(name="gemma3:4b"),),
        reply: Reply | str | Brain = "Hello from the fake.",
        api_key: str = "",
        version: str = "0.33.0",
        parallel: int = 4,
        max_loaded: int = 3,
        max_queue: int = 512,
        host: str = "127.0.0.1",
        port: int = 0,
        record: Path | None = None,
    ) -> None:
        self.models = {full(model.name): model for model in models}
        self.reply: Reply | str | Brain = reply
        self.rules: list[tuple[str, Reply | str]] = []
        self.once: list[Reply] = []
        self.choice = "N"
        """The letter that it chooses when it is asked for one."""
        self.tells_logprobs = True
        self.seen: list[Seen] = []
        self.runners = Runners(parallel=parallel, max_loaded=max_loaded, max_queue=max_queue)
        """How long loading a model takes, where nothing but that is asked for."""
        self.pull_error = ""
        self.pull_is_cut = False
        self.pull_gap_s = 0.0
        """Between two lines of a pull's progress."""
        self.got: dict[str, int] = {}
        """Bytes of the first part of models whose pull was cut: the next one goes on there."""
        self.api_key, self.version = api_key, version
        self._came = asyncio.Event()
        self._host, self._port, self._record = host, port, record
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self._port}"

    def chats(self) -> list[Body]:
        """Bodies of the chats that reached it, without those that only load a model."""
        return [body for body in self._chats() if body.get("messages")]

    def warm_ups(self) -> list[Body]:
        """Bodies of the calls that only load a model."""
        return [body for body in self._chats() if not body.get("messages")]

    def pulls(self) -> list[str]:
        """Names of the models that it was told to pull."""
        return [str(seen.body.get("model")) for seen in self.seen if seen.path == "/api/pull"]

    def _chats(self) -> list[Body]:
        return [seen.body for seen in self.seen if seen.path == "/api/chat"]

    async def arrived(self, count: int = 1) -> Seen:
        """Wait until so many requests came; returns the newest."""
        while len(self.seen) < count:
            self._came.clear()
            await self._came.wait()
        return self.seen[-1]

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[self._watch], client_max_size=64 * 2**20)
        app.router.add_get("/", self._root)  # answers HEAD as well
        app.router.add_get("/api/version", self._version)
        app.router.add_get("/api/tags", self._tags)
        app.router.add_get("/api/ps", self._ps)
        app.router.add_post("/api/show", self._show)
        app.router.add_post("/api/chat", self._chat)
        app.router.add_post("/api/generate", self._generate)
        app.router.add_post("/api/embed", self._embed)
        app.router.add_post("/api/pull", self._pull)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    # -- what every request passes through

    @web.middleware
    async def _watch(self, request: web.Request, handler: Any) -> web.StreamResponse:
        raw = await request.read()
        try:
            body = json.loads(raw) if raw else {}
        except ValueError:
            return refuse(400, "invalid character in request body")
        seen = Seen(
            method=request.method, path=request.path, headers=dict(request.headers), body=body
        )
        self.seen.append(seen)
        self._came.set()
        if self._record is not None:
            with self._record.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"path": seen.path, "body": body}, ensure_ascii=False) + "\n")
        if self.api_key and request.headers.get("Authorization") != f"Bearer {self.api_key}":
            return refuse(401, "unauthorized")
        if request.method == "POST" and not raw:
            return refuse(400, "missing request body")
        try:
            return await handler(request)
        except (asyncio.CancelledError, ConnectionError):
            seen.hung_up.set()
            raise
        except web.HTTPNotFound:
            return web.Response(status=404, text="404 page not found")

    # -- management

    async def _root(self, request: web.Request) -> web.Response:
        return web.Response(text="Ollama is running")

    async def _version(self, request: web.Request) -> web.Response:
        return web.json_response({"version": self.version})

    async def _tags(self, request: web.Request) -> web.Response:
        return web.json_response({"models": [listed(model) for model in self.models.values()]})

    async def _ps(self, request: web.Request) -> web.Response:
        running = [
            listed(self.models[name])
            | {
                "size_vram": 0,
                "expires_at": "2100-01-01T00:00:00Z",
                "context_length": options[0],
            }
            for name, options in self.runners.loaded.items()
        ]
        return web.json_response({"models": running})

    async def _show(self, request: web.Request) -> web.Response:
        name = str((await request.json()).get("model", ""))
        model = self.models.get(full(name))
        if model is None:
            return refuse(404, f"model '{name}' not found")
        shown: Body = {
            "modelfile": "",
            "template": "{{ .Prompt }}",
            "details": details(model),
            "model_info": {f"{model.family}.context_length": model.max_ctx},
        }
        if model.capabilities is not None:
            shown["capabilities"] = list(model.capabilities)
        return web.json_response(shown)

    async def _pull(self, request: web.Request) -> web.StreamResponse:
        name = str((await request.json()).get("model", ""))
        steps: list[Body] = [{"status": "pulling manifest"}]
        if self.pull_error:
            steps.append({"error": self.pull_error})
        else:
            for digest, total in (("sha256:aa", 1000), ("sha256:bb", 100)):
                got = self.got.get(full(name), 0) if digest.endswith("aa") else 0
                steps += [
                    {"status": f"pulling {digest}", "digest": digest, "total": total}
                    | ({"completed": done} if done else {})
                    for done in (0, total // 4, total // 2, total * 3 // 4, total)
                    if done >= got
                ]
            steps += [{"status": "verifying sha256 digest"}, {"status": "success"}]
            if self.pull_is_cut:
                steps = steps[:4]
                self.got[full(name)] = max(int(step.get("completed", 0)) for step in steps)
            else:
                self.models[full(name)] = FakeModel(name=name, size_bytes=1100)
        return await send_lines(request, steps, Shape(gap_s=self.pull_gap_s))

    async def _embed(self, request: web.Request) -> web.Response:
        body = await request.json()
        given = body.get("input", [])
        texts = [given] if isinstance(given, str) else list(given)
        vectors = [[1.0, 0.0] if len(text) % 2 else [0.0, 1.0] for text in texts]
        return web.json_response({"model": body.get("model"), "embeddings": vectors})

    # -- generation

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        asked = {**body, "messages": [{"role": "user", "content": str(body.get("prompt", ""))}]}
        return await self._answer(request, asked, "response")

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if body.get("logprobs") or isinstance(body.get("format"), dict):
            return web.json_response(self._chosen(body))
        return await self._answer(request, body, "message")

    def _chosen(self, body: Body) -> Body:
        """One token and how likely it was, or an answer in JSON, as Ollama 0.33 gives them."""
        is_json = isinstance(body.get("format"), dict)
        text = json.dumps({"choice": self.choice}) if is_json else self.choice
        answer: Body = {
            "model": body.get("model"),
            "message": {"role": "assistant", "content": text},
            "done": True,
            "done_reason": "stop",
        }
        if body.get("logprobs") and self.tells_logprobs:
            top = [{"token": self.choice, "logprob": -0.05}, {"token": "Z", "logprob": -3.5}]
            answer["logprobs"] = [{**top[0], "top_logprobs": top}]
        return answer

    async def _answer(self, request: web.Request, body: Body, key: str) -> web.StreamResponse:
        name = str(body.get("model", ""))
        model = self.models.get(full(name))
        if not name:
            return refuse(400, "model is required")
        if model is None:
            return refuse(404, f"model '{name}' not found")
        if refusal := unsupported(model, body):
            return refuse(400, refusal)
        messages = body.get("messages") or []
        if not messages and body.get("keep_alive") == 0:
            self.runners.unload(full(name))
            return web.json_response(empty(name, key) | {"done": True, "done_reason": "unload"})
        options = _runner_options(body)
        try:
            async with self.runners.using(full(name), options, body.get("keep_alive")) as load_ns:
                if not messages:
                    done = {"done": True, "done_reason": "load"}
                    return web.json_response(empty(name, key) | done)
                return await self._generated(request, model, body, key, load_ns)
        except Busy:
            return refuse(503, BUSY)

    async def _generated(
        self, request: web.Request, model: FakeModel, body: Body, key: str, load_ns: int
    ) -> web.StreamResponse:
        window = _runner_options(body)[0]
        contents = (str(message.get("content", "")) for message in body["messages"])
        prompt_tokens = sum(map(count_tokens, contents))
        if prompt_tokens > window:
            if body.get("truncate") is False:
                return refuse(400, TOO_LONG)
            prompt_tokens = window
        reply = self._think_up(body)
        if reply.status != 200:
            return refuse(reply.status, reply.error or STATUS_WORDS.get(reply.status, "error"))
        async with self.runners.slot(full(model.name)):
            stream = lines_of(model, body, reply, key, prompt_tokens, load_ns)
            if body.get("stream") is False:
                return web.json_response(joined(stream, key))
            return await send_lines(request, stream, reply.shape, reply.raw)

    def _think_up(self, body: Body) -> Reply:
        if self.once:
            return self.once.pop(0)
        asked = str(body["messages"][-1].get("content", ""))
        found: Reply | str | Brain | None = next(
            (reply for pattern, reply in self.rules if re.search(pattern, asked)), None
        )
        chosen = self.reply if found is None else found
        if callable(chosen):
            chosen = chosen(body)
        return Reply(text=chosen) if isinstance(chosen, str) else chosen


def _runner_options(body: Body) -> tuple[int, bool]:
    """What a model has to be loaded with for this call."""
    options = body.get("options") or {}
    return int(options.get("num_ctx", 4096)), bool(body.get("shift", True))


async def _serve(options: argparse.Namespace) -> None:
    names = [] if options.no_model else options.model or ["gemma3:4b"]
    capabilities = ("completion", "thinking") if options.thinking else ("completion",)
    models = tuple(FakeModel(name=name, capabilities=capabilities) for name in names)
    fake = FakeOllama(models=models, reply=options.reply, port=options.port, record=options.record)
    async with fake:
        print(f"fake Ollama on {fake.url}", flush=True)
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="A fake Ollama server.")
    parser.add_argument("--port", type=int, default=0, help="0: a free one, printed")
    parser.add_argument("--reply", default="Hello from the fake.")
    parser.add_argument("--model", action="append", default=[], help="default: gemma3:4b")
    parser.add_argument("--no-model", action="store_true", help="a server without any model")
    parser.add_argument("--thinking", action="store_true")
    parser.add_argument("--record", type=Path, help="append each request as a line of JSON")
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
