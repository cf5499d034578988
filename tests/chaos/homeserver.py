"""A homeserver over HTTP, with three kinds of memory for transaction ids, and bad days.

`device`: a request with a device is remembered for ever; one without only until a restart, and by
its path alone, whoever sent it, as Synapse does. `memory`: until a restart. `none`: not at all.
It gives the appservice its events one transaction at a time, in order, and tries again when one is
refused; after a restart its transactions are numbered from 1 again, and what waited for its turn
to become one is forgotten, as Synapse does.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Literal
from urllib.parse import quote

import aiohttp
from aiohttp import web

Memory = Literal["device", "memory", "none"]
Event = dict[str, Any]

NAME: Final = "home.example"
_V3: Final = "/_matrix/client/v3"
_RETRY_S: Final = 0.3
_MAX_RETRY_S: Final = 2.0
_DYING_S: Final = 0.15
_RECOVERY_S: Final = 1.5


class Watching:
    """What is seen of the bridge's work: when it typed, and what it sent."""

    def __init__(self) -> None:
        self.typed: dict[str, list[float]] = {}
        self.sent: dict[str, Event] = {}
        """Content by event id, also of what was redacted since."""

    def has_typed(self, room_id: str) -> None:
        self.typed.setdefault(room_id, []).append(time.monotonic())


class Trouble:
    """What goes wrong with requests, by chance. All chances are 0 until a fault sets them."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self.cut_before = 0.0
        self.cut_after = 0.0
        self.rate_limited = 0.0
        self.slow = 0.0

    def strikes(self, chance: float) -> bool:
        return chance > 0 and self._dice.random() < chance


class ChaosHomeserver:
    def __init__(
        self, *, port: int, as_token: str, hs_token: str, memory: Memory, dice: random.Random
    ) -> None:
        self.name = NAME
        self.url = f"http://127.0.0.1:{port}"
        self.memory: Memory = memory
        self.appservice_url = ""
        self.prefix = "@ai"
        self.watching = Watching()
        self.trouble = Trouble(dice)
        self.requests = 0
        """How many the bridge has made."""
        self.stored_at: dict[str, float] = {}
        """When the appservice acknowledged each event."""
        self.timelines: dict[str, list[Event]] = {}
        self._as_token = as_token
        self._hs_token = hs_token
        self._port = port
        self._members: dict[str, dict[str, str]] = {}
        self._state: dict[str, dict[tuple[str, str], Event]] = {}
        self._profiles: dict[str, dict[str, Any]] = {}
        self._remembered: dict[object, str] = {}
        self._volatile: dict[object, str] = {}
        self._numbers = itertools.count(1)
        self._txns = itertools.count(1)
        self._queue: list[Event] = []
        self._in_transaction = 0
        """So many of the queue are in a transaction that is under way."""
        self._news = asyncio.Event()
        self._retry_now = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._pushing: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None

    # -- life

    async def start(self, *, push_after_s: float = 0.0) -> None:
        app = web.Application(middlewares=[self._authorise])
        app.add_routes(
            [
                web.get("/_matrix/client/versions", self._versions),
                web.get(_V3 + "/account/whoami", self._whoami),
                web.post(_V3 + "/register", self._empty),
                web.put(_V3 + "/devices/{device}", self._empty),
                web.get(_V3 + "/profile/{user}", self._get_profile),
                web.put(_V3 + "/profile/{user}/{key}", self._put_profile),
                web.post("/_matrix/media/v3/upload", self._upload),
                web.get(_V3 + "/joined_rooms", self._joined_rooms),
                web.post(_V3 + "/join/{room}", self._join),
                web.post(_V3 + "/rooms/{room}/leave", self._leave),
                web.get(_V3 + "/rooms/{room}/state", self._get_state),
                web.get(_V3 + "/rooms/{room}/messages", self._get_messages),
                web.put(_V3 + "/rooms/{room}/send/{type}/{txn}", self._send),
                web.put(_V3 + "/rooms/{room}/redact/{target}/{txn}", self._redact),
                web.put(_V3 + "/rooms/{room}/typing/{user}", self._typing),
                web.post(_V3 + "/rooms/{room}/receipt/{kind}/{event}", self._empty),
                web.post("/_matrix/client/v1/appservice/{id}/ping", self._ping),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        self._pushing = asyncio.create_task(self._push(self._session, push_after_s), name="push")

    async def stop(self) -> None:
        await self._stop_pushing()
        if self._session is not None:
            await self._session.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _stop_pushing(self) -> None:
        if self._pushing is not None:
            self._pushing.cancel()
            await asyncio.gather(self._pushing, return_exceptions=True)

    async def restart(self, down_s: float) -> None:
        """Its last answers are lost. What is kept in memory alone is gone, transactions are
        numbered from 1 again, and they come late, as Synapse's do after a failure."""
        await self._stop_pushing()
        self.trouble.cut_after = 1.0
        await asyncio.sleep(_DYING_S)
        self.trouble.cut_after = 0.0
        await self.stop()
        self._volatile.clear()
        # What no transaction had been made of was in memory alone.
        del self._queue[self._in_transaction :]
        self._txns = itertools.count(1)
        await asyncio.sleep(down_s)
        await self.start(push_after_s=_RECOVERY_S)

    def is_quiet(self) -> bool:
        """The appservice has everything."""
        return not self._queue

    # -- people

    def create_room(self, people: list[str], puppets: list[str]) -> str:
        room_id = f"!room{next(self._numbers)}:{NAME}"
        self._members[room_id] = {}
        self._state[room_id] = {}
        self.timelines[room_id] = []
        create = {"room_version": "11", "creator": people[0]}
        self._append(room_id, people[0], "m.room.create", create, state_key="")
        for person in people:
            self._append(room_id, person, "m.room.member", {"membership": "join"}, state_key=person)
        for puppet in puppets:
            invite = {"membership": "invite"}
            self._append(room_id, people[0], "m.room.member", invite, state_key=puppet)
        return room_id

    def has_joined(self, room_id: str, user_id: str) -> bool:
        return self._members[room_id].get(user_id) == "join"

    def say(self, room_id: str, sender: str, text: str, **content: Any) -> str:
        said = {"msgtype": "m.text", "body": text, "m.mentions": {}, **content}
        return self._append(room_id, sender, "m.room.message", said)

    # -- the bridge's requests

    @web.middleware
    async def _authorise(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {self._as_token}":
            return _refusal(401, "M_UNKNOWN_TOKEN")
        self.requests += 1
        trouble = self.trouble
        if trouble.strikes(trouble.slow):
            await asyncio.sleep(0.2)
        if trouble.strikes(trouble.cut_before):
            return _cut(request)
        if trouble.strikes(trouble.rate_limited) and request.method == "PUT":
            return web.json_response(
                {"errcode": "M_LIMIT_EXCEEDED", "error": "slow down", "retry_after_ms": 100},
                status=429,
            )
        answer = await handler(request)
        return _cut(request) if trouble.strikes(trouble.cut_after) else answer

    async def _versions(self, _: web.Request) -> web.Response:
        return web.json_response({"versions": ["v1.1", "v1.15"]})

    async def _whoami(self, request: web.Request) -> web.Response:
        return web.json_response({"user_id": _user(request)})

    async def _empty(self, _: web.Request) -> web.Response:
        return web.json_response({})

    async def _get_profile(self, request: web.Request) -> web.Response:
        return web.json_response(self._profiles.get(request.match_info["user"], {}))

    async def _put_profile(self, request: web.Request) -> web.Response:
        profile = self._profiles.setdefault(request.match_info["user"], {})
        profile[request.match_info["key"]] = (await request.json())[request.match_info["key"]]
        return web.json_response({})

    async def _upload(self, request: web.Request) -> web.Response:
        await request.read()
        return web.json_response({"content_uri": f"mxc://{NAME}/{next(self._numbers)}"})

    async def _joined_rooms(self, request: web.Request) -> web.Response:
        user = _user(request)
        joined = [room for room, members in self._members.items() if members.get(user) == "join"]
        return web.json_response({"joined_rooms": joined})

    async def _join(self, request: web.Request) -> web.Response:
        room_id, user = request.match_info["room"], _user(request)
        if self._members[room_id].get(user) not in ("invite", "join"):
            return _refusal(403, "M_FORBIDDEN")
        if self._members[room_id][user] == "invite":
            content = {"membership": "join", "displayname": user}
            self._append(room_id, user, "m.room.member", content, state_key=user)
        return web.json_response({"room_id": room_id})

    async def _leave(self, request: web.Request) -> web.Response:
        room_id, user = request.match_info["room"], _user(request)
        self._append(room_id, user, "m.room.member", {"membership": "leave"}, state_key=user)
        return web.json_response({})

    async def _get_state(self, request: web.Request) -> web.Response:
        return web.json_response([*self._state[request.match_info["room"]].values()])

    async def _get_messages(self, request: web.Request) -> web.Response:
        room_id, limit = request.match_info["room"], int(request.query.get("limit", "10"))
        if not self.has_joined(room_id, _user(request)):
            return _refusal(403, "M_FORBIDDEN")
        newest = self.timelines[room_id][: -limit - 1 : -1]
        return web.json_response({"chunk": _as_given(newest), "start": "x"})

    async def _typing(self, request: web.Request) -> web.Response:
        if (await request.json()).get("typing"):
            self.watching.has_typed(request.match_info["room"])
        return web.json_response({})

    async def _send(self, request: web.Request) -> web.Response:
        room_id, content = request.match_info["room"], await request.json()
        return self._once(request, room_id, request.match_info["type"], content)

    async def _redact(self, request: web.Request) -> web.Response:
        room_id, content = request.match_info["room"], await request.json()
        return self._once(request, room_id, "m.room.redaction", content)

    def _once(self, request: web.Request, room_id: str, kind: str, content: Event) -> web.Response:
        user, device = _user(request), request.query.get("device_id", "")
        if not self.has_joined(room_id, user):
            return _refusal(403, "M_FORBIDDEN")
        if self.memory == "device" and device:
            memory, key = self._remembered, (user, device, request.path)
        else:
            memory, key = self._volatile, (request.path,)
        event_id = memory.get(key)
        if event_id is None or self.memory == "none":
            event_id = memory[key] = self._append(room_id, user, kind, content)
            self.watching.sent[event_id] = content
        return web.json_response({"event_id": event_id})

    async def _ping(self, _: web.Request) -> web.Response:
        self._retry_now.set()
        return web.json_response({"duration_ms": 1})

    # -- the timeline, and giving it to the appservice

    def _append(
        self, room_id: str, sender: str, kind: str, content: Event, *, state_key: str | None = None
    ) -> str:
        event: Event = {
            "event_id": f"$event{next(self._numbers)}:{NAME}",
            "room_id": room_id,
            "sender": sender,
            "type": kind,
            "content": dict(content),
            "origin_server_ts": time.time_ns() // 1_000_000,
        }
        if kind == "m.room.redaction":
            self._blank(room_id, str(content.get("redacts", "")))
        if state_key is not None:
            event["state_key"] = state_key
            self._state[room_id][kind, state_key] = event
            if kind == "m.room.member":
                self._members[room_id][state_key] = content["membership"]
        self.timelines[room_id].append(event)
        if any(user.startswith(self.prefix) for user in self._members[room_id]):
            self._queue.append(event)
            self._news.set()
        return event["event_id"]

    def _blank(self, room_id: str, target: str) -> None:
        for event in self.timelines[room_id]:
            if event["event_id"] == target:
                event["original"], event["content"] = event["content"], {}

    async def _push(self, session: aiohttp.ClientSession, after_s: float) -> None:
        await asyncio.sleep(after_s)
        wait_s = _RETRY_S
        while True:
            if not self._queue:
                self._news.clear()
                await self._news.wait()
            number, batch = next(self._txns), self._queue[:100]
            self._in_transaction = len(batch)
            while not await self._give(session, number, batch):
                self._retry_now.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._retry_now.wait()
                wait_s = min(_MAX_RETRY_S, 2 * wait_s)
            wait_s = _RETRY_S
            del self._queue[: len(batch)]
            self._in_transaction = 0

    async def _give(self, session: aiohttp.ClientSession, number: int, batch: list[Event]) -> bool:
        events = _as_given(batch)
        url = f"{self.appservice_url}/_matrix/app/v1/transactions/{quote(str(number))}"
        headers = {"Authorization": f"Bearer {self._hs_token}"}
        try:
            async with session.put(url, json={"events": events}, headers=headers) as response:
                await response.read()
                has_taken = response.status == 200
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False
        if has_taken:
            at = time.monotonic()
            self.stored_at.update((event["event_id"], at) for event in batch)
        return has_taken


def _as_given(events: Sequence[Event]) -> list[Event]:
    now = time.time_ns() // 1_000_000
    return [
        {key: value for key, value in event.items() if key != "original"}
        | {"unsigned": {"age": max(0, now - event["origin_server_ts"])}}
        for event in events
    ]


def _user(request: web.Request) -> str:
    return request.query.get("user_id", f"@aibridge:{NAME}")


def _refusal(status: int, errcode: str) -> web.Response:
    return web.json_response({"errcode": errcode, "error": errcode}, status=status)


def _cut(request: web.Request) -> web.StreamResponse:
    """The connection ends without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def appservice_events(timelines: Mapping[str, list[Event]]) -> int:
    return sum(len(timeline) for timeline in timelines.values())
