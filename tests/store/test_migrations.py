from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bridge.clock import FakeClock
from bridge.errors import SchemaTooNew
from bridge.store.database import Connection, Database, open_database
from bridge.store.migrations import LATEST, UPGRADES, current_version, migrate, upgrade
from bridge.store.store import open_store

OPEN = """
import asyncio, sys
from bridge.clock import SystemClock
from bridge.store.store import open_store

async def main():
    store = await open_store(sys.argv[1], SystemClock())
    await store.close()

asyncio.run(main())
"""


@pytest_asyncio.fixture
async def database(database_url: str, clock: FakeClock) -> AsyncIterator[Database]:
    opened = await open_database(database_url, clock)
    yield opened
    await opened.close()


async def add_extra(connection: Connection, database: Database) -> None:
    await connection.execute("CREATE TABLE extra (number BIGINT)")


async def crash(connection: Connection, database: Database) -> None:
    await connection.execute("CREATE TABLE half (number BIGINT)")
    raise ZeroDivisionError


NEXT = LATEST + 1
COMPATIBLE = upgrade(f"-- v{NEXT} (compatible with v{LATEST}+)", add_extra)
INCOMPATIBLE = upgrade(f"-- v{NEXT} (compatible with v{NEXT}+)", add_extra)
CRASHING = upgrade(f"-- v{NEXT} (compatible with v{LATEST}+)", crash)


async def test_an_empty_database_is_brought_to_the_newest_version(database: Database) -> None:
    assert await current_version(database) == 0
    assert await migrate(database) == 0
    assert await current_version(database) == LATEST


async def test_migrating_again_changes_nothing(database: Database) -> None:
    await migrate(database)
    assert await migrate(database) == LATEST
    assert await current_version(database) == LATEST


async def test_several_processes_migrate_at_once(database_url: str, clock: FakeClock) -> None:
    started = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", OPEN, database_url, stderr=asyncio.subprocess.PIPE
        )
        for _ in range(3)
    ]
    ended = await asyncio.gather(*(process.communicate() for process in started))
    assert [process.returncode for process in started] == [0, 0, 0], ended
    store = await open_store(database_url, clock)
    assert await current_version(store.database) == LATEST
    await store.close()


async def test_several_connections_migrate_at_once(database_url: str, clock: FakeClock) -> None:
    databases = [await open_database(database_url, clock) for _ in range(4)]
    before = await asyncio.gather(*(migrate(each) for each in databases))
    assert sorted(before) == [0, LATEST, LATEST, LATEST]
    for each in databases:
        await each.close()


async def test_a_database_one_compatible_version_newer_still_runs(database: Database) -> None:
    await migrate(database, (*UPGRADES, COMPATIBLE))
    assert await migrate(database) == NEXT
    assert await current_version(database) == NEXT


async def test_a_database_one_incompatible_version_newer_is_refused(database: Database) -> None:
    await migrate(database, (*UPGRADES, INCOMPATIBLE))
    with pytest.raises(SchemaTooNew, match="Start the newer program again"):
        await migrate(database)


async def test_an_incompatible_step_in_between_is_remembered(database: Database) -> None:
    async def nothing(connection: Connection, database: Database) -> None:
        await connection.execute("SELECT 1")

    after = upgrade(f"-- v{NEXT + 1} (compatible with v{LATEST}+)", nothing)
    await migrate(database, (*UPGRADES, INCOMPATIBLE, after))
    async with database.reading() as connection:
        stored = await connection.fetchval("SELECT compatible_with FROM schema_version")
    assert stored == NEXT


async def test_a_database_two_versions_newer_is_refused(database: Database) -> None:
    await migrate(database)
    async with database.transaction() as connection:
        await connection.execute("UPDATE schema_version SET version = $1", LATEST + 2)
    with pytest.raises(SchemaTooNew):
        await migrate(database)


async def test_a_step_that_fails_leaves_the_schema_as_it_was(database: Database) -> None:
    await migrate(database)
    with pytest.raises(ZeroDivisionError):
        await migrate(database, (*UPGRADES, CRASHING))
    assert await current_version(database) == LATEST
    async with database.reading() as connection:
        assert not await database.has_table(connection, "half")
        assert await database.has_table(connection, "inbox")
    assert await migrate(database, (*UPGRADES, COMPATIBLE)) == LATEST


def test_steps_are_numbered_without_gaps_and_usable_by_the_version_before() -> None:
    assert [step.version for step in UPGRADES] == list(range(1, LATEST + 1))
    assert all(step.compatible_with >= 1 for step in UPGRADES)
    assert all(step.compatible_with <= max(1, step.version - 1) for step in UPGRADES)


def test_a_step_without_a_header_is_refused() -> None:
    with pytest.raises(ValueError, match="header"):
        upgrade("-- version 2", add_extra)
