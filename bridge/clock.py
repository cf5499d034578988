"""Time as a value that can be swapped: the real clock, and one that moves only when told."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar
from zoneinfo import ZoneInfo

T = TypeVar("T")


class Clock(Protocol):
    def now(self) -> int:
        """Wall clock, unix milliseconds UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...

    async def sleep(self, seconds: float) -> None: ...

    async def wait(self, event: asyncio.Event, timeout_s: float) -> bool:
        """Wait for the event, at most `timeout_s`. True when it was set."""
        ...


async def within(clock: Clock, seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """The result of the work. Raises TimeoutError, the work cancelled, when it takes longer."""
    task = asyncio.ensure_future(work)
    sleeper = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({task, sleeper}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise TimeoutError(f"it took longer than {seconds:.0f} s")
        return task.result()
    finally:
        for each in (task, sleeper):
            each.cancel()
        await asyncio.gather(task, sleeper, return_exceptions=True)


def minute_of_day(at: int, zone: str) -> int:
    """Minutes since midnight in a time zone (IANA; UTC where it is unknown) at an instant (ms)."""
    try:
        local = datetime.fromtimestamp(at / 1000, ZoneInfo(zone))
    except (ValueError, OSError):  # A zone may be gone with another version of the time zone data.
        local = datetime.fromtimestamp(at / 1000, UTC)
    return local.hour * 60 + local.minute


class SystemClock:
    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))

    async def wait(self, event: asyncio.Event, timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(max(0.0, timeout_s)):
                await event.wait()
        except TimeoutError:
            return event.is_set()
        return True


class FakeClock:
    """A clock for `replay` and tests: time stands still until `advance_to` moves it.

    Before it moves, everything that can run now runs: `is_busy` tells whether work outside
    the event loop (a database thread) is under way.
    """

    # A chain of callbacks longer than this without touching the database does not exist here.
    _QUIET_ROUNDS = 40

    def __init__(self, now_ms: int = 1_764_000_000_000) -> None:
        self._now_ms = now_ms
        self._origin_ms = now_ms
        self._order = itertools.count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []

    def now(self) -> int:
        return self._now_ms

    def monotonic(self) -> float:
        return (self._now_ms - self._origin_ms) / 1000

    def shift(self, ms: int) -> None:
        """Step the wall clock without waking anybody, as an operator setting the time does."""
        self._now_ms += ms

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        due_ms = self._now_ms + max(1, round(seconds * 1000))
        heapq.heappush(self._sleepers, (due_ms, next(self._order), future))
        await future

    async def wait(self, event: asyncio.Event, timeout_s: float) -> bool:
        if event.is_set():
            return True
        waiter = asyncio.ensure_future(event.wait())
        sleeper = asyncio.ensure_future(self.sleep(timeout_s))
        try:
            await asyncio.wait({waiter, sleeper}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (waiter, sleeper):
                task.cancel()
            await asyncio.gather(waiter, sleeper, return_exceptions=True)
        return event.is_set()

    def next_due(self) -> int | None:
        """When the next sleeper wakes, or None when nobody sleeps."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    async def settle(self, is_busy: Callable[[], bool] = lambda: False) -> None:
        """Let everything run that does not wait for the clock."""
        quiet = 0
        while quiet < self._QUIET_ROUNDS:
            if is_busy():
                quiet = 0
                await asyncio.sleep(0.0005)
            else:
                quiet += 1
                await asyncio.sleep(0)

    async def advance_to(self, at_ms: int, is_busy: Callable[[], bool] = lambda: False) -> None:
        """Move to `at_ms`, waking every sleeper on the way in order of its time."""
        await self.settle(is_busy)
        while (due := self.next_due()) is not None and due <= at_ms:
            self._now_ms = max(self._now_ms, due)
            heapq.heappop(self._sleepers)[2].set_result(None)
            await self.settle(is_busy)
        self._now_ms = max(self._now_ms, at_ms)
