"""How long a worker takes to get rooms, among many that sleep."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

from bridge.clock import SystemClock
from bridge.domain.ids import WorkerId
from bridge.store.store import Store, open_store
from tests.bench.figure import Figure, percentile

DUE: Final = 500
_CLAIMED: Final = 8


async def figures(url: str, kind: str, rooms: int, times: int) -> AsyncIterator[Figure]:
    """Eight of 500 due rooms among `rooms`, and nothing among as many."""
    store = await open_store(url, SystemClock())
    try:
        await fill(store, rooms)
        worker = await store.workers.begin(600_000)
        claim = await _timed(times, lambda: _claim_and_return(store, worker))
        await _all_sleep(store)
        empty = await _timed(times, lambda: store.mailbox.claim(worker, _CLAIMED))
    finally:
        await store.close()
    for name, took in (("claim of 8", claim), ("claim of nothing", empty)):
        yield Figure(name=f"{name}, {kind}, {rooms} rooms, p50", value=percentile(took, 0.5) * 1000,
                     unit="ms")  # fmt: skip
        yield Figure(name=f"{name}, {kind}, {rooms} rooms, p99",
                     value=percentile(took, 0.99) * 1000, unit="ms")  # fmt: skip


async def fill(store: Store, rooms: int) -> None:
    """So many mailboxes, `DUE` of them due."""
    async with store.database.transaction() as connection:
        now = await connection.now()
        await connection.execute_many(
            "INSERT INTO mailbox (room_id, wake_at) VALUES ($1, $2)",
            [(f"!room{n}:example.org", now - 1000 if n < DUE else None) for n in range(rooms)],
        )
        if store.database.dialect == "postgres":
            await connection.execute("ANALYZE mailbox")


async def _claim_and_return(store: Store, worker: WorkerId) -> None:
    await store.mailbox.claim(worker, _CLAIMED)


async def _all_sleep(store: Store) -> None:
    async with store.database.transaction() as connection:
        await connection.execute("UPDATE mailbox SET owner = NULL, wake_at = NULL")


async def _timed(times: int, once: Callable[[], Awaitable[Any]]) -> list[float]:
    took: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        await once()
        took.append(time.perf_counter() - began)
    return took
