"""The store's counts in words, for people who operate the bridge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bridge.store.inspect import Figures, Share

_HOUR_MS = 3_600_000


def rows_of(figures: Figures, now: int, *, kept_days: int) -> list[tuple[str, str]]:
    """(what, value) pairs, in the order an operator reads them. `kept_days`: the retention."""
    return [
        ("Rooms joined", str(figures.rooms)),
        ("Replies under way", str(figures.turns_open)),
        ("Events waiting", str(figures.events_waiting)),
        ("Effects not yet sent", str(figures.effects_unsent)),
        ("Events set aside after crashes", str(figures.events_poison)),
        ("Malformed events kept", str(figures.events_malformed)),
        ("Room texts kept", f"{figures.texts} (for {in_days(kept_days)} at most)"),
        ("Oldest room text", age(figures.oldest_text_at, now)),
        ("Database size", size(figures.size_bytes)),
        ("Database schema", f"version {figures.schema_version}"),
    ]


def usage_of(shares: Mapping[str, Sequence[Share]]) -> list[tuple[str, str]]:
    """(who, how much) pairs of the last day: persons, rooms, servers, the most first."""
    return [
        (f"{_forgotten(share.who)} ({scope})", f"{share.replies} replies, {share.tokens} tokens")
        for scope, each in shares.items()
        for share in each
    ]


def _forgotten(who: str) -> str:
    """Who asked to be forgotten has no name."""
    return "somebody" if who.startswith("~") else who


def age(at: int | None, now: int) -> str:
    """How long ago that was (unix ms)."""
    if at is None:
        return "none stored"
    hours = max(0, now - at) // _HOUR_MS
    if hours >= 48:
        return in_days(hours // 24)
    return "1 hour" if hours == 1 else f"{hours} hours"


def in_days(days: int) -> str:
    return "1 day" if days == 1 else f"{days} days"


def size(size_bytes: int) -> str:
    return f"{size_bytes / 1_000_000:.1f} MB"
