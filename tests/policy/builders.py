"""Views, messages and other events for tests of policy, with everything that is usual filled in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypedDict

from bridge.domain.access import Access, Limits
from bridge.domain.cast import Cast
from bridge.domain.events import (
    Edit,
    Encrypted,
    Membership,
    MembershipState,
    Mentions,
    Message,
    MessageKind,
    Reaction,
    Redaction,
    StateChange,
)
from bridge.domain.history import Said
from bridge.domain.ids import DeviceId, EventId, PuppetId, RoomId, UserId
from bridge.domain.persona import Persona, Puppet, PuppetRole
from bridge.domain.room import Direct, Member, Room, apply
from bridge.policy.view import House, View

NOW = 1_764_000_000_000
SERVER = "home.example"
ROOM = RoomId("!room:home.example")

ALICE = UserId("@alice:home.example")
BOB = UserId("@bob:home.example")
CAROL = UserId("@carol:far.example")


def puppet(name: str, *aliases: str, role: PuppetRole = "persona") -> Puppet:
    puppet_id = PuppetId(name.lower())
    return Puppet(
        puppet_id=puppet_id,
        user_id=UserId(f"@ai_{puppet_id}:{SERVER}"),
        device_id=DeviceId("DEVICE"),
        display_name=f"{name} (AI)",
        role=role,
        persona=Persona(
            persona_id=puppet_id,
            version="1",
            name=name,
            aliases=aliases,
            description=f"{name} [of] tests",
            character="A character.",
        ),
    )


LUNA = puppet("Luna", "露娜", "ルナ", "루나", "لونا", "Луна")
NOVA = puppet("Nova", "诺瓦", "ノヴァ", "نوفا")
MILO = puppet("Milo")
BRIDGE = puppet("Bridge", role="bridge")
CAST = Cast((LUNA, NOVA, MILO, BRIDGE))


def house(access: Access | None = None, *, prefix: str = "!ai") -> House:
    return House(
        cast=CAST,
        access=access or Access(own_server=SERVER),
        limits=Limits(),
        operator="Example Org",
        command_prefix=prefix,
    )


def room(
    *,
    puppets: Iterable[Puppet] = (LUNA, NOVA),
    people: Mapping[UserId, str] | Iterable[UserId] = (ALICE, BOB),
    is_encrypted: bool | None = False,
    direct: Direct | None = None,
    is_space: bool = False,
    disclosed: Iterable[Puppet] = (),
    muted: Iterable[Puppet] = (),
) -> Room:
    """A room whose members have all joined."""
    names = people if isinstance(people, Mapping) else dict.fromkeys(people, "")
    members = {user_id: _member(user_id, name) for user_id, name in names.items()}
    members |= {p.user_id: _member(p.user_id, p.display_name) for p in puppets}
    return Room(
        room_id=ROOM,
        is_encrypted=is_encrypted,
        is_space=is_space,
        direct=direct,
        members=members,
        disclosed=tuple(p.puppet_id for p in disclosed),
        muted_until={p.puppet_id: NOW + 60_000 for p in muted},
    )


def dm(of: Puppet = LUNA, person: UserId = ALICE) -> Room:
    direct = Direct(person=person, puppet_id=of.puppet_id)
    return room(puppets=[of], people=[person], direct=direct)


def view(
    of: Room | None = None,
    *said: Said,
    access: Access | None = None,
    prefix: str = "!ai",
    rooms_joined: int = 0,
    invites_today: int = 0,
) -> View:
    of = of or room()
    return View(
        house=house(access, prefix=prefix),
        room=of,
        before=of,
        said={line.event_id: line for line in said},
        rooms_joined=rooms_joined,
        invites_today=invites_today,
    )


def after(of: View, event: Membership | StateChange) -> View:
    """The view of an event that changes the room."""
    return replace(of, before=of.room, room=apply(of.room, event))


def message(
    text: str,
    *,
    sender: UserId = ALICE,
    mentions: Iterable[Puppet | UserId] | None = None,
    pills: Iterable[Puppet] = (),
    reply_to: Said | str | None = None,
    thread: str | None = None,
    kind: MessageKind = "text",
    is_ai: bool = False,
    sent_at: int = NOW,
    received_at: int = NOW,
    age_ms: int | None = None,
    is_for_room: bool = False,
) -> Message:
    """A message. `mentions=None` is a client that sends none, `()` one that sends an empty list."""
    target = reply_to.event_id if isinstance(reply_to, Said) else reply_to
    return Message(
        event_id=EventId("$message"),
        room_id=ROOM,
        sender=sender,
        sent_at=sent_at,
        received_at=received_at,
        age_ms=age_ms,
        content_kind=kind,
        text=text,
        mentions=None
        if mentions is None
        else Mentions(
            user_ids=tuple(m.user_id if isinstance(m, Puppet) else m for m in mentions),
            room=is_for_room,
        ),
        pills=tuple(p.user_id for p in pills),
        reply_to=EventId(target) if target else None,
        thread_root=EventId(thread) if thread else None,
        is_ai_marked=is_ai,
    )


def said(by: Puppet | UserId, text: str = "something", event_id: str = "$earlier") -> Said:
    sender = by.user_id if isinstance(by, Puppet) else by
    return Said(
        event_id=EventId(event_id),
        room_id=ROOM,
        sender=sender,
        sender_name=sender,
        text=text,
        sent_at=NOW - 1000,
        is_ours=isinstance(by, Puppet),
    )


def edit(target: str, text: str, *, sender: UserId = ALICE) -> Edit:
    return Edit(**_base("$edit", sender), target=EventId(target), text=text)


def redaction(target: str, *, sender: UserId = ALICE) -> Redaction:
    return Redaction(**_base("$redaction", sender), target=EventId(target))


def reaction(target: str, key: str, *, sender: UserId = ALICE) -> Reaction:
    return Reaction(**_base("$reaction", sender), target=EventId(target), key=key)


def membership(
    of: Puppet | UserId,
    state: MembershipState,
    *,
    sender: UserId | None = None,
    is_direct: bool = False,
    stripped: Mapping[str, str] | None = None,
) -> Membership:
    user_id = of.user_id if isinstance(of, Puppet) else of
    return Membership(
        **_base("$membership", sender or user_id),
        user_id=user_id,
        membership=state,
        is_direct=is_direct,
        stripped=stripped or {},
    )


def state(type: str, content: Mapping[str, object] | None = None) -> StateChange:
    return StateChange(**_base("$state", ALICE), type=type, content=content or {})


def encrypted() -> Encrypted:
    return Encrypted(**_base("$encrypted", ALICE))


class _Base(TypedDict):
    """Fields that every event has."""

    event_id: EventId
    room_id: RoomId
    sender: UserId
    sent_at: int
    received_at: int


def _base(event_id: str, sender: UserId) -> _Base:
    return {
        "event_id": EventId(event_id),
        "room_id": ROOM,
        "sender": sender,
        "sent_at": NOW,
        "received_at": NOW,
    }


def _member(user_id: UserId, name: str) -> Member:
    return Member(user_id=user_id, membership="join", display_name=name)
