"""What goes wrong, and when: drawn from the seed."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, Literal

from tests.chaos.bridges import STALL_S, Bridge, Bridges
from tests.chaos.engine import ChaosEngine
from tests.chaos.homeserver import Trouble

Fault = Literal["kill", "stop", "term", "cut", "database", "homeserver", "engine", "clock", "disk"]
FAULTS: Final[tuple[Fault, ...]] = (
    "kill", "stop", "term", "cut", "database", "homeserver", "engine", "clock", "disk",
)  # fmt: skip

GAPS_S: Final[dict[Fault, float]] = {
    "kill": 0.8,
    "stop": 6.0,
    "term": 7.0,
    "cut": 3.0,
    "database": 15.0,
    "homeserver": 12.0,
    "engine": 6.0,
    "clock": 5.0,
    "disk": 10.0,
}
"""Mean seconds between two faults of a kind."""

_AWAY: Final = frozenset({"stop", "cut", "database", "homeserver", "engine", "disk"})

Restart = Callable[[], Awaitable[None]]


class Faults:
    """Does harm until it is told to stop. `counts`: how often, by kind."""

    def __init__(
        self,
        kinds: Sequence[Fault],
        *,
        haste: float,
        dice: random.Random,
        bridges: Bridges,
        engine: ChaosEngine,
        trouble: Trouble,
        restart_homeserver: Restart,
        hurt_database: Restart | None,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.windows: list[tuple[float, float]] = []
        """When something that a reply needs was away, so that nobody could have resumed it."""
        self._kinds = kinds
        self._has_ended = asyncio.Event()
        self._haste = haste
        self._dice = dice
        self._bridges = bridges
        self._engine = engine
        self._trouble = trouble
        self._restart_homeserver = restart_homeserver
        self._hurt_database = hurt_database

    async def run(self) -> None:
        """Until `stop`; then everything works again."""
        do: dict[Fault, Callable[[], Awaitable[None]]] = {
            "kill": self._kill,
            "stop": self._stop,
            "term": self._term,
            "cut": self._cut,
            "database": self._database,
            "homeserver": self._homeserver,
            "engine": self._engine_fails,
            "clock": self._clock,
            "disk": self._disk,
        }
        async with asyncio.TaskGroup() as group:
            for kind in self._kinds:
                if kind == "database" and self._hurt_database is None:
                    continue
                group.create_task(self._repeat(kind, do[kind]), name=kind)
        self._heal()

    def stop(self) -> None:
        """What is being broken is mended first."""
        self._has_ended.set()

    def _heal(self) -> None:
        trouble = self._trouble
        trouble.cut_before = trouble.cut_after = trouble.rate_limited = trouble.slow = 0.0
        self._engine.breaks = 0.0
        self._engine.is_down = False

    async def _repeat(self, kind: Fault, do: Callable[[], Awaitable[None]]) -> None:
        while not await self._ends_within(
            self._dice.expovariate(self._haste / GAPS_S[kind]) + 0.05
        ):
            self.counts[kind] += 1
            began = time.monotonic()
            await do()
            if kind in _AWAY:
                lasts_s = STALL_S if kind == "stop" else 0.0
                self.windows.append((began, time.monotonic() + lasts_s))

    async def _ends_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._has_ended.wait()
        return self._has_ended.is_set()

    def _victim(self) -> Bridge:
        return self._dice.choice(self._bridges.all)

    async def _kill(self) -> None:
        self._bridges.kill(self._victim())

    async def _stop(self) -> None:
        self._bridges.stall(self._dice.choice(self._bridges.workers()))

    async def _term(self) -> None:
        self._victim().tell(signal.SIGTERM)

    async def _cut(self) -> None:
        """For a while, requests or their answers get lost now and then."""
        trouble = self._trouble
        trouble.cut_before = self._dice.choice([0.0, 0.05])
        trouble.cut_after = self._dice.choice([0.05, 0.15])
        trouble.slow = self._dice.choice([0.0, 0.1])
        trouble.rate_limited = self._dice.choice([0.0, 0.1])
        await asyncio.sleep(self._dice.uniform(1, 3))
        trouble.cut_before = trouble.cut_after = trouble.slow = trouble.rate_limited = 0.0

    async def _database(self) -> None:
        assert self._hurt_database is not None
        await self._hurt_database()

    async def _homeserver(self) -> None:
        await self._restart_homeserver()

    async def _engine_fails(self) -> None:
        if self._dice.random() < 0.5:
            self._engine.is_down = True
            await asyncio.sleep(self._dice.uniform(0.2, 1.0))
            self._engine.is_down = False
        else:
            self._engine.breaks = 0.3
            await asyncio.sleep(self._dice.uniform(0.5, 2.0))
            self._engine.breaks = 0.0

    async def _clock(self) -> None:
        self._victim().tell(signal.SIGUSR1)

    async def _disk(self) -> None:
        """The disk of one process is full for a while; whoever is born again has room."""
        victim = self._victim()
        pid = victim.pid
        if not victim.tell(signal.SIGUSR2):
            return
        await asyncio.sleep(self._dice.uniform(0.5, 1.5))
        if victim.pid == pid:
            victim.tell(signal.SIGUSR2)
