"""JSON of the homeserver to events, and effects to JSON.

Pure. Strangers choose what stands in an event: whatever it is, parsing never raises.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, assert_never, cast

from bridge.domain.effect import Effect, React, Redact, SendText
from bridge.domain.events import (
    Delivery,
    Echo,
    Edit,
    Encrypted,
    Malformed,
    Membership,
    MembershipState,
    Mentions,
    Message,
    MessageKind,
    Reaction,
    Redaction,
    RoomEvent,
    StateChange,
)
from bridge.domain.ids import EventId, RoomId, TxnId, UserId
from bridge.domain.persona import Puppet
from bridge.domain.vendor import AI_KEY, TXN_KEY
from bridge.matrix.body import pills_of, without_fallback
from bridge.matrix.markdown import to_html

MAX_CONTENT_BYTES: Final = 60_000
"""An event holds 64 KiB; signatures, hashes and ids take the rest."""

_MAX_RAW_CHARS: Final = 65_536
_MAX_ID_CHARS: Final = 255

_KINDS: Final[dict[str, MessageKind]] = {
    "m.text": "text",
    "m.notice": "notice",
    "m.emote": "emote",
    "m.image": "image",
    "m.file": "file",
    "m.audio": "audio",
    "m.video": "video",
}
_STATE_TYPES: Final = frozenset(
    {
        "m.room.create",
        "m.room.encryption",
        "m.room.name",
        "m.room.topic",
        "m.room.join_rules",
        "m.room.power_levels",
        "m.room.tombstone",
        "m.room.server_acl",
    }
)
_MEMBERSHIPS: Final = frozenset({"invite", "join", "leave", "ban", "knock"})

Json = Mapping[str, Any]


class _Unusable(ValueError):
    """What is wrong with an event."""


def parse_transaction(body: object, now: int, is_ours: Callable[[str], bool]) -> Delivery:
    """Sort a transaction of the homeserver: events, echoes of our own, and what cannot be used.

    Events of types that do not matter to us are left out. Order is kept.
    """
    if not isinstance(body, dict):
        return Delivery(malformed=(_malformed("the transaction is no object", body, now),))
    listed = cast(Json, body).get("events", [])
    if not isinstance(listed, list):
        return Delivery(malformed=(_malformed("`events` is no list", body, now),))
    events: list[RoomEvent] = []
    echoes: list[Echo] = []
    malformed: list[Malformed] = []
    for raw in cast(list[object], listed):
        try:
            parsed = parse_event(raw, now)
        except _Unusable as error:
            malformed.append(_malformed(str(error), raw, now))
            continue
        if parsed is None:
            continue
        if echo := _echo(parsed, is_ours):
            echoes.append(echo)
        elif not _is_own_talk(parsed, is_ours):
            events.append(parsed)
    return Delivery(events=tuple(events), echoes=tuple(echoes), malformed=tuple(malformed))


def parse_event(raw: object, now: int, room_id: str = "") -> RoomEvent | None:
    """One event, or None for a type that does not matter to us. Raises ValueError.

    `room_id` is for state as `GET /state` gives it; `now` becomes `received_at`.
    """
    event = _object(raw, "the event")
    kind = event.get("type")
    if not isinstance(kind, str):
        raise _Unusable("`type` is no text")
    content = event.get("content")
    if not isinstance(content, dict):
        content = {}
    content = cast(Json, content)
    is_state = isinstance(event.get("state_key"), str)
    if is_state:
        if kind == "m.room.member":
            return _membership(event, content, now, room_id)
        if kind in _STATE_TYPES and event["state_key"] == "":
            return StateChange(**_envelope(event, now, room_id), type=kind, content=_plain(content))
        return None
    match kind:
        case "m.room.message" | "m.sticker":
            return _message(event, content, now, room_id) if content else None
        case "m.room.encrypted":
            return Encrypted(**_envelope(event, now, room_id))
        case "m.reaction":
            return _reaction(event, content, now, room_id)
        case "m.room.redaction":
            target = content.get("redacts") or event.get("redacts")
            return Redaction(**_envelope(event, now, room_id), target=_id(target, "`redacts`"))
        case _:
            return None


def render(effect: Effect, txn_id: TxnId, puppet: Puppet) -> tuple[str, dict[str, object]]:
    """Event type and content of an effect. A content too large for its HTML goes without it."""
    match effect:
        case SendText():
            return "m.room.message", _render_text(effect, txn_id, puppet)
        case React():
            return "m.reaction", {
                "m.relates_to": {
                    "rel_type": "m.annotation",
                    "event_id": effect.target,
                    "key": effect.key,
                },
                **_marks(puppet, txn_id),
            }
        case Redact():
            return "m.room.redaction", {
                "redacts": effect.target,
                **({"reason": effect.reason} if effect.reason else {}),
                **_marks(puppet, txn_id),
            }
        case _:
            assert_never(effect)


def _render_text(effect: SendText, txn_id: TxnId, puppet: Puppet) -> dict[str, object]:
    content: dict[str, object] = {
        "msgtype": "m.notice" if effect.is_notice else "m.text",
        "body": effect.text,
        "m.mentions": {"user_ids": list(effect.mentions)} if effect.mentions else {},
        **_marks(
            puppet,
            txn_id,
            is_generated=effect.is_generated,
            model=effect.model,
            hops=effect.hops,
        ),
    }
    if relation := _relation(effect):
        content["m.relates_to"] = relation
    if html := to_html(effect.text):
        content["format"] = "org.matrix.custom.html"
        content["formatted_body"] = html
        if len(json.dumps(content, ensure_ascii=False).encode()) > MAX_CONTENT_BYTES:
            del content["format"], content["formatted_body"]
    return content


def _relation(effect: SendText) -> dict[str, object]:
    relation: dict[str, object] = {}
    if effect.thread_root:
        relation |= {"rel_type": "m.thread", "event_id": effect.thread_root}
    if effect.reply_to:
        relation["m.in_reply_to"] = {"event_id": effect.reply_to}
        if effect.thread_root:
            relation["is_falling_back"] = False
    return relation


def _marks(
    puppet: Puppet, txn_id: TxnId, *, is_generated: bool = False, model: str = "", hops: int = 0
) -> dict[str, object]:
    return {
        AI_KEY: {
            "generated": is_generated,
            "persona": puppet.persona.persona_id,
            "model": model,
            "hops": hops,
        },
        TXN_KEY: txn_id,
    }


def _message(event: Json, content: Json, now: int, room_id: str) -> Message | Edit:
    relation = _maybe_object(content.get("m.relates_to"))
    envelope = _envelope(event, now, room_id)
    txn_id = TxnId(content[TXN_KEY]) if isinstance(content.get(TXN_KEY), str) else None
    if relation.get("rel_type") == "m.replace":
        new = _maybe_object(content.get("m.new_content"))
        return Edit(
            **envelope,
            target=_id(relation.get("event_id"), "the edited event"),
            text=_text(new.get("body")) or _text(content.get("body")),
            txn_id=txn_id,
        )
    reply_to, thread_root = _relations(relation)
    text = _text(content.get("body"))
    html = _text(content.get("formatted_body"))
    return Message(
        **envelope,
        content_kind=_KINDS.get(_text(content.get("msgtype")), "other"),
        text=without_fallback(text) if reply_to else text,
        mentions=_mentions(content),
        pills=pills_of(html),
        reply_to=reply_to,
        thread_root=thread_root,
        is_ai_marked=isinstance(content.get(AI_KEY), dict),
        txn_id=txn_id,
    )


def _relations(relation: Json) -> tuple[EventId | None, EventId | None]:
    """(a real reply's target, the thread's root)."""
    thread_root = None
    if relation.get("rel_type") == "m.thread":
        thread_root = _maybe_id(relation.get("event_id"))
    target = _maybe_id(_maybe_object(relation.get("m.in_reply_to")).get("event_id"))
    if thread_root is not None and relation.get("is_falling_back") is True:
        target = None
    return target, thread_root


def _mentions(content: Json) -> Mentions | None:
    raw = content.get("m.mentions")
    if not isinstance(raw, dict):
        return None
    listed = cast(Json, raw).get("user_ids")
    users = cast(list[object], listed) if isinstance(listed, list) else []
    named = dict.fromkeys(u for u in users if isinstance(u, str) and len(u) <= _MAX_ID_CHARS)
    return Mentions(
        user_ids=tuple(UserId(u) for u in named), room=cast(Json, raw).get("room") is True
    )


def _reaction(event: Json, content: Json, now: int, room_id: str) -> Reaction | None:
    relation = _maybe_object(content.get("m.relates_to"))
    key = relation.get("key")
    if relation.get("rel_type") != "m.annotation" or not isinstance(key, str):
        return None
    target = _id(relation.get("event_id"), "the target of the reaction")
    return Reaction(**_envelope(event, now, room_id), target=target, key=key[:100])


def _membership(event: Json, content: Json, now: int, room_id: str) -> Membership:
    membership = content.get("membership")
    if membership not in _MEMBERSHIPS:
        raise _Unusable("`membership` is unknown")
    return Membership(
        **_envelope(event, now, room_id),
        user_id=UserId(_id(event.get("state_key"), "`state_key`")),
        membership=cast(MembershipState, membership),
        display_name=_text(content.get("displayname"))[:_MAX_ID_CHARS],
        is_direct=content.get("is_direct") is True,
        reason=_text(content.get("reason")),
        stripped=_stripped(event),
    )


def _stripped(event: Json) -> dict[str, str]:
    """What an invite says of its room."""
    unsigned = _maybe_object(event.get("unsigned"))
    listed = unsigned.get("invite_room_state") or event.get("invite_room_state")
    found: dict[str, str] = {}
    for raw in cast(list[object], listed) if isinstance(listed, list) else []:
        state = _maybe_object(raw)
        content = _maybe_object(state.get("content"))
        match state.get("type"):
            case "m.room.create":
                found["room_type"] = _text(content.get("type"))
            case "m.room.encryption":
                found["encryption"] = _text(content.get("algorithm")) or "unknown"
            case "m.room.name":
                found["name"] = _text(content.get("name"))
            case _:
                pass
    return {key: value for key, value in found.items() if value}


def _envelope(event: Json, now: int, room_id: str) -> Any:
    """The fields that every event has. Typed Any so that it can be spread into each."""
    age = _maybe_object(event.get("unsigned")).get("age")
    sent_at = event.get("origin_server_ts")
    return {
        "event_id": _id(event.get("event_id"), "`event_id`"),
        "room_id": RoomId(_id(event.get("room_id") or room_id, "`room_id`")),
        "sender": UserId(_id(event.get("sender"), "`sender`")),
        "sent_at": sent_at if type(sent_at) is int and sent_at >= 0 else now,
        "received_at": now,
        "age_ms": age if type(age) is int and age >= 0 else None,
    }


def _echo(event: RoomEvent, is_ours: Callable[[str], bool]) -> Echo | None:
    if not isinstance(event, Message | Edit) or event.txn_id is None or not is_ours(event.sender):
        return None
    return Echo(
        txn_id=event.txn_id, event_id=event.event_id, room_id=event.room_id, sender=event.sender
    )


def _is_own_talk(event: RoomEvent, is_ours: Callable[[str], bool]) -> bool:
    """What our puppets say is no news to us; what happens to their membership is."""
    return is_ours(event.sender) and not isinstance(event, Membership | StateChange)


def _malformed(problem: str, raw: object, now: int) -> Malformed:
    try:
        text = json.dumps(raw, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = "(not JSON)"
    return Malformed(problem=problem, raw=text[:_MAX_RAW_CHARS], received_at=now)


def _plain(content: Json) -> dict[str, object]:
    return dict(content)


def _object(value: object, what: str) -> Json:
    if not isinstance(value, dict):
        raise _Unusable(f"{what} is no object")
    return cast(Json, value)


def _maybe_object(value: object) -> Json:
    return cast(Json, value) if isinstance(value, dict) else {}


def _id(value: object, what: str) -> EventId:
    if not isinstance(value, str) or not value or len(value) > _MAX_ID_CHARS:
        raise _Unusable(f"{what} is no id")
    return EventId(value)


def _maybe_id(value: object) -> EventId | None:
    is_id = isinstance(value, str) and 0 < len(value) <= _MAX_ID_CHARS
    return EventId(cast(str, value)) if is_id else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
