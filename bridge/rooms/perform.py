"""What a decision does, one function per kind."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final, assert_never

from bridge import log
from bridge.clock import Clock
from bridge.domain.decision import (
    Acknowledge,
    Amend,
    Answer,
    BecomeGroup,
    Care,
    Configure,
    Consider,
    Decision,
    Defer,
    Explain,
    FetchModel,
    Follow,
    Forget,
    ForgetPerson,
    Join,
    Leave,
    Mute,
    Open,
    Opt,
    Retract,
    Say,
    Silence,
    TakeStock,
)
from bridge.domain.effect import React, Redact, SendText
from bridge.domain.events import Membership, Message, RoomEvent
from bridge.domain.ids import PuppetId, server_of
from bridge.domain.lease import Lease
from bridge.domain.persona import Puppet
from bridge.domain.room import Direct, Room
from bridge.domain.turn import Turn, TurnState
from bridge.errors import HomeserverError, Refused, Unreachable
from bridge.policy import explaining, wording
from bridge.policy.budgets import budget_of
from bridge.policy.upgrading import goes_on_from
from bridge.policy.view import House
from bridge.ports import Homeserver, Store
from bridge.rooms.models import Models
from bridge.rooms.speak import Speaker
from bridge.rooms.watch import Watch

_DAY_MS: Final = 86_400_000
_CARED_FOR: Final = 100
_INVITE_SETTLES_MS: Final = 15_000
_BEFORE_DECLINING_MS: Final = 2_000
_DISCLOSURES: Final = frozenset({"disclosure", "disclosure_more", "bridge_greeting"})


class Performer:
    """Carries decisions out. Every one may be carried out again after a crash."""

    def __init__(
        self,
        *,
        store: Store,
        homeserver: Homeserver,
        speaker: Speaker,
        models: Models,
        house: House,
        clock: Clock,
    ) -> None:
        self._store = store
        self._homeserver = homeserver
        self._speaker = speaker
        self._models = models
        self._house = house
        self._clock = clock
        self._log = log.get("rooms.perform")

    async def announce(
        self, room: Room, decisions: Sequence[Decision], *, is_pausing: bool
    ) -> None:
        """Show at once who will answer after a pause, or after somebody else."""
        answers = [d for d in decisions if isinstance(d, Answer)]
        for decision in answers if is_pausing else answers[1:]:
            await self._show_typing(room, decision.puppet_id, is_typing=True)

    async def take_back(
        self, room: Room, announced: Sequence[Decision], decisions: Sequence[Decision]
    ) -> None:
        """Show no longer that somebody types who, on second thoughts, will not answer."""
        still = {d.puppet_id for d in decisions if isinstance(d, Answer)}
        still |= {puppet for d in decisions if isinstance(d, Silence) for puppet in d.asked}
        for decision in announced:
            if isinstance(decision, Answer) and decision.puppet_id not in still:
                await self._show_typing(room, decision.puppet_id, is_typing=False)

    async def _show_typing(self, room: Room, puppet_id: PuppetId, *, is_typing: bool) -> None:
        with suppress(HomeserverError):
            puppet = self._puppet(puppet_id)
            await self._homeserver.type(puppet, room.room_id, is_typing=is_typing)

    async def perform(
        self, lease: Lease, room: Room, event: RoomEvent, decision: Decision, watch: Watch
    ) -> Room:
        """Do it; return the room as it is afterwards. Raises Unreachable and LeaseLost."""
        match decision:
            case Answer():
                assert isinstance(event, Message)
                return await self._speaker.answer(lease, room, decision, event, watch)
            case Say() | ForgetPerson() | Opt() | Explain() | Acknowledge() | Retract():
                return await self._tell(lease, room, decision, watch)
            case FetchModel() | TakeStock():
                return await self._operate(lease, room, decision, watch)
            case Join():
                return await self._join(lease, room, event, decision)
            case Leave():
                return await self._leave(room, event, decision)
            case Follow():
                return await self._follow(room, decision)
            case (
                Mute()
                | BecomeGroup()
                | Forget()
                | Amend()
                | Open()
                | Configure()
                | Care()
                | Defer()
                | Silence()
            ):
                return await self._note(lease, room, decision)
            case Consider():
                raise TypeError("a thought is asked of the model before it is performed")
            case _:
                assert_never(decision)

    async def abandon(self, lease: Lease, turn: Turn, state: TurnState) -> None:
        """End a turn that nobody will go on with, and take back what it shows.

        Raises Unreachable and LeaseLost.
        """
        await self._speaker.abandon(lease, turn, state)

    async def _tell(
        self,
        lease: Lease,
        room: Room,
        decision: Say | ForgetPerson | Opt | Explain | Acknowledge | Retract,
        watch: Watch,
    ) -> Room:
        """Decisions that say or show something without a model."""
        match decision:
            case Say():
                return await self._say(lease, room, decision, watch)
            case ForgetPerson() | Opt():
                return await self._forget(lease, room, decision, watch)
            case Explain():
                return await self._explain(lease, room, decision, watch)
            case Acknowledge():
                return await self._acknowledge(lease, room, decision, watch)
            case Retract():
                return await self._retract(lease, room, decision, watch)
            case _:
                assert_never(decision)

    async def _note(
        self,
        lease: Lease,
        room: Room,
        decision: Mute | BecomeGroup | Forget | Amend | Open | Configure | Care | Defer | Silence,
    ) -> Room:
        """Decisions that change only what we store."""
        match decision:
            case Mute():
                muted = {**room.muted_until, decision.puppet_id: decision.until}
                return replace(room, muted_until=muted)
            case BecomeGroup():
                return replace(room, direct=None)
            case Open():
                return replace(room, exchange=decision.exchange)
            case Configure():
                return replace(room, settings=decision.settings)
            case Care():
                cared_for = tuple(dict.fromkeys((*room.cared_for, decision.person)))
                return replace(room, cared_at=decision.at, cared_for=cared_for[-_CARED_FOR:])
            case Defer():
                now = self._clock.now()
                still = {who: until for who, until in room.deferred.items() if until > now}
                return replace(room, deferred={**still, decision.person: decision.until})
            case Forget():
                await self._store.history.forget(lease, decision.target)
            case Amend():
                await self._store.history.amend(lease, decision.target, decision.text)
            case Silence():
                pass
            case _:
                assert_never(decision)
        return room

    async def _say(self, lease: Lease, room: Room, say: Say, watch: Watch) -> Room:
        notice = SendText(
            text=wording.sentence(say.sentence, say.language, **dict(say.values)),
            is_notice=True,
            reply_to=say.reply_to,
            thread_root=say.thread_root,
        )
        puppet = self._puppet(say.puppet_id)
        was_posted = await self._speaker.say(
            lease, room, puppet, say.cause_id, say.ordinal, notice, say.reason, watch
        )
        is_disclosure = was_posted and say.sentence in _DISCLOSURES
        if is_disclosure and say.puppet_id not in room.disclosed:
            return replace(room, disclosed=(*room.disclosed, say.puppet_id))
        return room

    async def _forget(
        self, lease: Lease, room: Room, wish: ForgetPerson | Opt, watch: Watch
    ) -> Room:
        if isinstance(wish, Opt):
            await self._store.people.opt(lease, wish.person, out=wish.out)
            if not wish.out:
                return (
                    room if wish.proof is None else await self._say(lease, room, wish.proof, watch)
                )
        erased = await self._store.people.forget(lease, wish.person, wish.cause_id)
        self._log.info("person_forgotten", messages=erased.messages, replies=erased.replies)
        if wish.proof is None:
            return room
        counts = tuple((key, str(getattr(erased, key))) for key in wording.COUNTS)
        proof = replace(wish.proof, values=(*wish.proof.values, *counts))
        return await self._say(lease, room, proof, watch)

    async def _explain(self, lease: Lease, room: Room, wish: Explain, watch: Watch) -> Room:
        store = self._store
        if wish.what == "usage":
            used = await store.turns.used(room.room_id, self._clock.now() - _DAY_MS)
            spending = await store.turns.spent(wish.person, room.room_id)
            budget = budget_of(
                self._house.budgets,
                "person",
                wish.person,
                room.room_id,
                own_server=self._house.access.own_server,
            )
            say = explaining.usage(wish.say, used, spending.of("person"), budget)
            return await self._say(lease, room, say, watch)
        assert wish.target is not None
        turn = await store.turns.behind(room.room_id, wish.target)
        turn = turn or await store.turns.answering(room.room_id, wish.target)
        reason = None if turn else (await store.mailbox.reasons(room.room_id)).get(wish.target)
        puppet = self._house.cast.by_id(turn.puppet_id) if turn else None
        name = puppet.persona.name if puppet else ""
        uses = await store.tool_calls.of_turn(turn.turn_id) if turn else ()
        say = explaining.why(wish.say, turn, reason, name, uses)
        return await self._say(lease, room, say, watch)

    async def _operate(
        self, lease: Lease, room: Room, wish: FetchModel | TakeStock, watch: Watch
    ) -> Room:
        if isinstance(wish, TakeStock):
            sayings: Sequence[Say] = (await self._models.stock(wish),)
        else:
            sayings = await self._models.fetch(lease, room, wish)
        for say in sayings:
            room = await self._say(lease, room, say, watch)
        return room

    async def _acknowledge(
        self, lease: Lease, room: Room, decision: Acknowledge, watch: Watch
    ) -> Room:
        await self._speaker.say(
            lease,
            room,
            self._puppet(decision.puppet_id),
            decision.cause_id,
            "r",
            React(target=decision.cause_id, key=decision.key),
            decision.reason,
            watch,
        )
        return room

    async def _retract(self, lease: Lease, room: Room, decision: Retract, watch: Watch) -> Room:
        await self._speaker.say(
            lease,
            room,
            self._puppet(decision.puppet_id),
            decision.cause_id,
            "x",
            Redact(target=decision.target),
            decision.reason,
            watch,
        )
        return room

    async def _join(self, lease: Lease, room: Room, invite: RoomEvent, join: Join) -> Room:
        puppet = self._puppet(join.puppet_id)
        try:
            await self._homeserver.join(puppet, room.room_id, join.via)
        except Refused as refusal:
            if self._is_from_afar(invite) and self._age_ms(invite) < _INVITE_SETTLES_MS:
                raise Unreachable(
                    "the inviting homeserver may not know its invite yet"
                ) from refusal
            # The invite was taken back, or the room has gone: nothing is left to be done.
            self._log.info("join_refused", puppet=puppet.puppet_id, why=refusal.errcode)
            return room
        await self._store.rooms.note_invite(lease, join.inviter, join.cause_id)
        if join.is_direct and room.direct is None:
            direct = Direct(person=join.inviter, puppet_id=puppet.puppet_id)
            return replace(room, direct=direct)
        return room

    async def _follow(self, room: Room, follow: Follow) -> Room:
        """Join the new room; leave it again where it does not say that it follows this one."""
        puppet = self._puppet(follow.puppet_id)
        try:
            await self._homeserver.join(puppet, follow.target, follow.via)
            state = await self._homeserver.room_state(puppet, follow.target)
            if not goes_on_from(state, room.room_id):
                await self._homeserver.leave(puppet, follow.target, "")
        except Refused as refusal:
            # It takes an invite: whoever made the new room can send one.
            self._log.info("not_followed", puppet=puppet.puppet_id, why=refusal.errcode)
        return room

    async def _leave(self, room: Room, event: RoomEvent, leave: Leave) -> Room:
        if self._is_from_afar(event) and self._age_ms(event) < _BEFORE_DECLINING_MS:
            await self._clock.sleep((_BEFORE_DECLINING_MS - self._age_ms(event)) / 1000)
        reason = wording.sentence(leave.sentence, leave.language, **dict(leave.values))
        try:
            await self._homeserver.leave(self._puppet(leave.puppet_id), room.room_id, reason)
        except Refused as refusal:
            self._log.info("leave_refused", puppet=leave.puppet_id, why=refusal.errcode)
        return room

    def _is_from_afar(self, event: RoomEvent) -> bool:
        """An invite by another homeserver. That one stores it only when ours has answered: until
        then it refuses our join, and never hears that we declined."""
        is_invite = isinstance(event, Membership) and event.membership == "invite"
        return is_invite and server_of(event.sender) != self._house.access.own_server

    def _age_ms(self, event: RoomEvent) -> int:
        return max(0, self._clock.now() - event.received_at)

    def _puppet(self, puppet_id: PuppetId) -> Puppet:
        puppet = self._house.cast.by_id(puppet_id)
        if puppet is None:
            raise LookupError(f"policy chose a puppet that does not exist: {puppet_id!r}")
        return puppet
