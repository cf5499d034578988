"""Worlds for end-to-end tests: one a module, everything real but the model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator

import pytest
import pytest_asyncio

from tests.e2e.world import World
from tests.fakes.ollama import FakeOllama
from tests.lab.bridge import BridgeProcess
from tests.lab.labs import Town, lab, town, zygote
from tests.lab.people import Person
from tests.lab.postgres import Postgres
from tests.lab.stores import postgres
from tests.lab.synapse import Lab

__all__ = ["alice", "lab", "postgres", "town", "world", "zygote"]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(lab: Lab, town: Town, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """A module may say `BRIDGE = {...}`: sections of the bridge's configuration.

    `DATABASES = ("sqlite", "postgres")` runs its tests on both; without it SQLite is enough.
    """
    kind: str = request.param
    home, away = lab.homeserver(f"home-{kind}"), lab.homeserver(f"away-{kind}")
    database_url = "sqlite:bridge.db"
    if kind == "postgres":
        server: Postgres = request.getfixturevalue("postgres")
        database_url = server.create_database()
    async with FakeOllama() as ollama:
        bridge = BridgeProcess(
            lab.folder / f"bridge-{kind}",
            home,
            engine_url=ollama.url,
            database_url=database_url,
            **getattr(request.module, "BRIDGE", {}),
        )
        made = World(home=home, away=away, bridge=bridge, ollama=ollama, town=town)
        try:
            bridge.spawn()
            await lab.start(home, away)
            await bridge.ready()
            yield made
        finally:
            await bridge.kill()
            for homeserver in (home, away):
                homeserver.kill()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "world" in metafunc.fixturenames:
        kinds = getattr(metafunc.module, "DATABASES", ("sqlite",))
        metafunc.parametrize("world", kinds, indirect=True, scope="module")


@pytest.fixture(autouse=True)
def _fresh_model(request: pytest.FixtureRequest) -> None:
    if "world" in request.fixturenames:
        request.getfixturevalue("world").reset_model()


@pytest_asyncio.fixture(loop_scope="session")
async def alice(world: World) -> Person:
    """A person of the bridge's homeserver."""
    return await world.town.person(world.home, "alice")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows the end of the bridge's log."""
    report = yield
    world = getattr(item, "funcargs", {}).get("world")
    if report.failed and isinstance(world, World):
        report.sections.append(("bridge", world.bridge.log_tail()))
    return report
