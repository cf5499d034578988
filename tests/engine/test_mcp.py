"""Tools of a real MCP server, as a program and at an address."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

pytest.importorskip("mcp", reason="the extra [mcp] is not installed")

from bridge.domain.ids import EventId, RoomId, UserId
from bridge.domain.room import Room
from bridge.domain.tool import Asking, Tool
from bridge.engine import mcp
from bridge.engine.mcp import MAX_RESULT_CHARS, McpSource
from bridge.errors import ToolFailed
from tests.lab.ports import free_port

SERVER = (sys.executable, "-m", "tests.fakes.mcp_server")
ROOT = Path(__file__).parents[2]
ASKING = Asking(room=Room(room_id=RoomId("!r:x")), asker=UserId("@a:x"), cause_id=EventId("$q"))
ALLOWED = ("house.forecast", "house.flood", "house.fail", "house.die", "house.hang")

pytestmark = pytest.mark.usefixtures("patient", "at_the_root")


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine may be busy."""
    monkeypatch.setattr(mcp, "PATIENCE_S", 30.0)


@pytest.fixture
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@asynccontextmanager
async def source(**options: Any) -> AsyncIterator[McpSource]:
    given: dict[str, Any] = {"allowed": ALLOWED, "command": SERVER} | options
    made = McpSource("house", **given)
    try:
        yield made
    finally:
        await made.close()


async def tools_of(made: McpSource) -> Callable[[str], Tool]:
    found = {tool.name: tool for tool in await made.tools()}
    return lambda name: found[f"house.{name}"]


async def test_a_program_is_started_asked_and_ended() -> None:
    async with source(env={"TOKEN": "t0k3n"}) as made:
        tool = await tools_of(made)
        assert tool("forecast").description == "The weather of a city."
        assert tool("forecast").parameters["required"] == ["city"]
        given = await made.call(tool("forecast"), {"city": "Ulm", "days": 3}, ASKING)
    assert given == "Ulm: sunny for 3 days (token t0k3n)"


async def test_what_is_not_allowed_is_not_there() -> None:
    async with source() as made:
        assert {tool.name for tool in await made.tools()} == set(ALLOWED)


async def test_what_is_allowed_and_missing_is_said_to_the_operator() -> None:
    async with source(allowed=["house.forecast", "house.nothing"]) as made:
        with capture_logs() as logs:
            await made.tools()
    [told] = [entry for entry in logs if entry["event"] == "tools_missing"]
    assert told["tools"] == ["house.nothing"]


async def test_failures_and_floods_are_bounded() -> None:
    async with source() as made:
        tool = await tools_of(made)
        assert len(await made.call(tool("flood"), {}, ASKING)) == MAX_RESULT_CHARS
        with pytest.raises(ToolFailed) as caught:
            await made.call(tool("fail"), {}, ASKING)
        assert "fail" in str(caught.value)
        with pytest.raises(ToolFailed):
            await made.call(tool("forecast"), {"days": "many"}, ASKING)


async def test_a_server_that_died_is_started_again() -> None:
    async with source() as made:
        tool = await tools_of(made)
        with capture_logs() as logs, pytest.raises(ToolFailed):
            await made.call(tool("die"), {}, ASKING)
        assert [entry["event"] for entry in logs] == ["tool_server_lost"]
        assert "sunny" in await made.call(tool("forecast"), {"city": "Ulm"}, ASKING)
        assert len(await made.tools()) == len(ALLOWED)


async def test_a_call_that_is_given_up_harms_no_other() -> None:
    async with source() as made:
        tool = await tools_of(made)
        hanging = asyncio.create_task(made.call(tool("hang"), {}, ASKING))
        beside = asyncio.create_task(made.call(tool("forecast"), {"city": "Ulm"}, ASKING))
        await beside
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging
        assert "sunny" in await made.call(tool("forecast"), {"city": "Bonn"}, ASKING)


@pytest.mark.parametrize(
    "options",
    [
        {"command": ("/nonexistent/program",)},
        {"command": (sys.executable, "-c", "")},
        {"command": (), "url": "http://127.0.0.1:9/mcp"},
    ],
)
async def test_a_server_that_is_away_has_no_tools_and_is_left_alone(
    options: dict[str, Any],
) -> None:
    async with source(**options) as made:
        with capture_logs() as logs:
            assert await made.tools() == ()
            assert await made.tools() == ()
        assert [entry["event"] for entry in logs] == ["tool_server_lost"]


async def test_an_answer_does_not_wait_for_a_server_that_is_slow_to_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mcp, "PATIENCE_S", 0.01)
    async with source() as made:
        assert await made.tools() == ()
        monkeypatch.setattr(mcp, "PATIENCE_S", 30.0)
        assert len(await made.tools()) == len(ALLOWED)


async def test_a_server_at_an_address_gets_our_headers() -> None:
    port = free_port()
    process = await asyncio.create_subprocess_exec(*SERVER, str(port), "t0k3n")
    try:
        await listening(port)
        options: dict[str, Any] = {"command": (), "url": f"http://127.0.0.1:{port}/mcp"}
        async with source(**options) as stranger:
            assert await stranger.tools() == ()
        async with source(**options, headers={"Authorization": "Bearer t0k3n"}) as made:
            tool = await tools_of(made)
            assert "Ulm" in await made.call(tool("forecast"), {"city": "Ulm"}, ASKING)
            process.kill()
            await process.wait()
            with pytest.raises(ToolFailed):
                await made.call(tool("forecast"), {"city": "Ulm"}, ASKING)
            assert await made.tools() == ()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def listening(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
