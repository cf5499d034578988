"""How an Ollama holds models in memory: the fake as the real one, where that was built."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.fakes.ollama import FakeOllama
from tests.fakes.ollama_stream import FakeModel, Reply, Shape
from tests.lab import ollama

pytestmark = pytest.mark.timeout(120)
NAMES = (ollama.MODEL, ollama.OTHER)
Start = Callable[..., AbstractAsyncContextManager[str]]


UNBUILT = pytest.mark.skipif(ollama.binary() is None, reason="no Ollama here: make test-engine")


@pytest.fixture(params=["fake", pytest.param("real", marks=(pytest.mark.engine, UNBUILT))])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Start:
    """Start an Ollama with two models; it gives its address."""

    @asynccontextmanager
    async def started(*, parallel: int = 1, max_loaded: int = 3) -> AsyncIterator[str]:
        if request.param == "fake":
            models = tuple(FakeModel(name=name) for name in NAMES)
            slow = Reply(text="word " * 60, shape=Shape(gap_s=0.005))
            async with FakeOllama(
                models=models, reply=slow, parallel=parallel, max_loaded=max_loaded
            ) as fake:
                yield fake.url
            return
        settings = {
            "OLLAMA_NUM_PARALLEL": str(parallel), "OLLAMA_MAX_LOADED_MODELS": str(max_loaded)
        }  # fmt: skip
        async with ollama.OllamaServer(tmp_path, settings) as real:
            yield real.url

    return started


async def chat(url: str, model: str = NAMES[0], **more: Any) -> dict[str, Any]:
    """The last line of a reply of 40 tokens, and when its first and last token came."""
    options = {"num_ctx": 2048, "num_predict": 40, **more.pop("options", {})}
    body = {"model": model, "options": options, **more}
    body.setdefault("messages", [{"role": "user", "content": "hello there"}])
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/api/chat", json=body) as response,
    ):
        first_s, last = 0.0, b"{}"
        async for line in response.content:
            first_s, last = first_s or time.monotonic(), line
        end = json.loads(last)
    return end | {"first_s": first_s, "last_s": time.monotonic(), "status": response.status}


async def loaded(url: str) -> dict[str, int]:
    """The windows of the models in memory."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/api/ps") as response:
        found = (await response.json())["models"] or []
    return {one["name"]: one["context_length"] for one in found}


async def gone(url: str) -> None:
    """Wait until nothing is in memory any more."""
    for _ in range(200):
        if not await loaded(url):
            return
        await asyncio.sleep(0.1)
    raise TimeoutError


async def test_a_model_stays_loaded_while_its_options_are_the_same(start: Start) -> None:
    async with start() as url:
        first = await chat(url)
        again = await chat(url)
        other = await chat(url, options={"num_ctx": 1024})
        assert await loaded(url) == {NAMES[0]: 1024}
    # What a model that was there says of its load is how long finding it took.
    assert again["load_duration"] < first["load_duration"] / 2
    assert other["load_duration"] > 2 * again["load_duration"]


async def test_calls_wait_for_a_slot_in_their_order(start: Start) -> None:
    async with start(parallel=1) as url:
        await chat(url)
        first, second = await asyncio.gather(chat(url), _soon(chat(url)))
    assert second["first_s"] >= first["last_s"] - 0.1


async def test_as_many_as_there_are_slots_go_side_by_side(start: Start) -> None:
    async with start(parallel=2) as url:
        await chat(url)
        long = {"options": {"num_predict": 200}}
        one, other = await asyncio.gather(chat(url, **long), chat(url, **long))
    assert max(one["first_s"], other["first_s"]) < min(one["last_s"], other["last_s"])


async def test_a_model_makes_room_for_another(start: Start) -> None:
    async with start(max_loaded=1) as url:
        await chat(url)
        await chat(url, NAMES[1])
        assert list(await loaded(url)) == [NAMES[1]]


async def test_two_models_stay_where_there_is_room(start: Start) -> None:
    async with start(max_loaded=2) as url:
        await chat(url)
        await chat(url, NAMES[1])
        assert sorted(await loaded(url)) == sorted(NAMES)


async def test_a_model_goes_when_it_was_to_be_kept_no_longer(start: Start) -> None:
    async with start() as url:
        await chat(url, keep_alive="300ms")
        assert list(await loaded(url)) == [NAMES[0]]
        await gone(url)


async def test_a_call_without_messages_loads_and_unloads(start: Start) -> None:
    async with start() as url:
        end = await chat(url, messages=[])
        assert (end["done_reason"], list(await loaded(url))) == ("load", [NAMES[0]])
        assert (await chat(url, messages=[], keep_alive=0))["done_reason"] == "unload"
        await gone(url)


async def test_only_what_needs_a_load_is_refused_when_too_many_wait() -> None:
    models = tuple(FakeModel(name=name) for name in NAMES)
    slow = Reply(text="word " * 60, shape=Shape(gap_s=0.005))
    async with FakeOllama(models=models, reply=slow, max_loaded=1, max_queue=1) as fake:
        await chat(fake.url)
        fake.runners.load_s = 0.3
        busy = [asyncio.create_task(chat(fake.url)) for _ in range(5)]
        await asyncio.sleep(0.1)
        loading = asyncio.create_task(chat(fake.url, NAMES[1]))
        await asyncio.sleep(0.1)
        refused = await chat(fake.url, NAMES[1])
        assert refused["status"] == 503
        assert "maximum pending requests exceeded" in refused["error"]
        assert all(end["status"] == 200 for end in await asyncio.gather(*busy))
        assert (await loading)["done"]


async def _soon(work: Any) -> Any:
    await asyncio.sleep(0.05)
    return await work
