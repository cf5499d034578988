"""What to do about one event. Start reading here: the rules are in the order in which they apply.

Nothing here waits, looks at a clock or changes anything: what may be known is in the `View`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, assert_never

from bridge.domain.decision import (
    Acknowledge,
    Amend,
    Answer,
    Care,
    Decision,
    Explain,
    FetchModel,
    Forget,
    ForgetPerson,
    Mute,
    Open,
    Opt,
    Retract,
    Say,
    Silence,
    TakeStock,
)
from bridge.domain.events import (
    Edit,
    Encrypted,
    Membership,
    Message,
    News,
    Reaction,
    Redaction,
    Repeat,
    RoomEvent,
    StateChange,
)
from bridge.domain.ids import EventId, PuppetId, server_of
from bridge.domain.persona import Puppet
from bridge.domain.room import Room
from bridge.policy import commands, reasons
from bridge.policy.access import is_denied, may_ask
from bridge.policy.addressing import WORDED, Addressed, Heard, listen, present
from bridge.policy.arrival import (
    leave_encrypted_room,
    on_access_list,
    on_membership,
    on_own_membership,
)
from bridge.policy.budgets import deferred
from bridge.policy.burst import asked_earlier, goes_on
from bridge.policy.care import is_sign_of_harm
from bridge.policy.commands import Command
from bridge.policy.disliking import disliked
from bridge.policy.exchange import opened
from bridge.policy.filler import is_filler
from bridge.policy.follow_up import followed_up, was_asked
from bridge.policy.levels import is_active, speakers
from bridge.policy.machines import is_machine, why_machine_waits
from bridge.policy.obey import chosen, forget, obey
from bridge.policy.operating import on_news
from bridge.policy.saying import reply
from bridge.policy.stopping import stopped_by_reaction, stopped_by_words
from bridge.policy.upgrading import on_tombstone
from bridge.policy.view import View

SEEN: Final = "🤫"
"""The reaction to a stop."""
_PLAIN: Final = frozenset({reasons.MENTIONED, reasons.NAMED})
"""Signs so plain that even "lol" is answered."""


def decide(view: View, event: RoomEvent, now: int) -> tuple[Decision, ...]:
    """Everything that should be done about an event. Never empty: silence has a reason too."""
    decisions = _decide(view, event, now)
    if view.room.may_be_written_to():
        return decisions
    # Whatever the rules say: nothing is written where it might have to be encrypted.
    unwritten = tuple(
        replace(d, proof=None) if isinstance(d, ForgetPerson | Opt) else d
        for d in decisions
        if not isinstance(d, Answer | Say | Acknowledge | Open | Explain | FetchModel | TakeStock)
    )
    return unwritten or _silence(event, _why_unwritable(view.room))


def _decide(view: View, event: RoomEvent, now: int) -> tuple[Decision, ...]:
    match event:
        case Redaction():
            return _on_redaction(event)
        case Repeat():
            return _on_repeat(view, event)
        case Membership() if puppet := view.house.cast.by_user_id(event.user_id):
            return on_own_membership(view, event, puppet)
        case _ if view.room.is_encrypted and present(view):
            return leave_encrypted_room(view, event)
        case Message():
            return _on_message(view, event, now)
        case Edit():
            return _on_edit(view, event)
        case Reaction():
            return _on_reaction(view, event)
        case Membership():
            return on_membership(view, event)
        case StateChange() | Encrypted() | News():
            return _on_other(view, event)
        case _:
            assert_never(event)


def _on_other(view: View, event: StateChange | Encrypted | News) -> tuple[Decision, ...]:
    match event:
        case StateChange(type="m.room.tombstone"):
            return on_tombstone(view, event)
        case StateChange(type="m.room.server_acl"):
            return on_access_list(view, event)
        case StateChange():
            return _silence(event, reasons.STATE)
        case Encrypted():
            return _silence(event, reasons.UNREADABLE)
        case News():
            return on_news(view, event)


def _on_message(view: View, message: Message, now: int) -> tuple[Decision, ...]:
    if reason := _why_unheard(view, message):
        return _silence(message, reason)
    heard = listen(view, message)

    # A wish for quiet is honoured from anybody, and however late it comes.
    if stopped := stopped_by_words(heard):
        mutes = (_mute(view, message, p.puppet_id, reasons.STOP_WORD) for p in stopped)
        return (*mutes, *(_acknowledge(message, p.puppet_id) for p in stopped))

    command = commands.command_in(view, heard)
    # So is a wish to be forgotten.
    if command and command.word == "forget":
        return (forget(view, message, command),)

    if reason := _why_context_only(view, message, heard, now):
        return _silence(message, reason)
    if command:
        return _on_command(view, message, command)
    return _on_question(view, message, heard, now)


def _why_unheard(view: View, message: Message) -> str | None:
    """Our own words and those of machines ask nothing, and nobody hears without being there."""
    if view.house.cast.is_ours(message.sender):
        return reasons.OWN_MESSAGE
    if message.content_kind == "notice":
        return reasons.FOREIGN_NOTICE
    if message.content_kind in WORDED and not message.text:
        # As a message that was taken back before its turn came.
        return reasons.EMPTY
    return None if present(view) else reasons.NOBODY_HERE


def _why_context_only(view: View, message: Message, heard: Heard, now: int) -> str | None:
    """Old messages, and what other programs say or are told, are context and no questions."""
    if _is_late(view, message, now):
        return reasons.LATE
    if is_machine(view, message) and not _asking(view, message, heard):
        return reasons.FOREIGN_AI
    if commands.is_for_another_program(view, heard):
        return reasons.FOREIGN_COMMAND
    return None


def _on_command(view: View, message: Message, command: Command) -> tuple[Decision, ...]:
    """Everybody may learn what we are and what we keep, unless they are shut out by name."""
    if is_denied(view.house.access.ask, message.sender, message.room_id):
        return _silence(message, reasons.NOT_ALLOWED_TO_ASK)
    return obey(view, message, command)


def _on_question(view: View, message: Message, heard: Heard, now: int) -> tuple[Decision, ...]:
    """Who is addressed answers, as itself, in the order named. (Unasked: `alarm.py`.)"""
    asked = _asked(view, message, heard)
    if not asked:
        able = speakers(view, now)
        nearby = Addressed(puppet=able[0], reason=reasons.CARE) if able else None
        may_care = nearby is not None and view.room.is_for_minors()
        care = _care(view, message, heard, nearby) if nearby and may_care else ()
        return care or _silence(message, _why_not_asked(heard))
    if not may_ask(view.house.access, message.sender, message.room_id):
        return _silence(message, reasons.NOT_ALLOWED_TO_ASK)
    if is_machine(view, message) and (reason := why_machine_waits(view, message, asked)):
        return _silence(message, reason)
    characters = tuple(a for a in asked if a.puppet.role == "persona")
    if not characters:
        bridge = asked[0].puppet
        return (reply(view, message, bridge, "bridge_help", reasons.BRIDGE_SPOKEN_TO),)
    able = speakers(view, now)
    awake = [a for a in characters if a.puppet in able]
    # Who may hurt themselves is offered help by whoever is here, a stop or not.
    if care := _care(view, message, heard, (awake or characters)[0]):
        return care
    if not awake:
        return _silence(message, _why_unable(view, characters[0].puppet, now))
    if goes_on(view, message) and message.sender not in view.opted_out:
        asked_so_far = tuple(a.puppet.puppet_id for a in awake)
        return (Silence(cause_id=message.event_id, reason=reasons.BURST, asked=asked_so_far),)
    if wait := deferred(view, message, awake[0].puppet.puppet_id, now):
        return wait
    answers = tuple(_answer(view, message, addressed) for addressed in awake)
    exchange = opened(message, heard, [a.puppet for a in awake])
    if exchange is None or is_machine(view, message):
        return answers
    return (*answers, Open(cause_id=message.event_id, exchange=exchange, reason=reasons.EXCHANGE))


def _asked(view: View, message: Message, heard: Heard) -> tuple[Addressed, ...]:
    """Whom the message asks, by itself or as the end of what its author began."""
    by_itself = _asking(view, message, heard)
    earlier = {
        puppet.puppet_id: Addressed(puppet=puppet, reason=reasons.NAMED)
        for puppet_id in asked_earlier(view, message)
        if (puppet := view.house.cast.by_id(puppet_id)) and puppet in present(view)
    }
    own = {addressed.puppet.puppet_id: addressed for addressed in by_itself}
    return tuple((earlier | own).values())


def _asking(view: View, message: Message, heard: Heard) -> tuple[Addressed, ...]:
    """Whom the message asks by itself. A machine asks only those whom it mentions."""
    if is_machine(view, message):
        return tuple(a for a in heard.addressed if a.reason == reasons.MENTIONED)
    if _is_mere_filler(message, heard):
        # "yes" is filler, and an answer where a puppet asked.
        is_answer = message.content_kind in WORDED and was_asked(view)
        return tuple(
            a
            for a in heard.addressed
            if a.reason in _PLAIN or (is_answer and a.reason == reasons.DIRECT)
        )
    if heard.addressed or heard.is_for_somebody_else or message.reply_to is not None:
        return heard.addressed
    puppet = followed_up(view, message, heard.words)
    return (Addressed(puppet=puppet, reason=reasons.FOLLOW_UP),) if puppet else ()


def _is_mere_filler(message: Message, heard: Heard) -> bool:
    is_sticker = message.content_kind == "other"
    return is_sticker or (message.content_kind in WORDED and is_filler(heard.remainder))


def _why_not_asked(heard: Heard) -> str:
    if heard.is_for_somebody_else:
        return reasons.SOMEBODY_ELSE_ADDRESSED
    if heard.addressed or is_filler(heard.words):
        return reasons.FILLER
    return reasons.TALKED_ABOUT if heard.named else reasons.NOT_ADDRESSED


def _care(view: View, message: Message, heard: Heard, by: Addressed) -> tuple[Decision, ...]:
    """Who may hurt themselves is offered help, once, instead of a character's answer."""
    if is_machine(view, message) or not is_sign_of_harm(heard.words):
        return ()
    care = Care(
        cause_id=message.event_id,
        person=message.sender,
        at=message.received_at,
        reason=reasons.CARE,
    )
    if message.sender in view.room.cared_for:
        return ()
    return (reply(view, message, by.puppet, "care", reasons.CARE, words=view.house.care), care)


def _why_unable(view: View, puppet: Puppet, now: int) -> str:
    if view.room.is_muted(puppet.puppet_id, now):
        return reasons.MUTED
    return reasons.SILENT_LEVEL if is_active(view, puppet) else reasons.INACTIVE


def _answer(view: View, message: Message, addressed: Addressed) -> Answer:
    left = message.bounces_left
    return Answer(
        puppet_id=addressed.puppet.puppet_id,
        cause_id=message.event_id,
        asker=message.sender,
        reason=addressed.reason,
        thread_root=message.thread_root,
        hops=message.hops + 1 if is_machine(view, message) else 0,
        bounces_left=None if left is None else max(0, left - 1),
    )


def _on_edit(view: View, edit: Edit) -> tuple[Decision, ...]:
    """An edit corrects what was said; it asks nothing anew. Only its author can edit a message."""
    if view.house.cast.is_ours(edit.sender):
        return _silence(edit, reasons.OWN_MESSAGE)
    said = view.said.get(edit.target)
    if said is None:
        return _silence(edit, reasons.EDIT_OF_UNKNOWN)
    if said.sender != edit.sender:
        return _silence(edit, reasons.EDIT_BY_ANOTHER)
    return (Amend(cause_id=edit.event_id, target=edit.target, text=edit.text, reason=reasons.EDIT),)


def _on_redaction(redaction: Redaction) -> tuple[Decision, ...]:
    return (Forget(cause_id=redaction.event_id, target=redaction.target, reason=reasons.REDACTED),)


def _on_repeat(view: View, repeat: Repeat) -> tuple[Decision, ...]:
    puppet = view.house.cast.by_user_id(repeat.sender)
    if puppet is None:
        return _silence(repeat, reasons.REPEATED)
    retract = Retract(
        puppet_id=puppet.puppet_id,
        cause_id=repeat.event_id,
        target=repeat.event_id,
        reason=reasons.REPEATED,
    )
    return (retract,)


def _on_reaction(view: View, reaction: Reaction) -> tuple[Decision, ...]:
    cast = view.house.cast
    if cast.is_ours(reaction.sender):
        return _silence(reaction, reasons.OWN_MESSAGE)
    target = view.said.get(reaction.target)
    if puppet := stopped_by_reaction(cast, reaction, target):
        return (_mute(view, reaction, puppet.puppet_id, reasons.STOP_REACTION),)
    return disliked(view, reaction, target) or _silence(reaction, reasons.REACTION)


def interrupts(view: View, puppet_id: PuppetId, cause_id: EventId, event: RoomEvent) -> str | None:
    """Why the turn under way is pointless now that this event has arrived, or None."""
    match event:
        case Redaction():
            return reasons.REDACTED if event.target == cause_id else None
        case Message() if _why_unheard(view, event) is None:
            return reasons.STOP_WORD if puppet_id in _stopped(view, event) else None
        case Reaction() if not view.house.cast.is_ours(event.sender):
            puppet = stopped_by_reaction(view.house.cast, event, view.said.get(event.target))
            is_stopped = puppet is not None and puppet.puppet_id == puppet_id
            return reasons.STOP_REACTION if is_stopped else None
        case Membership(membership="leave" | "ban"):
            puppet = view.house.cast.by_user_id(event.user_id)
            is_removed = puppet is not None and puppet.puppet_id == puppet_id
            return reasons.REMOVED if is_removed else None
        case StateChange(type="m.room.encryption"):
            return reasons.ENCRYPTED
        case _:
            return None


def _stopped(view: View, message: Message) -> tuple[PuppetId, ...]:
    """Whom the message tells to be quiet, in words or by a command."""
    heard = listen(view, message)
    if stopped := stopped_by_words(heard):
        return tuple(puppet.puppet_id for puppet in stopped)
    command = commands.command_in(view, heard)
    return chosen(view, command) if command and command.word == "stop" else ()


def wish_to_be_forgotten(view: View, event: RoomEvent) -> ForgetPerson | None:
    """What can't wait until the event's turn comes."""
    if not isinstance(event, Message):
        return None
    decisions = decide(view, event, event.received_at)
    return next((d for d in decisions if isinstance(d, ForgetPerson)), None)


def _is_late(view: View, message: Message, now: int) -> bool:
    """Did the message spend longer on its way, and with us, than an answer is good for?

    The way is what our homeserver says of it. Where it says nothing, its own clock is believed, and
    another server's is not: a wrong one there would silence everybody of that server.
    """
    age_ms = message.age_ms
    if age_ms is None:
        is_local = server_of(message.sender) == view.house.access.own_server
        age_ms = message.received_at - message.sent_at if is_local else 0
    waited_ms = now - message.received_at
    return max(0, age_ms) + max(0, waited_ms) > view.house.limits.answer_age_ms


def _mute(view: View, event: Message | Reaction, puppet_id: PuppetId, reason: str) -> Mute:
    return Mute(
        puppet_id=puppet_id,
        cause_id=event.event_id,
        until=event.received_at + view.house.limits.mute_ms,
        reason=reason,
    )


def _acknowledge(message: Message, puppet_id: PuppetId) -> Acknowledge:
    return Acknowledge(
        puppet_id=puppet_id, cause_id=message.event_id, key=SEEN, reason=reasons.STOP_WORD
    )


def _silence(event: RoomEvent, reason: str) -> tuple[Silence]:
    return (Silence(cause_id=event.event_id, reason=reason),)


def _why_unwritable(room: Room) -> str:
    if room.is_space:
        return reasons.SPACE
    return reasons.ENCRYPTED if room.is_encrypted else reasons.ENCRYPTION_UNKNOWN
