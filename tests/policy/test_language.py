from __future__ import annotations

import pytest

from bridge.policy import wording
from bridge.policy.language import guess

KNOWN = [
    ("Luna, who are you?", "en"),
    ("What do you think about the new release?", "en"),
    ("can you tell me how it works", "en"),
    ("I don't know what to do, let's ask the others", "en"),
    ("Luna, wer bist du?", "de"),
    ("Wie heißt das auf Deutsch?", "de"),
    ("Kannst du mir bitte helfen?", "de"),
    ("Ich habe heute keine Zeit, aber morgen geht es", "de"),
    ("¿Quién eres?", "es"),
    ("Luna, ¿qué tal estás?", "es"),
    ("hola, me puedes ayudar con esto por favor", "es"),
    ("No sé cómo se hace, pero quiero aprender", "es"),
    ("露娜，你是谁？", "zh"),
    ("今天天气怎么样", "zh"),
    ("Luna，帮我看看这个吧", "zh"),
    ("請問你們在哪裡？", "zh"),
    ("ルナ、あなたは誰ですか？", "ja"),
    ("今日の天気はどう？", "ja"),
    ("Luna、元気ですか", "ja"),
    ("لونا، من أنت؟", "ar"),
    ("كيف حالك اليوم؟", "ar"),
    ("هل يمكن أن تساعدني في هذا؟", "ar"),
]

UNKNOWN = [
    "",
    "ok",
    "Luna",
    "Hallo",
    "hello",
    "no",
    "die",
    "was",
    "Luna?",
    "🛑",
    "👍👍👍",
    "12345",
    "¯\\_(ツ)_/¯",
    "ルナ",
    "露娜",
    "東京大学",
    "سلام",
    "سلام، حال شما چطور است؟",
    "آپ کیسے ہیں؟",
    "안녕하세요, 오늘 어때요?",
    "Привет, как дела?",
    "Bonjour, est-ce que tu peux m'aider avec ça ?",
    "Je ne sais pas où il est",
    "Ciao, come stai oggi? Cosa fai?",
    "Olá, você pode me ajudar com isso?",
    "Não sei como se faz isso, mas quero aprender",
    "Hallo, wie ben je en wat doe je?",
    "Kun je me helpen met het huis?",
    "Hvad er det du vil have?",
    "jag vet inte vad det är",
    "https://example.org/the/and/you/are",
    "`the and you are`",
    "@the:you.are #and:is.org",
]


@pytest.mark.parametrize(("text", "language"), KNOWN)
def test_everyday_sentences_are_recognised(text: str, language: str) -> None:
    assert guess(text) == language


@pytest.mark.parametrize("text", UNKNOWN)
def test_what_is_short_ambiguous_or_of_another_language_is_not_guessed(text: str) -> None:
    assert guess(text) == ""


def test_a_quoted_passage_does_not_count() -> None:
    assert guess("> what do you think about the weather?\nIch weiß es nicht, aber du") == "de"


def test_a_foreign_word_in_a_sentence_does_not_change_its_language() -> None:
    assert guess("I love カラオケ and you are great at it") == "en"
    assert guess("これは machine learning の話ですか") == "ja"
    assert guess("我很喜欢这个 open source 项目") == "zh"


def test_the_guess_of_our_own_sentences_is_right_or_empty() -> None:
    for language, words in wording.LANGUAGES.items():
        for key in words:
            values = dict.fromkeys(wording.KEYS[key], "x")
            assert guess(wording.sentence(key, language, **values)) in {language, ""}, key
