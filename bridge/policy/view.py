"""Everything a decision may look at, as one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.domain.access import Access, Limits
from bridge.domain.budget import Budgets, Spending
from bridge.domain.cast import Cast
from bridge.domain.events import Message
from bridge.domain.history import Said
from bridge.domain.ids import EventId, UserId
from bridge.domain.persona import Talkativeness
from bridge.domain.room import Room
from bridge.domain.tool import ToolLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What the operator set: the same for every room."""

    cast: Cast
    access: Access
    limits: Limits = Limits()
    operator: str = ""
    """Who runs this, in words: a name, or the server's name."""
    contact: str = ""
    command_prefix: str = "!ai"
    language: str = "en"
    admins: tuple[str, ...] = ()
    bots: tuple[str, ...] = ()
    """Globs of users and servers that the operator knows to be programs."""
    max_level: Talkativeness = "chatty"
    ai_share: float = 0.3
    budgets: Budgets = Budgets()
    has_eyes: bool = False
    """Is there a model that describes pictures?"""
    summaries: bool = False
    """Is what falls out of a room's window summed up?"""
    time_zone: str = "UTC"
    time_zones: tuple[str, ...] = ("UTC",)
    """All that may be chosen (IANA names)."""
    tools: tuple[str, ...] = ()
    """Names of all tools that puppets may use."""
    tool_limits: ToolLimits = ToolLimits()
    care: str = ""
    """What the operator wants to be said to somebody who may hurt themselves, after our own
    words: whom to call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """`room` is the room after the event was applied, `before` the room before it.

    `recent` are the room's last messages before the event, the oldest first; `later` the messages
    that have come since. Of the people in it, `opted_out` are those whose words no model is shown,
    `flagged` those who say in their profile that they are programs. `said` holds the stored
    messages that the event refers to (reply, reaction, edit, redaction and thread targets), as far
    as we know them. `rooms_joined` and `invites_today` (of the inviter) are only meaningful for an
    invite. `minute_of_day` is that of the room's last message, in the room's time zone: it is set
    where speaking unasked is thought about. `spending` is known where a question would be answered.
    """

    house: House
    room: Room
    before: Room
    recent: tuple[Said, ...] = ()
    later: tuple[Message, ...] = ()
    opted_out: frozenset[UserId] = frozenset()
    flagged: frozenset[UserId] = frozenset()
    said: Mapping[EventId, Said] = field(default_factory=dict[EventId, Said])
    rooms_joined: int = 0
    invites_today: int = 0
    minute_of_day: int = 12 * 60
    spending: Spending = Spending()
