"""Who may hurt themselves is met with care; who exaggerates is not."""

from __future__ import annotations

import pytest

from bridge.policy.care import is_sign_of_harm
from bridge.policy.names import fold, own_words

SIGNS = [
    "I want to die",
    "i want to kill myself",
    "sometimes I think about killing myself",
    "I don't want to live anymore",
    "they'd be better off. I'm going to end my life",
    "I keep cutting myself",
    "ich will nicht mehr leben",
    "ich möchte sterben",
    "ich will mich umbringen",
    "quiero morir",
    "no quiero vivir más",
    "me voy a matar",
    "我想自杀",
    "不想活了",
    "死にたい",
    "自殺したい",
    "أريد أن أموت",
    "لا أريد أن أعيش",
]
HARMLESS = [
    "dying lol",
    "I'm dying 😂",
    "I could kill myself laughing",
    "this deadline is killing me",
    "I want to die of embarrassment",
    "my battery is dying",
    "the plant died",
    "kill the process with -9",
    "how do I kill a zombie process?",
    "that joke killed me haha",
    "I want to die lol",
    "ich lach mich tot",
    "ich sterbe vor Lachen",
    "me muero de risa",
    "me muero por verte",
    "笑死我了",
    "累死了",
    "かわいすぎて死ぬ",
    "死ぬほど疲れた",
    "متت من الضحك ههه",
    "the hero wants to die in the last act",
    "> I want to die\nwhat a line, which song is that?",
    "suicide squad is a film",
]


@pytest.mark.parametrize("text", SIGNS)
def test_signs_are_seen(text: str) -> None:
    assert is_sign_of_harm(own_words(text))


@pytest.mark.parametrize("text", HARMLESS)
def test_ways_of_speaking_are_none(text: str) -> None:
    assert not is_sign_of_harm(own_words(text))


@pytest.mark.parametrize(
    "text",
    [
        "I just want to die",
        "I don’t want to live anymore",
        "I don't want to live any more",
        "I wish I was dead",
        "i wanna die",
        "I want to kill myself, not joking, no lol",
        "I will kill myself tonight",
        "ich möchte tot sein",
        "me quiero matar",
        "ya no quiero vivir",
        "我真的很想死",
        "生きたくない",
        "أفكر في الانتحار",
    ],
)
def test_plain_words_are_heard(text: str) -> None:
    assert is_sign_of_harm(fold(text))


@pytest.mark.parametrize(
    "text",
    [
        "bring mich um 8 nach Hause",
        "no quiero morir, tengo miedo al avión",
        "No quiero vivir en Madrid",
        "我要去死海旅游",
        "I want to kill myself in Minecraft",
        "I cut myself chopping onions",
        "I wanna die lol",
        "我笑死了哈哈",
    ],
)
def test_what_only_sounds_like_it_is_no_sign(text: str) -> None:
    assert not is_sign_of_harm(fold(text))
