"""Writes as the owner of a room: every one begins with the fence."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from bridge.domain.lease import Lease
from bridge.errors import LeaseLost
from bridge.store.database import Connection, Database


@asynccontextmanager
async def owning(database: Database, lease: Lease) -> AsyncGenerator[Connection]:
    """A transaction of the room's owner, the mailbox row locked. Raises LeaseLost."""
    async with database.transaction() as connection:
        holds = await connection.fetchval(
            f"""
            SELECT 1 FROM mailbox WHERE room_id = $1 AND epoch = $2 AND owner = $3
            {database.for_update}
            """,
            lease.room_id,
            lease.epoch,
            lease.worker_id,
        )
        if holds is None:
            raise LeaseLost("Another worker owns the room now.")
        yield connection
