"""What a streamed token costs this process, beside reading the same stream bare."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, Final

import aiohttp

from bridge.domain.prompt import Prompt
from bridge.engine.ollama import OllamaEngine
from bridge.engine.openai import OpenAIEngine
from bridge.ports import Engine
from tests.bench.figure import Figure, beside
from tests.engine.asking import PROMPT, ask
from tests.fakes.ollama import FakeOllama
from tests.fakes.openai import FakeOpenAI

_MODEL: Final = "gemma3:4b"


async def figures(tokens: int, times: int) -> AsyncIterator[Figure]:
    text = " ".join(f"word{n}" for n in range(tokens))
    prompt = replace(PROMPT, max_tokens=10 * tokens)
    async with _elsewhere(lambda: FakeOllama(reply=text)) as server:
        ours = OllamaEngine(server.url, model=_MODEL)
        yield await _measured("ollama", ours, prompt, tokens, times, f"{server.url}/api/chat")
    async with _elsewhere(lambda: FakeOpenAI(reply=text)) as server:
        ours = OpenAIEngine(f"{server.url}/v1", model="tiny-chat")
        url = f"{server.url}/v1/chat/completions"
        yield await _measured("openai", ours, prompt, tokens, times, url)


async def _measured(
    dialect: str, engine: Engine, prompt: Prompt, tokens: int, times: int, url: str
) -> Figure:
    async def bare() -> None:
        messages = [{"role": "user", "content": "hello"}]
        most = prompt.max_tokens
        body: dict[str, Any] = {"messages": messages, "stream": True}
        if dialect == "ollama":
            body |= {"model": _MODEL, "options": {"num_predict": most}}
        else:
            body |= {"model": "tiny-chat", "max_tokens": most}
        async with aiohttp.ClientSession() as session, session.post(url, json=body) as response:
            async for line in response.content:
                with suppress(ValueError):
                    json.loads(line.removeprefix(b"data: "))

    async def whole() -> None:
        await ask(engine, prompt)

    await whole()
    # Turn and turn about, so that a noisy machine is noisy for both; the least is the cost.
    runs = [(await _cpu_s(whole), await _cpu_s(bare)) for _ in range(times)]
    await engine.close()
    ours, least = (min(column) / tokens * 1e6 for column in zip(*runs, strict=True))
    name = f"stream: CPU per token, {dialect} (baseline: bare HTTP and JSON)"
    return beside(name, ours, "µs", least)


async def _cpu_s(work: Callable[[], Awaitable[None]]) -> float:
    before = time.thread_time()
    await work()
    return time.thread_time() - before


@asynccontextmanager
async def _elsewhere(make: Callable[[], Any]) -> AsyncIterator[Any]:
    """A server in a thread of its own, so that its time does not count."""
    loop, started, stopping, made = asyncio.get_running_loop(), asyncio.Event(), [], []

    async def serve() -> None:
        stop = asyncio.Event()
        async with make() as server:
            made.append(server)
            stopping.append((asyncio.get_running_loop(), stop))
            loop.call_soon_threadsafe(started.set)
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="server", daemon=True)
    thread.start()
    await started.wait()
    try:
        yield made[0]
    finally:
        its_loop, stop = stopping[0]
        its_loop.call_soon_threadsafe(stop.set)
        await asyncio.to_thread(thread.join)
