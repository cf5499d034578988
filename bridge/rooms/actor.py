"""One room at a time: recover, take, decide, perform, finish."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from bridge import log, metrics
from bridge.clock import Clock, within
from bridge.domain.decision import (
    Amend,
    Answer,
    Care,
    Configure,
    Consider,
    Decision,
    Defer,
    Forget,
    Open,
    Silence,
)
from bridge.domain.events import Membership, Message, RoomEvent
from bridge.domain.history import Said
from bridge.domain.ids import EventId, PuppetId, UserId
from bridge.domain.lease import Arrival, Lease
from bridge.domain.persona import Puppet
from bridge.domain.room import Room, apply, refreshed
from bridge.domain.turn import Turn
from bridge.errors import BridgeError, LeaseLost, Refused
from bridge.policy import language
from bridge.policy.decide import decide
from bridge.policy.follow_up import WITHIN_MS
from bridge.policy.machines import is_machine
from bridge.policy.remember import said_of
from bridge.policy.upgrading import carried
from bridge.policy.view import House, View
from bridge.ports import Homeserver, Store
from bridge.rooms.ahead import Ahead
from bridge.rooms.lookback import Lookback
from bridge.rooms.perform import Performer
from bridge.rooms.profiles import Profiles
from bridge.rooms.quiet import Quiet
from bridge.rooms.recall import Recall
from bridge.rooms.recover import settle
from bridge.rooms.send import Sender
from bridge.rooms.watcher import Watcher

MAX_CRASHES: Final = 3
MAX_DEATHS: Final = 20
"""So many owners in a row died with the room's first event in hand: it must be what kills them."""
STEP_LIMIT_S: Final = 1800.0
"""What takes longer hangs by a mistake of ours: replies and waits for rate limits have limits."""
_DAY_MS: Final = 86_400_000
_CARED_MS: Final = 12 * 3_600_000
"""After this long help is offered once more, and jokes are fine again."""
_RECENT: Final = 20
_MAY_GO_ON_MS: Final = WITHIN_MS + 10_000
_AHEAD: Final = 20
"""Messages before an event, and behind it, that a decision about it may look at."""


@dataclass(slots=True)
class _Visit:
    """One lease of a room: what has come behind the event in hand, and the turns that an earlier
    one left unfinished."""

    lease: Lease
    unfinished: Sequence[Turn]
    ahead: Ahead = field(default_factory=Ahead)


class Actor:
    """Handles the mailbox of a room that it holds the lease of."""

    def __init__(
        self,
        *,
        store: Store,
        homeserver: Homeserver,
        performer: Performer,
        sender: Sender,
        lookback: Lookback,
        watcher: Watcher,
        quiet: Quiet,
        recall: Recall,
        profiles: Profiles,
        house: House,
        clock: Clock,
    ) -> None:
        self._store = store
        self._homeserver = homeserver
        self._performer = performer
        self._sender = sender
        self._lookback = lookback
        self._watcher = watcher
        self._quiet = quiet
        self._recall = recall
        self._profiles = profiles
        self._house = house
        self._clock = clock
        self._is_draining = False
        self._log = log.get("rooms.actor")

    def drain(self) -> None:
        """From now on rooms end after the event in hand."""
        self._is_draining = True

    async def run_room(self, lease: Lease) -> int | None:
        """Handle everything in the mailbox, in order, and what its quiet calls for, until nothing
        is due or the actor drains.

        Returns in how many milliseconds something is due though nothing comes, or None. Raises
        LeaseLost, and any transient BridgeError: the event stays, to be handled again.
        """
        store = self._store
        room = await store.rooms.get(lease.room_id)
        # Looking back comes first: it may find in the room what would be sent again.
        await self._lookback.look(lease, self._present_puppet(room), lease.doubts)
        visit = _Visit(lease, await self._settle(lease, room))
        is_deadly = lease.deaths >= MAX_DEATHS
        while True:
            arrivals = await store.mailbox.take(lease)
            if not arrivals:
                room = await self._recall.roll(lease, room, self._present_puppet(room))
                room, has_acted, wait_ms = await self._quiet.heed(lease, room)
                if has_acted:
                    continue
                return wait_ms
            for arrival in arrivals:
                if self._is_draining:
                    return None
                doubts = 0
                if is_deadly:
                    problem = f"the process died {lease.deaths} times with it in hand"
                    room, is_deadly = await self._set_aside(lease, arrival, problem), False
                else:
                    room, doubts = await self._handle_or_set_aside(visit, room, arrival)
                if doubts:
                    await self._lookback.look(lease, self._present_puppet(room), doubts)
                    visit.ahead = Ahead()
                    break  # What waits may be in another order now.

    async def _settle(self, lease: Lease, room: Room) -> Sequence[Turn]:
        store = self._store
        return await settle(
            lease,
            outbox=store.outbox,
            turns=store.turns,
            sender=self._sender,
            watch_for=lambda puppet_id: self._watcher.watch(lease, room, puppet_id, Ahead()),
        )

    async def _handle_or_set_aside(
        self, visit: _Visit, room: Room, arrival: Arrival
    ) -> tuple[Room, int]:
        """The room afterwards, and its doubts."""
        lease = visit.lease
        try:
            handling = self._handle(visit, room, arrival)
            return await within(self._clock, STEP_LIMIT_S, handling)
        except BridgeError as error:
            if error.is_transient or isinstance(error, LeaseLost) or error.blame == "operator":
                raise
            problem = f"{type(error).__name__}: {error}"
        except Exception as error:  # a poison event must stop nothing else
            self._log.exception("event_crashed", event_id=arrival.event.event_id)
            problem = type(error).__name__
        crashes = await self._store.mailbox.count_crash(lease, arrival.seq)
        if crashes < MAX_CRASHES:
            room = await self._store.rooms.get(room.room_id)
            return await self._handle_or_set_aside(visit, room, arrival)
        return await self._set_aside(lease, arrival, problem), 0

    async def _set_aside(self, lease: Lease, arrival: Arrival, problem: str) -> Room:
        self._log.error("event_set_aside", event_id=arrival.event.event_id, problem=problem)
        metrics.EVENTS_POISON.inc()
        store = self._store
        room = await store.rooms.get(lease.room_id)
        await self._settle(lease, room)
        for turn in await store.turns.open_turns(lease):
            await self._performer.abandon(lease, turn, "failed")
        await store.mailbox.set_aside(lease, arrival.seq, problem=problem)
        # The event may have been the one that turned encryption on: the state is read anew.
        room = replace(room, is_encrypted=None)
        await store.rooms.put(lease, room)
        return room

    async def _handle(self, visit: _Visit, before: Room, arrival: Arrival) -> tuple[Room, int]:
        lease, event = visit.lease, arrival.event
        room = await self._with_state(before, apply(before, event), event)
        if room.cared_for and self._clock.now() - room.cared_at > _CARED_MS:
            room = replace(room, cared_for=())
        if isinstance(event, Message):
            # What is spoken in the room is what our own sentences are said in.
            room = replace(room, language=language.guess(event.text) or room.language)
        view = await self._view(before, room, event)
        decisions = decide(view, event, self._clock.now())
        if isinstance(event, Message) and any(isinstance(d, Answer) for d in decisions):
            view = await self._before_answering(lease, view, arrival, decisions)
            announced, decisions = decisions, decide(view, event, self._clock.now())
            await self._performer.take_back(room, announced, decisions)
        if isinstance(event, Message) and self._is_present(room):
            said = said_of(
                event,
                room,
                self._house.cast,
                decisions,
                is_machine=is_machine(view, event),
            )
            await self._store.history.add(lease, said)
        for decision in decisions:
            kind = type(decision).__name__.lower()
            metrics.DECISIONS.labels(decision=kind, reason=decision.reason).inc()
            self._log.debug("decided", decision=kind, reason=decision.reason, room=room.room_id)
            watch = self._watcher.watch(lease, room, _puppet_of(decision), visit.ahead, arrival)
            room = await self._performer.perform(lease, room, event, decision, watch)
        if any(isinstance(d, Answer) or (isinstance(d, Silence) and d.asked) for d in decisions):
            room = replace(room, asked_at=self._clock.now())
        for turn in visit.unfinished:
            if turn.cause_id == event.event_id:
                await self._performer.abandon(lease, turn, "dropped")
        is_changed = room != before
        doubts = await self._store.mailbox.finish(
            lease, arrival.seq, reason=decisions[0].reason, room=room if is_changed else None
        )
        return room, doubts

    async def _with_state(self, before: Room, room: Room, event: RoomEvent) -> Room:
        """Read the room's state where it is not known: after a join, or when reading it failed."""
        puppet = self._present_puppet(room)
        if puppet is None:
            # Nobody of ours is there: what we knew of its encryption may change unseen.
            return replace(room, is_encrypted=None, direct=None)
        has_just_joined = (
            isinstance(event, Membership)
            and self._house.cast.is_ours(event.user_id)
            and event.membership == "join"
            and not before.has_joined(event.user_id)
        )
        if room.is_encrypted is not None and before.powers is not None and not has_just_joined:
            return room
        try:
            state = await self._homeserver.room_state(puppet, room.room_id)
        except Refused as refusal:
            self._log.info("room_state_refused", room=room.room_id, why=refusal.errcode)
            return replace(room, is_encrypted=None)
        room = refreshed(room, state)
        if has_just_joined and room.predecessor is not None:
            return carried(room, await self._store.rooms.get(room.predecessor))
        return room

    async def _before_answering(
        self, lease: Lease, view: View, arrival: Arrival, decisions: tuple[Decision, ...]
    ) -> View:
        """Look who asks, and let them go on for a moment."""
        event, room = arrival.event, view.room
        left_ms = event.received_at + self._house.limits.burst_ms - self._clock.now()
        await self._performer.announce(room, decisions, is_pausing=left_ms > 0)
        puppet = self._present_puppet(room)
        if puppet and await self._profiles.is_bot(puppet, event.sender):
            view = replace(view, flagged=frozenset({event.sender}))
        left_ms = event.received_at + self._house.limits.burst_ms - self._clock.now()
        if left_ms > 0:
            await self._clock.sleep(left_ms / 1000)
        if not self._house.budgets.are_unlimited():
            view = replace(view, spending=await self._store.turns.spent(event.sender, room.room_id))
        return replace(
            view,
            later=await self._later(lease, arrival),
            opted_out=await self._store.people.opted_out({event.sender}),
        )

    async def _later(self, lease: Lease, arrival: Arrival) -> tuple[Message, ...]:
        """The messages that wait behind this one."""
        waiting = await self._store.mailbox.take(lease, _AHEAD, after_seq=arrival.seq)
        return tuple(each.event for each in waiting if isinstance(each.event, Message))

    async def _view(self, before: Room, room: Room, event: RoomEvent) -> View:
        view = View(
            house=self._house, room=room, before=before, said=await self._watcher.referred(event)
        )
        if isinstance(event, Message) and _needs_the_past(view, event):
            recent = await self._store.history.recent(room.room_id, from_seq=0, limit=_RECENT)
            return replace(view, recent=_before(event.event_id, recent))
        if isinstance(event, Membership) and event.membership == "invite":
            since = self._clock.now() - _DAY_MS
            inviter = UserId(event.sender)
            return replace(
                view,
                rooms_joined=await self._store.rooms.count_joined(),
                invites_today=await self._store.rooms.count_invites(
                    inviter, since, apart_from=event.event_id
                ),
            )
        return view

    def _present_puppet(self, room: Room) -> Puppet | None:
        return next((p for p in self._house.cast.puppets if room.has_joined(p.user_id)), None)

    def _is_present(self, room: Room) -> bool:
        return self._present_puppet(room) is not None


def _needs_the_past(view: View, message: Message) -> bool:
    """Only what comes soon after a puppet was asked can go on with that, and bots have budgets."""
    since_ms = message.received_at - view.room.asked_at
    return since_ms < _MAY_GO_ON_MS or is_machine(view, message)


def _before(event_id: EventId, said: Sequence[Said]) -> tuple[Said, ...]:
    """What was said before an event, also where it is handled once more after a crash."""
    own = next((n for n, each in enumerate(said) if each.event_id == event_id), len(said))
    return tuple(said[:own])


def _puppet_of(decision: Decision) -> PuppetId | None:
    if isinstance(decision, Forget | Amend | Silence | Consider | Open | Configure | Care | Defer):
        return None
    return decision.puppet_id
