from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from bridge.clock import FakeClock
from bridge.errors import SchemaTooNew
from bridge.store.store import Store, open_store
from tests.store.making import ROOM, lease, said


async def test_the_type_checker_finds_that_the_store_satisfies_its_port() -> None:
    checker = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("basedpyright")),
        str(Path(__file__).with_name("conformance.py")),
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await checker.communicate()
    assert checker.returncode == 0, output.decode()


async def test_what_was_stored_is_there_after_opening_again(
    database_url: str, clock: FakeClock
) -> None:
    store = await open_store(database_url, clock)
    await store.history.add(await lease(store), said("$1", "kept"))
    await store.close()
    store = await open_store(database_url, clock)
    [line] = await store.history.recent(ROOM, from_seq=0, limit=1)
    assert line.text == "kept"
    await store.close()


async def test_a_store_that_is_too_new_is_closed_again(database_url: str, clock: FakeClock) -> None:
    store = await open_store(database_url, clock)
    async with store.database.transaction() as connection:
        await connection.execute("UPDATE schema_version SET version = 99")
    await store.close()
    with pytest.raises(SchemaTooNew):
        await open_store(database_url, clock)


async def test_pruning_counts_what_went(store: Store) -> None:
    await store.history.add(await lease(store), said("$1"))
    assert await store.prune(text_before=0, records_before=0) == 0
    # The message, and the words of the event that still waits.
    assert await store.prune(text_before=2**60, records_before=0) == 2
