"""Tools in both dialects: what is sent, what calls come, and models that know none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.domain.tool import Step, Tool, ToolCall, ToolResult
from bridge.engine.ollama import OllamaEngine
from bridge.engine.openai import OpenAIEngine
from bridge.engine.tooling import MAX_ARGUMENTS_CHARS, MAX_CALLS, Collected, Piece, is_about_tools
from bridge.errors import EngineBroken
from tests.engine.asking import PROMPT, ask
from tests.fakes.ollama import FakeOllama
from tests.fakes.ollama_stream import FakeModel, Reply
from tests.fakes.openai import FakeOpenAI

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = (
    Tool(name="time", description="What time it is."),
    Tool(name="weather.forecast", description="Weather.", parameters=SCHEMA),
)
ASKED = replace(PROMPT, tools=TOOLS)
STEP = Step(
    said="Let me look.",
    calls=(ToolCall(name="weather.forecast", arguments='{"city": "Ulm"}', call_id="id7"),),
    results=(ToolResult(text="Data: sunny", outcome="ok"),),
)
SPECS = [
    {
        "type": "function",
        "function": {
            "name": "time",
            "description": "What time it is.",
            "parameters": {"type": "object", "properties": {}},
        },
    },
    {
        "type": "function",
        "function": {
            "name": "weather_forecast",
            "description": "Weather.",
            "parameters": SCHEMA,
        },
    },
]
TOOLED = FakeModel(name="qwen3:8b", capabilities=("completion", "tools"))
PLAIN = FakeModel(name="plain:1b", capabilities=("completion",))


@asynccontextmanager
async def ollama(
    model: str = "qwen3:8b", **options: Any
) -> AsyncIterator[tuple[FakeOllama, OllamaEngine]]:
    async with FakeOllama(models=(TOOLED, PLAIN), **options) as fake:
        engine = OllamaEngine(fake.url, model=model)
        yield fake, engine
        await engine.close()


@asynccontextmanager
async def openai(**options: Any) -> AsyncIterator[tuple[FakeOpenAI, OpenAIEngine]]:
    async with FakeOpenAI(**options) as fake:
        engine = OpenAIEngine(fake.url)
        yield fake, engine
        await engine.close()


# -- Ollama


async def test_ollama_is_told_the_tools_and_what_came_of_calls() -> None:
    async with ollama() as (fake, engine):
        await ask(engine, replace(ASKED, steps=(STEP,)))
        [body] = fake.chats()
    assert body["tools"] == SPECS
    assert [m["role"] for m in body["messages"]] == ["system", "user", "assistant", "tool"]
    call = {"id": "id7", "function": {"name": "weather_forecast", "arguments": {"city": "Ulm"}}}
    assert body["messages"][2] == {
        "role": "assistant", "content": "Let me look.", "tool_calls": [call],
    }  # fmt: skip
    assert body["messages"][3]["tool_name"] == "weather_forecast"
    assert body["messages"][3]["content"] == "Data: sunny"


async def test_without_tools_a_call_is_the_same_to_the_byte() -> None:
    async with ollama() as (_, engine):
        body = engine.to_wire(PROMPT)
        assert "tools" not in body
        longer = engine.to_wire(replace(PROMPT, steps=(STEP,)))
        assert longer["messages"][:2] == body["messages"]  # type: ignore[index]


async def test_the_calls_of_an_ollama_come_with_the_end_and_text_before_them_is_kept() -> None:
    calls = (("weather_forecast", {"city": "Ulm"}), ("time", {}))
    async with ollama(reply=Reply(text="Let me look.", calls=calls)) as (_, engine):
        text, end = await ask(engine, ASKED)
    assert text == "Let me look."
    assert [(c.name, c.arguments) for c in end.calls] == [
        ("weather_forecast", '{"city": "Ulm"}'),
        ("time", "{}"),
    ]
    assert [c.call_id for c in end.calls] == ["call_x0", "call_x1"]


async def test_an_ollama_model_without_tools_answers_without_them_and_is_remembered() -> None:
    async with ollama("plain:1b", reply="Hi.") as (fake, engine):
        with capture_logs() as logs:
            for _ in range(3):
                text, end = await ask(engine, replace(ASKED, steps=(STEP,)))
                assert (text, end.calls) == ("Hi.", ())
        chats = fake.chats()
    assert ["tools" in body for body in chats] == [True, False, False, False]
    # What was found out by another server's model is not lost.
    assert [m["role"] for m in chats[-1]["messages"]] == ["system", "user"]
    assert "Data: sunny" in chats[-1]["messages"][1]["content"]
    told = [entry for entry in logs if entry["event"] == "tools_unsupported"]
    assert len(told) == 1
    assert told[0]["model"] == "plain:1b"
    assert "tools.allow" in told[0]["fix"]


# -- the chat completions API


async def test_openai_is_told_the_tools_and_what_came_of_calls() -> None:
    broken = replace(STEP.calls[0], arguments="{'city")
    async with openai() as (fake, engine):
        await ask(engine, replace(ASKED, steps=(STEP, replace(STEP, calls=(broken,)))))
        [body] = fake.seen
    assert body["tools"] == SPECS
    asked, given = body["messages"][2:4]
    assert asked["content"] == "Let me look."
    assert asked["tool_calls"] == [
        {
            "id": "id7",
            "type": "function",
            "function": {"name": "weather_forecast", "arguments": '{"city": "Ulm"}'},
        }
    ]
    assert given == {"role": "tool", "tool_call_id": "id7", "content": "Data: sunny"}
    assert body["messages"][4]["tool_calls"][0]["function"]["arguments"] == "{}"


@pytest.mark.parametrize("counts", [True, False])
@pytest.mark.parametrize("ending", ["done", "silent"])
async def test_the_fragments_of_calls_are_put_together(counts: bool, ending: str) -> None:
    wanted = [("weather_forecast", '{"city": "Ulm an der Donau"}'), ("time", "{}")]
    async with openai(
        reply="Let me look.", calls=[wanted], call_indexes=counts, ending=ending, cut=7
    ) as (_, engine):
        text, end = await ask(engine, ASKED)
    assert text == "Let me look."
    assert [(c.name, c.arguments) for c in end.calls] == wanted
    assert [c.call_id for c in end.calls] == ["id0", "id1"]
    assert end.reason == "stop"


@pytest.mark.parametrize("names", [True, False])
async def test_an_openai_server_that_refuses_tools_answers_without_them(names: bool) -> None:
    async with openai(refuses={"tools"}, names_fields=names, reply="Hi.") as (fake, engine):
        with capture_logs() as logs:
            assert (await ask(engine, ASKED))[0] == "Hi."
            before = len(fake.seen)
            assert (await ask(engine, ASKED))[0] == "Hi."
        assert len(fake.seen) == before + 1
        assert "tools" not in fake.seen[-1]
        # Extras that it takes are still asked for.
        assert "stream_options" in fake.seen[-1]
    assert [entry["event"] for entry in logs].count("tools_unsupported") == 1


async def test_a_refusal_for_another_reason_is_not_held_against_tools() -> None:
    async with openai(status=400, problem="out of cheese") as (fake, engine):
        with pytest.raises(EngineBroken):
            await ask(engine, ASKED)
        fake.status = 200
        await ask(engine, ASKED)
        assert "tools" in fake.seen[-1]


@pytest.mark.parametrize(
    "problem",
    [
        "registry.ollama.ai/library/gemma:2b does not support tools",
        '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
        "tools param requires --jinja flag",
        "No endpoints found that support tool use.",
        "Unsupported parameter: tools",
        "body.tools: Extra inputs are not permitted",
    ],
)
def test_what_servers_say_of_tools_is_understood(problem: str) -> None:
    assert is_about_tools(problem)


@pytest.mark.parametrize("problem", ["", "out of memory", "The model `tool` does not exist."])
def test_other_problems_are_not_about_tools(problem: str) -> None:
    assert not is_about_tools(problem)


# -- calls in pieces


def test_calls_without_end_are_bounded() -> None:
    collected = Collected()
    for n in range(100):
        collected.add(Piece(index=n, name="time"))
    for _ in range(100):
        collected.add(Piece(index=0, arguments="x" * 1000))
    calls = collected.calls()
    assert len(calls) == MAX_CALLS
    assert len(calls[0].arguments) == MAX_ARGUMENTS_CHARS


def test_a_call_without_a_name_is_none() -> None:
    collected = Collected()
    collected.add(Piece(index=0, arguments="{}"))
    collected.add(Piece(arguments="{}"))
    assert collected.calls() == ()
