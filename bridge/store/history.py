"""What was said in rooms: the one place of room text, with what it takes to forget it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from bridge.domain.effect import Effect, SendText
from bridge.domain.events import Edit, Membership, Message, Reaction, RoomEvent
from bridge.domain.history import Said
from bridge.domain.ids import EventId, RoomId
from bridge.domain.lease import Lease
from bridge.store.codec import EFFECTS, EVENTS, Uncodable
from bridge.store.database import Connection, Database, Row
from bridge.store.fence import owning

_COLUMNS = """seq, event_id, room_id, sender, sender_name, text, sent_at, reply_to, thread_root,
    is_ours, is_ai, is_context"""


class History:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, lease: Lease, said: Said) -> None:
        """Append; the same event again changes nothing, also when it was forgotten since."""
        async with owning(self._database, lease) as connection:
            await append(connection, said)

    async def recent(self, room_id: RoomId, *, from_seq: int, limit: int) -> Sequence[Said]:
        """The newest `limit` context messages with `seq >= from_seq`, oldest first."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(
                f"""
                SELECT {_COLUMNS} FROM message
                WHERE room_id = $1 AND seq >= $2 AND is_context = 1 AND redacted_at IS NULL
                ORDER BY seq DESC LIMIT $3
                """,
                room_id,
                from_seq,
                limit,
            )
        return [_said(row) for row in reversed(rows)]

    async def get(self, event_id: EventId) -> Said | None:
        """The message; one that was forgotten has no text, but still its sender."""
        async with self._database.reading() as connection:
            row = await connection.fetchrow(
                f"SELECT {_COLUMNS} FROM message WHERE event_id = $1", event_id
            )
        return _said(row) if row else None

    async def forget(self, lease: Lease, event_id: EventId) -> int:
        """Remove the text of an event from every table; returns how many rows changed."""
        async with owning(self._database, lease) as connection:
            changed = await connection.execute(
                """
                UPDATE message SET text = '', sender_name = '', redacted_at = $3
                WHERE event_id = $1 AND room_id = $2 AND redacted_at IS NULL
                """,
                event_id,
                lease.room_id,
                await connection.now(),
            )
            changed += await _rewrite_inbox(
                connection, lease.room_id, lambda event: _without_text(event, event_id)
            )
            changed += await connection.execute(
                """
                UPDATE inbox SET body = ''
                WHERE event_id = $1 AND room_id = $2 AND state = 'poison' AND body <> ''
                """,
                event_id,
                lease.room_id,
            )
            changed += await _rewrite_outbox(connection, lease.room_id, event_id, "")
        await self._database.erase_free_space()
        return changed

    async def amend(self, lease: Lease, event_id: EventId, text: str) -> None:
        """Replace the text by an edit's, in every table that holds it. What was forgotten stays
        forgotten."""

        def amended(event: RoomEvent) -> RoomEvent:
            is_target = isinstance(event, Message) and event.event_id == event_id
            return replace(event, text=text) if is_target else event

        async with owning(self._database, lease) as connection:
            has_redacted = await connection.fetchval(
                "SELECT 1 FROM message WHERE event_id = $1 AND redacted_at IS NOT NULL", event_id
            )
            if has_redacted:
                return
            await connection.execute(
                "UPDATE message SET text = $3 WHERE event_id = $1 AND room_id = $2",
                event_id,
                lease.room_id,
                text,
            )
            await _rewrite_inbox(connection, lease.room_id, amended)
            await _rewrite_outbox(connection, lease.room_id, event_id, text)

    async def prune(self, before: int) -> int:
        """Delete room text older than `before` (unix ms); returns rows deleted.

        The age is our receipt's, not the sender's claim. Events that nobody has handled yet stay.
        """
        async with self._database.transaction() as connection:
            deleted = await connection.execute("DELETE FROM message WHERE stored_at < $1", before)
            # What was planned that long ago can no longer be sent without doubling it.
            deleted += await connection.execute("DELETE FROM outbox WHERE planned_at < $1", before)
            deleted += await connection.execute(
                "DELETE FROM inbox WHERE state = 'poison' AND received_at < $1", before
            )
            deleted += await connection.execute(
                "DELETE FROM malformed WHERE received_at < $1", before
            )
        await self._database.erase_free_space()
        return deleted


async def append(connection: Connection, said: Said) -> None:
    """Append to the room's history. Only the room's owner, or who holds its mailbox row, may."""
    await connection.execute(
        """
        INSERT INTO message (event_id, room_id, sender, sender_name, text, sent_at, stored_at,
            reply_to, thread_root, is_ours, is_ai, is_context)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        ON CONFLICT (event_id) DO NOTHING
        """,
        said.event_id,
        said.room_id,
        said.sender,
        said.sender_name,
        said.text,
        said.sent_at,
        await connection.now(),
        said.reply_to,
        said.thread_root,
        said.is_ours,
        said.is_ai,
        said.is_context,
    )


async def rename(connection: Connection, old: EventId, new: EventId) -> None:
    """Our own message turned out to stand in the room as another event: the one that came first."""
    await connection.execute(
        """
        UPDATE message SET event_id = $2 WHERE event_id = $1
            AND NOT EXISTS (SELECT 1 FROM message AS other WHERE other.event_id = $2)
        """,
        old,
        new,
    )


def _said(row: Row) -> Said:
    return Said(
        seq=row["seq"],
        event_id=row["event_id"],
        room_id=row["room_id"],
        sender=row["sender"],
        sender_name=row["sender_name"],
        text=row["text"],
        sent_at=row["sent_at"],
        reply_to=row["reply_to"],
        thread_root=row["thread_root"],
        is_ours=bool(row["is_ours"]),
        is_ai=bool(row["is_ai"]),
        is_context=bool(row["is_context"]),
    )


def _without_text(event: RoomEvent, forgotten: EventId) -> RoomEvent:
    match event:
        case Message() if event.event_id == forgotten:
            return _bare(event)
        case Edit() if forgotten in (event.event_id, event.target):
            return replace(event, text="")
        case Reaction() if event.event_id == forgotten:
            return replace(event, key="")
        case Membership() if event.event_id == forgotten:
            return replace(event, reason="")
        case _:
            return event


def _bare(message: Message) -> Message:
    # What is kept is named here, so that a field added later is forgotten by itself.
    return Message(
        event_id=message.event_id,
        room_id=message.room_id,
        sender=message.sender,
        sent_at=message.sent_at,
        received_at=message.received_at,
        age_ms=message.age_ms,
        content_kind=message.content_kind,
        thread_root=message.thread_root,
        is_ai_marked=message.is_ai_marked,
        txn_id=message.txn_id,
    )


async def _rewrite_inbox(
    connection: Connection, room_id: RoomId, change: Callable[[RoomEvent], RoomEvent]
) -> int:
    """Change the bodies of events that are not handled yet, or set aside."""
    changed = 0
    for row in await connection.fetch(
        "SELECT seq, body FROM inbox WHERE room_id = $1 AND body <> '' ORDER BY seq", room_id
    ):
        try:
            event = EVENTS.decode(row["body"])
        except Uncodable:
            continue
        if (new := change(event)) != event:
            changed += await connection.execute(
                "UPDATE inbox SET body = $2 WHERE seq = $1", row["seq"], EVENTS.encode(new)
            )
    return changed


async def _rewrite_outbox(
    connection: Connection, room_id: RoomId, event_id: EventId, text: str
) -> int:
    """Change the text of our own message that became this event."""
    changed = 0
    for row in await connection.fetch(
        "SELECT seq, body FROM outbox WHERE event_id = $1 AND room_id = $2", event_id, room_id
    ):
        effect: Effect = EFFECTS.decode(row["body"])
        if isinstance(effect, SendText) and effect.text != text:
            changed += await connection.execute(
                "UPDATE outbox SET body = $2 WHERE seq = $1",
                row["seq"],
                EFFECTS.encode(replace(effect, text=text)),
            )
    return changed
