"""The person at the terminal: an ordinary Matrix user with a small client."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import secrets
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import quote

import aiohttp

from bridge.domain.vendor import AI_KEY
from bridge.errors import SetupError, Unreachable

_V3: Final = "/_matrix/client/v3"
_POLL_MS: Final = 25_000
_RETRY_S: Final = 0.5
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_FILTER: Final = '{"room":{"timeline":{"limit":30}},"presence":{"types":[]}}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A message in the room, or an edit of one. `reply_to`: the event it answers, or ""."""

    event_id: str
    sender: str
    text: str
    reply_to: str
    is_generated: bool
    is_notice: bool
    is_edit: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Typing:
    """Who types now."""

    user_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lounge:
    """A room as its members see it. `members`: membership by user id."""

    topic: str
    members: Mapping[str, str]
    is_encrypted: bool


class Person:
    """One user in one room. Use as `async with Person(url) as person`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session: aiohttp.ClientSession | None = None
        self._token = ""
        self.user_id = ""

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def enter(self, name: str, password: str, secret: str) -> None:
        """Log in; the first time, make the account with the homeserver's own secret."""
        login = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": name},
            "password": password,
            "device_id": "DEMOTERMINAL",
            "initial_device_display_name": "Matrix AI Bridge demo",
        }
        status, answer = await self._try("POST", f"{_V3}/login", login)
        if status == 403:
            await self._make_account(name, password, secret)
            status, answer = await self._try("POST", f"{_V3}/login", login)
        if status != 200:
            raise SetupError(f"The demo's account cannot log in: {answer}. Try --fresh.")
        self._token, self.user_id = answer["access_token"], answer["user_id"]

    async def make_lounge(self, name: str, topic: str, puppets: Sequence[str]) -> str:
        """A room with the puppets invited; returns its id."""
        answer = await self._call(
            "POST",
            f"{_V3}/createRoom",
            {"name": name, "topic": topic, "preset": "private_chat", "invite": list(puppets)},
        )
        return str(answer["room_id"])

    async def lounge(self, room_id: str) -> Lounge | None:
        """The room's state, or None where the person is not in it."""
        status, answer = await self._try("GET", f"{_V3}/rooms/{quote(room_id, safe='')}/state")
        if status != 200:
            return None
        of_type = {event["type"]: event["content"] for event in answer}
        return Lounge(
            topic=str(of_type.get("m.room.topic", {}).get("topic", "")),
            members={
                event["state_key"]: str(event["content"].get("membership", ""))
                for event in answer
                if event["type"] == "m.room.member"
            },
            is_encrypted="m.room.encryption" in of_type,
        )

    async def set_topic(self, room_id: str, topic: str) -> None:
        path = f"{_V3}/rooms/{quote(room_id, safe='')}/state/m.room.topic/"
        await self._call("PUT", path, {"topic": topic})

    async def invite(self, room_id: str, user_id: str) -> None:
        path = f"{_V3}/rooms/{quote(room_id, safe='')}/invite"
        await self._call("POST", path, {"user_id": user_id})

    async def say(self, room_id: str, text: str) -> str:
        """Returns the event id."""
        path = f"{_V3}/rooms/{quote(room_id, safe='')}/send/m.room.message/{secrets.token_hex(8)}"
        answer = await self._call(
            "PUT", path, {"msgtype": "m.text", "body": text, "m.mentions": {}}
        )
        return str(answer["event_id"])

    async def listen(self, room_id: str) -> AsyncGenerator[Heard | Typing | None]:
        """The room's last messages, then None, then what happens from now on."""
        query = {"filter": _FILTER, "timeout": "0"}
        answer = await self._call("GET", f"{_V3}/sync", query=query)
        for what in _happened(answer, room_id):
            if isinstance(what, Heard):
                yield what
        yield None
        while True:
            query |= {"since": answer["next_batch"], "timeout": str(_POLL_MS)}
            try:
                answer = await self._call("GET", f"{_V3}/sync", query=query)
            except Unreachable:
                await asyncio.sleep(_RETRY_S)
                continue
            for what in _happened(answer, room_id):
                yield what

    async def _make_account(self, name: str, password: str, secret: str) -> None:
        path = "/_synapse/admin/v1/register"
        nonce = str((await self._call("GET", path))["nonce"])
        signed = "\0".join((nonce, name, password, "notadmin")).encode()
        account = {
            "nonce": nonce,
            "username": name,
            "displayname": name.capitalize(),
            "password": password,
            "admin": False,
            "mac": hmac.new(secret.encode(), signed, hashlib.sha1).hexdigest(),
        }
        await self._call("POST", path, account)

    async def _call(
        self, method: str, path: str, body: object = None, query: Mapping[str, str] | None = None
    ) -> Any:
        status, answer = await self._try(method, path, body, query)
        if status != 200:
            raise SetupError(
                f"The demo's homeserver refused {method} {path.split('?')[0]}: {answer}"
            )
        return answer

    async def _try(
        self, method: str, path: str, body: object = None, query: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        assert self._session is not None
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            async with self._session.request(
                method, self._url + path, json=body, headers=headers, params=query
            ) as response:
                return response.status, await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unreachable(
                f"The demo's homeserver does not answer ({type(error).__name__})."
            ) from error


def _happened(answer: Mapping[str, Any], room_id: str) -> Iterator[Heard | Typing]:
    room = answer.get("rooms", {}).get("join", {}).get(room_id, {})
    for event in room.get("ephemeral", {}).get("events", []):
        if event["type"] == "m.typing":
            yield Typing(user_ids=tuple(event["content"].get("user_ids", [])))
    for event in room.get("timeline", {}).get("events", []):
        if event["type"] == "m.room.message" and event["content"].get("body"):
            yield _heard(event)


def _heard(event: Mapping[str, Any]) -> Heard:
    content = event["content"]
    relation = _object(content, "m.relates_to")
    is_edit = relation.get("rel_type") == "m.replace"
    text = _object(content, "m.new_content").get("body") if is_edit else None
    return Heard(
        event_id=event["event_id"],
        sender=event["sender"],
        text=_printable(str(text or content["body"])),
        reply_to=str(_object(relation, "m.in_reply_to").get("event_id", "")),
        is_generated=_object(content, AI_KEY).get("generated") is True,
        is_notice=content.get("msgtype") == "m.notice",
        is_edit=is_edit,
    )


def _object(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """What stands there, or nothing: people's clients may write anything."""
    value = content.get(key)
    return value if isinstance(value, Mapping) else {}


def _printable(text: str) -> str:
    """Without what moves a terminal's cursor or turns its text around."""
    return _UNPRINTABLE.sub("", text).expandtabs(4).strip("\n")
