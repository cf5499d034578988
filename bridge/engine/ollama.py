"""Replies from an Ollama server, over our own streaming client for `POST /api/chat`.

The server unloads and reloads a model, cache and all, whenever a runner option differs from the
call before. So `num_ctx` and `keep_alive` are the same in every call, and `shift` is never sent.
"""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import cast

import aiohttp

from bridge import log, metrics
from bridge.domain.ids import PuppetId
from bridge.domain.prompt import Delta, Prompt, Scene
from bridge.domain.tool import wire_name
from bridge.engine.address import ollama_host
from bridge.engine.choosing import chances_of, chosen_of, with_logprobs, with_schema
from bridge.engine.chunks import Chunk, Reader
from bridge.engine.http import CONNECT_TIMEOUT_S, Server, error_text, withhold
from bridge.engine.loads import Loads, duration_s
from bridge.engine.models import ModelInfo, chat_models, choose_model
from bridge.engine.ndjson import Lines
from bridge.engine.tooling import Piece, arguments_of, specs, text_of, told
from bridge.errors import (
    ContextTooLong,
    EngineBroken,
    EngineError,
    EngineTimeout,
    EngineUnreachable,
    ModelMissing,
)

# Go's own "context deadline exceeded" is something else.
_OVERFLOW = re.compile(
    r"(exceed|longer than|too long|larger than).*context.(length|size|window|limit)"
    r"|context.(length|size|window|limit).*(exceed|too|overflow)|prompt (is )?too long",
    re.IGNORECASE,
)
_NO_TOOLS = re.compile(r"does not support tools", re.IGNORECASE)
_NO_THINKING = re.compile(r"does not support thinking|think value", re.IGNORECASE)


class _ThinkingRefused(Exception):
    """The server does not even want to hear `think: false` for this model."""


class _ToolsRefused(Exception):
    """The model knows no tools."""


class OllamaEngine:
    """Engine port on one Ollama. `model` "": chosen from what the server has, at the first call."""

    def __init__(
        self,
        url: str,
        *,
        model: str = "",
        num_ctx: int = 8192,
        keep_alive: str = "30m",
        api_key: str = "",
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        first_token_timeout_s: float = 120,
        stall_timeout_s: float = 30,
    ) -> None:
        self._url = ollama_host(url)
        self._server = Server(
            "Ollama",
            self._url,
            api_key=api_key,
            connect_timeout_s=connect_timeout_s,
            first_token_timeout_s=first_token_timeout_s,
            stall_timeout_s=stall_timeout_s,
        )
        self._model = model
        self._chosen = ""
        self._num_ctx = num_ctx
        self._keep_alive = keep_alive
        self._api_key = api_key
        self._loads = Loads(keep_alive_s=duration_s(keep_alive))
        self._refuses_think: set[str] = set()
        self._refuses_tools: set[str] = set()
        self._reader = Reader("Ollama")
        self._tells_no_logprobs: set[str] = set()
        self._log = log.get("engine.ollama")

    @property
    def label(self) -> str:
        return self._model or self._chosen or "Ollama"

    async def close(self) -> None:
        await self._server.close()

    def to_wire(self, prompt: Prompt, *, model: str = "") -> dict[str, object]:
        """The body of `POST /api/chat`."""
        name = prompt.model or model or self._model or self._chosen
        if name in self._refuses_tools:
            prompt = told(prompt)
        options: dict[str, object] = {
            **self._runner_options(),
            "num_predict": prompt.max_tokens,
            "temperature": prompt.temperature,
        }
        if prompt.stop:
            options["stop"] = list(prompt.stop)
        messages: list[dict[str, object]] = [
            {"role": role, "content": text}
            for role, text in (("system", prompt.system), ("user", prompt.user))
            if text
        ]
        if prompt.pictures:
            messages[-1]["images"] = [b64encode(each).decode() for each in prompt.pictures]
        messages += _steps(prompt)
        body: dict[str, object] = {
            "model": name,
            "messages": messages,
            "stream": True,
            "truncate": False,
            "keep_alive": _wire_duration(self._keep_alive),
            "options": options,
        }
        if prompt.tools:
            body["tools"] = specs(prompt.tools)
        if name not in self._refuses_think:
            body["think"] = False
        return body

    async def stream(self, prompt: Prompt, *, affinity: str) -> AsyncGenerator[Delta, None]:
        """See `ports.Engine`. There is one server, so `affinity` changes nothing."""
        model = prompt.model or self._model or await self._choose()
        has_ended = False
        while not has_ended:
            try:
                async with aclosing(self._attempt(prompt, model)) as deltas:
                    async for delta in deltas:
                        yield delta
                has_ended = True
            except _ThinkingRefused:
                self._refuses_think.add(model)
            except _ToolsRefused:
                self._refuses_tools.add(model)
                self._log.warning(
                    "tools_unsupported",
                    model=model,
                    fix="choose a model with the capability `tools`, or empty tools.allow",
                )
            except ModelMissing:
                self._chosen = ""
                raise

    async def choose(self, prompt: Prompt, *, affinity: str) -> Mapping[str, float]:
        """See `ports.Engine`. A server that tells no log-probabilities answers in JSON instead."""
        model = prompt.model or self._model or await self._choose()
        letters = [letter for letter, _ in prompt.scene.choices]
        body = self.to_wire(prompt, model=model)
        if model not in self._tells_no_logprobs:
            chances = chances_of(await self._ask(with_logprobs(body), prompt, model), letters)
            if chances is not None:
                return chances
            self._tells_no_logprobs.add(model)
        return chosen_of(await self._ask(with_schema(body, letters), prompt, model), letters)

    async def load(self, model: str = "") -> None:
        """Have the server load the model as every call of ours wants it, so that none reloads it.

        Nothing is done where the model would not stay. Raises EngineError.
        """
        if duration_s(self._keep_alive) == 0:
            return
        name = model or self._model or await self._choose()
        began_s = asyncio.get_running_loop().time()
        nothing = Prompt(system="", user="", scene=Scene(puppet_id=PuppetId(""), speaker=""))
        body: dict[str, object] = {
            "model": name,
            "messages": (),
            "stream": False,
            "keep_alive": _wire_duration(self._keep_alive),
            "options": self._runner_options(),
        }
        response = await self._server.post("/api/chat", body, self._server.deadline_s())
        try:
            if response.status != 200:
                raise await self._refusal(response, nothing, name, can_retry=False)
            await self._server.whole(response)
        finally:
            response.close()
        now_s = asyncio.get_running_loop().time()
        # The answer does not tell how long loading took: nothing else took time.
        load_ms = round((now_s - began_s) * 1000)
        self._count_load(name, load_ms, self._loads.warmed(name, load_ms, now_s))

    def _runner_options(self) -> dict[str, object]:
        """What a model is loaded with: one that differs costs a reload."""
        return {"num_ctx": self._num_ctx}

    async def _ask(
        self, body: dict[str, object], prompt: Prompt, model: str
    ) -> Mapping[str, object]:
        """One call whose whole answer comes at once."""
        response = await self._server.post("/api/chat", body, self._server.deadline_s())
        try:
            if response.status != 200:
                error = await self._refusal(response, prompt, model, can_retry="think" in body)
                if not isinstance(error, _ThinkingRefused):
                    raise error
                self._refuses_think.add(model)
                body = {key: value for key, value in body.items() if key != "think"}
                return await self._ask(body, prompt, model)
            return await self._server.whole(response)
        finally:
            response.close()

    async def _choose(self) -> str:
        if not self._chosen:
            models = await chat_models(self._url, self._api_key)
            self._chosen = self._choose_of(models)
            self._log.info("model_chosen", model=self._chosen, among=len(models))
        return self._chosen

    def _choose_of(self, models: Sequence[ModelInfo]) -> str:
        try:
            return choose_model(models, "")
        except ModelMissing as error:
            raise ModelMissing(str(error), server=self._url) from None

    async def _attempt(self, prompt: Prompt, model: str) -> AsyncGenerator[Delta, None]:
        body = self.to_wire(prompt, model=model)
        first_deadline_s = self._server.deadline_s()
        began_s = asyncio.get_running_loop().time()
        response = await self._server.post("/api/chat", body, first_deadline_s)
        try:
            if response.status != 200:
                raise await self._refusal(
                    response, prompt, model, can_retry="think" in body, has_tools="tools" in body
                )
            replies = self._reader.replies(
                self._chunks(response, first_deadline_s),
                model,
                lambda text, has_spoken: _stream_problem(
                    text, prompt, model, has_spoken=has_spoken
                ),
                on_end=lambda end: self._note_load(end, model, began_s),
            )
            async with aclosing(replies):
                async for delta in replies:
                    yield delta
        finally:
            response.close()

    async def _chunks(
        self, response: aiohttp.ClientResponse, first_deadline_s: float
    ) -> AsyncGenerator[Chunk, None]:
        lines = Lines()
        async with aclosing(self._server.pieces(response, first_deadline_s)) as pieces:
            async for data in pieces:
                for line in lines.feed(data):
                    chunk = from_wire(line)
                    yield chunk
                    if chunk.end is not None:
                        return
        for line in lines.rest():
            yield from_wire(line)

    def _note_load(self, end: Chunk, model: str, began_s: float) -> None:
        now_s = asyncio.get_running_loop().time()
        self._count_load(model, end.load_ms, self._loads.note(model, end.load_ms, now_s, began_s))

    def _count_load(self, model: str, load_ms: int, cause: str | None) -> None:
        if cause:
            metrics.MODEL_LOADS.labels(cause=cause).inc()
            self._log.info("model_loaded", model=model, load_ms=load_ms, cause=cause)

    async def _refusal(
        self,
        response: aiohttp.ClientResponse,
        prompt: Prompt,
        model: str,
        *,
        can_retry: bool,
        has_tools: bool = False,
    ) -> Exception:
        problem = await self._server.problem(response)
        if response.status == 400 and has_tools and _NO_TOOLS.search(problem):
            return _ToolsRefused()
        if response.status == 400 and can_retry and _NO_THINKING.search(problem):
            return _ThinkingRefused()
        error = _refusal_error(response.status, withhold(problem, prompt), model)
        if isinstance(error, ModelMissing) and response.status == 404:
            return ModelMissing(str(error), server=self._url, model=model)
        return error


def from_wire(line: dict[str, object]) -> Chunk:
    """One object of the stream. Reasoning (`thinking`) is left out."""
    message = _object(line.get("message"))
    return Chunk(
        text=_string(message.get("content")),
        calls=_pieces(message.get("tool_calls")),
        error=error_text(line["error"]) if line.get("error") else "",
        end=_string(line.get("done_reason")) if line.get("done") is True else None,
        model=_string(line.get("model")),
        prompt_tokens=_count(line.get("prompt_eval_count")),
        reply_tokens=_count(line.get("eval_count")),
        load_ms=_count(line.get("load_duration")) // 1_000_000,
    )


def _steps(prompt: Prompt) -> Iterator[dict[str, object]]:
    """What the model asked of its tools, and what it was given, as messages."""
    for step in prompt.steps:
        calls = [
            {
                "id": call.call_id,
                "function": {"name": wire_name(call.name), "arguments": arguments_of(call)},
            }
            for call in step.calls
        ]
        yield {"role": "assistant", "content": step.said, "tool_calls": calls}
        for call, result in zip(step.calls, step.results, strict=True):
            yield {
                "role": "tool",
                "content": result.text,
                "tool_name": wire_name(call.name),
                "tool_call_id": call.call_id,
            }


def _pieces(value: object) -> tuple[Piece, ...]:
    """Each call comes whole."""
    entries = map(_object, cast("list[object]", value) if isinstance(value, list) else [])
    found = [(entry, _object(entry.get("function"))) for entry in entries]
    return tuple(
        Piece(
            call_id=_string(entry.get("id")),
            name=_string(function.get("name")),
            arguments=text_of(function.get("arguments")),
        )
        for entry, function in found
    )


def _object(value: object) -> Mapping[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int:
    return max(0, value) if isinstance(value, int) else 0


def _refusal_error(status: int, problem: str, model: str) -> EngineError:
    said = f"Ollama answered {status}: {problem or 'no reason given'}"
    lowered = problem.lower()
    if status in (400, 413, 500) and _OVERFLOW.search(problem):
        return ContextTooLong(said)
    if status == 404 and "model" in lowered:
        return ModelMissing(f"Ollama has no model {model!r}. Pull it: ollama pull {model}")
    if status == 400 and "does not support" in lowered:
        return ModelMissing(f"Model {model!r} cannot chat ({problem}). Choose another one.")
    match status:
        case 401 | 403:
            return EngineUnreachable(f"{said}. Check engine.api_key.")
        case 429 | 502 | 503:
            return EngineUnreachable(said)
        case 408 | 504:
            return EngineTimeout(said)
        case 404:
            return EngineBroken(f"{said}. There is no Ollama at this address.")
        case _ if 300 <= status < 400:
            return EngineBroken(f"{said}. It redirects; set engine.url to the final address.")
        case _:
            return EngineBroken(said)


def _stream_problem(problem: str, prompt: Prompt, model: str, *, has_spoken: bool) -> EngineError:
    """An error inside the stream; its status went out as 200 before it was known."""
    if not has_spoken and _OVERFLOW.search(problem):
        return _refusal_error(400, withhold(problem, prompt), model)
    return EngineBroken(f"Ollama broke off: {withhold(problem, prompt)}")


def _wire_duration(text: str) -> str | int:
    """Ollama reads a bare number only as a JSON number: "-1" as text is refused."""
    return int(text) if re.fullmatch(r"-?\d+", text.strip()) else text.strip()
