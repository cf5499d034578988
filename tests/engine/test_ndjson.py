from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.engine.ndjson import MAX_LINE_BYTES, Lines
from bridge.errors import EngineBroken

objects = st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3)


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    parts: list[bytes] = []
    for size in sizes:
        parts.append(data[:size])
        data = data[size:]
    return [*parts, data]


@given(
    st.lists(objects, max_size=8),
    st.lists(st.integers(min_value=0, max_value=40), max_size=40),
    st.sampled_from([b"\n", b"\r\n", b"\n\n"]),
    st.booleans(),
)
def test_however_the_bytes_are_cut_the_objects_are_the_same(
    written: list[dict[str, str]], sizes: list[int], end: bytes, has_last_end: bool
) -> None:
    data = end.join(json.dumps(value, ensure_ascii=False).encode() for value in written)
    if has_last_end and written:
        data += end
    lines = Lines()
    read = [value for part in cut(data, sizes) for value in lines.feed(part)]
    assert [*read, *lines.rest()] == written


@pytest.mark.parametrize("line", [b"<html>\n", b"[1]\n", b'"text"\n', b'{"a":\n', b"\xff\n"])
def test_a_line_that_is_no_object_is_refused(line: bytes) -> None:
    with pytest.raises(EngineBroken):
        list(Lines().feed(line))


def test_a_line_without_end_is_refused() -> None:
    with pytest.raises(EngineBroken):
        list(Lines().feed(b"x" * (MAX_LINE_BYTES + 1)))
