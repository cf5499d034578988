"""Rooms whose timeline the homeserver should be asked for, and what comes of it.

`mailbox.doubts` counts the reasons to look back; it is 0 again when a look began after the last.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final

from bridge.domain.events import Delivery, Echo, RoomEvent
from bridge.domain.ids import EventId
from bridge.domain.lease import Lease
from bridge.policy.missed import missed
from bridge.store.arriving import sort, store_events, take_echo
from bridge.store.database import Connection, Database, Row
from bridge.store.erasure import at_the_door
from bridge.store.fence import lock_rooms, owning
from bridge.store.workers import HASTE_UNTIL_DEATHS

ROOMS_AT_MOST: Final = 500
"""The most recently active ones: each costs the homeserver a request."""
_RECENT_EVENTS: Final = 20_000
_RECENT_MS: Final = 86_400_000

# What already waits for a look is not woken again: it is tried again as often as the room is.
_DOUBT: Final = """
UPDATE mailbox SET doubts = doubts + 1,
    arrivals = arrivals + CASE WHEN doubts = 0 THEN 1 ELSE 0 END,
    wake_at = CASE
        WHEN doubts > 0 OR wake_at < $2 OR deaths > {haste_until_deaths} THEN wake_at
        ELSE $2 END
WHERE room_id = $1
"""


class Lookback:
    """`on_doubt` is called after a commit that gave rooms something to do."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.on_doubt: Callable[[], None] | None = None

    async def doubt(self) -> int:
        """Let the recently active rooms look back; returns how many."""
        sql = _DOUBT.format(haste_until_deaths=HASTE_UNTIL_DEATHS)
        async with self._database.transaction() as connection:
            now = await connection.now()
            rows = await connection.fetch(
                """
                SELECT room_id FROM (
                    SELECT room_id, received_at FROM inbox WHERE received_at >= $1
                    ORDER BY received_at DESC LIMIT $2) AS recent
                GROUP BY room_id ORDER BY MAX(received_at) DESC LIMIT $3
                """,
                now - _RECENT_MS,
                _RECENT_EVENTS,
                ROOMS_AT_MOST,
            )
            rooms = sorted(row["room_id"] for row in rows)
            await lock_rooms(self._database, connection, rooms)
            await connection.execute_many(sql, [(room_id, now) for room_id in rooms])
            if rooms:
                await self._database.notify(connection)
        if rooms and self.on_doubt is not None:
            self.on_doubt()
        return len(rooms)

    async def doubts(self, lease: Lease) -> int:
        """Above 0: the room should look back before it goes on."""
        async with self._database.reading() as connection:
            found = await connection.fetchval(
                "SELECT doubts FROM mailbox WHERE room_id = $1", lease.room_id
            )
        return found or 0

    async def waiting(self, lease: Lease) -> int:
        """How many events of the room are not handled yet."""
        async with self._database.reading() as connection:
            found = await connection.fetchval(
                "SELECT COUNT(*) FROM inbox WHERE room_id = $1 AND state = 'new'", lease.room_id
            )
        return found or 0

    async def catch_up(
        self, lease: Lease, seen: Delivery, *, answered: Collection[EventId], doubts: int
    ) -> Sequence[EventId]:
        """Put what never reached us where it belongs among what waits; returns what that was.

        `seen` is what the homeserver has of the room, the oldest first, asked for after the room
        had so many `doubts`. Its echoes confirm outbox rows. Raises LeaseLost.
        """
        bodies = {event.event_id: body for event, body in sort(seen).bodies.get(lease.room_id, ())}
        events = [event for event in seen.events if event.event_id in bodies]
        async with owning(self._database, lease) as connection:
            now = await connection.now()
            await _take_echoes(connection, seen.echoes, now)
            found = missed(events, await _known(connection, [*bodies]), answered)
            if found:
                places = {event.event_id: place for place, event in enumerate(events)}
                tail = await _step_back(connection, lease, places, places[found[0].event_id])
                pairs = [(event, bodies[event.event_id]) for event in found]
                await _store_in_order(connection, pairs, tail, places)
                await at_the_door(connection, found)
            await connection.execute(
                "UPDATE mailbox SET doubts = 0 WHERE room_id = $1 AND doubts = $2",
                lease.room_id,
                doubts,
            )
        return [event.event_id for event in found]


async def _take_echoes(connection: Connection, echoes: Sequence[Echo], now: int) -> None:
    """Those that did not reach us: of what was not confirmed, and of second copies."""
    rows = await _rows_of(connection, "outbox", "txn_id", [echo.txn_id for echo in echoes])
    planned = {row["txn_id"]: row for row in rows}
    for echo in echoes:
        row = planned.get(echo.txn_id)
        if row is not None and (row["state"], row["event_id"]) != ("confirmed", echo.event_id):
            await take_echo(connection, echo, now)


async def _known(connection: Connection, event_ids: Sequence[EventId]) -> set[EventId]:
    rows = await _rows_of(connection, "inbox", "event_id", event_ids)
    return {row["event_id"] for row in rows}


async def _rows_of(
    connection: Connection, table: str, key: str, values: Sequence[str]
) -> Sequence[Row]:
    if not values:
        return ()
    places = ", ".join(f"${n}" for n in range(1, len(values) + 1))
    return await connection.fetch(f"SELECT * FROM {table} WHERE {key} IN ({places})", *values)


async def _step_back(
    connection: Connection, lease: Lease, places: dict[EventId, int], first: int
) -> list[Row]:
    """Take out of the inbox what waits and belongs behind the place `first` of the timeline."""
    waiting = await connection.fetch(
        """
        SELECT seq, event_id, room_id, kind, body, sent_at, received_at, attempts, target_id
        FROM inbox WHERE room_id = $1 AND state = 'new' ORDER BY seq
        """,
        lease.room_id,
    )
    start = next(
        (n for n, row in enumerate(waiting) if places.get(row["event_id"], -1) > first),
        len(waiting),
    )
    tail = waiting[start:]
    await connection.execute_many(
        "DELETE FROM inbox WHERE seq = $1 AND state = 'new'", [(row["seq"],) for row in tail]
    )
    return tail


async def _store_in_order(
    connection: Connection,
    found: Sequence[tuple[RoomEvent, str]],
    tail: Sequence[Row],
    places: dict[EventId, int],
) -> None:
    """Store these events and those rows anew, in the order of the timeline. What waits and is not
    in it stays behind what it was behind."""
    steps = [(places[event.event_id], (event, body)) for event, body in found]
    place = -1
    rows: list[tuple[int, Row]] = []
    for row in tail:
        place = max(place, places.get(row["event_id"], place))
        rows.append((place, row))
    for _, step in sorted([*steps, *rows], key=lambda pair: pair[0]):
        if isinstance(step, tuple):
            await store_events(connection, [step])
        else:
            await _restore(connection, step)


async def _restore(connection: Connection, row: Row) -> None:
    await connection.execute(
        """
        INSERT INTO inbox
            (event_id, room_id, kind, body, sent_at, received_at, attempts, target_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        row["event_id"],
        row["room_id"],
        row["kind"],
        row["body"],
        row["sent_at"],
        row["received_at"],
        row["attempts"],
        row["target_id"],
    )
