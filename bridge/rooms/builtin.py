"""The tools that come with the program: what time it is, and what was said in this room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from bridge.clock import Clock
from bridge.domain.history import Said
from bridge.domain.tool import Asking, Tool
from bridge.errors import ToolFailed
from bridge.policy.daytime import zone_named
from bridge.policy.searching import found, listed, words_of
from bridge.policy.view import House
from bridge.ports import History

SCANNED: Final = 5_000
"""So many of the newest messages are searched."""
_PAGE: Final = 500

TIME: Final = Tool(
    name="time",
    description="What date and time it is now, here or in another time zone.",
    parameters={
        "type": "object",
        "properties": {
            "zone": {
                "type": "string",
                "description": "IANA time zone such as Asia/Tokyo; leave it out for here",
            }
        },
    },
)
SEARCH: Final = Tool(
    name="search",
    description="Find older messages of this room by words that they contain.",
    parameters={
        "type": "object",
        "properties": {
            "query": {"type": "string", "description": "a few words", "minLength": 1,
                      "maxLength": 200}
        },
        "required": ["query"],
    },
)  # fmt: skip


class TimeSource:
    """ToolSource port."""

    def __init__(self, *, house: House, clock: Clock) -> None:
        self._house = house
        self._clock = clock

    async def tools(self) -> Sequence[Tool]:
        return (TIME,)

    async def call(self, tool: Tool, arguments: Mapping[str, object], asking: Asking) -> str:
        asked = str(arguments.get("zone") or "").strip()
        zone = zone_named(self._house, asked) if asked else zone_here(self._house, asking)
        if zone is None:
            raise ToolFailed("There is no such time zone; use a name such as Asia/Tokyo.")
        now = local(self._clock.now(), zone)
        offset = now.strftime("%z")
        return f"{now:%A, %d %B %Y, %H:%M} ({zone}, UTC{offset[:3]}:{offset[3:]})"

    async def close(self) -> None:
        return None


class SearchSource:
    """ToolSource port. Shows of the room in hand what the asker has been there for, and what no
    redaction or wish of its author took away: see `History.seen_by`."""

    def __init__(self, *, history: History, house: House) -> None:
        self._history = history
        self._house = house

    async def tools(self) -> Sequence[Tool]:
        return (SEARCH,)

    async def call(self, tool: Tool, arguments: Mapping[str, object], asking: Asking) -> str:
        words = words_of(str(arguments.get("query", "")))
        if not words:
            raise ToolFailed("The query holds no word to look for.")
        best: list[Said] = []
        below: int | None = None
        for _ in range(SCANNED // _PAGE):
            page = await self._history.seen_by(
                asking.room.room_id, asking.asker, below_seq=below, limit=_PAGE
            )
            others = [one for one in page if one.event_id != asking.cause_id]
            best = found([*best, *others], words)
            if len(page) < _PAGE:
                break
            below = page[-1].seq
        if not best:
            return "No message found."
        zone = zone_here(self._house, asking)
        return listed(best, self._house.cast, lambda at: f"{local(at, zone):%Y-%m-%d %H:%M}")

    async def close(self) -> None:
        return None


def zone_here(house: House, asking: Asking) -> str:
    """The room's time zone, or else the operator's."""
    return asking.room.settings.timezone or house.time_zone


def local(at: int, zone: str) -> datetime:
    """An instant (unix ms) in a time zone (IANA; UTC where it is unknown or cannot be told)."""
    try:
        return datetime.fromtimestamp(at / 1000, ZoneInfo(zone))
    except (ValueError, OSError, OverflowError):
        return datetime.fromtimestamp(max(0, min(at, 2**42)) / 1000, UTC)
