"""People who want to be forgotten: what they wrote, and what we answered them, in every room."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bridge.domain.effect import EditText, SendText
from bridge.domain.events import Message, Redaction
from bridge.domain.history import Erased
from bridge.domain.ids import EventId, RoomId, UserId, fingerprint
from bridge.domain.lease import Lease
from bridge.store.codec import EFFECTS, EVENTS
from bridge.store.database import Connection, Database, Row
from bridge.store.erasure import decoded, entomb_all, places, strike_all, strike_effects
from bridge.store.fence import check_owned, lock_rooms, owning

_DAY_MS: Final = 86_400_000
_AT_ONCE: Final = 200
_CAUSES: Final = ("", "#n", "#r")
"""A reply's cause is the event; those of a fixed sentence and of a reaction are derived from it."""

_ROOMS: Final = """
SELECT room_id FROM message WHERE sender = $1
UNION SELECT room_id FROM inbox WHERE body <> '' AND body LIKE $2 ESCAPE '!'
"""

_WRITTEN: Final = """
SELECT event_id, room_id, text FROM message
WHERE sender = $1 AND event_id <> $2 AND NOT EXISTS (
    SELECT 1 FROM inbox WHERE inbox.event_id = message.event_id AND inbox.seq > $3)
"""

_RECORD: Final = """
INSERT INTO erasure (event_id, messages, replies, rooms, erased_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (event_id) DO UPDATE SET
    messages = erasure.messages + excluded.messages,
    replies = erasure.replies + excluded.replies,
    rooms = CASE WHEN excluded.rooms > erasure.rooms THEN excluded.rooms ELSE erasure.rooms END
RETURNING messages, replies, rooms
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trace:
    """What there is of a person. `written`: room by event, all of it; `worded`: what still has
    words; `waiting`: rows of the inbox."""

    written: Mapping[EventId, RoomId]
    worded: Mapping[EventId, RoomId]
    waiting: Sequence[Row]


class People:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def forget(self, lease: Lease, person: UserId, command: EventId) -> Erased:
        """Erase what a person wrote before this command, and our answers to it, in all rooms.

        May be done early and again: the counts are those of all times together. A reply to them
        that is under way becomes pointless, as if its question had been redacted. Raises LeaseLost.
        """
        async with self._database.transaction() as connection:
            await self._lock(connection, lease, person)
            trace = await _trace(connection, person, command)
            answered = await _erase_answers(connection, trace.written)
            rooms = {*trace.written.values(), *answered.values()}
            await connection.execute_many(
                "DELETE FROM summary WHERE room_id = $1", [(room_id,) for room_id in rooms]
            )
            await connection.execute_many(
                "UPDATE tool_call SET args = '', said = '', result = '' WHERE room_id = $1",
                [(room_id,) for room_id in rooms],
            )
            in_hand = await _redact_in_hand(connection, person, command, trace.waiting)
            await _erase_words(connection, trace, in_hand)
            # The command itself is still to be answered.
            await connection.execute("UPDATE message SET text = '' WHERE event_id = $1", command)
            now = await connection.now()
            # What was asked for counts against a budget, without a name.
            await connection.execute(
                "UPDATE turn SET asker = $2 WHERE asker = $1", person, fingerprint(person)
            )
            # Those of today count against a limit.
            await connection.execute(
                "DELETE FROM invite WHERE inviter = $1 AND accepted_at < $2", person, now - _DAY_MS
            )
            row = await connection.fetchrow(
                _RECORD,
                command,
                len(trace.worded),
                len(answered),
                len({*trace.worded.values(), *answered.values()}),
                now,
            )
        assert row is not None
        return Erased(messages=row["messages"], replies=row["replies"], rooms=row["rooms"])

    async def opted_out(self, people: Collection[UserId]) -> frozenset[UserId]:
        """Those of them whose words no model is shown."""
        if not people:
            return frozenset()
        async with self._database.reading() as connection:
            rows = await connection.fetch(
                f"SELECT user_id FROM opted_out WHERE user_id IN ({places(len(people))})",
                *people,
            )
        return frozenset(UserId(row["user_id"]) for row in rows)

    async def opt(self, lease: Lease, person: UserId, *, out: bool) -> None:
        """From now on leave a person's words out, or show them again. Raises LeaseLost."""
        async with owning(self._database, lease) as connection:
            await connection.execute("DELETE FROM opted_out WHERE user_id = $1", person)
            if out:
                await connection.execute(
                    "INSERT INTO opted_out (user_id, since_at) VALUES ($1, $2)",
                    person,
                    await connection.now(),
                )

    async def is_bot(self, person: UserId, since: int) -> bool | None:
        """What the profile said when it was looked at, if that was since then (unix ms)."""
        async with self._database.reading() as connection:
            found = await connection.fetchval(
                "SELECT is_bot FROM profile WHERE user_id = $1 AND looked_at >= $2", person, since
            )
        return None if found is None else bool(found)

    async def note_profile(self, person: UserId, *, is_bot: bool) -> None:
        """The profile was looked at."""
        async with self._database.transaction() as connection:
            await connection.execute(
                """
                INSERT INTO profile (user_id, is_bot, looked_at) VALUES ($1, $2, $3)
                ON CONFLICT (user_id) DO UPDATE SET is_bot = $2, looked_at = $3
                """,
                person,
                is_bot,
                await connection.now(),
            )

    async def prune(self, before: int) -> int:
        """Delete what only counts, from before (unix ms); returns rows deleted."""
        async with self._database.transaction() as connection:
            deleted = await connection.execute("DELETE FROM erasure WHERE erased_at < $1", before)
            return deleted + await connection.execute(
                "DELETE FROM invite WHERE accepted_at < $1", before
            )

    async def _lock(self, connection: Connection, lease: Lease, person: UserId) -> None:
        rows = await connection.fetch(_ROOMS, person, _mentioning(person))
        rooms = {row["room_id"] for row in rows} | {lease.room_id}
        await lock_rooms(self._database, connection, rooms)
        await check_owned(self._database, connection, lease)


async def _trace(connection: Connection, person: UserId, command: EventId) -> _Trace:
    """All but the command, and commands before it that were carried out and wait for an answer."""
    until: int = await connection.fetchval("SELECT seq FROM inbox WHERE event_id = $1", command)
    candidates = await connection.fetch(
        """
        SELECT seq, event_id, room_id, state, body FROM inbox
        WHERE body <> '' AND body LIKE $1 ESCAPE '!' AND seq < $2
            AND NOT EXISTS (SELECT 1 FROM erasure WHERE erasure.event_id = inbox.event_id)
        ORDER BY seq
        """,
        _mentioning(person),
        until,
    )
    waiting = [row for row in candidates if _is_by(person, row)]
    rows = await connection.fetch(_WRITTEN, person, command, until)
    written = {EventId(row["event_id"]): RoomId(row["room_id"]) for row in rows}
    worded = {EventId(row["event_id"]): RoomId(row["room_id"]) for row in rows if row["text"]}
    for row in waiting:
        event = decoded(row["body"])
        if isinstance(event, Message):
            written[event.event_id] = event.room_id
            if event.text:
                worded[event.event_id] = event.room_id
    return _Trace(written=written, worded=worded, waiting=waiting)


async def _erase_answers(
    connection: Connection, causes: Mapping[EventId, RoomId]
) -> dict[str, RoomId]:
    """Erase what we said to these events; returns the replies that had words, and their rooms."""
    answered: dict[str, RoomId] = {}
    for chunk in _chunks([f"{cause}{suffix}" for cause in causes for suffix in _CAUSES]):
        rows = await connection.fetch(
            f"""
            SELECT seq, turn_id, room_id, event_id, state, body FROM outbox
            WHERE turn_id IN (SELECT turn_id FROM turn WHERE cause_id IN ({places(len(chunk))}))
            """,
            *chunk,
        )
        answered |= {row["turn_id"]: row["room_id"] for row in rows if _is_reply(row)}
        await strike_effects(connection, rows)
        await connection.execute_many(
            "UPDATE outbox SET state = 'abandoned', problem = 'forgotten' WHERE seq = $1",
            [(row["seq"],) for row in rows if row["state"] == "planned"],
        )
        # Whose words they were stays known: the message still stands in the room, and people reply.
        now = await connection.now()
        await connection.execute_many(
            """
            UPDATE message SET text = '', sender_name = '', redacted_at = $2
            WHERE event_id = $1 AND is_ours = 1 AND redacted_at IS NULL
            """,
            [(row["event_id"], now) for row in rows if row["event_id"]],
        )
    return answered


async def _erase_words(connection: Connection, trace: _Trace, in_hand: set[EventId]) -> None:
    await strike_all(connection, trace.waiting)
    await entomb_all(connection, trace.written)
    await connection.execute_many(
        "UPDATE message SET sender = '', reply_to = NULL, thread_root = NULL WHERE event_id = $1",
        [(event_id,) for event_id in trace.written if event_id not in in_hand],
    )


async def _redact_in_hand(
    connection: Connection, person: UserId, command: EventId, waiting: Sequence[Row]
) -> set[EventId]:
    """Make whoever works on a message of theirs see at once that it has become pointless.

    It can only be the first event that its room has not handled; returns these.
    """
    own = {row["event_id"] for row in waiting}
    found: set[EventId] = set()
    for room_id in sorted({row["room_id"] for row in waiting}):
        first: str | None = await connection.fetchval(
            """
            SELECT event_id FROM inbox WHERE room_id = $1 AND state = 'new' ORDER BY seq LIMIT 1
            """,
            room_id,
        )
        if first is not None and first in own:
            target = EventId(first)
            found.add(target)
            await _deliver_redaction(connection, RoomId(room_id), person, command, target)
    return found


async def _deliver_redaction(
    connection: Connection, room_id: RoomId, person: UserId, command: EventId, target: EventId
) -> None:
    now = await connection.now()
    redaction = Redaction(
        event_id=EventId(f"{command}#{target}"),
        room_id=room_id,
        sender=person,
        sent_at=now,
        received_at=now,
        target=target,
    )
    is_news = await connection.execute(
        """
        INSERT INTO inbox (event_id, room_id, kind, body, sent_at, received_at, target_id)
        VALUES ($1, $2, $3, $4, $5, $5, $6) ON CONFLICT (event_id) DO NOTHING
        """,
        redaction.event_id,
        room_id,
        redaction.kind,
        EVENTS.encode(redaction),
        now,
        target,
    )
    if is_news:
        await connection.execute(
            """
            UPDATE mailbox SET arrivals = arrivals + 1,
                wake_at = CASE WHEN wake_at IS NULL THEN $2 ELSE wake_at END
            WHERE room_id = $1
            """,
            room_id,
            now,
        )


def _is_by(person: UserId, row: Row) -> bool:
    """What cannot be read and mentions them is taken for theirs."""
    event = decoded(row["body"])
    return event is None or event.sender == person


def _is_reply(row: Row) -> bool:
    effect = EFFECTS.decode(row["body"])
    said = effect.new if isinstance(effect, EditText) else effect
    return isinstance(said, SendText) and said.is_generated and bool(said.text)


def _mentioning(person: UserId) -> str:
    """A pattern of LIKE: JSON that holds the user id as a text."""
    quoted = json.dumps(person, ensure_ascii=False)
    return "%" + "".join(f"!{c}" if c in "!%_" else c for c in quoted) + "%"


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]
