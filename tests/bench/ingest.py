"""How fast the homeserver's events are stored: over HTTP, beside the same statements alone."""

from __future__ import annotations

import itertools
import json
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import aiohttp
import asyncpg
from aiohttp import web

from bridge.clock import SystemClock
from bridge.matrix.ingest import Ingest
from bridge.store.database import Connection
from bridge.store.store import Store, open_store
from tests.bench.figure import Figure, beside

SIZES: Final = (1, 10, 100)
_ROUNDS: Final = 5
_ROOMS: Final = 20

Statement = tuple[str, tuple[Any, ...]]


async def figures(url: str, kind: str, seconds: float) -> AsyncIterator[Figure]:
    """Events a second through the real route, at 1, 10 and 100 events a transaction."""
    async with AsyncExitStack() as stack:
        store = await open_store(url, SystemClock())
        stack.push_async_callback(store.close)
        put = await _route(stack, store)
        alone = await _driver(stack, url)
        numbers = itertools.count(1)
        for size in SIZES:
            ours = baseline = 0.0
            recorded = await _statements(store, put, numbers, size)
            for _ in range(_ROUNDS):
                # Writing JSON is the homeserver's work: it is done ahead.
                ready = [_body(next(numbers), size) for _ in range(_ahead(seconds, size))]
                ours += await _rate(seconds / _ROUNDS, size, lambda r=ready: put(r.pop()))
                baseline += await _rate(
                    seconds / _ROUNDS, size, lambda r=recorded: alone(_renamed(r, next(numbers)))
                )
            yield beside(
                f"ingest, {kind}, {size} per transaction", ours / _ROUNDS, "events/s",
                baseline / _ROUNDS,
            )  # fmt: skip


async def _route(stack: AsyncExitStack, store: Store) -> Callable[[bytes], Awaitable[None]]:
    ingest = Ingest(
        hs_token="t", deliver=store.mailbox.deliver, clock=SystemClock(), is_ours=lambda _: False
    )
    runner = web.AppRunner(ingest.app(), access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/_matrix/app/v1/transactions/"
    session = await stack.enter_async_context(
        aiohttp.ClientSession(headers={"Authorization": "Bearer t"})
    )

    async def put(body: bytes) -> None:
        async with session.put(f"{url}txn", data=body) as answer:
            assert answer.status == 200

    return put


def _body(number: int, size: int) -> bytes:
    return json.dumps(_transaction(number, size)).encode()


def _ahead(seconds: float, size: int) -> int:
    """More transactions than a round can take."""
    return 10 + round(seconds / _ROUNDS * max(2_000, 40_000 / size))


def _transaction(number: int, size: int) -> dict[str, Any]:
    return {
        "events": [
            {
                "event_id": f"$event_{number:012}_{n:04}_and_a_hash_as_long_as",
                "room_id": f"!room{(number + n) % _ROOMS}:example.org",
                "sender": f"@person{n % 7}:example.org",
                "type": "m.room.message",
                "origin_server_ts": 1_764_000_000_000 + number,
                "unsigned": {"age": 20},
                "content": {
                    "msgtype": "m.text",
                    "body": "A message as people write them, neither short nor long, on a topic.",
                    "m.mentions": {},
                },
            }
            for n in range(size)
        ]
    }


async def _statements(
    store: Store, put: Callable[[bytes], Awaitable[None]], numbers: Any, size: int
) -> list[Statement]:
    """What one transaction asks of the database, as it asks it."""
    seen: list[Statement] = []
    originals = {
        name: getattr(Connection, name) for name in ("execute", "fetch", "fetchval", "fetchrow")
    }

    def watched(name: str) -> Any:
        async def call(connection: Connection, sql: str, *args: Any) -> Any:
            seen.append((sql, args))
            return await originals[name](connection, sql, *args)

        return call

    for name in originals:
        setattr(Connection, name, watched(name))
    try:
        await put(_body(next(numbers), size))
    finally:
        for name, original in originals.items():
            setattr(Connection, name, original)
    del store
    return seen


def _renamed(statements: Sequence[Statement], number: int) -> list[Statement]:
    """The same with other event ids, so that each row is new."""
    return [
        (
            sql,
            tuple(
                f"$event_{number:012}{arg[19:]}"
                if isinstance(arg, str) and arg.startswith("$event_")
                else arg
                for arg in args
            ),
        )
        for sql, args in statements
    ]


async def _driver(stack: AsyncExitStack, url: str) -> Callable[[list[Statement]], Awaitable[None]]:
    """Runs statements in one transaction on a connection of its own."""
    if url.startswith("sqlite:"):
        connection = sqlite3.connect(Path(url.removeprefix("sqlite:")), isolation_level=None)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA busy_timeout = 5000")
        stack.callback(connection.close)

        async def on_sqlite(statements: list[Statement]) -> None:
            connection.execute("BEGIN IMMEDIATE")
            for sql, args in statements:
                connection.execute(sql.replace("$", "?"), args).fetchall()
            connection.execute("COMMIT")

        return on_sqlite
    session: Any = await asyncpg.connect(url, server_settings={"synchronous_commit": "on"})
    stack.push_async_callback(session.close)

    async def on_postgres(statements: list[Statement]) -> None:
        async with session.transaction():
            for sql, args in statements:
                await session.fetch(sql, *args)

    return on_postgres


async def _rate(seconds: float, size: int, once: Callable[[], Awaitable[None]]) -> float:
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        await once()
        count += size
    return count / (time.perf_counter() - began)
