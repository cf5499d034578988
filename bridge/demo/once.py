"""One message and its answer: the smoke test of an installation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Final

from bridge.demo.engine_choice import EngineChoice
from bridge.demo.person import Heard, Person, Typing
from bridge.demo.terminal import Terminal

SIGN_S: Final = 10.0
"""A member that was addressed begins to type within a second; slow machines get more."""
ANSWER_S: Final = {"demo": 60.0, "ollama": 180.0}
_AFTERWARDS_S: Final = 1.5
"""After an answer, the time in which the next member that was addressed begins to type."""


class Once:
    """Says one thing in a room and shows what comes back. `names`: display names by user id."""

    def __init__(
        self,
        terminal: Terminal,
        person: Person,
        room_id: str,
        names: Mapping[str, str],
        engine: EngineChoice,
    ) -> None:
        self._terminal = terminal
        self._person = person
        self._room_id = room_id
        self._names = names
        self._engine = engine
        self._event_id = ""
        self._typing = False
        self._answers: list[Heard] = []

    async def say(self, text: str) -> int:
        """The exit status: 0 when a puppet answered, 1 (and why on the terminal) when not."""
        self._terminal.step("Waiting for an answer")
        happenings = self._person.listen(self._room_id)
        loop = asyncio.get_running_loop()
        give_up_at_s = loop.time() + ANSWER_S[self._engine.kind]
        async with aclosing(happenings):
            await self._skip_what_was(happenings)
            self._event_id = await self._person.say(self._room_id, text)
            try:
                async with asyncio.timeout(None) as limit:
                    while True:
                        limit.reschedule(min(loop.time() + self._patience_s(), give_up_at_s))
                        self._notice(await anext(happenings))
            except TimeoutError:
                pass
        return self._verdict()

    async def _skip_what_was(self, happenings: AsyncIterator[Heard | Typing | None]) -> None:
        async for what in happenings:
            if what is None:
                return

    def _patience_s(self) -> float:
        """How long to wait for the next thing to happen."""
        if self._typing:
            return ANSWER_S[self._engine.kind]
        return _AFTERWARDS_S if self._answers else SIGN_S

    def _notice(self, what: Heard | Typing | None) -> None:
        match what:
            case Heard() if self._event_id in (what.event_id, what.reply_to):
                self._terminal.pause()
                self._terminal.show(what, self._names, self._person.user_id)
                if what.reply_to and what.sender in self._names:
                    self._answers.append(what)
            case Typing():
                self._typing = any(user_id in self._names for user_id in what.user_ids)
            case Heard() | None:
                pass

    def _verdict(self) -> int:
        self._terminal.pause()
        if any(answer.is_generated for answer in self._answers):
            self._terminal.note(f"(answered by: {self._engine.label})")
            return 0
        if self._answers:
            self._terminal.fail(
                f"{self._names[self._answers[0].sender]} had no answer from {self._engine.label}, "
                "and said so."
            )
        elif self._typing:
            self._terminal.fail(
                f"No answer came from {self._engine.label} within "
                f"{ANSWER_S[self._engine.kind]:.0f} s."
            )
        else:
            self._terminal.fail(
                "Nobody answered. Members answer when a message begins with their name: "
                f"{', '.join(self._names.values())}. One that was told to stop is silent for an "
                "hour."
            )
        return 1
