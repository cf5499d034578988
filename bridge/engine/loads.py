"""Why a server had to load a model again: reloads that nobody notices cost seconds each."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

SLOW_MS: Final = 200
"""A model that is there takes less."""
_UNITS_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")

FIRST: Final = "first use"
IDLE: Final = "keep_alive ran out"
CROWDED: Final = "another model took its place"
WARM_UP: Final = "warm-up"
DISTURBED: Final = "somebody else uses the server, with other options"


@dataclass(slots=True)
class Loads:
    """What this process has asked a server for. Instants are monotonic seconds."""

    keep_alive_s: float
    _used_s: dict[str, float] = field(default_factory=dict[str, float])
    _warmed_s: dict[str, float] = field(default_factory=dict[str, float])

    def warmed(self, model: str, load_ms: int, now_s: float) -> str | None:
        """A warm-up has ended. Why the model was loaded, or None where it was there."""
        self._used_s[model] = self._warmed_s[model] = now_s
        return WARM_UP if load_ms > SLOW_MS else None

    def note(
        self, model: str, load_ms: int, now_s: float, began_s: float | None = None
    ) -> str | None:
        """A call has ended. Why the model was loaded for it, or None where it was there.

        One that `began_s` while the model was being warmed up waited for that load: it is no other.
        """
        before = self._used_s.get(model)
        others = [at for name, at in self._used_s.items() if name != model]
        self._used_s[model] = now_s
        if load_ms <= SLOW_MS:
            return None
        if began_s is not None and began_s < self._warmed_s.get(model, began_s):
            return None
        if before is None:
            return FIRST
        if 0 <= self.keep_alive_s < now_s - load_ms / 1000 - before:
            return IDLE
        return CROWDED if any(at > before for at in others) else DISTURBED


def duration_s(text: str) -> float:
    """Seconds of a duration as Ollama writes it (`30m`, `1h30m`, `300`); below 0: for ever."""
    text = text.strip()
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        return float(text)
    parts = _PART.findall(text)
    total = sum(float(number) * _UNITS_S[unit] for number, unit in parts)
    return -total if text.startswith("-") else total
