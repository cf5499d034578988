"""Stop strings that we cut at ourselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.engine.stops import StopFilter

STOPS = ("<end>", "<|im_end|>", "\n\n\n")


def shown(pieces: list[str], stops: tuple[str, ...] = STOPS) -> tuple[str, bool]:
    stop = StopFilter(stops)
    text = "".join(map(stop.feed, pieces))
    return text + stop.finish(), stop.has_stopped


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Hi.<end>More", "Hi."),
        ("Hi.<|im_end|><end>", "Hi."),
        ("Hi. <en", "Hi. <en"),
        ("<<end>", "<"),
        ("a\n\nb", "a\n\nb"),
        ("a\n\n\n\nb", "a"),
        ("", ""),
    ],
)
def test_the_text_ends_before_the_first_stop_string(text: str, kept: str) -> None:
    assert shown([text]) == (kept, kept != text)


@given(st.text(alphabet="<end>|\nx", max_size=30), st.lists(st.integers(0, 30), max_size=8))
def test_however_the_text_is_cut_the_same_is_shown(text: str, cuts: list[int]) -> None:
    at = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[a:b] for a, b in zip(at, at[1:], strict=False)]
    assert shown(pieces) == shown([text])


def test_text_is_held_back_only_while_it_may_become_a_stop_string() -> None:
    stop = StopFilter(STOPS)
    assert [stop.feed(piece) for piece in ("Hi <e", "el", "s")] == ["Hi ", "<eel", "s"]


def test_without_stop_strings_nothing_is_held_back() -> None:
    assert StopFilter(("",)).feed("a<") == "a<"
