"""Puppets on their homeserver, through mautrix's plain HTTP API.

Not through its intents: those re-join after a kick and lift bans. Every request of a puppet carries
its device, because Synapse remembers a repeated transaction id across restarts only for a device.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from email.utils import parsedate_to_datetime
from typing import Any, Final, cast
from urllib.parse import quote

import aiohttp
from mautrix.api import HTTPAPI, Method
from mautrix.errors import MatrixConnectionError
from mautrix.types import UserID
from multidict import MultiDict

from bridge.domain.effect import Effect, Redact
from bridge.domain.events import Delivery, Membership, StateChange
from bridge.domain.ids import EventId, RoomId, TxnId, UserId
from bridge.domain.persona import Puppet
from bridge.errors import (
    BadMedia,
    HomeserverError,
    RateLimited,
    Refused,
    TimedOut,
    TokenRejected,
    Unreachable,
)
from bridge.matrix.pictures import MAX_BYTES, prepared
from bridge.matrix.render import render
from bridge.matrix.timeline import since_joined
from bridge.matrix.wire import MXC, parse_event, parse_transaction

SEND_TIMEOUT_S: Final = 4.5
"""Under half of a worker's lease, so that no send outlives it."""
JOIN_TIMEOUT_S: Final = 60.0
"""Joining through another server takes long."""
LOOK_BACK_TIMEOUT_S: Final = 10.0
"""It may have to ask other servers first."""
PICTURE_TIMEOUT_S: Final = 20.0
_PIECE_BYTES: Final = 64 * 1024
_REFUSAL_BYTES: Final = 64 * 1024
PROFILE_TIMEOUT_S: Final = 2.0
"""Somebody waits for an answer meanwhile."""
STATE_TIMEOUT_S: Final = 30.0
"""A large room has megabytes of members."""
TYPING_MS: Final = 30_000
_CONNECT_TIMEOUT_S: Final = 3.0
_DEFAULT_RETRY_MS: Final = 2_000
_MAX_RETRY_MS: Final = 60_000
_NO_CONTACT: Final = frozenset({"M_CONNECTION_FAILED", "M_CONNECTION_TIMEOUT", "M_BAD_STATUS"})
"""What a homeserver says whose ping did not reach us."""
_V3: Final = "_matrix/client/v3"

Json = Mapping[str, Any]


class _Api(HTTPAPI):
    """mautrix's API, which reads the waiting time out of a refusal by rate limit."""

    async def _send(
        self, method: Method, url: Any, content: Any, query_params: Any, headers: Any
    ) -> Any:
        request = self.session.request(
            str(method), url, data=content, params=query_params, headers=headers
        )
        async with request as response:
            body = await response.read()
            data = _parsed(body)
            if response.status < 300:
                return data, response
            raise _refusal(response.status, data, response.headers.get("Retry-After"))


class MatrixHomeserver:
    """Satisfies `bridge.ports.Homeserver`. One HTTP session for all puppets."""

    def __init__(self, *, url: str, as_token: str) -> None:
        self._url = url.rstrip("/")
        self._as_token = as_token
        self.on_trouble: Callable[[], None] | None = None
        """Called when the homeserver has failed: it may have lost what it held in memory."""
        self._session: aiohttp.ClientSession | None = None
        self._apis: dict[tuple[str, str], _Api] = {}

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
            self._apis.clear()

    async def send(self, puppet: Puppet, room_id: RoomId, effect: Effect, txn_id: TxnId) -> EventId:
        """Send with the puppet's device. The same `txn_id` again gives the same event."""
        event_type, content = render(effect, txn_id, puppet)
        room = quote(room_id, safe="")
        if isinstance(effect, Redact):
            target = quote(effect.target, safe="")
            path = f"{_V3}/rooms/{room}/redact/{target}/{quote(txn_id, safe='')}"
        else:
            path = f"{_V3}/rooms/{room}/send/{event_type}/{quote(txn_id, safe='')}"
        answer = await self.call(puppet, Method.PUT, path, content)
        event_id = answer.get("event_id")
        if not isinstance(event_id, str):
            raise Unreachable("the homeserver accepted an event without saying its id")
        return EventId(event_id)

    async def type(self, puppet: Puppet, room_id: RoomId, *, is_typing: bool) -> None:
        path = f"{_V3}/rooms/{quote(room_id, safe='')}/typing/{quote(puppet.user_id, safe='')}"
        content = {"typing": True, "timeout": TYPING_MS} if is_typing else {"typing": False}
        await self.call(puppet, Method.PUT, path, content)

    async def mark_read(self, puppet: Puppet, room_id: RoomId, event_id: EventId) -> None:
        room, event = quote(room_id, safe=""), quote(event_id, safe="")
        await self.call(puppet, Method.POST, f"{_V3}/rooms/{room}/receipt/m.read/{event}")

    async def join(self, puppet: Puppet, room_id: RoomId, via: Sequence[str]) -> None:
        """Join without waiting or retrying. Joining a joined room changes nothing."""
        path = f"{_V3}/join/{quote(room_id, safe='')}"
        # One parameter under two names: older homeservers read `server_name`.
        query = [(key, server) for server in via for key in ("via", "server_name")]
        await self.call(puppet, Method.POST, path, query=query, timeout_s=JOIN_TIMEOUT_S)

    async def leave(self, puppet: Puppet, room_id: RoomId, reason: str) -> None:
        """Leave, or decline an invite. Leaving again changes nothing.

        Raises Refused where the puppet was never in the room, or is banned.
        """
        path = f"{_V3}/rooms/{quote(room_id, safe='')}/leave"
        content = {"reason": reason} if reason else {}
        await self.call(puppet, Method.POST, path, content, timeout_s=JOIN_TIMEOUT_S)

    async def room_state(
        self, puppet: Puppet, room_id: RoomId
    ) -> Sequence[Membership | StateChange]:
        """The whole current state that matters to us, as the puppet sees it."""
        path = f"{_V3}/rooms/{quote(room_id, safe='')}/state"
        api = self._api(puppet.user_id, puppet.device_id)
        answer = await self._call(api, Method.GET, path, timeout_s=STATE_TIMEOUT_S)
        found = _state_of(answer, room_id)
        # Half an answer would make an encrypted room look like a plain one.
        if not any(isinstance(e, StateChange) and e.type == "m.room.create" for e in found):
            raise Unreachable("the homeserver's answer is not the state of a room")
        return found

    async def joined_rooms(self, puppet: Puppet) -> Sequence[RoomId]:
        answer = await self.call(puppet, Method.GET, f"{_V3}/joined_rooms")
        rooms = answer.get("joined_rooms")
        if not isinstance(rooms, list):
            raise Unreachable("the homeserver's answer is not a list of rooms")
        return [RoomId(room) for room in rooms]

    async def profile(self, puppet: Puppet, user_id: UserId) -> Json:
        """What somebody says of themselves. It may take another server long to answer."""
        path = f"{_V3}/profile/{quote(user_id, safe='')}"
        return await self.call(puppet, Method.GET, path, timeout_s=PROFILE_TIMEOUT_S)

    async def picture(self, puppet: Puppet, mxc: str) -> bytes:
        """A picture of the room as a small JPEG. Raises BadMedia too."""
        return await asyncio.to_thread(prepared, await self._download(puppet, mxc))

    async def recording(self, puppet: Puppet, mxc: str) -> bytes:
        """A voice message, as it was sent. Raises BadMedia where it is too large."""
        data = await self._download(puppet, mxc)
        if len(data) > MAX_BYTES:
            raise BadMedia(f"The voice message is larger than {MAX_BYTES // 1_000_000} MB.")
        return data

    async def _download(self, puppet: Puppet, mxc: str) -> bytes:
        """A file, or a little more of it than is allowed. Raises BadMedia too."""
        found = MXC.fullmatch(mxc)
        if found is None:
            raise BadMedia("It has no address.")
        server, media = (quote(part, safe="") for part in found.groups())
        path = f"/_matrix/client/v1/media/download/{server}/{media}"
        async with self._request("GET", path, puppet) as response:
            if response.status != 200:
                data = _parsed(await response.content.read(_REFUSAL_BYTES))
                raise _refusal(response.status, data, response.headers.get("Retry-After"))
            data = bytearray()
            async for piece in response.content.iter_chunked(_PIECE_BYTES):
                data += piece
                if len(data) > MAX_BYTES:
                    break
        return bytes(data)

    async def look_back(
        self, puppet: Puppet, room_id: RoomId, *, limit: int, now: int,
        is_ours: Callable[[str], bool],
    ) -> Delivery:  # fmt: skip
        """The newest events of the room since the puppet joined, as a transaction would bring them:
        the oldest first. Raises TimedOut where the homeserver takes too long to collect them."""
        path = f"{_V3}/rooms/{quote(room_id, safe='')}/messages"
        query = [("dir", "b"), ("limit", str(limit))]
        answer = await self.call(
            puppet, Method.GET, path, query=query, timeout_s=LOOK_BACK_TIMEOUT_S
        )
        chunk = answer.get("chunk")
        if not isinstance(chunk, list):
            raise Unreachable("the homeserver's answer is not a timeline")
        events = since_joined(cast(list[object], chunk), puppet.user_id)
        return parse_transaction({"events": events}, now, is_ours)

    # What bringing puppets up, checks and the demo need beyond the port.

    async def versions(self) -> Sequence[str]:
        """Versions of the specification that the homeserver speaks. Needs no token."""
        async with self._request("GET", "/_matrix/client/versions") as response:
            versions = _object(_parsed(await response.read())).get("versions")
        if not isinstance(versions, list):
            raise Unreachable(f"{self._url} does not answer like a Matrix homeserver")
        return cast(list[str], versions)

    async def server_time(self) -> int | None:
        """The homeserver's clock (unix ms, to the second), or None where it does not say."""
        async with self._request("GET", "/_matrix/client/versions") as response:
            date = response.headers.get("Date")
        try:
            return round(parsedate_to_datetime(date).timestamp() * 1000) if date else None
        except ValueError:
            return None

    async def whoami(self, puppet: Puppet, *, with_device: bool = False) -> Json:
        device = puppet.device_id if with_device else ""
        return await self.call(puppet, Method.GET, f"{_V3}/account/whoami", device_id=device)

    async def ping(self, appservice_id: str) -> int:
        """Ask the homeserver to reach us; returns the milliseconds it took.

        It also makes a homeserver that is waiting before a retry deliver at once. Its
        error's `errcode` says what the homeserver saw when it could not reach us.
        """
        path = f"_matrix/client/v1/appservice/{quote(appservice_id, safe='')}/ping"
        answer = await self._call(self._api("", ""), Method.POST, path, {}, timeout_s=20.0)
        took_ms = _object(answer).get("duration_ms")
        return took_ms if isinstance(took_ms, int) else 0

    async def upload(self, puppet: Puppet, name: str, data: bytes, content_type: str) -> str:
        """Upload a file; returns its mxc address."""
        api = self._api(puppet.user_id, "")
        with self._translated():
            answer = await api.request(
                Method.POST,
                "_matrix/media/v3/upload",
                data,
                headers={"Content-Type": content_type},
                query_params={"filename": name},
            )
        mxc = _object(answer).get("content_uri")
        if not isinstance(mxc, str):
            raise Unreachable("the homeserver accepted a file without saying its address")
        return mxc

    async def call(
        self,
        puppet: Puppet,
        method: Method | str,
        path: str,
        content: Json | None = None,
        *,
        query: Sequence[tuple[str, str]] = (),
        device_id: str | None = None,
        timeout_s: float = SEND_TIMEOUT_S,
    ) -> Json:
        """One request as the puppet. Raises HomeserverError."""
        device = puppet.device_id if device_id is None else device_id
        api = self._api(puppet.user_id, device)
        return _object(
            await self._call(api, method, path, content, query=query, timeout_s=timeout_s)
        )

    async def call_as_appservice(self, method: Method | str, path: str, content: Json) -> Json:
        """One request as the appservice itself, for no user. Raises HomeserverError."""
        return _object(await self._call(self._api("", ""), method, path, content))

    async def _call(
        self,
        api: HTTPAPI,
        method: Method | str,
        path: str,
        content: Json | None = None,
        *,
        query: Sequence[tuple[str, str]] = (),
        timeout_s: float = SEND_TIMEOUT_S,
    ) -> Any:
        with self._translated():
            async with asyncio.timeout(timeout_s):
                return await api.request(
                    Method(method),
                    path,
                    dict(content) if content is not None else None,
                    query_params=MultiDict(query),
                )

    def _api(self, user_id: str, device_id: str) -> _Api:
        key = (user_id, device_id)
        if key not in self._apis:
            self._apis[key] = _Api(
                self._url,
                self._as_token,
                client_session=self._open_session(),
                as_user_id=UserID(user_id) if user_id else None,
                as_device_id=UserID(device_id) if device_id else None,
            )
        return self._apis[key]

    @asynccontextmanager
    async def _request(
        self, method: str, path: str, puppet: Puppet | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Without a puppet as nobody. What comes through here may be no JSON."""
        headers = {"Authorization": f"Bearer {self._as_token}"} if puppet else None
        query = {"user_id": str(puppet.user_id)} if puppet else None
        with self._translated():
            async with (
                asyncio.timeout(PICTURE_TIMEOUT_S if puppet else SEND_TIMEOUT_S),
                self._open_session().request(
                    method, self._url + path, headers=headers, params=query, allow_redirects=False
                ) as response,
            ):
                yield response

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """mautrix's and aiohttp's errors as ours."""
        try:
            with _as_ours(self._url):
                yield
        except Unreachable as error:
            # One that is only slow, or that cannot reach us, has lost nothing.
            is_well = isinstance(error, TimedOut) or error.errcode in _NO_CONTACT
            if self.on_trouble is not None and not is_well:
                self.on_trouble()
            raise

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(
                    total=JOIN_TIMEOUT_S, sock_connect=_CONNECT_TIMEOUT_S
                ),
                connector=aiohttp.TCPConnector(limit=64),
            )
        return self._session


def _state_of(answer: object, room_id: RoomId) -> list[Membership | StateChange]:
    found: list[Membership | StateChange] = []
    for raw in cast(list[object], answer) if isinstance(answer, list) else []:
        try:
            event = parse_event(raw, 0, room_id)
        except ValueError:
            continue
        if isinstance(event, Membership | StateChange):
            found.append(event)
    return found


@contextmanager
def _as_ours(url: str) -> Iterator[None]:
    try:
        yield
    except aiohttp.ServerTimeoutError as error:
        raise Unreachable(f"{url} does not take requests") from error
    except TimeoutError as error:
        raise TimedOut(f"{url} did not answer in time") from error
    except (MatrixConnectionError, aiohttp.ClientError, OSError) as error:
        raise Unreachable(f"{url} cannot be reached: {error}") from error


def _refusal(status: int, data: object, retry_after: str | None) -> HomeserverError:
    fields = _object(data)
    errcode = str(fields.get("errcode", ""))
    message = str(fields.get("error", "")) or f"HTTP status {status}"
    if status == 429:
        return RateLimited(message, retry_after_ms=_waiting_ms(fields, retry_after))
    if status == 401 or errcode in {"M_UNKNOWN_TOKEN", "M_MISSING_TOKEN"}:
        return TokenRejected(
            f"the homeserver does not know our as_token ({errcode or status}): is the registration "
            "file listed in its configuration, and was it restarted since?",
            status=status,
            errcode=errcode,
        )
    # Without a Matrix error code it was a proxy that answered: it has lost the homeserver.
    is_proxy = status in (404, 405, 408) and not errcode
    if 400 <= status < 500 and not is_proxy:
        return Refused(message, status=status, errcode=errcode)
    return Unreachable(
        f"the homeserver answered {status}: {message}", status=status, errcode=errcode
    )


def _waiting_ms(fields: Json, retry_after: str | None) -> int:
    stated = fields.get("retry_after_ms")
    if not isinstance(stated, int):
        stated = int(retry_after) * 1000 if retry_after and retry_after.isdigit() else None
    return min(max(stated if stated is not None else _DEFAULT_RETRY_MS, 50), _MAX_RETRY_MS)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return {}


def _object(data: object) -> Json:
    """What is no object answers nothing."""
    return cast(Json, data) if isinstance(data, dict) else {}
