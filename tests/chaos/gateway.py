"""What stands between the bridge and its homeserver, and between that and several ingests."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import unquote

import aiohttp
from aiohttp import web

from tests.chaos.homeserver import Trouble, Watching

_HOP_BY_HOP: Final = frozenset(
    {"connection", "transfer-encoding", "content-length", "content-encoding", "host", "keep-alive"}
)
_TYPING: Final = re.compile(r"/rooms/([^/]+)/typing/")
_SEND: Final = re.compile(r"/rooms/[^/]+/(?:send/[^/]+|redact/[^/]+)/")


class _Proxy:
    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=30), connector=aiohttp.TCPConnector(limit=0)
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        raise NotImplementedError

    async def _forward(self, request: web.Request, target: str, body: bytes) -> web.Response:
        assert self._session is not None
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
        async with self._session.request(
            request.method,
            f"{target}{request.rel_url}",
            data=body,
            headers=headers,
            allow_redirects=False,
        ) as answer:
            content = await answer.read()
            kept = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP_BY_HOP}
            return web.Response(status=answer.status, body=content, headers=kept)


class Gateway(_Proxy):
    """In front of a real homeserver: cuts and delays, and sees what the bridge does."""

    def __init__(self, port: int, target: str, dice: random.Random) -> None:
        super().__init__(port)
        self.watching = Watching()
        self.trouble = Trouble(dice)
        self._target = target

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        trouble = self.trouble
        if trouble.strikes(trouble.slow):
            await asyncio.sleep(0.2)
        if trouble.strikes(trouble.cut_before):
            return _cut(request)
        try:
            answer = await self._forward(request, self._target, body)
        except (aiohttp.ClientError, OSError, TimeoutError):
            return _cut(request)
        if answer.status == 200:
            self._watch(request, body, answer)
        return _cut(request) if trouble.strikes(trouble.cut_after) else answer

    def _watch(self, request: web.Request, body: bytes, answer: web.Response) -> None:
        path = request.rel_url.raw_path
        if (typing := _TYPING.search(path)) and b'"typing": true' in body.replace(b":t", b": t"):
            self.watching.has_typed(unquote(typing[1]))
        elif _SEND.search(path) and isinstance(answer.body, bytes):
            event_id: Any = json.loads(answer.body).get("event_id")
            self.watching.sent.setdefault(event_id, json.loads(body))


class Balancer(_Proxy):
    """In front of several ingests: each in turn, the next one where one is away."""

    def __init__(self, port: int, targets: Sequence[str]) -> None:
        super().__init__(port)
        self.stored_at: dict[str, float] = {}
        """When each event was acknowledged."""
        self._targets = list(targets)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        for _ in self._targets:
            target = self._targets.pop(0)
            self._targets.append(target)
            try:
                answer = await self._forward(request, target, body)
                if answer.status == 200:
                    self._note(body)
                return answer
            except aiohttp.ClientConnectorError:
                continue
            except (aiohttp.ClientError, OSError, TimeoutError):
                break  # it may have been stored: the homeserver sends it again
        return web.Response(status=502)

    def _note(self, body: bytes) -> None:
        at = time.monotonic()
        for event in json.loads(body or b"{}").get("events", []):
            self.stored_at[event["event_id"]] = at


def _cut(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=502)
