"""The part of a homeserver that the bridge's own commands talk to, and what may be wrong with it.

async with FakeHomeserver(as_token=…, hs_token=…) as homeserver:
    homeserver.remembers_sends = False
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any, Self

import aiohttp
from aiohttp import web

V3 = "/_matrix/client/v3"


class FakeHomeserver:
    """Answers as Synapse does, word for word where the bridge reads it."""

    def __init__(
        self,
        *,
        as_token: str = "as",
        hs_token: str = "hs",
        server_name: str = "example.org",
        sender_localpart: str = "sender",
    ) -> None:
        self.as_token = as_token
        self.hs_token = hs_token
        self.server_name = server_name
        self.sender_localpart = sender_localpart
        self.appservice_url = ""
        self.knows_appservice = True
        self.is_matrix = True
        self.remembers_sends = True
        self.knows_devices = True
        self.clock_ahead_s = 0.0
        self.now_s = 0.0
        self.users: set[str] = set()
        self.joined: dict[str, list[str]] = {}
        self.left: list[tuple[str, str]] = []
        self.deactivated: list[str] = []
        self.refuses_to_deactivate: set[str] = set()
        self.messages: list[str] = []
        self.on_ping: Callable[[], Awaitable[None]] | None = None
        """Awaited before the homeserver pings."""
        self.url = ""
        self._sent: dict[str, str] = {}
        self._numbers = itertools.count(1)
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[self._authorise])
        app.on_response_prepare.append(self._tell_time)
        app.add_routes(
            [
                web.get("/_matrix/client/versions", self._versions),
                web.get(V3 + "/account/whoami", self._whoami),
                web.post(V3 + "/account/deactivate", self._deactivate),
                web.post(V3 + "/register", self._register),
                web.put(V3 + "/devices/{device}", self._empty),
                web.get(V3 + "/profile/{user}", self._empty),
                web.put(V3 + "/profile/{user}/{key}", self._empty),
                web.get(V3 + "/joined_rooms", self._joined_rooms),
                web.post(V3 + "/createRoom", self._create_room),
                web.put(V3 + "/rooms/{room}/send/{type}/{txn}", self._send),
                web.post(V3 + "/rooms/{room}/leave", self._leave),
                web.post("/_matrix/client/v1/appservice/{id}/ping", self._ping),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _tell_time(self, _: web.Request, response: web.StreamResponse) -> None:
        response.headers["Date"] = formatdate(self.now_s + self.clock_ahead_s, usegmt=True)

    @web.middleware
    async def _authorise(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if not request.path.endswith("/versions"):
            if request.headers.get("Authorization") != f"Bearer {self.as_token}":
                return refusal(401, "M_UNKNOWN_TOKEN", "Invalid access token passed.")
            user_id = request.query.get("user_id")
            if user_id and user_id not in self.users:
                return refusal(
                    403, "M_FORBIDDEN", "Application service has not registered this user"
                )
        return await handler(request)

    async def _versions(self, _: web.Request) -> web.Response:
        if not self.is_matrix:
            return web.Response(text="<h1>It works!</h1>", content_type="text/html")
        return web.json_response({"versions": ["v1.1", "v1.15"]})

    async def _whoami(self, request: web.Request) -> web.Response:
        sender = f"@{self.sender_localpart}:{self.server_name}"
        answer = {"user_id": request.query.get("user_id", sender)}
        if self.knows_devices and "device_id" in request.query:
            answer["device_id"] = request.query["device_id"]
        return web.json_response(answer)

    async def _register(self, request: web.Request) -> web.Response:
        user_id = f"@{(await request.json())['username']}:{self.server_name}"
        if user_id in self.users:
            return refusal(400, "M_USER_IN_USE", "User ID already taken.")
        self.users.add(user_id)
        return web.json_response({"user_id": user_id})

    async def _deactivate(self, request: web.Request) -> web.Response:
        user_id = request.query["user_id"]
        if user_id in self.refuses_to_deactivate:
            return refusal(403, "M_FORBIDDEN", "deactivation is disabled here")
        self.deactivated.append(user_id)
        return web.json_response({"id_server_unbind_result": "success"})

    async def _empty(self, _: web.Request) -> web.Response:
        return web.json_response({})

    async def _joined_rooms(self, request: web.Request) -> web.Response:
        return web.json_response({"joined_rooms": self.joined.get(request.query["user_id"], [])})

    async def _create_room(self, request: web.Request) -> web.Response:
        room_id = f"!made{next(self._numbers)}"
        self.joined.setdefault(request.query["user_id"], []).append(room_id)
        return web.json_response({"room_id": room_id})

    async def _send(self, request: web.Request) -> web.Response:
        if not self.remembers_sends or request.path not in self._sent:
            self._sent[request.path] = f"$event{next(self._numbers)}"
            self.messages.append((await request.json())["body"])
        return web.json_response({"event_id": self._sent[request.path]})

    async def _leave(self, request: web.Request) -> web.Response:
        user_id, room_id = request.query["user_id"], request.match_info["room"]
        self.joined[user_id].remove(room_id)
        self.left.append((user_id, room_id))
        return web.json_response({})

    async def _ping(self, request: web.Request) -> web.Response:
        if not self.knows_appservice:
            return refusal(403, "M_FORBIDDEN", "id does not match your appservice")
        if self.on_ping:
            await self.on_ping()
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as client,
                client.post(
                    f"{self.appservice_url}/_matrix/app/v1/ping",
                    json={"transaction_id": None},
                    headers={"Authorization": f"Bearer {self.hs_token}"},
                ) as response,
            ):
                if response.status != 200:
                    return refusal(502, "M_BAD_STATUS", f"HTTP {response.status}")
        except (aiohttp.ClientError, OSError) as error:
            return refusal(502, "M_CONNECTION_FAILED", f"{type(error).__name__}")
        return web.json_response({"duration_ms": 3})


def refusal(status: int, errcode: str, error: str) -> web.Response:
    return web.json_response({"errcode": errcode, "error": error}, status=status)
