"""Servers that speak the chat completions API, with their manners and faults."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from bridge.engine.openai import MAX_STOPS, OpenAIEngine, base_of
from bridge.errors import (
    ContextTooLong,
    EngineBroken,
    EngineError,
    EngineTimeout,
    EngineUnreachable,
    ModelMissing,
)
from tests.engine.asking import PROMPT, SCENE, ask
from tests.fakes.openai import FakeOpenAI
from tests.lab.ports import free_port

SAID = "Grüße, 世界! 👋🏽 Alles gut?"
QUESTION = replace(
    PROMPT, scene=replace(SCENE, choices=(("A", "luna"), ("B", "👍"), ("N", ""))), max_tokens=1
)


@pytest.fixture
async def fake() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI(reply=SAID) as server:
        yield server


@pytest.fixture
async def engine(fake: FakeOpenAI) -> AsyncIterator[OpenAIEngine]:
    made = make(fake.url)
    yield made
    await made.close()


def make(url: str, **options: Any) -> OpenAIEngine:
    return OpenAIEngine(url, **{"stall_timeout_s": 5.0} | options)


async def problem_of(engine: OpenAIEngine) -> EngineError:
    with pytest.raises(EngineError) as caught:
        await ask(engine)
    return caught.value


# -- what is sent


async def test_the_request_is_the_prompt(fake: FakeOpenAI, engine: OpenAIEngine) -> None:
    stops = tuple(f"<{n}" for n in range(9))
    await ask(engine, replace(PROMPT, stop=stops, temperature=0.3, max_tokens=77))
    (body,) = fake.seen
    assert body["messages"] == [
        {"role": "system", "content": PROMPT.system},
        {"role": "user", "content": PROMPT.user},
    ]
    assert (body["temperature"], body["max_tokens"], body["stream"]) == (0.3, 77, True)
    assert body["stop"] == list(stops[:MAX_STOPS])
    assert body["chat_template_kwargs"] == {"enable_thinking": False}


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("http://gpu:8000", "http://gpu:8000/v1"),
        ("http://gpu:8000/", "http://gpu:8000/v1"),
        ("http://gpu:8000/v1", "http://gpu:8000/v1"),
        ("http://gpu:8000/v1/chat/completions", "http://gpu:8000/v1"),
        ("https://proxy.example/openai/v1/", "https://proxy.example/openai/v1"),
        ("https://gemini.example/v1beta", "https://gemini.example/v1beta"),
        (" gpu:8000 ", "http://gpu:8000/v1"),
        ("http://[::1]:8000/v1/models", "http://[::1]:8000/v1"),
        ("http://user:pass@gpu/v1?a=b#c", "http://gpu/v1"),
        ("http://user:pass@[gpu", "[gpu"),
    ],
)
def test_an_address_is_taken_with_and_without_its_tail(given: str, base: str) -> None:
    assert base_of(given) == base


async def test_without_a_model_the_first_that_is_listed_is_asked(
    fake: FakeOpenAI, engine: OpenAIEngine
) -> None:
    fake.models = ("first", "second")
    _, end = await ask(engine)
    assert end.model == "first"
    assert engine.label == "first"


async def test_the_key_is_sent_and_never_told_though_the_server_repeats_it(
    fake: FakeOpenAI,
) -> None:
    fake.key = "sk-secret"
    engine = make(fake.url, api_key="sk-secret\n")
    await ask(engine)
    await engine.close()
    for model in ("tiny-chat", ""):
        wrong = make(fake.url, api_key="sk-wrong", model=model)
        problem = await problem_of(wrong)
        await wrong.close()
        assert isinstance(problem, EngineUnreachable)
        assert "Incorrect API key provided: ***." in str(problem)
        assert "engine.api_key" in str(problem)
        assert "sk-wrong" not in str(problem)


async def test_without_a_key_none_is_sent(fake: FakeOpenAI, engine: OpenAIEngine) -> None:
    await ask(engine)
    assert not [head for head in fake.headers if "Authorization" in head]


async def test_a_password_in_the_address_is_neither_sent_nor_told(fake: FakeOpenAI) -> None:
    engine = make(fake.url.replace("//", "//me:hunter2@") + "?key=hunter3", model="tiny-chat")
    assert (await ask(engine))[0] == SAID
    await engine.close()
    assert "Authorization" not in fake.headers[-1]
    away = make(f"http://me:hunter2@127.0.0.1:{free_port()}?key=hunter3", model="x")
    said = str(await problem_of(away))
    await away.close()
    assert said.startswith("No model server answers at http://127.0.0.1:")
    assert "hunter" not in said


async def test_redirects_are_not_followed_with_the_key(
    fake: FakeOpenAI, engine: OpenAIEngine
) -> None:
    fake.status = 307
    made = make(fake.url, model="tiny-chat", api_key="sk-secret")
    assert "redirects" in str(await problem_of(made))
    assert len(fake.headers) == 2  # the list of models, and the call
    await made.close()


@pytest.mark.parametrize(
    ("owner", "system"), [("vllm", "shared"), ("sglang", "shared"), ("llamacpp", "room")]
)
async def test_what_rooms_share_comes_first_where_the_server_shares_it(
    fake: FakeOpenAI, owner: str, system: str
) -> None:
    fake.owner = owner
    engine = make(fake.url, model="tiny-chat")
    prompt = replace(PROMPT, system="room", system_shared_first="shared")
    await ask(engine, prompt)
    await engine.close()
    assert fake.seen[0]["messages"][0]["content"] == system


async def test_a_server_that_lists_no_models_is_asked_all_the_same() -> None:
    async with FakeOpenAI(reply=SAID) as fake:
        engine = make(fake.url.replace("/v1", "") + "/v2", model="tiny-chat")
        assert isinstance(await problem_of(engine), EngineBroken)
        await engine.close()


# -- what servers refuse (see test_refusals.py)


@pytest.mark.parametrize(
    ("status", "problem", "kind"),
    [
        (400, "This model's maximum context length is 4096 tokens.", ContextTooLong),
        (400, "the request exceeds the available context size", ContextTooLong),
        (500, "context size has been exceeded", ContextTooLong),
        (404, "The model `x` does not exist.", ModelMissing),
        (404, "Not Found", EngineBroken),
        (401, "bad key", EngineUnreachable),
        (429, "slow down", EngineUnreachable),
        (503, "loading model", EngineUnreachable),
        (504, "gateway timeout", EngineTimeout),
        (500, "oops", EngineBroken),
        (400, "oops", EngineBroken),
    ],
)
async def test_refusals_are_told_apart(
    fake: FakeOpenAI, status: int, problem: str, kind: type[EngineError]
) -> None:
    engine = make(fake.url, model="tiny-chat")
    fake.status, fake.problem = status, problem
    assert type(await problem_of(engine)) is kind
    await engine.close()


async def test_a_problem_that_repeats_the_prompt_is_not_told(fake: FakeOpenAI) -> None:
    engine = make(fake.url, model="tiny-chat")
    fake.status, fake.problem = 400, f"cannot parse: {PROMPT.system}"
    assert PROMPT.system not in str(await problem_of(engine))
    await engine.close()


async def test_a_server_that_is_not_there_is_unreachable() -> None:
    engine = make(f"http://127.0.0.1:{free_port()}", model="x")
    assert isinstance(await problem_of(engine), EngineUnreachable)
    await engine.close()


# -- choosing


async def test_a_choice_is_read_off_the_likelihoods(fake: FakeOpenAI, engine: OpenAIEngine) -> None:
    fake.choice = {"A": -0.3, " N": -1.5, "x": -3.0}
    chances = await engine.choose(QUESTION, affinity="room")
    assert chances["A"] == pytest.approx(0.74, abs=0.01)
    assert chances["N"] == pytest.approx(0.22, abs=0.01)
    assert chances["B"] == 0
    assert fake.seen[-1]["max_tokens"] == 1


async def test_a_server_that_tells_no_likelihoods_is_asked_for_json_from_then_on(
    fake: FakeOpenAI, engine: OpenAIEngine
) -> None:
    fake.choice, fake.tells_logprobs = {"B": -0.1}, False
    assert await engine.choose(QUESTION, affinity="room") == {"B": 1.0}
    assert await engine.choose(QUESTION, affinity="room") == {"B": 1.0}
    assert ["logprobs" in body for body in fake.seen] == [True, False, False]


async def test_without_a_schema_a_choice_comes_in_plain_words(
    fake: FakeOpenAI, engine: OpenAIEngine
) -> None:
    fake.choice, fake.refuses = {"N": -0.1}, {"logprobs", "response_format"}
    assert await engine.choose(QUESTION, affinity="room") == {"N": 1.0}


def test_pictures_go_with_the_users_message() -> None:
    engine = make("http://nowhere")
    body: Any = engine.to_wire(replace(PROMPT, pictures=(b"jpeg",)))
    text, shown = body["messages"][-1]["content"]
    assert text == {"type": "text", "text": PROMPT.user}
    assert shown["image_url"]["url"] == "data:image/jpeg;base64,anBlZw=="
