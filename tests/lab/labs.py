"""Fixtures of tests on real homeservers. They all live in the one event loop of the session."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import aiohttp
import pytest
import pytest_asyncio

from tests.lab.people import Person
from tests.lab.synapse import Homeserver, Lab, Zygote


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two homeservers that federate, started."""

    home: Homeserver
    away: Homeserver


class Town:
    """Where people of a module's homeservers come from."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._count = 0

    async def person(self, homeserver: Homeserver, localpart: str = "person") -> Person:
        """Somebody new; their id begins with `localpart`."""
        self._count += 1
        return await Person.register(homeserver, self._session, f"{localpart}{self._count}")


@pytest.fixture(scope="session")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    made = Zygote(tmp_path_factory.mktemp("zygote") / "output.log")
    yield made
    made.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    async with Lab(tmp_path_factory.mktemp("lab"), zygote) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def town() -> AsyncIterator[Town]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield Town(session)
