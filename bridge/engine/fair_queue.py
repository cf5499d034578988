"""Calls that wait for a model: the more urgent first, and among equals every room has its share.

Start-time fair queueing (Goyal, Vin, Cheng 1996): what a room was given lately puts its next call
behind those of rooms that had less, so one that asks much costs the others nothing.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(order=True, slots=True)
class _Waiting(Generic[T]):
    rank: int
    start: float
    order: int
    item: T = field(compare=False)


class FairQueue(Generic[T]):
    """Items are compared by identity and wait once each."""

    def __init__(self) -> None:
        self._heap: list[_Waiting[T]] = []
        self._order = itertools.count()
        self._virtual: float = 0.0
        self._finish: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, item: T, *, rank: int, room: str, cost: float) -> None:
        """`rank`: 0 is the most urgent. `cost` in any unit that is the same for all (tokens)."""
        start = max(self._virtual, self._finish.get(room, 0.0))
        self._finish[room] = start + max(0.0, cost)
        heapq.heappush(self._heap, _Waiting(rank, start, next(self._order), item))

    def pop(self) -> T | None:
        """Whose turn it is, or None where nothing waits."""
        if not self._heap:
            return None
        next_one = heapq.heappop(self._heap)
        self._virtual = max(self._virtual, next_one.start)
        self._forget_the_past()
        return next_one.item

    def remove(self, item: T) -> bool:
        """Take out what waits no longer; what it would have cost is not given back."""
        kept = [waiting for waiting in self._heap if waiting.item is not item]
        was_there = len(kept) < len(self._heap)
        if was_there:
            self._heap = kept
            heapq.heapify(self._heap)
        return was_there

    def clear(self) -> Sequence[T]:
        """Take everything out, in the order of its turns."""
        items = [waiting.item for waiting in sorted(self._heap)]
        self._heap.clear()
        return items

    def _forget_the_past(self) -> None:
        """A room whose share lies behind everybody's has no debt."""
        if len(self._finish) > 2 * len(self._heap) + 64:
            self._finish = {r: f for r, f in self._finish.items() if f > self._virtual}
