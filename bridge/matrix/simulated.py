"""A homeserver in memory, for `replay` and tests: rooms, timelines, and three kinds of memory."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from bridge.clock import Clock
from bridge.domain.cast import Cast
from bridge.domain.effect import Effect
from bridge.domain.events import Delivery, Membership, StateChange
from bridge.domain.ids import EventId, RoomId, TxnId, UserId
from bridge.domain.persona import Puppet
from bridge.errors import Refused, Unreachable
from bridge.matrix.render import render
from bridge.matrix.timeline import since_joined
from bridge.matrix.wire import parse_event, parse_transaction

TxnMemory = Literal["device", "memory", "none"]
"""What is remembered of transaction ids: by device for ever, until a restart, nothing."""

Accept = Callable[[object], Awaitable[None]]
Fault = Literal["before", "after"]
Event = dict[str, Any]


@dataclass(slots=True)
class _SimulatedRoom:
    timeline: list[Event] = field(default_factory=list[Event])
    state: dict[tuple[str, str], Event] = field(default_factory=dict[tuple[str, str], Event])

    def membership(self, user_id: str) -> str:
        event = self.state.get(("m.room.member", user_id))
        return str(event["content"]["membership"]) if event else "leave"

    def redact(self, target: str) -> None:
        for event in self.timeline:
            if event["event_id"] == target:
                event["content"] = {}


class SimulatedHomeserver:
    """Satisfies `bridge.ports.Homeserver`; its other half plays people and their servers.

    Events are given to `attach`ed bridges one transaction at a time, in order, and kept while
    nobody is attached.
    """

    def __init__(
        self, *, clock: Clock, cast: Cast, server: str = "home.example",
        remembers: TxnMemory = "device",
    ) -> None:  # fmt: skip
        self._clock = clock
        self._cast = cast
        self._server = server
        self.remembers: TxnMemory = remembers
        self._rooms: dict[RoomId, _SimulatedRoom] = {}
        self._numbers = itertools.count(1)
        self._sent: dict[tuple[str, str], EventId] = {}
        self._faults: list[Fault] = []
        self.pictures: dict[str, bytes] = {}
        """By address, as small JPEGs; and voice messages."""
        self.profiles: dict[str, Mapping[str, object]] = {}
        self.is_down = False
        """Nobody can look back."""
        self._accept: Accept | None = None
        self._queue: list[Event] = []
        self._is_pushing = False
        self.typing: list[tuple[UserId, RoomId, bool]] = []

    # The bridge's side.

    async def send(self, puppet: Puppet, room_id: RoomId, effect: Effect, txn_id: TxnId) -> EventId:
        key = (puppet.device_id, txn_id)
        fault = self._faults.pop(0) if self._faults else None
        if fault == "before":
            raise Unreachable("simulated: the request was lost")
        known = self._sent.get(key)
        if known is None:
            self._check_joined(puppet, room_id)
            event_type, content = render(effect, txn_id, puppet)
            known = await self._append(room_id, puppet.user_id, event_type, content)
            if self.remembers != "none":
                self._sent[key] = known
        if fault == "after":
            raise Unreachable("simulated: the answer was lost")
        return known

    async def type(self, puppet: Puppet, room_id: RoomId, *, is_typing: bool) -> None:
        self.typing.append((puppet.user_id, room_id, is_typing))

    async def mark_read(self, puppet: Puppet, room_id: RoomId, event_id: EventId) -> None:
        self._check_joined(puppet, room_id)

    async def join(self, puppet: Puppet, room_id: RoomId, via: Sequence[str]) -> None:
        room = self._rooms[room_id]
        match room.membership(puppet.user_id):
            case "join":
                return
            case "invite":
                await self.member(
                    room_id, sender=puppet.user_id, user_id=puppet.user_id, membership="join",
                    display_name=puppet.display_name,
                )  # fmt: skip
            case _:
                raise Refused("not invited", status=403, errcode="M_FORBIDDEN")

    async def leave(self, puppet: Puppet, room_id: RoomId, reason: str) -> None:
        room = self._rooms[room_id]
        match room.membership(puppet.user_id):
            case "join" | "invite":
                await self.member(
                    room_id, sender=puppet.user_id, user_id=puppet.user_id, membership="leave",
                    reason=reason,
                )  # fmt: skip
            case "leave" if ("m.room.member", puppet.user_id) in room.state:
                return
            case _:
                raise Refused("never in the room, or banned", status=403, errcode="M_FORBIDDEN")

    async def room_state(
        self, puppet: Puppet, room_id: RoomId
    ) -> Sequence[Membership | StateChange]:
        self._check_joined(puppet, room_id)
        events = (parse_event(raw, 0) for raw in self._rooms[room_id].state.values())
        return [event for event in events if isinstance(event, Membership | StateChange)]

    async def joined_rooms(self, puppet: Puppet) -> Sequence[RoomId]:
        return [
            room_id
            for room_id, room in self._rooms.items()
            if room.membership(puppet.user_id) == "join"
        ]

    async def profile(self, puppet: Puppet, user_id: UserId) -> Mapping[str, object]:
        return self.profiles.get(user_id, {})

    async def picture(self, puppet: Puppet, mxc: str) -> bytes:
        if mxc not in self.pictures:
            raise Refused("simulated: no such media", status=404, errcode="M_NOT_FOUND")
        return self.pictures[mxc]

    async def recording(self, puppet: Puppet, mxc: str) -> bytes:
        return await self.picture(puppet, mxc)

    async def look_back(
        self, puppet: Puppet, room_id: RoomId, *, limit: int, now: int,
        is_ours: Callable[[str], bool],
    ) -> Delivery:  # fmt: skip
        self._check_joined(puppet, room_id)
        if self.is_down:
            raise Unreachable("simulated: nobody is there")
        newest = self._rooms[room_id].timeline[: -limit - 1 : -1]
        events = _aged(since_joined(newest, puppet.user_id), now)
        return parse_transaction({"events": events}, now, is_ours)

    # People's side.

    async def create_room(
        self, creator: UserId, *, name: str = "", is_public: bool = False,
        is_encrypted: bool = False,
    ) -> RoomId:  # fmt: skip
        room_id = RoomId(f"!room{next(self._numbers)}:{self._server}")
        self._rooms[room_id] = _SimulatedRoom()
        await self.state(room_id, creator, "m.room.create", {"room_version": "11"})
        await self.member(room_id, sender=creator, user_id=creator, membership="join")
        rule = "public" if is_public else "invite"
        await self.state(room_id, creator, "m.room.join_rules", {"join_rule": rule})
        if name:
            await self.state(room_id, creator, "m.room.name", {"name": name})
        if is_encrypted:
            algorithm = {"algorithm": "m.megolm.v1.aes-sha2"}
            await self.state(room_id, creator, "m.room.encryption", algorithm)
        return room_id

    async def state(
        self, room_id: RoomId, sender: UserId, event_type: str, content: Mapping[str, Any]
    ) -> EventId:
        return await self._append(room_id, sender, event_type, content, state_key="")

    async def invite(
        self, room_id: RoomId, *, sender: UserId, user_id: UserId, is_direct: bool = False
    ) -> EventId:
        content: Event = {"membership": "invite"}
        if is_direct:
            content["is_direct"] = True
        return await self._append(room_id, sender, "m.room.member", content, state_key=user_id)

    async def member(
        self, room_id: RoomId, *, sender: UserId, user_id: UserId, membership: str,
        display_name: str = "", reason: str = "",
    ) -> EventId:  # fmt: skip
        content: Event = {"membership": membership}
        if display_name:
            content["displayname"] = display_name
        if reason:
            content["reason"] = reason
        return await self._append(room_id, sender, "m.room.member", content, state_key=user_id)

    async def say(
        self,
        room_id: RoomId,
        sender: UserId,
        text: str,
        *,
        mentions: Sequence[UserId] = (),
        mentions_room: bool = False,
        reply_to: EventId | None = None,
        thread_root: EventId | None = None,
        edit_of: EventId | None = None,
        is_notice: bool = False,
        image: str = "",
        sent_at: int | None = None,
    ) -> EventId:
        """A person's message as today's clients send it: `m.mentions` is always there."""
        named: Event = {"user_ids": list(mentions)} if mentions else {}
        if mentions_room:
            named["room"] = True
        content: Event = {
            "msgtype": "m.image" if image else "m.notice" if is_notice else "m.text",
            "body": image or text,
            "m.mentions": named,
        }
        relation: Event = {}
        if edit_of:
            relation = {"rel_type": "m.replace", "event_id": edit_of}
            content["m.new_content"] = {**content}
            content["body"] = f"* {content['body']}"
        elif thread_root:
            fallback = reply_to or self._last_of_thread(room_id, thread_root)
            relation = {
                "rel_type": "m.thread",
                "event_id": thread_root,
                "is_falling_back": reply_to is None,
                "m.in_reply_to": {"event_id": fallback},
            }
        elif reply_to:
            relation = {"m.in_reply_to": {"event_id": reply_to}}
        if relation:
            content["m.relates_to"] = relation
        return await self._append(room_id, sender, "m.room.message", content, sent_at=sent_at)

    async def redact(
        self, room_id: RoomId, sender: UserId, target: EventId, *, sent_at: int | None = None
    ) -> EventId:
        content = {"redacts": target}
        return await self._append(room_id, sender, "m.room.redaction", content, sent_at=sent_at)

    async def post(self, room_id: RoomId, sender: UserId, content: Event) -> EventId:
        """A person's message with any content."""
        return await self._append(room_id, sender, "m.room.message", content)

    async def react(
        self, room_id: RoomId, sender: UserId, target: EventId, key: str, *,
        sent_at: int | None = None,
    ) -> EventId:  # fmt: skip
        relation = {"rel_type": "m.annotation", "event_id": target, "key": key}
        content = {"m.relates_to": relation}
        return await self._append(room_id, sender, "m.reaction", content, sent_at=sent_at)

    def timeline(self, room_id: RoomId) -> Sequence[Event]:
        """Every event of the room, in order."""
        return self._rooms[room_id].timeline

    def fail_next_send(self, when: Fault) -> None:
        """Lose the next send's request (`before`), or the answer to it (`after`)."""
        self._faults.append(when)

    def restart(self) -> None:
        """What is kept in memory alone is gone."""
        if self.remembers == "memory":
            self._sent.clear()

    def drop_waiting(self) -> None:
        """Events that wait for a bridge are never sent, as Synapse does with those in memory."""
        self._queue.clear()

    async def attach(self, accept: Accept) -> None:
        """Give a bridge what is waiting, and everything that happens from now on."""
        self._accept = accept
        await self._push()

    def detach(self) -> None:
        """The bridge is away: events wait."""
        self._accept = None

    async def redeliver(self, room_id: RoomId) -> None:
        """Send the whole timeline again, as homeservers sometimes do."""
        self._queue += self._rooms[room_id].timeline
        await self._push()

    def _check_joined(self, puppet: Puppet, room_id: RoomId) -> None:
        if self._rooms[room_id].membership(puppet.user_id) != "join":
            raise Refused("not in the room", status=403, errcode="M_FORBIDDEN")

    def _last_of_thread(self, room_id: RoomId, root: EventId) -> str:
        last: str = root
        for event in self._rooms[room_id].timeline:
            if event["content"].get("m.relates_to", {}).get("event_id") == root:
                last = event["event_id"]
        return last

    async def _append(
        self, room_id: RoomId, sender: UserId, event_type: str, content: Mapping[str, Any], *,
        state_key: str | None = None, sent_at: int | None = None,
    ) -> EventId:  # fmt: skip
        event_id = EventId(f"$event{next(self._numbers)}:{self._server}")
        event: Event = {
            "event_id": event_id,
            "room_id": room_id,
            "sender": sender,
            "type": event_type,
            "content": dict(content),
            "origin_server_ts": self._clock.now() if sent_at is None else sent_at,
        }
        room = self._rooms[room_id]
        if event_type == "m.room.redaction":
            room.redact(str(content["redacts"]))
        if state_key is not None:
            event["state_key"] = state_key
            room.state[event_type, state_key] = event
        room.timeline.append(event)
        if self._concerns_us(room, event):
            self._queue.append(event)
            await self._push()
        return event_id

    def _concerns_us(self, room: _SimulatedRoom, event: Event) -> bool:
        """A puppet of ours is in the room, or the event is about one."""
        return any(
            event.get("state_key") == p.user_id or room.membership(p.user_id) == "join"
            for p in self._cast.puppets
        )

    async def _push(self) -> None:
        """One transaction at a time; who comes while one is under way leaves it to the first."""
        if self._is_pushing:
            return
        self._is_pushing = True
        try:
            while self._queue and self._accept is not None:
                batch = self._queue[:100]
                now = self._clock.now()
                await self._accept({"events": _aged(batch, now)})
                del self._queue[: len(batch)]
        finally:
            self._is_pushing = False


def _aged(events: Sequence[Any], now: int) -> list[Event]:
    return [
        {**event, "unsigned": {"age": max(0, now - event["origin_server_ts"])}} for event in events
    ]
