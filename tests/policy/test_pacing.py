"""A long answer is cut into parts that fit, and nothing of it gets lost."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.policy.pacing import split

LIMIT = 1_000

_WORDS = st.sampled_from(
    ["word", "Ende.", "3.14", "、日本語の文。", "🙂👩‍👩‍👧", "x" * 300, "語" * 400, "  ", "\t"]
)
_LINES = st.lists(_WORDS, max_size=40).map(" ".join)
_CODE = st.builds(
    lambda fence, info, lines: "\n".join([fence + info, *lines, fence]),
    st.sampled_from(["```", "~~~", "`````"]),
    st.sampled_from(["", "python", "c++ title"]),
    st.lists(st.sampled_from(["    x = 1", "", "y" * 200, "# the end. ", "- `a`"]), max_size=60),
)
_TEXTS = st.lists(_LINES | _CODE | st.text(max_size=200), max_size=12).map("\n\n".join)


def _without_fences(text: str) -> str:
    """Every character that a cut must keep."""
    lines = (re.sub(r"^ {0,3}(`{3,}[^`]*|~{3,}.*)$", "", line) for line in text.split("\n"))
    return "".join("".join(lines).split())


@given(_TEXTS)
@settings(max_examples=200, deadline=None)
def test_no_part_is_too_large_and_none_is_blank(text: str) -> None:
    parts = split(text, LIMIT)
    assert all(len(part.encode()) <= LIMIT for part in parts)
    assert len(parts) == 1 or all(part.strip() for part in parts)


@given(st.lists(_LINES | _CODE, max_size=12).map("\n\n".join))
@settings(max_examples=200, deadline=None)
def test_joined_parts_hold_all_text(text: str) -> None:
    assert _without_fences("\n".join(split(text, LIMIT))) == _without_fences(text)


@given(_TEXTS, st.integers(min_value=LIMIT, max_value=8_000))
@settings(max_examples=50, deadline=None)
def test_what_fits_is_left_alone(text: str, limit_bytes: int) -> None:
    if len(text.encode()) <= limit_bytes:
        assert split(text, limit_bytes) == [text.strip("\n")]


def test_cuts_between_paragraphs_before_lines_and_sentences() -> None:
    first, second = "One. Two.\n" * 40, "Three. Four. " * 60
    assert split(f"{first}\n{second}", LIMIT) == [first.strip(), second]


def test_cuts_behind_a_sentence_when_a_line_is_too_long() -> None:
    head, tail = split("This is a sentence with 3.14 in it. " * 40, LIMIT)
    assert head.endswith("in it.")
    assert tail.startswith("This is")


def test_cuts_behind_a_sentence_of_a_script_without_spaces() -> None:
    parts = split("これは文です。" * 100, LIMIT)
    assert len(parts) > 2
    assert all(part.endswith("。") for part in parts)


def test_cuts_within_a_word_only_between_characters() -> None:
    parts = split("🙂" * 1_000, LIMIT)
    assert "".join(parts) == "🙂" * 1_000


def test_a_number_is_not_cut_at_its_point() -> None:
    text = "x" * 300 + " " + "1.234" * 200
    assert not any(part.endswith("1.") for part in split(text, LIMIT))


def test_a_cut_code_block_is_closed_and_opened_again_in_its_language() -> None:
    code = "\n".join(f"    print({n})" for n in range(150))
    parts = split(f"Look:\n```python\n{code}\n```\nDone.", LIMIT)
    assert len(parts) > 2
    assert parts[0].startswith("Look:\n```python\n")
    assert all(part.startswith("```python\n    print") for part in parts[1:])
    assert all(part.endswith("\n```") for part in parts[:-1])
    assert parts[-1].endswith("\n```\nDone.")


def test_a_code_block_is_not_left_empty_at_a_cut() -> None:
    before, code = "word " * 100, "y" * 450
    parts = split(f"{before}\n```python\n{code}\n{code}\n```\n{before}", LIMIT)
    assert not any("```python\n```" in part for part in parts)


def test_parts_below_a_thousand_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match="too small"):
        split("text", 999)


def test_of_nothing_comes_one_empty_part() -> None:
    assert split("\n\n", LIMIT) == [""]
