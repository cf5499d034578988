"""When calls are kept away from a server."""

from __future__ import annotations

from bridge.engine.breaker import FAILURES, FIRST_S, LONGEST_S, Breaker


def opened(at_s: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(FAILURES):
        breaker.begin()
        breaker.fail(at_s)
    return breaker


def test_it_opens_after_failures_in_a_row_only() -> None:
    breaker = Breaker()
    for _ in range(10):
        breaker.fail(0)
        breaker.fail(0)
        breaker.succeed()
    assert breaker.allows(0)
    assert not opened().allows(0)


def test_after_a_while_one_call_is_let_through_to_see() -> None:
    breaker = opened()
    assert not breaker.allows(FIRST_S - 1)
    assert breaker.allows(FIRST_S)
    breaker.begin()
    assert not breaker.allows(FIRST_S)
    breaker.succeed()
    assert breaker.allows(FIRST_S)
    assert not breaker.is_open


def test_a_trial_that_fails_waits_twice_as_long_up_to_a_limit() -> None:
    breaker, now, waited = opened(), 0.0, FIRST_S
    for _ in range(8):
        now += waited
        assert breaker.allows(now)
        breaker.begin()
        assert breaker.fail(now)
        waited = min(LONGEST_S, 2 * waited)
        assert not breaker.allows(now + waited - 0.1)


def test_a_trial_that_says_nothing_leaves_the_next_one_to_try() -> None:
    breaker = opened()
    breaker.begin()
    breaker.give_up()
    assert breaker.allows(FIRST_S)


def test_calls_that_began_before_it_opened_do_not_prolong_it() -> None:
    breaker = opened()
    assert not breaker.fail(5)
    assert breaker.allows(FIRST_S)
