"""What this process has learned of each model's tokens."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from bridge.domain.prompt import Prompt
from bridge.policy.tokens import FRAME_TOKENS, Scale, Script, estimate_tokens, script_of
from bridge.policy.view import House


class Tokens:
    """Scales by model and script. Unknown ones begin with the guess."""

    def __init__(self) -> None:
        self._scales: defaultdict[tuple[str, Script], Scale] = defaultdict(Scale)

    def fit(self, house: House, model: str, text: str) -> House:
        """The house with the prompt's limit in guessed tokens, for a room where `text` is said."""
        scale = self._scales[model, script_of(text)]
        limit = round(house.limits.prompt_tokens / scale.factor)
        return replace(house, limits=replace(house.limits, prompt_tokens=limit))

    def count(self, prompt: Prompt, text: str, counted: int) -> None:
        """The server says how many tokens the prompt was."""
        key = prompt.model, script_of(text)
        self._scales[key] = self._scales[key].learn(_guess(prompt), counted)

    def overflow(self, prompt: Prompt, text: str) -> None:
        """The server refused the prompt as too long."""
        key = prompt.model, script_of(text)
        self._scales[key] = self._scales[key].overflow()


def _guess(prompt: Prompt) -> float:
    return estimate_tokens(prompt.system) + estimate_tokens(prompt.user) + FRAME_TOKENS
