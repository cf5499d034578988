"""A reply while it is being written."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from bridge.domain.effect import SendText
from bridge.domain.ids import EventId


@dataclass(slots=True)
class Draft:
    """`pieces` are what the model has written so far. `shown` is what was planned, or shown since,
    of it; `root` the message that shows it, once it is on the homeserver. `is_over` is set when no
    more will come."""

    pieces: list[str] = field(default_factory=list[str])
    shown: SendText | None = None
    root: EventId | None = None
    is_over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def text(self) -> str:
        return "".join(self.pieces)
