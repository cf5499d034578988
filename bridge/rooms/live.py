"""Shows replies while they are being written, and ends what was begun.

The first message of such a reply is planned like any other, so that it is known after a crash. The
edits that follow are not: one that fails is made good by the next. The edit that makes the message
whole is planned again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from bridge import log
from bridge.clock import Clock
from bridge.domain.effect import EditText, Effect, Planned, Redact, SendText
from bridge.domain.ids import txn_id
from bridge.domain.lease import Lease
from bridge.domain.turn import Turn
from bridge.errors import HomeserverError
from bridge.policy import reasons
from bridge.policy.live import LIVE_EDITS, is_worth_showing, may_be_live
from bridge.policy.view import House
from bridge.ports import Store
from bridge.rooms.send import Sender
from bridge.rooms.speech import Composer, Speech
from bridge.rooms.watch import Watch, undisturbed

_LOOK_S: Final = 0.1
_UNWRITABLE: Final = frozenset({reasons.REMOVED, reasons.ENCRYPTED})
"""What is shown can't be changed any more, or must not be in the clear."""
_UNWANTED: Final = frozenset({reasons.REDACTED, reasons.FORGOTTEN})
"""Who took the question back wants no half answer to it either."""


class Live:
    """Keeps a message up with its draft."""

    def __init__(
        self, *, store: Store, sender: Sender, composer: Composer, house: House, clock: Clock
    ) -> None:
        self._store = store
        self._sender = sender
        self._composer = composer
        self._house = house
        self._clock = clock
        self._log = log.get("rooms.live")

    @asynccontextmanager
    async def showing(self, speech: Speech, model: str) -> AsyncGenerator[None]:
        """While the block writes the draft, show it where that may be.

        What an earlier life began is not edited before it is whole: nobody knows how often it was.
        Raises Unreachable and LeaseLost.
        """
        await self.resume(speech)
        if speech.draft.shown or not may_be_live(self._house, speech.room, speech.answer):
            yield
            return
        showing = asyncio.create_task(self._show(speech, model), name="live")
        try:
            yield
        except BaseException:
            showing.cancel()
            await asyncio.gather(showing, return_exceptions=True)
            raise
        speech.draft.is_over.set()
        await showing

    async def resume(self, speech: Speech) -> None:
        """Find what was begun, and see to it that it is on the homeserver."""
        root = await self._root(speech.lease, speech.turn)
        if root is None:
            return
        assert isinstance(root.effect, SendText)
        speech.draft.shown = speech.draft.shown or root.effect
        speech.draft.root = root.event_id

    async def _show(self, speech: Speech, model: str) -> None:
        limits, draft, edits = self._house.limits, speech.draft, 0
        next_at = speech.turn.started_at + (limits.live_after_ms or 0)
        while edits <= LIVE_EDITS:
            wait_s = max(_LOOK_S, (next_at - self._clock.now()) / 1000)
            if await self._clock.wait(draft.is_over, wait_s):
                return
            message = self._composer.beginning(speech, draft.text, model)
            before = draft.shown.text if draft.shown else ""
            if message is None or not is_worth_showing(message.text, before):
                continue
            try:
                await self._update(speech, message, edits)
            except HomeserverError as error:
                self._log.info("not_shown_live", turn=speech.turn.turn_id, problem=str(error))
            if draft.root is None:
                return
            edits += 1
            next_at = self._clock.now() + limits.live_every_ms

    async def _update(self, speech: Speech, message: SendText, edits: int) -> None:
        draft, lease, turn = speech.draft, speech.lease, speech.turn
        if draft.root is None:
            await self._store.outbox.plan(lease, turn, [("0", message)], goes_on=True)
            draft.shown = message
            await self.resume(speech)
            return
        effect = EditText(target=draft.root, new=replace(message, mentions=()))
        ordinal = txn_id(turn.turn_id, f"e{lease.epoch}.{edits}")
        await self._sender.show(speech.puppet, turn.room_id, effect, ordinal)
        draft.shown = message

    def watch(self, speech: Speech) -> Watch:
        """Looks, too, whether somebody took back what is shown."""

        async def watch() -> str | None:
            if reason := await speech.watch():
                return reason
            return reasons.REDACTED if await self._is_gone(speech) else None

        return watch

    async def whole(
        self, speech: Speech, parts: list[tuple[str, Effect]]
    ) -> list[tuple[str, Effect]]:
        """The effects of a reply that is whole: the first puts what is shown right."""
        if speech.draft.shown:
            # A homeserver that forgets may have made two of it: the first in the room counts.
            await self.resume(speech)
        (_, first), *rest = parts
        if speech.draft.root is None:
            return parts
        assert isinstance(first, SendText)
        return [("f", EditText(target=speech.draft.root, new=replace(first, mentions=()))), *rest]

    async def broken_off(
        self, speech: Speech, reason: str, apology: str = ""
    ) -> list[tuple[str, Effect]]:
        """How what is shown ends that will not become whole."""
        draft = speech.draft
        if draft.shown:
            await self.resume(speech)
        if draft.shown is None or draft.root is None or reason in _UNWRITABLE:
            return []
        if reason in _UNWANTED:
            is_gone = reason == reasons.REDACTED and await self._is_gone(speech)
            return [] if is_gone else [("x", Redact(target=draft.root))]
        text = f"{draft.shown.text}\n\n{apology}" if apology else draft.shown.text
        new = replace(draft.shown, text=text, is_live=False, mentions=())
        return [("f", EditText(target=draft.root, new=new))]

    async def withdraw(self, lease: Lease, turn: Turn) -> None:
        """Take back what is shown of a reply that nobody will go on with.

        Raises Unreachable and LeaseLost.
        """
        root = await self._root(lease, turn)
        if root is not None and root.event_id is not None:
            effects = [("x", Redact(target=root.event_id))]
            rows = await self._store.outbox.plan(lease, turn, effects)
            await self._sender.send_all(lease, rows, undisturbed)

    async def _root(self, lease: Lease, turn: Turn) -> Planned | None:
        """The message that shows a reply live, sent now if it was not; None where there is none,
        or none can be."""
        root = _root_of(await self._store.outbox.of_turn(turn.turn_id))
        if root is not None and root.state == "planned":
            await self._sender.send_all(lease, [root], undisturbed)
            root = _root_of(await self._store.outbox.of_turn(turn.turn_id))
        return root if root is not None and root.event_id is not None else None

    async def _is_gone(self, speech: Speech) -> bool:
        if speech.draft.root is None:
            return False
        said = await self._store.history.get(speech.draft.root)
        return said is None or not said.text


def _root_of(rows: Sequence[Planned]) -> Planned | None:
    return next((r for r in rows if isinstance(r.effect, SendText) and r.effect.is_live), None)
