"""One turn: think, plan the reply in the database, then send it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Final

from bridge import log, metrics
from bridge.clock import Clock
from bridge.domain.decision import Answer
from bridge.domain.effect import Effect, React
from bridge.domain.events import Message
from bridge.domain.ids import EventId, turn_id
from bridge.domain.lease import Lease
from bridge.domain.persona import Puppet
from bridge.domain.prompt import Finished
from bridge.domain.room import Room
from bridge.domain.turn import OPEN, Turn, TurnState
from bridge.errors import EngineError, HomeserverError, ModelMissing
from bridge.policy.budgets import WAIT
from bridge.policy.floor import repeats_itself
from bridge.policy.pacing import typing_ms
from bridge.policy.reasons import QUEUED, REPEATS_ITSELF
from bridge.policy.urgency import urgency_of
from bridge.policy.view import House
from bridge.ports import Homeserver, Store
from bridge.rooms.herald import Herald
from bridge.rooms.live import Live
from bridge.rooms.send import Sender
from bridge.rooms.speech import Composer, Speech
from bridge.rooms.think import Cancelled, Reply, Thinker, Thought
from bridge.rooms.watch import WATCH_S, Watch, undisturbed

_TYPING_RENEWAL_S: Final = 20.0


class Speaker:
    """Lets a puppet reply. One reply at a time in a room."""

    def __init__(
        self,
        *,
        store: Store,
        homeserver: Homeserver,
        thinker: Thinker,
        sender: Sender,
        live: Live,
        composer: Composer,
        herald: Herald,
        house: House,
        clock: Clock,
    ) -> None:
        self._store = store
        self._homeserver = homeserver
        self._thinker = thinker
        self._sender = sender
        self._live = live
        self._composer = composer
        self._herald = herald
        self._house = house
        self._clock = clock
        self._log = log.get("rooms.speak")

    async def answer(
        self, lease: Lease, room: Room, answer: Answer, cause: Message, watch: Watch
    ) -> Room:
        """Reply to `cause`, once: a turn that is over is left alone, a planned one only sent.

        Returns the room with its prompt window moved on. Raises Unreachable and LeaseLost.
        """
        puppet = self._puppet(answer.puppet_id)
        turn = await self._store.turns.open(
            lease,
            Turn(
                turn_id=turn_id(room.room_id, cause.event_id, puppet.puppet_id),
                room_id=room.room_id,
                puppet_id=puppet.puppet_id,
                cause_id=cause.event_id,
                reason=answer.reason,
                asker=None if urgency_of(answer) == "unasked" else answer.asker,
                started_at=self._clock.now(),
            ),
        )
        if turn.state == "speaking":
            await self._perform(lease, turn, [], watch, then="done")
        if turn.state != "thinking":
            return room
        typing = asyncio.create_task(self._attend(puppet, room, cause.event_id), name="typing")
        try:
            shown, room = await self._thinker.read(lease, room, puppet, cause, watch)
            speech = Speech(
                lease=lease, turn=turn, puppet=puppet, room=room, answer=answer, cause=cause,
                watch=watch, said=tuple(line for line in shown.said if line.is_context),
                is_private=shown.is_private,
            )  # fmt: skip
            model = puppet.persona.model or self._thinker.label
            async with self._live.showing(speech, model):
                thought = await self._thinker.think(
                    lease, turn.turn_id, room, puppet, answer, shown, self._live.watch(speech),
                    lambda: self._ask_for_patience(speech), speech.draft,
                )  # fmt: skip
            await self._conclude(speech, thought)
        finally:
            typing.cancel()
            await asyncio.gather(typing, return_exceptions=True)
            await self._show_typing(puppet, room, is_typing=False)
        return room

    async def say(
        self, lease: Lease, room: Room, puppet: Puppet, cause_id: EventId, ordinal: str,
        effect: Effect, reason: str, watch: Watch,
    ) -> bool:  # fmt: skip
        """Plan and send one effect that needs no thinking. Saying it again changes nothing.

        Returns whether it was posted. Raises Unreachable and LeaseLost.
        """
        own_cause = EventId(f"{cause_id}#{ordinal}")
        turn = await self._store.turns.open(
            lease,
            Turn(
                turn_id=turn_id(room.room_id, own_cause, puppet.puppet_id),
                room_id=room.room_id,
                puppet_id=puppet.puppet_id,
                cause_id=own_cause,
                reason=reason,
                started_at=self._clock.now(),
            ),
        )
        if turn.state in OPEN:
            return await self._perform(lease, turn, [(ordinal, effect)], watch, then="done")
        return turn.state == "done"

    async def abandon(self, lease: Lease, turn: Turn, state: TurnState) -> None:
        """End a turn that nobody will go on with; one that is over is left alone.

        Raises Unreachable and LeaseLost.
        """
        turn = await self._store.turns.open(lease, turn)
        if turn.state in OPEN:
            await self._live.withdraw(lease, turn)
            await self._store.turns.move(lease, turn.turn_id, state)

    async def _ask_for_patience(self, speech: Speech) -> None:
        """Others are served first; an answer will come."""
        turn, lease = speech.turn, speech.lease
        wait = React(target=speech.cause.event_id, key=WAIT)
        await self.say(
            lease, speech.room, speech.puppet, turn.cause_id, "w", wait, QUEUED, speech.watch
        )

    async def _conclude(self, speech: Speech, outcome: Thought) -> None:
        turn = speech.turn
        match outcome:
            case Cancelled():
                await self._break_off(speech, outcome.reason)
            case EngineError() if speech.answer.is_unasked or speech.answer.hops:
                # Nobody waits for it, so nobody needs to hear that it failed.
                metrics.ENGINE_ERRORS.labels(code=outcome.code).inc()
                await self._drop(speech, outcome.code)
            case EngineError():
                metrics.ENGINE_ERRORS.labels(code=outcome.code).inc()
                self._log.warning(
                    "engine_failed", turn=turn.turn_id, code=outcome.code, problem=str(outcome)
                )
                if isinstance(outcome, ModelMissing):
                    await self._herald.model_missing(outcome)
                await self._apologise(speech, outcome.code)
            case Reply():
                await self._record_use(turn, outcome.finished, len(speech.said))
                was_cut = outcome.finished.reason == "length"
                text = self._composer.own_words(speech, outcome.text, was_cut=was_cut)
                if text and _is_worn(speech, text):
                    await self._drop(speech, REPEATS_ITSELF)
                elif text and (reason := await self._type(speech, text)):
                    await self._drop(speech, reason)
                elif text:
                    model = outcome.finished.model or self._thinker.label
                    parts = self._composer.parts(speech, text, model)
                    await self._send(speech, await self._live.whole(speech, parts), then="done")
                else:
                    self._log.warning("reply_empty", turn=turn.turn_id)
                    await self._apologise(speech, "empty_reply")

    async def _drop(self, speech: Speech, reason: str) -> None:
        await self._store.turns.move(speech.lease, speech.turn.turn_id, "dropped")
        metrics.TURNS.labels(outcome="dropped").inc()
        self._log.info("turn_dropped", turn=speech.turn.turn_id, why=reason)

    async def _type(self, speech: Speech, text: str) -> str | None:
        """Take about as long as a person would, thinking included; returns why it is pointless."""
        if speech.draft.shown:
            return None
        wanted_ms = typing_ms(text, self._house.limits.typing_chars_per_s)
        until = speech.turn.started_at + wanted_ms
        while (left_ms := until - self._clock.now()) > 0:
            await self._clock.sleep(min(WATCH_S, left_ms / 1000))
            if reason := await speech.watch():
                return reason
        return None

    async def _record_use(self, turn: Turn, finished: Finished, shown: int) -> None:
        metrics.ENGINE_TOKENS.labels(direction="prompt").inc(finished.prompt_tokens)
        metrics.ENGINE_TOKENS.labels(direction="reply").inc(finished.reply_tokens)
        await self._store.turns.record_use(
            turn.turn_id,
            model=finished.model,
            prompt_tokens=finished.prompt_tokens,
            reply_tokens=finished.reply_tokens,
            context_messages=shown,
        )

    async def _apologise(self, speech: Speech, key: str) -> None:
        notice = self._composer.apology(speech, key)
        if speech.draft.shown is None:
            await self._send(speech, [("e", notice)], then="failed")
        else:
            ending = await self._live.broken_off(speech, key, notice.text)
            await self._send(speech, ending or [("e", notice)], then="failed")

    async def _break_off(self, speech: Speech, reason: str) -> None:
        """It has become pointless. What is shown of it must not look as if it went on."""
        ending = await self._live.broken_off(speech, reason)
        if ending:
            await self._send(replace(speech, watch=undisturbed), ending, then="dropped")
        else:
            await self._drop(speech, reason)

    async def _send(
        self, speech: Speech, effects: list[tuple[str, Effect]], *, then: TurnState
    ) -> None:
        await self._perform(speech.lease, speech.turn, effects, speech.watch, then=then)

    async def _perform(
        self, lease: Lease, turn: Turn, effects: list[tuple[str, Effect]], watch: Watch, *,
        then: TurnState,
    ) -> bool:  # fmt: skip
        """Plan and send, in this order; returns whether all is on the homeserver."""
        rows = await self._store.outbox.plan(lease, turn, effects)
        sent = await self._sender.send_all(lease, rows, watch)
        outcome: TurnState = then if sent == "done" else sent
        await self._store.turns.move(lease, turn.turn_id, outcome)
        metrics.TURNS.labels(outcome=outcome).inc()
        metrics.TURN_SECONDS.observe((self._clock.now() - turn.started_at) / 1000)
        return sent == "done"

    async def _attend(self, puppet: Puppet, room: Room, cause_id: EventId) -> None:
        """Show that the message was seen and that an answer is coming, until cancelled."""
        await self._show_typing(puppet, room, is_typing=True)
        with suppress(HomeserverError):
            await self._homeserver.mark_read(puppet, room.room_id, cause_id)
        while True:
            await self._clock.sleep(_TYPING_RENEWAL_S)
            await self._show_typing(puppet, room, is_typing=True)

    async def _show_typing(self, puppet: Puppet, room: Room, *, is_typing: bool) -> None:
        try:
            await self._homeserver.type(puppet, room.room_id, is_typing=is_typing)
        except HomeserverError as error:
            self._log.debug("typing_not_shown", problem=str(error))

    def _puppet(self, puppet_id: str) -> Puppet:
        puppet = next((p for p in self._house.cast.puppets if p.puppet_id == puppet_id), None)
        if puppet is None:
            raise LookupError(f"no puppet {puppet_id!r}")
        return puppet


def _is_worn(speech: Speech, text: str) -> bool:
    """What nobody asked for, and was said much like that before, is better not said."""
    is_asked = not (speech.answer.is_unasked or speech.answer.hops)
    return not is_asked and repeats_itself(text, speech.said, speech.puppet.user_id)
