"""The right to act for a room, and what waits in its mailbox."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.domain.events import RoomEvent
from bridge.domain.ids import RoomId, WorkerId


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """`epoch` outdates every older lease of the room. `arrivals` is what had arrived when it was
    claimed: releasing compares it, so that an arrival in between is never slept over. `deaths`: how
    many owners in a row died with the room in hand. `doubts`: above 0, look back first."""

    room_id: RoomId
    worker_id: WorkerId
    epoch: int
    arrivals: int
    deaths: int = 0
    doubts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """An event in the mailbox. `seq` is its order; `attempts` how often handling it crashed."""

    seq: int
    event: RoomEvent
    attempts: int = 0
