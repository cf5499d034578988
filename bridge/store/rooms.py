"""Rooms as we know them, who is in them, and accepted invites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from bridge.domain.ids import EventId, RoomId, UserId
from bridge.domain.lease import Lease
from bridge.domain.room import Member, Room
from bridge.store.codec import ROOMS
from bridge.store.database import Connection, Database
from bridge.store.fence import owning

_DIRECT_AT_MOST: Final = 1000


class Rooms:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, room_id: RoomId) -> Room:
        """The room as stored, or a new one of which nothing is known."""
        async with self._database.reading() as connection:
            body = await connection.fetchval("SELECT body FROM room WHERE room_id = $1", room_id)
            room = ROOMS.decode(body) if body else Room(room_id=room_id)
            return replace(room, members=await _members(connection, room_id))

    async def put(self, lease: Lease, room: Room) -> None:
        """Store the room. Raises LeaseLost."""
        async with owning(self._database, lease) as connection:
            await write_room(connection, room)

    async def count_joined(self) -> int:
        """Rooms that any puppet of ours is joined to."""
        async with self._database.reading() as connection:
            return await connection.fetchval(
                """
                SELECT COUNT(DISTINCT member.room_id) FROM member
                JOIN puppet ON puppet.user_id = member.user_id WHERE member.membership = 'join'
                """
            )

    async def count_invites(
        self, inviter: UserId, since: int, *, apart_from: EventId | None = None
    ) -> int:
        """Other invites by this person that were accepted since then (unix ms).

        Apart from the one in hand: it is counted before it is handled, if we died in between.
        """
        async with self._database.reading() as connection:
            return await connection.fetchval(
                """
                SELECT COUNT(*) FROM invite
                WHERE inviter = $1 AND accepted_at >= $2 AND event_id <> $3
                """,
                inviter,
                since,
                apart_from or "",
            )

    async def note_invite(self, lease: Lease, inviter: UserId, event_id: EventId) -> None:
        """Count an accepted invite once, by its event."""
        async with owning(self._database, lease) as connection:
            await connection.execute(
                """
                INSERT INTO invite (event_id, inviter, accepted_at) VALUES ($1, $2, $3)
                ON CONFLICT (event_id) DO NOTHING
                """,
                event_id,
                inviter,
                await connection.now(),
            )

    async def direct(self) -> Sequence[Room]:
        """DMs, without their members: the most recently changed first, and not without limit."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(
                """
                SELECT body FROM room WHERE body LIKE '%"direct":{%'
                ORDER BY updated_at DESC, room_id LIMIT $1
                """,
                _DIRECT_AT_MOST,
            )
        return [ROOMS.decode(row["body"]) for row in rows]

    async def of_puppet(self, user_id: UserId) -> Sequence[RoomId]:
        """Rooms that this user is joined to, as far as we know."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(
                """
                SELECT room_id FROM member WHERE user_id = $1 AND membership = 'join'
                ORDER BY room_id
                """,
                user_id,
            )
        return [row["room_id"] for row in rows]


async def write_room(connection: Connection, room: Room) -> None:
    """Store the room and the members that changed, in the transaction of the room's owner."""
    body = ROOMS.encode(replace(room, members={}))
    await connection.execute(
        """
        INSERT INTO room (room_id, body, updated_at) VALUES ($1, $2, $3)
        ON CONFLICT (room_id) DO UPDATE SET body = excluded.body, updated_at = excluded.updated_at
        WHERE room.body <> excluded.body
        """,
        room.room_id,
        body,
        await connection.now(),
    )
    stored = await _members(connection, room.room_id)
    changed = [m for m in room.members.values() if stored.get(m.user_id) != m]
    if not changed and len(stored) == len(room.members):
        return
    newest: int = await connection.fetchval(
        """
        SELECT COALESCE(MAX(seq), 0) FROM message
        WHERE room_id = $1 AND is_context = 1 AND redacted_at IS NULL
        """,
        room.room_id,
    )
    # Whoever is not in the room may not see what is said meanwhile, also when they are back.
    await connection.execute_many(
        """
        INSERT INTO member (room_id, user_id, membership, display_name, joined_seq)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (room_id, user_id) DO UPDATE SET membership = excluded.membership,
            display_name = excluded.display_name,
            joined_seq = CASE
                WHEN member.membership = 'join' AND excluded.membership = 'join'
                    THEN COALESCE(member.joined_seq, excluded.joined_seq)
                ELSE excluded.joined_seq END
        """,
        [
            (
                room.room_id, m.user_id, m.membership, m.display_name,
                newest if m.membership == "join" else None,
            )
            for m in changed
        ],
    )  # fmt: skip
    await connection.execute_many(
        "DELETE FROM member WHERE room_id = $1 AND user_id = $2",
        [(room.room_id, user_id) for user_id in stored if user_id not in room.members],
    )


async def _members(connection: Connection, room_id: RoomId) -> dict[UserId, Member]:
    rows = await connection.fetch(
        """
        SELECT user_id, membership, display_name FROM member WHERE room_id = $1 ORDER BY user_id
        """,
        room_id,
    )
    return {
        row["user_id"]: Member(
            user_id=row["user_id"],
            membership=row["membership"],
            display_name=row["display_name"],
        )
        for row in rows
    }
