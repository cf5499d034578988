"""A person with a Matrix client: what they do, and what they see.

alice = await Person.register(homeserver, "alice")
room_id = await alice.create_room(name="Lounge")
await alice.invite(room_id, luna)
asked = await alice.send(room_id, "Luna, hello")
answer = await alice.wait_for(room_id, lambda event: replies_to(event) == asked)
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import quote

import aiohttp

from tests.lab.synapse import REGISTRATION_SECRET, Homeserver

Event = dict[str, Any]
Found = TypeVar("Found")
PATIENCE_S: Final = 20.0
_POLL_MS: Final = 5_000
_PASSWORD: Final = "a password"
_FILTER: Final = '{"room":{"timeline":{"limit":200}},"presence":{"types":[]}}'


class MatrixRefused(Exception):
    """The homeserver answered with an error."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {body.get('errcode', '')}: {body.get('error', '')}")
        self.status = status
        self.errcode = str(body.get("errcode", ""))


@dataclass(kw_only=True)
class Seen:
    """What a person's client has of one room. `typing`: each change, with its moment."""

    events: list[Event] = field(default_factory=list[Event])
    typing: list[tuple[float, tuple[str, ...]]] = field(
        default_factory=list[tuple[float, tuple[str, ...]]]
    )


class Person:
    def __init__(
        self, homeserver: Homeserver, session: aiohttp.ClientSession, user_id: str, token: str
    ) -> None:
        self.homeserver = homeserver
        self.user_id = user_id
        self.device_id = ""
        self.token = token
        self.rooms: defaultdict[str, Seen] = defaultdict(Seen)
        self.invites: dict[str, list[Event]] = {}
        self.left: dict[str, list[Event]] = {}
        self._session = session
        self._since = ""

    @classmethod
    async def register(
        cls, homeserver: Homeserver, session: aiohttp.ClientSession, localpart: str
    ) -> Person:
        """A new account, by the secret that the homeserver shares with its operator."""
        person = cls(homeserver, session, "", "")
        path = "/_synapse/admin/v1/register"
        nonce = (await person.call("GET", path))["nonce"]
        signed = "\0".join((nonce, localpart, _PASSWORD, "notadmin")).encode()
        account = {
            "nonce": nonce,
            "username": localpart,
            "password": _PASSWORD,
            "admin": False,
            "mac": hmac.new(REGISTRATION_SECRET.encode(), signed, hashlib.sha1).hexdigest(),
        }
        made = await person.call("POST", path, account)
        person.user_id, person.token = made["user_id"], made["access_token"]
        person.device_id = made["device_id"]
        return person

    async def call(
        self, method: str, path: str, body: object = None, *, query: Sequence[tuple[str, str]] = ()
    ) -> Any:
        """One request. Raises MatrixRefused."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        async with self._session.request(
            method, self.homeserver.url + path, json=body, headers=headers, params=[*query]
        ) as response:
            answer = await response.json(content_type=None)
            if response.status >= 400:
                raise MatrixRefused(response.status, answer)
            return answer

    # -- rooms

    async def create_room(self, **options: Any) -> str:
        body = {"preset": "private_chat", **options}
        return (await self.call("POST", "/_matrix/client/v3/createRoom", body))["room_id"]

    async def create_dm(self, user_id: str) -> str:
        """As clients do it: the invite itself says that it is direct."""
        return await self.create_room(
            preset="trusted_private_chat", is_direct=True, invite=[user_id]
        )

    async def invite(self, room_id: str, user_id: str) -> None:
        await self._in_room("POST", room_id, "invite", {"user_id": user_id})

    async def join(self, room_id: str, via: str = "") -> None:
        query = [("server_name", via), ("via", via)] if via else []
        await self.call("POST", f"/_matrix/client/v3/join/{quote(room_id)}", {}, query=query)

    async def leave(self, room_id: str) -> None:
        await self._in_room("POST", room_id, "leave", {})

    async def kick(self, room_id: str, user_id: str) -> None:
        await self._in_room("POST", room_id, "kick", {"user_id": user_id})

    async def ban(self, room_id: str, user_id: str) -> None:
        await self._in_room("POST", room_id, "ban", {"user_id": user_id})

    async def state(self, room_id: str, kind: str, key: str = "") -> Any:
        """The content of one state event, or None."""
        try:
            return await self._in_room("GET", room_id, f"state/{kind}/{quote(key)}")
        except MatrixRefused as refused:
            if refused.status == 404:
                return None
            raise

    async def set_state(self, room_id: str, kind: str, content: Event, key: str = "") -> str:
        answer = await self._in_room("PUT", room_id, f"state/{kind}/{quote(key)}", content)
        return answer["event_id"]

    async def members(self, room_id: str) -> dict[str, str]:
        """Membership by user id."""
        answer = await self._in_room("GET", room_id, "members")
        return {event["state_key"]: event["content"]["membership"] for event in answer["chunk"]}

    async def profile(self, user_id: str) -> dict[str, Any]:
        return await self.call("GET", f"/_matrix/client/v3/profile/{quote(user_id)}")

    async def messages(self, room_id: str) -> list[Event]:
        """The newest events of the room, oldest first, as the homeserver has them now."""
        query = [("dir", "b"), ("limit", "200")]
        path = f"/_matrix/client/v3/rooms/{quote(room_id)}/messages"
        return (await self.call("GET", path, query=query))["chunk"][::-1]

    # -- speaking

    async def upload(self, data: bytes, mimetype: str) -> str:
        """Put a file on the homeserver; returns its mxc address."""
        url = f"{self.homeserver.url}/_matrix/media/v3/upload"
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": mimetype}
        async with self._session.post(url, data=data, headers=headers) as response:
            assert response.status == 200, await response.text()
            return (await response.json())["content_uri"]

    async def send(
        self,
        room_id: str,
        body: str,
        *,
        mentions: Sequence[str] = (),
        reply_to: str = "",
        thread: str = "",
        txn_id: str = "",
        **content: Any,
    ) -> str:
        """Say something; returns the event id. `mentions` are intentional ones (`m.mentions`)."""
        said: Event = {"msgtype": "m.text", "body": body}
        if mentions:
            said["m.mentions"] = {"user_ids": [*mentions]}
        relation: Event = {}
        if thread:
            # A thread's own messages also reply, for clients that know no threads.
            relation = {"rel_type": "m.thread", "event_id": thread}
            relation |= {"is_falling_back": not reply_to}
            relation["m.in_reply_to"] = {"event_id": reply_to or thread}
        elif reply_to:
            relation["m.in_reply_to"] = {"event_id": reply_to}
        if relation:
            said["m.relates_to"] = relation
        return await self.send_event(room_id, "m.room.message", said | content, txn_id=txn_id)

    async def edit(self, room_id: str, event_id: str, body: str) -> str:
        new: Event = {"msgtype": "m.text", "body": body}
        relation = {"rel_type": "m.replace", "event_id": event_id}
        content = new | {"body": f"* {body}", "m.new_content": new, "m.relates_to": relation}
        return await self.send_event(room_id, "m.room.message", content)

    async def react(self, room_id: str, event_id: str, key: str) -> str:
        relation = {"rel_type": "m.annotation", "event_id": event_id, "key": key}
        return await self.send_event(room_id, "m.reaction", {"m.relates_to": relation})

    async def redact(self, room_id: str, event_id: str) -> str:
        path = f"redact/{quote(event_id)}/{uuid.uuid4().hex}"
        return (await self._in_room("PUT", room_id, path, {}))["event_id"]

    async def send_event(self, room_id: str, kind: str, content: Event, *, txn_id: str = "") -> str:
        path = f"send/{kind}/{txn_id or uuid.uuid4().hex}"
        return (await self._in_room("PUT", room_id, path, content))["event_id"]

    # -- seeing

    async def sync(self, timeout_ms: int = 0) -> None:
        """Take in what is new; with a timeout, wait for something."""
        query = [("timeout", str(timeout_ms)), ("filter", _FILTER)]
        if self._since:
            query.append(("since", self._since))
        answer = await self.call("GET", "/_matrix/client/v3/sync", query=query)
        self._since = answer["next_batch"]
        rooms = answer.get("rooms", {})
        for room_id, room in rooms.get("join", {}).items():
            self._take_in(room_id, room)
        for room_id, room in rooms.get("invite", {}).items():
            self.invites[room_id] = room["invite_state"]["events"]
        for room_id, room in rooms.get("leave", {}).items():
            self.left[room_id] = room["timeline"]["events"]

    async def wait_for(
        self, room_id: str, is_it: Callable[[Event], bool], *, patience_s: float = PATIENCE_S
    ) -> Event:
        """The first event of the room for which `is_it` holds, seen before or to come."""
        looked_at = 0

        def find() -> Event | None:
            nonlocal looked_at
            events = self.rooms[room_id].events
            found = next((event for event in events[looked_at:] if is_it(event)), None)
            looked_at = len(events)
            return found

        return await self._until(find, patience_s, f"event in {room_id}")

    async def wait_membership(
        self, room_id: str, user_id: str, membership: str, *, patience_s: float = PATIENCE_S
    ) -> Event:
        """Wait until somebody's newest membership is this one."""
        await self.sync()

        def find() -> Event | None:
            events = self.rooms[room_id].events
            mine = [e for e in events if e["type"] == "m.room.member" and e["state_key"] == user_id]
            is_it = bool(mine) and mine[-1]["content"]["membership"] == membership
            return mine[-1] if is_it else None

        return await self._until(find, patience_s, f"{user_id} to {membership}")

    async def wait_typing(
        self, room_id: str, user_id: str, *, since_s: float, patience_s: float = PATIENCE_S
    ) -> float:
        """Wait until somebody types, and return when that was seen (monotonic seconds)."""

        def find() -> float | None:
            changes = self.rooms[room_id].typing
            return next((at for at, who in changes if at >= since_s and user_id in who), None)

        return await self._until(find, patience_s, f"{user_id} to type")

    async def wait_invite(self, room_id: str, *, patience_s: float = PATIENCE_S) -> list[Event]:
        return await self._until(lambda: self.invites.get(room_id), patience_s, "an invite")

    async def _until(self, find: Callable[[], Found | None], patience_s: float, what: str) -> Found:
        give_up_at_s = time.monotonic() + patience_s
        while (found := find()) is None:
            left_s = give_up_at_s - time.monotonic()
            if left_s <= 0:
                raise TimeoutError(f"{self.user_id} waited {patience_s:.0f} s for {what}")
            try:
                await self.sync(timeout_ms=min(_POLL_MS, int(left_s * 1000) + 1))
            except aiohttp.ClientError:  # the homeserver is being restarted
                await asyncio.sleep(0.05)
        return found

    def _take_in(self, room_id: str, room: Mapping[str, Any]) -> None:
        seen = self.rooms[room_id]
        known = {event["event_id"] for event in seen.events}
        changes = (*room.get("state", {}).get("events", ()), *room["timeline"]["events"])
        seen.events += [event for event in changes if event["event_id"] not in known]
        for event in room.get("ephemeral", {}).get("events", ()):
            if event["type"] == "m.typing":
                seen.typing.append((time.monotonic(), tuple(event["content"]["user_ids"])))

    async def _in_room(self, method: str, room_id: str, rest: str, body: object = None) -> Any:
        return await self.call(method, f"/_matrix/client/v3/rooms/{quote(room_id)}/{rest}", body)


def body_of(event: Event) -> str:
    return str(event.get("content", {}).get("body", ""))


def replies_to(event: Event) -> str:
    """The id of the event that this one is a reply to, or ""."""
    relation = event.get("content", {}).get("m.relates_to", {})
    return str(relation.get("m.in_reply_to", {}).get("event_id", ""))


def is_answer(event: Event, to: str, by: str) -> bool:
    """Whether this is a message by `by` that replies to the event `to`."""
    return event["type"] == "m.room.message" and event["sender"] == by and replies_to(event) == to
