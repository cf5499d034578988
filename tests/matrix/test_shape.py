from __future__ import annotations

import json

import pytest

from bridge.matrix.shape import shape_of


def test_an_event_keeps_its_form_and_its_ids_and_loses_its_words() -> None:
    event = {
        "type": "m.room.message",
        "event_id": "$id",
        "room_id": "!room:example.org",
        "sender": "@alice:example.org",
        "content": {"body": {"a": ["secret", 5, None, True]}, "my secret key": "x"},
    }
    assert shape_of(event) == {
        "type": "m.room.message",
        "event_id": "$id",
        "room_id": "!room:example.org",
        "sender": "(text of 18)",
        "content": {"body": {"a": ["(text of 6)", 5, None, True]}, "(other)": "(text of 1)"},
    }


@pytest.mark.parametrize(
    "event", [{"type": "my secret"}, {"event_id": "secret"}, {"room_id": "! secret"}, "secret"]
)
def test_what_only_pretends_to_be_an_id_is_a_text(event: object) -> None:
    assert "secret" not in json.dumps(shape_of(event))


@pytest.mark.parametrize("event", [None, 5, 1.5, [], {}, [{}]])
def test_what_holds_no_text_is_itself(event: object) -> None:
    assert shape_of(event) == event
