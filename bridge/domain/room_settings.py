"""What a room's own people set for the AI in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, get_args

from bridge.domain.ids import EventId, PuppetId
from bridge.domain.persona import Talkativeness

LEVELS: Final[tuple[Talkativeness, ...]] = get_args(Talkativeness)
"""From the quietest to the most talkative."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomSettings:
    """None and empty mean the default. `level` is that of all puppets here, `levels` of single
    ones. `ai_share`: past this part of the messages no AI speaks unasked. `quiet`: from and until,
    in minutes of the day in `timezone` (IANA). `puppets`: who may speak here at all."""

    level: Talkativeness | None = None
    levels: Mapping[PuppetId, Talkativeness] = field(default_factory=dict[PuppetId, Talkativeness])
    ai_share: float | None = None
    quiet: tuple[int, int] | None = None
    timezone: str = ""
    puppets: tuple[PuppetId, ...] = ()
    language: str = ""
    house_rules: str = ""
    minors: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """Puppets that talk among themselves because a person, in the message `opened_by`, said so."""

    opened_by: EventId
    puppets: tuple[PuppetId, ...]
    thread_root: EventId | None = None
