"""What we rely on in model servers: on the fakes always, on real ones where they are.

`make test-engine` builds a real Ollama and a real llama.cpp server, with tiny models of random
weights. OLLAMA_TEST_URL names another Ollama instead, and OPENAI_TEST_URL another server with the
chat completions API, which must be started with a window of 2048 tokens. OLLAMA_TEST_MODEL and
OPENAI_TEST_MODEL choose the model there; without them, one is chosen as the program would.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import pytest

from bridge.domain.prompt import TextDelta
from bridge.engine.models import chat_models, choose_model, describe, probe, version
from bridge.engine.ollama import OllamaEngine
from bridge.engine.openai import OpenAIEngine
from bridge.errors import ContextTooLong, ModelMissing
from tests.engine.asking import PROMPT, SCENE, ask
from tests.fakes.ollama import FakeOllama
from tests.fakes.ollama_stream import FakeModel
from tests.fakes.openai import FakeOpenAI
from tests.lab import llama as lab_llama
from tests.lab import ollama as lab_ollama

REAL_URL = os.environ.get("OLLAMA_TEST_URL", "")
REAL_OPENAI_URL = os.environ.get("OPENAI_TEST_URL", "")
QUESTION = replace(
    PROMPT, scene=replace(SCENE, choices=(("A", "luna"), ("B", "👍"), ("N", ""))), max_tokens=1
)
STORY = replace(PROMPT, user="Tell a long story about the sea.", max_tokens=40)
LONG = "Once there was a sea, and the sea was wide and deep and full of fish. " * 12

pytestmark = pytest.mark.timeout(600 if REAL_URL or REAL_OPENAI_URL else 120)


@dataclass(frozen=True)
class Server:
    url: str
    model: str
    thinker: str = ""
    is_ollama: bool = True
    is_fake: bool = False

    def engine(self, *, model: str = "") -> OllamaEngine | OpenAIEngine:
        name = model or self.model
        if self.is_ollama:
            return OllamaEngine(self.url, model=name, num_ctx=2048, first_token_timeout_s=300)
        return OpenAIEngine(self.url, model=name, first_token_timeout_s=300)


def real(name: str, url: str, program: Path | None) -> object:
    """A parameter: a server that is named, or else one that `make test-engine` has built."""
    if url:
        return name
    unbuilt = pytest.mark.skipif(program is None, reason=f"no {name} here: make test-engine")
    return pytest.param(name, marks=(pytest.mark.engine, unbuilt))


REAL_OLLAMA = real("real Ollama", REAL_URL, lab_ollama.binary())
REAL_OPENAI = real("real OpenAI", REAL_OPENAI_URL, lab_llama.binary())


@pytest.fixture(params=["fake Ollama", REAL_OLLAMA])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Server]:
    """An Ollama."""
    async with SERVERS[request.param](tmp_path) as server:
        yield server


@pytest.fixture(params=["fake Ollama", REAL_OLLAMA, "fake OpenAI", REAL_OPENAI])
async def either(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Server]:
    """A server of either dialect."""
    async with SERVERS[request.param](tmp_path) as server:
        yield server


@asynccontextmanager
async def fake_ollama(folder: Path) -> AsyncIterator[Server]:
    models = (
        FakeModel(name="gemma3:4b"),
        FakeModel(name="deep:8b", capabilities=("completion", "thinking")),
    )
    async with FakeOllama(models=models, reply=LONG) as fake:
        yield Server(url=fake.url, model="gemma3:4b", thinker="deep:8b", is_fake=True)


@asynccontextmanager
async def real_ollama(folder: Path) -> AsyncIterator[Server]:
    if REAL_URL:
        wanted = os.environ.get("OLLAMA_TEST_MODEL", "")
        models = await chat_models(REAL_URL)
        thinkers = [model.name for model in models if "thinking" in model.capabilities]
        chosen = choose_model(models, wanted)
        yield Server(url=REAL_URL, model=chosen, thinker="".join(thinkers[:1]))
        return
    async with lab_ollama.OllamaServer(folder) as started:
        yield Server(url=started.url, model=lab_ollama.MODEL, thinker=lab_ollama.THINKER)


@asynccontextmanager
async def fake_openai(folder: Path) -> AsyncIterator[Server]:
    async with FakeOpenAI(reply=LONG, window_tokens=2048, choice={"A": -0.1}) as fake:
        yield Server(url=fake.url, model="tiny-chat", is_ollama=False, is_fake=True)


@asynccontextmanager
async def real_openai(folder: Path) -> AsyncIterator[Server]:
    if REAL_OPENAI_URL:
        wanted = os.environ.get("OPENAI_TEST_MODEL", "")
        engine = OpenAIEngine(REAL_OPENAI_URL)
        model = wanted or (await engine.models())[0]
        await engine.close()
        yield Server(url=REAL_OPENAI_URL, model=model, is_ollama=False)
        return
    async with lab_llama.LlamaServer(folder, ctx=2048) as started:
        yield Server(url=started.url, model=lab_llama.MODEL, is_ollama=False)


SERVERS: dict[str, Callable[[Path], AbstractAsyncContextManager[Server]]] = {
    "fake Ollama": fake_ollama,
    "real Ollama": real_ollama,
    "fake OpenAI": fake_openai,
    "real OpenAI": real_openai,
}


async def post(server: Server, body: dict[str, object]) -> tuple[int, dict[str, object]]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{server.url}/api/chat", json=body) as response,
    ):
        return response.status, await response.json(content_type=None)


async def test_it_answers_as_an_ollama(server: Server) -> None:
    assert await probe(server.url)
    assert (await version(server.url))[0].isdigit()
    async with aiohttp.ClientSession() as session, session.get(server.url) as response:
        assert await response.text() == "Ollama is running"


async def test_a_reply_comes_with_counts(either: Server) -> None:
    engine = either.engine()
    text, end = await ask(engine, replace(STORY, max_tokens=400))
    await engine.close()
    assert text.strip()
    assert end.model
    assert end.prompt_tokens > 5
    assert end.reply_tokens > 5


async def test_the_model_is_loaded_with_our_window(server: Server) -> None:
    engine = server.engine()
    await ask(engine, replace(STORY, max_tokens=5))
    await engine.close()
    assert (await describe(server.url, server.model)).loaded_ctx == 2048


async def test_the_limit_of_tokens_ends_the_reply_with_length(either: Server) -> None:
    engine = either.engine()
    _, end = await ask(engine, replace(STORY, max_tokens=5))
    await engine.close()
    assert (end.reason, end.reply_tokens) == ("length", 5)


async def test_a_stop_string_ends_the_reply_and_is_not_part_of_it(either: Server) -> None:
    engine = either.engine()
    text, end = await ask(engine, replace(STORY, stop=("e",), max_tokens=60))
    await engine.close()
    assert "e" not in text
    assert end.reason == "stop"


async def test_a_model_that_is_not_there_is_missing(either: Server) -> None:
    engine = either.engine(model="no-such-model:1b")
    try:
        with pytest.raises(ModelMissing):
            await ask(engine)
    except pytest.fail.Exception:
        if either.is_ollama or either.is_fake:
            raise
        pytest.skip("this server has one model and answers for any, as llama.cpp's does")
    finally:
        await engine.close()


async def test_a_prompt_beyond_the_window_is_refused(either: Server) -> None:
    engine = either.engine()
    with pytest.raises(ContextTooLong):
        await ask(engine, replace(PROMPT, user="the sea is wide and deep " * 2000))
    await engine.close()


async def test_think_false_is_accepted_and_true_refused_where_a_model_cannot_think(
    server: Server,
) -> None:
    body: dict[str, object] = {
        "model": server.model,
        "messages": [{"role": "user", "content": "hi"}],
        "stream": False,
        "options": {"num_predict": 1, "num_ctx": 2048},
    }
    assert (await post(server, body | {"think": False}))[0] == 200
    can_think = "thinking" in (await describe(server.url, server.model)).info.capabilities
    status, answer = await post(server, body | {"think": True})
    assert status == (200 if can_think else 400)
    assert can_think or "does not support thinking" in str(answer["error"])


async def test_no_messages_only_load_the_model(server: Server) -> None:
    status, answer = await post(
        server, {"model": server.model, "messages": [], "options": {"num_ctx": 2048}}
    )
    assert (status, answer["done"], answer["done_reason"]) == (200, True, "load")


async def test_after_a_closed_stream_the_server_answers_the_next_call(either: Server) -> None:
    engine = either.engine()
    async with aclosing(engine.stream(STORY, affinity="")) as deltas:
        assert isinstance(await anext(deltas), TextDelta)
    async with asyncio.timeout(120):
        assert (await ask(engine, replace(STORY, max_tokens=3)))[1].reply_tokens == 3
    await engine.close()


async def test_a_choice_is_likelihoods_of_the_letters(either: Server) -> None:
    engine = either.engine()
    chances = await engine.choose(QUESTION, affinity="")
    await engine.close()
    assert set(chances) <= {"A", "B", "N"}
    assert 0 <= sum(chances.values()) <= 1
    # Models of random weights name no letter.
    assert sum(chances.values()) > 0 or not either.is_fake
