"""Downloads of models that admins began: each belongs to a worker, and outlives it.

One whose worker has gone is claimed by another, which goes on with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bridge.domain.ids import WorkerId
from bridge.domain.lease import Lease
from bridge.domain.model import Pull, PullState
from bridge.store.database import Database, Row
from bridge.store.fence import owning

_FIELDS: Final = """pull_id, server, model, room_id, puppet_id, cause_id, state, done_bytes,
    total_bytes, started_at"""

_BEGIN: Final = """
INSERT INTO pull (pull_id, server, model, room_id, puppet_id, cause_id, state, started_at)
VALUES ($1, $2, $3, $4, $5, $6, 'open', $7) ON CONFLICT DO NOTHING
"""

# The worker's own row proves that it lives; a dead one's is deleted by the others.
_CLAIM: Final = f"""
UPDATE pull SET owner = $1
WHERE state = 'open' AND NOT EXISTS (SELECT 1 FROM worker WHERE worker.worker_id = pull.owner)
    AND EXISTS (SELECT 1 FROM worker WHERE worker.worker_id = $1)
RETURNING {_FIELDS}
"""


class Pulls:
    """Satisfies `bridge.ports.Pulls`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, lease: Lease, pull: Pull) -> Pull:
        """Store it, or return the one that is there: the same, done before a crash, or another one
        of the same model on the same server that is open. Raises LeaseLost."""
        async with owning(self._database, lease) as connection:
            await connection.execute(
                _BEGIN,
                pull.pull_id,
                pull.server,
                pull.model,
                pull.room_id,
                pull.puppet_id,
                pull.cause_id,
                await connection.now(),
            )
            row = await connection.fetchrow(
                f"""
                SELECT {_FIELDS} FROM pull
                WHERE pull_id = $1 OR (server = $2 AND model = $3 AND state = 'open')
                ORDER BY CASE WHEN pull_id = $1 THEN 0 ELSE 1 END LIMIT 1
                """,
                pull.pull_id,
                pull.server,
                pull.model,
            )
        return pull if row is None else _pull(row)

    async def claim(self, worker_id: WorkerId) -> Sequence[Pull]:
        """Own the open pulls that no living worker owns."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(_CLAIM, worker_id)
        return [_pull(row) for row in sorted(rows, key=lambda row: row["started_at"])]

    async def note(self, pull_id: str, *, done_bytes: int, total_bytes: int) -> None:
        """How far it is."""
        async with self._database.transaction() as connection:
            await connection.execute(
                "UPDATE pull SET done_bytes = $2, total_bytes = $3 WHERE pull_id = $1",
                pull_id,
                done_bytes,
                total_bytes,
            )

    async def end(self, pull_id: str, state: PullState) -> None:
        """It is over. Idempotent."""
        async with self._database.transaction() as connection:
            await connection.execute(
                """
                UPDATE pull SET state = $2, ended_at = $3 WHERE pull_id = $1 AND state = 'open'
                """,
                pull_id,
                state,
                await connection.now(),
            )

    async def newest(self, server: str, model: str) -> Pull | None:
        """The last one of this model on this server, whatever came of it."""
        async with self._database.reading() as connection:
            row = await connection.fetchrow(
                f"""
                SELECT {_FIELDS} FROM pull WHERE server = $1 AND model = $2
                ORDER BY started_at DESC, pull_id DESC LIMIT 1
                """,
                server,
                model,
            )
        return None if row is None else _pull(row)

    async def prune(self, before: int) -> int:
        """Delete those that ended before (unix ms); returns how many."""
        async with self._database.transaction() as connection:
            return await connection.execute("DELETE FROM pull WHERE ended_at < $1", before)


def _pull(row: Row) -> Pull:
    return Pull(
        pull_id=row["pull_id"],
        server=row["server"],
        model=row["model"],
        room_id=row["room_id"],
        puppet_id=row["puppet_id"],
        cause_id=row["cause_id"],
        state=row["state"],
        done_bytes=row["done_bytes"],
        total_bytes=row["total_bytes"],
        started_at=row["started_at"],
    )
