"""Rooms that our puppets are no longer in: nothing of them is kept."""

from __future__ import annotations

from typing import Final

from bridge.store.database import Connection, Database
from bridge.store.erasure import places
from bridge.store.fence import lock_rooms

_AT_ONCE: Final = 200

# A room is stored anew when the last of ours leaves it, and nothing of it reaches us afterwards.
_LEFT: Final = """
SELECT mailbox.room_id FROM mailbox JOIN room ON room.room_id = mailbox.room_id
WHERE room.updated_at < $1 AND mailbox.owner IS NULL
    AND NOT EXISTS (
        SELECT 1 FROM member JOIN puppet ON puppet.user_id = member.user_id
        WHERE member.room_id = mailbox.room_id AND member.membership IN ('join', 'invite'))
    AND NOT EXISTS (
        SELECT 1 FROM inbox WHERE inbox.room_id = mailbox.room_id AND inbox.state = 'new')
"""

_TABLES: Final = (
    "summary", "pull", "message", "outbox", "tool_call", "turn", "inbox", "member", "room",
    "mailbox",
)  # fmt: skip


async def purge_left_rooms(database: Database, before: int) -> int:
    """Delete everything of the rooms that all puppets left before (unix ms).

    Returns how many rooms. One that is owned, or entered again meanwhile, stays.
    """
    purged = 0
    while True:
        async with database.reading() as connection:
            rows = await connection.fetch(f"{_LEFT} LIMIT {_AT_ONCE}", before)
        if not rows:
            return purged
        async with database.transaction() as connection:
            left = [row["room_id"] for row in rows]
            await lock_rooms(database, connection, left)
            purged += await _purge(connection, left, before)
        if len(rows) < _AT_ONCE:
            return purged


async def _purge(connection: Connection, rooms: list[str], before: int) -> int:
    among = f"mailbox.room_id IN ({places(len(rooms), start=2)})"
    still = await connection.fetch(f"{_LEFT} AND {among}", before, *rooms)
    left = [row["room_id"] for row in still]
    for table in _TABLES if left else ():
        await connection.execute(
            f"DELETE FROM {table} WHERE room_id IN ({places(len(left))})", *left
        )
    return len(left)
