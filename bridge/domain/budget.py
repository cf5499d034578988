"""How much people, rooms and servers may ask for, and how much they did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Scope = Literal["person", "room", "server"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Replies, and tokens read and written, in the last minute and the last day. 0: no limit."""

    messages_per_minute: int = 0
    messages_per_day: int = 0
    tokens_per_minute: int = 0
    tokens_per_day: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """`server`: of other homeservers, each in all. `overrides`: globs, the first that fits counts;
    `@…` names persons, `!…` rooms, anything else servers."""

    person: Budget = Budget()
    room: Budget = Budget()
    server: Budget = Budget()
    overrides: tuple[tuple[str, Budget], ...] = ()

    def are_unlimited(self) -> bool:
        budgets = (self.person, self.room, self.server, *(b for _, b in self.overrides))
        return all(budget == Budget() for budget in budgets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """The same, as it was spent until now."""

    messages_in_minute: int = 0
    messages_in_day: int = 0
    tokens_in_minute: int = 0
    tokens_in_day: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What the person, the room and the server of a question have spent."""

    by: Mapping[Scope, Spent] = field(default_factory=dict[Scope, Spent])

    def of(self, scope: Scope) -> Spent:
        return self.by.get(scope, Spent())
