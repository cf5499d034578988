"""What must always hold of the tables. What breaks it is a mistake of ours, or a stuck bridge.

No room text is read or given out: an example is the id of a room, a turn or an effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from bridge.store.database import Database

Name = Literal[
    "unhandled", "unsettled_turn", "unconfirmed", "stuck_effect", "stuck_turn", "too_old", "orphan",
    "asleep",
]  # fmt: skip

STUCK_MS: Final = 15 * 60_000
"""Nothing takes longer, unless the homeserver, the model or the database is away."""
UNCONFIRMED_MS: Final = 10 * 60_000
"""A sent effect comes back as an echo within seconds while its puppet is in the room."""
SLACK_MS: Final = 2 * 3_600_000
"""Housekeeping deletes what is too old once an hour."""

_JOINED: Final = """
EXISTS (SELECT 1 FROM member JOIN puppet ON puppet.user_id = member.user_id
        WHERE member.room_id = outbox.room_id AND puppet.puppet_id = outbox.puppet_id
          AND member.membership = 'join')
"""

# $1: now, $2: the oldest moment of which text may be kept.
_QUERIES: Final[dict[Name, str]] = {
    "unhandled": f"""
        SELECT COUNT(*) AS count, MIN(received_at) AS since, MIN(room_id) AS example FROM inbox
        WHERE state = 'new' AND received_at < $1 - {STUCK_MS} AND $2 = $2""",
    "unsettled_turn": """
        SELECT COUNT(*) AS count, MIN(ended_at) AS since, MIN(turn_id) AS example FROM turn
        WHERE state = 'done' AND ended_at < $1 AND ended_at > $2 AND (
            NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.turn_id = turn.turn_id)
            OR EXISTS (SELECT 1 FROM outbox WHERE outbox.turn_id = turn.turn_id
                       AND outbox.state NOT IN ('sent', 'confirmed')))""",
    "unconfirmed": f"""
        SELECT COUNT(*) AS count, MIN(planned_at) AS since, MIN(txn_id) AS example FROM outbox
        WHERE state = 'sent' AND planned_at < $1 - {UNCONFIRMED_MS} AND $2 = $2 AND {_JOINED}""",
    "stuck_effect": f"""
        SELECT COUNT(*) AS count, MIN(planned_at) AS since, MIN(txn_id) AS example FROM outbox
        WHERE state = 'planned' AND planned_at < $1 - {STUCK_MS} AND $2 = $2""",
    "stuck_turn": f"""
        SELECT COUNT(*) AS count, MIN(started_at) AS since, MIN(turn_id) AS example FROM turn
        WHERE state IN ('thinking', 'speaking') AND started_at < $1 - {STUCK_MS} AND $2 = $2""",
    "too_old": f"""
        SELECT COUNT(*) AS count, MIN(at) AS since, MIN(room_id) AS example FROM (
            SELECT stored_at AS at, room_id FROM message
            WHERE stored_at < $2 - {SLACK_MS} AND text <> ''
            UNION ALL SELECT planned_at, room_id FROM outbox WHERE planned_at < $2 - {SLACK_MS}
            UNION ALL SELECT received_at, room_id FROM inbox
            WHERE received_at < $2 - {SLACK_MS} AND body <> '' AND state <> 'new'
            UNION ALL SELECT called_at, room_id FROM tool_call WHERE called_at < $2 - {SLACK_MS}
            UNION ALL SELECT received_at, '' FROM malformed
            WHERE received_at < $2 - {SLACK_MS}) AS text_of WHERE $1 = $1""",
    "orphan": """
        SELECT COUNT(*) AS count, $1 AS since, MIN(room_id) AS example FROM mailbox
        WHERE owner IS NOT NULL AND $2 = $2 AND NOT EXISTS (
            SELECT 1 FROM worker WHERE worker.worker_id = mailbox.owner)""",
    "asleep": """
        SELECT COUNT(*) AS count, $1 AS since, MIN(room_id) AS example FROM mailbox
        WHERE owner IS NULL AND wake_at IS NULL AND $2 = $2 AND EXISTS (
            SELECT 1 FROM inbox WHERE inbox.room_id = mailbox.room_id AND inbox.state = 'new')""",
}

NAMES: Final[tuple[Name, ...]] = tuple(_QUERIES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """`count` rows break it, the oldest since `since` (unix ms); `example`: one of their ids."""

    name: Name
    count: int
    since: int
    example: str


async def broken(database: Database, *, retention_ms: int) -> Sequence[Broken]:
    """Every invariant that does not hold now. Reads only. Raises DatabaseError."""
    found: list[Broken] = []
    async with database.reading() as connection:
        now = await connection.now()
        for name, sql in _QUERIES.items():
            typed = sql.replace("$1", "CAST($1 AS BIGINT)").replace("$2", "CAST($2 AS BIGINT)")
            row = await connection.fetchrow(typed, now, now - retention_ms)
            if row is not None and row["count"]:
                found.append(
                    Broken(
                        name=name, count=row["count"], since=row["since"], example=row["example"]
                    )
                )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """What could never succeed: effects by the homeserver's error code, newest day only."""

    by_problem: dict[str, int]
    poison: dict[str, int]
    """Events set aside, by what went wrong with them."""


async def refusals(database: Database, *, since: int) -> Refusals:
    """Reads only. Raises DatabaseError."""
    async with database.reading() as connection:
        refused = await connection.fetch(
            """
            SELECT problem, COUNT(*) AS count FROM outbox
            WHERE state = 'abandoned' AND planned_at >= $1 AND problem LIKE 'M!_%' ESCAPE '!'
            GROUP BY problem ORDER BY problem
            """,
            since,
        )
        poison = await connection.fetch(
            """
            SELECT problem, COUNT(*) AS count FROM inbox WHERE state = 'poison'
            GROUP BY problem ORDER BY problem
            """
        )
    return Refusals(
        by_problem={row["problem"]: row["count"] for row in refused},
        poison={row["problem"]: row["count"] for row in poison},
    )
