"""How many tokens a model server evaluates for a reply, by the model of llama.cpp's cache.

The model agrees with the real server within 5 % on such replays: tests/engine/test_llama_server.py.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Final

from tests.bench.figure import Figure, beside
from tests.bench.rooms_read import Layout, replay
from tests.fakes.kv_cache import PromptCache, Tokens

_PIECE: Final = re.compile(r"\s?\w{1,5}|\s|[^\w\s]")
_SIZES: Final = tuple((rooms, puppets) for rooms in (1, 4, 40) for puppets in (1, 3, 8))
_WRITTEN: Final = tuple(range(-20, 0))
_KEPT_TOKENS: Final = 65_000
"""What is kept beside the slot in the run of 40 rooms: about half of them."""


async def figures(replies: int) -> AsyncIterator[Figure]:
    for rooms, puppets in _SIZES:
        limit = _KEPT_TOKENS if rooms == 40 else 10**9
        ours, least = _evaluated(rooms, puppets, replies, limit, "ours")
        other, _ = _evaluated(rooms, puppets, replies, limit, "persona first")
        where = f"{rooms} rooms with {puppets} puppets"
        yield beside(
            f"prompt: tokens read per reply, {where} (baseline: persona first, sliding)",
            ours.evaluated / replies,
            "tokens",
            other.evaluated / replies,
        )
        yield beside(
            f"prompt: tokens read per reply, {where} (baseline: what is new)",
            ours.evaluated / replies,
            "tokens",
            least / replies,
        )
        yield Figure(name=f"prompt: kept of a prompt, {where}", value=100 * ours.hit, unit="%")


def _evaluated(
    rooms: int, puppets: int, replies: int, limit: int, layout: Layout
) -> tuple[PromptCache, int]:
    """The cache after the replay, first readings of rooms left out, and what was new to it."""
    cache, least, seen = PromptCache(limit=limit), 0, set[int]()
    for asked in replay(rooms=rooms, puppets=puppets, replies=replies + rooms, layout=layout):
        if asked.room not in seen:
            # A room's first reading is the same whatever the layout.
            before = cache.evaluated, cache.prompted
            cache.read(_tokens(asked.text), _WRITTEN)
            cache.evaluated, cache.prompted = before
            seen.add(asked.room)
            continue
        cache.read(_tokens(asked.text), _WRITTEN)
        least += len(_tokens(asked.least_text))
    return cache, least


def _tokens(text: str) -> Tokens:
    return tuple(hash(piece) for piece in _PIECE.findall(text))
