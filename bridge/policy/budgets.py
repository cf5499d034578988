"""Has somebody asked for more than their share? Others are served meanwhile."""

from __future__ import annotations

from typing import Final

from bridge.domain.budget import Budget, Budgets, Scope, Spent
from bridge.domain.decision import Acknowledge, Decision, Defer, Silence
from bridge.domain.events import Message
from bridge.domain.ids import PuppetId, RoomId, UserId, server_of
from bridge.policy import reasons
from bridge.policy.access import matches
from bridge.policy.view import View

WAIT: Final = "⏳"
"""The reaction to what has to wait."""
MINUTE_MS: Final = 60_000
DAY_MS: Final = 86_400_000
_REASONS: Final[dict[Scope, str]] = {
    "person": reasons.BUDGET_PERSON,
    "room": reasons.BUDGET_ROOM,
    "server": reasons.BUDGET_SERVER,
}


def deferred(view: View, message: Message, puppet_id: PuppetId, now: int) -> tuple[Decision, ...]:
    """What to do instead of an answer where another one would be too much; else nothing.

    It is shown once, without words.
    """
    for scope, reason in _REASONS.items():
        budget = budget_of(
            view.house.budgets,
            scope,
            message.sender,
            message.room_id,
            own_server=view.house.access.own_server,
        )
        if within_ms := _too_much(budget, view.spending.of(scope)):
            cause, person = message.event_id, message.sender
            if now < view.room.deferred.get(person, 0):
                return (Silence(cause_id=cause, reason=reason),)
            return (
                Acknowledge(puppet_id=puppet_id, cause_id=cause, key=WAIT, reason=reason),
                Defer(cause_id=cause, person=person, until=now + within_ms, reason=reason),
            )
    return ()


def budget_of(
    budgets: Budgets, scope: Scope, person: UserId, room_id: RoomId, *, own_server: str
) -> Budget:
    """What a person, a room or a person's server may spend. The own server has no limit but one
    that is set for it by name."""
    for glob, budget in budgets.overrides:
        if _scope_of(glob) == scope and matches((glob,), person, room_id):
            return budget
    match scope:
        case "person":
            return budgets.person
        case "room":
            return budgets.room
        case "server":
            return Budget() if server_of(person) == own_server else budgets.server


def _scope_of(glob: str) -> Scope:
    match glob[:1]:
        case "@":
            return "person"
        case "!":
            return "room"
        case _:
            return "server"


def _too_much(budget: Budget, spent: Spent) -> int:
    """In what time (ms) there was too much; 0: there was not."""
    pairs = (
        (budget.messages_per_day, spent.messages_in_day, DAY_MS),
        (budget.tokens_per_day, spent.tokens_in_day, DAY_MS),
        (budget.messages_per_minute, spent.messages_in_minute, MINUTE_MS),
        (budget.tokens_per_minute, spent.tokens_in_minute, MINUTE_MS),
    )
    return next((ms for limit, used, ms in pairs if limit and used >= limit), 0)
