from __future__ import annotations

from collections.abc import Mapping
from typing import get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.effect import Effect
from bridge.domain.events import Message, RoomEvent
from bridge.domain.room import Member, Room
from bridge.store.codec import EFFECTS, EVENTS, ROOMS, Uncodable
from tests.store.making import message

TEXT = st.text(st.characters(), max_size=20)
KEY = st.text(max_size=20)  # half a surrogate pair, as a key, comes back as replacement characters
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEY, inner, max_size=3),
    max_leaves=6,
)

MAPS = {
    "content": st.dictionaries(KEY, JSON, max_size=3),
    "stripped": st.dictionaries(KEY, TEXT, max_size=3),
    "deferred": st.dictionaries(KEY, st.integers(), max_size=3),
    "muted_until": st.dictionaries(KEY, st.integers(), max_size=3),
    "members": st.dictionaries(KEY, st.from_type(Member), max_size=3),
}


def values(kind: type) -> st.SearchStrategy[object]:
    """Any value of a dataclass; its mappings are dicts, as everywhere."""
    hints = get_type_hints(kind)
    maps = {name: MAPS[name] for name, hint in hints.items() if get_origin(hint) is Mapping}
    return st.builds(kind, **maps)


EVENT = st.one_of(*(values(kind) for kind in get_args(RoomEvent)))
EFFECT = st.one_of(*(values(kind) for kind in get_args(Effect)))


@given(EVENT)
def test_every_event_survives_storage(event: RoomEvent) -> None:
    assert EVENTS.decode(EVENTS.encode(event)) == event


@given(EFFECT)
def test_every_effect_survives_storage(effect: Effect) -> None:
    assert EFFECTS.decode(EFFECTS.encode(effect)) == effect


@given(values(Room))
def test_every_room_survives_storage(room: Room) -> None:
    assert ROOMS.decode(ROOMS.encode(room)) == room


def test_a_row_of_an_older_version_without_a_newer_field_is_read() -> None:
    stored = '{"kind":"message","event_id":"$1","room_id":"!r","sender":"@a","sent_at":1,'
    event = EVENTS.decode(stored + '"received_at":2,"gone":"x"}')
    assert isinstance(event, Message)
    assert event.text == ""


@pytest.mark.parametrize("text", ["", "[", "{}", '{"kind":"CANARY"}', '{"kind":"edit","text":1}'])
def test_what_is_no_event_is_an_error_that_repeats_nothing(text: str) -> None:
    with pytest.raises(Uncodable) as caught:
        EVENTS.decode(text)
    assert "CANARY" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_text_is_stored_readably() -> None:
    assert "你好" in EVENTS.encode(message("$1", text="你好"))
