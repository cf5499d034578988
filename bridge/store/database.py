"""One database, SQLite or PostgreSQL, behind one connection type. The only dialect switch.

SQL is one text for both: `$n` parameters, RETURNING, ON CONFLICT. What a statement cannot say in
both languages is a property of `Database` (`for_update`, `sequence_key`, …).

Never create a task inside a transaction: it would wait for the transaction's connection, and the
transaction perhaps for it.
"""

# mautrix annotates its context managers as plain coroutines, and aiosqlite's inner call not at all.
# pyright: reportIncompatibleMethodOverride=false, reportUnknownMemberType=false

from __future__ import annotations

import asyncio
import logging
import re
import sqlite3
from collections.abc import AsyncGenerator, Coroutine, Generator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, Final, Literal, Protocol, TypeVar, cast

from mautrix.util.async_db import PostgresDatabase, SQLiteDatabase, UpgradeTable
from mautrix.util.async_db.aiosqlite import TxnConnection
from mautrix.util.async_db.connection import LoggingConnection
from mautrix.util.logging import TraceLogger
from yarl import URL

from bridge.clock import Clock
from bridge.errors import ConfigError, DatabaseError
from bridge.store.address import postgres_address, sqlite_path
from bridge.store.problems import DRIVER_ERRORS, explained, may_be_chained

Dialect = Literal["sqlite", "postgres"]
Value = str | int | None

T = TypeVar("T")

WAKE_CHANNEL: Final = "bridge_wake"

_BUSY_S: Final = 5.0
_ACQUIRE_S: Final = 30.0
_MIGRATION_LOCK: Final = 0x6D61_6272
_POOL_CONNECTIONS: Final = 10
_MAX_BIGINT: Final = 2**63 - 1
_PARAMETER: Final = re.compile(r"\$(\d+)")
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")

_PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    # The homeserver is told "stored" after the commit and never sends the event again. NORMAL may
    # lose the last commits when the power fails; FULL costs one fsync a commit.
    "PRAGMA synchronous = FULL",
    # Forgotten text is overwritten in the file, not only unlinked.
    "PRAGMA secure_delete = ON",
)


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


def _logger() -> TraceLogger:
    """mautrix insists on its own class of loggers, also where "mau" is an ordinary one already."""
    logger = TraceLogger("mau.db")
    logger.parent = logging.getLogger("mau")
    return logger


class _SqlitePool(SQLiteDatabase):
    """One connection: SQLite has one writer anyhow, and a queue here is fairer than its lock."""

    def __init__(self, path: str) -> None:
        super().__init__(URL.build(scheme="sqlite", path=path), UpgradeTable(), log=_logger())
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
        try:
            yield
        except DRIVER_ERRORS as error:
            raise explained(error, self.place) from (error if may_be_chained(error) else None)
        finally:
            self._in_progress -= 1


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
    return Database(cast(_Pool, _SqlitePool(path)), dialect="sqlite", place=path, clock=clock)


def _postgres(url: str, clock: Clock) -> Database:
    address, place = postgres_address(url)
    pool = PostgresDatabase(
        address,
        UpgradeTable(),
        log=_logger(),
        db_args={
            "min_size": 1,
            "max_size": _POOL_CONNECTIONS,
            "timeout": 10,
            "command_timeout": 60,
            "server_settings": {"application_name": "matrix-ai-bridge"},
            # mautrix would end the process by itself on an error of the driver.
            "meow_exit_on_ice": False,
        },
    )
    return Database(
        cast(_Pool, pool), dialect="postgres", place=place, clock=clock, address=str(address)
    )


def _storable(args: Sequence[Value]) -> tuple[Value, ...]:
    return tuple(_storable_value(value) for value in args)


def _storable_value(value: Value) -> Value:
    """What both databases can hold: strangers choose ids, names and texts, and one that cannot be
    stored must not stop the homeserver's queue."""
    match value:
        case str():
            return _UNSTORABLE.sub("\ufffd", value)
        case int():
            return max(-_MAX_BIGINT, min(_MAX_BIGINT, int(value)))
        case None:
            return None
