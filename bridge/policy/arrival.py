"""Coming and going: which invites are followed, what is said on arrival, when a puppet leaves."""

from __future__ import annotations

from bridge.domain.decision import BecomeGroup, Decision, Join, Silence
from bridge.domain.events import Membership, RoomEvent, StateChange
from bridge.domain.ids import server_of
from bridge.domain.persona import Puppet
from bridge.policy import reasons
from bridge.policy.access import matches, may_invite
from bridge.policy.acl import is_shut_out
from bridge.policy.addressing import present, strangers_in_dm
from bridge.policy.saying import leave, say
from bridge.policy.view import View


def on_own_membership(view: View, event: Membership, puppet: Puppet) -> tuple[Decision, ...]:
    """Something happened to a puppet of ours."""
    match event.membership:
        case "invite":
            return (_on_invite(view, event, puppet),)
        case "join":
            return _on_arrival(view, event, puppet)
        case _:
            return (Silence(cause_id=event.event_id, reason=reasons.REMOVED),)


def on_membership(view: View, event: Membership) -> tuple[Decision, ...]:
    """Something happened to somebody else: a further member ends a DM."""
    if event.membership == "join" and strangers_in_dm(view):
        return _end_dm(view, event)
    if event.membership in ("leave", "ban") and not _people(view):
        return leave_all(view, event, "nobody_left", reasons.NOBODY_LEFT)
    return (Silence(cause_id=event.event_id, reason=reasons.MEMBERSHIP),)


def on_access_list(view: View, event: StateChange) -> tuple[Decision, ...]:
    """Nobody of ours stays where our server is shut out."""
    if is_shut_out(view.house.access.own_server, event.content):
        return leave_all(view, event, "server_denied", reasons.SERVER_DENIED)
    return (Silence(cause_id=event.event_id, reason=reasons.STATE),)


def leave_encrypted_room(view: View, event: RoomEvent) -> tuple[Decision, ...]:
    """Nobody of ours stays where messages cannot be read."""
    return leave_all(view, event, "encrypted_room", reasons.ENCRYPTED)


def leave_all(view: View, event: RoomEvent, sentence: str, reason: str) -> tuple[Decision, ...]:
    """Every puppet leaves, with the sentence as its reason."""
    here = present(view)
    if not here:
        return (Silence(cause_id=event.event_id, reason=reasons.NOBODY_HERE),)
    return tuple(leave(view, event, puppet, sentence, reason) for puppet in here)


def _people(view: View) -> bool:
    """Is anybody in the room who is neither ours nor known to be a bot?"""
    return any(
        not view.house.cast.is_ours(member.user_id)
        and not matches(view.house.bots, member.user_id, view.room.room_id)
        for member in view.room.joined()
    )


def _on_invite(view: View, event: Membership, puppet: Puppet) -> Decision:
    if view.room.has_joined(puppet.user_id):
        return Silence(cause_id=event.event_id, reason=reasons.MEMBERSHIP)
    if refusal := _refusal(view, event):
        sentence, reason = refusal
        return leave(view, event, puppet, sentence, reason)
    return Join(
        puppet_id=puppet.puppet_id,
        cause_id=event.event_id,
        via=(server_of(event.sender),),
        reason=reasons.INVITED,
        # A room that another puppet is in already has more than one person and one puppet.
        is_direct=event.is_direct and not present(view),
        inviter=event.sender,
    )


def _refusal(view: View, event: Membership) -> tuple[str, str] | None:
    """Why an invite is declined, as sentence and reason, or None."""
    access = view.house.access
    if not may_invite(access, event.sender, event.room_id):
        return "invite_denied", reasons.INVITE_DENIED
    if view.room.is_space or event.stripped.get("room_type") == "m.space":
        return "no_spaces", reasons.SPACE
    if view.room.is_encrypted or "encryption" in event.stripped:
        return "encrypted_invite", reasons.ENCRYPTED
    if view.invites_today >= access.max_invites_per_day:
        return "invite_too_many", reasons.INVITE_TOO_MANY
    if view.rooms_joined >= access.max_rooms and not present(view):
        return "rooms_full", reasons.ROOMS_FULL
    return None


def _on_arrival(view: View, event: Membership, puppet: Puppet) -> tuple[Decision, ...]:
    room = view.room
    if not room.has_joined(puppet.user_id):
        return (Silence(cause_id=event.event_id, reason=reasons.GONE_AGAIN),)
    if room.is_encrypted is None:
        return (leave(view, event, puppet, "encrypted_room", reasons.ENCRYPTION_UNKNOWN),)
    if room.is_encrypted:
        return leave_encrypted_room(view, event)
    if room.is_space:
        return (leave(view, event, puppet, "no_spaces", reasons.SPACE),)
    if len(room.joined()) > view.house.access.max_members:
        return (leave(view, event, puppet, "too_many_members", reasons.TOO_MANY_MEMBERS),)
    if not _people(view):
        return (Silence(cause_id=event.event_id, reason=reasons.NOBODY_LEFT),)
    ended = _end_dm(view, event) if strangers_in_dm(view) else ()
    return (*ended, *_disclose(view, event, puppet))


def _disclose(view: View, event: Membership, puppet: Puppet) -> tuple[Decision, ...]:
    """Say once per room what we are; further puppets refer to the first."""
    if puppet.puppet_id in view.room.disclosed:
        return (Silence(cause_id=event.event_id, reason=reasons.ALREADY_DISCLOSED),)
    if puppet.role == "bridge":
        sentence = "bridge_greeting"
    elif any(p.role == "persona" and p.puppet_id in view.room.disclosed for p in present(view)):
        sentence = "disclosure_more"
    else:
        sentence = "disclosure"
    return (say(view, event, puppet, sentence, reasons.ARRIVED, ordinal="disclosure"),)


def _end_dm(view: View, event: Membership) -> tuple[Decision, ...]:
    """From now on the puppet waits to be addressed. It says so, unless it has only just come."""
    direct = view.room.direct
    puppet = view.house.cast.by_id(direct.puppet_id) if direct else None
    if puppet is None:
        return ()
    ended = BecomeGroup(
        puppet_id=puppet.puppet_id, cause_id=event.event_id, reason=reasons.DM_ENDED
    )
    if event.user_id == puppet.user_id:
        return (ended,)
    return ended, say(view, event, puppet, "dm_ended", reasons.DM_ENDED, ordinal="dm_ended")
