"""What servers say when they refuse a call: those of vLLM, SGLang, llama.cpp, LM Studio, OpenAI."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from bridge.engine.http import error_text
from bridge.engine.openai import OpenAIEngine
from bridge.engine.refusals import refusal
from bridge.errors import ContextTooLong, EngineBroken, EngineError, EngineUnreachable, ModelMissing
from tests.engine.asking import PROMPT, SCENE, ask
from tests.fakes.openai import FakeOpenAI, serving

QUESTION = replace(
    PROMPT, scene=replace(SCENE, choices=(("A", "luna"), ("N", ""))), max_tokens=1
)  # fmt: skip
EXTRAS = ("stream_options", "chat_template_kwargs")


@pytest.fixture
async def fake() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI(choice={"A": -0.1}) as server:
        yield server


@pytest.fixture
async def engine(fake: FakeOpenAI) -> AsyncIterator[OpenAIEngine]:
    made = OpenAIEngine(fake.url, model="tiny-chat", stall_timeout_s=5.0)
    yield made
    await made.close()


async def problem_of(engine: OpenAIEngine) -> EngineError:
    with pytest.raises(EngineError) as caught:
        await ask(engine)
    return caught.value


def kind_of(status: int, problem: str) -> type[EngineError]:
    return type(refusal("The server", status, problem, shown=problem, model="m"))


# -- words


@pytest.mark.parametrize(
    "problem",
    [
        "This model's maximum context length is 4097 tokens. However, your messages resulted in "
        "6988 tokens.",
        "The input (131123 tokens) is longer than the model's context length (131072 tokens).",
        "request (9412 tokens) exceeds the available context size (8192 tokens), try increasing it",
        "Input length 131393 exceeds the maximum allowed input length of 131040 tokens.",
        "Trying to keep the first 111490 tokens when context the overflows. However, the model is "
        "loaded with context length of only 32768 tokens",
        "Cannot truncate prompt with n_keep (15028) >= n_ctx (7424)",
        "The decoder prompt (length 9000) is longer than the maximum model length of 4096.",
        "max_tokens must be at least 1, got -186.",
        "input is too large to process. increase the physical batch size",
        "Please reduce the length of the messages or completion.",
        "Prompt is too long",
        "Your request is not acceptable (context_length_exceeded)",
    ],
)
def test_a_prompt_beyond_the_window_is_known_by_each_servers_words(problem: str) -> None:
    assert kind_of(400, problem) is ContextTooLong


@pytest.mark.parametrize(
    "problem",
    [
        "The model `x` does not exist.",
        'Model "x" not found, try pulling it first',
        "No models loaded. Please load a model in the developer page.",
        "Invalid model name passed in model=x",
        "x is not a valid model ID",
        "Refused (model_not_found)",
        "The model does not support Chat Completions API",
    ],
)
def test_a_model_that_is_missing_is_known_by_each_servers_words(problem: str) -> None:
    assert kind_of(400, problem) is ModelMissing


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        (400, "The model produced invalid output"),
        (400, "This model does not support logprobs"),
        (400, "temperature must be between 0 and 2"),
        (400, ""),
        (500, "the model runner crashed"),
    ],
)
def test_other_reasons_are_neither(status: int, problem: str) -> None:
    assert kind_of(status, problem) is EngineBroken


def test_a_rate_limit_in_tokens_is_no_prompt_that_is_too_long() -> None:
    assert kind_of(429, "Rate limit exceeded: too many tokens per minute") is EngineUnreachable


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ("busy", "busy"),
        ({"message": "No.", "code": "context_length_exceeded"}, "No. (context_length_exceeded)"),
        ({"message": "No.", "code": 400}, "No."),
        ([{"loc": ["body", "stop"], "msg": "too many"}], "body.stop: too many"),
        ('{"error": {"code": 400, "message": "No."}}', "No."),
        ("{oh} no", "{oh} no"),
        (["odd"], "odd"),
        ([], "unknown error"),
        ({}, "unknown error"),
        (None, "unknown error"),
    ],
)
def test_errors_are_read_in_every_shape(error: object, text: str) -> None:
    assert error_text(error) == text


# -- extras


@pytest.mark.parametrize("names_fields", [True, False])
@pytest.mark.parametrize("refused", [{EXTRAS[0]}, {EXTRAS[1]}, set(EXTRAS)])
async def test_just_the_extras_that_are_refused_are_left_out(
    fake: FakeOpenAI, engine: OpenAIEngine, refused: set[str], names_fields: bool
) -> None:
    fake.refuses, fake.names_fields = refused, names_fields
    await ask(engine)
    tried = len(fake.seen)
    await ask(engine)
    assert len(fake.seen) == tried + 1, "it was tried again"
    assert {name for name in EXTRAS if name not in fake.seen[-1]} == refused


async def test_a_call_that_fails_for_another_reason_gives_up_no_extra(
    fake: FakeOpenAI, engine: OpenAIEngine
) -> None:
    fake.status = 400
    for problem in ("unknown failure of a kernel", "", {"odd": 1}):
        fake.problem = problem
        assert type(await problem_of(engine)) is EngineBroken
    fake.status = 200
    await ask(engine)
    assert all(name in fake.seen[-1] for name in EXTRAS)


async def test_what_was_taken_once_is_not_suspected_later(
    fake: FakeOpenAI, engine: OpenAIEngine
) -> None:
    await ask(engine)
    fake.status, fake.problem = 400, "Bad Request"
    await problem_of(engine)
    assert len(fake.seen) == 2


async def test_a_server_that_was_replaced_by_a_pickier_one_is_understood_after_one_failure(
    fake: FakeOpenAI, engine: OpenAIEngine
) -> None:
    await ask(engine)
    fake.refuses, fake.names_fields = set(EXTRAS), False
    await problem_of(engine)
    await ask(engine)
    assert not set(EXTRAS) & set(fake.seen[-1])


async def test_a_model_that_has_gone_is_missed_once_and_then_another_is_chosen(
    fake: FakeOpenAI,
) -> None:
    engine = OpenAIEngine(fake.url)
    await ask(engine)
    fake.models = ("other-chat",)
    assert isinstance(await problem_of(engine), ModelMissing)
    assert (await ask(engine))[1].model == engine.label == "other-chat"
    await engine.close()


async def test_a_prompt_that_is_too_long_is_not_sent_again(
    fake: FakeOpenAI, engine: OpenAIEngine
) -> None:
    fake.window_tokens = 3
    assert isinstance(await problem_of(engine), ContextTooLong)
    assert len(fake.seen) == 1


async def test_a_refusal_that_lists_fields_is_understood() -> None:
    seen: list[Any] = []

    async def chat(request: web.Request) -> web.Response:
        seen.append(await request.json())
        if "chat_template_kwargs" not in seen[-1]:
            return web.Response(text="data: [DONE]\n\n", content_type="text/event-stream")
        entry = {"loc": ["body", "chat_template_kwargs"], "msg": "Extra inputs are not permitted"}
        return web.json_response({"detail": [entry]}, status=422)

    async with serving(chat) as url:
        engine = OpenAIEngine(url, model="m")
        await ask(engine)
        await engine.close()
    assert [sorted(set(EXTRAS) & set(body)) for body in seen] == [sorted(EXTRAS), [EXTRAS[0]]]


# -- choosing


@pytest.mark.parametrize("names_fields", [True, False])
@pytest.mark.parametrize(
    ("refused", "form"),
    [
        ({"logprobs"}, "response_format"),
        ({"logprobs", "response_format"}, ""),
        ({"chat_template_kwargs"}, "logprobs"),
        ({"chat_template_kwargs", "logprobs"}, "response_format"),
    ],
)
async def test_a_choice_is_asked_for_in_the_best_form_that_is_taken(
    fake: FakeOpenAI, engine: OpenAIEngine, refused: set[str], form: str, names_fields: bool
) -> None:
    fake.refuses, fake.names_fields = refused, names_fields
    for _ in range(2):
        tried = len(fake.seen)
        chances = await engine.choose(QUESTION, affinity="room")
        assert max(chances, key=lambda letter: chances[letter]) == "A"
        assert not refused & set(fake.seen[-1])
        assert form in fake.seen[-1] or not form
    assert len(fake.seen) == tried + 1, "it was not remembered"


@pytest.mark.parametrize("problem", ["The model `x` does not exist.", "Bad Request"])
async def test_a_choice_that_fails_for_another_reason_gives_up_no_form(
    fake: FakeOpenAI, engine: OpenAIEngine, problem: str
) -> None:
    fake.status, fake.problem = 400, problem
    with pytest.raises(EngineError):
        await engine.choose(QUESTION, affinity="room")
    fake.status = 200
    await engine.choose(QUESTION, affinity="room")
    assert fake.seen[-1]["logprobs"] is True
    assert "chat_template_kwargs" in fake.seen[-1]


async def test_a_form_that_was_taken_once_is_given_up_only_for_the_second_failure(
    fake: FakeOpenAI, engine: OpenAIEngine
) -> None:
    await engine.choose(QUESTION, affinity="room")
    fake.refuses, fake.names_fields = {"logprobs"}, False
    with pytest.raises(EngineBroken):
        await engine.choose(QUESTION, affinity="room")
    assert await engine.choose(QUESTION, affinity="room") == {"A": 1.0}


async def test_a_choice_is_no_stream_and_thinks_no_thoughts(
    fake: FakeOpenAI, engine: OpenAIEngine
) -> None:
    await engine.choose(QUESTION, affinity="room")
    body = fake.seen[-1]
    assert body["stream"] is False
    assert "stream_options" not in body
    assert (body["max_tokens"], body["top_logprobs"], body["temperature"]) == (1, 20, 0)
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
