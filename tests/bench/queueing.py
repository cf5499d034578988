"""What our own queue costs and what it is good for: shares, and slots that are never idle."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Final

from bridge.clock import SystemClock
from bridge.domain.prompt import Delta, Finished, Prompt, TextDelta
from bridge.engine.pool import Endpoint, EnginePool
from bridge.ports import Engine
from tests.bench.figure import Figure, beside, percentile
from tests.engine.asking import PROMPT

_SERVICE_S: Final = 0.04
_FLOOD: Final = 30
_QUIET: Final = 6
_PAUSE_S: Final = 2.0
_SLOTS: Final = (1, 2, 4, 8)


class _Server:
    """An engine that takes a fixed time for a reply, for as many at once as ask."""

    label = "bench"

    def __init__(self, service_s: float = _SERVICE_S) -> None:
        self.service_s = service_s
        self.served = 0

    async def stream(self, prompt: Prompt, *, affinity: str) -> AsyncGenerator[Delta, None]:
        await asyncio.sleep(self.service_s)
        self.served += 1
        yield TextDelta(text="a few words")
        yield Finished(prompt_tokens=100, reply_tokens=3)

    async def choose(self, prompt: Prompt, *, affinity: str) -> Mapping[str, float]:
        return {}

    async def close(self) -> None:
        return


class _Fifo(_Server):
    """The same behind slots that are given in the order of asking, as Ollama's own are."""

    def __init__(self, slots: int) -> None:
        super().__init__()
        self._slots = asyncio.Semaphore(slots)

    async def stream(self, prompt: Prompt, *, affinity: str) -> AsyncGenerator[Delta, None]:
        async with self._slots:
            async for delta in super().stream(prompt, affinity=affinity):
                yield delta


def _pool(slots: int) -> EnginePool:
    return EnginePool([Endpoint(name="bench", engine=_Server(), slots=slots)], SystemClock())


async def figures(seconds: float) -> AsyncIterator[Figure]:
    for slots in (1, 4):
        fifo = await _waits(_Fifo(slots), seconds)
        ours = await _waits(_pool(slots), seconds)
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            yield beside(
                f"queue: {name} wait of quiet rooms while one floods, {slots} slots",
                percentile(ours, share) / _SERVICE_S,
                "replies' time",
                percentile(fifo, share) / _SERVICE_S,
            )
    for slots in _SLOTS:
        alone = await _throughput(_Server, slots, slots, seconds)
        ours = await _throughput(lambda n=slots: _pool(n), slots, 4 * slots, seconds)
        yield beside(f"queue: replies per second with {slots} slots", ours, "1/s", alone)


async def _waits(engine: Engine, seconds: float) -> list[float]:
    """Seconds that quiet rooms waited for their turn while one room asks all the time."""
    waits: list[float] = []
    dice = random.Random(1)
    until_s = time.monotonic() + seconds

    async def flood() -> None:
        while time.monotonic() < until_s:
            await _reply(engine, "busy")

    async def quiet(room: str) -> None:
        while time.monotonic() < until_s:
            await asyncio.sleep(dice.expovariate(1 / _PAUSE_S))
            began_s = time.monotonic()
            await _reply(engine, room)
            waits.append(time.monotonic() - began_s - _SERVICE_S)

    tasks = [flood() for _ in range(_FLOOD)] + [quiet(f"quiet{n}") for n in range(_QUIET)]
    await asyncio.gather(*tasks)
    return waits


async def _throughput(
    make: Callable[[], Engine], slots: int, at_once: int, seconds: float
) -> float:
    engine = make()
    count = 0
    began_s = time.monotonic()

    async def ask(room: str) -> None:
        nonlocal count
        while True:
            await _reply(engine, room)
            count += 1

    tasks = [asyncio.create_task(ask(f"room{n}")) for n in range(at_once)]
    await asyncio.sleep(seconds)
    took_s = time.monotonic() - began_s
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task
    return count / took_s


async def _reply(engine: Engine, room: str) -> None:
    prompt = replace(PROMPT, urgency="reply")
    async with aclosing(engine.stream(prompt, affinity=room)) as deltas:
        async for _ in deltas:
            pass
