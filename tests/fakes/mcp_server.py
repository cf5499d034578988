"""A real MCP server, made with the same SDK: `python -m tests.fakes.mcp_server [PORT TOKEN]`.

Without a port it speaks on its standard streams. With one it is served at /mcp, for those who bear
the token.
"""

from __future__ import annotations

import asyncio
import os
import sys

from mcp.server import MCPServer

server = MCPServer("house")


@server.tool()
def forecast(city: str, days: int = 1) -> str:
    """The weather of a city."""
    return f"{city}: sunny for {days} days (token {os.environ.get('TOKEN', 'none')})"


@server.tool()
def secret() -> str:
    """What no operator allowed."""
    return "SECRET"


@server.tool()
def flood() -> str:
    """More than anybody can read."""
    return "word " * 100_000


@server.tool()
def fail() -> str:
    """It fails."""
    raise ValueError("inner workings")


@server.tool()
def die() -> str:
    """The program ends."""
    os._exit(1)


@server.tool()
async def hang() -> str:
    """It never ends."""
    await asyncio.sleep(3600)
    return ""


def main() -> None:
    if len(sys.argv) == 1:
        server.run()
        return
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    port, token = int(sys.argv[1]), sys.argv[2]
    app: Starlette = server.streamable_http_app()

    async def guarded(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        if scope["type"] == "http":
            request = Request(scope)
            if request.headers.get("authorization") != f"Bearer {token}":
                await Response(status_code=401)(scope, receive, send)
                return
        await app(scope, receive, send)

    uvicorn.run(guarded, host="127.0.0.1", port=port, log_level="error")


if __name__ == "__main__":
    main()
