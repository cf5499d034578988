"""The operator's limits as wide as they go: tests ask faster than people do."""

from __future__ import annotations

from typing import Any, Final

_NONE: Final = {"messages_per_minute": 0, "messages_per_day": 0}
UNLIMITED: Final[dict[str, Any]] = {"person": _NONE, "room": _NONE, "server": _NONE}
"""The section `budgets` of a configuration."""
SLOTS: Final = 32
"""Of a model server that answers at once."""
