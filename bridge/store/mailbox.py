"""Unread events of rooms, and who may handle them: one mailbox row a room, leased to a worker.

A worker renews one row of its own; rooms name their owner. A room's `epoch` grows with every new
owner and fences the writes of older ones. `wake_at` stays due while a room is owned, so that the
rooms of a dead worker can be claimed the moment its lease ends.

Lock order: mailbox rows sorted by room id, then anything else.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from bridge import log, metrics
from bridge.domain.events import Delivery, Malformed, RoomEvent
from bridge.domain.ids import EventId, RoomId, WorkerId
from bridge.domain.lease import Arrival, Lease
from bridge.domain.room import Room
from bridge.store.codec import EVENTS, Uncodable
from bridge.store.database import Connection, Database
from bridge.store.fence import owning
from bridge.store.outbox import confirm
from bridge.store.rooms import write_room

_DEAD_WORKERS_KEPT_MS: Final = 86_400_000

_LOCK_ROOM: Final = """
INSERT INTO mailbox (room_id) VALUES ($1)
ON CONFLICT (room_id) DO UPDATE SET arrivals = mailbox.arrivals
"""

_ARRIVE: Final = """
UPDATE mailbox SET arrivals = arrivals + $2,
    wake_at = CASE WHEN wake_at < $3 THEN wake_at ELSE $3 END
WHERE room_id = $1
"""

_STORE_EVENT: Final = """
INSERT INTO inbox (event_id, room_id, kind, body, sent_at, received_at)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (event_id) DO NOTHING
"""

_BEAT: Final = """
INSERT INTO worker (worker_id, lease_until_at, started_at) VALUES ($1, $2, $3)
ON CONFLICT (worker_id) DO UPDATE SET lease_until_at = excluded.lease_until_at
WHERE worker.lease_until_at >= $3
RETURNING worker_id
"""

_UNOWNED: Final = """
(owner IS NULL OR NOT EXISTS (
    SELECT 1 FROM worker WHERE worker.worker_id = mailbox.owner AND worker.lease_until_at >= $1))
"""

_CLAIM: Final = """
WITH due AS (
    SELECT room_id FROM mailbox
    WHERE wake_at <= $1 AND {unowned}
      AND EXISTS (SELECT 1 FROM worker WHERE worker_id = $2 AND lease_until_at >= $1)
    ORDER BY wake_at, room_id LIMIT $3 {for_update_skip_locked})
UPDATE mailbox SET owner = $2, epoch = epoch + 1
WHERE room_id IN (SELECT room_id FROM due)
RETURNING room_id, epoch, arrivals, wake_at
"""

# `arrivals` is compared inside the row: a look at the inbox alone could use an older snapshot and
# sleep over an event that has just come.
_RELEASE: Final = """
UPDATE mailbox SET owner = NULL, wake_at = CASE
    WHEN arrivals <> $4 THEN CAST($5 AS BIGINT)
    WHEN CAST($6 AS BIGINT) IS NULL AND EXISTS (
        SELECT 1 FROM inbox WHERE inbox.room_id = $1 AND inbox.state = 'new')
        THEN CAST($5 AS BIGINT)
    ELSE CAST($6 AS BIGINT) END
WHERE room_id = $1 AND epoch = $2 AND owner = $3
"""

_RETIRE: Final = """
WITH mine AS (SELECT room_id FROM mailbox WHERE owner = $1 ORDER BY room_id {for_update})
UPDATE mailbox SET owner = NULL, epoch = epoch + 1 WHERE room_id IN (SELECT room_id FROM mine)
"""


@dataclass(frozen=True, slots=True)
class _Sorted:
    """A delivery with its events as JSON; what has no JSON form is malformed."""

    bodies: dict[RoomId, list[tuple[RoomEvent, str]]]
    malformed: list[Malformed]


class Mailbox:
    """`on_delivery` is called after a commit that gave rooms something to do."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._log = log.get("store.mailbox")
        self.on_delivery: Callable[[], None] | None = None

    async def deliver(self, delivery: Delivery) -> int:
        """Store one transaction in one commit; return how many events were new.

        Events seen before (by event id) change nothing. Echoes confirm their outbox rows.
        """
        parts = _sorted(delivery)
        echoes = sorted(delivery.echoes, key=lambda echo: echo.room_id)
        arrivals: Counter[RoomId] = Counter()
        news = 0
        async with self._database.transaction() as connection:
            now = await connection.now()
            for room_id in sorted({*parts.bodies, *(echo.room_id for echo in echoes)}):
                await connection.execute(_LOCK_ROOM, room_id)
            for room_id, bodies in sorted(parts.bodies.items()):
                stored = await _store_events(connection, bodies)
                arrivals[room_id] += stored
                news += stored
            for echo in echoes:
                arrivals[echo.room_id] += await confirm(connection, echo)
            for room_id, count in sorted(arrivals.items()):
                if count:
                    await connection.execute(_ARRIVE, room_id, count, now)
            await _store_malformed(connection, parts.malformed)
        if self.on_delivery is not None and arrivals.total():
            self.on_delivery()
        return news

    async def beat(self, worker_id: WorkerId, ttl_ms: int) -> bool:
        """Renew the worker's lease. False: it ran out before, and the process must stop."""
        async with self._database.transaction() as connection:
            now = await connection.now()
            return await connection.fetchval(_BEAT, worker_id, now + ttl_ms, now) is not None

    async def retire_worker(self, worker_id: WorkerId) -> None:
        """Give all rooms of this worker back at once (clean shutdown, or its own dead life)."""
        async with self._database.transaction() as connection:
            await connection.execute(
                _RETIRE.format(for_update=self._database.for_update), worker_id
            )
            await connection.execute("DELETE FROM worker WHERE worker_id = $1", worker_id)

    async def claim(self, worker_id: WorkerId, limit: int) -> Sequence[Lease]:
        """Own up to `limit` rooms that are due and that nobody alive owns, longest due first.

        A worker whose own lease has run out gets none.
        """
        sql = _CLAIM.format(
            unowned=_UNOWNED, for_update_skip_locked=self._database.for_update_skip_locked
        )
        async with self._database.transaction() as connection:
            rows = await connection.fetch(sql, await connection.now(), worker_id, limit)
        return [
            Lease(
                room_id=row["room_id"],
                worker_id=worker_id,
                epoch=row["epoch"],
                arrivals=row["arrivals"],
            )
            for row in sorted(rows, key=lambda row: (row["wake_at"], row["room_id"]))
        ]

    async def take(self, lease: Lease, limit: int = 100) -> Sequence[Arrival]:
        """The room's unhandled events in order, without removing them.

        A row that cannot be read is set aside on the way; raises LeaseLost then.
        """
        async with self._database.reading() as connection:
            rows = await connection.fetch(
                """
                SELECT seq, body, attempts FROM inbox
                WHERE room_id = $1 AND state = 'new' ORDER BY seq LIMIT $2
                """,
                lease.room_id,
                limit,
            )
        arrivals: list[Arrival] = []
        has_unreadable = False
        for row in rows:
            try:
                event = EVENTS.decode(row["body"])
            except Uncodable as error:
                has_unreadable = True
                await self._set_aside_unreadable(lease, row["seq"], str(error))
            else:
                arrivals.append(Arrival(seq=row["seq"], event=event, attempts=row["attempts"]))
        if has_unreadable and not arrivals:
            return await self.take(lease, limit)
        return arrivals

    async def count_crash(self, lease: Lease, seq: int) -> int:
        """Handling the event crashed once more; returns how often. Raises LeaseLost."""
        async with owning(self._database, lease) as connection:
            attempts = await connection.fetchval(
                """
                UPDATE inbox SET attempts = attempts + 1 WHERE seq = $1 AND room_id = $2
                RETURNING attempts
                """,
                seq,
                lease.room_id,
            )
        return attempts or 0

    async def finish(self, lease: Lease, seq: int, *, reason: str, room: Room) -> None:
        """The event is handled: one commit with the room's new state. Raises LeaseLost.

        Its body is erased: room text lives in the history, which has a retention of its own.
        """
        async with owning(self._database, lease) as connection:
            await connection.execute(
                """
                UPDATE inbox SET state = 'done', body = '', reason = $3
                WHERE seq = $1 AND room_id = $2 AND state = 'new'
                """,
                seq,
                lease.room_id,
                reason,
            )
            await write_room(connection, room)

    async def set_aside(self, lease: Lease, seq: int, *, problem: str) -> None:
        """The event crashes us: keep it as poison and go on. Raises LeaseLost."""
        async with owning(self._database, lease) as connection:
            await connection.execute(
                """
                UPDATE inbox SET state = 'poison', problem = $3
                WHERE seq = $1 AND room_id = $2 AND state = 'new'
                """,
                seq,
                lease.room_id,
                problem,
            )

    async def release(self, lease: Lease, *, next_wake_at: int | None) -> None:
        """Give the room back; it is due again at `next_wake_at`, or at once if events came.

        A lease that was lost meanwhile changes nothing.
        """
        async with self._database.transaction() as connection:
            await connection.execute(
                _RELEASE,
                lease.room_id,
                lease.epoch,
                lease.worker_id,
                lease.arrivals,
                await connection.now(),
                next_wake_at,
            )

    async def next_wake(self) -> int | None:
        """When the next unowned room is due (unix ms), or None."""
        async with self._database.reading() as connection:
            return await connection.fetchval(
                f"SELECT MIN(wake_at) FROM mailbox WHERE wake_at IS NOT NULL AND {_UNOWNED}",
                await connection.now(),
            )

    async def reasons(self, room_id: RoomId) -> dict[EventId, str]:
        """Why the room's handled events were answered, or were not."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(
                "SELECT event_id, reason FROM inbox WHERE room_id = $1 AND state = 'done'", room_id
            )
        return {EventId(row["event_id"]): row["reason"] for row in rows}

    async def prune(self, before: int) -> int:
        """Delete what was handled or set aside before (unix ms); returns rows deleted.

        Until then a repeated event is recognised.
        """
        async with self._database.transaction() as connection:
            deleted = await connection.execute(
                "DELETE FROM inbox WHERE received_at < $1 AND state <> 'new'", before
            )
            deleted += await connection.execute(
                "DELETE FROM malformed WHERE received_at < $1", before
            )
            await connection.execute(
                "DELETE FROM worker WHERE lease_until_at < $1",
                await connection.now() - _DEAD_WORKERS_KEPT_MS,
            )
        return deleted

    async def _set_aside_unreadable(self, lease: Lease, seq: int, problem: str) -> None:
        await self.set_aside(lease, seq, problem=problem)
        metrics.EVENTS_POISON.inc()
        self._log.error("event_unreadable", seq=seq, problem=problem)


def _sorted(delivery: Delivery) -> _Sorted:
    bodies: defaultdict[RoomId, list[tuple[RoomEvent, str]]] = defaultdict(list)
    malformed = list(delivery.malformed)
    for event in delivery.events:
        try:
            bodies[event.room_id].append((event, EVENTS.encode(event)))
        except Uncodable as error:
            malformed.append(
                Malformed(problem=str(error), raw=event.event_id, received_at=event.received_at)
            )
    return _Sorted(bodies, malformed)


async def _store_events(connection: Connection, bodies: Iterable[tuple[RoomEvent, str]]) -> int:
    stored = 0
    for event, body in bodies:
        stored += await connection.execute(
            _STORE_EVENT,
            event.event_id,
            event.room_id,
            event.kind,
            body,
            event.sent_at,
            event.received_at,
        )
    return stored


async def _store_malformed(connection: Connection, malformed: Iterable[Malformed]) -> None:
    await connection.execute_many(
        "INSERT INTO malformed (problem, raw, received_at) VALUES ($1, $2, $3)",
        [(each.problem, each.raw, each.received_at) for each in malformed],
    )
