"""Rooms on a simulated homeserver, a scripted engine and a clock that stands still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
import pytest_asyncio

from bridge.app import assemble
from bridge.clock import FakeClock
from bridge.domain.access import Access, Limits, Rule
from bridge.domain.cast import Cast
from bridge.domain.ids import DeviceId, EventId, PuppetId, RoomId, UserId
from bridge.domain.persona import Persona, Puppet, PuppetRecord
from bridge.engine.scripted import ScriptedEngine
from bridge.engine.scripted_keeper import ScriptedKeeper
from bridge.matrix.ingest import Ingest
from bridge.matrix.simulated import Accept, SimulatedHomeserver
from bridge.policy.view import House
from bridge.ports import ToolSource, Transcriber
from bridge.rooms.dispatcher import Dispatcher
from bridge.store.database import Connection
from bridge.store.store import Store, open_store
from tests.lab.stores import clock, database_url, postgres

__all__ = ["clock", "database_url", "postgres", "world"]

ALICE = UserId("@alice:home.example")
BOB = UserId("@bob:home.example")


def puppet(name: str) -> Puppet:
    return Puppet(
        puppet_id=PuppetId(name),
        user_id=UserId(f"@ai_{name}:home.example"),
        device_id=DeviceId(f"AI_{name.upper()}"),
        display_name=f"{name.capitalize()} (AI)",
        persona=Persona(
            persona_id=PuppetId(name),
            version="1",
            name=name.capitalize(),
            description="A character.",
            character="Kind.",
        ),
    )


LUNA, NOVA = puppet("luna"), puppet("nova")
CAST = Cast((LUNA, NOVA))


class World:
    """A bridge that lives, dies and lives again over one store and one homeserver."""

    def __init__(self, store: Store, clock: FakeClock, cast: Cast = CAST) -> None:
        self.store = store
        self.clock = clock
        everyone = Rule(allow=("*",))
        self.house = House(
            cast=cast,
            access=Access(own_server="home.example", invite=everyone, ask=everyone),
            limits=Limits(burst_ms=0),
            operator="tests",
        )
        self.homeserver = SimulatedHomeserver(clock=clock, cast=cast)
        self.keeper = ScriptedKeeper(clock=clock)
        self.engine = ScriptedEngine({}, clock, keeper=self.keeper)
        self.transcriber: Transcriber | None = None
        self.tools: tuple[ToolSource, ...] = ()
        self.dispatcher: Dispatcher | None = None
        self.accept: Accept | None = None
        self._running: asyncio.Task[None] | None = None

    async def rise(self) -> Dispatcher:
        for one in self.house.cast.puppets:
            await self.store.puppets.put(
                PuppetRecord(
                    puppet_id=one.puppet_id,
                    user_id=one.user_id,
                    device_id=one.device_id,
                    display_name=one.display_name,
                    state="registered",
                )
            )
        self.dispatcher = assemble(
            store=self.store,
            homeserver=self.homeserver,
            engine=self.engine,
            house=self.house,
            clock=self.clock,
            keeper=self.keeper,
            transcriber=self.transcriber,
            tools=self.tools,
        )
        self.store.mailbox.on_delivery = self.dispatcher.wake
        ingest = Ingest(
            hs_token="t",
            deliver=self.store.mailbox.deliver,
            clock=self.clock,
            is_ours=self.house.cast.is_ours,
        )
        self._running = asyncio.create_task(self.dispatcher.run())
        self.store.lookback.on_doubt = self.dispatcher.wake
        self.accept = ingest.accept
        await self.homeserver.attach(ingest.accept)
        await self.settle()
        return self.dispatcher

    async def fall(self) -> None:
        """Die at once, in the middle of whatever it is."""
        self.homeserver.detach()
        if self._running is not None:
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running
            self._running = None

    async def is_owned(self, room_id: RoomId) -> bool:
        async with self.store.database.reading() as connection:
            owner = await connection.fetchval(
                "SELECT owner FROM mailbox WHERE room_id = $1", room_id
            )
        return owner is not None

    async def turn_states(self) -> list[str]:
        """States of the turns that think, the oldest first."""
        async with self.store.database.reading() as connection:
            rows = await connection.fetch(
                "SELECT state FROM turn WHERE cause_id NOT LIKE '%#%' ORDER BY started_at"
            )
        return [row["state"] for row in rows]

    async def figure(self, sql: str) -> int:
        async with self.store.database.reading() as connection:
            return await connection.fetchval(sql)

    async def settle(self) -> None:
        await self.clock.settle(self._is_busy)
        assert self._running is None or not self._running.done(), self._running

    async def pass_s(self, seconds: float) -> None:
        await self.let_pass_s(seconds)
        await self.settle()

    async def let_pass_s(self, seconds: float) -> None:
        """As `pass_s`, also when the dispatcher has come to its end."""
        until = self.clock.now() + round(seconds * 1000)
        while self.clock.now() < until:
            await self.clock.advance_to(min(until, self.clock.now() + 250), self._is_busy)

    async def lounge(self, *puppets: Puppet) -> RoomId:
        """A room with Alice and these puppets, disclosures made."""
        room_id = await self.homeserver.create_room(ALICE, name="Lounge")
        for one in puppets or (LUNA,):
            await self.homeserver.invite(room_id, sender=ALICE, user_id=one.user_id)
            await self.pass_s(1)
        return room_id

    async def ask(self, room_id: RoomId, text: str, sender: UserId = ALICE) -> EventId:
        event_id = await self.homeserver.say(room_id, sender, text)
        await self.settle()
        return event_id

    def said(self, room_id: RoomId, to: EventId | None = None) -> list[dict[str, Any]]:
        """What puppets said, all of it or in reply to one event, as contents."""
        ours = {one.user_id for one in self.house.cast.puppets}
        found: list[dict[str, Any]] = []
        for event in self.homeserver.timeline(room_id):
            content = event["content"]
            if event["sender"] not in ours or event["type"] != "m.room.message":
                continue
            target = content.get("m.relates_to", {}).get("m.in_reply_to", {}).get("event_id")
            if to is None or target == to:
                found.append(content)
        return found

    def reactions(self, room_id: RoomId, to: EventId) -> list[str]:
        """The reactions of puppets to an event."""
        relations = [
            event["content"].get("m.relates_to", {})
            for event in self.homeserver.timeline(room_id)
            if event["sender"] in {LUNA.user_id, NOVA.user_id}
        ]
        return [one["key"] for one in relations if "key" in one and one["event_id"] == to]

    def _is_busy(self) -> bool:
        return self.store.database.in_progress > 0


@pytest_asyncio.fixture
async def world(
    database_url: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    async def now(_: Connection) -> int:
        return clock.now()

    # PostgreSQL would go by its server's clock; here both databases live by the fake one.
    monkeypatch.setattr(Connection, "now", now)
    store = await open_store(database_url, clock)
    made = World(store, clock)
    await made.rise()
    try:
        yield made
    finally:
        await made.fall()
        await store.close()
