"""The deterministic engine of tests and `replay`: says what it is told to say."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Final, Literal

from bridge.clock import Clock
from bridge.domain.ids import PuppetId
from bridge.domain.prompt import Delta, Finished, Prompt, TextDelta
from bridge.domain.tool import ToolCall
from bridge.engine.scripted_keeper import ScriptedKeeper
from bridge.errors import EngineUnreachable

EngineState = Literal["up", "down", "slow"]

SLOW_S: Final = 8.0
_TEMPLATES: Final = (
    "{name} here, answer {n}.",
    "That makes {n}, says {name}.",
    "Number {n} from {name}: noted.",
    "{name} thinks about it ({n}).",
    "Well, {n} times asked, {name} agrees.",
    "Line {n} of {name}, with pleasure.",
)


class ScriptedEngine:
    """Engine port. Lines are used up in order, per puppet, when their stream begins to speak.

    `prompts` holds everything that was asked, `calls` counts it, failures included.
    """

    def __init__(
        self,
        says: Mapping[str, Sequence[str]],
        clock: Clock,
        gate: Mapping[str, float] | None = None,
        keeper: ScriptedKeeper | None = None,
    ) -> None:
        """`gate`: what it says when asked who should speak; what is missing goes to nobody.
        `keeper`: whose models it uses; a model that is not there answers nobody."""
        self._keeper = keeper
        self._says = says
        self._gate = gate or {}
        self.questions: list[Prompt] = []
        """What it was asked when it was to choose who speaks."""
        self._clock = clock
        self._spoken: Counter[PuppetId] = Counter()
        self.calls_first: list[tuple[str, tuple[ToolCall, ...]]] = []
        """What it says, and asks of its tools, before its lines: of one prompt after the other,
        whether it has such tools or not."""
        self.summary = ""
        """What it sums everything up to."""
        self.sight = ""
        """What it sees in every picture."""
        self.pace_s = 0.0
        """How long a word takes."""
        self.state: EngineState = "up"
        self.prompts: list[Prompt] = []

    @property
    def label(self) -> str:
        return "scripted engine"

    @property
    def calls(self) -> int:
        return len(self.prompts)

    async def stream(self, prompt: Prompt, *, affinity: str) -> AsyncGenerator[Delta, None]:
        self.prompts.append(prompt)
        if self.state == "down":
            raise EngineUnreachable("The scripted engine is down.")
        if self._keeper and (missing := self._keeper.lacking(prompt.purpose)):
            raise missing
        if self.state == "slow":
            await self._clock.sleep(SLOW_S)
        calls: tuple[ToolCall, ...] = ()
        match prompt.purpose:
            case "reply" if self.calls_first:
                text, calls = self.calls_first.pop(0)
            case "summary":
                text = self.summary
            case "vision":
                text = self.sight
            case _:
                text = self._next_line(prompt)
        for part in _pieces(text, by_word=self.pace_s > 0):
            if self.pace_s:
                await self._clock.sleep(self.pace_s)
            yield TextDelta(text=part)
        yield Finished(
            model="scripted",
            prompt_tokens=len(prompt.system.split()) + len(prompt.user.split()),
            reply_tokens=len(text.split()),
            calls=calls,
        )

    async def choose(self, prompt: Prompt, *, affinity: str) -> Mapping[str, float]:
        self.questions.append(prompt)
        if self.state == "down":
            raise EngineUnreachable("The scripted engine is down.")
        if self.state == "slow":
            await self._clock.sleep(SLOW_S)
        return {letter: self._gate.get(what, 0.0) for letter, what in prompt.scene.choices}

    async def close(self) -> None:
        return None

    def _next_line(self, prompt: Prompt) -> str:
        puppet_id = prompt.scene.puppet_id
        lines = self._says.get(puppet_id, ())
        index = self._spoken[puppet_id]
        self._spoken[puppet_id] += 1
        if index < len(lines):
            return lines[index]
        template = _TEMPLATES[index % len(_TEMPLATES)]
        return template.format(name=prompt.scene.speaker or puppet_id, n=index + 1)


def _pieces(text: str, *, by_word: bool) -> list[str]:
    if by_word:
        return re.findall(r"\S*\s*", text)[:-1]
    middle = len(text) // 2
    return [part for part in (text[:middle], text[middle:]) if part]
