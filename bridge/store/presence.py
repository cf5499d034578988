"""Proof that a process lives, which ends with the process however that ends.

PostgreSQL: a session of its own holds an advisory lock; the server frees it the moment the process
is gone, so that others need not wait for its lease. The same session listens for wake-ups.
SQLite: the lock of the file (`store.sole`) is the proof, and nobody else can be there.
"""

# asyncpg ships no types of its connection.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingParameterType=false

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import asyncpg

from bridge.errors import DatabaseError
from bridge.store.database import WAKE_CHANNEL, Database

_CONNECT_S: Final = 10
_CLOSE_S: Final = 2.0


class Presence:
    """One life's proof. `lost` is set when it is gone though the process lives on."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._session: Any = None
        self.lost = asyncio.Event()
        self.on_wake: Callable[[], None] | None = None
        """Called when another process has given rooms something to do."""

    async def begin(self) -> int | None:
        """Give proof anew; returns the key of the lock that is held, None where the file's lock is
        the proof. Raises DatabaseError."""
        await self.end()
        self.lost.clear()
        if self._database.address is None:
            return None
        key = secrets.randbits(62)
        with self._database.counted():
            session = await asyncpg.connect(
                self._database.address,
                timeout=_CONNECT_S,
                server_settings={"application_name": "matrix-ai-bridge presence"},
            )
            try:
                await session.execute("SELECT pg_advisory_lock($1)", key)
                await session.add_listener(WAKE_CHANNEL, self._wake)
            except BaseException:
                session.terminate()
                raise
        self._session = session
        session.add_termination_listener(self._note_loss)
        return key

    async def end(self) -> None:
        """Take the proof back."""
        session, self._session = self._session, None
        if session is not None and not session.is_closed():
            with suppress(DatabaseError), self._database.counted():
                # The server ends a session a moment after it was told so.
                await session.execute("SELECT pg_advisory_unlock_all()")
                await session.close(timeout=_CLOSE_S)

    def _note_loss(self, session: object) -> None:
        if session is self._session:
            self.lost.set()

    def _wake(self, *_: object) -> None:
        if self.on_wake is not None:
            self.on_wake()
