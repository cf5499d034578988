"""Small values for the store's tests."""

from __future__ import annotations

from typing import Any

from bridge.domain.effect import SendText
from bridge.domain.events import Delivery, Message
from bridge.domain.history import Said
from bridge.domain.ids import DeviceId, EventId, PuppetId, RoomId, UserId, WorkerId, turn_id
from bridge.domain.lease import Lease
from bridge.domain.persona import PuppetRecord
from bridge.domain.turn import Turn
from bridge.store.database import Database
from bridge.store.store import Store

ROOM = RoomId("!room:example.org")
OTHER_ROOM = RoomId("!other:example.org")
ALICE = UserId("@alice:example.org")
LUNA = PuppetId("luna")
LUNA_USER = UserId("@ai_luna:example.org")
WORKER = WorkerId("worker")
TTL_MS = 600_000


def message(event_id: str, room_id: RoomId = ROOM, text: str = "hello", **more: Any) -> Message:
    return Message(
        event_id=EventId(event_id),
        room_id=room_id,
        sender=ALICE,
        sent_at=1,
        received_at=2,
        text=text,
        **more,
    )


def said(event_id: str, text: str = "hello", **more: Any) -> Said:
    return Said(
        event_id=EventId(event_id),
        room_id=ROOM,
        sender=ALICE,
        sender_name="Alice",
        text=text,
        sent_at=1,
        **more,
    )


def turn(cause: str = "$cause", room_id: RoomId = ROOM) -> Turn:
    return Turn(
        turn_id=turn_id(room_id, cause, LUNA),
        room_id=room_id,
        puppet_id=LUNA,
        cause_id=EventId(cause),
        reason="mentioned",
        started_at=5,
    )


def text(words: str = "hi") -> SendText:
    return SendText(text=words, is_generated=True)


async def record_luna(store: Store) -> None:
    await store.puppets.put(
        PuppetRecord(
            puppet_id=LUNA,
            user_id=LUNA_USER,
            device_id=DeviceId("LUNA"),
            display_name="Luna (AI)",
            state="registered",
        )
    )


async def deliver(store: Store, *events: Any) -> int:
    return await store.mailbox.deliver(Delivery(events=events))


async def hire(store: Store, worker: str, ttl_ms: int = TTL_MS) -> WorkerId:
    """A worker of this name, judged by its lease alone."""
    async with store.database.transaction() as connection:
        now = await connection.now()
        await connection.execute(
            """
            INSERT INTO worker (worker_id, lease_until_at, started_at) VALUES ($1, $2, $3)
            ON CONFLICT (worker_id) DO UPDATE SET lease_until_at = excluded.lease_until_at
            """,
            worker,
            now + ttl_ms,
            now,
        )
    return WorkerId(worker)


async def claim(store: Store, worker: str = WORKER, limit: int = 10) -> list[Lease]:
    return list(await store.mailbox.claim(await hire(store, worker), limit))


async def lease(store: Store, room_id: RoomId = ROOM) -> Lease:
    """Own the room, by way of an event in it."""
    await deliver(store, message(f"$wake-{room_id}", room_id))
    return next(one for one in await claim(store) if one.room_id == room_id)


async def everything(database: Database) -> str:
    """Every value of every table, as text."""
    tables = (
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        if database.dialect == "sqlite"
        else "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    )
    async with database.reading() as connection:
        names: list[Any] = await connection.fetch(tables)
        rows = [row for name in names for row in await connection.fetch(f"SELECT * FROM {name[0]}")]
    return "\n".join(repr(tuple(row)) for row in rows)  # type: ignore[arg-type]
