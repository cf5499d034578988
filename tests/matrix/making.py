"""Puppets, and events as a homeserver sends them."""

from __future__ import annotations

from typing import Any

from bridge.domain.events import Delivery, RoomEvent
from bridge.domain.ids import DeviceId, PuppetId, RoomId, UserId
from bridge.domain.persona import Persona, Puppet
from bridge.matrix.wire import parse_transaction

NOW = 1_764_000_000_000
ROOM = RoomId("!room:example.org")
ALICE = UserId("@alice:example.org")
LUNA = UserId("@ai_luna:example.org")


def puppet(name: str = "luna", *, avatar: str = "") -> Puppet:
    persona = Persona(
        persona_id=PuppetId(name),
        version="1",
        name=name.title(),
        description="",
        character="",
        avatar=avatar,
    )
    return Puppet(
        puppet_id=PuppetId(name),
        user_id=UserId(f"@ai_{name}:example.org"),
        device_id=DeviceId(f"AI_{name.upper()}"),
        display_name=f"{name.title()} (AI)",
        persona=persona,
    )


def is_ours(user_id: str) -> bool:
    return user_id.startswith("@ai_")


def event(kind: str, content: object, **more: object) -> dict[str, Any]:
    return {
        "type": kind,
        "content": content,
        "event_id": "$event",
        "room_id": ROOM,
        "sender": ALICE,
        "origin_server_ts": NOW - 500,
        "unsigned": {"age": 40},
    } | more


def message(body: str = "hello", /, **more: object) -> dict[str, Any]:
    return event("m.room.message", {"msgtype": "m.text", "body": body} | more)


def state(kind: str, content: object, **more: object) -> dict[str, Any]:
    return event(kind, content, state_key="") | more


def parse(*raw: object) -> Delivery:
    return parse_transaction({"events": list(raw)}, NOW, is_ours)


def parse_one(raw: object) -> RoomEvent:
    """The one event that comes of it."""
    delivery = parse(raw)
    assert not delivery.malformed, delivery.malformed
    assert not delivery.echoes
    (parsed,) = delivery.events
    return parsed
