"""Calls of tools, kept with their turns: nothing is done twice, and people can ask what was done.

What a tool gave and what the model said before are kept only while the turn thinks: after a crash
it goes on from there. What remains is the tool, its arguments and whether it worked.
"""

from __future__ import annotations

from collections.abc import Sequence

from bridge.domain.ids import TurnId
from bridge.domain.lease import Lease
from bridge.domain.tool import ToolCall, ToolResult, ToolUse
from bridge.store.database import Database, Row
from bridge.store.fence import owning

_COLUMNS = "turn_id, n, step, call_id, name, args, said, result, outcome"


class ToolCalls:
    """See `bridge.ports.ToolCalls`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, lease: Lease, use: ToolUse) -> None:
        """Store a call before it runs, or with its result where it never does. Raises LeaseLost."""
        async with owning(self._database, lease) as connection:
            await connection.execute(
                f"""
                INSERT INTO tool_call ({_COLUMNS}, room_id, called_at)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
                ON CONFLICT (turn_id, n) DO NOTHING
                """,
                use.turn_id,
                use.number,
                use.step,
                use.call.call_id,
                use.call.name,
                use.call.arguments,
                use.said,
                use.result.text,
                use.result.outcome,
                lease.room_id,
                await connection.now(),
            )

    async def end(self, lease: Lease, use: ToolUse) -> None:
        """It has its result. Raises LeaseLost."""
        async with owning(self._database, lease) as connection:
            await connection.execute(
                """
                UPDATE tool_call SET outcome = $3,
                    result = CASE WHEN args = $5 THEN $4 ELSE '' END
                WHERE turn_id = $1 AND n = $2 AND outcome = 'running'
                """,
                use.turn_id,
                use.number,
                use.result.outcome,
                use.result.text,
                use.call.arguments,
            )

    async def of_turn(self, turn_id: TurnId) -> Sequence[ToolUse]:
        """In the order they were made."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(
                f"SELECT {_COLUMNS} FROM tool_call WHERE turn_id = $1 ORDER BY n", turn_id
            )
        return [_use(row) for row in rows]

    async def prune(self, before: int) -> int:
        """Delete calls made before (unix ms); returns how many."""
        async with self._database.transaction() as connection:
            return await connection.execute("DELETE FROM tool_call WHERE called_at < $1", before)


def _use(row: Row) -> ToolUse:
    return ToolUse(
        turn_id=row["turn_id"],
        number=row["n"],
        step=row["step"],
        call=ToolCall(name=row["name"], arguments=row["args"], call_id=row["call_id"]),
        result=ToolResult(text=row["result"], outcome=row["outcome"]),
        said=row["said"],
    )
