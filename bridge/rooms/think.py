"""One reply of the model: what it is shown, and waiting for it while the room goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final, Protocol

from bridge import log
from bridge.clock import Clock
from bridge.domain.decision import Answer
from bridge.domain.events import Message
from bridge.domain.history import Said
from bridge.domain.ids import TurnId
from bridge.domain.lease import Lease
from bridge.domain.persona import Puppet
from bridge.domain.prompt import Finished, Prompt, Queued, TextDelta
from bridge.domain.room import Room
from bridge.errors import ContextTooLong, EngineBroken, EngineError
from bridge.policy.context import build_prompt, next_window
from bridge.policy.tools import allowed
from bridge.policy.urgency import urgency_of
from bridge.policy.view import House
from bridge.ports import Engine, Store
from bridge.rooms.draft import Draft
from bridge.rooms.media import Senses
from bridge.rooms.tokens import Tokens
from bridge.rooms.watch import Watch, keep_watching

SLACK: Final = 2
"""A window that is to be summed up may grow by one in so many parts of its size until then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    text: str
    finished: Finished


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    reason: str


Thought = Reply | Cancelled | EngineError
Attempt = Callable[[Prompt], Awaitable[Thought]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The turn that a reply is thought of for."""

    lease: Lease
    turn_id: TurnId
    room: Room
    puppet: Puppet
    answer: Answer
    watch: Watch
    is_private: bool


class Loop(Protocol):
    """What may come between a prompt and its reply: see `bridge.rooms.tools`."""

    async def reply(self, asked: Asked, prompt: Prompt, attempt: Attempt) -> Thought:
        """Attempt the prompt, and what follows from it, until there is a reply. May be done again
        with a shorter prompt."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """`said` are the messages that the model is shown, `summary` those before them in short, and
    `cause` the one to reply to."""

    said: tuple[Said, ...]
    cause: Said
    summary: str = ""
    is_private: bool = False
    """Did somebody ask whose words no other prompt may hold?"""

    @property
    def text(self) -> str:
        return " ".join(line.text for line in (*self.said[-10:], self.cause))


class Thinker:
    """Lets the model write what a puppet says."""

    def __init__(
        self,
        *,
        store: Store,
        engine: Engine,
        senses: Senses,
        tokens: Tokens,
        loop: Loop,
        house: House,
        clock: Clock,
    ) -> None:
        self._store = store
        self._loop = loop
        self._senses = senses
        self._engine = engine
        self._tokens = tokens
        self._house = house
        self._clock = clock
        self._log = log.get("rooms.think")

    @property
    def label(self) -> str:
        """What answers, in words."""
        return self._engine.label

    async def read(
        self, lease: Lease, room: Room, puppet: Puppet, cause: Message, watch: Watch
    ) -> tuple[Shown, Room]:
        """What the room said, as far as the model is shown it, and the room with its window.

        Pictures are not looked at any further once `watch` has a reason against it.
        """
        window = self._house.limits.window_messages
        history = self._store.history
        said = await history.recent(room.room_id, from_seq=room.window_from, limit=2 * window)
        slack = window // SLACK if self._house.summaries else 0
        window_from = next_window(said, room.window_from, window, slack=slack)
        room = replace(room, window_from=window_from)
        said = [line for line in said if line.seq >= window_from]
        stored_cause = await history.get(cause.event_id)
        if stored_cause is None:
            raise LookupError("the question is not in the history")
        if cause.sender in await self._store.people.opted_out({cause.sender}):
            # Of their words only this one message is read, because it asks.
            alone = replace(stored_cause, text=cause.text)
            return Shown(said=(), cause=alone, is_private=True), room
        summary = await self._store.summaries.get(room.room_id) if self._house.summaries else None
        before = summary.text if summary else ""
        seen = await self._senses.perceive(lease, puppet, said, watch)
        stored_cause = next((s for s in seen if s.event_id == cause.event_id), stored_cause)
        return Shown(said=seen, cause=stored_cause, summary=before), room

    async def think(
        self,
        lease: Lease,
        turn_id: TurnId,
        room: Room,
        puppet: Puppet,
        answer: Answer,
        shown: Shown,
        watch: Watch,
        on_queued: Callable[[], Awaitable[object]],
        draft: Draft,
    ) -> Thought:
        """The reply, or why there is none. `on_queued` is done once where it waits for long; what
        is written is put into the draft as it comes.

        A prompt that the server finds too long is made shorter, once.
        """
        asked = Asked(
            lease=lease, turn_id=turn_id, room=room, puppet=puppet, answer=answer, watch=watch,
            is_private=shown.is_private,
        )  # fmt: skip

        has_tools = bool(allowed(self._house, puppet, answer, is_private=shown.is_private))
        # What is written before a call of a tool may be no part of the reply: nobody sees it grow.
        seen = Draft() if has_tools else draft

        async def attempt(prompt: Prompt) -> Thought:
            return await self._attempt(prompt, room, watch, on_queued, seen)

        prompt = self._prompt(room, puppet, answer, shown)
        thought = await self._loop.reply(asked, prompt, attempt)
        if isinstance(thought, ContextTooLong):
            self._log.info("prompt_trimmed", room=room.room_id, model=prompt.model)
            self._tokens.overflow(prompt, shown.text)
            prompt = self._prompt(room, puppet, answer, shown)
            thought = await self._loop.reply(asked, prompt, attempt)
        # With tools, more was read than the prompt.
        if isinstance(thought, Reply) and not has_tools:
            self._tokens.count(prompt, shown.text, thought.finished.prompt_tokens)
        return thought

    def _prompt(self, room: Room, puppet: Puppet, answer: Answer, shown: Shown) -> Prompt:
        house = self._tokens.fit(self._house, puppet.persona.model, shown.text)
        prompt = build_prompt(
            house=house,
            room=room,
            puppet=puppet,
            said=shown.said,
            cause=shown.cause,
            summary=shown.summary,
        )
        return replace(prompt, urgency=urgency_of(answer))

    async def _attempt(
        self,
        prompt: Prompt,
        room: Room,
        watch: Watch,
        on_queued: Callable[[], Awaitable[object]],
        draft: Draft,
    ) -> Thought:
        if reason := await watch():
            return Cancelled(reason=reason)
        queued = asyncio.Event()
        generating = asyncio.create_task(
            self._generate(prompt, room, queued, draft), name="generate"
        )
        watching = asyncio.create_task(keep_watching(watch, self._clock), name="watch")
        waiting = asyncio.create_task(queued.wait(), name="queued")
        try:
            tasks = {generating, watching}
            await asyncio.wait({*tasks, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done() and not generating.done() and not watching.done():
                await on_queued()
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                return Cancelled(reason=watching.result())
            reply = generating.result()
        finally:
            for task in (generating, watching, waiting):
                task.cancel()
            await asyncio.gather(generating, watching, waiting, return_exceptions=True)
        reason = await watch()
        return Cancelled(reason=reason) if reason else reply

    async def _generate(
        self, prompt: Prompt, room: Room, queued: asyncio.Event, draft: Draft
    ) -> Reply | EngineError:
        draft.pieces.clear()
        try:
            async with aclosing(self._engine.stream(prompt, affinity=room.room_id)) as stream:
                async for delta in stream:
                    match delta:
                        case TextDelta():
                            draft.pieces.append(delta.text)
                        case Queued():
                            queued.set()
                        case Finished():
                            return Reply(text=draft.text, finished=delta)
        except EngineError as error:
            return error
        return EngineBroken("the engine ended without finishing")
