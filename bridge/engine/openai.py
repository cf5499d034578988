"""Replies from a server that speaks the chat completions API: vLLM, SGLang, llama.cpp, LM Studio.

What a server does not know it refuses with a 400 or ignores. So every extra is tried once, and left
out for good where it is refused.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from itertools import chain, combinations
from typing import Final, cast
from urllib.parse import urlsplit

import aiohttp

from bridge import log
from bridge.domain.prompt import Delta, Prompt
from bridge.engine.choosing import TOP, chances_of, letter_in
from bridge.engine.chunks import Chunk, Reader
from bridge.engine.completions import content, from_wire, logprobs, schema, steps
from bridge.engine.http import CONNECT_TIMEOUT_S, Server, in_a_line, withhold
from bridge.engine.refusals import is_overflow, refusal
from bridge.engine.sse import Events
from bridge.engine.tooling import is_about_tools, specs, told
from bridge.errors import ContextTooLong, EngineBroken, EngineError, ModelMissing

MAX_STOPS: Final = 4
"""As many as the API allows; we cut the reply at the others."""
AFTER_END_S: Final = 2.0
"""How long a complete reply waits for its counts."""
_NAME: Final = "The model server"
_PATH: Final = "/chat/completions"
_DONE: Final = "[DONE]"
_CHOICE_TOKENS: Final = 24
_SHARING: Final = frozenset({"vllm", "sglang"})
"""Whose models these servers say they are."""

_EXTRAS: Final[Mapping[str, object]] = {
    # Without it vLLM and llama.cpp don't say how many tokens it took.
    "stream_options": {"include_usage": True},
    # vLLM, SGLang and llama.cpp hand it to the chat template: most thinking models know the word.
    "chat_template_kwargs": {"enable_thinking": False},
}
_FORMS: Final = ("logprobs", "response_format")
"""How a choice may be told, the best first; each is named as the field that asks for it."""


class _FormRefused(Exception):
    """The server takes the call, but not the form that the answer should have."""


class _ToolsRefused(Exception):
    """The server takes no tools with this model. `is_sure`: it says so."""

    def __init__(self, error: EngineError, *, is_sure: bool) -> None:
        super().__init__()
        self.error = error
        self.is_sure = is_sure


class _Pace:
    """How long the next word may take. Comments and roles that servers send are no words."""

    def __init__(self, stall_timeout_s: float) -> None:
        self._stall_timeout_s = stall_timeout_s
        self._next_in_s: float | None = None

    def note(self, chunk: Chunk) -> None:
        if chunk.end is not None:
            self._next_in_s = min(AFTER_END_S, self._stall_timeout_s)
        elif chunk.text or chunk.is_hidden:
            self._next_in_s = self._stall_timeout_s

    def next_in_s(self) -> float | None:
        """None where nothing was said since the last time."""
        told, self._next_in_s = self._next_in_s, None
        return told


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
        self._refuses_tools: set[str] = set()
        """Models that take none here."""
        self._refused: set[str] = set()
        self._taken: set[str] = set()
        """Fields of calls that were answered since one failed for no known reason: where the server
        names none, it is not these."""
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
            problem = self._server.problem_in(body)
            raise refusal(_NAME, status, problem, shown=in_a_line(problem), model=self._model)
        listed = body.get("data")
        if not isinstance(listed, list):
            raise EngineBroken(
                f"What answers at {self._server.url} does not list models as the chat completions "
                "API does."
            )
        entries = cast("list[object]", listed)
        models = [cast("dict[str, object]", e) for e in entries if isinstance(e, dict)]
        self._shares = any(model.get("owned_by") in _SHARING for model in models)
        names = (model.get("id") for model in models)
        return [name for name in names if isinstance(name, str) and name]

    def to_wire(self, prompt: Prompt, *, model: str = "") -> dict[str, object]:
        """The body of `POST /chat/completions`."""
        name = prompt.model or model or self._model or self._chosen
        if name in self._refuses_tools:
            prompt = told(prompt)
        messages: list[dict[str, object]] = [
            {"role": role, "content": text}
            for role, text in (("system", self._system(prompt)), ("user", prompt.user))
            if text
        ]
        if prompt.pictures:
            urls = (f"data:image/jpeg;base64,{b64encode(p).decode()}" for p in prompt.pictures)
            shown = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
            messages[-1]["content"] = [{"type": "text", "text": prompt.user}, *shown]
        messages += steps(prompt)
        body: dict[str, object] = {
            "model": name,
            "messages": messages,
            "max_tokens": prompt.max_tokens,
            "temperature": prompt.temperature,
            "stream": True,
        }
        if prompt.stop:
            body["stop"] = list(prompt.stop[:MAX_STOPS])
        if prompt.tools:
            body["tools"] = specs(prompt.tools)
        return body | {name: value for name, value in _EXTRAS.items() if name not in self._refused}

    def _system(self, prompt: Prompt) -> str:
        return (self._shares and prompt.system_shared_first) or prompt.system

    async def stream(self, prompt: Prompt, *, affinity: str) -> AsyncGenerator[Delta, None]:
        """See `ports.Engine`. A model that takes no tools answers without them."""
        model = await self._begin(prompt)
        deadline_s = self._server.deadline_s()
        try:
            async with aclosing(self._attempt(prompt, model, deadline_s)) as deltas:
                async for delta in deltas:
                    yield delta
                return
        except _ToolsRefused as refused:
            if refused.is_sure:
                self._note_no_tools(model)
            refusal = refused
        async with aclosing(self._attempt(told(prompt), model, deadline_s)) as deltas:
            async for delta in deltas:
                # Without tools it works: they were the reason.
                if not refusal.is_sure and model not in self._refuses_tools:
                    self._note_no_tools(model)
                yield delta

    def _note_no_tools(self, model: str) -> None:
        self._refuses_tools.add(model)
        self._log.warning(
            "tools_unsupported",
            model=model,
            fix="start the server with tool calls (llama-server --jinja, vLLM "
            "--enable-auto-tool-choice), choose another model, or empty tools.allow",
        )

    async def _attempt(
        self, prompt: Prompt, model: str, deadline_s: float
    ) -> AsyncGenerator[Delta, None]:
        body = self.to_wire(prompt, model=model)
        async with self._call(body, prompt, model, deadline_s) as response:
            pace = _Pace(self._server.stall_timeout_s)
            raw = self._server.pieces(response, deadline_s, pace.next_in_s)
            replies = self._reader.replies(
                _chunks(raw, pace),
                model,
                lambda text, has_spoken: _stream_problem(
                    text, prompt, model, has_spoken=has_spoken
                ),
                stops=prompt.stop[MAX_STOPS:],
            )
            async with aclosing(replies):
                async for delta in replies:
                    yield delta

    async def choose(self, prompt: Prompt, *, affinity: str) -> Mapping[str, float]:
        """See `ports.Engine`. A server that tells no log-probabilities answers in JSON instead,
        and one that knows no schema in plain words."""
        model = await self._begin(prompt)
        letters = [letter for letter, _ in prompt.scene.choices]
        body = self.to_wire(prompt, model=model) | {"stream": False, "temperature": 0}
        body.pop("stream_options", None)
        lacking: list[str] = []
        for form in _FORMS:
            if form in self._refused:
                continue
            chances = await self._choose_by(form, body, prompt, model, letters)
            if chances is not None:
                self._refused.update(lacking)
                return chances
            lacking.append(form)
        told = await self._whole(body | {"max_tokens": _CHOICE_TOKENS}, prompt, model)
        # Remembered only now: a server that refuses this, too, has another reason.
        self._refused.update(lacking)
        return letter_in(content(told), letters)

    async def _choose_by(
        self,
        form: str,
        body: Mapping[str, object],
        prompt: Prompt,
        model: str,
        letters: Sequence[str],
    ) -> Mapping[str, float] | None:
        """None where the server does not tell a choice in this form."""
        is_likelihoods = form == "logprobs"
        asked: dict[str, object] = (
            {"max_tokens": 1, "logprobs": True, "top_logprobs": TOP}
            if is_likelihoods
            else {"max_tokens": _CHOICE_TOKENS, "response_format": schema(letters)}
        )
        try:
            told = await self._whole({**body, **asked}, prompt, model, form=form)
        except _FormRefused:
            return None
        if is_likelihoods:
            return chances_of({"logprobs": logprobs(told)}, letters)
        return letter_in(content(told), letters)

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

    async def _whole(
        self, body: Mapping[str, object], prompt: Prompt, model: str, *, form: str = ""
    ) -> Mapping[str, object]:
        """One call whose whole answer comes at once. Raises _FormRefused and EngineError."""
        deadline_s = self._server.deadline_s()
        async with self._call(body, prompt, model, deadline_s, form=form) as response:
            return await self._server.whole(response)

    @asynccontextmanager
    async def _call(
        self,
        body: Mapping[str, object],
        prompt: Prompt,
        model: str,
        deadline_s: float,
        *,
        form: str = "",
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """The answer to a call, made again without extras while the server refuses it.

        An extra is left out for good only once a call without it was taken: servers refuse calls
        for reasons that pass, too. `form`: the field that the caller can do without. Raises
        _FormRefused and EngineError."""
        plans = _some_of([n for n in _EXTRAS if n in body and n not in self._taken])
        without: tuple[str, ...] = ()
        while True:
            sent = {name: value for name, value in body.items() if name not in without}
            response = await self._server.post(_PATH, sent, deadline_s)
            try:
                if response.status == 200:
                    self._refused.update(without)
                    self._taken.update(sent)
                    yield response
                    return
                problem = await self._server.problem(response)
            finally:
                response.close()
            error = self._refusal(response.status, problem, prompt, model)
            is_too_long = isinstance(error, ContextTooLong)
            if "tools" in sent and is_about_tools(problem) and not is_too_long:
                raise _ToolsRefused(error, is_sure=True)
            # One whose reason we know would only come again.
            is_unclear = response.status in (400, 422, 501) and type(error) is EngineBroken
            named = next((name for name in _EXTRAS if name in sent and name in problem), "")
            if not is_unclear:
                raise error
            is_about_form = bool(form) and form in problem and not named
            plan = (*without, named) if named else next(plans, None)
            may_be_form = bool(form) and plan is None and form not in self._taken
            if is_about_form or may_be_form:
                raise _FormRefused
            if plan is None and "tools" in sent and "tools" not in self._taken:
                raise _ToolsRefused(error, is_sure=False)
            if plan is None:
                # Another server may have taken its place: the next time they are suspects again.
                self._taken.clear()
                raise error
            without = plan

    def _refusal(self, status: int, problem: str, prompt: Prompt, model: str) -> EngineError:
        error = refusal(_NAME, status, problem, shown=withhold(problem, prompt), model=model)
        if isinstance(error, ModelMissing):
            self._chosen = ""
        return error


def base_of(url: str) -> str:
    """The address that `/chat/completions` is added to: what people give, with `/v1` once.

    A bare host gets http. A user and password in it are dropped: addresses are told and logged."""
    text = url.strip()
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
    except ValueError:
        return text.rpartition("@")[2]
    path = parts.path.rstrip("/")
    for tail in (_PATH, "/completions", "/models"):
        path = path.removesuffix(tail)
    base = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}"
    return base if re.search(r"/v\d+[a-z0-9]*$", path) else f"{base}/v1"


async def _data(raw: AsyncGenerator[bytes, None]) -> AsyncGenerator[str, None]:
    events = Events()
    async with aclosing(raw) as pieces:
        async for piece in pieces:
            for data in events.feed(piece):
                yield data
    for data in events.rest():
        yield data


async def _chunks(raw: AsyncGenerator[bytes, None], pace: _Pace) -> AsyncGenerator[Chunk, None]:
    """What goes wrong after the reply's end takes nothing from it."""
    has_ended = False
    try:
        async with aclosing(_data(raw)) as events:
            async for data in events:
                if data.strip() == _DONE:
                    if not has_ended:
                        yield Chunk(end="stop")
                    return
                if chunk := from_wire(data):
                    if has_ended and chunk.error:
                        return
                    has_ended = has_ended or chunk.end is not None
                    pace.note(chunk)
                    yield chunk
    except EngineError:
        if not has_ended:
            raise


def _some_of(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Each one, then each two, up to all."""
    return chain.from_iterable(combinations(names, n) for n in range(1, len(names) + 1))


def _stream_problem(problem: str, prompt: Prompt, model: str, *, has_spoken: bool) -> EngineError:
    """An error inside the stream; its status went out as 200 before it was known."""
    shown = withhold(problem, prompt)
    if not has_spoken and is_overflow(problem):
        return refusal(_NAME, 400, problem, shown=shown, model=model)
    return EngineBroken(f"{_NAME} broke off: {shown}")
