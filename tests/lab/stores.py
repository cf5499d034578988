"""Databases and stores for tests: one PostgreSQL a test run, one fresh database a test.

A conftest takes what it needs by name:
`from tests.lab.stores import clock, database_url, postgres, store`, named in its `__all__`.
Other tests call `sqlite_url(folder)` or `postgres.database()`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from bridge.clock import FakeClock
from bridge.store.store import Store, open_store
from tests.lab.postgres import Postgres


def sqlite_url(folder: Path) -> str:
    """A fresh SQLite database in this folder."""
    return f"sqlite:{folder / 'bridge.db'}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The PostgreSQL server of this test run."""
    server = Postgres()
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database, once of each kind."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path)
        return
    server: Postgres = request.getfixturevalue("postgres")
    with server.database() as url:
        yield url


@pytest.fixture
def clock() -> FakeClock:
    """SQLite stores live by it; PostgreSQL has the time of its server."""
    return FakeClock()


@pytest_asyncio.fixture
async def store(database_url: str, clock: FakeClock) -> AsyncIterator[Store]:
    """A migrated, empty store, once on each kind of database."""
    opened = await open_store(database_url, clock)
    try:
        yield opened
    finally:
        await opened.close()
