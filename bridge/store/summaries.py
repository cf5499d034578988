"""Summaries of rooms: gone as soon as anything that they may hold is taken back."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from bridge.domain.ids import EventId, RoomId
from bridge.domain.lease import Lease
from bridge.domain.summary import Summary
from bridge.store.database import Connection, Database
from bridge.store.erasure import places
from bridge.store.fence import owning

_AT_ONCE: Final = 200


class Summaries:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, room_id: RoomId) -> Summary | None:
        async with self._database.reading() as connection:
            row = await connection.fetchrow(
                "SELECT room_id, text, upto_seq, since_at FROM summary WHERE room_id = $1", room_id
            )
        if row is None:
            return None
        return Summary(
            room_id=row["room_id"],
            text=row["text"],
            upto_seq=row["upto_seq"],
            since_at=row["since_at"],
        )

    async def put(self, lease: Lease, summary: Summary, sources: Collection[EventId]) -> bool:
        """Replace the room's summary, made of these messages and the one before.

        False, and nothing is stored, where something of them may have been taken back since, or
        something waits that could. Raises LeaseLost.
        """
        async with owning(self._database, lease) as connection:
            waiting = await connection.fetchval(
                "SELECT 1 FROM inbox WHERE room_id = $1 AND state = 'new' LIMIT 1", summary.room_id
            )
            if waiting or not await _are_all_there(connection, list(sources)):
                return False
            await connection.execute(
                """
                INSERT INTO summary (room_id, text, upto_seq, since_at) VALUES ($1, $2, $3, $4)
                ON CONFLICT (room_id) DO UPDATE SET text = $2, upto_seq = $3, since_at = $4
                """,
                summary.room_id,
                summary.text,
                summary.upto_seq,
                summary.since_at,
            )
            return True

    async def prune(self, before: int) -> int:
        """Delete summaries that go back to before (unix ms); returns how many."""
        async with self._database.transaction() as connection:
            return await connection.execute("DELETE FROM summary WHERE since_at < $1", before)


async def _are_all_there(connection: Connection, sources: list[EventId]) -> bool:
    for start in range(0, len(sources), _AT_ONCE):
        chunk = sources[start : start + _AT_ONCE]
        count: int = await connection.fetchval(
            f"""
            SELECT COUNT(*) FROM message
            WHERE event_id IN ({places(len(chunk))}) AND redacted_at IS NULL
            """,
            *chunk,
        )
        if count < len(chunk):
            return False
    return True
