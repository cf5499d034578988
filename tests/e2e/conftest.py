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
from tests.lab.synapse import Lab

__all__ = ["alice", "lab", "town", "world", "zygote"]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(lab: Lab, town: Town, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """A module may say `BRIDGE = {...}`: sections of the bridge's configuration."""
    home, away = lab.homeserver("home"), lab.homeserver("away")
    async with FakeOllama() as ollama:
        bridge = BridgeProcess(
            lab.folder / "bridge",
            home,
            engine_url=ollama.url,
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
