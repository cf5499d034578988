"""Whatever comes as a transaction is acknowledged, and no bad event holds up a good one.

On the real route and a real SQLite store. `make properties` runs many times as many examples.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.clock import SystemClock
from bridge.matrix.ingest import Ingest
from bridge.store.store import Store, open_store
from tests.matrix.making import is_ours, message

EXAMPLES: Final = int(os.environ.get("TEST_EXAMPLES", "150"))

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=2**53, max_value=2**200)
    | st.floats()
    | st.text()
    | st.sampled_from(["", "\x00", "\ud800", "$0", "@a:b", "!r:s", "m.room.message", "x" * 300])
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)  # fmt: skip
KINDS = (
    "m.room.message", "m.room.member", "m.reaction", "m.room.redaction", "m.room.encryption",
    "m.room.create", "m.sticker", "m.room.encrypted", "org.example.unknown",
)  # fmt: skip
CONTENTS = st.fixed_dictionaries(
    {},
    optional={
        "msgtype": SCALARS,
        "body": SCALARS,
        "formatted_body": SCALARS,
        "membership": st.sampled_from(["invite", "join", "leave", "ban"]) | SCALARS,
        "m.mentions": JSON,
        "m.relates_to": JSON
        | st.fixed_dictionaries(
            {"rel_type": st.sampled_from(["m.replace", "m.thread", "m.annotation"])},
            optional={"event_id": SCALARS, "key": SCALARS, "m.in_reply_to": JSON},
        ),
        "m.new_content": JSON,
        "redacts": SCALARS,
        "io.github.matrix-ai-bridge.txn": SCALARS,
    },
)
FIELDS = ("event_id", "room_id", "sender", "type", "origin_server_ts", "content", "unsigned")


@st.composite
def events(draw: st.DrawFn) -> Any:
    """A good event with any of its fields replaced or gone, or no event at all."""
    if draw(st.integers(0, 9)) == 0:
        return draw(JSON)
    event: dict[str, Any] = message("hello") | {
        "event_id": f"${draw(st.integers(0, 30))}",
        "type": draw(st.sampled_from(KINDS)),
    }
    if draw(st.booleans()):
        event["state_key"] = draw(SCALARS)
    if draw(st.booleans()):
        event["content"] = draw(CONTENTS)
    for field in draw(st.lists(st.sampled_from(FIELDS), max_size=2)):
        if draw(st.booleans()):
            event.pop(field, None)
        else:
            event[field] = draw(JSON)
    return event


class Door:
    """The real route on a real store, for tests that are no coroutines."""

    def __init__(self, folder: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self._numbers = itertools.count(1)
        self.loop.run_until_complete(self._open(folder))

    async def _open(self, folder: Path) -> None:
        self.store: Store = await open_store(f"sqlite:{folder / 'bridge.db'}", SystemClock())
        ingest = Ingest(
            hs_token="t", deliver=self.store.mailbox.deliver, clock=SystemClock(), is_ours=is_ours
        )
        self._runner = web.AppRunner(ingest.app(), access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        port = self._runner.addresses[0][1]
        self._url = f"http://127.0.0.1:{port}/_matrix/app/v1/transactions/any"
        self._session = aiohttp.ClientSession(headers={"Authorization": "Bearer t"})

    def put(self, body: bytes) -> int:
        async def put() -> int:
            async with self._session.put(self._url, data=body) as answer:
                await answer.read()
                return answer.status

        return self.loop.run_until_complete(put())

    def new_id(self) -> str:
        return f"$good{next(self._numbers)}"

    def has(self, event_id: str) -> bool:
        async def has() -> bool:
            async with self.store.database.reading() as connection:
                sql = "SELECT 1 FROM inbox WHERE event_id = $1"
                return await connection.fetchval(sql, event_id) is not None

        return self.loop.run_until_complete(has())

    def close(self) -> None:
        async def close() -> None:
            await self._session.close()
            await self._runner.cleanup()
            await self.store.close()

        self.loop.run_until_complete(close())
        self.loop.close()


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    made = Door(tmp_path_factory.mktemp("door"))
    yield made
    made.close()


def settled(share: float) -> settings:
    return settings(
        max_examples=max(1, round(EXAMPLES * share)),
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.timeout(1800)
@settled(0.8)
@given(st.lists(events(), max_size=5), st.integers(0, 5))
def test_a_good_event_among_any_others_is_stored(door: Door, others: list[Any], at: int) -> None:
    good = door.new_id()
    others.insert(at, message("good") | {"event_id": good})
    assert door.put(json.dumps({"events": others}).encode()) == 200
    assert door.has(good)


@pytest.mark.timeout(1800)
@settled(0.2)
@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_at_all_is_acknowledged(door: Door, body: bytes) -> None:
    assert door.put(body) == 200
