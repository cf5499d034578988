"""A room that goes on in another one: who follows, and what is taken along."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bridge.domain.decision import Decision, Follow, Silence
from bridge.domain.events import Membership, StateChange
from bridge.domain.ids import RoomId, server_of
from bridge.domain.room import Room, predecessor_of, successor_of
from bridge.policy import reasons
from bridge.policy.access import may_invite
from bridge.policy.addressing import present
from bridge.policy.view import View


def on_tombstone(view: View, event: StateChange) -> tuple[Decision, ...]:
    """Follow once, whom the room's own rules and ours let say so."""
    target = successor_of(event)
    may_say = view.before.may_set_up(event.sender)
    may_lead = target is not None and may_invite(view.house.access, event.sender, target)
    if target is None or view.before.successor is not None or not (may_say and may_lead):
        return (Silence(cause_id=event.event_id, reason=reasons.STATE),)
    via = dict.fromkeys(s for s in (server_of(event.sender), server_of(target)) if s)
    follows = tuple(
        Follow(
            puppet_id=puppet.puppet_id,
            cause_id=event.event_id,
            target=target,
            via=tuple(via),
            reason=reasons.UPGRADED,
        )
        for puppet in present(view)
    )
    return follows or (Silence(cause_id=event.event_id, reason=reasons.STATE),)


def goes_on_from(state: Iterable[Membership | StateChange], old: RoomId) -> bool:
    """Does the new room itself say that it follows the old one?"""
    return any(
        isinstance(event, StateChange)
        and event.type == "m.room.create"
        and predecessor_of(event.content) == old
        for event in state
    )


def carried(room: Room, old: Room) -> Room:
    """The new room with what its people had set in the old one, where both name each other."""
    if room.predecessor != old.room_id or old.successor != room.room_id:
        return room
    return replace(room, settings=old.settings, muted_until=old.muted_until)
