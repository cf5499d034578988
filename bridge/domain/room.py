"""A room as we know it, and how events change it. Unknown encryption counts as encrypted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, cast

from bridge.domain.events import Membership, MembershipState, RoomEvent, StateChange
from bridge.domain.ids import EventId, PuppetId, RoomId, UserId
from bridge.domain.room_settings import Exchange, RoomSettings
from bridge.domain.vendor import LIVE_STATES

_MAX_ID_CHARS: Final = 255
_CREATORS_ARE_ABOVE_SINCE: Final = 12
"""The room version (MSC4289)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    user_id: UserId
    membership: MembershipState
    display_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Direct:
    """A DM: the invite to the puppet said so, and one person and one puppet are in it."""

    person: UserId
    puppet_id: PuppetId


@dataclass(frozen=True, slots=True, kw_only=True)
class Powers:
    """Who may change what (spec: room authorization). `creators` stand above all numbers in rooms
    of version 12 and later; before, the creator counts only while nothing else is said."""

    users: Mapping[UserId, int] = field(default_factory=dict[UserId, int])
    users_default: int = 0
    state_default: int = 50
    creators: tuple[UserId, ...] = ()

    def may_set_state(self, user_id: UserId) -> bool:
        level = self.users.get(user_id, self.users_default)
        return user_id in self.creators or level >= self.state_default


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """State of one room.

    `is_encrypted` is None until a puppet of ours has read the room's state. `muted_until` holds the
    instant (unix ms) at which a stop ends, by puppet. `disclosed` are the puppets that have said
    what they are here; `window_from` is the history sequence at which the prompt's window begins.
    `powers` is None until it was read; `considered` is the last message that speaking unasked was
    thought about for. `predecessor` and `successor` are rooms before and after an upgrade.
    `asked_at` is when a puppet was last asked something, or spoke; `cared_for` are those who were
    offered help, `cared_at` is when that was last (both unix ms). `deferred` are those who asked
    for too much and know it, with the instant until which they are not told again. `allows_live`:
    nobody has forbidden here to show messages while they are written.
    """

    room_id: RoomId
    name: str = ""
    topic: str = ""
    is_encrypted: bool | None = None
    is_public: bool = False
    is_space: bool = False
    direct: Direct | None = None
    members: Mapping[UserId, Member] = field(default_factory=dict[UserId, Member])
    muted_until: Mapping[PuppetId, int] = field(default_factory=dict[PuppetId, int])
    disclosed: tuple[PuppetId, ...] = ()
    language: str = ""
    window_from: int = 0
    powers: Powers | None = None
    settings: RoomSettings = RoomSettings()
    exchange: Exchange | None = None
    considered: EventId | None = None
    predecessor: RoomId | None = None
    successor: RoomId | None = None
    asked_at: int = 0
    cared_at: int = 0
    cared_for: tuple[UserId, ...] = ()
    deferred: Mapping[UserId, int] = field(default_factory=dict[UserId, int])
    allows_live: bool = True

    def joined(self) -> tuple[Member, ...]:
        return tuple(m for m in self.members.values() if m.membership == "join")

    def has_joined(self, user_id: UserId) -> bool:
        member = self.members.get(user_id)
        return member is not None and member.membership == "join"

    def display_name(self, user_id: UserId) -> str:
        member = self.members.get(user_id)
        return (member.display_name if member else "") or user_id.removeprefix("@").split(":")[0]

    def may_be_written_to(self) -> bool:
        """True only where the room is known to be unencrypted and is no space."""
        return self.is_encrypted is False and not self.is_space

    def may_set_up(self, user_id: UserId) -> bool:
        """May this person change the AI's settings here? Nobody may while that is unknown."""
        return self.powers is not None and self.powers.may_set_state(user_id)

    def is_for_minors(self) -> bool:
        """Must it be expected that children read along?"""
        minors = self.settings.minors
        return self.is_public if minors is None else minors

    def is_muted(self, puppet_id: PuppetId, now: int) -> bool:
        return now < self.muted_until.get(puppet_id, 0)


def with_member(room: Room, member: Member) -> Room:
    return replace(room, members={**room.members, member.user_id: member})


def refreshed(room: Room, state: Iterable[Membership | StateChange]) -> Room:
    """The room with everything the homeserver knows read anew; what is ours alone stays."""
    room = replace(
        room, name="", topic="", is_encrypted=False, is_public=False, is_space=False, members={},
        powers=Powers(), allows_live=True,
    )  # fmt: skip
    for event in state:
        room = apply(room, event)
    return room


def apply(room: Room, event: RoomEvent) -> Room:
    """The room after this event. Applying an event twice changes nothing more."""
    match event:
        case Membership():
            return with_member(
                room,
                Member(
                    user_id=event.user_id,
                    membership=event.membership,
                    display_name=event.display_name,
                ),
            )
        case StateChange():
            return _apply_state(room, event)
        case _:
            return room


def _apply_state(room: Room, event: StateChange) -> Room:
    content = event.content
    match event.type:
        case "m.room.encryption":
            # Encryption cannot be turned off again; clients ignore an event that tries.
            return replace(room, is_encrypted=True)
        case "m.room.name":
            return replace(room, name=_text(content.get("name")))
        case "m.room.topic":
            return replace(room, topic=_text(content.get("topic")))
        case "m.room.join_rules":
            return replace(room, is_public=content.get("join_rule") == "public")
        case "m.room.create":
            return replace(
                room,
                is_space=content.get("type") == "m.space",
                predecessor=predecessor_of(content),
                powers=_with_creators(room.powers or Powers(), event),
            )
        case "m.room.tombstone":
            return replace(room, successor=room.successor or successor_of(event))
        case _ if event.type in LIVE_STATES:
            return replace(room, allows_live=content.get("enabled") is not False)
        case "m.room.power_levels":
            return replace(room, powers=_with_levels(room.powers or Powers(), content))
        case _:
            return room


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def successor_of(tombstone: StateChange) -> RoomId | None:
    """The room that this one was replaced by."""
    return _room_id(tombstone.content.get("replacement_room"))


def predecessor_of(create: Mapping[str, object]) -> RoomId | None:
    """The room that this one goes on from, by the content of its `m.room.create`."""
    predecessor = create.get("predecessor")
    named = cast("dict[str, object]", predecessor) if isinstance(predecessor, dict) else {}
    return _room_id(named.get("room_id"))


def _room_id(value: object) -> RoomId | None:
    if isinstance(value, str) and value.startswith("!") and len(value) <= _MAX_ID_CHARS:
        return RoomId(value)
    return None


def _with_creators(powers: Powers, event: StateChange) -> Powers:
    version = _text(event.content.get("room_version"))
    if version.isdecimal() and int(version) >= _CREATORS_ARE_ABOVE_SINCE:
        more = event.content.get("additional_creators")
        listed = cast(list[object], more) if isinstance(more, list) else []
        named = tuple(UserId(each) for each in listed if isinstance(each, str))
        return replace(powers, creators=(event.sender, *named))
    # Until power levels are set, whoever created the room has them all.
    return powers if powers.users else replace(powers, users={event.sender: 100})


def _with_levels(powers: Powers, content: Mapping[str, object]) -> Powers:
    users = content.get("users")
    listed = cast("dict[str, object]", users) if isinstance(users, dict) else dict[str, object]()
    return replace(
        powers,
        users={UserId(user_id): _level(level, 0) for user_id, level in listed.items()},
        users_default=_level(content.get("users_default"), 0),
        state_default=_level(content.get("state_default"), 50),
    )


def _level(value: object, default: int) -> int:
    """Old room versions allow numbers as text."""
    if isinstance(value, str) and value.strip().removeprefix("-").isdecimal():
        return int(value)
    return value if type(value) is int else default
