"""The model of what a server keeps of prompts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.kv_cache import PromptCache, common

TOKENS = st.lists(st.integers(0, 3), min_size=1, max_size=30).map(tuple)


def test_what_was_read_is_not_read_again() -> None:
    cache = PromptCache()
    assert cache.read((1, 2, 3, 4)) == 4
    assert cache.read((1, 2, 3, 4, 5, 6)) == 2
    assert cache.read((1, 2, 3, 4, 5, 6)) == 1


def test_a_room_that_was_pushed_out_is_loaded_again() -> None:
    cache = PromptCache()
    one, other = tuple(range(100)), tuple(range(200, 300))
    cache.read(one)
    assert cache.read(other) == 100
    assert cache.read((*one, 100)) == 1


def test_without_room_for_states_everything_is_read_again() -> None:
    cache = PromptCache(limit=50)
    one, other = tuple(range(100)), tuple(range(200, 300))
    cache.read(one)
    cache.read(other)
    assert cache.read(one) == 100


def test_two_slots_hold_two_rooms() -> None:
    cache = PromptCache(slots=2, limit=0)
    one, other = tuple(range(100)), tuple(range(200, 300))
    cache.read(one)
    cache.read(other)
    assert cache.read((*one, 100)) == 1
    assert cache.read((*other, 300)) == 1


@given(st.lists(TOKENS, max_size=20), st.integers(1, 3), st.integers(0, 100))
def test_never_more_is_read_than_there_is_and_always_something(
    prompts: list[tuple[int, ...]], slots: int, limit: int
) -> None:
    cache = PromptCache(slots=slots, limit=limit)
    for prompt in prompts:
        assert 1 <= cache.read(prompt) <= len(prompt)


@given(TOKENS, TOKENS)
def test_the_common_beginning_is_common(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    n = common(one, other)
    assert one[:n] == other[:n]
    assert one[n : n + 1] != other[n : n + 1] or n == min(len(one), len(other))
