"""Who works: a row a life of a worker, its lease, and what becomes of the rooms of the dead.

A worker that was killed is known to be dead at once (`store.presence`); one that only stalls is
given up when its lease ends. Either way its rooms are freed under a new epoch, so that whatever it
still writes is refused.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import Final

from bridge.domain.ids import WorkerId
from bridge.store.database import Connection, Database
from bridge.store.presence import Presence

HASTE_UNTIL_DEATHS: Final = 10
"""So many owners of a room may die in a row before it has to wait. Chance kills often; a room whose
event kills the process must not keep it from serving the others."""

_BEGIN: Final = """
INSERT INTO worker (worker_id, lease_until_at, started_at, lock_key) VALUES ($1, $2, $3, $4)
"""

_BEAT: Final = """
UPDATE worker SET lease_until_at = $2 WHERE worker_id = $1 AND lease_until_at >= $3
"""

_BURY: Final = """
DELETE FROM worker WHERE worker_id <> $1 AND (lease_until_at < $2 OR {is_dead})
"""

_FREE: Final = """
WITH orphan AS (
    SELECT room_id FROM mailbox
    WHERE owner IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM worker WHERE worker.worker_id = mailbox.owner)
    ORDER BY room_id {for_update})
UPDATE mailbox SET owner = NULL, epoch = epoch + 1, deaths = deaths + 1,
    wake_at = CASE
        WHEN deaths + 1 > $2 THEN $1 + 1000 * (deaths + 1 - $2) * (deaths + 1 - $2)
        WHEN wake_at < $1 THEN wake_at
        ELSE $1 END
WHERE room_id IN (SELECT room_id FROM orphan)
"""

_HAND_OVER: Final = """
WITH mine AS (SELECT room_id FROM mailbox WHERE owner = $1 ORDER BY room_id {for_update})
UPDATE mailbox SET owner = NULL, epoch = epoch + 1 WHERE room_id IN (SELECT room_id FROM mine)
"""


class Workers:
    """Satisfies `bridge.ports.Workers`."""

    def __init__(self, database: Database, presence: Presence) -> None:
        self._database = database
        self._presence = presence

    @property
    def lost(self) -> asyncio.Event:
        """Set when the proof that this life lives has gone: others take its rooms now."""
        return self._presence.lost

    async def begin(self, ttl_ms: int) -> WorkerId:
        """A new life, with an id that nobody had before. Rooms of the dead are freed at once."""
        lock_key = await self._presence.begin()
        worker_id = WorkerId(uuid.uuid4().hex)
        async with self._database.transaction() as connection:
            now = await connection.now()
            await connection.execute(_BEGIN, worker_id, now + ttl_ms, now, lock_key)
            is_dead = self._has_died if lock_key is not None else "1 = 1"
            await self._bury(connection, worker_id, is_dead)
            await self._free(connection)
        return worker_id

    async def beat(self, worker_id: WorkerId, ttl_ms: int) -> bool:
        """Renew the worker's lease. False: it ran out or was taken, and this life is over."""
        async with self._database.transaction() as connection:
            now = await connection.now()
            return await connection.execute(_BEAT, worker_id, now + ttl_ms, now) > 0

    async def free_dead(self, worker_id: WorkerId) -> int:
        """Free the rooms of workers that are dead or overslept; returns how many workers."""
        async with self._database.transaction() as connection:
            buried = await self._bury(connection, worker_id, self._has_died)
            if buried:
                await self._free(connection)
        return buried

    async def end(self, worker_id: WorkerId) -> None:
        """Give all rooms of this worker back, to be claimed at once by others. Idempotent."""
        async with self._database.transaction() as connection:
            sql = _HAND_OVER.format(for_update=self._database.for_update)
            await connection.execute(sql, worker_id)
            await connection.execute("DELETE FROM worker WHERE worker_id = $1", worker_id)
            await self._database.notify(connection)
        await self._presence.end()

    async def count_peers(self, worker_id: WorkerId) -> int:
        """Other workers that live. On SQLite there are none: the file's lock sees to that."""
        if self._database.dialect == "sqlite":
            return 0
        async with self._database.reading() as connection:
            return await connection.fetchval(
                f"""
                SELECT COUNT(*) FROM worker
                WHERE worker_id <> $1 AND lease_until_at >= $2 AND NOT {self._has_died}
                """,
                worker_id,
                await connection.now(),
            )

    @property
    def _has_died(self) -> str:
        if self._database.dialect == "postgres":
            return "(lock_key IS NOT NULL AND pg_try_advisory_xact_lock(lock_key))"
        return "1 = 0"

    async def _bury(self, connection: Connection, worker_id: WorkerId, is_dead: str) -> int:
        return await connection.execute(
            _BURY.format(is_dead=is_dead), worker_id, await connection.now()
        )

    async def _free(self, connection: Connection) -> None:
        sql = _FREE.format(for_update=self._database.for_update)
        await connection.execute(sql, await connection.now(), HASTE_UNTIL_DEATHS)
        await self._database.notify(connection)
