"""Which models an Ollama holds in memory, and who waits for them, as its scheduler does it.

A model in memory serves so many calls at once; more wait in their order, without limit. Only what
needs a load is refused when too many wait (`OLLAMA_MAX_QUEUE`). One load at a time; a runner option
that differs costs one, and so does a model that another had to make room for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

Options = tuple[int, bool]
"""What a model is loaded with: its window, and whether it shifts."""

KEEP_ALIVE_S: Final = 300.0
LOAD_NS: Final = 1_500_000_000
"""What a load is said to have taken."""
BUSY: Final = "server busy, please try again.  maximum pending requests exceeded"


class Busy(Exception):
    """Too many wait for a load."""


@dataclass(eq=False, slots=True)
class _Runner:
    options: Options
    slots: asyncio.Semaphore
    users: int = 0
    expires_s: float = 0.0
    used_s: float = 0.0
    idle: asyncio.Event = field(default_factory=asyncio.Event)


class Runners:
    """`load_s`: how long a load takes; `evicted`: models that made room, in their order."""

    def __init__(self, *, parallel: int = 4, max_loaded: int = 3, max_queue: int = 512) -> None:
        self.load_s = 0.0
        self.loads = 0
        self.evicted: list[str] = []
        self.now_s: Callable[[], float] = time.monotonic
        self._parallel, self._max_loaded, self._max_queue = parallel, max_loaded, max_queue
        self._runners: dict[str, _Runner] = {}
        self._pending = 0
        self._loading = asyncio.Lock()

    @property
    def loaded(self) -> dict[str, Options]:
        """What is in memory now."""
        for name, runner in list(self._runners.items()):
            if not runner.users and runner.expires_s <= self.now_s():
                del self._runners[name]
        return {name: runner.options for name, runner in self._runners.items()}

    def put(self, name: str, options: Options) -> None:
        """As if it had been loaded before."""
        self._runners[name] = self._runner(options)
        self._runners[name].expires_s = self.now_s() + KEEP_ALIVE_S

    def unload(self, name: str) -> None:
        self._runners.pop(name, None)

    @asynccontextmanager
    async def using(self, name: str, options: Options, keep_alive: object) -> AsyncIterator[int]:
        """Hold a model in memory while the block runs; yields the nanoseconds of its load, 0 where
        it was there. Raises Busy."""
        runner, load_ns = self._ready(name, options), 0
        if runner is None:
            if self._pending >= self._max_queue:
                raise Busy
            self._pending += 1
            try:
                async with self._loading:
                    runner = self._ready(name, options)
                    if runner is None:
                        runner, load_ns = await self._load(name, options), LOAD_NS
                    runner.users += 1
            finally:
                self._pending -= 1
        else:
            runner.users += 1
        try:
            yield load_ns
        finally:
            self._release(name, runner, _seconds(keep_alive))

    @asynccontextmanager
    async def slot(self, name: str) -> AsyncIterator[None]:
        """One of the model's slots. Only inside of `using`."""
        async with self._runners[name].slots:
            yield

    def _ready(self, name: str, options: Options) -> _Runner | None:
        return self._runners[name] if self.loaded.get(name) == options else None

    async def _load(self, name: str, options: Options) -> _Runner:
        if name in self.loaded:
            await self._drained(self._runners[name])
            self.unload(name)
        while len(self.loaded) >= self._max_loaded:
            idle = [one for one in self._runners if not self._runners[one].users]
            if not idle:
                busy = [asyncio.ensure_future(r.idle.wait()) for r in self._runners.values()]
                await asyncio.wait(busy, return_when=asyncio.FIRST_COMPLETED)
                for each in busy:
                    each.cancel()
                continue
            oldest = min(idle, key=lambda one: self._runners[one].used_s)
            self.evicted.append(oldest)
            self.unload(oldest)
        await asyncio.sleep(self.load_s)
        self.loads += 1
        self._runners[name] = runner = self._runner(options)
        return runner

    def _runner(self, options: Options) -> _Runner:
        return _Runner(options=options, slots=asyncio.Semaphore(self._parallel))

    async def _drained(self, runner: _Runner) -> None:
        while runner.users:
            runner.idle.clear()
            await runner.idle.wait()

    def _release(self, name: str, runner: _Runner, keep_s: float) -> None:
        runner.users -= 1
        runner.used_s = self.now_s()
        runner.expires_s = self.now_s() + keep_s
        if not runner.users:
            runner.idle.set()
            if keep_s == 0 and self._runners.get(name) is runner:
                self.unload(name)


def _seconds(keep_alive: object) -> float:
    """`keep_alive` as Ollama reads it: seconds, or a text like "5m"; below zero it is for ever."""
    if keep_alive is None:
        return KEEP_ALIVE_S
    if isinstance(keep_alive, int | float):
        return float(keep_alive) if keep_alive >= 0 else float("inf")
    text = str(keep_alive)
    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
    unit = next(one for one in units if text.endswith(one))
    value = float(text.removesuffix(unit)) * units[unit]
    return value if value >= 0 else float("inf")
