"""One database, SQLite or PostgreSQL, behind one connection type. The only dialect switch.

SQL is one text for both: `$n` parameters, RETURNING, ON CONFLICT. What a statement cannot say in
both languages is a property of `Database` (`for_update`, `sequence_key`, …).

Never create a task inside a transaction: it would wait for the transaction's connection, and the
transaction perhaps for it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Generator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, Final, Literal, Protocol, cast

from mautrix.util.async_db import PostgresDatabase, UpgradeTable

from bridge.clock import Clock
from bridge.errors import ConfigError
from bridge.store.address import postgres_address, sqlite_path
from bridge.store.problems import DRIVER_ERRORS, explained, may_be_chained
from bridge.store.sqlite import SqlitePool, pool_logger

Dialect = Literal["sqlite", "postgres"]
Value = str | int | None

WAKE_CHANNEL: Final = "bridge_wake"

_MIGRATION_LOCK: Final = 0x6D61_6272
_POOL_CONNECTIONS: Final = 10
_MAX_BIGINT: Final = 2**63 - 1
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


class Row(Protocol):
    def __getitem__(self, column: str, /) -> Any: ...


class _Raw(Protocol):
    """mautrix's connection, as far as it is used here; its own types are partial."""

    def transaction(self) -> AbstractAsyncContextManager[None]: ...
    async def execute(self, query: str, *args: Any) -> Any: ...
    async def executemany(self, query: str, rows: Sequence[Any], /) -> Any: ...
    async def fetch(self, query: str, *args: Any) -> list[Any]: ...
    async def fetchrow(self, query: str, *args: Any) -> Any: ...


class _Pool(Protocol):
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    def acquire_direct(self) -> AbstractAsyncContextManager[_Raw]: ...


class Connection:
    """A database connection, inside a transaction unless it only reads."""

    def __init__(self, raw: _Raw, dialect: Dialect, clock: Clock) -> None:
        self._raw = raw
        self._dialect = dialect
        self._clock = clock

    async def execute(self, sql: str, *args: Value) -> int:
        """Run a statement; returns how many rows it changed."""
        outcome: Any = await self._raw.execute(sql, *_storable(args))
        if self._dialect == "sqlite":
            return max(0, outcome.rowcount)
        count = outcome.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        storable = [_storable(row) for row in rows]
        if storable:
            await self._raw.executemany(sql, storable)

    async def fetch(self, sql: str, *args: Value) -> list[Row]:
        rows: Any = await self._raw.fetch(sql, *_storable(args))
        return rows

    async def fetchrow(self, sql: str, *args: Value) -> Row | None:
        row: Any = await self._raw.fetchrow(sql, *_storable(args))
        return row

    async def fetchval(self, sql: str, *args: Value) -> Any:
        """First column of the first row, or None."""
        row: Any = await self._raw.fetchrow(sql, *_storable(args))
        return None if row is None else row[0]

    async def now(self) -> int:
        """Unix ms for leases: the database's clock where several hosts may share it."""
        if self._dialect == "sqlite":
            return self._clock.now()
        return await self.fetchval(
            "SELECT CAST(FLOOR(EXTRACT(EPOCH FROM clock_timestamp()) * 1000) AS BIGINT)"
        )


class Database:
    """A pool of connections. Drivers' errors come out as DatabaseError."""

    def __init__(
        self, pool: _Pool, *, dialect: Dialect, place: str, clock: Clock, address: str | None = None
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._in_progress = 0
        self.address: Final = address
        """Where a further session can be opened (PostgreSQL). It may hold a password."""
        self.dialect: Final = dialect
        self.place: Final = place
        """Which database this is, for people: without its password."""

    @property
    def in_progress(self) -> int:
        """Operations that run or wait for a connection now. A simulated clock stands still then."""
        return self._in_progress

    @property
    def for_update(self) -> str:
        """Ends a SELECT that locks its rows. SQLite locks the whole database at BEGIN."""
        return "FOR UPDATE" if self.dialect == "postgres" else ""

    @property
    def for_update_skip_locked(self) -> str:
        return "FOR UPDATE SKIP LOCKED" if self.dialect == "postgres" else ""

    @property
    def sequence_key(self) -> str:
        """Column type of a primary key that only grows, also after deletions."""
        if self.dialect == "postgres":
            return "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
        return "INTEGER PRIMARY KEY AUTOINCREMENT"

    async def start(self) -> None:
        with self.counted():
            await self._pool.start()

    async def close(self) -> None:
        with self.counted():
            await self._pool.stop()

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Connection]:
        """Commits at the end; rolls back on every exception, cancellation included."""
        with self.counted():
            async with self._pool.acquire_direct() as raw, raw.transaction():
                yield Connection(raw, self.dialect, self._clock)

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[Connection]:
        """A connection without a transaction: each statement sees what is committed by then."""
        with self.counted():
            async with self._pool.acquire_direct() as raw:
                yield Connection(raw, self.dialect, self._clock)

    @asynccontextmanager
    async def migration(self) -> AsyncGenerator[Connection]:
        """A transaction that only one process at a time is inside of."""
        async with self.transaction() as connection:
            if self.dialect == "postgres":
                await connection.execute("SELECT pg_advisory_xact_lock($1)", _MIGRATION_LOCK)
            yield connection

    async def has_table(self, connection: Connection, name: str) -> bool:
        sql = (
            "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = $1"
            if self.dialect == "sqlite"
            else "SELECT 1 WHERE to_regclass($1) IS NOT NULL"
        )
        return await connection.fetchval(sql, name) is not None

    async def size_bytes(self, connection: Connection) -> int:
        """What the database takes on its disk, without journals."""
        if self.dialect == "sqlite":
            pages = await connection.fetchval("PRAGMA page_count")
            return pages * await connection.fetchval("PRAGMA page_size")
        return await connection.fetchval("SELECT pg_database_size(current_database())")

    async def notify(self, connection: Connection) -> None:
        """Wake the workers of other processes when the transaction commits."""
        if self.dialect == "postgres":
            await connection.fetchval(f"SELECT pg_notify('{WAKE_CHANNEL}', '')")

    async def erase_free_space(self) -> None:
        """Remove what was forgotten from SQLite's journal. PostgreSQL vacuums by itself."""
        if self.dialect == "sqlite":
            async with self.reading() as connection:
                await connection.fetch("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def counted(self) -> Generator[None]:
        """Something is under way on this database; drivers' errors come out as ours."""
        self._in_progress += 1
        cancellations = _cancellations()
        try:
            yield
        except DRIVER_ERRORS as error:
            if _cancellations() > cancellations:
                # The connection broke while it gave way: whoever cancels must not wait for ever.
                raise asyncio.CancelledError from None
            raise explained(error, self.place) from (error if may_be_chained(error) else None)
        finally:
            self._in_progress -= 1


def _cancellations() -> int:
    task = asyncio.current_task()
    return task.cancelling() if task is not None else 0


async def open_database(url: str, clock: Clock) -> Database:
    """Connect, without touching the schema. Raises ConfigError and DatabaseError."""
    scheme = url.partition(":")[0].lower()
    match scheme:
        case "sqlite":
            database = _sqlite(url, clock)
        case "postgres" | "postgresql":
            database = _postgres(url, clock)
        case _:
            raise ConfigError(
                f"database.url: {scheme!r} is no database that we know; write sqlite:bridge.db "
                "or postgres://user:password@host/name."
            )
    await database.start()
    return database


def _sqlite(url: str, clock: Clock) -> Database:
    path = sqlite_path(url)
    return Database(cast(_Pool, SqlitePool(path)), dialect="sqlite", place=path, clock=clock)


def _postgres(url: str, clock: Clock) -> Database:
    address, place = postgres_address(url)
    pool = PostgresDatabase(
        address,
        UpgradeTable(),
        log=pool_logger(),
        db_args={
            "min_size": 1,
            "max_size": _POOL_CONNECTIONS,
            "timeout": 10,
            "command_timeout": 60,
            "server_settings": {
                "application_name": "matrix-ai-bridge",
                # The homeserver is told "stored" after the commit and never sends the event again:
                # a server set to answer before its disk has it would lose events in a crash.
                "synchronous_commit": "on",
            },
            # mautrix would end the process by itself on an error of the driver.
            "meow_exit_on_ice": False,
        },
    )
    return Database(
        cast(_Pool, pool), dialect="postgres", place=place, clock=clock, address=str(address)
    )


def _storable(args: Sequence[Value]) -> tuple[Value, ...]:
    return tuple([_storable_value(value) for value in args])


def _storable_value(value: Value) -> Value:
    """What both databases can hold: strangers choose ids, names and texts, and one that cannot be
    stored must not stop the homeserver's queue."""
    match value:
        case str() if value.isascii() and "\x00" not in value:
            return value
        case str():
            return _UNSTORABLE.sub("\ufffd", value)
        case int():
            return max(-_MAX_BIGINT, min(_MAX_BIGINT, int(value)))
        case None:
            return None
