"""Looking, while something takes time, whether the room still wants it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

from bridge.clock import Clock

T = TypeVar("T")

WATCH_S: Final = 0.25
"""How often the room is looked at."""

Watch = Callable[[], Awaitable[str | None]]
"""Looks at the mailbox: a reason why what is under way has become pointless, or None."""


async def undisturbed() -> str | None:
    """The watch of what has to be done whatever happens."""
    return None


async def keep_watching(watch: Watch, clock: Clock) -> str:
    """The first reason that it has."""
    while True:
        await clock.sleep(WATCH_S)
        if reason := await watch():
            return reason


async def unless(watch: Watch, clock: Clock, work: Coroutine[Any, Any, T]) -> T | None:
    """The result of the work, or None, the work cancelled, as soon as there is a reason."""
    working = asyncio.create_task(work, name="work")
    watching = asyncio.create_task(keep_watching(watch, clock), name="watch")
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, watching):
            task.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)
