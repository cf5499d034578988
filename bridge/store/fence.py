"""Writes as the owner of a room: every one begins with the fence."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

from bridge.domain.lease import Lease
from bridge.errors import LeaseLost
from bridge.store.database import Connection, Database


@asynccontextmanager
async def owning(database: Database, lease: Lease) -> AsyncGenerator[Connection]:
    """A transaction of the room's owner, the mailbox row locked. Raises LeaseLost."""
    async with database.transaction() as connection:
        await check_owned(database, connection, lease)
        yield connection


async def check_owned(database: Database, connection: Connection, lease: Lease) -> int:
    """Lock the room's mailbox row for its owner; returns its doubts. Raises LeaseLost."""
    doubts = await connection.fetchval(
        f"""
        SELECT doubts FROM mailbox WHERE room_id = $1 AND epoch = $2 AND owner = $3
        {database.for_update}
        """,
        lease.room_id,
        lease.epoch,
        lease.worker_id,
    )
    if doubts is None:
        raise LeaseLost("Another worker owns the room now.")
    return doubts


async def lock_rooms(database: Database, connection: Connection, rooms: Iterable[str]) -> None:
    """Let nobody own these rooms anew, deliver to them or write as their owner until the end of the
    transaction. In the order of lock of `store.mailbox`, which is no collation of the database."""
    for room_id in sorted(rooms):
        await connection.fetchval(
            f"SELECT 1 FROM mailbox WHERE room_id = $1 {database.for_update}", room_id
        )
