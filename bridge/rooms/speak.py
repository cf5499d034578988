"""One turn: think, plan the reply in the database, then send it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from bridge import log, metrics
from bridge.clock import Clock
from bridge.domain.decision import Answer
from bridge.domain.effect import Effect, React, SendText
from bridge.domain.events import Message
from bridge.domain.history import Said
from bridge.domain.ids import EventId, turn_id
from bridge.domain.lease import Lease
from bridge.domain.persona import Puppet
from bridge.domain.prompt import Finished
from bridge.domain.room import Room
from bridge.domain.turn import OPEN, Turn, TurnState
from bridge.errors import EngineError, HomeserverError, ModelMissing
from bridge.policy import language, wording
from bridge.policy.budgets import WAIT
from bridge.policy.context import secrets_of
from bridge.policy.floor import repeats_itself
from bridge.policy.lines import others_of
from bridge.policy.pacing import split, typing_ms
from bridge.policy.reasons import QUEUED, REPEATS_ITSELF
from bridge.policy.trust import clean_reply
from bridge.policy.urgency import urgency_of
from bridge.policy.view import House
from bridge.ports import Homeserver, Store
from bridge.rooms.herald import Herald
from bridge.rooms.send import Sender, Watch
from bridge.rooms.think import WATCH_S, Cancelled, Reply, Thinker, Thought

PART_BYTES: Final = 6_000
"""Markdown of one message. HTML and JSON escaping can grow it eightfold; an event holds 64 KiB."""

_TYPING_RENEWAL_S: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Speech:
    """A turn with all it takes."""

    lease: Lease
    turn: Turn
    puppet: Puppet
    room: Room
    answer: Answer
    cause: Message
    watch: Watch
    said: tuple[Said, ...]
    """What the model is shown."""
    is_private: bool


class Speaker:
    """Lets a puppet reply. One reply at a time in a room."""

    def __init__(
        self,
        *,
        store: Store,
        homeserver: Homeserver,
        thinker: Thinker,
        sender: Sender,
        herald: Herald,
        house: House,
        clock: Clock,
    ) -> None:
        self._store = store
        self._homeserver = homeserver
        self._thinker = thinker
        self._sender = sender
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
            shown, room = await self._thinker.read(lease, room, puppet, cause)
            speech = _Speech(
                lease=lease, turn=turn, puppet=puppet, room=room, answer=answer, cause=cause,
                watch=watch, said=tuple(line for line in shown.said if line.is_context),
                is_private=shown.is_private,
            )  # fmt: skip
            thought = await self._thinker.think(
                room, puppet, answer, shown, watch, lambda: self._ask_for_patience(speech)
            )
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

    async def _ask_for_patience(self, speech: _Speech) -> None:
        """Others are served first; an answer will come."""
        turn, lease = speech.turn, speech.lease
        wait = React(target=speech.cause.event_id, key=WAIT)
        await self.say(
            lease, speech.room, speech.puppet, turn.cause_id, "w", wait, QUEUED, speech.watch
        )

    async def _conclude(self, speech: _Speech, outcome: Thought) -> None:
        turn = speech.turn
        match outcome:
            case Cancelled():
                await self._drop(speech, outcome.reason)
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
                text = self._own_words(speech, outcome.text, was_cut=was_cut)
                if text and _is_worn(speech, text):
                    await self._drop(speech, REPEATS_ITSELF)
                elif text and (reason := await self._type(speech, text)):
                    await self._drop(speech, reason)
                elif text:
                    effects = self._parts(speech, text, outcome.finished.model)
                    await self._perform(speech.lease, turn, effects, speech.watch, then="done")
                else:
                    self._log.warning("reply_empty", turn=turn.turn_id)
                    await self._apologise(speech, "empty_reply")

    async def _drop(self, speech: _Speech, reason: str) -> None:
        await self._store.turns.move(speech.lease, speech.turn.turn_id, "dropped")
        metrics.TURNS.labels(outcome="dropped").inc()
        self._log.info("turn_dropped", turn=speech.turn.turn_id, why=reason)

    async def _type(self, speech: _Speech, text: str) -> str | None:
        """Take about as long as a person would, thinking included; returns why it is pointless."""
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

    def _own_words(self, speech: _Speech, text: str, *, was_cut: bool = False) -> str:
        puppet = speech.puppet
        return clean_reply(
            text,
            speaker=(*puppet.names(), puppet.display_name),
            others=others_of(self._house.cast, speech.room, speech.said, puppet),
            secrets=secrets_of(self._house),
            was_cut=was_cut,
        )

    def _parts(self, speech: _Speech, text: str, model: str) -> list[tuple[str, Effect]]:
        answer, cause = speech.answer, speech.cause
        is_late = self._clock.now() - cause.received_at > self._house.limits.late_answer_ms
        whole = SendText(
            text=text,
            is_generated=True,
            thread_root=answer.thread_root,
            model=model or self._thinker.label,
            is_notice=answer.is_unasked,
            hops=answer.hops,
            bounces_left=answer.bounces_left,
            reason=answer.reason,
            is_private=speech.is_private,
        )
        first, *rest = split(text, PART_BYTES)
        # What stood in the middle of a line now begins one, and must not be another's there.
        rest = [words for part in rest if (words := self._own_words(speech, part))]
        return [
            (
                "0",
                replace(
                    whole,
                    text=first,
                    reply_to=cause.event_id,
                    mentions=(answer.asker,) if is_late else (),
                ),
            ),
            *((f"s{n}", replace(whole, text=part)) for n, part in enumerate(rest, start=1)),
        ]

    async def _apologise(self, speech: _Speech, key: str) -> None:
        cause = speech.cause
        spoken = language.guess(cause.text) or speech.room.language or self._house.language
        notice = SendText(
            text=wording.sentence(key, spoken),
            is_notice=True,
            reply_to=cause.event_id,
            thread_root=speech.answer.thread_root,
        )
        await self._perform(speech.lease, speech.turn, [("e", notice)], speech.watch, then="failed")

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


def _is_worn(speech: _Speech, text: str) -> bool:
    """What nobody asked for, and was said much like that before, is better not said."""
    is_asked = not (speech.answer.is_unasked or speech.answer.hops)
    return not is_asked and repeats_itself(text, speech.said, speech.puppet.user_id)
