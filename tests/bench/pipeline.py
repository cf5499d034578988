"""The whole bridge but its HTTP, in this process: behind a simulated homeserver."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from bridge.app import assemble
from bridge.clock import SystemClock
from bridge.domain.access import Access, Limits, Rule
from bridge.domain.cast import Cast
from bridge.domain.persona import PuppetRecord
from bridge.engine.scripted import ScriptedEngine
from bridge.engine.scripted_keeper import ScriptedKeeper
from bridge.matrix.ingest import Ingest
from bridge.matrix.simulated import SimulatedHomeserver
from bridge.policy.view import House
from bridge.rooms.dispatcher import Dispatcher
from bridge.store.store import Store, open_store
from tests.rooms.conftest import ALICE, LUNA

CLOCK: Final = SystemClock()
CAST: Final = Cast((LUNA,))
_EVERYONE: Final = Rule(allow=("*",))
_HOUSE: Final = House(
    cast=CAST,
    access=Access(
        own_server="home.example",
        invite=_EVERYONE,
        ask=_EVERYONE,
        max_invites_per_day=10**6,
        max_rooms=10**6,
    ),
    limits=Limits(burst_ms=0),
    operator="bench",
)


def new_homeserver() -> SimulatedHomeserver:
    return SimulatedHomeserver(clock=CLOCK, cast=CAST)


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    store: Store
    homeserver: SimulatedHomeserver
    engine: ScriptedEngine
    dispatcher: Dispatcher
    ingest: Ingest

    async def room(self) -> Any:
        """A room that Luna is asked to join."""
        room_id = await self.homeserver.create_room(ALICE)
        await self.homeserver.invite(room_id, sender=ALICE, user_id=LUNA.user_id)
        return room_id


@asynccontextmanager
async def pipeline(
    url: str,
    engine: ScriptedEngine,
    homeserver: SimulatedHomeserver | None = None,
    limits: Limits = _HOUSE.limits,
) -> AsyncIterator[Pipeline]:
    """One that works. Without a homeserver it gets one, whose events it takes in."""
    store = await open_store(url, CLOCK)
    await store.puppets.put(
        PuppetRecord(
            puppet_id=LUNA.puppet_id,
            user_id=LUNA.user_id,
            device_id=LUNA.device_id,
            display_name=LUNA.display_name,
            state="registered",
        )
    )
    ingest = Ingest(hs_token="t", deliver=store.mailbox.deliver, clock=CLOCK, is_ours=CAST.is_ours)
    home = homeserver or new_homeserver()
    house = replace(_HOUSE, limits=limits)
    dispatcher = assemble(
        store=store,
        homeserver=home,
        engine=engine,
        house=house,
        clock=CLOCK,
        keeper=ScriptedKeeper(clock=CLOCK),
    )
    store.mailbox.on_delivery = dispatcher.wake
    store.presence.on_wake = dispatcher.wake
    running = asyncio.create_task(dispatcher.run())
    if homeserver is None:
        await home.attach(ingest.accept)
    yield Pipeline(
        store=store, homeserver=home, engine=engine, dispatcher=dispatcher, ingest=ingest
    )
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    await store.close()
