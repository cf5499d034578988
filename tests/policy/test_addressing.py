"""Who a message is for. One line of a table is one trap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.events import Message
from bridge.domain.history import Said
from bridge.domain.ids import EventId, UserId
from bridge.domain.persona import Puppet
from bridge.domain.room import Direct, Room
from bridge.policy.addressing import direct_puppet, listen
from tests.policy.builders import (
    ALICE,
    BOB,
    BRIDGE,
    CAROL,
    LUNA,
    MILO,
    NOVA,
    SERVER,
    dm,
    message,
    room,
    said,
    view,
)

OF_LUNA = said(LUNA, "a river? the Loire")
OF_ALICE = said(ALICE, "@luna which planet is the largest?")


def heard(text: Message | str, of: Room | None = None, *lines: Said) -> list[str]:
    sent = message(text) if isinstance(text, str) else text
    return [f"{a.puppet.puppet_id} {a.reason}" for a in listen(view(of, *lines), sent).addressed]


@pytest.mark.parametrize(
    "text",
    [
        "Luna, what is a monad?",
        "luna what is a monad?",
        "hey Luna, what is a monad?",
        "Good morning, Luna!",
        "Hi! Luna?",
        "hello, hey luna",
        "@luna what?",
        "@ai_luna what?",
        "ai_luna: what?",
        "@ai_luna:home.example: what?",
        "ai_luna:home.example what?",
        "Luna (AI): what?",
        "¿Luna, qué es?",
        "Hola Luna, ¿qué es?",
        "Guten Morgen Luna",
        "你好露娜，今晚能看到月亮吗",
        "嗨，露娜",
        "ねえルナ、月は見える？",
        "يا لونا، هل نرى القمر؟",
        "السلام عليكم يا لونا",
        "Привет, Луна!",
        "> Nova, what?\n\nLuna, and you?",
    ],
)
def test_a_name_at_the_start_addresses(text: str) -> None:
    assert heard(text) == ["luna named"]


@pytest.mark.parametrize(
    "text",
    [
        "I saw the lunar eclipse",
        "yes, and luna told me why",
        "Ok. Luna is nice",
        "今天晚上的露娜演唱会真好",
        '"Luna, come here" is what the old song says',
        "`luna: config` is the key",
        "https://matrix.to/#/@ai_luna:home.example is her address",
        "> Luna, was here",
        "@room dinner is ready",
        "Bob, ask Luna",
        "heyLuna",
        "Milo, are you here?",
        "",
    ],
)
def test_a_name_elsewhere_addresses_nobody(text: str) -> None:
    assert heard(text) == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Luna and Nova, discuss", ["luna", "nova"]),
        ("Nova and Luna, discuss", ["nova", "luna"]),
        ("Luna, Nova: who is there?", ["luna", "nova"]),
        ("Luna, Nova and Milo discuss it", ["luna", "nova", "milo"]),
        ("Luna & Nova hi", ["luna", "nova"]),
        ("@luna @nova introduce yourselves", ["luna", "nova"]),
        ("Luna und Nova, hallo", ["luna", "nova"]),
        ("Luna y Nova, hola", ["luna", "nova"]),
        ("露娜和诺瓦，你们好", ["luna", "nova"]),
        ("露娜、诺瓦，你们好", ["luna", "nova"]),
        ("ルナとノヴァ、こんにちは", ["luna", "nova"]),
        ("لونا ونوفا، مرحبا", ["luna", "nova"]),
        ("hey Luna\nNova", ["luna", "nova"]),
        ("Luna, Nova is wrong about that", ["luna"]),
        ("Luna, ask Nova", ["luna"]),
        ("Luna and Bob, discuss", ["luna"]),
        ("Luna, Luna, Luna!", ["luna"]),
    ],
)
def test_several_names_at_the_start(text: str, names: list[str]) -> None:
    of = room(puppets=[LUNA, MILO, NOVA])
    assert heard(text, of) == [f"{name} named" for name in names]


def test_a_mention_addresses_wherever_the_name_stands() -> None:
    assert heard(message("hello @luna", mentions=[LUNA])) == ["luna mentioned"]
    assert heard(message("what now?", mentions=[LUNA])) == ["luna mentioned"]


def test_mentioned_puppets_answer_as_named_in_the_text_then_as_mentioned() -> None:
    of = room(puppets=[LUNA, MILO, NOVA])
    sent = message("what do Nova and Luna say?", mentions=[MILO, LUNA, NOVA])
    assert heard(sent, of) == ["nova mentioned", "luna mentioned", "milo mentioned"]
    assert heard(message("well?", mentions=[NOVA, LUNA]), of) == [
        "nova mentioned",
        "luna mentioned",
    ]


def test_a_room_mention_addresses_nobody() -> None:
    assert heard(message("@room dinner", mentions=(), is_for_room=True)) == []


def test_a_puppet_that_is_not_in_the_room_is_not_addressed() -> None:
    sent = message("Luna and Milo, hi", mentions=[LUNA, MILO])
    assert heard(sent) == ["luna mentioned"]


def test_a_pill_counts_only_from_clients_that_send_no_mentions() -> None:
    assert heard(message("well, Luna?", pills=[LUNA])) == ["luna mentioned"]
    assert heard(message("well, Luna?", pills=[LUNA], mentions=())) == []
    assert heard(message("Luna (AI) is nice", pills=[LUNA], mentions=())) == []
    assert heard(message("Luna (AI), hi Bob", pills=[LUNA], mentions=[BOB])) == []


def test_a_typed_name_counts_beside_empty_mentions_and_mentions_of_others() -> None:
    assert heard(message("Luna, hi", mentions=())) == ["luna named"]
    assert heard(message("Luna, ask @bob", mentions=[BOB])) == ["luna named"]
    assert heard(message("@bob did luna help you?", mentions=[BOB])) == []


def test_a_reply_to_a_puppet_addresses_it() -> None:
    assert heard(message("where does it end?", reply_to=OF_LUNA), None, OF_LUNA) == [
        "luna replied_to"
    ]
    sent = message("where does it end?", reply_to=OF_LUNA, mentions=[LUNA])
    assert heard(sent, None, OF_LUNA) == ["luna replied_to"]


def test_a_reply_to_something_unknown_addresses_only_whom_it_mentions() -> None:
    assert heard(message("and?", reply_to="$unknown")) == []
    assert heard(message("and?", reply_to="$unknown", mentions=[LUNA])) == ["luna mentioned"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("I asked the same thing once", []),
        ("Luna, and the smallest?", ["luna mentioned"]),
        ("and what does @Luna say?", ["luna mentioned"]),
        ("ask @ai_luna:home.example", ["luna mentioned"]),
        ('I asked "Luna, which?" too', []),
    ],
)
def test_copied_mentions_count_only_with_a_name_in_the_text(text: str, names: list[str]) -> None:
    sent = message(text, sender=BOB, reply_to=OF_ALICE, mentions=[ALICE, LUNA])
    assert heard(sent, None, OF_ALICE) == names


@pytest.mark.parametrize("text", ["Nova, do you agree?", "Nova and Milo: what now?"])
def test_a_reply_that_calls_another_puppet_is_for_that_one(text: str) -> None:
    sent = message(text, reply_to=OF_LUNA, mentions=[LUNA])
    assert heard(sent, None, OF_LUNA) == ["nova named"]


@pytest.mark.parametrize(
    ("text", "mentions"),
    [
        ("Bob, what do you think?", ()),
        ("bob: look", ()),
        ("hey Bob, look", ()),
        ("@bob what do you think?", (LUNA, BOB)),
    ],
)
def test_a_reply_that_calls_a_person_is_for_that_person(
    text: str, mentions: tuple[Puppet | UserId, ...]
) -> None:
    of = room(people={ALICE: "Alice", BOB: "Bob B."})
    sent = message(text, reply_to=OF_LUNA, mentions=mentions)
    result = listen(view(of, OF_LUNA), sent)
    assert result.addressed == ()
    assert result.is_for_somebody_else


def test_a_reply_may_begin_with_a_word_that_is_part_of_a_name() -> None:
    of = room(people={ALICE: "Alice", BOB: "The Boss"})
    sent = message("The weather, you mean?", reply_to=OF_LUNA)
    assert heard(sent, of, OF_LUNA) == ["luna replied_to"]


@pytest.mark.parametrize("name", ["Luna", "luna", "Luna Lovegood", "Luna (they/them)", "@Luna"])
def test_a_person_of_that_name_is_meant(name: str) -> None:
    of = room(people={ALICE: "", UserId(f"@lu:{SERVER}"): name})
    assert heard("Luna, did you feed the cat?", of) == []
    assert listen(view(of), message("Luna, did you?")).is_for_somebody_else
    assert heard(message("@Luna what?", mentions=[LUNA]), of) == ["luna mentioned"]
    assert heard("@ai_luna:home.example what?", of) == ["luna named"]
    assert heard("露娜，你好", of) == ["luna named"]
    assert heard("Nova, hi", of) == ["nova named"]


def test_a_person_without_display_name_goes_by_the_localpart() -> None:
    of = room(people=[ALICE, UserId("@luna:far.example")])
    assert heard("Luna, are you there?", of) == []


@pytest.mark.parametrize("name", ["Lunar", "Lu", "Aluna", "My Luna"])
def test_a_person_of_a_similar_name_is_not_meant(name: str) -> None:
    of = room(people={ALICE: "", BOB: name})
    assert heard("Luna, hi", of) == ["luna named"]


def test_a_person_called_like_the_puppet_does_not_address_themself() -> None:
    of = room(people={ALICE: "Luna"})
    assert heard("Luna, who are you?", of) == ["luna named"]


def test_everything_in_a_dm_is_for_the_puppet() -> None:
    assert heard("what is the tallest tree?", dm()) == ["luna direct"]
    assert heard(message("waves", kind="emote"), dm()) == ["luna direct"]
    assert heard(message("cat.png", kind="image"), dm()) == []


def test_two_members_make_no_dm() -> None:
    assert heard("what is the tallest tree?", room(puppets=[LUNA], people=[ALICE])) == []


@pytest.mark.parametrize("further", [BOB, CAROL])
def test_a_room_with_a_further_member_is_no_dm(further: UserId) -> None:
    direct = Direct(person=ALICE, puppet_id=LUNA.puppet_id)
    of = room(puppets=[LUNA], people=[ALICE, further], direct=direct)
    assert direct_puppet(view(of)) is None
    assert heard("what is the tallest tree?", of) == []


def test_a_dm_of_a_second_puppet_is_no_dm() -> None:
    direct = Direct(person=ALICE, puppet_id=LUNA.puppet_id)
    of = room(puppets=[LUNA, BRIDGE], people=[ALICE], direct=direct)
    assert heard("what is the tallest tree?", of) == []


def test_the_name_of_a_file_addresses_nobody() -> None:
    assert heard(message("Luna 2024.jpg", kind="image")) == []
    assert heard(message("Luna 2024.jpg", kind="image", mentions=[LUNA])) == ["luna mentioned"]
    assert heard(message("cat.jpg", kind="image", reply_to=OF_LUNA), None, OF_LUNA) == [
        "luna replied_to"
    ]
    assert heard(message("🎉", kind="other", reply_to=OF_LUNA), None, OF_LUNA) == []


@pytest.mark.parametrize(
    ("sent", "is_else"),
    [
        (message("hi", mentions=[BOB]), True),
        (message("Bob, hi"), True),
        (message("yes", reply_to=OF_ALICE), True),
        (message("hi all"), False),
        (message("yes", reply_to=EventId("$unknown")), False),
    ],
)
def test_signs_that_somebody_else_is_meant(sent: Message, is_else: bool) -> None:
    result = listen(view(None, OF_ALICE), sent)
    assert result.addressed == ()
    assert result.is_for_somebody_else is is_else


def test_in_a_thread_the_same_rules_hold() -> None:
    assert heard(message("the Egyptian one", thread="$root")) == []
    assert heard(message("Luna, when?", thread="$root")) == ["luna named"]


@given(st.text(max_size=80))
def test_nothing_a_message_says_changes_whom_it_is_for(text: str) -> None:
    """Whatever stands behind the call, and whatever instructions are in it."""
    words = f"Luna, please: {text}"
    found = {each.split()[0] for each in heard(words)}
    assert "luna" in found
    assert found <= {"luna"} | {name for name in ("nova", "milo") if name in text.casefold()}
