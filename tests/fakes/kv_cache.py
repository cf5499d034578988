"""How llama.cpp's server reuses what it has read: its slots, and the states that it keeps beside.

Read in its source (server-context, server-task) and checked against the real one by
tests/engine/test_llama_server.py. Plain attention only: models with a sliding window differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

Tokens = tuple[int, ...]

SIMILAR = 0.1
"""A slot that shares more of the prompt than this is taken for it."""
KEPT = 0.5
"""Of a slot less of which would stay, the state is saved first."""
WORTH = 0.25
"""A saved state less of which is of use is not loaded."""


@dataclass(slots=True)
class _Slot:
    tokens: Tokens = ()
    used: int = -1


@dataclass(slots=True)
class PromptCache:
    """`limit`: tokens of saved states at most. `evaluated` and `prompted` count tokens so far."""

    slots: int = 1
    limit: int = 1_000_000
    evaluated: int = 0
    prompted: int = 0
    _slots: list[_Slot] = field(default_factory=list[_Slot])
    _saved: list[Tokens] = field(default_factory=list[Tokens])
    _turn: int = 0

    def __post_init__(self) -> None:
        self._slots = [_Slot() for _ in range(self.slots)]

    def read(self, prompt: Tokens, written: Tokens = ()) -> int:
        """Read a prompt and write an answer; returns how many tokens were evaluated for it."""
        slot, by_age = self._choose(prompt)
        shared = common(slot.tokens, prompt)
        if by_age or shared < KEPT * len(slot.tokens):
            self._save(slot.tokens)
            slot.tokens = self._load(prompt, slot.tokens)
            shared = common(slot.tokens, prompt)
        # The last token is always evaluated: the answer begins from it.
        cached = min(shared, len(prompt) - 1)
        slot.tokens = prompt + written
        self._turn += 1
        slot.used = self._turn
        self.evaluated += len(prompt) - cached
        self.prompted += len(prompt)
        return len(prompt) - cached

    @property
    def hit(self) -> float:
        """The part of all prompts that was not evaluated."""
        return 1 - self.evaluated / self.prompted if self.prompted else 0.0

    def _choose(self, prompt: Tokens) -> tuple[_Slot, bool]:
        """The slot, and whether it was chosen for its age and not for what it holds."""
        best = max(self._slots, key=lambda slot: common(slot.tokens, prompt))
        if common(best.tokens, prompt) > SIMILAR * len(prompt):
            return best, False
        return min(self._slots, key=lambda slot: slot.used), True

    def _save(self, tokens: Tokens) -> None:
        is_there = any(common(saved, tokens) == len(tokens) for saved in self._saved)
        if is_there or not tokens or len(tokens) > self.limit:
            return
        self._saved = [saved for saved in self._saved if common(saved, tokens) < len(saved)]
        while self._saved and sum(map(len, self._saved)) + len(tokens) > self.limit:
            del self._saved[0]
        self._saved.append(tokens)

    def _load(self, prompt: Tokens, current: Tokens) -> Tokens:
        """The state that serves the prompt best; what is loaded is no longer kept beside."""
        best, best_kept, best_shared = -1, -1.0, 0.0
        if current:
            best_kept = common(current, prompt) / len(current)
            best_shared = common(current, prompt) / len(prompt)
        for n, saved in enumerate(self._saved):
            kept, shared = common(saved, prompt) / len(saved), common(saved, prompt) / len(prompt)
            if kept >= WORTH and kept > best_kept and shared > best_shared:
                best, best_kept, best_shared = n, kept, shared
        return self._saved.pop(best) if best >= 0 else current


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens they begin with together."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
