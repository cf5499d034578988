"""Unread events of rooms, and who may handle them: one mailbox row a room, leased to a worker.

Rooms name their owner; who that is, and whether it lives, is in `store.workers`. A room's `epoch`
grows with every new owner and fences the writes of older ones.

Lock order: mailbox rows sorted by room id, then anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from bridge import log, metrics
from bridge.domain.events import Delivery, Intake
from bridge.domain.ids import EventId, RoomId, WorkerId
from bridge.domain.lease import Arrival, Lease
from bridge.domain.room import Room
from bridge.errors import TransactionMissing
from bridge.store.arriving import arrive, sort, store_events, store_malformed, take_echo
from bridge.store.codec import EVENTS, Uncodable
from bridge.store.database import Connection, Database
from bridge.store.erasure import at_the_door
from bridge.store.fence import check_owned, owning
from bridge.store.rooms import write_room

# A transaction whose number follows the last one, or that begins anew, as Synapse does on SQLite.
_FOLLOW: Final = """
INSERT INTO intake (appservice_id, last_txn) VALUES ($1, $2)
ON CONFLICT (appservice_id) DO UPDATE SET last_txn = excluded.last_txn
WHERE excluded.last_txn <= intake.last_txn + 1 OR CAST($3 AS BIGINT) = 1
RETURNING last_txn
"""

_CLAIM: Final = """
WITH due AS (
    SELECT room_id FROM mailbox
    WHERE wake_at <= $1 AND owner IS NULL
      AND EXISTS (SELECT 1 FROM worker WHERE worker_id = $2 AND lease_until_at >= $1)
    ORDER BY wake_at, room_id LIMIT $3 {for_update_skip_locked})
UPDATE mailbox SET owner = $2, epoch = epoch + 1
WHERE room_id IN (SELECT room_id FROM due)
RETURNING room_id, epoch, arrivals, wake_at, deaths, doubts
"""

# `arrivals` is compared inside the row: a look at the inbox alone could use an older snapshot and
# sleep over an event that has just come.
_RELEASE: Final = """
UPDATE mailbox SET owner = NULL, wake_at = CASE
    WHEN arrivals <> $4 THEN CAST($5 AS BIGINT)
    WHEN CAST($6 AS BIGINT) IS NOT NULL THEN CAST($5 AS BIGINT) + CAST($6 AS BIGINT)
    WHEN EXISTS (SELECT 1 FROM inbox WHERE inbox.room_id = $1 AND inbox.state = 'new')
        THEN CAST($5 AS BIGINT)
    ELSE NULL END
WHERE room_id = $1 AND epoch = $2 AND owner = $3
"""


class Mailbox:
    """`on_delivery` is called after a commit that gave rooms something to do."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._log = log.get("store.mailbox")
        self.on_delivery: Callable[[], None] | None = None

    async def deliver(self, delivery: Delivery) -> int:
        """Store one transaction in one commit; return how many events were new.

        Events seen before (by event id) change nothing. Echoes confirm their outbox rows; a second
        echo of one effect becomes an event, `Repeat`. What a redaction or an edit takes back is
        gone with this commit. Raises TransactionMissing, and stores nothing, where the number of
        the homeserver's transaction leaves one out.
        """
        parts = sort(delivery)
        echoes = sorted(delivery.echoes, key=lambda echo: echo.room_id)
        counts = {room_id: len(bodies) for room_id, bodies in parts.bodies.items()}
        async with self._database.transaction() as connection:
            if delivery.intake is not None:
                await _follow(connection, delivery.intake)
            now = await connection.now()
            await arrive(connection, now, {**{echo.room_id: 0 for echo in echoes}, **counts})
            news = await store_events(
                connection, [pair for _, pairs in sorted(parts.bodies.items()) for pair in pairs]
            )
            confirmed = [echo for echo in echoes if await take_echo(connection, echo, now)]
            await at_the_door(connection, delivery.events)
            await store_malformed(connection, parts.malformed)
            has_news = news > 0 or bool(confirmed)
            if has_news:
                await self._database.notify(connection)
        if self.on_delivery is not None and has_news:
            self.on_delivery()
        return news

    async def claim(self, worker_id: WorkerId, limit: int) -> Sequence[Lease]:
        """Own up to `limit` rooms that are due and that nobody owns, longest due first.

        A worker whose own lease has run out gets none.
        """
        sql = _CLAIM.format(for_update_skip_locked=self._database.for_update_skip_locked)
        async with self._database.transaction() as connection:
            rows = await connection.fetch(sql, await connection.now(), worker_id, limit)
        return [
            Lease(
                room_id=row["room_id"],
                worker_id=worker_id,
                epoch=row["epoch"],
                arrivals=row["arrivals"],
                deaths=row["deaths"],
                doubts=row["doubts"],
            )
            for row in sorted(rows, key=lambda row: (row["wake_at"], row["room_id"]))
        ]

    async def take(
        self, lease: Lease, limit: int = 100, *, after_seq: int = 0
    ) -> Sequence[Arrival]:
        """The room's unhandled events in order, without removing them: those after `after_seq`.

        A row that cannot be read is set aside on the way; raises LeaseLost then.
        """
        async with self._database.reading() as connection:
            rows = await connection.fetch(
                """
                SELECT seq, body, attempts FROM inbox
                WHERE room_id = $1 AND state = 'new' AND seq > $3 ORDER BY seq LIMIT $2
                """,
                lease.room_id,
                limit,
                after_seq,
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
            return await self.take(lease, limit, after_seq=after_seq)
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

    async def finish(self, lease: Lease, seq: int, *, reason: str, room: Room | None) -> int:
        """The event is handled: one commit with the room's new state (None: the old one).

        Returns the room's doubts: above 0, it should look back before it goes on. Raises
        LeaseLost. The event's body is erased: room text lives in the history, which has a retention
        of its own.
        """
        async with self._database.transaction() as connection:
            doubts = await check_owned(self._database, connection, lease)
            await connection.execute(
                """
                UPDATE inbox SET state = 'done', body = '', reason = $3
                WHERE seq = $1 AND room_id = $2 AND state = 'new'
                """,
                seq,
                lease.room_id,
                reason,
            )
            if room is not None:
                await write_room(connection, room)
            await _forget_deaths(connection, lease)
        return doubts

    async def note(self, lease: Lease, event_id: EventId, reason: str) -> None:
        """Something was decided later about an event that had been handled. Raises LeaseLost."""
        async with owning(self._database, lease) as connection:
            await connection.execute(
                "UPDATE inbox SET reason = $3 WHERE event_id = $1 AND room_id = $2",
                event_id,
                lease.room_id,
                reason,
            )

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
            await _forget_deaths(connection, lease)

    async def release(self, lease: Lease, *, retry_in_ms: int | None) -> None:
        """Give the room back; it is due again in `retry_in_ms`, or at once if events came.

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
                retry_in_ms,
            )

    async def next_wake_in_ms(self) -> int | None:
        """How long until the next unowned room is due (0: it is), or None."""
        async with self._database.reading() as connection:
            wake_at: int | None = await connection.fetchval(
                """
                SELECT wake_at FROM mailbox WHERE owner IS NULL AND wake_at IS NOT NULL
                ORDER BY wake_at LIMIT 1
                """
            )
            return None if wake_at is None else max(0, wake_at - await connection.now())

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
        return deleted

    async def _set_aside_unreadable(self, lease: Lease, seq: int, problem: str) -> None:
        await self.set_aside(lease, seq, problem=problem)
        metrics.EVENTS_POISON.inc()
        self._log.error("event_unreadable", seq=seq, problem=problem)


async def _follow(connection: Connection, intake: Intake) -> None:
    is_taken = await connection.fetchval(
        _FOLLOW, intake.appservice_id, intake.txn, int(intake.is_insistent)
    )
    if is_taken is None:
        raise TransactionMissing(
            f"The homeserver's transaction {intake.txn} does not follow the one before."
        )


async def _forget_deaths(connection: Connection, lease: Lease) -> None:
    if lease.deaths:
        await connection.execute(
            "UPDATE mailbox SET deaths = 0 WHERE room_id = $1 AND deaths > 0", lease.room_id
        )
