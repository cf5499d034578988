"""Turns: which puppet replies to which cause, and how far it has come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bridge.domain.budget import Spending, Spent
from bridge.domain.ids import EventId, RoomId, TurnId, UserId, fingerprint, server_of
from bridge.domain.lease import Lease
from bridge.domain.turn import LEGAL, OPEN, Turn, TurnState, Used
from bridge.store.database import Connection, Database, Row
from bridge.store.fence import owning

_COLUMNS = """turn_id, room_id, puppet_id, cause_id, reason, state, model, prompt_tokens,
    reply_tokens, context_messages, started_at, ended_at, asker, server"""

_MINUTE_MS: Final = 60_000
_DAY_MS: Final = 86_400_000

_SUMS: Final = """
    COUNT(*) AS messages_in_day,
    COALESCE(SUM(prompt_tokens + reply_tokens), 0) AS tokens_in_day,
    COALESCE(SUM(CASE WHEN started_at > $1 THEN 1 ELSE 0 END), 0) AS messages_in_minute,
    COALESCE(SUM(CASE WHEN started_at > $1 THEN prompt_tokens + reply_tokens ELSE 0 END), 0)
        AS tokens_in_minute
FROM turn WHERE started_at > $2"""

_SPENT: Final = f"""
SELECT 'person' AS scope, {_SUMS} AND asker IN ($3, $4)
UNION ALL SELECT 'room', {_SUMS} AND room_id = $5 AND asker <> ''
UNION ALL SELECT 'server', {_SUMS} AND server = $6
"""


class Turns:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, lease: Lease, turn: Turn) -> Turn:
        """Store the turn, or return the stored one of the same id. Raises LeaseLost."""
        async with owning(self._database, lease) as connection:
            return await open_turn(connection, turn)

    async def move(self, lease: Lease, turn_id: TurnId, state: TurnState) -> None:
        """Change its state, as `domain.turn.LEGAL` allows; the same state again is nothing.

        Raises LeaseLost, and ValueError for a change that is not allowed.
        """
        async with owning(self._database, lease) as connection:
            await move_turn(connection, turn_id, state)

    async def open_turns(self, lease: Lease) -> Sequence[Turn]:
        """The room's unfinished turns, oldest first."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(
                f"""
                SELECT {_COLUMNS} FROM turn
                WHERE room_id = $1 AND state IN ('thinking', 'speaking')
                ORDER BY started_at, turn_id
                """,
                lease.room_id,
            )
        return [_turn(row) for row in rows]

    async def record_use(
        self,
        turn_id: TurnId,
        *,
        model: str,
        prompt_tokens: int,
        reply_tokens: int,
        context_messages: int = 0,
    ) -> None:
        """Which model replied, what it took, and how many messages it was shown."""
        async with self._database.transaction() as connection:
            await connection.execute(
                """
                UPDATE turn SET model = $2, prompt_tokens = $3, reply_tokens = $4,
                    context_messages = $5
                WHERE turn_id = $1
                """,
                turn_id,
                model,
                prompt_tokens,
                reply_tokens,
                context_messages,
            )

    async def used(self, room_id: RoomId, since: int) -> Used:
        """What the room's turns since then (unix ms) came to."""
        async with self._database.reading() as connection:
            row = await connection.fetchrow(
                """
                SELECT COUNT(*) AS turns, COALESCE(SUM(prompt_tokens), 0) AS prompt,
                    COALESCE(SUM(reply_tokens), 0) AS reply
                FROM turn
                WHERE room_id = $1 AND started_at >= $2 AND (model <> '' OR asker <> '')
                """,
                room_id,
                since,
            )
        assert row is not None
        return Used(
            turns=row["turns"], prompt_tokens=int(row["prompt"]), reply_tokens=int(row["reply"])
        )

    async def spent(self, person: UserId, room_id: RoomId) -> Spending:
        """What this person, this room and this person's server took in the last minute and day."""
        async with self._database.reading() as connection:
            now = await connection.now()
            rows = await connection.fetch(
                _SPENT, now - _MINUTE_MS, now - _DAY_MS, person, fingerprint(person), room_id,
                server_of(person),
            )  # fmt: skip
        return Spending(by={row["scope"]: _spent(row) for row in rows})

    async def behind(self, room_id: RoomId, event_id: EventId) -> Turn | None:
        """The turn that said this event of ours."""
        async with self._database.reading() as connection:
            row = await connection.fetchrow(
                f"""
                SELECT {_COLUMNS} FROM turn WHERE room_id = $1
                    AND turn_id = (SELECT turn_id FROM outbox WHERE event_id = $2)
                """,
                room_id,
                event_id,
            )
        return _turn(row) if row else None

    async def answering(self, room_id: RoomId, cause_id: EventId) -> Turn | None:
        """The first turn that replied to this event, where one did."""
        async with self._database.reading() as connection:
            row = await connection.fetchrow(
                f"""
                SELECT {_COLUMNS} FROM turn
                WHERE cause_id = $1 AND room_id = $2 AND state IN ('speaking', 'done')
                ORDER BY started_at LIMIT 1
                """,
                cause_id,
                room_id,
            )
        return _turn(row) if row else None

    async def prune(self, before: int) -> int:
        """Delete turns that ended before (unix ms); returns how many."""
        async with self._database.transaction() as connection:
            return await connection.execute("DELETE FROM turn WHERE ended_at < $1", before)


async def open_turn(connection: Connection, turn: Turn) -> Turn:
    """Store the turn unless it is; return the stored one."""
    await connection.execute(
        f"""
        INSERT INTO turn ({_COLUMNS})
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
        ON CONFLICT (turn_id) DO NOTHING
        """,
        turn.turn_id,
        turn.room_id,
        turn.puppet_id,
        turn.cause_id,
        turn.reason,
        turn.state,
        turn.model,
        turn.prompt_tokens,
        turn.reply_tokens,
        turn.context_messages,
        turn.started_at,
        turn.ended_at,
        turn.asker or "",
        server_of(turn.asker or ""),
    )
    row = await connection.fetchrow(f"SELECT {_COLUMNS} FROM turn WHERE turn_id = $1", turn.turn_id)
    assert row is not None
    return _turn(row)


async def move_turn(connection: Connection, turn_id: TurnId, state: TurnState) -> None:
    """Change a turn's state. Raises ValueError where `LEGAL` does not allow it."""
    old: TurnState | None = await connection.fetchval(
        "SELECT state FROM turn WHERE turn_id = $1", turn_id
    )
    if old == state:
        return
    if old is None or state not in LEGAL[old]:
        raise ValueError(f"a turn cannot go from {old} to {state}")
    if old == "thinking":
        # It never goes on from there again.
        await connection.execute(
            """
            UPDATE tool_call SET said = '', result = ''
            WHERE turn_id = $1 AND (said <> '' OR result <> '')
            """,
            turn_id,
        )
    await connection.execute(
        "UPDATE turn SET state = $2, ended_at = $3 WHERE turn_id = $1",
        turn_id,
        state,
        None if state in OPEN else await connection.now(),
    )


def _spent(row: Row) -> Spent:
    return Spent(
        messages_in_minute=int(row["messages_in_minute"]),
        messages_in_day=int(row["messages_in_day"]),
        tokens_in_minute=int(row["tokens_in_minute"]),
        tokens_in_day=int(row["tokens_in_day"]),
    )


def _turn(row: Row) -> Turn:
    return Turn(
        turn_id=row["turn_id"],
        room_id=row["room_id"],
        puppet_id=row["puppet_id"],
        cause_id=row["cause_id"],
        reason=row["reason"],
        state=row["state"],
        model=row["model"],
        prompt_tokens=row["prompt_tokens"],
        reply_tokens=row["reply_tokens"],
        context_messages=row["context_messages"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        asker=UserId(row["asker"]) if row["asker"] else None,
    )
