"""What the homeserver already knows of our puppets, so that a start changes only what changed."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.domain.ids import PuppetId
from bridge.domain.persona import PuppetRecord
from bridge.store.database import Database, Row

_COLUMNS = "puppet_id, user_id, device_id, display_name, avatar_hash, avatar_mxc, state"


class Puppets:
    """Echoes are believed only of users that are recorded here."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, puppet_id: PuppetId) -> PuppetRecord | None:
        async with self._database.reading() as connection:
            row = await connection.fetchrow(
                f"SELECT {_COLUMNS} FROM puppet WHERE puppet_id = $1", puppet_id
            )
        return _record(row) if row else None

    async def all(self) -> Sequence[PuppetRecord]:
        async with self._database.reading() as connection:
            rows = await connection.fetch(f"SELECT {_COLUMNS} FROM puppet ORDER BY puppet_id")
        return [_record(row) for row in rows]

    async def put(self, record: PuppetRecord) -> None:
        """Store it, over an older record of the same puppet or of the same user."""
        async with self._database.transaction() as connection:
            await connection.execute(
                "DELETE FROM puppet WHERE user_id = $1 AND puppet_id <> $2",
                record.user_id,
                record.puppet_id,
            )
            await connection.execute(
                f"""
                INSERT INTO puppet ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7)
                ON CONFLICT (puppet_id) DO UPDATE SET user_id = excluded.user_id,
                    device_id = excluded.device_id, display_name = excluded.display_name,
                    avatar_hash = excluded.avatar_hash, avatar_mxc = excluded.avatar_mxc,
                    state = excluded.state
                """,
                record.puppet_id,
                record.user_id,
                record.device_id,
                record.display_name,
                record.avatar_hash,
                record.avatar_mxc,
                record.state,
            )


def _record(row: Row) -> PuppetRecord:
    return PuppetRecord(
        puppet_id=row["puppet_id"],
        user_id=row["user_id"],
        device_id=row["device_id"],
        display_name=row["display_name"],
        avatar_hash=row["avatar_hash"],
        avatar_mxc=row["avatar_mxc"],
        state=row["state"],
    )
