"""Servers that speak the chat completions API, with their manners and faults."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.prompt import Finished
from bridge.engine.openai import MAX_STOPS, OpenAIEngine, base_of, from_wire
from bridge.engine.sse import Events
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


async def test_the_key_is_sent_and_never_told(fake: FakeOpenAI) -> None:
    fake.key = "sk-secret"
    engine = make(fake.url, api_key="sk-secret")
    await ask(engine)
    await engine.close()
    wrong = make(fake.url, api_key="sk-wrong", model="tiny-chat")
    problem = await problem_of(wrong)
    await wrong.close()
    assert isinstance(problem, EngineUnreachable)
    assert "api_key" in str(problem)
    assert "sk-wrong" not in str(problem)


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


# -- what comes


@pytest.mark.parametrize("cut", [0, 1, 3, 7])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
async def test_the_reply_is_whole_however_it_is_cut(
    fake: FakeOpenAI, engine: OpenAIEngine, cut: int, line_end: str
) -> None:
    fake.cut, fake.line_end = cut, line_end
    text, end = await ask(engine)
    assert text == SAID
    assert end == Finished(reason="stop", model="tiny-chat", prompt_tokens=11, reply_tokens=5)


async def test_a_reply_that_ran_out_of_tokens_says_so(
    fake: FakeOpenAI, engine: OpenAIEngine
) -> None:
    _, end = await ask(engine, replace(PROMPT, max_tokens=2))
    assert end.reason == "length"


async def test_a_stream_without_its_last_mark_is_complete_once_it_has_a_reason(
    fake: FakeOpenAI, engine: OpenAIEngine
) -> None:
    fake.ending = "silent"
    assert (await ask(engine))[0] == SAID


@pytest.mark.parametrize("ending", ["early", "error"])
async def test_a_stream_that_breaks_off_is_no_reply(
    fake: FakeOpenAI, engine: OpenAIEngine, ending: str
) -> None:
    fake.ending = ending
    assert isinstance(await problem_of(engine), EngineBroken)


async def test_reasoning_is_never_part_of_the_reply(fake: FakeOpenAI, engine: OpenAIEngine) -> None:
    fake.reasoning = "Let me think."
    fake.reply = "<think>secret thoughts</think>" + SAID
    assert (await ask(engine))[0] == SAID


async def test_reasoning_without_an_opening_mark_is_dropped_once_and_then_known(
    fake: FakeOpenAI, engine: OpenAIEngine
) -> None:
    fake.reply = "secret thoughts</think>" + SAID
    assert isinstance(await problem_of(engine), EngineBroken)
    assert (await ask(engine))[0] == SAID


# -- what servers refuse


@pytest.mark.parametrize("extra", ["stream_options", "chat_template_kwargs"])
async def test_an_extra_that_is_refused_is_left_out_from_then_on(
    fake: FakeOpenAI, engine: OpenAIEngine, extra: str
) -> None:
    fake.refuses = {extra}
    assert (await ask(engine))[0] == SAID
    assert (await ask(engine))[0] == SAID
    assert [extra in body for body in fake.seen] == [True, False, False]


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


async def test_a_server_that_says_nothing_or_stops_times_out(fake: FakeOpenAI) -> None:
    engine = make(fake.url, model="tiny-chat", first_token_timeout_s=0.2, stall_timeout_s=0.2)
    fake.stall_after = 3
    assert isinstance(await problem_of(engine), EngineTimeout)
    fake.first_delay_s = 60
    assert isinstance(await problem_of(engine), EngineTimeout)
    await engine.close()


async def test_closing_the_stream_cancels_the_call(fake: FakeOpenAI, engine: OpenAIEngine) -> None:
    fake.stall_after = 4
    async with aclosing(engine.stream(PROMPT, affinity="room")) as deltas:
        await anext(deltas)
    for _ in range(100):
        if fake.cancelled:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the server did not notice")


# -- choosing


async def test_a_choice_is_read_off_the_likelihoods(fake: FakeOpenAI, engine: OpenAIEngine) -> None:
    fake.choice = {"A": -0.3, " N": -1.5, "x": -3.0}
    chances = await engine.choose(QUESTION, affinity="room")
    assert chances["A"] == pytest.approx(0.74, abs=0.01)
    assert chances["N"] == pytest.approx(0.22, abs=0.01)
    assert chances["B"] == 0
    assert fake.seen[-1]["max_tokens"] == 1


@pytest.mark.parametrize("refused", [set[str](), {"logprobs"}])
async def test_without_likelihoods_a_choice_comes_as_json(
    fake: FakeOpenAI, engine: OpenAIEngine, refused: set[str]
) -> None:
    fake.choice, fake.refuses, fake.tells_logprobs = {"B": -0.1}, refused, False
    assert await engine.choose(QUESTION, affinity="room") == {"B": 1.0}
    assert await engine.choose(QUESTION, affinity="room") == {"B": 1.0}
    assert sum("logprobs" in body for body in fake.seen) == 1


async def test_without_a_schema_a_choice_comes_in_plain_words(
    fake: FakeOpenAI, engine: OpenAIEngine
) -> None:
    fake.choice, fake.refuses = {"N": -0.1}, {"logprobs", "response_format"}
    assert await engine.choose(QUESTION, affinity="room") == {"N": 1.0}
    assert await engine.choose(QUESTION, affinity="room") == {"N": 1.0}
    assert len(fake.seen) == 4


# -- the wire


@given(st.text(max_size=200), st.lists(st.integers(1, 9), min_size=1))
def test_events_are_the_same_however_they_are_cut(text: str, cuts: list[int]) -> None:
    text = text.replace("\r", " ").encode("utf-8", "replace").decode()
    lines = [line for line in text.split("\n") if line]
    stream = "".join(f": note\ndata: {line}\n\n" for line in lines).encode()
    events, found, at = Events(), list[str](), 0
    for n in range(len(stream)):
        size = cuts[n % len(cuts)]
        found += events.feed(stream[at : at + size])
        at += size
        if at >= len(stream):
            break
    found += events.rest()
    assert found == lines


@given(st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["choices", "delta", "content", "usage", "error", "model", "finish_reason",
                         "prompt_tokens"]), inner, max_size=4),
    max_leaves=12,
))  # fmt: skip
def test_no_event_crashes_the_reader(value: object) -> None:
    from_wire(json.dumps(value))


def test_what_is_no_json_is_no_chat_server() -> None:
    with pytest.raises(EngineBroken):
        from_wire("<html>")


def test_pictures_go_with_the_users_message() -> None:
    engine = make("http://nowhere")
    body: Any = engine.to_wire(replace(PROMPT, pictures=(b"jpeg",)))
    text, shown = body["messages"][-1]["content"]
    assert text == {"type": "text", "text": PROMPT.user}
    assert shown["image_url"]["url"] == "data:image/jpeg;base64,anBlZw=="
