from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.engine.thoughts import ThoughtFilter

pieces = st.sampled_from(
    [
        "<",
        ">",
        "/",
        "think",
        "ing",
        "<think>",
        "</think>",
        "<THINK>",
        "</thinking>",
        "a",
        "`",
        " ",
        "\n",
    ]
)


def shown(*parts: str, starts_inside: bool = False) -> str:
    thoughts = ThoughtFilter(starts_inside=starts_inside)
    return "".join([*(thoughts.feed(part) for part in parts), thoughts.finish()])


@pytest.mark.parametrize(
    ("written", "readable"),
    [
        ("plain", "plain"),
        ("<think>hm</think>\n\nHello", "Hello"),
        ("<think></think>Hello", "Hello"),
        ("<Thinking>hm</Thinking>Hello", "Hello"),
        ("\n<think>hm</think> Hi <think>more</think>there", "Hi there"),
        ("<think>never closed, all of it secret", ""),
        ("Hello <think>never closed", "Hello "),
        ("the `<think>` mark and `</think>`", "the `<think>` mark and `</think>`"),
        ("a < b and <thin air>", "a < b and <thin air>"),
        ("ends with <thi", "ends with <thi"),
        ("   leading space", "leading space"),
    ],
)
def test_people_read_the_text_without_the_reasoning(written: str, readable: str) -> None:
    assert shown(written) == readable
    assert shown(*written) == readable


@given(st.lists(pieces, max_size=14), st.lists(st.integers(0, 6), max_size=30), st.booleans())
def test_however_the_text_is_cut_people_read_the_same(
    written: list[str], sizes: list[int], starts_inside: bool
) -> None:
    whole = "".join(written)
    parts, rest = [], whole
    for size in sizes:
        parts.append(rest[:size])
        rest = rest[size:]
    assert shown(*parts, rest, starts_inside=starts_inside) == shown(
        whole, starts_inside=starts_inside
    )


def test_text_is_not_held_back_longer_than_it_could_be_a_mark() -> None:
    thoughts = ThoughtFilter()
    assert thoughts.feed("Hello <thi") == "Hello "
    assert thoughts.feed("s is text") == "<this is text"


def test_a_closing_mark_that_nothing_opened_is_reported() -> None:
    thoughts = ThoughtFilter()
    thoughts.feed("They want a greeting.</think>Hello")
    assert thoughts.is_orphan


def test_a_reply_that_starts_inside_reasoning_shows_what_follows_it() -> None:
    assert shown("They want a greeting.</think>\nHello", starts_inside=True) == "Hello"
