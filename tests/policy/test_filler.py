from __future__ import annotations

import pytest

from bridge.policy.asking import is_question, speaks_to_somebody
from bridge.policy.filler import is_filler
from bridge.policy.names import own_words


@pytest.mark.parametrize(
    "text",
    [
        *("lol", "LOL!!", "ok", "haha", "hahahaha", "👍", "😂😂😂", "❤️", "thanks!", "thank you"),
        *("yes", "nice", "hmm...", "", "!!!", "ok cool", "genau", "jajaja", "哈哈哈", "嗯", "好的"),
        *("笑", "なるほど", "شكرا", "ههههه", "🇩🇪", "lol 😂", "www"),
    ],
)
def test_filler_calls_for_no_answer(text: str) -> None:
    assert is_filler(own_words(text))


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "good morning",
        "why",
        "no idea what you mean",
        "yes but how?",
        "lunch?",
        "你好",
        "3",
        "わからない",
    ],
)
def test_what_says_something_is_no_filler(text: str) -> None:
    assert not is_filler(own_words(text))


@pytest.mark.parametrize(
    "text",
    [
        *("how deep is it?", "how deep is it", "and you", "tell me more", "is it far", "so?"),
        *("wie tief ist das", "und du", "¿qué es?", "cómo se hace", "那是什么", "好吗", "どうして"),
        *("行きますか", "كيف حالك؟", "ما هذا ", "does it hurt"),
    ],
)
def test_questions_are_known_by_their_form(text: str) -> None:
    assert is_question(own_words(text))


@pytest.mark.parametrize("text", ["it is far", "I like it", "schön hier", "me gusta", "我喜欢", ""])
def test_statements_are_no_questions(text: str) -> None:
    assert not is_question(own_words(text))


def test_the_second_person_is_spoken_to() -> None:
    for text in ("you are kind", "du bist nett", "eres tú", "你真好", "أنت لطيف"):
        assert speaks_to_somebody(own_words(text))
    assert not speaks_to_somebody(own_words("the youth of today"))
