"""How many tokens a text is: a guess, and what the server's own counts teach about the guess."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

Script = Literal["narrow", "wide"]

CHARS_PER_TOKEN: Final = 3.0
CHARS_PER_TOKEN_WIDE: Final = 1.2
TOKENS_PER_EMOJI: Final = 3.0
FRAME_TOKENS: Final = 40
"""What a chat template adds around two messages."""
OVERFLOW: Final = 1.5
"""A prompt that was refused is taken for so much longer than was thought."""

_WEIGHT: Final = 0.2
_STEP: Final = 0.1
_LEAST: Final = 0.5
_MOST: Final = 4.0


def estimate_tokens(text: str) -> float:
    """A careful guess without a tokenizer: engines have none that could be asked."""
    wide = sum("\u02ff" < char <= "\uffff" for char in text)
    emoji = sum(char > "\uffff" for char in text)
    narrow = len(text) - wide - emoji
    return narrow / CHARS_PER_TOKEN + wide / CHARS_PER_TOKEN_WIDE + emoji * TOKENS_PER_EMOJI


def script_of(text: str) -> Script:
    """What most of it is written in: guesses are wrong in another way for each."""
    wide = sum(char > "\u02ff" for char in text)
    return "wide" if 4 * wide > len(text) else "narrow"


@dataclass(frozen=True, slots=True)
class Scale:
    """Real tokens per guessed one, of a model and a script.

    `mean` follows the counts; `factor` is what is used: it moves in steps, and seldom, because a
    window that is cut elsewhere has to be read anew.
    """

    mean: float = 1.0
    factor: float = 1.0

    def learn(self, guessed: float, counted: int) -> Scale:
        """After a prompt was counted (0: the server does not say)."""
        if counted <= 0 or guessed <= 0:
            return self
        mean = self.mean + _WEIGHT * (counted / guessed - self.mean)
        return self._at(mean)

    def overflow(self) -> Scale:
        """After a prompt was refused as too long."""
        return self._at(self.factor * OVERFLOW)

    def _at(self, mean: float) -> Scale:
        mean = min(_MOST, max(_LEAST, mean))
        is_near = self.factor - 3 * _STEP <= mean <= self.factor
        factor = self.factor if is_near else math.ceil(mean / _STEP) * _STEP
        return Scale(mean=mean, factor=factor)
