"""JSON of the homeserver to events, and effects to JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.effect import Effect, React, Redact, SendText
from bridge.domain.events import (
    Echo,
    Edit,
    Encrypted,
    Membership,
    Mentions,
    Message,
    Reaction,
    Redaction,
    StateChange,
)
from bridge.domain.ids import EventId, TxnId
from bridge.domain.vendor import AI_KEY, TXN_KEY
from bridge.matrix.render import render
from bridge.matrix.shape import shape_of
from bridge.matrix.wire import parse_transaction
from bridge.store.codec import EVENTS
from tests.matrix.making import (
    ALICE,
    LUNA,
    NOW,
    ROOM,
    event,
    is_ours,
    message,
    parse,
    parse_one,
    puppet,
    state,
)

TXN = TxnId("turn.0")


def _message(raw: object) -> Message:
    parsed = parse_one(raw)
    assert isinstance(parsed, Message)
    return parsed


def _text_of(effect: SendText) -> dict[str, Any]:
    kind, content = render(effect, TXN, puppet())
    assert kind == "m.room.message"
    return content


# Messages.


def test_a_message_has_its_envelope_and_text() -> None:
    assert parse_one(message("Luna, hello")) == Message(
        event_id=EventId("$event"),
        room_id=ROOM,
        sender=ALICE,
        sent_at=NOW - 500,
        received_at=NOW,
        age_ms=40,
        text="Luna, hello",
    )


@pytest.mark.parametrize(
    ("msgtype", "kind"),
    [
        ("m.text", "text"),
        ("m.notice", "notice"),
        ("m.emote", "emote"),
        ("m.image", "image"),
        ("m.file", "file"),
        ("m.audio", "audio"),
        ("m.video", "video"),
        ("m.location", "other"),
        ("org.example.new", "other"),
        (5, "other"),
    ],
)
def test_every_msgtype_has_a_content_kind(msgtype: object, kind: str) -> None:
    assert _message(message("x", msgtype=msgtype)).content_kind == kind


def test_a_sticker_is_a_message_of_another_kind_whatever_it_says() -> None:
    parsed = _message(event("m.sticker", {"body": "cat", "msgtype": "m.text"}))
    assert (parsed.content_kind, parsed.text) == ("other", "cat")


@pytest.mark.parametrize("age", [-1, 1.5, True, "3", None, 2**60])
def test_an_age_that_is_no_sensible_number_is_unknown(age: object) -> None:
    assert _message(message() | {"unsigned": {"age": age}}).age_ms is None


@pytest.mark.parametrize("sent_at", [-1, 1.5, True, "3", None, 2**63, 10**40])
def test_a_time_that_no_database_holds_becomes_the_time_of_receipt(sent_at: object) -> None:
    assert _message(message() | {"origin_server_ts": sent_at}).sent_at == NOW


def test_absent_mentions_are_not_the_same_as_none_at_all() -> None:
    assert _message(message()).mentions is None
    assert _message(message(**{"m.mentions": {}})).mentions == Mentions()


@pytest.mark.parametrize(
    ("raw", "mentions"),
    [
        ({"user_ids": [LUNA, ALICE, LUNA]}, Mentions(user_ids=(LUNA, ALICE))),
        ({"user_ids": [5, None, {}, [], LUNA, "x" * 300]}, Mentions(user_ids=(LUNA,))),
        ({"user_ids": LUNA}, Mentions()),
        ({"room": True}, Mentions(room=True)),
        ({"room": "yes"}, Mentions()),
        ([], None),
        ("@ai_luna:example.org", None),
    ],
)
def test_mentions_of_wrong_types_are_left_out(raw: object, mentions: Mentions | None) -> None:
    assert _message(message(**{"m.mentions": raw})).mentions == mentions


def test_the_fallback_is_cut_off_a_real_reply_only() -> None:
    body = "> <@bob:example.org> Luna?\n\nIndeed."
    reply = {"m.in_reply_to": {"event_id": "$asked"}}
    replied = _message(message(body, **{"m.relates_to": reply}))
    assert (replied.text, replied.reply_to) == ("Indeed.", "$asked")
    assert _message(message(body)).text == body


def test_a_threads_fallback_is_no_reply() -> None:
    relation = {
        "rel_type": "m.thread",
        "event_id": "$root",
        "is_falling_back": True,
        "m.in_reply_to": {"event_id": "$last"},
    }
    parsed = _message(message(**{"m.relates_to": relation}))
    assert (parsed.thread_root, parsed.reply_to) == ("$root", None)
    parsed = _message(message(**{"m.relates_to": relation | {"is_falling_back": False}}))
    assert (parsed.thread_root, parsed.reply_to) == ("$root", "$last")


def test_is_falling_back_means_nothing_outside_of_a_thread() -> None:
    relation = {"is_falling_back": True, "m.in_reply_to": {"event_id": "$asked"}}
    assert _message(message(**{"m.relates_to": relation})).reply_to == "$asked"


def test_an_ai_mark_is_seen_on_anybodys_message() -> None:
    assert _message(message(**{AI_KEY: {"generated": True}})).is_ai_marked
    assert not _message(message(**{AI_KEY: True})).is_ai_marked


def test_text_that_is_no_unicode_is_replaced() -> None:
    parsed = _message(message("a\ud800b"))
    assert parsed.text == "a?b"
    EVENTS.encode(parsed)


# Other events.


def test_an_edit_has_the_new_text_and_its_target() -> None:
    content = {
        "msgtype": "m.text",
        "body": "* new",
        "m.new_content": {"msgtype": "m.text", "body": "new"},
        "m.relates_to": {"rel_type": "m.replace", "event_id": "$old"},
    }
    parsed = parse_one(event("m.room.message", content))
    assert isinstance(parsed, Edit)
    assert (parsed.target, parsed.text) == ("$old", "new")
    assert parse(event("m.room.message", content | {"m.relates_to": {"rel_type": "m.replace"}}))


def test_an_edit_of_nothing_is_malformed() -> None:
    delivery = parse(message(**{"m.relates_to": {"rel_type": "m.replace"}}))
    assert [each.problem for each in delivery.malformed] == ["the edited event is no id"]


def test_a_reaction_has_target_and_key() -> None:
    relation = {"rel_type": "m.annotation", "event_id": "$it", "key": "🛑"}
    parsed = parse_one(event("m.reaction", {"m.relates_to": relation}))
    assert isinstance(parsed, Reaction)
    assert (parsed.target, parsed.key) == ("$it", "🛑")
    assert parse(event("m.reaction", {})) == parse()


@pytest.mark.parametrize(
    "raw",
    [
        event("m.room.redaction", {"redacts": "$gone"}),
        event("m.room.redaction", {}, redacts="$gone"),
        event("m.room.redaction", {"redacts": "$another"}, redacts="$gone"),
    ],
)
def test_a_redaction_names_its_target_in_old_and_new_rooms(raw: object) -> None:
    parsed = parse_one(raw)
    assert isinstance(parsed, Redaction)
    assert parsed.target == "$gone"


def test_an_encrypted_message_is_seen_without_its_text() -> None:
    parsed = parse_one(event("m.room.encrypted", {"algorithm": "m.megolm.v1.aes-sha2"}))
    assert isinstance(parsed, Encrypted)


def test_a_redacted_message_is_no_event_any_more() -> None:
    assert parse(event("m.room.message", {})) == parse()


@pytest.mark.parametrize("place", ["unsigned", "top"])
def test_an_invite_tells_what_the_room_says_of_itself(place: str) -> None:
    told = [
        {"type": "m.room.create", "content": {"type": "m.space"}},
        {"type": "m.room.encryption", "content": {}},
        {"type": "m.room.name", "content": {"name": "Lounge"}},
        {"type": "m.room.name", "content": 5},
        "nonsense",
    ]
    content = {"membership": "invite", "is_direct": True, "displayname": "Luna"}
    raw = event("m.room.member", content, state_key=LUNA)
    if place == "top":
        raw["invite_room_state"] = told[:3]
    else:
        raw["unsigned"]["invite_room_state"] = told[:3] + told[4:]
    parsed = parse_one(raw)
    assert isinstance(parsed, Membership)
    assert (parsed.user_id, parsed.membership, parsed.is_direct) == (LUNA, "invite", True)
    assert parsed.stripped == {"room_type": "m.space", "encryption": "unknown", "name": "Lounge"}


@pytest.mark.parametrize("membership", ["frozen", None, 5, [], {}])
def test_a_membership_that_there_is_not_is_malformed(membership: object) -> None:
    raw = event("m.room.member", {"membership": membership}, state_key=ALICE)
    assert [each.problem for each in parse(raw).malformed] == ["`membership` is unknown"]


def test_state_that_matters_is_kept_as_it_is() -> None:
    content = {"name": "Lounge", "more": [1, {"deep": None}]}
    parsed = parse_one(state("m.room.name", content))
    assert isinstance(parsed, StateChange)
    assert (parsed.type, parsed.content) == ("m.room.name", content)


def test_what_is_no_state_of_the_room_is_left_out() -> None:
    """Anybody may send a message of such a type, or state under a key of their own."""
    assert parse(event("m.room.encryption", {"algorithm": "x"})) == parse()
    assert parse(state("m.room.name", {"name": "x"}, state_key="other")) == parse()
    assert parse(message() | {"state_key": ""}) == parse()


@pytest.mark.parametrize(
    "content", [{}, {"algorithm": 5}, {"x": [[[[]]]]}, {"algorithm": "\ud800"}]
)
def test_encryption_is_never_lost_to_strange_content(content: object) -> None:
    deep: object = content
    for _ in range(200):
        deep = {"x": deep}
    for each in (content, deep):
        parsed = parse_one(state("m.room.encryption", each))
        assert isinstance(parsed, StateChange)
        EVENTS.encode(parsed)


def test_state_nested_too_deeply_to_be_stored_is_malformed() -> None:
    deep: object = {}
    for _ in range(400):
        deep = {"x": [deep]}
    delivery = parse(state("m.room.name", deep), message())
    assert [each.problem for each in delivery.malformed] == ["`content` is nested too deeply"]
    assert len(delivery.events) == 1


def test_types_that_do_not_matter_are_dropped_silently() -> None:
    assert parse({"type": "org.example.unknown"}, state("m.room.pinned_events", 5)) == parse()


# What cannot be used.


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (5, "the event is no object"),
        ({"content": {}}, "`type` is no text"),
        (event("m.room.message", []), "`content` is no object"),
        (event("m.room.message", {"msgtype": "m.text"}), "`body` is no text"),
        (event("m.room.message", {"body": {}}), "`body` is no text"),
        (message() | {"event_id": None}, "`event_id` is no id"),
        (message() | {"event_id": "$" + "x" * 300}, "`event_id` is no id"),
        (message() | {"room_id": "!\x00"}, "`room_id` is no id"),
        (message() | {"sender": "@\ud800:x"}, "`sender` is no id"),
        (event("m.room.redaction", {"redacts": 5}), "`redacts` is no id"),
        (
            event("m.reaction", {"m.relates_to": {"rel_type": "m.annotation", "key": "x"}}),
            "the target of the reaction is no id",
        ),
    ],
)
def test_an_unusable_event_is_kept_with_its_problem(raw: object, problem: str) -> None:
    (kept,) = parse(raw).malformed
    assert kept.problem == problem
    assert kept.received_at == NOW
    assert json.loads(kept.raw) == shape_of(raw)


def test_what_is_kept_of_an_unusable_event_is_bounded() -> None:
    (kept,) = parse(message("語") | {"event_id": "", "content": [5] * 200_000}).malformed
    assert len(kept.raw.encode()) <= 65_536


def test_nothing_that_anybody_wrote_is_kept_of_an_unusable_event() -> None:
    (kept,) = parse(message("SECRET") | {"event_id": "", "sender": 5}).malformed
    assert "SECRET" not in kept.raw


@pytest.mark.parametrize("body", [None, 5, "text", [], {"events": {}}, {"events": "x"}])
def test_a_transaction_that_is_none_is_malformed_as_a_whole(body: object) -> None:
    delivery = parse_transaction(body, NOW, is_ours)
    assert (len(delivery.malformed), delivery.events) == (1, ())


def test_a_transaction_without_events_is_nothing() -> None:
    body = {"ephemeral": [{"type": "m.typing"}], "de.sorunome.msc2409.ephemeral": 5}
    assert parse_transaction(body, NOW, is_ours) == parse()


# What comes back of our own.


def test_our_own_message_is_an_echo_only_from_a_puppet_of_ours() -> None:
    raw = message(**{TXN_KEY: "turn.0"})
    assert _message(raw).txn_id == "turn.0"
    delivery = parse(raw | {"sender": LUNA})
    assert delivery.events == ()
    assert delivery.echoes == (
        Echo(txn_id=TXN, event_id=EventId("$event"), room_id=ROOM, sender=LUNA),
    )


def test_what_puppets_say_is_no_event_but_their_membership_is() -> None:
    joined = event("m.room.member", {"membership": "join"}, state_key=LUNA, sender=LUNA)
    delivery = parse(message() | {"sender": LUNA}, joined)
    assert [type(each) for each in delivery.events] == [Membership]
    assert delivery.echoes == ()


@given(
    st.one_of(
        st.builds(
            SendText,
            text=st.text(),
            is_notice=st.booleans(),
            is_generated=st.booleans(),
            reply_to=st.none() | st.just(EventId("$asked")),
            thread_root=st.none() | st.just(EventId("$root")),
            mentions=st.lists(st.just(ALICE), max_size=2).map(tuple),
            model=st.text(max_size=20),
            hops=st.integers(0, 9),
        ),
        st.builds(React, target=st.just(EventId("$it")), key=st.text(min_size=1)),
        st.builds(Redact, target=st.just(EventId("$it")), reason=st.text()),
    )
)
@settings(max_examples=150, deadline=None)
def test_every_effect_comes_back_as_its_echo(effect: Effect) -> None:
    kind, content = render(effect, TXN, puppet())
    raw = json.loads(json.dumps(event(kind, content, sender=LUNA, redacts="$it")))
    delivery = parse(raw)
    assert (delivery.events, delivery.malformed) == ((), ())
    assert [echo.txn_id for echo in delivery.echoes] == [TXN]


@given(st.text(st.characters(codec="utf-8")), st.booleans())
@settings(max_examples=100, deadline=None)
def test_others_read_what_a_puppet_said_as_it_was_meant(text: str, is_notice: bool) -> None:
    effect = SendText(
        text=text, is_notice=is_notice, reply_to=EventId("$asked"), thread_root=EventId("$root")
    )
    parsed = _message(json.loads(json.dumps(event("m.room.message", _text_of(effect)))))
    if not text.startswith("> "):
        assert parsed.text == text
    assert parsed.content_kind == ("notice" if is_notice else "text")
    assert (parsed.reply_to, parsed.thread_root) == ("$asked", "$root")
    assert parsed.mentions == Mentions()
    assert parsed.is_ai_marked


# Never raises.

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["m.replace", "m.thread", "m.annotation", "invite", "$id", LUNA, "> <@a"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "body",
                    "event_id",
                    "formatted_body",
                    "key",
                    "m.in_reply_to",
                    "m.mentions",
                    "m.new_content",
                    "m.relates_to",
                    "membership",
                    "msgtype",
                    "redacts",
                    "rel_type",
                    "user_ids",
                    TXN_KEY,
                ]
            )
            | st.text(max_size=8),
            inner,
            max_size=6,
        )
    ),
    max_leaves=25,
)
_TYPES = st.sampled_from(
    [
        "m.room.message",
        "m.sticker",
        "m.room.encrypted",
        "m.reaction",
        "m.room.redaction",
        "m.room.member",
        "m.room.create",
        "m.room.encryption",
        "m.room.name",
    ]
)
_ANYTHING_LIKE_AN_EVENT = st.fixed_dictionaries(
    {"type": _TYPES | _JSON, "content": _JSON},
    optional={
        "event_id": st.just("$event") | _JSON,
        "room_id": st.just(ROOM) | _JSON,
        "sender": st.sampled_from([ALICE, LUNA]) | _JSON,
        "origin_server_ts": st.just(NOW) | _JSON,
        "state_key": st.sampled_from(["", LUNA]) | _JSON,
        "unsigned": _JSON | st.fixed_dictionaries({"age": _JSON, "invite_room_state": _JSON}),
        "redacts": _JSON,
    },
)


@given(_JSON)
@settings(max_examples=100, deadline=None)
def test_parsing_never_raises_whatever_the_transaction_is(body: object) -> None:
    parse_transaction(body, NOW, is_ours)


@given(st.lists(_ANYTHING_LIKE_AN_EVENT | _JSON, max_size=3), st.integers(0, 3))
@settings(max_examples=300, deadline=None)
def test_no_good_event_is_lost_beside_bad_ones(bad: list[object], place: int) -> None:
    good = message("the good one") | {"event_id": "$good"}
    delivery = parse(*bad[:place], good, *bad[place:])
    assert any(isinstance(e, Message) and e.event_id == "$good" for e in delivery.events)
    for parsed in delivery.events:
        EVENTS.decode(EVENTS.encode(parsed))


# Rendering.
