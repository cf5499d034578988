"""Whether a database can be written, without leaving a trace in it."""

from __future__ import annotations

from bridge.store.database import Database


class _Undo(Exception):
    """Ends the transaction without a commit."""


async def try_to_write(database: Database) -> None:
    """Create a table and a row, and roll both back. Raises DatabaseError when it is refused."""
    try:
        async with database.transaction() as connection:
            await connection.execute("CREATE TABLE bridge_write_probe (value BIGINT NOT NULL)")
            await connection.execute("INSERT INTO bridge_write_probe (value) VALUES (1)")
            raise _Undo
    except _Undo:
        return
