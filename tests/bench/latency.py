"""From a transaction's arrival to the model being asked: the whole pipeline in one process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from bridge.app import assemble
from bridge.clock import SystemClock
from bridge.domain.access import Access, Rule
from bridge.domain.cast import Cast
from bridge.domain.persona import PuppetRecord
from bridge.engine.scripted import ScriptedEngine
from bridge.matrix.ingest import Ingest
from bridge.matrix.simulated import SimulatedHomeserver
from bridge.policy.view import House
from bridge.store.store import open_store
from tests.bench.figure import Figure, percentile
from tests.rooms.conftest import ALICE, LUNA


class _Watched(ScriptedEngine):
    """Notes when it was asked."""

    def __init__(self, clock: SystemClock) -> None:
        super().__init__({}, clock)
        self.asked_at: list[float] = []
        self.asked = asyncio.Event()

    def stream(self, *args: Any, **options: Any) -> Any:
        self.asked_at.append(time.perf_counter())
        self.asked.set()
        return super().stream(*args, **options)


async def figures(url: str, kind: str, times: int) -> AsyncIterator[Figure]:
    clock = SystemClock()
    store = await open_store(url, clock)
    cast, everyone = Cast((LUNA,)), Rule(allow=("*",))
    house = House(
        cast=cast,
        access=Access(own_server="home.example", invite=everyone, ask=everyone),
        operator="bench",
    )
    homeserver, engine = SimulatedHomeserver(clock=clock, cast=cast), _Watched(clock)
    await store.puppets.put(
        PuppetRecord(
            puppet_id=LUNA.puppet_id, user_id=LUNA.user_id, device_id=LUNA.device_id,
            display_name=LUNA.display_name, state="registered",
        )
    )  # fmt: skip
    dispatcher = assemble(
        store=store, homeserver=homeserver, engine=engine, house=house, clock=clock
    )
    store.mailbox.on_delivery = dispatcher.wake
    ingest = Ingest(hs_token="t", deliver=store.mailbox.deliver, clock=clock, is_ours=cast.is_ours)
    running = asyncio.create_task(dispatcher.run())
    await homeserver.attach(ingest.accept)
    room_id = await homeserver.create_room(ALICE)
    await homeserver.invite(room_id, sender=ALICE, user_id=LUNA.user_id)
    await asyncio.sleep(0.5)
    took: list[float] = []
    for n in range(times):
        engine.asked.clear()
        began = time.perf_counter()
        await homeserver.say(room_id, ALICE, f"Luna, question {n}?")
        await engine.asked.wait()
        took.append(engine.asked_at[-1] - began)
        await asyncio.sleep(0.05)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    await store.close()
    for share in (0.5, 0.99):
        yield Figure(
            name=f"transaction to model, {kind}, p{share * 100:.0f}",
            value=percentile(took, share) * 1000, unit="ms",
        )  # fmt: skip
