"""Server-sent events out of bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.engine.sse import MAX_EVENT_BYTES, Events
from bridge.errors import EngineBroken


def read(*pieces: bytes) -> list[str]:
    events = Events()
    found = [data for piece in pieces for data in events.feed(piece)]
    return [*found, *events.rest()]


@given(
    st.lists(st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), min_size=1)),
    st.lists(st.integers(0, 400), max_size=40),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.booleans(),
)
def test_events_are_the_same_however_they_are_cut(
    told: list[str], cuts: list[int], end: str, has_last_end: bool
) -> None:
    stream = "".join(f": note{end}data: {data}{end}{end}" for data in told).encode()
    if not has_last_end:
        stream = stream.removesuffix(2 * end.encode())
    at = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    assert read(*(stream[a:b] for a, b in zip(at, at[1:], strict=False))) == told


@pytest.mark.parametrize(
    ("stream", "told"),
    [
        (b"data: a\ndata: b\n\n", ["a\nb"]),
        (b"data:a\n\n", ["a"]),
        (b"data:  a\n\n", [" a"]),
        (b"event: message\nid: 7\nretry: 5\ndata: a\n\n", ["a"]),
        (b": only a comment\n\n\n\n", []),
        (b"data: a\r", ["a"]),
        (b'error: {"code": 500}\n\n', ['{"error":  {"code": 500}}']),
    ],
)
def test_fields_are_read_as_the_specification_says(stream: bytes, told: list[str]) -> None:
    assert read(stream) == told


def test_a_line_end_that_is_cut_in_two_is_one() -> None:
    assert read(b"data: a\r", b"\ndata: b\r\n\r\n") == ["a\nb"]


def test_an_event_comes_as_soon_as_it_is_complete() -> None:
    assert list(Events().feed(b"data: a\r\n\r\ndata: b")) == ["a"]


@pytest.mark.parametrize("line", [b"data: ", b"data: x\ndata: "])
def test_an_event_without_end_is_refused(line: bytes) -> None:
    with pytest.raises(EngineBroken):
        list(Events().feed(line + b"x" * (MAX_EVENT_BYTES + 1)))
