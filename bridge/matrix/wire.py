"""JSON of the homeserver to events.

Pure. Strangers choose what stands in an event: whatever it is, parsing never raises.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from bridge.domain.events import (
    Delivery,
    Echo,
    Edit,
    Encrypted,
    Malformed,
    Media,
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
from bridge.domain.vendor import AI_KEY, LIVE_STATES, TXN_KEY
from bridge.matrix.body import pills_of, without_fallback
from bridge.matrix.shape import shape_of

_MAX_RAW_BYTES: Final = 65_536
_MAX_ID_CHARS: Final = 255
_MAX_INT: Final = 2**53 - 1
"""The largest number of canonical JSON; old room versions let larger ones pass."""
_MAX_DEPTH: Final = 50
_MAX_HOPS: Final = 1000
BOUNCES: Final = "m.bounce_limit"
"""How many more messages of programs may follow (what some bots put into theirs)."""
_MAX_KEY_CHARS: Final = 100
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")

MXC: Final = re.compile(r"mxc://([A-Za-z0-9.:\[\]-]{1,255})/([A-Za-z0-9_-]{1,255})")

_KINDS: Final[dict[str, MessageKind]] = {
    "m.text": "text",
    "m.notice": "notice",
    "m.emote": "emote",
    "m.image": "image",
    "m.file": "file",
    "m.audio": "audio",
    "m.video": "video",
}
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
        if isinstance(parsed, Membership | StateChange) or not is_ours(parsed.sender):
            events.append(parsed)
        elif echo := _echo(cast(Json, raw), parsed):
            # What our puppets say is no news to us, but that it arrived may be.
            echoes.append(echo)
    return Delivery(events=tuple(events), echoes=tuple(echoes), malformed=tuple(malformed))


def parse_event(raw: object, now: int, room_id: str = "") -> RoomEvent | None:
    """One event, or None for a type that does not matter to us. Raises ValueError.

    `room_id` is for state as `GET /state` gives it; `now` becomes `received_at`.
    """
    event = _object(raw, "the event")
    kind = event.get("type")
    if not isinstance(kind, str):
        raise _Unusable("`type` is no text")
    is_state = isinstance(event.get("state_key"), str)
    parse = (_STATE_PARSERS if is_state else _PARSERS).get(kind)
    if parse is None:
        return None
    return parse(event, _object(event.get("content"), "`content`"), _envelope(event, now, room_id))


def _message(event: Json, content: Json, envelope: Any) -> Message | Edit | None:
    if not content:
        return None  # It was redacted.
    if not isinstance(content.get("body"), str):
        raise _Unusable("`body` is no text")
    is_sticker = event["type"] == "m.sticker"
    relation = _maybe_object(content.get("m.relates_to"))
    txn_id = TxnId(content[TXN_KEY]) if isinstance(content.get(TXN_KEY), str) else None
    if relation.get("rel_type") == "m.replace":
        new = _maybe_object(content.get("m.new_content"))
        return Edit(
            **envelope,
            target=_id(relation.get("event_id"), "the edited event"),
            text=text_of(new.get("body")) or text_of(content.get("body")),
            txn_id=txn_id,
        )
    reply_to, thread_root = _relations(relation)
    text = text_of(content.get("body"))
    html = text_of(content.get("formatted_body"))
    kind = _KINDS.get(text_of(content.get("msgtype")), "other")
    return Message(
        **envelope,
        content_kind="other" if is_sticker else kind,
        text=without_fallback(text) if reply_to else text,
        mentions=_mentions(content),
        pills=pills_of(html),
        reply_to=reply_to,
        thread_root=thread_root,
        is_ai_marked=isinstance(content.get(AI_KEY), dict),
        media=_media(content),
        hops=_count(_maybe_object(content.get(AI_KEY)).get("hops")) or 0,
        bounces_left=_count(content.get(BOUNCES)),
        txn_id=txn_id,
    )


def _media(content: Json) -> Media | None:
    """An image or a voice message that is not encrypted."""
    url = text_of(content.get("url"))
    if not MXC.fullmatch(url):
        return None
    match content.get("msgtype"):
        case "m.image":
            return Media(kind="image", mxc=url)
        case "m.audio":
            return Media(kind="audio", mxc=url)
        case _:
            return None


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
    named = dict.fromkeys(UserId(user) for each in users if (user := _maybe_id(each)))
    return Mentions(user_ids=tuple(named), room=cast(Json, raw).get("room") is True)


def _reaction(_: Json, content: Json, envelope: Any) -> Reaction | None:
    relation = _maybe_object(content.get("m.relates_to"))
    key = relation.get("key")
    if relation.get("rel_type") != "m.annotation" or not isinstance(key, str):
        return None
    target = _id(relation.get("event_id"), "the target of the reaction")
    return Reaction(**envelope, target=target, key=text_of(key)[:_MAX_KEY_CHARS])


def _redaction(event: Json, content: Json, envelope: Any) -> Redaction:
    # Room version 11 moved the target into the content. Beside it stands what the homeserver reads.
    target = _maybe_id(event.get("redacts")) or _id(content.get("redacts"), "`redacts`")
    return Redaction(**envelope, target=target)


def _encrypted(_: Json, __: Json, envelope: Any) -> Encrypted:
    return Encrypted(**envelope)


def _membership(event: Json, content: Json, envelope: Any) -> Membership:
    membership = content.get("membership")
    if not isinstance(membership, str) or membership not in _MEMBERSHIPS:
        raise _Unusable("`membership` is unknown")
    return Membership(
        **envelope,
        user_id=UserId(_id(event.get("state_key"), "`state_key`")),
        membership=cast(MembershipState, membership),
        display_name=text_of(content.get("displayname"))[:_MAX_ID_CHARS],
        is_direct=content.get("is_direct") is True,
        reason=text_of(content.get("reason")),
        stripped=_stripped(event),
    )


def _state_change(event: Json, content: Json, envelope: Any) -> StateChange | None:
    if event["state_key"] != "":
        return None
    if event["type"] == "m.room.encryption":
        # Whatever else stands in it, the room is encrypted now: this must not get lost.
        content = {"algorithm": text_of(content.get("algorithm"))}
    elif not _is_flat(content, _MAX_DEPTH):
        raise _Unusable("`content` is nested too deeply")
    return StateChange(**envelope, type=event["type"], content=dict(content))


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
                found["room_type"] = text_of(content.get("type"))
            case "m.room.encryption":
                found["encryption"] = text_of(content.get("algorithm")) or "unknown"
            case "m.room.name":
                found["name"] = text_of(content.get("name"))[:_MAX_ID_CHARS]
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
        "sent_at": sent_at if type(sent_at) is int and 0 <= sent_at <= _MAX_INT else now,
        "received_at": now,
        "age_ms": age if type(age) is int and 0 <= age <= _MAX_INT else None,
    }


def _echo(raw: Json, event: RoomEvent) -> Echo | None:
    txn_id = raw["content"].get(TXN_KEY)
    if not isinstance(txn_id, str):
        return None
    return Echo(
        txn_id=TxnId(txn_id), event_id=event.event_id, room_id=event.room_id, sender=event.sender
    )


def _malformed(problem: str, raw: object, now: int) -> Malformed:
    try:
        text = json.dumps(shape_of(raw))
    except (TypeError, ValueError, RecursionError):
        text = "(not JSON)"
    return Malformed(problem=problem, raw=text[:_MAX_RAW_BYTES], received_at=now)


def _is_flat(value: object, depth: int) -> bool:
    if isinstance(value, dict):
        return depth > 0 and all(_is_flat(v, depth - 1) for v in cast(Json, value).values())
    if isinstance(value, list):
        return depth > 0 and all(_is_flat(v, depth - 1) for v in cast(list[object], value))
    return True


def _object(value: object, what: str) -> Json:
    if not isinstance(value, dict):
        raise _Unusable(f"{what} is no object")
    return cast(Json, value)


def _maybe_object(value: object) -> Json:
    return cast(Json, value) if isinstance(value, dict) else {}


def _id(value: object, what: str) -> EventId:
    if (found := _maybe_id(value)) is None:
        raise _Unusable(f"{what} is no id")
    return found


def _maybe_id(value: object) -> EventId | None:
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_ID_CHARS:
        return None
    is_clean = value.isprintable() or not _UNPRINTABLE.search(value)
    return EventId(value) if is_clean else None


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= _MAX_HOPS else None


def text_of(value: object) -> str:
    """The value if it is text, with what is no character replaced."""
    if not isinstance(value, str):
        return ""
    return value if value.isascii() else value.encode(errors="replace").decode()


_Parse = Callable[[Json, Json, Any], RoomEvent | None]

_PARSERS: Final[dict[str, _Parse]] = {
    "m.room.message": _message,
    "m.sticker": _message,
    "m.room.encrypted": _encrypted,
    "m.reaction": _reaction,
    "m.room.redaction": _redaction,
}
_STATE_PARSERS: Final[dict[str, _Parse]] = {
    "m.room.member": _membership,
    **dict.fromkeys(
        (
            "m.room.create",
            "m.room.encryption",
            "m.room.name",
            "m.room.topic",
            "m.room.join_rules",
            "m.room.power_levels",
            "m.room.tombstone",
            "m.room.server_acl",
            *LIVE_STATES,
        ),
        _state_change,
    ),
}
