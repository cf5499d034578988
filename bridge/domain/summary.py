"""What was said in a room before its window, in short."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.domain.ids import RoomId


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Of the messages up to `upto_seq`, the oldest of which was stored at `since_at` (unix ms)."""

    room_id: RoomId
    text: str
    upto_seq: int
    since_at: int
