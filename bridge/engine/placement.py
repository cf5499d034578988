"""Which server a room's calls go to: always the same one while it can take them.

A server keeps what it has read of a room, so a call elsewhere reads everything again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

BOUND: Final = 1.25
"""No server gets more than this times its fair share (Mirrokni, Thorup, Zadimoghaddam 2018)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A server by name, and how many calls it works on at once."""

    name: str
    slots: int = 1


def ranking(room: str, places: Sequence[Place]) -> list[Place]:
    """The room's servers, best first: weighted rendezvous hashing (Schindelhauer, Schomaker 2005).

    A server more or less moves only the rooms that it gains or loses.
    """
    return sorted(places, key=lambda place: _score(room, place), reverse=True)


def place(room: str, places: Sequence[Place], loads: Mapping[str, float]) -> Place | None:
    """Where the room's next call goes, or None without places. `loads`: calls there, by name."""
    slots = sum(each.slots for each in places)
    total = sum(loads.get(each.name, 0) for each in places) + 1
    ranked = ranking(room, places)
    for each in ranked:
        most = math.ceil(BOUND * total * each.slots / slots)
        if loads.get(each.name, 0) + 1 <= most:
            return each
    return ranked[0] if ranked else None


def _score(room: str, place: Place) -> float:
    digest = blake2b(f"{place.name}\n{room}".encode(), digest_size=8).digest()
    share = (int.from_bytes(digest, "big") + 1) / (2**64 + 1)
    return -place.slots / math.log(share)
