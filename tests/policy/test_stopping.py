from __future__ import annotations

import pytest

from bridge.domain.events import Message
from bridge.domain.history import Said
from bridge.domain.ids import UserId
from bridge.domain.room import Room
from bridge.policy import wording
from bridge.policy.addressing import listen
from bridge.policy.names import fold
from bridge.policy.stopping import STOP_WORDS, is_stop, stopped_by_reaction, stopped_by_words
from tests.policy.builders import (
    ALICE,
    BOB,
    BRIDGE,
    CAST,
    LUNA,
    MILO,
    NOVA,
    SERVER,
    dm,
    message,
    reaction,
    room,
    said,
    view,
)

OF_LUNA = said(LUNA)
OF_ALICE = said(ALICE)


def stopped(sent: Message | str, of: Room | None = None, *lines: Said) -> list[str]:
    sent = message(sent) if isinstance(sent, str) else sent
    return [p.puppet_id for p in stopped_by_words(listen(view(of, *lines), sent))]


@pytest.mark.parametrize(
    "text",
    [
        "Luna, stop",
        "luna stop!",
        "LUNA STOP!!!",
        "Luna, please stop",
        "Luna, stop please.",
        "stop, Luna",
        "Please stop, Luna!",
        "hey Luna, stop",
        "Luna, be quiet",
        "Luna, shut up 🙄",
        "@luna stop",
        "Luna (AI): stop",
        "ai_luna, stop",
        "**Luna**, stop",
        "Luna, stopp",
        "Luna, halt",
        "Luna, sei still bitte",
        "Luna, hör auf!",
        "Luna, para",
        "¡Luna, basta!",
        "Luna, cállate por favor",
        "露娜，停",
        "露娜别说了！",
        "露娜，请停下",
        "露娜停下吧",
        "Luna，別說了",
        "ルナ、やめて",
        "ルナさん、やめてください",
        "ルナ、止まって",
        "Lunaちゃん、ストップ",
        "لونا، توقف",
        "يا لونا توقفي",
        "لونا قف من فضلك",
        "لونا، تَوَقَّف",
    ],
)
def test_a_name_and_a_stop_word_stop(text: str) -> None:
    assert stopped(text) == ["luna"]


@pytest.mark.parametrize(
    "text",
    [
        "Luna, stop talking about cats",
        "Luna, stop worrying and tell me a joke",
        "Luna",
        "Luna, don't stop",
        "Luna, nonstop",
        "Luna, when does the bus stop?",
        "Luna, please",
        'Luna, "stop"',
        "Luna, stop `this`",
        "stop",
        "Bob, stop",
        "everybody stop",
        "Milo, stop",
        "Luna, para qué sirve",
        "Luna, Halt machen?",
        "露娜，停车",
        "露娜，停在哪里",
        "ルナ、やめてよかった",
        "لونا، توقف المطر",
        "> Luna, stop",
        '"Luna, stop"',
        "",
    ],
)
def test_anything_more_is_no_stop(text: str) -> None:
    assert stopped(text) == []


@pytest.mark.parametrize("language", wording.LANGUAGES)
def test_the_word_that_our_sentences_tell_people_stops(language: str) -> None:
    assert is_stop(fold(wording.STOP_WORDS[language]))


@pytest.mark.parametrize("word", sorted({w for words in STOP_WORDS.values() for w in words}))
def test_every_stop_word_stops(word: str) -> None:
    assert stopped(f"Luna, {word}") == ["luna"]
    assert stopped(f"Nova {word}") == ["nova"]
    assert stopped(word, dm()) == ["luna"]
    assert stopped(message(word, reply_to=OF_LUNA), None, OF_LUNA) == ["luna"]
    assert stopped(message(word, reply_to=OF_ALICE), None, OF_ALICE) == []
    assert stopped(word) == []


def test_several_are_stopped_at_once() -> None:
    of = room(puppets=[LUNA, MILO, NOVA])
    assert stopped("Luna and Nova, stop", of) == ["luna", "nova"]
    assert stopped(message("stop @luna @milo", mentions=[LUNA, MILO]), of) == ["luna", "milo"]


def test_who_is_named_is_stopped_and_not_who_is_replied_to() -> None:
    assert stopped(message("Nova, stop", reply_to=OF_LUNA), None, OF_LUNA) == ["nova"]


def test_a_mention_without_name_stops() -> None:
    assert stopped(message("stop", mentions=[LUNA])) == ["luna"]


def test_a_person_of_that_name_is_told_to_stop_and_not_the_puppet() -> None:
    of = room(people={ALICE: "", UserId(f"@lu:{SERVER}"): "Luna"})
    assert stopped("Luna, stop", of) == []
    assert stopped(message("@Luna stop", mentions=[LUNA]), of) == ["luna"]


def test_the_bridge_user_has_nothing_to_stop() -> None:
    assert stopped("stop", dm(BRIDGE)) == []


def test_a_long_text_is_no_stop() -> None:
    assert not is_stop("stop " * 100)


@pytest.mark.parametrize("key", ["🛑", "🛑\ufe0f", "🛑\ufe0e", " 🛑 "])
def test_a_stop_sign_on_a_message_of_a_puppet_stops_it(key: str) -> None:
    assert stopped_by_reaction(CAST, reaction("$earlier", key, sender=BOB), OF_LUNA) == LUNA


@pytest.mark.parametrize(
    ("key", "target"),
    [("👍", OF_LUNA), ("🛑", OF_ALICE), ("🛑", None), ("🛑🛑", OF_LUNA), ("", OF_LUNA)],
)
def test_other_reactions_stop_nobody(key: str, target: Said | None) -> None:
    assert stopped_by_reaction(CAST, reaction("$earlier", key), target) is None


@pytest.mark.parametrize(
    "words",
    [
        "sei bitte still",
        "kannst du bitte aufhören",
        "停止说话",
        "deja de escribir",
        "enough, please",
    ],
)
def test_politeness_may_stand_inside_a_wish_for_quiet(words: str) -> None:
    assert is_stop(fold(words))
