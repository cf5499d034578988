"""What a room's quiet calls for: a turn in an exchange, a question that nobody took up."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bridge import log, metrics
from bridge.clock import Clock, minute_of_day
from bridge.domain.decision import Answer, Consider, Decision
from bridge.domain.events import Message
from bridge.domain.history import Said
from bridge.domain.lease import Arrival, Lease
from bridge.domain.room import Room
from bridge.errors import BridgeError
from bridge.policy import reasons
from bridge.policy.addressing import present
from bridge.policy.alarm import on_quiet
from bridge.policy.daytime import zone_of
from bridge.policy.levels import level_of, rank
from bridge.policy.view import House, View
from bridge.ports import Store
from bridge.rooms.ahead import Ahead
from bridge.rooms.gate import Gate
from bridge.rooms.perform import Performer
from bridge.rooms.watcher import Watcher

RECENT: Final = 50
"""Messages that a decision may look at."""


class Quiet:
    """Heeds the quiet of a room that is owned."""

    def __init__(
        self,
        *,
        store: Store,
        performer: Performer,
        gate: Gate,
        watcher: Watcher,
        house: House,
        clock: Clock,
    ) -> None:
        self._store = store
        self._performer = performer
        self._gate = gate
        self._watcher = watcher
        self._house = house
        self._clock = clock
        self._log = log.get("rooms.quiet")

    async def heed(self, lease: Lease, room: Room) -> tuple[Room, bool, int | None]:
        """Do what is due; returns the room, whether anything was, and in how many milliseconds to
        look again (None: when something comes). Raises Unreachable and LeaseLost."""
        view = View(house=self._house, room=room, before=room)
        if not self._is_of_interest(view):
            return room, False, None
        await self._drop_leftovers(lease)
        recent = await self._store.history.recent(room.room_id, from_seq=0, limit=RECENT)
        senders = {said.sender for said in recent}
        last_at = recent[-1].stored_at if recent else self._clock.now()
        view = replace(
            view,
            recent=tuple(recent),
            opted_out=await self._store.people.opted_out(senders),
            minute_of_day=minute_of_day(last_at, zone_of(view)),
        )
        decisions, wait_ms = on_quiet(view, self._clock.now())
        if not decisions:
            return room, False, wait_ms
        try:
            for decision in decisions:
                room = await self._act(lease, view, room, decision)
        except BridgeError:
            raise
        except Exception:  # what nobody asked for must not keep the room from what people ask
            self._log.exception("quiet_crashed", room=room.room_id)
            room = replace(room, exchange=None, considered=recent[-1].event_id)
        await self._store.rooms.put(lease, room)
        return room, True, None

    def _is_of_interest(self, view: View) -> bool:
        """Most rooms are quiet because nobody may speak unasked. Cheap."""
        return view.room.exchange is not None or any(
            rank(level_of(view, puppet)) > rank("reply-only")
            for puppet in present(view)
            if puppet.role == "persona"
        )

    async def _drop_leftovers(self, lease: Lease) -> None:
        """A thought that nobody asked for ends with the process that had it."""
        for turn in await self._store.turns.open_turns(lease):
            if turn.state == "thinking" and turn.reason in reasons.UNASKED:
                await self._store.turns.move(lease, turn.turn_id, "dropped")

    async def _act(self, lease: Lease, view: View, room: Room, decision: Decision) -> Room:
        cause = next(s for s in view.recent if s.event_id == decision.cause_id)
        arrival = Arrival(seq=0, event=_as_message(cause, self._clock.now()))
        if isinstance(decision, Consider):
            watch = self._watcher.watch(
                lease, room, decision.puppets[0], Ahead(), arrival, is_unasked=True
            )
            room = replace(room, considered=cause.event_id)
            await self._store.rooms.put(lease, room)
            decision = await self._gate.ask(view, decision, watch)
            await self._store.mailbox.note(lease, cause.event_id, decision.reason)
        kind = type(decision).__name__.lower()
        metrics.DECISIONS.labels(decision=kind, reason=decision.reason).inc()
        self._log.debug("decided", decision=kind, reason=decision.reason, room=room.room_id)
        puppet_id = getattr(decision, "puppet_id", None)
        watch = self._watcher.watch(lease, room, puppet_id, Ahead(), arrival, is_unasked=True)
        room = await self._performer.perform(lease, room, arrival.event, decision, watch)
        if isinstance(decision, Answer):
            room = replace(room, asked_at=self._clock.now())
        if isinstance(decision, Answer) and not decision.is_unasked:
            return await self._after_turn(room, cause)
        return room

    async def _after_turn(self, room: Room, cause: Said) -> Room:
        """An exchange whose turn brought nothing has ended."""
        newest = await self._store.history.recent(room.room_id, from_seq=0, limit=1)
        has_gone_on = bool(newest) and newest[0].event_id != cause.event_id
        return room if has_gone_on else replace(room, exchange=None)


def _as_message(said: Said, now: int) -> Message:
    """What was said before, as if it came now."""
    return Message(
        event_id=said.event_id,
        room_id=said.room_id,
        sender=said.sender,
        sent_at=said.sent_at,
        received_at=now,
        text=said.text,
        thread_root=said.thread_root,
    )
