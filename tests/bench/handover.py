"""A worker is told to end in the middle of its replies: how soon another one begins them anew."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from bridge.app import DRAIN_S
from bridge.engine.scripted import ScriptedEngine
from tests.bench.figure import Figure, percentile
from tests.bench.pipeline import CLOCK, pipeline
from tests.rooms.conftest import ALICE


class _Slow(ScriptedEngine):
    """Never gets to the end. Notes when it was asked, by room."""

    def __init__(self) -> None:
        super().__init__({}, CLOCK)
        self.state = "slow"
        self.asked_at: dict[str, float] = {}
        self._progress = asyncio.Event()

    async def was_asked(self, rooms: int) -> None:
        """Wait until it was, for so many rooms."""
        while len(self.asked_at) < rooms:
            self._progress.clear()
            await self._progress.wait()

    def stream(self, *args: Any, affinity: str) -> Any:
        self.asked_at[affinity] = time.perf_counter()
        self._progress.set()
        return super().stream(*args, affinity=affinity)


async def figures(url: str, rooms: int) -> AsyncIterator[Figure]:
    """Over PostgreSQL, with one other worker."""
    first, second = _Slow(), _Slow()
    async with pipeline(url, first) as old:
        made = [await old.room() for _ in range(rooms)]
        await asyncio.sleep(0.5 + rooms / 20)
        for room_id in made:
            await old.homeserver.say(room_id, ALICE, "Luna, hello?")
        await first.was_asked(rooms)
        async with pipeline(url, second, old.homeserver):
            await asyncio.sleep(0.5)
            began = time.perf_counter()
            await old.dispatcher.hand_over(DRAIN_S)
            ended = time.perf_counter()
            await second.was_asked(rooms)
            took = [at - began for at in second.asked_at.values()]
    name = f"handover of {rooms} rooms in the middle of a reply, postgres"
    for share in (0.5, 0.99):
        yield Figure(
            name=f"{name}: asked again elsewhere, p{share * 100:.0f}",
            value=percentile(took, share) * 1000,
            unit="ms",
        )
    yield Figure(name=f"{name}: given back", value=(ended - began) * 1000, unit="ms")
