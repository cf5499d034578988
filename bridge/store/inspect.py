"""Counts of what the database holds, for `doctor` and the status page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bridge.store.database import Database

_COUNTS: Final = """
SELECT
    (SELECT COUNT(DISTINCT member.room_id) FROM member
     JOIN puppet ON puppet.user_id = member.user_id
     WHERE member.membership = 'join') AS rooms,
    (SELECT COUNT(*) FROM puppet WHERE state = 'registered') AS puppets,
    (SELECT COUNT(*) FROM inbox WHERE state = 'new') AS events_waiting,
    (SELECT COUNT(*) FROM inbox WHERE state = 'poison') AS events_poison,
    (SELECT COUNT(*) FROM malformed) AS events_malformed,
    (SELECT COUNT(*) FROM turn WHERE state IN ('thinking', 'speaking')) AS turns_open,
    (SELECT COUNT(*) FROM outbox WHERE state = 'planned') AS effects_unsent,
    (SELECT MIN(stored_at) FROM message) AS oldest_text_at,
    (SELECT MAX(version) FROM schema_version) AS schema_version
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """`rooms`: joined by a puppet of ours. `oldest_text_at`: when it came, None without any."""

    rooms: int
    puppets: int
    events_waiting: int
    events_poison: int
    events_malformed: int
    turns_open: int
    effects_unsent: int
    oldest_text_at: int | None
    schema_version: int


async def figures(database: Database) -> Figures:
    """Counts of a migrated database. Raises DatabaseError."""
    async with database.reading() as connection:
        row = await connection.fetchrow(_COUNTS)
    assert row is not None
    return Figures(
        rooms=row["rooms"],
        puppets=row["puppets"],
        events_waiting=row["events_waiting"],
        events_poison=row["events_poison"],
        events_malformed=row["events_malformed"],
        turns_open=row["turns_open"],
        effects_unsent=row["effects_unsent"],
        oldest_text_at=row["oldest_text_at"],
        schema_version=row["schema_version"],
    )
