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
    (SELECT COUNT(*) FROM message WHERE text <> '')
        + (SELECT COUNT(*) FROM inbox WHERE body <> '') AS texts,
    (SELECT stored_at FROM message WHERE text <> '' ORDER BY stored_at LIMIT 1) AS oldest_said_at,
    (SELECT MIN(received_at) FROM inbox WHERE body <> '') AS oldest_waiting_at,
    (SELECT MAX(version) FROM schema_version) AS schema_version
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """`rooms`: joined by a puppet of ours. `texts`: messages that are kept, and events that wait.
    `oldest_text_at`: when the oldest of them came, None without any."""

    rooms: int
    puppets: int
    events_waiting: int
    events_poison: int
    events_malformed: int
    turns_open: int
    effects_unsent: int
    texts: int
    size_bytes: int
    oldest_text_at: int | None
    schema_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What somebody took: replies and tokens since some time."""

    who: str
    replies: int
    tokens: int


_SHARES: Final = """
SELECT {column} AS who, COUNT(*) AS replies, SUM(prompt_tokens + reply_tokens) AS tokens
FROM turn WHERE started_at > $1 AND asker <> '' GROUP BY {column}
ORDER BY SUM(prompt_tokens + reply_tokens) DESC, {column} LIMIT $2
"""


async def most_used(database: Database, since: int, limit: int) -> dict[str, list[Share]]:
    """The persons, rooms and servers that took most tokens since then (unix ms), most first.

    Raises DatabaseError.
    """
    found: dict[str, list[Share]] = {}
    async with database.reading() as connection:
        for name, column in (("person", "asker"), ("room", "room_id"), ("server", "server")):
            rows = await connection.fetch(_SHARES.format(column=column), since, limit)
            found[name] = [
                Share(who=row["who"], replies=row["replies"], tokens=int(row["tokens"]))
                for row in rows
            ]
    return found


async def figures(database: Database) -> Figures:
    """Counts of a migrated database. Raises DatabaseError."""
    async with database.reading() as connection:
        row = await connection.fetchrow(_COUNTS)
        size_bytes = await database.size_bytes(connection)
    assert row is not None
    ages = (row["oldest_said_at"], row["oldest_waiting_at"])
    return Figures(
        rooms=row["rooms"],
        puppets=row["puppets"],
        events_waiting=row["events_waiting"],
        events_poison=row["events_poison"],
        events_malformed=row["events_malformed"],
        turns_open=row["turns_open"],
        effects_unsent=row["effects_unsent"],
        texts=row["texts"],
        size_bytes=size_bytes,
        oldest_text_at=min((at for at in ages if at is not None), default=None),
        schema_version=row["schema_version"],
    )
