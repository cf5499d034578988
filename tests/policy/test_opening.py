from __future__ import annotations

import pytest

from bridge.domain.ids import PuppetId
from bridge.policy.names import fold
from bridge.policy.opening import called_first, without_call

NAMES = {
    PuppetId("luna"): ("luna (ai)", "luna", "露娜", "لونا"),
    PuppetId("nova"): ("nova (ai)", "nova"),
    PuppetId("strasse"): (fold("Straße"),),
}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Luna, who are you?", "who are you?"),
        ("Nova and Luna, hello", "hello"),
        ("Luna, Nova: What is NATO?", "What is NATO?"),
        ("Luna, Nova is wrong", "Nova is wrong"),
        ("Hello Luna, who are you?", "Hello who are you?"),
        ("Hello Luna!", "Hello"),
        ("LUNA (AI): 12*7?", "12*7?"),
        ("@luna hi", "hi"),
        ("Luna?", "?"),
        ("露娜，你是谁？", "你是谁？"),
        ("لونا، من أنت؟", "من أنت؟"),
        ("Straße, ist das Weiß?", "ist das Weiß?"),
        ("what does Luna think?", "what does Luna think?"),
        ("", ""),
    ],
)
def test_the_names_that_a_message_begins_by_calling_are_left_out(text: str, left: str) -> None:
    assert without_call(text, NAMES) == left


@pytest.mark.parametrize(
    "text",
    [
        "Luna is great",
        "Luna was wrong about that",
        "Luna has a point",
        "luna isn't here today",
        "Luna and Nova are fun",
        "Luna said it first",
        "hey Luna is back",
        "Luna ist toll",
        "Luna hat recht",
        "Luna es genial",
        "Luna dice que no",
    ],
)
def test_a_statement_about_somebody_calls_nobody(text: str) -> None:
    assert called_first(fold(text), NAMES) == {}


@pytest.mark.parametrize(
    "text",
    [
        "Luna, is great the right word",
        "Luna is it raining",
        "Luna is that so?",
        "Luna has anybody seen my keys",
        "Luna: was wrong, sorry",
        "Luna ist das richtig",
        "Luna ist das so?",
        "Luna es verdad?",
        "Luna tell me more",
        "Luna was machst du",
        "Luna islands are nice",
    ],
)
def test_a_question_to_somebody_calls_them(text: str) -> None:
    assert list(called_first(fold(text), NAMES)) == ["luna"]
