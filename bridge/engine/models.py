"""What an Ollama server has, which of it we use, and how to get more. For demo and doctor.

All of it goes through the `ollama` package, whose client would send `OLLAMA_API_KEY` to any host,
follow redirects and read proxies and passwords from the environment: `_client` prevents all three.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final, cast

import httpx
import ollama

from bridge.domain.model import PullProgress, is_same_model
from bridge.engine.address import ollama_host
from bridge.errors import (
    DiskFull,
    EngineBroken,
    EngineError,
    EngineTimeout,
    EngineUnreachable,
    LibraryUnreachable,
    ModelMissing,
)

PROBE_TIMEOUT_S: Final = 3.0
CALL_TIMEOUT_S: Final = 20.0
PULL_SILENCE_S: Final = 300.0
"""Checking a digest of many gigabytes is silent for minutes."""

COMFORTABLE_BYTES: Final = 10_000_000_000
"""The largest model that is chosen unasked: what an ordinary GPU or laptop can hold."""

_SPECIALIST = re.compile(
    r"code|coder|math|guard|shield|ocr|translat|sql|embed|rerank", re.IGNORECASE
)
_UNTUNED = re.compile(r"(^|[-_.])(base|text|pt|pretrained)($|[-_.])", re.IGNORECASE)
_REMOTE = re.compile(r"[:-]cloud$", re.IGNORECASE)
# As Go and the operating system word it; the status is 200 by then, or 500.
_NO_SPACE = re.compile(r"no space left on device|not enough space|disk quota", re.IGNORECASE)
_NO_LIBRARY = re.compile(
    r"no such host|dial tcp|i/o timeout|network is unreachable|connection (refused|reset)"
    r"|TLS handshake|proxyconnect|max retries exceeded|lookup \S+",
    re.IGNORECASE,
)
_EMBEDDING_FAMILY = re.compile(r"bert", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """A model of the server. `is_remote`: it runs at its vendor's, so room text leaves the host."""

    name: str
    size_bytes: int = 0
    capabilities: tuple[str, ...] = ()
    """As the server names them; () from servers that do not tell."""
    family: str = ""
    parameter_size: str = ""
    is_remote: bool = False

    @property
    def can_chat(self) -> bool:
        if self.capabilities:
            return "completion" in self.capabilities
        return not _EMBEDDING_FAMILY.search(self.family)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDescription:
    """What one model can do. `loaded_ctx` is the window it is loaded with, 0 when it is not."""

    info: ModelInfo
    quantization: str = ""
    max_ctx: int = 0
    loaded_ctx: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A model that the server holds, and whether it is in its memory now."""

    name: str
    size_bytes: int = 0
    is_loaded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    model: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    name: str
    size_bytes: int


SUGGESTED: Final = Suggestion(name="gemma3:4b", size_bytes=3_300_000_000)
"""What to offer where a server has no chat model; the size is approximate."""


async def probe(url: str, api_key: str = "") -> bool:
    """Whether an Ollama answers there."""
    try:
        return bool(await version(url, api_key))
    except EngineError:
        return False


async def version(url: str, api_key: str = "") -> str:
    """Raises EngineError."""
    async with _plain_client(url, api_key) as client:
        with _translated(url):
            answer = await client.get("/api/version")
            if answer.status_code != 200:
                raise ollama.ResponseError(answer.text, answer.status_code)
            found = cast("object", answer.json())
    value = cast("dict[str, object]", found).get("version") if isinstance(found, dict) else None
    if isinstance(value, str) and value:
        return value
    raise EngineBroken(f"What answers at {ollama_host(url)} is not an Ollama.")


async def chat_models(url: str, api_key: str = "") -> list[ModelInfo]:
    """The models that can chat, by name. Raises EngineError."""
    return [model for model in await all_models(url, api_key) if model.can_chat]


async def all_models(url: str, api_key: str = "") -> list[ModelInfo]:
    """Every model with what it can do, by name. Raises EngineError."""
    async with _client(url, api_key) as client:
        with _translated(url):
            listed = (await client.list()).models
        # One after another: a server answers this from its disk, in about a millisecond.
        found = [await _inspect(client, url, entry) for entry in listed if entry.model]
    return sorted((info for info in found if info), key=lambda model: model.name)


async def inventory(url: str, api_key: str = "") -> list[Held]:
    """What the server holds, by name, in two calls. Raises EngineError."""
    async with _client(url, api_key) as client:
        with _translated(url):
            listed = (await client.list()).models
            running = (await client.ps()).models
    loaded = [entry.model for entry in running if entry.model]
    return sorted(
        (
            Held(
                name=entry.model,
                size_bytes=int(entry.size or 0),
                is_loaded=any(is_same_model(entry.model, name) for name in loaded),
            )
            for entry in listed
            if entry.model
        ),
        key=lambda held: held.name,
    )


async def describe(url: str, model: str, api_key: str = "") -> ModelDescription:
    """Raises ModelMissing and other EngineErrors."""
    async with _client(url, api_key) as client:
        with _translated(url, model):
            shown = await client.show(model)
            listed = (await client.list()).models
            running = (await client.ps()).models
    entry = next(
        (entry for entry in listed if entry.model and is_same_model(entry.model, model)), None
    )
    loaded = next(
        (entry for entry in running if entry.model and is_same_model(entry.model, model)), None
    )
    details = shown.details
    return ModelDescription(
        info=_info(
            entry.model if entry and entry.model else model,
            int(entry.size or 0) if entry else 0,
            shown,
        ),
        quantization=(details.quantization_level or "") if details else "",
        max_ctx=_max_ctx(shown),
        loaded_ctx=(loaded.context_length or 0) if loaded else 0,
    )


def choose_model(models: Sequence[ModelInfo], wanted: str = "") -> str:
    """The name of the model to use; `choose` also says why. Raises ModelMissing."""
    return choose(models, wanted).model


def choose(models: Sequence[ModelInfo], wanted: str = "") -> Choice:
    """Pick a chat model; the same models give the same choice. Raises ModelMissing.

    `wanted` decides alone: nothing else ever stands in for it. Without it, only models on the
    server itself count, because a remote one sends room text away. Of these: tuned for chat
    before untuned ones, general before specialists (code, translation, …); then the largest of
    at most `COMFORTABLE_BYTES`, else the smallest; then by name.
    """
    if wanted:
        for model in models:
            if is_same_model(model.name, wanted):
                return Choice(model=model.name, reason="it is the configured one")
        names = ", ".join(sorted(model.name for model in models)) or "none"
        raise ModelMissing(
            f"Ollama has no chat model {wanted!r} (it has: {names}). Pull it: ollama pull {wanted}"
        )
    local = [model for model in models if model.can_chat and not model.is_remote]
    if not local:
        raise ModelMissing(
            f"Ollama has no chat model of its own. Pull one: ollama pull {SUGGESTED.name}"
        )
    best = min(local, key=_rank)
    return Choice(model=best.name, reason=_reason(best, len(local)))


async def pull(url: str, name: str, api_key: str = "") -> AsyncGenerator[PullProgress, None]:
    """Have the server download a model. Closing the iterator stops it; a new pull goes on there.

    Raises ModelMissing where there is no such model to be had, DiskFull and LibraryUnreachable, and
    other EngineErrors.
    """
    parts: dict[str, tuple[int, int]] = {}
    async with _client(url, api_key, silence_s=PULL_SILENCE_S) as client:
        with _translated(url, name):
            steps = cast(
                "AsyncGenerator[ollama.ProgressResponse]", await client.pull(name, stream=True)
            )
            async with aclosing(steps):
                async for step in steps:
                    if step.digest and step.total:
                        parts[step.digest] = (step.completed or 0, step.total)
                    is_done = step.status == "success"
                    yield PullProgress(
                        status=step.status or "",
                        done_bytes=sum(done for done, _ in parts.values()),
                        total_bytes=sum(total for _, total in parts.values()),
                        is_done=is_done,
                    )
                    if is_done:
                        return
    raise EngineBroken(f"Ollama stopped pulling {name!r} before it was complete. Try again.")


def _rank(model: ModelInfo) -> tuple[bool, bool, bool, int, str]:
    is_large = model.size_bytes > COMFORTABLE_BYTES
    by_size = model.size_bytes if is_large else -model.size_bytes
    return _is_untuned(model), bool(_SPECIALIST.search(model.name)), is_large, by_size, model.name


def _reason(best: ModelInfo, count: int) -> str:
    if count == 1:
        return "it is the only chat model"
    if best.size_bytes > COMFORTABLE_BYTES:
        return f"it is the smallest suitable of {count} chat models, all of them large"
    return (
        f"it is the largest suitable of {count} chat models up to {COMFORTABLE_BYTES // 10**9} GB"
    )


def _is_untuned(model: ModelInfo) -> bool:
    """Whether it only continues text, as tags such as `7b-text` and `8b-base` say."""
    if {"tools", "thinking"} & set(model.capabilities):
        return False
    return bool(_UNTUNED.search(model.name.partition(":")[2]))


async def _inspect(
    client: ollama.AsyncClient, url: str, entry: ollama.ListResponse.Model
) -> ModelInfo | None:
    name = entry.model or ""
    try:
        with _translated(url, name):
            shown = await client.show(name)
    except ModelMissing:
        return None
    return _info(name, int(entry.size or 0), shown)


def _info(name: str, size_bytes: int, shown: ollama.ShowResponse) -> ModelInfo:
    details = shown.details
    return ModelInfo(
        name=name,
        size_bytes=size_bytes,
        capabilities=tuple(sorted(shown.capabilities or ())),
        family=(details.family or "") if details else "",
        parameter_size=(details.parameter_size or "") if details else "",
        is_remote=bool(_REMOTE.search(name)),
    )


def _max_ctx(shown: ollama.ShowResponse) -> int:
    for key, value in (shown.modelinfo or {}).items():
        if key.endswith(".context_length") and isinstance(value, int):
            return value
    return 0


@asynccontextmanager
async def _client(
    url: str, api_key: str, *, silence_s: float = CALL_TIMEOUT_S
) -> AsyncGenerator[ollama.AsyncClient]:
    client = ollama.AsyncClient(
        host=ollama_host(url),
        auth=_authorise(api_key),
        follow_redirects=False,
        trust_env=False,
        timeout=httpx.Timeout(silence_s, connect=PROBE_TIMEOUT_S),
    )
    try:
        yield client
    finally:
        await client.close()


def _plain_client(url: str, api_key: str) -> httpx.AsyncClient:
    """For the one call that the package lacks."""
    return httpx.AsyncClient(
        base_url=ollama_host(url),
        auth=_authorise(api_key),
        trust_env=False,
        timeout=PROBE_TIMEOUT_S,
    )


def _authorise(api_key: str) -> Callable[[httpx.Request], httpx.Request]:
    """Sends our key and nothing else: the package adds `OLLAMA_API_KEY` of the environment."""

    def set_header(request: httpx.Request) -> httpx.Request:
        request.headers.pop("authorization", None)
        if api_key:
            request.headers["authorization"] = f"Bearer {api_key}"
        return request

    return set_header


@contextmanager
def _translated(url: str, model: str = "") -> Generator[None]:
    """Errors of the package and of its HTTP client as ours."""
    where = ollama_host(url)
    try:
        yield
    except ollama.ResponseError as error:
        raise _refusal(where, model, error) from None
    except (
        ConnectionError,
        httpx.ConnectError,
        httpx.ConnectTimeout,
        httpx.InvalidURL,
        UnicodeError,
    ):
        raise EngineUnreachable(f"No Ollama answers at {where}.") from None
    except httpx.TimeoutException:
        raise EngineTimeout(f"Ollama at {where} did not answer in time.") from None
    except httpx.HTTPError as error:
        raise EngineBroken(
            f"The connection to Ollama at {where} broke ({type(error).__name__})."
        ) from None
    except (ValueError, TypeError, AttributeError):
        # The package takes every body for the JSON object that it expects.
        raise EngineBroken(f"What answers at {where} is not an Ollama.") from None


def _refusal(where: str, model: str, error: ollama.ResponseError) -> EngineError:
    problem = " ".join(str(error.error).split())[:200]
    lowered, status = problem.lower(), error.status_code
    if _NO_SPACE.search(problem):
        return DiskFull(f"The disk of Ollama at {where} is full: {problem}")
    if "file does not exist" in lowered:
        return ModelMissing(f"There is no model {model!r} to pull. Check its name.")
    if status == 404 and "model" in lowered:
        return ModelMissing(f"Ollama has no model {model!r}. Pull it: ollama pull {model}")
    if _NO_LIBRARY.search(problem):
        return LibraryUnreachable(f"Ollama at {where} does not reach its library: {problem}")
    if status in (401, 403):
        return EngineUnreachable(f"Ollama at {where} refused us ({status}). Check engine.api_key.")
    if status in (429, 502, 503):
        return EngineUnreachable(f"Ollama at {where} is busy ({status}): {problem}")
    if 300 <= status < 400:
        return EngineBroken(f"{where} redirects; set engine.url to the final address.")
    if status == 404:
        return EngineBroken(f"What answers at {where} is not an Ollama.")
    return EngineBroken(f"Ollama at {where} reported a problem: {problem or status}")
