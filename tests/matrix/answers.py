"""A homeserver that answers what a test tells it to, and remembers what it was asked.

async with Answers() as server:
    server.on("PUT", r"/rooms/.*/send/.*", {"event_id": "$it"})
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web


@dataclass(frozen=True, kw_only=True)
class Asked:
    method: str
    path: str
    query: Mapping[str, str]
    content: Any
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True)
class Answer:
    """`delay_s`: how long it is made to wait for."""

    status: int = 200
    content: object = None
    text: str | None = None
    data: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    delay_s: float = 0


Answering = Callable[[Asked], Answer]


def refusal(status: int, errcode: str, error: str = "no", **more: object) -> Answer:
    return Answer(status=status, content={"errcode": errcode, "error": error, **more})


class Answers:
    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.was_asked = asyncio.Event()
        self.url = ""
        self._answers: list[tuple[str, str, Answering]] = []
        self._runner: web.AppRunner | None = None

    def on(self, method: str, path: str, answer: object) -> None:
        """Answer so from now on; `path` is a pattern of what stands behind `/_matrix`."""

        def answering(asked: Asked) -> Answer:
            made = answer(asked) if callable(answer) else answer
            return made if isinstance(made, Answer) else Answer(content=made)

        self._answers.insert(0, (method, path, answering))

    def requests(self, method: str, path: str = "") -> list[Asked]:
        return [a for a in self.asked if a.method == method and re.search(path, a.path)]

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        is_json = request.content_type == "application/json" and body
        asked = Asked(
            method=request.method,
            path=request.path.removeprefix("/_matrix"),
            query={key: ",".join(request.query.getall(key)) for key in request.query},
            content=json.loads(body) if is_json else body,
            headers=dict(request.headers),
        )
        self.asked.append(asked)
        self.was_asked.set()
        for method, pattern, answering in self._answers:
            if method == request.method and re.fullmatch(pattern, asked.path):
                answer = answering(asked)
                break
        else:
            answer = refusal(404, "M_UNRECOGNIZED")
        await asyncio.sleep(answer.delay_s)
        if answer.data is not None:
            return web.Response(status=answer.status, body=answer.data)
        text = json.dumps(answer.content) if answer.text is None else answer.text
        return web.Response(status=answer.status, text=text, headers=answer.headers)
