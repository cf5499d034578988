"""SQLite's connection and its pool of one, on mautrix's database layer."""

# mautrix annotates its context managers as plain coroutines, and aiosqlite's inner call not at all.
# pyright: reportIncompatibleMethodOverride=false, reportUnknownMemberType=false

from __future__ import annotations

import asyncio
import logging
import re
import sqlite3
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from mautrix.util.async_db import SQLiteDatabase, UpgradeTable
from mautrix.util.async_db.aiosqlite import TxnConnection
from mautrix.util.async_db.connection import LoggingConnection
from mautrix.util.logging import TraceLogger
from yarl import URL

from bridge.errors import DatabaseError

T = TypeVar("T")

_BUSY_S: Final = 5.0
_ACQUIRE_S: Final = 30.0
_PARAMETER: Final = re.compile(r"\$(\d+)")

_PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    # The homeserver is told "stored" after the commit and never sends the event again. NORMAL may
    # lose the last commits when the power fails; FULL costs one fsync a commit.
    "PRAGMA synchronous = FULL",
    # Forgotten text is overwritten in the file, not only unlinked.
    "PRAGMA secure_delete = ON",
)


async def _to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Wait for the work even when cancelled meanwhile, and be cancelled then.

    The thread of an SQLite connection cannot be interrupted: who leaves early would hand on a
    connection on which a statement still runs.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return task.result()
    if not task.cancelled():
        task.exception()
    raise cancelled


class SqliteConnection(TxnConnection):
    """A connection whose transactions survive cancellation and lock at their beginning.

    mautrix's own rolls back on Exception only, so that one cancelled task leaves the connection
    inside a transaction for ever; it remembers "inside a transaction" in a context variable, which
    child tasks inherit; and its BEGIN takes the write lock too late to wait for it.
    """

    def __init__(self, path: str, **options: Any) -> None:
        super().__init__(path, **options)
        # A program that ends by a crash must not wait for a connection that nobody closes.
        self._thread.daemon = True

    def join(self) -> None:
        """Wait for the thread; aiosqlite does not, after a connection that failed to open."""
        self._thread.join()

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[None]:
        try:
            await self.execute("BEGIN IMMEDIATE")
            yield
            await _to_the_end(self.commit())
        except BaseException:
            await _to_the_end(self.rollback())
            raise

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> Any:
        return await _to_the_end(self._execute(self._run, _PARAMETER.sub(r"?\1", query), args))

    async def executemany(self, query: str, *args: Any, timeout: float | None = None) -> Any:
        sql = _PARAMETER.sub(r"?\1", query)
        return await _to_the_end(self._execute(self._conn.executemany, sql, *args))

    async def fetch(
        self, query: str, *args: Any, timeout: float | None = None
    ) -> list[sqlite3.Row]:
        return await _to_the_end(self._execute(self._read, _PARAMETER.sub(r"?\1", query), args))

    async def fetchrow(
        self, query: str, *args: Any, timeout: float | None = None
    ) -> sqlite3.Row | None:
        rows = await self.fetch(query, *args)
        return rows[0] if rows else None

    def _run(self, sql: str, args: tuple[Any, ...]) -> sqlite3.Cursor:
        return self._conn.execute(sql, args)

    def _read(self, sql: str, args: tuple[Any, ...]) -> list[sqlite3.Row]:
        return self._conn.execute(sql, args).fetchall()


def pool_logger() -> TraceLogger:
    """mautrix insists on its own class of loggers, also where "mau" is an ordinary one already."""
    logger = TraceLogger("mau.db")
    logger.parent = logging.getLogger("mau")
    return logger


class SqlitePool(SQLiteDatabase):
    """One connection: SQLite has one writer anyhow, and a queue here is fairer than its lock."""

    def __init__(self, path: str) -> None:
        super().__init__(URL.build(scheme="sqlite", path=path), UpgradeTable(), log=pool_logger())
        self._path = path

    async def start(self) -> None:
        connection = SqliteConnection(self._path, timeout=_BUSY_S)
        try:
            await connection
        except BaseException:
            await asyncio.to_thread(connection.join)
            raise
        try:
            for pragma in _PRAGMAS:
                await _patiently(connection, pragma)
        except BaseException:
            await connection.close()
            raise
        connection.row_factory = sqlite3.Row
        self._pool.put_nowait(connection)
        self._conns += 1

    @asynccontextmanager
    async def _acquire(self) -> AsyncGenerator[LoggingConnection]:
        if self._stopped:
            raise DatabaseError("The database has been closed.")
        try:
            async with asyncio.timeout(_ACQUIRE_S):
                connection = await self._pool.get()
        except TimeoutError:
            raise DatabaseError(
                f"The database {self._path} has been busy for {_ACQUIRE_S:.0f} s: its disk is too "
                "slow, or something waits inside a transaction."
            ) from None
        try:
            yield LoggingConnection(self.scheme, connection, self.log)
        finally:
            self._pool.put_nowait(connection)


async def _patiently(connection: SqliteConnection, pragma: str) -> None:
    # Changing the journal mode does not wait for another process that does the same.
    clock = asyncio.get_running_loop().time
    give_up_at_s = clock() + _BUSY_S
    while True:
        try:
            await connection.execute(pragma)
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or clock() > give_up_at_s:
                raise
            await asyncio.sleep(0.05)
        else:
            return
