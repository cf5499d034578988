from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge.admin.http import Status, application
from bridge.admin.probe import is_running
from bridge.settings import HttpSettings
from tests.lab.ports import free_port


async def status() -> Status:
    return Status(is_ready=False, waiting_for="", version="", engine="", homeserver="", uptime_s=0)


async def test_a_bridge_is_running_as_soon_as_its_port_answers() -> None:
    async with TestServer(application(status)) as server:
        assert server.port is not None
        assert await is_running(HttpSettings(port=server.port))
        assert await is_running(HttpSettings(host="0.0.0.0", port=server.port))


async def test_nothing_is_running_where_nothing_answers() -> None:
    assert not await is_running(HttpSettings(port=free_port()))


@pytest.mark.parametrize("body", ["ok", "[]", '{"status": "up"}'])
async def test_another_program_on_the_port_is_not_taken_for_a_bridge(body: str) -> None:
    async def health(_: web.Request) -> web.Response:
        return web.Response(text=body, content_type="application/json")

    app = web.Application()
    app.add_routes([web.get("/health", health)])
    async with TestServer(app) as server:
        assert server.port is not None
        assert not await is_running(HttpSettings(port=server.port))
