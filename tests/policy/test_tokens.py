"""What a server's counts teach about guesses."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.policy.tokens import Scale, estimate_tokens, script_of


def test_guesses_grow_with_the_text() -> None:
    assert estimate_tokens("") == 0
    assert estimate_tokens("hello you") < estimate_tokens("hello you there")
    assert estimate_tokens("你好你好") > estimate_tokens("abcd")


def test_a_text_is_of_the_script_that_much_of_it_is_in() -> None:
    assert script_of("hello 你") == "narrow"
    assert script_of("hello 你好你好") == "wide"
    assert script_of("مرحبا بكم") == "wide"
    assert script_of("") == "narrow"


def test_counts_above_the_guess_make_the_next_window_smaller() -> None:
    scale = Scale()
    for _ in range(40):
        scale = scale.learn(100, 150)
    assert 1.4 < scale.mean <= 1.5
    assert scale.factor >= scale.mean


def test_a_server_that_does_not_count_teaches_nothing() -> None:
    assert Scale().learn(100, 0) == Scale()


def test_small_changes_leave_the_window_where_it_is() -> None:
    scale = Scale()
    for counted in (95, 90, 99, 92, 97) * 10:
        scale = scale.learn(100, counted)
    assert scale.factor == 1.0


def test_a_refused_prompt_is_taken_for_longer_at_once() -> None:
    assert Scale().overflow().factor >= 1.5


@given(st.lists(st.tuples(st.floats(1, 1e6), st.integers(0, 10**7)), max_size=50))
def test_the_factor_is_bounded_and_never_below_what_is_known(
    counts: list[tuple[float, int]],
) -> None:
    scale = Scale()
    for guessed, counted in counts:
        scale = scale.learn(guessed, counted)
        assert 0.5 <= scale.factor <= 4.1
        assert scale.factor >= scale.mean - 1e-9
