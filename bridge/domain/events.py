"""What happens in rooms, as values. `bridge.matrix.wire` makes them from JSON.

Times are unix milliseconds UTC. `sent_at` is the sender's claim (`origin_server_ts`), `age_ms` is
what our homeserver says of the event's age when it gave it to us, `received_at` is our receipt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from bridge.domain.ids import EventId, PuppetId, RoomId, TxnId, UserId

MessageKind = Literal["text", "notice", "emote", "image", "file", "audio", "video", "other"]
MembershipState = Literal["invite", "join", "leave", "ban", "knock"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mentions:
    """`m.mentions` as sent. Absent mentions are None on the message, not an empty value."""

    user_ids: tuple[UserId, ...] = ()
    room: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Envelope:
    """What every event has."""

    event_id: EventId
    room_id: RoomId
    sender: UserId
    sent_at: int
    received_at: int
    age_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """Something on a homeserver that can be seen or heard, by its mxc address."""

    kind: Literal["image", "audio"]
    mxc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(_Envelope):
    """A message in a room.

    `text` is the plain body without reply fallback. `pills` are users linked in the HTML outside of
    quotes and code, in order of appearance. `reply_to` is a real reply only: a thread's
    fallback is dropped. An AI's message may say how many AI messages in a row led to it (`hops`),
    and how many may follow (`bounces_left`). `media` is where an image or a voice message is.
    """

    kind: Literal["message"] = "message"
    content_kind: MessageKind = "text"
    text: str = ""
    mentions: Mentions | None = None
    pills: tuple[UserId, ...] = ()
    reply_to: EventId | None = None
    thread_root: EventId | None = None
    is_ai_marked: bool = False
    media: Media | None = None
    hops: int = 0
    bounces_left: int | None = None
    txn_id: TxnId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit(_Envelope):
    """New text for an older message (`m.replace`)."""

    kind: Literal["edit"] = "edit"
    target: EventId
    text: str
    txn_id: TxnId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction(_Envelope):
    kind: Literal["redaction"] = "redaction"
    target: EventId


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction(_Envelope):
    kind: Literal["reaction"] = "reaction"
    target: EventId
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership(_Envelope):
    """Somebody's membership changed; `user_id` is whose, `sender` is who did it."""

    kind: Literal["membership"] = "membership"
    user_id: UserId
    membership: MembershipState
    display_name: str = ""
    is_direct: bool = False
    reason: str = ""
    stripped: Mapping[str, str] = field(default_factory=dict[str, str])
    """For an invite, what the room says of itself: any of `room_type`, `encryption`, `name`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChange(_Envelope):
    """Any other state event that matters to us.

    `type` is one of `m.room.create`, `m.room.encryption`, `m.room.name`, `m.room.topic`,
    `m.room.join_rules`, `m.room.power_levels`, `m.room.tombstone`, `m.room.server_acl`;
    `content` is the event's content as received.
    """

    kind: Literal["state"] = "state"
    type: str
    state_key: str = ""
    content: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True, kw_only=True)
class Encrypted(_Envelope):
    """A message that we cannot read."""

    kind: Literal["encrypted"] = "encrypted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat(_Envelope):
    """An effect of ours that stands in the room a second time: the homeserver did not recognise its
    transaction id. `txn_id` is that id, `event_id` the later copy."""

    kind: Literal["repeat"] = "repeat"
    txn_id: TxnId


@dataclass(frozen=True, slots=True, kw_only=True)
class News(_Envelope):
    """Something of ours that an operator's admin should hear in their DM. It comes from no
    homeserver: its `event_id`, which begins with `~`, is the same whenever the same is told."""

    kind: Literal["news"] = "news"
    puppet_id: PuppetId
    """Who says it."""
    sentence: str
    values: tuple[tuple[str, str], ...] = ()
    reply_to: EventId | None = None


RoomEvent = (
    Message | Edit | Redaction | Reaction | Membership | StateChange | Encrypted | Repeat | News
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """Something in a transaction that is not a usable event: counted, never handled. `raw` is its
    JSON without the texts in it."""

    problem: str
    raw: str
    received_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    """One of our own sends, seen coming back: it confirms the outbox row `txn_id`."""

    txn_id: TxnId
    event_id: EventId
    room_id: RoomId
    sender: UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """Which transaction of the homeserver this is. They are numbered without gaps unless the
    homeserver serves other appservices too; `is_insistent`: take it although one was left out."""

    appservice_id: str
    txn: int
    is_insistent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One transaction of the homeserver, sorted: what to handle, to confirm, to keep aside."""

    intake: Intake | None = None

    events: tuple[RoomEvent, ...] = ()
    echoes: tuple[Echo, ...] = ()
    malformed: tuple[Malformed, ...] = ()
