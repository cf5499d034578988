"""Which replies are shown while they are written, and how much of them at a time.

Every edit is an event that all servers of a room keep for ever: few are worth it. Each shows at
least half as much again as the one before, so that all together stay in proportion to the reply.
"""

from __future__ import annotations

import re
from typing import Final

from bridge.domain.decision import Answer
from bridge.domain.ids import server_of
from bridge.domain.room import Room
from bridge.policy.view import House

LIVE_EDITS: Final = 4
"""Of a reply at most. The message before them and the edit that ends it make six events."""

_GROWTH: Final = 1.6
_MIN_CHARS: Final = 40
_SMALL_ROOM: Final = 8
_END: Final = re.compile(r"[.!?…][\"'”’»)\]*_]*(?=\s)|[。！？][」』”’）*_]*|\n")


def may_be_live(house: House, room: Room, answer: Answer) -> bool:
    """Edits are cheap in a DM and in a small room of our own server, and somebody waits for it."""
    if house.limits.live_after_ms is None or answer.is_unasked or answer.hops:
        return False
    if room.is_encrypted is not False or not room.allows_live:
        return False
    members = room.joined()
    servers = {server_of(member.user_id) for member in members}
    is_local = servers <= {house.access.own_server} and len(members) <= _SMALL_ROOM
    return is_local or (room.direct is not None and len(members) <= 2)


def whole_part(draft: str) -> str:
    """The sentences and lines of a draft that are complete: a half one may become anything."""
    ends = [match.end() for match in _END.finditer(draft)]
    return draft[: ends[-1]].rstrip() if ends else ""


def is_worth_showing(text: str, shown: str) -> bool:
    return len(text) >= max(_MIN_CHARS, _GROWTH * len(shown))


def unfinished(text: str) -> str:
    """A text with a sign that it goes on."""
    is_code = text.rstrip().endswith(("```", "~~~"))
    return f"{text}\n…" if is_code else f"{text} …"
