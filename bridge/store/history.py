"""What was said in rooms: the one place where room text is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bridge.domain.events import Media
from bridge.domain.history import Said
from bridge.domain.ids import EventId, PuppetId, RoomId, UserId
from bridge.domain.lease import Lease
from bridge.store.database import Connection, Database, Row
from bridge.store.erasure import amend, newest_edit, redact, strike
from bridge.store.fence import owning

_COLUMNS = """seq, event_id, room_id, sender, sender_name, text, sent_at, reply_to, thread_root,
    is_ours, is_ai, is_notice, is_context, reason, asked, hops, media, stored_at"""


class History:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, lease: Lease, said: Said) -> None:
        """Append; the same event again changes nothing, also when it was forgotten since.

        Of people who opted out nothing is kept but that they said something.
        """
        async with owning(self._database, lease) as connection:
            if said.is_context and await is_opted_out(connection, said.sender):
                said = replace(said, text="", media=None, is_context=False)
            newest = await newest_edit(connection, said.room_id, said.event_id, said.sender)
            is_kept = newest is None or not said.is_context
            await append(connection, said if is_kept else replace(said, text=newest or ""))

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

    async def seen_by(
        self, room_id: RoomId, person: UserId, *, below_seq: int | None, limit: int
    ) -> Sequence[Said]:
        """The newest `limit` messages with `seq < below_seq` that this person may see, and any
        model may be shown, newest first.

        That is what came after they last joined, as far as we know when that was: everybody in a
        room may see it, whatever its history visibility. Who is not in the room sees nothing.
        """
        async with self._database.reading() as connection:
            rows = await connection.fetch(
                f"""
                SELECT {_COLUMNS} FROM message
                WHERE room_id = $1 AND is_context = 1 AND redacted_at IS NULL AND text <> ''
                    AND seq > (
                        SELECT joined_seq FROM member
                        WHERE room_id = $1 AND user_id = $2 AND membership = 'join')
                    AND ($3 = 0 OR seq < $3)
                    AND NOT EXISTS (
                        SELECT 1 FROM opted_out WHERE opted_out.user_id = message.sender)
                ORDER BY seq DESC LIMIT $4
                """,
                room_id,
                person,
                below_seq or 0,
                limit,
            )
        return [_said(row) for row in rows]

    async def get(self, event_id: EventId) -> Said | None:
        """The message; one that was forgotten has no text, but still its sender."""
        async with self._database.reading() as connection:
            row = await connection.fetchrow(
                f"SELECT {_COLUMNS} FROM message WHERE event_id = $1", event_id
            )
        # Of what was redacted before it was seen, not even the sender is known.
        return _said(row) if row and row["sender"] else None

    async def describe(self, lease: Lease, event_id: EventId, text: str) -> None:
        """An image or a voice message was put in words. What was forgotten stays so."""
        async with owning(self._database, lease) as connection:
            await connection.execute(
                """
                UPDATE message SET text = $3, media = ''
                WHERE event_id = $1 AND room_id = $2 AND redacted_at IS NULL AND media <> ''
                """,
                event_id,
                lease.room_id,
                text,
            )

    async def forget(self, lease: Lease, event_id: EventId) -> int:
        """Remove the text of an event from every table; returns how many rows changed."""
        async with owning(self._database, lease) as connection:
            return await redact(connection, lease.room_id, event_id)

    async def amend(self, lease: Lease, event_id: EventId, text: str) -> None:
        """Replace the text by an edit's. What was forgotten stays forgotten."""
        async with owning(self._database, lease) as connection:
            await amend(connection, lease.room_id, event_id, text)

    async def prune(self, before: int) -> int:
        """Delete room text older than `before` (unix ms); returns rows changed.

        The age is our receipt's, not the sender's claim. Events that nobody has handled yet stay,
        without their words: they are too old to be answered, and to be context.
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
            for row in await connection.fetch(
                """
                SELECT seq, state, body FROM inbox
                WHERE received_at < $1 AND state = 'new' AND body <> ''
                """,
                before,
            ):
                deleted += await strike(connection, row)
        return deleted


async def is_opted_out(connection: Connection, person: UserId) -> bool:
    """Does this person not want their words to be shown to a model?"""
    found = await connection.fetchval("SELECT 1 FROM opted_out WHERE user_id = $1", person)
    return found is not None


async def append(connection: Connection, said: Said) -> None:
    """Append to the room's history. Only the room's owner, or who holds its mailbox row, may.

    Of an event that was redacted before, only who sent it is stored: a tombstone without sender was
    made before the event was seen, or from another room, where nobody can redact it.
    """
    await connection.execute(
        """
        INSERT INTO message (event_id, room_id, sender, sender_name, text, sent_at, stored_at,
            reply_to, thread_root, is_ours, is_ai, is_context, is_notice, reason, asked, hops,
            media)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
        ON CONFLICT (event_id) DO UPDATE SET room_id = $2, sender = $3, sent_at = $6,
            reply_to = $8, thread_root = $9, is_ours = $10, is_ai = $11, is_context = $12,
            is_notice = $13, reason = $14, asked = $15, hops = $16,
            text = CASE WHEN message.room_id = $2 THEN '' ELSE $5 END,
            sender_name = CASE WHEN message.room_id = $2 THEN '' ELSE $4 END,
            redacted_at = CASE WHEN message.room_id = $2 THEN message.redacted_at END
        WHERE message.sender = ''
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
        said.is_notice,
        said.reason,
        " ".join(said.asked),
        said.hops,
        f"{said.media.kind} {said.media.mxc}" if said.media else "",
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


def _media(stored: str) -> Media | None:
    kind, _, mxc = stored.partition(" ")
    return Media(kind="audio" if kind == "audio" else "image", mxc=mxc) if mxc else None


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
        is_notice=bool(row["is_notice"]),
        is_context=bool(row["is_context"]),
        reason=row["reason"],
        asked=tuple(PuppetId(name) for name in row["asked"].split()),
        hops=row["hops"],
        media=_media(row["media"]),
        stored_at=row["stored_at"],
    )
