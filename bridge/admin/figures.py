"""The store's counts in words, for people who operate the bridge."""

from __future__ import annotations

from bridge.store.inspect import Figures

_HOUR_MS = 3_600_000


def rows_of(figures: Figures, now: int) -> list[tuple[str, str]]:
    """(what, value) pairs, in the order an operator reads them."""
    return [
        ("Rooms joined", str(figures.rooms)),
        ("Replies under way", str(figures.turns_open)),
        ("Events waiting", str(figures.events_waiting)),
        ("Effects not yet sent", str(figures.effects_unsent)),
        ("Events set aside after crashes", str(figures.events_poison)),
        ("Malformed events kept", str(figures.events_malformed)),
        ("Oldest room text", _age(figures.oldest_text_at, now)),
        ("Database schema", f"version {figures.schema_version}"),
    ]


def _age(at: int | None, now: int) -> str:
    if at is None:
        return "none stored"
    hours = max(0, now - at) // _HOUR_MS
    return f"{hours // 24} days" if hours >= 48 else f"{hours} hours"
