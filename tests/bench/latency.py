"""From a transaction's arrival to the model being asked: the whole pipeline in one process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from bridge.engine.scripted import ScriptedEngine
from tests.bench.figure import Figure, percentile
from tests.bench.pipeline import CLOCK, pipeline
from tests.rooms.conftest import ALICE


class _Watched(ScriptedEngine):
    """Notes when it was asked."""

    def __init__(self) -> None:
        super().__init__({}, CLOCK)
        self.asked_at: list[float] = []
        self.asked = asyncio.Event()

    def stream(self, *args: Any, **options: Any) -> Any:
        self.asked_at.append(time.perf_counter())
        self.asked.set()
        return super().stream(*args, **options)


async def figures(url: str, kind: str, times: int) -> AsyncIterator[Figure]:
    engine = _Watched()
    async with pipeline(url, engine) as bridge:
        room_id = await bridge.room()
        await asyncio.sleep(0.5)
        took: list[float] = []
        for n in range(times):
            engine.asked.clear()
            began = time.perf_counter()
            await bridge.homeserver.say(room_id, ALICE, f"Luna, question {n}?")
            await engine.asked.wait()
            took.append(engine.asked_at[-1] - began)
            await asyncio.sleep(0.05)
    for share in (0.5, 0.99):
        yield Figure(
            name=f"transaction to model, {kind}, p{share * 100:.0f}",
            value=percentile(took, share) * 1000, unit="ms",
        )  # fmt: skip
