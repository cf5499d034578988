"""A choice by one letter, with log-probabilities or without."""

from __future__ import annotations

import math

import pytest

from bridge.domain.ids import PuppetId
from bridge.domain.prompt import Prompt, Scene
from bridge.engine.choosing import chances_of, chosen_of
from bridge.engine.ollama import OllamaEngine
from bridge.errors import EngineError
from tests.fakes.ollama import FakeOllama

LETTERS = ["A", "B", "N"]
PROMPT = Prompt(
    system="s",
    user="u",
    max_tokens=1,
    scene=Scene(
        puppet_id=PuppetId("luna"),
        speaker="",
        choices=(("A", "luna"), ("B", "nova"), ("N", "")),
    ),
)


def top(*pairs: tuple[object, object]) -> dict[str, object]:
    listed = [{"token": token, "logprob": logprob} for token, logprob in pairs]
    return {"logprobs": [{"token": "x", "logprob": -1, "top_logprobs": listed}]}


def test_the_chance_of_a_letter_is_that_of_all_its_spellings() -> None:
    found = chances_of(top(("A", -1.0), (" a", -2.0), ("N", -0.5), ("Z", -0.1)), LETTERS)
    assert found is not None
    assert found["A"] == pytest.approx(math.exp(-1) + math.exp(-2))
    assert found["N"] == pytest.approx(math.exp(-0.5))
    assert found["B"] == 0


@pytest.mark.parametrize(
    "answer",
    [{}, {"logprobs": None}, {"logprobs": []}, {"logprobs": [5]}],
)
def test_without_log_probabilities_nothing_is_known(answer: dict[str, object]) -> None:
    assert chances_of(answer, LETTERS) is None


def test_nonsense_is_no_chance() -> None:
    assert chances_of(top((None, -1), ("A", "x"), ("A", True)), LETTERS) is not None


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('{"choice": "B"}', {"B": 1.0}),
        ('{"choice": "Q"}', {}),
        ('{"choice": 4}', {}),
        ("b.", {"B": 1.0}),
        ("[]", {}),
        ("", {}),
    ],
)
def test_an_answer_in_json_is_certain_or_nothing(content: str, found: dict[str, float]) -> None:
    assert chosen_of({"message": {"content": content}}, LETTERS) == found


async def test_the_engine_asks_for_one_token() -> None:
    async with FakeOllama() as ollama:
        ollama.choice = "B"
        engine = OllamaEngine(ollama.url)
        chances = await engine.choose(PROMPT, affinity="!r")
        await engine.close()
        (body,) = ollama.chats()
    assert max(chances, key=lambda letter: chances[letter]) == "B"
    assert body["options"]["num_predict"] == 1
    assert body["logprobs"] is True


async def test_a_server_without_log_probabilities_answers_in_json_from_then_on() -> None:
    async with FakeOllama() as ollama:
        ollama.choice, ollama.tells_logprobs = "A", False
        engine = OllamaEngine(ollama.url)
        assert await engine.choose(PROMPT, affinity="!r") == {"A": 1.0}
        assert await engine.choose(PROMPT, affinity="!r") == {"A": 1.0}
        await engine.close()
        assert ["format" in body for body in ollama.chats()] == [False, True, True]


async def test_a_server_that_is_away_is_an_engine_error() -> None:
    engine = OllamaEngine("http://127.0.0.1:1", model="m")
    with pytest.raises(EngineError):
        await engine.choose(PROMPT, affinity="!r")
    await engine.close()
