"""Streams of replies as servers with the chat completions API send them, and break them off."""

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

from bridge.domain.prompt import Finished, TextDelta
from bridge.engine.completions import from_wire
from bridge.engine.openai import MAX_STOPS, OpenAIEngine
from bridge.errors import ContextTooLong, EngineBroken, EngineError, EngineTimeout
from tests.engine.asking import PROMPT, ask
from tests.fakes.openai import FakeOpenAI

SAID = "Grüße, 世界! 👋🏽 Alles gut?"
FIRST_S, STALL_S = 0.6, 0.25


@pytest.fixture
async def fake() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI(reply=SAID) as server:
        yield server


@pytest.fixture
async def engine(fake: FakeOpenAI) -> AsyncIterator[OpenAIEngine]:
    made = make(fake.url, stall_timeout_s=5.0)
    yield made
    await made.close()


@pytest.fixture
async def hasty(fake: FakeOpenAI) -> AsyncIterator[OpenAIEngine]:
    made = make(fake.url, first_token_timeout_s=FIRST_S, stall_timeout_s=STALL_S)
    yield made
    await made.close()


def make(url: str, **options: Any) -> OpenAIEngine:
    return OpenAIEngine(url, model="tiny-chat", **options)


async def problem_of(engine: OpenAIEngine) -> EngineError:
    with pytest.raises(EngineError) as caught:
        async with asyncio.timeout(4):
            await ask(engine)
    return caught.value


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


async def test_all_events_may_come_in_one_packet(fake: FakeOpenAI, engine: OpenAIEngine) -> None:
    fake.is_one_packet = True
    text, end = await ask(engine)
    assert (text, end.prompt_tokens) == (SAID, 11)


async def test_the_mark_of_the_end_is_an_end_without_a_reason(
    fake: FakeOpenAI, engine: OpenAIEngine
) -> None:
    fake.ending = "unexplained"
    assert await ask(engine) == (SAID, Finished(reason="stop", model="tiny-chat"))


@pytest.mark.parametrize("after", ["hang", "reset"])
@pytest.mark.parametrize("ending", ["done", "silent"])
async def test_what_happens_after_the_end_takes_nothing_from_the_reply(
    fake: FakeOpenAI, hasty: OpenAIEngine, ending: str, after: str
) -> None:
    fake.ending, fake.after = ending, after
    text, end = await ask(hasty)
    assert (text, end.reason, end.prompt_tokens) == (SAID, "stop", 11)


@pytest.mark.parametrize("ending", ["early", "error"])
async def test_a_stream_that_breaks_off_is_no_reply(
    fake: FakeOpenAI, engine: OpenAIEngine, ending: str
) -> None:
    fake.ending = ending
    assert isinstance(await problem_of(engine), EngineBroken)


@pytest.mark.parametrize("after", ["hang", "reset"])
async def test_a_stream_that_stops_before_its_end_is_no_reply(
    fake: FakeOpenAI, hasty: OpenAIEngine, after: str
) -> None:
    fake.ending, fake.after = "early", after
    problem = await problem_of(hasty)
    assert type(problem) is (EngineTimeout if after == "hang" else EngineBroken)


OVERFLOW = {"code": 400, "message": "the request exceeds the available context size"}


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (f"data: {json.dumps({'error': OVERFLOW})}\n\n", ContextTooLong),
        (f"error: {json.dumps(OVERFLOW)}\n\n", ContextTooLong),
        (f"data: {json.dumps({'object': 'error'} | OVERFLOW)}\n\n", ContextTooLong),
        ('data: {"error": "out of memory"}\n\n', EngineBroken),
        ("error: out of memory\n\n", EngineBroken),
        ("data: <html>\n\n", EngineBroken),
        ("<html>Welcome</html>", EngineBroken),
        ("", EngineBroken),
    ],
)
async def test_an_error_instead_of_a_reply_is_told_apart(
    fake: FakeOpenAI, engine: OpenAIEngine, raw: str, kind: type[EngineError]
) -> None:
    fake.raw = raw
    assert type(await problem_of(engine)) is kind


async def test_after_text_a_prompt_is_not_too_long_any_more(
    fake: FakeOpenAI, engine: OpenAIEngine
) -> None:
    said = {"choices": [{"delta": {"content": "Hello"}}]}
    fake.raw = f"data: {json.dumps(said)}\n\ndata: {json.dumps({'error': OVERFLOW})}\n\n"
    assert type(await problem_of(engine)) is EngineBroken


async def test_an_error_that_repeats_the_prompt_is_withheld(
    fake: FakeOpenAI, engine: OpenAIEngine
) -> None:
    fake.raw = f"data: {json.dumps({'error': 'cannot parse: ' + PROMPT.system})}\n\n"
    assert PROMPT.system not in str(await problem_of(engine))


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
async def test_reasoning_is_never_part_of_the_reply(
    fake: FakeOpenAI, engine: OpenAIEngine, name: str
) -> None:
    fake.reasoning, fake.reasoning_field = "Let me think.", name
    fake.reply = "<think>secret thoughts</think>" + SAID
    assert (await ask(engine))[0] == SAID


async def test_reasoning_without_an_opening_mark_is_dropped_once_and_then_known(
    fake: FakeOpenAI, engine: OpenAIEngine
) -> None:
    fake.reply = "secret thoughts</think>" + SAID
    assert isinstance(await problem_of(engine), EngineBroken)
    assert (await ask(engine))[0] == SAID


async def test_calls_of_tools_are_no_part_of_the_reply(
    fake: FakeOpenAI, engine: OpenAIEngine
) -> None:
    fake.calls_tool = True
    assert (await ask(engine))[0] == SAID


@pytest.mark.parametrize("max_tokens", [400, 5])
async def test_the_stop_strings_that_are_not_sent_cut_the_reply_here(
    fake: FakeOpenAI, engine: OpenAIEngine, max_tokens: int
) -> None:
    stops = ("<a>", "<b>", "<c>", "<d>", "<|end of|>")
    fake.reply = "All is well.<|end of|>Alice: and now?"
    text, end = await ask(engine, replace(PROMPT, stop=stops, max_tokens=max_tokens))
    assert fake.seen[-1]["stop"] == list(stops[:MAX_STOPS])
    assert (text, end.reason, end.prompt_tokens) == ("All is well.", "stop", 11)


# -- how long it may take


@pytest.mark.parametrize(
    ("pieces", "said"),
    # A comment and a role come first: neither is a word.
    [(1, "did not begin"), (2, "did not begin"), (3, "stopped in the middle")],
)
@pytest.mark.parametrize("has_pings", [False, True])
async def test_waiting_has_an_end_however_alive_the_server_seems(
    fake: FakeOpenAI, hasty: OpenAIEngine, pieces: int, said: str, has_pings: bool
) -> None:
    fake.stall_after, fake.pings_after = (0, pieces) if has_pings else (pieces, None)
    began_s = asyncio.get_running_loop().time()
    problem = await problem_of(hasty)
    assert isinstance(problem, EngineTimeout)
    assert said in str(problem)
    waited_s = asyncio.get_running_loop().time() - began_s
    assert waited_s >= (FIRST_S if said == "did not begin" else STALL_S)
    await asyncio.wait_for(fake.left.wait(), 3)


async def test_a_server_that_takes_its_time_to_begin_is_waited_for(
    fake: FakeOpenAI, hasty: OpenAIEngine
) -> None:
    fake.first_delay_s = (FIRST_S + STALL_S) / 2
    assert (await ask(hasty))[0] == SAID


async def test_a_model_that_thinks_is_at_work(fake: FakeOpenAI, hasty: OpenAIEngine) -> None:
    fake.reasoning, fake.stall_after = "Hm.", 3
    assert "stopped in the middle" in str(await problem_of(hasty))


async def test_a_slow_reader_is_no_stall_of_the_engine(
    fake: FakeOpenAI, hasty: OpenAIEngine
) -> None:
    text = ""
    async with aclosing(hasty.stream(PROMPT, affinity="room")) as deltas:
        async for delta in deltas:
            await asyncio.sleep(0 if text else 1.5 * STALL_S)
            text += delta.text if isinstance(delta, TextDelta) else ""
    assert text == SAID


async def test_closing_the_stream_cancels_the_call(fake: FakeOpenAI, engine: OpenAIEngine) -> None:
    fake.stall_after = 4
    async with aclosing(engine.stream(PROMPT, affinity="room")) as deltas:
        await anext(deltas)
    await asyncio.wait_for(fake.left.wait(), 3)


@pytest.mark.parametrize("stall_after", [1, 4])
async def test_cancelling_the_reader_cancels_the_call(
    fake: FakeOpenAI, engine: OpenAIEngine, stall_after: int
) -> None:
    fake.stall_after = stall_after
    task = asyncio.create_task(ask(engine))
    await fake.asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(fake.left.wait(), 3)


# -- the wire


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
