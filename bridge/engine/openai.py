"""Replies from a server that speaks the chat completions API: vLLM, SGLang, llama.cpp, LM Studio.

What a server does not know it refuses with a 400 or ignores. So every extra is tried once, and left
out for good where it is refused.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Final, cast

from bridge import log
from bridge.domain.prompt import Delta, Prompt
from bridge.engine.choosing import TOP, chances_of, letter_in
from bridge.engine.chunks import Chunk, Reader
from bridge.engine.http import CONNECT_TIMEOUT_S, Server, error_text, withhold
from bridge.engine.sse import Events
from bridge.errors import (
    ContextTooLong,
    EngineBroken,
    EngineError,
    EngineTimeout,
    EngineUnreachable,
    ModelMissing,
)

MAX_STOPS: Final = 4
"""As many as the API allows; the reply is cut at the others by whoever reads it."""
_NAME: Final = "The model server"
_CHOICE_TOKENS: Final = 24
_SHARING: Final = frozenset({"vllm", "sglang"})
"""Whose models these servers say they are."""
_OVERFLOW: Final = re.compile(
    r"(exceed|longer than|too long|larger than|greater than).*(context|token)"
    r"|(context|token).*(exceed|too (long|large|many)|overflow)|maximum context length",
    re.IGNORECASE,
)

_EXTRAS: Final[Mapping[str, Mapping[str, object]]] = {
    # Without it vLLM and llama.cpp don't say how many tokens it took.
    "stream_options": {"stream_options": {"include_usage": True}},
    # vLLM, SGLang and llama.cpp hand it to the chat template: most thinking models know the word.
    "chat_template_kwargs": {"chat_template_kwargs": {"enable_thinking": False}},
}


class _ExtraRefused(Exception):
    """The server refused the call because of something that it can do without."""


class OpenAIEngine:
    """Engine port on one server. `url` with or without `/v1`; `model` "": the first it lists."""

    def __init__(
        self,
        url: str,
        *,
        model: str = "",
        api_key: str = "",
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        first_token_timeout_s: float = 120,
        stall_timeout_s: float = 30,
    ) -> None:
        self._server = Server(
            _NAME,
            base_of(url),
            api_key=api_key,
            connect_timeout_s=connect_timeout_s,
            first_token_timeout_s=first_token_timeout_s,
            stall_timeout_s=stall_timeout_s,
        )
        self._model = model
        self._chosen = ""
        self._shares: bool | None = None
        """Does the server share what it has read among rooms? None: not looked yet."""
        self._refused: set[str] = set()
        self._reader = Reader(_NAME)
        self._log = log.get("engine.openai")

    @property
    def label(self) -> str:
        return self._model or self._chosen or "a model server"

    async def close(self) -> None:
        await self._server.close()

    async def models(self) -> Sequence[str]:
        """The names of the models that it serves. Raises EngineError."""
        status, body = await self._server.get("/models")
        if status != 200:
            raise _refusal_error(status, error_text(body.get("error", "")), "")
        listed = body.get("data")
        entries = cast("list[object]", listed) if isinstance(listed, list) else []
        models = [cast("dict[str, object]", e) for e in entries if isinstance(e, dict)]
        self._shares = any(model.get("owned_by") in _SHARING for model in models)
        names = (model.get("id") for model in models)
        return [name for name in names if isinstance(name, str) and name]

    def to_wire(self, prompt: Prompt, *, model: str = "") -> dict[str, object]:
        """The body of `POST /chat/completions`."""
        messages: list[dict[str, object]] = [
            {"role": role, "content": text}
            for role, text in (("system", self._system(prompt)), ("user", prompt.user))
            if text
        ]
        if prompt.pictures:
            urls = (f"data:image/jpeg;base64,{b64encode(p).decode()}" for p in prompt.pictures)
            shown = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
            messages[-1]["content"] = [{"type": "text", "text": prompt.user}, *shown]
        body: dict[str, object] = {
            "model": prompt.model or model or self._model or self._chosen,
            "messages": messages,
            "max_tokens": prompt.max_tokens,
            "temperature": prompt.temperature,
            "stream": True,
        }
        if prompt.stop:
            body["stop"] = list(prompt.stop[:MAX_STOPS])
        for name, extra in _EXTRAS.items():
            if name not in self._refused:
                body |= extra
        return body

    def _system(self, prompt: Prompt) -> str:
        return (self._shares and prompt.system_shared_first) or prompt.system

    async def stream(self, prompt: Prompt, *, affinity: str) -> AsyncGenerator[Delta, None]:
        """See `ports.Engine`."""
        model = await self._begin(prompt)
        while True:
            try:
                async with aclosing(self._attempt(prompt, model)) as deltas:
                    async for delta in deltas:
                        yield delta
                return
            except _ExtraRefused:
                continue
            except ModelMissing:
                self._chosen = ""
                raise

    async def choose(self, prompt: Prompt, *, affinity: str) -> Mapping[str, float]:
        """See `ports.Engine`. A server that tells no log-probabilities answers in JSON instead,
        and one that knows no schema in plain words."""
        model = await self._begin(prompt)
        letters = [letter for letter, _ in prompt.scene.choices]
        body = self.to_wire(prompt, model=model) | {"stream": False, "temperature": 0}
        body.pop("stream_options", None)
        if "logprobs" not in self._refused:
            told = await self._ask(
                body | {"max_tokens": 1, "logprobs": True, "top_logprobs": TOP}, prompt, model,
                extra="logprobs",
            )  # fmt: skip
            chances = chances_of({"logprobs": _logprobs(told)}, letters) if told else None
            if chances is not None:
                return chances
            self._refused.add("logprobs")
        if "response_format" not in self._refused:
            told = await self._ask(
                body | {"max_tokens": _CHOICE_TOKENS, "response_format": _schema(letters)},
                prompt, model, extra="response_format",
            )  # fmt: skip
            if told:
                return letter_in(_content(told), letters)
        told = await self._ask(body | {"max_tokens": _CHOICE_TOKENS}, prompt, model)
        return letter_in(_content(told or {}), letters)

    async def _begin(self, prompt: Prompt) -> str:
        """The model to ask. At the first call the server is looked at."""
        wanted = prompt.model or self._model
        if self._shares is None or not (wanted or self._chosen):
            try:
                names = await self.models()
            except EngineError:
                if not wanted:
                    raise
                # Some proxies list nothing; the call itself will tell.
                self._shares = False
                return wanted
            if not names and not wanted:
                raise ModelMissing(f"{_NAME} at {self._server.url} lists no model.")
            if not wanted and not self._chosen:
                self._chosen = names[0]
                self._log.info("model_chosen", model=self._chosen, among=len(names))
        return wanted or self._chosen

    async def _ask(
        self, body: dict[str, object], prompt: Prompt, model: str, *, extra: str = ""
    ) -> Mapping[str, object] | None:
        """One call whose whole answer comes at once; None where `extra` was refused."""
        while True:
            response = await self._server.post("/chat/completions", body, self._server.deadline_s())
            try:
                if response.status == 200:
                    return await self._server.whole(response)
                problem = await self._server.problem(response)
            finally:
                response.close()
            if response.status == 400 and (known := self._known_extra(problem, body)):
                self._refused.add(known)
                body = {key: value for key, value in body.items() if key != known}
            elif response.status in (400, 422, 501) and extra and not _OVERFLOW.search(problem):
                self._refused.add(extra)
                return None
            else:
                raise _refusal_error(response.status, withhold(problem, prompt), model)

    async def _attempt(self, prompt: Prompt, model: str) -> AsyncGenerator[Delta, None]:
        body = self.to_wire(prompt, model=model)
        first_deadline_s = self._server.deadline_s()
        response = await self._server.post("/chat/completions", body, first_deadline_s)
        try:
            if response.status != 200:
                problem = await self._server.problem(response)
                if response.status in (400, 422) and (known := self._known_extra(problem, body)):
                    self._refused.add(known)
                    raise _ExtraRefused
                raise _refusal_error(response.status, withhold(problem, prompt), model)
            replies = self._reader.replies(
                _chunks(self._server.pieces(response, first_deadline_s)),
                model,
                lambda text, has_spoken: _stream_problem(
                    text, prompt, model, has_spoken=has_spoken
                ),
            )
            async with aclosing(replies):
                async for delta in replies:
                    yield delta
        finally:
            response.close()

    def _known_extra(self, problem: str, body: Mapping[str, object]) -> str:
        """The extra that the server complains about, "" where it is something else."""
        named = [name for name in _EXTRAS if name in body and name in problem]
        if named or _OVERFLOW.search(problem):
            return named[0] if named else ""
        is_about_fields = re.search(r"extra|unknown|unexpected|unrecognized|not permitted", problem)
        return next((name for name in _EXTRAS if is_about_fields and name in body), "")


def base_of(url: str) -> str:
    """The address that `/chat/completions` is added to: what people give, with `/v1` once."""
    base = url.strip().rstrip("/")
    for tail in ("/chat/completions", "/completions", "/models"):
        base = base.removesuffix(tail)
    return base if re.search(r"/v\d+[a-z0-9]*$", base) else f"{base}/v1"


def from_wire(data: str) -> Chunk | None:
    """One event's data; None for the mark of the end and for what says nothing.

    Reasoning (`reasoning_content`, `reasoning`) and tool calls are left out. Raises EngineBroken.
    """
    if data.strip() == "[DONE]":
        return None
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
    content = _object(choice.get("delta")).get("content")
    model = event.get("model")
    return Chunk(
        text=content if isinstance(content, str) else "",
        end=reason if isinstance(reason, str) and reason else None,
        model=model if isinstance(model, str) else "",
        prompt_tokens=_count(usage.get("prompt_tokens")),
        reply_tokens=_count(usage.get("completion_tokens")),
    )


async def _chunks(raw: AsyncGenerator[bytes, None]) -> AsyncGenerator[Chunk, None]:
    events = Events()
    async with aclosing(raw) as pieces:
        async for piece in pieces:
            for data in events.feed(piece):
                if chunk := from_wire(data):
                    yield chunk
    for data in events.rest():
        if chunk := from_wire(data):
            yield chunk


def _schema(letters: Sequence[str]) -> dict[str, object]:
    schema = {
        "type": "object",
        "properties": {"choice": {"type": "string", "enum": list(letters)}},
        "required": ["choice"],
        "additionalProperties": False,
    }
    wrapped = {"name": "choice", "schema": schema, "strict": True}
    return {"type": "json_schema", "json_schema": wrapped}


def _logprobs(answer: Mapping[str, object]) -> object:
    return _object(_first(answer.get("choices")).get("logprobs")).get("content")


def _content(answer: Mapping[str, object]) -> str:
    content = _object(_first(answer.get("choices")).get("message")).get("content")
    return content if isinstance(content, str) else ""


def _first(value: object) -> Mapping[str, object]:
    listed = cast("list[object]", value) if isinstance(value, list) else []
    return _object(listed[0]) if listed else {}


def _object(value: object) -> Mapping[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _count(value: object) -> int:
    return max(0, value) if isinstance(value, int) else 0


def _refusal_error(status: int, problem: str, model: str) -> EngineError:
    said = f"{_NAME} answered {status}: {problem or 'no reason given'}"
    if status in (400, 413, 422, 500) and _OVERFLOW.search(problem):
        return ContextTooLong(said)
    if status in (400, 404) and "model" in problem.lower():
        return ModelMissing(f"{_NAME} has no model {model!r}: {problem}")
    match status:
        case 401 | 403:
            return EngineUnreachable(f"{said}. Check engine.api_key.")
        case 429 | 502 | 503:
            return EngineUnreachable(said)
        case 408 | 504:
            return EngineTimeout(said)
        case 404 | 405:
            return EngineBroken(f"{said}. There is no chat completions API at this address.")
        case _ if 300 <= status < 400:
            return EngineBroken(f"{said}. It redirects; set engine.url to the final address.")
        case _:
            return EngineBroken(said)


def _stream_problem(problem: str, prompt: Prompt, model: str, *, has_spoken: bool) -> EngineError:
    """An error inside the stream; its status went out as 200 before it was known."""
    if not has_spoken and _OVERFLOW.search(problem):
        return _refusal_error(400, withhold(problem, prompt), model)
    return EngineBroken(f"{_NAME} broke off: {withhold(problem, prompt)}")
