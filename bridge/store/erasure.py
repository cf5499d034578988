"""Taking words back: what a redaction or an edit replaces is gone from every table.

This happens at the door, in the commit that stores the event that takes back, whatever the room's
actor does meanwhile. What was redacted leaves a tombstone in `message`, so that nobody who still
has the words in hand can store them again. Event ids are looked at in their own room only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from bridge.domain.effect import EditText, Effect, SendText
from bridge.domain.events import (
    Edit,
    Membership,
    Message,
    Reaction,
    Redaction,
    RoomEvent,
    StateChange,
)
from bridge.domain.ids import EventId, RoomId, UserId
from bridge.policy import reasons
from bridge.store.codec import EFFECTS, EVENTS, Uncodable
from bridge.store.database import Connection, Row

_ENTOMB: Final = """
INSERT INTO message (event_id, room_id, sender, sender_name, text, sent_at, stored_at, is_ours,
    is_ai, is_context, redacted_at)
VALUES ($1, $2, '', '', '', $3, $3, 0, 0, 0, $3)
ON CONFLICT (event_id) DO UPDATE SET text = '', sender_name = '', media = '', redacted_at = $3
WHERE message.room_id = $2 AND message.redacted_at IS NULL
"""

_REWRITE: Final = "UPDATE inbox SET body = $2 WHERE seq = $1"

_LOOK_UP_AT_ONCE: Final = 200
"""Ids in one statement."""


async def at_the_door(connection: Connection, events: Sequence[RoomEvent]) -> int:
    """Carry out what these events, just stored, take back; returns how many rows changed."""
    changed = await _strike_the_redacted(connection, events)
    redacted = dict.fromkeys((e.room_id, e.target) for e in events if isinstance(e, Redaction))
    for room_id, target in redacted:
        changed += await redact(connection, room_id, target)
    for edit in events:
        if isinstance(edit, Edit):
            changed += await _replace_older(connection, edit)
    return changed


async def drop_summary(connection: Connection, room_id: RoomId, event_id: EventId) -> int:
    """Delete the room's summary, unless the message is known to be newer; returns how many."""
    return await connection.execute(
        """
        DELETE FROM summary WHERE room_id = $1 AND NOT EXISTS (
            SELECT 1 FROM message WHERE event_id = $2 AND seq > summary.upto_seq)
        """,
        room_id,
        event_id,
    )


async def drop_calls(connection: Connection, room_id: RoomId, event_id: EventId) -> None:
    """Take the words out of the room's calls of tools that may hold those of this message: all but
    the calls made before it was there, and those made for it."""
    await connection.execute(
        """
        UPDATE tool_call SET args = '', said = '', result = ''
        WHERE room_id = $1 AND (args <> '' OR said <> '' OR result <> '') AND (
            turn_id IN (SELECT turn_id FROM outbox WHERE event_id = $2)
            OR NOT EXISTS (
                SELECT 1 FROM message WHERE event_id = $2 AND stored_at > tool_call.called_at))
        """,
        room_id,
        event_id,
    )


async def redact(connection: Connection, room_id: RoomId, event_id: EventId) -> int:
    """Remove the words of an event, for good; returns how many rows changed.

    Those of a message go with those of its edits, and those that an edit brought with the edit. A
    summary that may hold them goes, too.
    """
    await drop_summary(connection, room_id, event_id)
    await drop_calls(connection, room_id, event_id)
    amended = await _amended_by(connection, room_id, event_id)
    changed = await _bury(connection, room_id, event_id)
    if amended is not None:
        changed += await _bury(connection, room_id, amended)
    return changed


async def amend(connection: Connection, room_id: RoomId, target: EventId, text: str) -> None:
    """Replace a stored message's text, by that of its newest edit where one waits.

    What was redacted stays so.
    """
    author: str | None = await connection.fetchval(
        """
        SELECT sender FROM message WHERE event_id = $1 AND room_id = $2 AND redacted_at IS NULL
        """,
        target,
        room_id,
    )
    if author is not None:
        newest = await newest_edit(connection, room_id, target, UserId(author))
        await _amend_message(connection, room_id, target, text if newest is None else newest)


async def newest_edit(
    connection: Connection, room_id: RoomId, target: EventId, author: UserId
) -> str | None:
    """The text of the newest edit by the message's author that nobody has handled yet."""
    edits = [
        event for _, event in await _edits_of(connection, room_id, target) if event.sender == author
    ]
    return edits[-1].text if edits else None


async def entomb(connection: Connection, room_id: RoomId, event_id: EventId) -> int:
    """Take the words of a stored message away, for good, also before it is stored."""
    return await connection.execute(_ENTOMB, event_id, room_id, await connection.now())


async def entomb_all(connection: Connection, events: Mapping[EventId, RoomId]) -> None:
    now = await connection.now()
    await connection.execute_many(
        _ENTOMB, [(event_id, room_id, now) for event_id, room_id in events.items()]
    )


async def is_entombed(connection: Connection, event_id: EventId) -> bool:
    """Was the event redacted?"""
    found = await connection.fetchval(
        "SELECT 1 FROM message WHERE event_id = $1 AND redacted_at IS NOT NULL", event_id
    )
    return found is not None


async def strike(connection: Connection, row: Row) -> int:
    """Take the words out of a row (seq, state, body) of the inbox; returns how many changed.

    A waiting event is handled all the same. One that was set aside never will be.
    """
    body = _struck(row)
    return await connection.execute(_REWRITE, row["seq"], body) if body != row["body"] else 0


async def strike_all(connection: Connection, rows: Sequence[Row]) -> None:
    await connection.execute_many(_REWRITE, [(row["seq"], _struck(row)) for row in rows])


def decoded(body: str) -> RoomEvent | None:
    """None where it cannot be read."""
    try:
        return EVENTS.decode(body)
    except Uncodable:
        return None


def wordless(event: RoomEvent) -> RoomEvent:
    """The event without anything that somebody wrote in it."""
    match event:
        case Message():
            # What is kept is named here, so that a field added later is forgotten by itself.
            return Message(
                event_id=event.event_id,
                room_id=event.room_id,
                sender=event.sender,
                sent_at=event.sent_at,
                received_at=event.received_at,
                age_ms=event.age_ms,
                content_kind=event.content_kind,
                thread_root=event.thread_root,
                is_ai_marked=event.is_ai_marked,
                txn_id=event.txn_id,
            )
        case Edit():
            return replace(event, text="")
        case Reaction():
            return replace(event, key="")
        case Membership():
            return replace(event, reason="")
        case StateChange(type="m.room.name" | "m.room.topic"):
            return replace(event, content={})
        case _:
            return event


async def strike_effects(connection: Connection, rows: Sequence[Row]) -> int:
    """Take the words out of rows (seq, body) of the outbox; returns how many changed."""
    changed = 0
    for row in rows:
        effect = EFFECTS.decode(row["body"])
        if (struck := _wordless_effect(effect)) != effect:
            changed += await connection.execute(
                "UPDATE outbox SET body = $2 WHERE seq = $1", row["seq"], EFFECTS.encode(struck)
            )
    return changed


def _wordless_effect(effect: Effect) -> Effect:
    match effect:
        case SendText():
            return replace(effect, text="", mentions=())
        case EditText():
            return replace(effect, new=replace(effect.new, text="", mentions=()))
        case _:
            return effect


async def _bury(connection: Connection, room_id: RoomId, event_id: EventId) -> int:
    changed = await entomb(connection, room_id, event_id)
    for row in await connection.fetch(
        """
        SELECT seq, state, body FROM inbox WHERE event_id = $1 AND room_id = $2 AND body <> ''
        """,
        event_id,
        room_id,
    ):
        changed += await strike(connection, row)
    for row in await _rows_of_edits(connection, room_id, event_id):
        changed += await strike(connection, row)
    return changed + await strike_effects(connection, await _ours(connection, room_id, event_id))


async def _ours(connection: Connection, room_id: RoomId, event_id: EventId) -> Sequence[Row]:
    """What we planned to say with this event, and with an edit of it, where it is one of ours."""
    rows = await connection.fetch(
        """
        SELECT seq, event_id, body FROM outbox WHERE room_id = $2 AND turn_id IN (
            SELECT turn_id FROM outbox WHERE event_id = $1 AND room_id = $2)
        """,
        event_id,
        room_id,
    )
    return [row for row in rows if event_id in (row["event_id"], _edited_by(row))]


def _edited_by(row: Row) -> EventId | None:
    """The message that a row of the outbox edits."""
    effect = EFFECTS.decode(row["body"])
    return effect.target if isinstance(effect, EditText) else None


async def _strike_the_redacted(connection: Connection, events: Sequence[RoomEvent]) -> int:
    """Take the words out of events that come after the redaction of them, or of their target."""
    worded = [event for event in events if isinstance(event, Message | Edit)]
    targets = {event.target for event in worded if isinstance(event, Edit)}
    ids = sorted({event.event_id for event in worded} | targets)
    entombed: set[tuple[str, str]] = set()
    for start in range(0, len(ids), _LOOK_UP_AT_ONCE):
        chunk = ids[start : start + _LOOK_UP_AT_ONCE]
        rows = await connection.fetch(
            f"""
            SELECT event_id, room_id FROM message
            WHERE event_id IN ({places(len(chunk))}) AND redacted_at IS NOT NULL
            """,
            *chunk,
        )
        entombed |= {(row["room_id"], row["event_id"]) for row in rows}
    changed = 0
    for room_id, event_id in entombed:
        changed += await _bury(connection, RoomId(room_id), EventId(event_id))
    return changed


async def _replace_older(connection: Connection, edit: Edit) -> int:
    """Let an edit that nobody has handled yet take the place of what it edits."""
    if await is_entombed(connection, edit.target):
        return 0
    own = [
        (row, event)
        for row, event in await _edits_of(connection, edit.room_id, edit.target)
        if event.sender == edit.sender
    ]
    if not any(e.event_id == edit.event_id and row["state"] == "new" for row, e in own):
        return 0  # seen before
    changed = 0
    for row, _ in own[:-1]:
        changed += await _supersede(connection, row)
    return changed + await _apply(connection, own[-1][1])


async def _apply(connection: Connection, edit: Edit) -> int:
    changed = 0
    author, row = await _author_of(connection, edit.room_id, edit.target)
    if author != edit.sender:
        return 0
    changed += await _amend_message(connection, edit.room_id, edit.target, edit.text)
    waiting = decoded(row["body"]) if row is not None else None
    if row is not None and isinstance(waiting, Message) and waiting.text != edit.text:
        body = EVENTS.encode(replace(waiting, text=edit.text))
        changed += await connection.execute(_REWRITE, row["seq"], body)
    return changed


async def _supersede(connection: Connection, row: Row) -> int:
    if row["state"] == "poison":
        return await strike(connection, row)
    return await connection.execute(
        "UPDATE inbox SET state = 'done', body = '', reason = $2 WHERE seq = $1",
        row["seq"],
        reasons.EDIT_SUPERSEDED,
    )


async def _amend_message(
    connection: Connection, room_id: RoomId, target: EventId, text: str
) -> int:
    await drop_summary(connection, room_id, target)
    await drop_calls(connection, room_id, target)
    return await connection.execute(
        """
        UPDATE message SET text = $3
        WHERE event_id = $1 AND room_id = $2 AND redacted_at IS NULL AND text <> $3
            AND NOT EXISTS (SELECT 1 FROM opted_out WHERE opted_out.user_id = message.sender)
        """,
        target,
        room_id,
        text,
    )


async def _author_of(
    connection: Connection, room_id: RoomId, event_id: EventId
) -> tuple[str | None, Row | None]:
    """Who wrote a message, and its row of the inbox while it has words."""
    row = await connection.fetchrow(
        """
        SELECT seq, state, body FROM inbox WHERE event_id = $1 AND room_id = $2 AND body <> ''
        """,
        event_id,
        room_id,
    )
    waiting = decoded(row["body"]) if row is not None else None
    if waiting is not None:
        return waiting.sender, row
    sender: str | None = await connection.fetchval(
        "SELECT sender FROM message WHERE event_id = $1 AND room_id = $2", event_id, room_id
    )
    return sender, row


async def _amended_by(connection: Connection, room_id: RoomId, event_id: EventId) -> EventId | None:
    """The message that has its words from this event, an edit."""
    row = await connection.fetchrow(
        """
        SELECT target_id, state, reason, body FROM inbox
        WHERE event_id = $1 AND room_id = $2 AND kind = 'edit'
        """,
        event_id,
        room_id,
    )
    if row is None or row["target_id"] is None:
        ours = await connection.fetchrow(
            "SELECT body FROM outbox WHERE event_id = $1 AND room_id = $2", event_id, room_id
        )
        return _edited_by(ours) if ours is not None else None
    target = EventId(row["target_id"])
    if row["state"] == "done":
        return target if row["reason"] == reasons.EDIT else None
    edit = decoded(row["body"])
    author, _ = await _author_of(connection, room_id, target)
    return target if edit is not None and edit.sender == author else None


async def _edits_of(
    connection: Connection, room_id: RoomId, target: EventId
) -> Sequence[tuple[Row, Edit]]:
    """Edits of this event that still have words, in their order, with their rows of the inbox."""
    rows = await _rows_of_edits(connection, room_id, target)
    events = [(row, decoded(row["body"])) for row in rows]
    return [(row, event) for row, event in events if isinstance(event, Edit)]


async def _rows_of_edits(connection: Connection, room_id: RoomId, target: EventId) -> Sequence[Row]:
    return await connection.fetch(
        """
        SELECT seq, state, body FROM inbox
        WHERE target_id = $1 AND body <> '' AND room_id = $2 AND kind = 'edit' ORDER BY seq
        """,
        target,
        room_id,
    )


def _struck(row: Row) -> str:
    """The body of a row (seq, state, body) of the inbox without its words."""
    event = None if row["state"] == "poison" else decoded(row["body"])
    return "" if event is None else EVENTS.encode(wordless(event))


def places(count: int, start: int = 1) -> str:
    """`$1, $2, $3`."""
    return ", ".join(f"${n}" for n in range(start, start + count))
