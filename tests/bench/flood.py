"""A flood in some rooms, and how long a question in a quiet one waits until somebody types."""

from __future__ import annotations

import asyncio
import itertools
import resource
import time
from collections.abc import AsyncIterator
from typing import Any

from bridge.engine.scripted import ScriptedEngine
from bridge.matrix.ingest import Ingest
from bridge.matrix.simulated import SimulatedHomeserver
from bridge.store.store import Store
from tests.bench.figure import Figure, percentile
from tests.bench.pipeline import CLOCK, pipeline
from tests.rooms.conftest import BOB, LUNA

_QUIET_ROOMS = 10
_PER_TRANSACTION = 100
_ASKED_EVERY = 10


async def figures(
    url: str, kind: str, rooms: int, events: int, seconds: float
) -> AsyncIterator[Figure]:
    """So many events in so many seconds, each tenth a question, spread over so many rooms."""
    async with pipeline(url, ScriptedEngine({}, CLOCK)) as bridge:
        store, homeserver, ingest = bridge.store, bridge.homeserver, bridge.ingest
        made = [await bridge.room() for _ in range(rooms + _QUIET_ROOMS)]
        await _until_handled(store)
        flooded, quiet = made[_QUIET_ROOMS:], made[:_QUIET_ROOMS]
        waits: list[float] = []
        asking = asyncio.create_task(_ask_quietly(ingest, homeserver, quiet, waits))
        await _flood(ingest, flooded, events, seconds)
        await _until_handled(store)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    answered = sum(
        event["sender"] == LUNA.user_id and "m.relates_to" in event["content"]
        for room in flooded
        for event in homeserver.timeline(room)
    )
    where = f"flood of {events} events in {seconds:.0f} s over {rooms} rooms, {kind}"
    yield Figure(name=f"{where}: others wait until typing, p99", value=percentile(waits, 0.99),
                 unit="s")  # fmt: skip
    yield Figure(name=f"{where}: questions unanswered",
                 value=float(events // _ASKED_EVERY - answered), unit="questions")  # fmt: skip
    yield Figure(
        name=f"{where}: memory at most",
        value=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, unit="MB",
    )  # fmt: skip


def _event(event_id: str, room_id: str, sender: str, text: str) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "room_id": room_id,
        "sender": sender,
        "type": "m.room.message",
        "content": {"msgtype": "m.text", "body": text},
        "origin_server_ts": time.time_ns() // 1_000_000,
        "unsigned": {"age": 1},
    }


async def _flood(ingest: Ingest, rooms: list[Any], events: int, seconds: float) -> None:
    began = time.monotonic()
    for start in range(0, events, _PER_TRANSACTION):
        batch = [
            _event(
                f"$flood{n}", rooms[n % len(rooms)], f"@p{n % 50}:home.example",
                f"Luna, what of {n}?" if n % _ASKED_EVERY == 0 else f"message {n}, just so",
            )
            for n in range(start, min(events, start + _PER_TRANSACTION))
        ]  # fmt: skip
        await ingest.accept({"events": batch})
        due = began + seconds * (start + _PER_TRANSACTION) / events
        await asyncio.sleep(max(0.0, due - time.monotonic()))


async def _ask_quietly(
    ingest: Ingest, homeserver: SimulatedHomeserver, rooms: list[Any], waits: list[float]
) -> None:
    for n, room_id in enumerate(itertools.cycle(rooms)):
        seen = len(homeserver.typing)
        question = _event(f"$quiet{n}", room_id, BOB, f"Luna, question {n}?")
        await ingest.accept({"events": [question]})
        stored = time.monotonic()
        has_typed = False
        while not has_typed:
            await asyncio.sleep(0.002)
            has_typed = any(
                where == room_id and is_on for _, where, is_on in homeserver.typing[seen:]
            )
        waits.append(time.monotonic() - stored)
        await asyncio.sleep(0.1)


async def _until_handled(store: Store) -> None:
    waiting = 1
    while waiting:
        await asyncio.sleep(0.1)
        async with store.database.reading() as connection:
            waiting = await connection.fetchval("SELECT COUNT(*) FROM inbox WHERE state = 'new'")
