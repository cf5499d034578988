"""Tools of MCP servers (Model Context Protocol): programs that are started, or addresses.

This takes the extra `[mcp]`. What a server says of itself and gives is untrusted; nothing that it
asks of us (to sample a model, to ask a person) is done. Its words are never logged.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Final, TextIO, cast

import httpx2
from mcp import Client, MCPError, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import (
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    CallToolResult,
    EmbeddedResource,
    TextContent,
    TextResourceContents,
)
from mcp_types import Tool as ServersTool

from bridge import log
from bridge.domain.tool import Asking, Tool
from bridge.errors import ToolFailed

CONNECT_S: Final = 30.0
"""A server that takes longer to start is given up."""
PATIENCE_S: Final = 3.0
"""An answer waits so long for a server to start; the next one may have its tools."""
AGAIN_S: Final = 30.0
"""After a failure a server is left alone for so long."""
FRESH_S: Final = 300.0
"""So long its list of tools is taken for true."""
MAX_RESULT_CHARS: Final = 20_000
_MAX_SCHEMA_CHARS: Final = 4_000
_MAX_PAGES: Final = 20
_EVENT_BYTES: Final = 1024 * 1024

# It logs what it cannot parse, which is what a server was asked or gave.
logging.getLogger("mcp").setLevel(logging.CRITICAL)


class _Connection:
    """A session with a server, kept open by a task of its own until nobody uses it any more."""

    def __init__(self, client: Callable[[AsyncExitStack], Client]) -> None:
        self._make_client = client
        self._closing = asyncio.Event()
        self._calls = 0
        self._is_leaving = False
        self.ready: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self.task = asyncio.create_task(self._live(), name="mcp")

    async def _live(self) -> None:
        # One task enters and leaves what the session is made of: its scopes belong to it.
        try:
            async with AsyncExitStack() as stack:
                client = await stack.enter_async_context(self._make_client(stack))
                if not self.ready.done():
                    self.ready.set_result(client)
                await self._closing.wait()
        except Exception as error:
            self._fail(_reason(error))
        finally:
            self._fail("it was given up")

    def _fail(self, reason: str) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(reason))
            self.ready.exception()  # Whoever waited may have gone.

    @property
    def is_alive(self) -> bool:
        return not self.task.done()

    def leave(self) -> None:
        """End it once its last call has ended."""
        self._is_leaving = True
        if not self._calls:
            self._closing.set()

    async def __aenter__(self) -> Client:
        self._calls += 1
        try:
            return await asyncio.shield(self.ready)
        except BaseException:
            await self.__aexit__()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._calls -= 1
        if self._is_leaving and not self._calls:
            self._closing.set()

    async def close(self) -> None:
        self._closing.set()
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


class McpSource:
    """ToolSource port on one server. It is started, or connected to, when it is first needed, and
    again after it went away."""

    def __init__(
        self,
        name: str,
        *,
        allowed: Collection[str],
        command: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        url: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`name` is what its tools are called by: `name.tool`; `allowed` holds such names."""
        self._name = name
        self._allowed = frozenset(allowed)
        self._command = tuple(command)
        self._env = dict(env or {})
        self._url = url
        self._headers = dict(headers or {})
        self._connection: _Connection | None = None
        self._leaving: list[_Connection] = []
        self._listed: tuple[Tool, ...] = ()
        self._listed_s = -FRESH_S
        self._not_before_s = 0.0
        self._lock = asyncio.Lock()
        self._log = log.get("engine.mcp")

    async def tools(self) -> Sequence[Tool]:
        now_s = asyncio.get_running_loop().time()
        is_there = self._connection is not None and self._connection.is_alive
        if is_there and now_s - self._listed_s < FRESH_S:
            return self._listed
        if now_s < self._not_before_s:
            return ()
        listing = asyncio.ensure_future(self._list())
        # It goes on: whoever asks next has it.
        await asyncio.wait({listing}, timeout=PATIENCE_S)
        return self._listed if listing.done() and listing.result() else ()

    async def call(self, tool: Tool, arguments: Mapping[str, object], asking: Asking) -> str:
        connection = self._connected()
        try:
            async with connection as client:
                name = tool.name.partition(".")[2]
                result = await client.call_tool(name, dict(arguments))
        except MCPError as error:
            if error.code not in (INVALID_PARAMS, METHOD_NOT_FOUND):
                self._lose(connection, error)
            raise ToolFailed(error.message[:MAX_RESULT_CHARS]) from None
        except asyncio.CancelledError:
            # It may hang: later calls get a server of their own.
            self._forget(connection)
            raise
        except Exception as error:
            self._lose(connection, error)
            raise ToolFailed("The tool's server does not answer.") from None
        text = _text(result)
        if result.is_error:
            raise ToolFailed(text or "The tool failed.")
        return text

    async def close(self) -> None:
        for connection in (self._connection, *self._leaving):
            if connection is not None:
                await connection.close()
        self._connection = None
        self._leaving.clear()

    async def _list(self) -> bool:
        """Ask for its tools, unless somebody else just did. False where it is away."""
        async with self._lock:
            loop = asyncio.get_running_loop()
            connection = self._connected()
            if loop.time() - self._listed_s < FRESH_S and connection.ready.done():
                return True
            try:
                async with asyncio.timeout(CONNECT_S), connection as client:
                    self._listed = tuple(await self._allowed_tools(client))
            except Exception as error:
                self._not_before_s = loop.time() + AGAIN_S
                self._lose(connection, error)
                return False
            self._listed_s = loop.time()
            return True

    async def _allowed_tools(self, client: Client) -> list[Tool]:
        tools: list[Tool] = []
        cursor: str | None = None
        for _ in range(_MAX_PAGES):
            page = await client.list_tools(cursor=cursor, cache_mode="refresh")
            tools += [found for tool in page.tools if (found := self._tool(tool))]
            cursor = page.next_cursor
            if cursor is None:
                break
        missing = self._allowed - {tool.name for tool in tools}
        if missing:
            self._log.warning("tools_missing", server=self._name, tools=sorted(missing))
        return tools

    def _tool(self, tool: ServersTool) -> Tool | None:
        name = f"{self._name}.{tool.name}"
        if name not in self._allowed:
            return None
        if len(json.dumps(tool.input_schema)) > _MAX_SCHEMA_CHARS:
            self._log.warning("tool_too_large", tool=name)
            return None
        return Tool(name=name, description=tool.description or "", parameters=tool.input_schema)

    def _connected(self) -> _Connection:
        if self._connection is None or not self._connection.is_alive:
            self._listed_s = -FRESH_S
            self._connection = _Connection(self._client)
        return self._connection

    def _client(self, stack: AsyncExitStack) -> Client:
        if self._url:
            timeout = httpx2.Timeout(CONNECT_S)
            http = httpx2.AsyncClient(headers=self._headers, timeout=timeout)
            stack.push_async_callback(http.aclose)
            return Client(
                streamable_http_client(self._url, http_client=http, max_sse_event_size=_EVENT_BYTES)
            )
        program, *arguments = self._command
        server = StdioServerParameters(command=program, args=arguments, env=self._env)
        return Client(stdio_client(server, errlog=stack.enter_context(_nowhere())))

    def _lose(self, connection: _Connection, error: BaseException) -> None:
        self._log.warning("tool_server_lost", server=self._name, problem=_reason(error))
        self._forget(connection)

    def _forget(self, connection: _Connection) -> None:
        if connection is self._connection:
            self._connection = None
        connection.leave()
        if not connection.ready.done():
            connection.task.cancel()
        self._leaving = [one for one in (*self._leaving, connection) if one.is_alive]


def _nowhere() -> TextIO:
    """What a program complains of may hold what it was asked."""
    return open(os.devnull, "w", encoding="utf-8")


def _reason(error: BaseException) -> str:
    """What went wrong, without anything that a server said."""
    if isinstance(error, BaseExceptionGroup):
        return _reason(cast("tuple[BaseException, ...]", error.exceptions)[0])
    match error:
        case MCPError():
            return f"MCP error {error.code}"
        case ConnectionError() if not error.errno:
            return str(error)
        case OSError():
            return f"{type(error).__name__} ({error.strerror})"
        case _:
            return type(error).__name__


def _text(result: CallToolResult) -> str:
    parts: list[str] = []
    for block in result.content:
        match block:
            case TextContent():
                parts.append(block.text)
            case EmbeddedResource(resource=TextResourceContents() as resource):
                parts.append(resource.text)
            case _:
                parts.append(f"[{block.type}]")
    if not parts and result.structured_content is not None:
        parts.append(json.dumps(result.structured_content, ensure_ascii=False))
    return "\n".join(parts)[:MAX_RESULT_CHARS]
