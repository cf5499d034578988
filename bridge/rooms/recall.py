"""Sums up what falls out of a room's window, while nobody waits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from bridge import log, metrics
from bridge.clock import Clock
from bridge.domain.history import Said
from bridge.domain.lease import Lease
from bridge.domain.persona import Puppet
from bridge.domain.prompt import Finished, Prompt, TextDelta
from bridge.domain.room import Room
from bridge.domain.summary import Summary
from bridge.errors import EngineError
from bridge.policy.context import build_summary, crowded_window, next_window
from bridge.policy.trust import clean_reply
from bridge.policy.view import House
from bridge.ports import Engine, Store
from bridge.rooms.tokens import Tokens
from bridge.rooms.watch import WATCH_S

_MAX_CHARS: Final = 1500
_RECENTLY_MS: Final = 600_000
_AGAIN_MS: Final = 60_000
_DAY_MS: Final = 86_400_000


class Recall:
    """Belongs to a worker. Rooms where nobody talks to a puppet cost nothing."""

    def __init__(
        self, *, store: Store, engine: Engine, tokens: Tokens, house: House, clock: Clock
    ) -> None:
        self._store = store
        self._engine = engine
        self._tokens = tokens
        self._house = house
        self._clock = clock
        self._not_before: dict[str, int] = {}
        self._log = log.get("rooms.recall")

    async def roll(self, lease: Lease, room: Room, puppet: Puppet | None) -> Room:
        """Sum up, if that is due; returns the room with its window cut there.

        It ends, to be done another time, as soon as anything comes into the room. Raises LeaseLost.
        """
        now = self._clock.now()
        if not self._house.summaries or puppet is None or now - room.asked_at > _RECENTLY_MS:
            return room
        if now < self._not_before.get(room.room_id, 0):
            return room
        window = self._house.limits.window_messages
        said = await self._store.history.recent(
            room.room_id, from_seq=room.window_from, limit=2 * window
        )
        old = await self._summary(room)
        window_from = self._window(room, puppet, said, old)
        if window_from == room.window_from:
            return room
        self._not_before[room.room_id] = now + _AGAIN_MS
        if not await self._sum_up(lease, room, puppet, said, window_from, old):
            return room
        room = replace(room, window_from=window_from)
        await self._store.rooms.put(lease, room)
        del self._not_before[room.room_id]
        return room

    def _window(self, room: Room, puppet: Puppet, said: Sequence[Said], old: Summary | None) -> int:
        """Where it begins now: it is cut when it holds too many messages, or too long ones."""
        cut = next_window(said, room.window_from, self._house.limits.window_messages)
        if cut != room.window_from:
            return cut
        text = " ".join(line.text for line in said[-10:])
        house = self._tokens.fit(self._house, puppet.persona.model, text)
        before = old.text if old else ""
        crowded = crowded_window(said, house=house, room=room, puppet=puppet, summary=before)
        return room.window_from if crowded is None else crowded

    async def _summary(self, room: Room) -> Summary | None:
        """What was summed up, unless it holds something that is too old to be kept."""
        old = await self._store.summaries.get(room.room_id)
        kept_ms = self._house.limits.context_days * _DAY_MS
        is_too_old = old is not None and self._clock.now() - old.since_at > kept_ms
        return None if is_too_old else old

    async def _sum_up(
        self,
        lease: Lease,
        room: Room,
        puppet: Puppet,
        said: Sequence[Said],
        window_from: int,
        old: Summary | None,
    ) -> bool:
        gone = [line for line in said if line.seq < window_from]
        text = " ".join(line.text for line in gone[-10:])
        prompt = build_summary(
            house=self._tokens.fit(self._house, "", text),
            room=room,
            puppet=puppet,
            said=said,
            upto=gone[-1].seq,
            summary=old.text if old else "",
        )
        written = await self._written(lease, prompt)
        if not written:
            metrics.SUMMARIES.labels(outcome="none").inc()
            return False
        summary = Summary(
            room_id=room.room_id,
            text=written,
            upto_seq=gone[-1].seq,
            since_at=min(line.stored_at for line in gone) if old is None else old.since_at,
        )
        is_stored = await self._store.summaries.put(
            lease, summary, [each.event_id for each in said]
        )
        metrics.SUMMARIES.labels(outcome="stored" if is_stored else "outdated").inc()
        return is_stored

    async def _written(self, lease: Lease, prompt: Prompt) -> str:
        """The model's summary, "" where it has none or something came into the room."""
        writing = asyncio.create_task(self._write(prompt, lease.room_id), name="summary")
        watching = asyncio.create_task(self._until_something_comes(lease), name="watch")
        try:
            await asyncio.wait({writing, watching}, return_when=asyncio.FIRST_COMPLETED)
            return "" if watching.done() else writing.result()
        finally:
            for task in (writing, watching):
                task.cancel()
            await asyncio.gather(writing, watching, return_exceptions=True)

    async def _write(self, prompt: Prompt, room_id: str) -> str:
        pieces: list[str] = []
        try:
            async with aclosing(self._engine.stream(prompt, affinity=room_id)) as deltas:
                async for delta in deltas:
                    match delta:
                        case TextDelta():
                            pieces.append(delta.text)
                        case Finished():
                            metrics.ENGINE_TOKENS.labels(direction="prompt").inc(
                                delta.prompt_tokens
                            )
                            metrics.ENGINE_TOKENS.labels(direction="reply").inc(delta.reply_tokens)
                            return clean_reply(
                                "".join(pieces), speaker=("Summary",), others=(),
                                was_cut=delta.reason == "length", max_chars=_MAX_CHARS,
                            )  # fmt: skip
                        case _:
                            pass
        except EngineError as error:
            self._log.info("no_summary", code=error.code, problem=str(error))
        return ""

    async def _until_something_comes(self, lease: Lease) -> None:
        while not await self._store.mailbox.take(lease, 1):
            await self._clock.sleep(WATCH_S)
