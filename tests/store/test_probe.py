from __future__ import annotations

import pytest

from bridge.errors import DatabaseError
from bridge.store.probe import try_to_write
from bridge.store.store import Store


async def test_a_database_that_can_be_written_keeps_no_trace_of_it(store: Store) -> None:
    await try_to_write(store.database)
    async with store.database.reading() as connection:
        assert not await store.database.has_table(connection, "bridge_write_probe")


async def test_a_refusal_is_an_error(store: Store) -> None:
    async with store.database.transaction() as connection:
        await connection.execute("CREATE TABLE bridge_write_probe (value BIGINT)")
    with pytest.raises(DatabaseError):
        await try_to_write(store.database)
