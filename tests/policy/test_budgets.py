"""Who has asked for more than their share."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.access import Access, Rule
from bridge.domain.budget import Budget, Budgets, Scope, Spending, Spent
from bridge.domain.decision import Acknowledge, Answer, Decision, Defer, Silence
from bridge.policy import reasons
from bridge.policy.budgets import budget_of
from bridge.policy.decide import decide
from bridge.policy.view import View
from tests.policy.builders import ALICE, CAROL, NOW, ROOM, SERVER, message, room, view

MINUTE_MS, DAY_MS = 60_000, 86_400_000
ANYBODY = Rule(allow=("*",))
FULL: dict[Scope, Spent] = {
    "person": Spent(messages_in_minute=5, messages_in_day=5),
    "room": Spent(messages_in_minute=9, messages_in_day=50, tokens_in_day=900),
    "server": Spent(messages_in_day=70, tokens_in_minute=500),
}


def seen(budgets: Budgets, spent: dict[Scope, Spent] = FULL) -> View:
    of = view(room(people=(ALICE, CAROL)), access=Access(own_server=SERVER, ask=ANYBODY))
    return replace(of, house=replace(of.house, budgets=budgets), spending=Spending(by=spent))


def decided(of: View, *, sender: object = ALICE) -> tuple[Decision, ...]:
    return decide(of, message("Luna, hello?", sender=sender), NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("budgets", "reason", "within_ms"),
    [
        (Budgets(person=Budget(messages_per_minute=5)), reasons.BUDGET_PERSON, MINUTE_MS),
        (Budgets(person=Budget(messages_per_day=5)), reasons.BUDGET_PERSON, DAY_MS),
        (Budgets(room=Budget(tokens_per_day=900)), reasons.BUDGET_ROOM, DAY_MS),
        (Budgets(server=Budget(tokens_per_minute=500)), reasons.BUDGET_SERVER, MINUTE_MS),
    ],
)
def test_what_is_too_much_is_shown_once_without_words(
    budgets: Budgets, reason: str, within_ms: int
) -> None:
    wait, defer = decided(seen(budgets), sender=CAROL)
    assert isinstance(wait, Acknowledge)
    assert wait.key == "⏳"
    assert isinstance(defer, Defer)
    assert (defer.person, defer.until, defer.reason) == (CAROL, NOW + within_ms, reason)
    of = seen(budgets)
    again = replace(of, room=replace(of.room, deferred={CAROL: defer.until}))
    (silence,) = decided(again, sender=CAROL)
    assert silence == Silence(cause_id=message("").event_id, reason=reason)


def test_within_its_budget_everybody_is_answered() -> None:
    budget = Budget(messages_per_minute=100, messages_per_day=100, tokens_per_day=1000)
    budgets = Budgets(person=budget, room=budget, server=budget)
    assert isinstance(decided(seen(budgets), sender=CAROL)[0], Answer)


def test_the_own_server_has_no_limit_of_its_own() -> None:
    budgets = Budgets(server=Budget(messages_per_day=1))
    assert isinstance(decided(seen(budgets), sender=ALICE)[0], Answer)
    assert isinstance(decided(seen(budgets), sender=CAROL)[0], Acknowledge)


@pytest.mark.parametrize(
    ("glob", "scope"),
    [("@carol:*", "person"), ("*.example", "server"), (ROOM, "room"), ("far.example", "server")],
)
def test_an_override_counts_for_what_it_names_only(glob: str, scope: Scope) -> None:
    one = Budget(messages_per_day=1)
    budgets = Budgets(overrides=((glob, one),))
    for each in ("person", "room", "server"):
        found = budget_of(budgets, each, CAROL, ROOM, own_server=SERVER)
        assert found == (one if each == scope else Budget())


def test_the_first_override_that_fits_counts() -> None:
    few, none = Budget(messages_per_day=1), Budget()
    budgets = Budgets(person=few, overrides=(("@alice:*", none), ("@*:*", few)))
    assert budget_of(budgets, "person", ALICE, ROOM, own_server=SERVER) == none
    assert budget_of(budgets, "person", CAROL, ROOM, own_server=SERVER) == few


@given(
    st.builds(Budget, messages_per_minute=st.integers(0, 5), tokens_per_day=st.integers(0, 90)),
    st.builds(Spent, messages_in_minute=st.integers(0, 9), tokens_in_day=st.integers(0, 200)),
)
def test_nobody_gets_more_than_the_budget(budget: Budget, spent: Spent) -> None:
    first = decided(seen(Budgets(person=budget), {"person": spent}))[0]
    if isinstance(first, Answer):
        assert not budget.messages_per_minute or spent.messages_in_minute < (
            budget.messages_per_minute
        )
        assert not budget.tokens_per_day or spent.tokens_in_day < budget.tokens_per_day
