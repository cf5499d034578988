"""Who may use the puppets, and how much. Globs (`*`, `?`) over user ids, servers and room ids."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A glob without `@` or `!` names a server; `@…` a user; `!…` a room. Deny wins."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """`invite`: whose invites are followed. `ask`: who is answered. An empty `allow` of either
    means people of `own_server`."""

    own_server: str
    invite: Rule = Rule()
    ask: Rule = Rule()
    max_invites_per_day: int = 20
    max_rooms: int = 1000
    max_members: int = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of a conversation; times in milliseconds."""

    answer_age_ms: int = 600_000
    mute_ms: int = 3_600_000
    window_messages: int = 60
    prompt_tokens: int = 3000
    max_reply_tokens: int = 400
    temperature: float = 0.8
    late_answer_ms: int = 20_000
    burst_ms: int = 1_500
    typing_chars_per_s: float = 0.0
    """How fast puppets seem to type; 0: as fast as they can."""
    ai_messages: int = 4
    """Of an exchange among puppets that a person opened."""
    context_days: int = 7
    live_after_ms: int | None = 4_000
    """A reply that takes longer is shown while it is being written. None: none is."""
    live_every_ms: int = 2_500
    """At least so long lies between two edits of it."""
