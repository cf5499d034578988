from __future__ import annotations

import asyncio
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.clock import FakeClock
from bridge.domain.prompt import Prompt, TextDelta
from bridge.engine.demo import LABEL, WORD_DELAY_S, DemoEngine, answer, language_of
from bridge.engine.demo_phrases import PHRASES
from tests.engine.asking import PROMPT, SCENE, asked

NOW_MS = 1_764_000_000_000


def said(prompt: Prompt) -> str:
    return answer(prompt.scene, NOW_MS)


def is_honest(text: str) -> bool:
    return any(sentence in text for phrases in PHRASES.values() for sentence in phrases.no_model)


@pytest.mark.parametrize(
    ("question", "language", "holds"),
    [
        ("Luna, who are you?", "", "Luna"),
        ("are you a real AI?", "", "Luna"),
        ("wer bist du?", "", "Luna"),
        ("¿quién eres?", "", "Luna"),
        ("你是谁？", "", "Luna"),
        ("あなたは誰ですか", "", "Luna"),
        ("من أنت؟", "", "Luna"),
        ("help", "", "12*7"),
        ("帮助", "", "12*7"),
        ("what time is it in Lisbon?", "", "16:00 UTC"),
        ("wie spät ist es?", "", "16:00 UTC"),
        ("why is the sky blue?", "", "why is the sky blue"),
        ("空はなぜ青いの？", "", "空はなぜ青いの"),
        ("hello", "ar", "Luna"),
    ],
)
def test_it_answers_plainly_and_says_what_it_is(question: str, language: str, holds: str) -> None:
    text = said(asked(question, language=language))
    assert holds in text
    assert is_honest(text)


@pytest.mark.parametrize(
    ("question", "holds"),
    [
        ("2+2?", "4"),
        ("What is 12 * 7", "84"),
        ("7 / 2 =", "3.5"),
        ("0.1+0.2", "0.3"),
        ("٣+٤", "7"),
        ("Luna, was ist 3x4?", "12"),
    ],
)
def test_it_can_do_a_sum(question: str, holds: str) -> None:
    assert holds in said(asked(question))


@pytest.mark.parametrize("question", ["2024-05-01?", "1/0", "1,000*2", "v1.2.3-4"])
def test_what_only_looks_like_a_sum_is_not_calculated(question: str) -> None:
    assert is_honest(said(asked(question)))


def test_it_greets_as_its_persona_does() -> None:
    scene = replace(SCENE, question="Hi Luna!", greeting="The stars say hello")
    text = answer(scene, NOW_MS)
    assert text.startswith("The stars say hello.")
    assert is_honest(text)


def test_it_says_its_description() -> None:
    scene = replace(SCENE, question="who are you", description="a stargazer")
    assert "a stargazer." in answer(scene, NOW_MS)


@pytest.mark.parametrize("language", sorted(PHRASES))
def test_without_a_name_of_the_asker_the_sentences_still_read_well(language: str) -> None:
    for question in ("", "hola", "danke", "bye"):
        text = said(asked(question, asker="", language=language))
        assert "{" not in text
        assert not text.startswith((",", "，", "、", "!", "さん"))
        assert " !" not in text


def test_different_questions_get_different_answers_the_same_question_the_same() -> None:
    answers = {said(asked(f"why is number {n} odd")) for n in range(20)}
    assert len(answers) == 20
    openings = {text.partition(" ")[0] for text in answers}
    assert len(openings) > 1
    assert said(asked("why?")) == said(asked("why?"))


def test_markup_links_and_room_pings_of_a_question_are_not_repeated() -> None:
    text = said(asked("@room see [this](https://evil.example/x) <b>now</b> *ok*"))
    assert not any(part in text for part in ("@", "[", "<", "*", "evil"))


def test_every_language_has_every_sentence() -> None:
    assert set(PHRASES) == {"en", "zh", "ja", "de", "es", "ar"}
    for phrases in PHRASES.values():
        assert all(getattr(phrases, field.name) for field in fields(phrases))


@pytest.mark.parametrize(
    ("language", "question", "answered_in"),
    [("de-AT", "", "de"), ("zh_TW", "", "zh"), ("fr", "¿qué?", "en"), ("", "hi", "en")],
)
def test_the_language_asked_for_decides(language: str, question: str, answered_in: str) -> None:
    assert language_of(language, question) == answered_in


@given(st.text(max_size=80), st.text(max_size=10), st.text(max_size=10))
def test_any_question_gets_a_short_answer(question: str, asker: str, speaker: str) -> None:
    text = said(asked(question, asker=asker, speaker=speaker))
    assert 0 < len(text) < 400


async def test_it_speaks_word_by_word_as_the_clock_goes() -> None:
    clock = FakeClock()
    heard: list[str] = []

    async def listen() -> None:
        async for delta in DemoEngine(clock).stream(PROMPT, affinity=""):
            match delta:
                case TextDelta():
                    heard.append(delta.text)
                case _:
                    heard.append("")

    task = asyncio.create_task(listen())
    await clock.settle()
    assert not heard
    await clock.advance_to(clock.now() + int(WORD_DELAY_S * 1000) * 2)
    assert len(heard) == 2
    await clock.advance_to(clock.now() + 10_000)
    await task
    assert "".join(heard) == said(PROMPT)


def test_its_label_says_that_no_model_is_connected() -> None:
    assert DemoEngine(FakeClock()).label == LABEL == "demo engine, no AI model connected"
