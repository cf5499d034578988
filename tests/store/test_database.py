from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bridge.clock import FakeClock
from bridge.errors import ConfigError, DatabaseError
from bridge.store import sqlite as module
from bridge.store.database import Database, open_database
from tests.lab.postgres import Postgres

SLOW = {
    "sqlite": """
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500000)
        SELECT COUNT(*) FROM n""",
    "postgres": "SELECT pg_sleep(0.3)",
}


@pytest_asyncio.fixture
async def database(database_url: str, clock: FakeClock) -> AsyncIterator[Database]:
    opened = await open_database(database_url, clock)
    async with opened.transaction() as connection:
        await connection.execute("CREATE TABLE note (text TEXT NOT NULL, number BIGINT)")
    yield opened
    await opened.close()


async def write(database: Database, text: str) -> None:
    async with database.transaction() as connection:
        await connection.execute("INSERT INTO note (text) VALUES ($1)", text)


async def notes(database: Database) -> list[str]:
    async with database.reading() as connection:
        return [row["text"] for row in await connection.fetch("SELECT text FROM note")]


async def test_an_exception_rolls_back(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as connection:
            await connection.execute("INSERT INTO note (text) VALUES ('lost')")
            raise ZeroDivisionError
    assert await notes(database) == []


async def test_cancelling_inside_a_transaction_rolls_back_and_leaves_the_database_usable(
    database: Database,
) -> None:
    has_written = asyncio.Event()

    async def half() -> None:
        async with database.transaction() as connection:
            await connection.execute("INSERT INTO note (text) VALUES ('half')")
            has_written.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(half())
    await has_written.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await write(database, "whole")
    await write(database, "again")
    assert await notes(database) == ["whole", "again"]


@pytest.mark.parametrize("twice", [False, True])
async def test_cancelling_at_any_moment_leaves_the_database_usable(
    database: Database, twice: bool
) -> None:
    async def three() -> None:
        async with database.transaction() as connection:
            for _ in range(3):
                await connection.execute("INSERT INTO note (text) VALUES ('three')")

    for delay in range(60):
        task = asyncio.create_task(three())
        for _ in range(delay):
            await asyncio.sleep(0.0001 if delay % 2 else 0)
        task.cancel()
        if twice:
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert database.in_progress == 0
    assert (await notes(database)).count("three") % 3 == 0
    await write(database, "after")
    assert (await notes(database))[-1] == "after"


async def test_a_child_task_does_not_use_its_parents_transaction(database: Database) -> None:
    children: list[asyncio.Task[None]] = []
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as connection:
            await connection.execute("INSERT INTO note (text) VALUES ('parent')")
            children.append(asyncio.create_task(write(database, "child")))
            await asyncio.sleep(0.01)
            raise ZeroDivisionError
    await children[0]
    assert await notes(database) == ["child"]


async def test_waiting_for_a_child_inside_a_transaction_is_an_error_and_no_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ACQUIRE_S", 0.05)
    database = await open_database(f"sqlite:{tmp_path / 'a.db'}", FakeClock())
    with pytest.raises(DatabaseError, match="waits inside a transaction"):
        async with database.transaction() as connection:
            await connection.execute("CREATE TABLE note (text TEXT)")
            await asyncio.create_task(write(database, "child"))
    await database.close()


async def test_a_running_statement_counts_as_in_progress_until_it_has_ended(
    database: Database,
) -> None:
    async def slow() -> None:
        async with database.reading() as connection:
            await connection.fetch(SLOW[database.dialect])

    task = asyncio.create_task(slow())
    await asyncio.sleep(0.02)
    assert database.in_progress == 1
    task.cancel()
    await asyncio.sleep(0.02)
    if database.dialect == "sqlite":  # its thread cannot be interrupted; PostgreSQL can
        assert database.in_progress == 1
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    assert database.in_progress == 0
    assert await notes(database) == []


async def test_what_a_database_cannot_hold_is_replaced(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(
            "INSERT INTO note (text, number) VALUES ($1, $2)", "a\x00b\ud800c", 10**30
        )
        row = await connection.fetchrow("SELECT text, number FROM note")
    assert row is not None
    assert (row["text"], row["number"]) == ("a\ufffdb\ufffdc", 2**63 - 1)


async def test_execute_tells_how_many_rows_changed(database: Database) -> None:
    await write(database, "a")
    await write(database, "b")
    async with database.transaction() as connection:
        assert await connection.execute("UPDATE note SET number = 1") == 2
        assert await connection.execute("DELETE FROM note WHERE text = 'z'") == 0


async def test_an_error_repeats_no_stored_value(database: Database) -> None:
    with pytest.raises(DatabaseError) as caught:
        async with database.transaction() as connection:
            await connection.execute("CREATE UNIQUE INDEX one ON note (text)")
            await connection.execute("INSERT INTO note (text) VALUES ('CANARY')")
            await connection.execute("INSERT INTO note (text) VALUES ('CANARY')")
    error: BaseException | None = caught.value
    while error is not None:
        assert "CANARY" not in str(error)
        error = error.__cause__


async def test_leases_live_by_the_given_clock_on_sqlite_and_by_the_server_on_postgres(
    database: Database, clock: FakeClock
) -> None:
    async with database.reading() as connection:
        is_given = await connection.now() == clock.now()
    assert is_given == (database.dialect == "sqlite")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://localhost/bridge", "sqlite:bridge.db"),
        ("", "sqlite:bridge.db"),
        ("sqlite:", "the file is missing"),
        ("sqlite://host/bridge.db", "names no host"),
        ("postgres://u:secret@host:notaport/bridge", "no usable PostgreSQL address"),
    ],
)
async def test_an_unusable_address_says_how_to_write_it(url: str, words: str) -> None:
    with pytest.raises(ConfigError, match="database.url") as caught:
        await open_database(url, FakeClock())
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_three_slashes_are_a_full_path(tmp_path: Path) -> None:
    database = await open_database(f"sqlite://{tmp_path}/with space?.db", FakeClock())
    await database.close()
    assert (tmp_path / "with space?.db").exists()


async def test_an_sqlite_file_that_cannot_be_opened_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="create its folder"):
        await open_database(f"sqlite:{tmp_path}/missing/bridge.db", FakeClock())


async def test_a_file_that_is_no_database_says_so(tmp_path: Path) -> None:
    (tmp_path / "bridge.db").write_text("not a database at all" * 100)
    with pytest.raises(DatabaseError, match="is no SQLite database"):
        await open_database(f"sqlite:{tmp_path}/bridge.db", FakeClock())


async def test_a_file_locked_by_another_program_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BUSY_S", 0.1)
    other = sqlite3.connect(tmp_path / "bridge.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(DatabaseError, match="locked by another program"):
        await open_database(f"sqlite:{tmp_path}/bridge.db", FakeClock())
    other.close()


async def test_an_unreachable_server_says_so_without_its_password() -> None:
    with pytest.raises(DatabaseError, match="cannot be reached") as caught:
        await open_database("postgres://me:secret@127.0.0.1:1/bridge", FakeClock())
    assert "secret" not in str(caught.value)


async def test_a_missing_database_on_the_server_says_how_to_create_it(
    postgres: Postgres,
) -> None:
    with pytest.raises(DatabaseError, match="createdb"):
        await open_database(postgres.url("missing"), FakeClock())


async def test_a_program_that_crashes_ends_although_nobody_closes_the_database(
    tmp_path: Path,
) -> None:
    crashing = f"""
import asyncio
from bridge.clock import SystemClock
from bridge.store.database import open_database

async def main():
    global kept
    kept = await open_database("sqlite:{tmp_path}/bridge.db", SystemClock())
    raise ZeroDivisionError

asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", crashing, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(20):
            _, problem = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 1
    assert b"ZeroDivisionError" in problem


class _Breaking:
    """A pool and its one connection, which breaks while it gives way to a cancellation."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...

    @asynccontextmanager
    async def acquire_direct(self) -> AsyncIterator[Any]:
        yield self

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        try:
            yield
        except asyncio.CancelledError:
            raise ConnectionResetError from None


async def test_a_cancellation_is_not_lost_when_the_connection_breaks_meanwhile(
    clock: FakeClock,
) -> None:
    """Else a worker that lost its lease would go on for ever, keeping its rooms."""
    database = Database(_Breaking(), dialect="postgres", place="here", clock=clock)

    async def work() -> None:
        async with database.transaction():
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_broken_connection_after_a_group_of_tasks_has_failed_is_an_error_of_ours(
    clock: FakeClock,
) -> None:
    """A task group cancels the task that waits for it, and some Pythons never take that back."""
    database = Database(_Breaking(), dialect="postgres", place="here", clock=clock)

    async def fail() -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    async def work() -> None:
        with suppress(ExceptionGroup):
            async with asyncio.TaskGroup() as group:
                group.create_task(fail())
        async with database.transaction():
            raise ConnectionResetError

    with pytest.raises(DatabaseError):
        await asyncio.create_task(work())
