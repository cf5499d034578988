"""Puppets leave for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from bridge.clock import FakeClock
from bridge.config_file import load
from bridge.domain.ids import DeviceId, PuppetId, UserId
from bridge.domain.persona import PuppetRecord
from bridge.errors import SetupError, TokenRejected
from bridge.registration import new_registration, write_registration
from bridge.retire import find_puppets, retire_puppets
from bridge.settings import Settings
from bridge.store.store import open_store
from tests.fakes.homeserver import FakeHomeserver
from tests.lab.ports import free_port

CLOCK = FakeClock()


@pytest_asyncio.fixture
async def homeserver() -> AsyncIterator[FakeHomeserver]:
    async with FakeHomeserver() as running:
        running.users = {"@ai_luna:example.org", "@ai_milo:example.org", "@aibridge:example.org"}
        running.joined = {"@ai_luna:example.org": ["!one", "!two"]}
        yield running


@pytest_asyncio.fixture
async def settings(tmp_path: Path, homeserver: FakeHomeserver) -> Settings:
    """A bridge that once brought three accounts up, with the persona of one disabled since."""
    config = tmp_path / "config.yaml"
    config.write_text(f"homeserver: {{url: '{homeserver.url}'}}\nhttp: {{port: {free_port()}}}\n")
    settings = load(config, {})
    registration = replace(
        new_registration(settings), as_token=homeserver.as_token, hs_token=homeserver.hs_token
    )
    write_registration(settings.appservice.registration, registration)
    store = await open_store(settings.database.url, CLOCK)
    for name in ("ai_luna", "ai_milo", "aibridge"):
        await store.puppets.put(
            PuppetRecord(
                puppet_id=PuppetId(name.removeprefix("ai_")),
                user_id=UserId(f"@{name}:example.org"),
                device_id=DeviceId("DEVICE"),
                display_name=name,
                state="registered",
            )
        )
    await store.close()
    return settings


async def test_one_puppet_leaves_every_room_and_is_deactivated(
    settings: Settings, homeserver: FakeHomeserver
) -> None:
    told: list[str] = []
    records = await find_puppets(settings, "luna", CLOCK)
    assert await retire_puppets(settings, records, CLOCK, told.append)
    assert homeserver.joined["@ai_luna:example.org"] == []
    assert homeserver.deactivated == ["@ai_luna:example.org"]
    assert told == ["@ai_luna:example.org left 2 rooms and is deactivated."]


async def test_a_puppet_may_be_named_by_its_user_id(settings: Settings) -> None:
    records = await find_puppets(settings, "@ai_milo:example.org", CLOCK)
    assert [record.puppet_id for record in records] == ["milo"]


async def test_all_means_also_the_bridge_user_and_personas_enabled_no_more(
    settings: Settings, homeserver: FakeHomeserver
) -> None:
    records = await find_puppets(settings, None, CLOCK)
    assert await retire_puppets(settings, records, CLOCK, lambda _: None)
    assert sorted(homeserver.deactivated) == sorted(homeserver.users)


async def test_what_is_retired_is_not_retired_again(
    settings: Settings, homeserver: FakeHomeserver
) -> None:
    await retire_puppets(
        settings, await find_puppets(settings, "luna", CLOCK), CLOCK, lambda _: None
    )
    assert await find_puppets(settings, "luna", CLOCK) == []
    assert len(await find_puppets(settings, None, CLOCK)) == 2


async def test_one_that_cannot_be_retired_does_not_hold_up_the_others(
    settings: Settings, homeserver: FakeHomeserver
) -> None:
    homeserver.refuses_to_deactivate = {"@ai_luna:example.org"}
    told: list[str] = []
    records = await find_puppets(settings, None, CLOCK)
    assert not await retire_puppets(settings, records, CLOCK, told.append)
    assert len(homeserver.deactivated) == 2
    assert "@ai_luna:example.org could not be retired: deactivation is disabled here." in told
    left = await find_puppets(settings, None, CLOCK)
    assert [record.puppet_id for record in left] == ["luna"]


async def test_a_puppet_that_never_was_is_told_with_those_that_are(settings: Settings) -> None:
    with pytest.raises(SetupError, match="Known ones: aibridge, luna, milo"):
        await find_puppets(settings, "bob", CLOCK)


async def test_a_wrong_token_is_an_error_and_not_a_list_of_failures(
    settings: Settings, homeserver: FakeHomeserver
) -> None:
    homeserver.as_token = "another"
    records = await find_puppets(settings, None, CLOCK)
    with pytest.raises(TokenRejected):
        await retire_puppets(settings, records, CLOCK, lambda _: None)


async def test_nothing_is_retired_while_the_bridge_is_running(settings: Settings) -> None:
    async def health(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    app = web.Application()
    app.add_routes([web.get("/health", health)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, settings.http.host, settings.http.port).start()
    try:
        with pytest.raises(SetupError, match="Stop it first"):
            await find_puppets(settings, None, CLOCK)
    finally:
        await runner.cleanup()
