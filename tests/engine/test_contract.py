"""What we rely on in an Ollama: on the fake always, on a real one when OLLAMA_TEST_URL names it.

OLLAMA_TEST_MODEL chooses the model there; without it, one is chosen as the program would.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, replace

import aiohttp
import pytest

from bridge.domain.prompt import TextDelta
from bridge.engine.models import chat_models, choose_model, describe, probe, version
from bridge.engine.ollama import OllamaEngine
from bridge.errors import ContextTooLong, ModelMissing
from tests.engine.asking import PROMPT, ask
from tests.fakes.ollama import FakeOllama
from tests.fakes.ollama_stream import FakeModel

REAL_URL = os.environ.get("OLLAMA_TEST_URL", "")
STORY = replace(PROMPT, user="Tell a long story about the sea.", max_tokens=40)
LONG = "Once there was a sea, and the sea was wide and deep and full of fish. " * 12

pytestmark = pytest.mark.timeout(600 if REAL_URL else 60)


@dataclass(frozen=True)
class Server:
    url: str
    model: str

    def engine(self, *, model: str = "", num_ctx: int = 2048) -> OllamaEngine:
        return OllamaEngine(
            self.url, model=model or self.model, num_ctx=num_ctx, first_token_timeout_s=300
        )


@pytest.fixture(
    params=[
        "fake",
        pytest.param(
            "real",
            marks=pytest.mark.skipif(
                not REAL_URL, reason="OLLAMA_TEST_URL is not set: no real Ollama to test against"
            ),
        ),
    ]
)
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    if request.param == "real":
        wanted = os.environ.get("OLLAMA_TEST_MODEL", "")
        yield Server(url=REAL_URL, model=choose_model(await chat_models(REAL_URL), wanted))
        return
    models = (FakeModel(name="gemma3:4b", capabilities=("completion",)),)
    async with FakeOllama(models=models, reply=LONG) as fake:
        yield Server(url=fake.url, model="gemma3:4b")


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


async def test_a_reply_comes_with_counts_and_the_model_is_loaded_with_our_window(
    server: Server,
) -> None:
    engine = server.engine()
    text, end = await ask(engine, replace(STORY, max_tokens=400))
    await engine.close()
    assert text.strip()
    assert end.model
    assert end.prompt_tokens > 5
    assert end.reply_tokens > 5
    assert (await describe(server.url, server.model)).loaded_ctx == 2048


async def test_the_limit_of_tokens_ends_the_reply_with_length(server: Server) -> None:
    engine = server.engine()
    _, end = await ask(engine, replace(STORY, max_tokens=5))
    await engine.close()
    assert (end.reason, end.reply_tokens) == ("length", 5)


async def test_a_stop_string_ends_the_reply_and_is_not_part_of_it(server: Server) -> None:
    engine = server.engine()
    text, end = await ask(engine, replace(STORY, stop=("e",), max_tokens=60))
    await engine.close()
    assert "e" not in text
    assert end.reason == "stop"


async def test_a_model_that_is_not_there_is_missing(server: Server) -> None:
    engine = server.engine(model="no-such-model:1b")
    with pytest.raises(ModelMissing):
        await ask(engine)
    await engine.close()


async def test_a_prompt_beyond_the_window_is_refused(server: Server) -> None:
    engine = server.engine()
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


async def test_after_a_closed_stream_the_server_answers_the_next_call(server: Server) -> None:
    engine = server.engine()
    async with aclosing(engine.stream(STORY, affinity="")) as deltas:
        assert isinstance(await anext(deltas), TextDelta)
    async with asyncio.timeout(120):
        assert (await ask(engine, replace(STORY, max_tokens=3)))[1].reply_tokens == 3
    await engine.close()
