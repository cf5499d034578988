from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.prompt import TextDelta
from bridge.engine.ollama import OllamaEngine, from_wire
from bridge.errors import (
    ContextTooLong,
    EngineBroken,
    EngineError,
    EngineTimeout,
    EngineUnreachable,
    ModelMissing,
)
from tests.engine.asking import PROMPT, ask
from tests.fakes.ollama import FakeOllama
from tests.fakes.ollama_stream import FakeModel, Reply, Shape

SAID = "Grüße, 世界! 👋🏽 Alles gut?"
THINKER = FakeModel(name="deep:8b", capabilities=("completion", "thinking"))


@pytest.fixture
async def fake() -> AsyncIterator[FakeOllama]:
    async with FakeOllama(models=(FakeModel(name="gemma3:4b"), THINKER), reply=SAID) as ollama:
        yield ollama


@pytest.fixture
async def engine(fake: FakeOllama) -> AsyncIterator[OllamaEngine]:
    made = make(fake.url)
    yield made
    await made.close()


def make(url: str, **options: Any) -> OllamaEngine:
    return OllamaEngine(url, **{"model": "gemma3:4b", "stall_timeout_s": 5.0} | options)


async def problem_of(engine: OllamaEngine) -> EngineError:
    with pytest.raises(EngineError) as caught:
        await ask(engine)
    return caught.value


# -- what is sent


async def test_the_request_is_the_prompt_with_constant_runner_options(
    fake: FakeOllama, engine: OllamaEngine
) -> None:
    prompt = replace(PROMPT, max_tokens=77, temperature=0.3, stop=("\n<m", "\nYou are"))
    await ask(engine, prompt)
    assert fake.chats() == [
        {
            "model": "gemma3:4b",
            "messages": [
                {"role": "system", "content": PROMPT.system},
                {"role": "user", "content": PROMPT.user},
            ],
            "stream": True,
            "think": False,
            "truncate": False,
            "keep_alive": "30m",
            "options": {
                "num_ctx": 8192,
                "num_predict": 77,
                "temperature": 0.3,
                "stop": ["\n<m", "\nYou are"],
            },
        }
    ]


async def test_different_calls_never_make_the_server_reload_the_model(
    fake: FakeOllama, engine: OllamaEngine
) -> None:
    await ask(engine)
    await ask(engine, replace(PROMPT, max_tokens=1, temperature=0.0, stop=("x",), system=""))
    assert fake.runners.loads == 1
    assert [message["role"] for message in fake.chats()[1]["messages"]] == ["user"]


async def test_the_model_of_the_prompt_goes_before_the_configured_one(
    fake: FakeOllama, engine: OllamaEngine
) -> None:
    _, end = await ask(engine, replace(PROMPT, model="deep:8b"))
    assert fake.chats()[0]["model"] == end.model == "deep:8b"
    assert engine.label == "gemma3:4b"


async def test_without_a_configured_model_one_is_chosen_and_named(fake: FakeOllama) -> None:
    engine = make(fake.url, model="")
    assert engine.label == "Ollama"
    await ask(engine)
    await ask(engine)
    assert [body["model"] for body in fake.chats()] == ["deep:8b", "deep:8b"]
    assert engine.label == "deep:8b"
    assert sum(seen.path == "/api/tags" for seen in fake.seen) == 1
    del fake.models["deep:8b"]
    assert isinstance(await problem_of(engine), ModelMissing)
    assert (await ask(engine))[1].model == "gemma3:4b"
    await engine.close()


@pytest.mark.parametrize(("written", "sent"), [("-1", -1), ("0", 0), ("30m", "30m")])
def test_a_bare_number_to_keep_alive_is_sent_as_a_number(written: str, sent: object) -> None:
    assert make("", keep_alive=written).to_wire(PROMPT)["keep_alive"] == sent


async def test_only_our_own_key_is_sent(
    fake: FakeOllama, engine: OllamaEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_API_KEY", "from-the-environment")
    await ask(engine)
    assert "Authorization" not in fake.seen[-1].headers
    fake.api_key = "ours"
    assert "api_key" in str(await problem_of(engine))
    keyed = make(fake.url, api_key="ours")
    assert (await ask(keyed))[0] == SAID
    await keyed.close()


# -- what comes back


@pytest.mark.parametrize(
    "shape",
    [
        Shape(),
        Shape(packet_bytes=1),
        Shape(packet_bytes=7),
        Shape(lines_per_packet=3),
        Shape(lines_per_packet=1000),
        Shape(has_last_newline=False),
    ],
)
async def test_the_text_is_whole_however_the_packets_come(
    fake: FakeOllama, engine: OllamaEngine, shape: Shape
) -> None:
    fake.reply = Reply(text=SAID, shape=shape)
    text, end = await ask(engine)
    assert text == SAID
    assert (end.reason, end.model) == ("stop", "gemma3:4b")
    assert end.prompt_tokens > 5
    assert end.reply_tokens > 3


@given(st.data())
def test_any_cutting_of_a_stream_gives_the_same_text(data: st.DataObject) -> None:
    words = data.draw(st.lists(st.text(max_size=6), max_size=6))
    lines = [json.dumps({"message": {"content": word}}, ensure_ascii=False) for word in words]
    lines.append(json.dumps({"done": True, "done_reason": "stop"}))
    stream = "\n".join(lines).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=30)))
    packets = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]

    async def read() -> str:
        async with PacketServer(packets) as server:
            engine = make(server.url)
            try:
                return (await ask(engine))[0]
            finally:
                await engine.close()

    assert asyncio.run(read()) == "".join(words).lstrip()


async def test_running_out_of_tokens_is_said(fake: FakeOllama, engine: OllamaEngine) -> None:
    text, end = await ask(engine, replace(PROMPT, max_tokens=2))
    assert SAID.startswith(text)
    assert text != SAID
    assert end.reason == "length"
    assert end.reply_tokens == 2


async def test_thinking_is_switched_off_and_dropped_where_it_comes_anyway(
    fake: FakeOllama, engine: OllamaEngine
) -> None:
    prompt = replace(PROMPT, model="deep:8b")
    assert (await ask(engine, prompt))[0] == SAID
    thought = {"message": {"thinking": "secret", "content": ""}}
    spoken = {"message": {"content": "Hi"}, "done": True}
    raw = "\n".join(json.dumps(line) for line in (thought, spoken)).encode()
    fake.reply = Reply(raw=raw)
    assert (await ask(engine, prompt))[0] == "Hi"


async def test_reasoning_inside_the_text_is_dropped(fake: FakeOllama, engine: OllamaEngine) -> None:
    fake.reply = "<think>secret plans</think>Hello"
    assert (await ask(engine))[0] == "Hello"
    fake.reply = "<think>secret plans without end"
    assert (await ask(engine))[0] == ""


async def test_reasoning_without_opening_mark_fails_once_and_is_dropped_from_then_on(
    fake: FakeOllama, engine: OllamaEngine
) -> None:
    fake.reply = "secret plans</think>Hello"
    assert isinstance(await problem_of(engine), EngineBroken)
    assert (await ask(engine))[0] == "Hello"


async def test_a_server_that_refuses_think_is_asked_again_without_it_once(
    fake: FakeOllama, engine: OllamaEngine
) -> None:
    refusal = Reply(status=400, error='"gemma3:4b" does not support thinking')
    fake.once = [refusal]
    assert (await ask(engine))[0] == SAID
    assert (await ask(engine))[0] == SAID
    assert ["think" in body for body in fake.chats()] == [True, False, False]
    fake.once = [refusal]
    await problem_of(engine)
    assert len(fake.chats()) == 4


async def test_halves_of_a_character_are_joined_and_lone_ones_replaced(
    fake: FakeOllama, engine: OllamaEngine
) -> None:
    halves = [r"a\ud83d", r"\udc4b b", r"\ude00", r"c\ud83d"]
    lines = ['{"message":{"content":"' + half + '"}}' for half in halves] + ['{"done":true}']
    fake.reply = Reply(raw="\n".join(lines).encode())
    assert (await ask(engine))[0] == "a👋 b\ufffdc\ufffd"


@pytest.mark.parametrize(
    "line",
    [{}, {"message": None}, {"message": {"content": 5}}, {"message": "x"}, {"done": "yes"}],
)
def test_a_line_with_strange_fields_is_an_empty_piece(line: dict[str, object]) -> None:
    chunk = from_wire(line)
    assert (chunk.text, chunk.error, chunk.end) == ("", "", None)


# -- what goes wrong


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, "", ContextTooLong),
        (400, "request (9000 tokens) exceeds the available context size (4096)", ContextTooLong),
        (500, "the prompt is too long", ContextTooLong),
        (500, "context deadline exceeded", EngineBroken),
        (400, '"nomic" does not support chat', ModelMissing),
        (400, "invalid options", EngineBroken),
        (401, "", EngineUnreachable),
        (403, "", EngineUnreachable),
        (404, "model 'x' not found", ModelMissing),
        (404, "not here", EngineBroken),
        (408, "", EngineTimeout),
        (429, "", EngineUnreachable),
        (499, "", EngineBroken),
        (500, "", EngineBroken),
        (502, "", EngineUnreachable),
        (503, "", EngineUnreachable),
        (504, "", EngineTimeout),
        (307, "moved", EngineBroken),
    ],
)
async def test_a_refusal_becomes_its_own_error(
    fake: FakeOllama, engine: OllamaEngine, status: int, error: str, kind: type[EngineError]
) -> None:
    fake.once = [Reply(status=status, error=error)]
    assert type(await problem_of(engine)) is kind
    assert len(fake.chats()) == 1
    assert (await ask(engine))[0] == SAID


async def test_a_model_that_is_missing_says_how_to_get_it(fake: FakeOllama) -> None:
    engine = make(fake.url, model="absent:1b")
    problem = await problem_of(engine)
    await engine.close()
    assert isinstance(problem, ModelMissing)
    assert "ollama pull absent:1b" in str(problem)


async def test_a_prompt_longer_than_the_window_is_refused_not_cut(
    fake: FakeOllama, engine: OllamaEngine
) -> None:
    with pytest.raises(ContextTooLong):
        await ask(engine, replace(PROMPT, user="words " * 8192))


async def test_nobody_listening_is_unreachable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        engine = make(f"http://127.0.0.1:{taken.getsockname()[1]}")
        assert isinstance(await problem_of(engine), EngineUnreachable)
        await engine.close()


async def test_a_name_that_cannot_be_a_host_is_unreachable() -> None:
    engine = make("http://a..b:1")
    assert isinstance(await problem_of(engine), EngineUnreachable)
    await engine.close()


async def test_a_connection_that_is_not_accepted_in_time_is_unreachable() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        engine = make(f"http://127.0.0.1:{full.getsockname()[1]}", connect_timeout_s=0.2)
        assert isinstance(await problem_of(engine), EngineUnreachable)
        await engine.close()
        for filler in fillers:
            filler.close()


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        (Shape(error_after=0), EngineBroken),
        (Shape(error_after=2), EngineBroken),
        (Shape(error_after=0, error="exceeds the context length"), ContextTooLong),
        (Shape(error_after=2, error="exceeds the context length"), EngineBroken),
        (Shape(end_after=0), EngineBroken),
        (Shape(end_after=2), EngineBroken),
        (Shape(reset_after=0), EngineBroken),
        (Shape(reset_after=2, gap_s=0.02), EngineBroken),
    ],
)
async def test_a_stream_that_breaks_is_no_reply(
    fake: FakeOllama, engine: OllamaEngine, shape: Shape, kind: type[EngineError]
) -> None:
    fake.once = [Reply(text=SAID, shape=shape)]
    assert type(await problem_of(engine)) is kind
    assert (await ask(engine))[0] == SAID


@pytest.mark.parametrize("raw", [b"<html>Welcome</html>", b"[]\n", b"", b'{"message":'])
async def test_something_else_at_the_address_is_a_broken_engine(
    fake: FakeOllama, engine: OllamaEngine, raw: bytes
) -> None:
    fake.once = [Reply(raw=raw)]
    assert isinstance(await problem_of(engine), EngineBroken)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        (Shape(first_token_delay_s=30), "did not begin"),
        (Shape(stall_after=0), "did not begin"),
        (Shape(stall_after=2, gap_s=0.02), "stopped in the middle"),
    ],
)
async def test_waiting_has_an_end_and_closes_the_connection(
    fake: FakeOllama, shape: Shape, said: str
) -> None:
    engine = make(fake.url, first_token_timeout_s=0.4, stall_timeout_s=0.2)
    fake.once = [Reply(text=SAID, shape=shape)]
    problem = await problem_of(engine)
    assert isinstance(problem, EngineTimeout)
    assert said in str(problem)
    await asyncio.wait_for(fake.seen[-1].hung_up.wait(), 5)
    await engine.close()


async def test_a_slow_but_steady_stream_is_no_stall(fake: FakeOllama) -> None:
    engine = make(fake.url, first_token_timeout_s=0.5, stall_timeout_s=0.5)
    fake.reply = Reply(text="one two three four five six", shape=Shape(gap_s=0.12))
    assert (await ask(engine))[0] == "one two three four five six"
    await engine.close()


async def test_a_slow_reader_is_no_stall_of_the_engine(fake: FakeOllama) -> None:
    engine = make(fake.url, first_token_timeout_s=0.3, stall_timeout_s=0.1)
    text = ""
    async for delta in engine.stream(PROMPT, affinity=""):
        await asyncio.sleep(0.15 if not text else 0)
        text += delta.text if isinstance(delta, TextDelta) else ""
    assert text == SAID
    await engine.close()


async def test_an_error_that_repeats_the_prompt_is_withheld(
    fake: FakeOllama, engine: OllamaEngine
) -> None:
    secret = "Alice: my very private question about the garden"
    fake.once = [Reply(status=500, error=f"cannot parse: {secret}")]
    with pytest.raises(EngineBroken) as caught:
        await ask(engine, replace(PROMPT, user=secret))
    assert "garden" not in str(caught.value)


# -- stopping


async def test_closing_the_iterator_closes_the_connection(
    fake: FakeOllama, engine: OllamaEngine
) -> None:
    fake.reply = Reply(text=SAID, shape=Shape(stall_after=2))
    deltas = engine.stream(PROMPT, affinity="")
    await anext(deltas)
    assert not fake.seen[-1].hung_up.is_set()
    await deltas.aclose()
    await asyncio.wait_for(fake.seen[-1].hung_up.wait(), 5)


@pytest.mark.parametrize("shape", [Shape(first_token_delay_s=30), Shape(stall_after=2)])
async def test_cancelling_the_reader_closes_the_connection(
    fake: FakeOllama, engine: OllamaEngine, shape: Shape
) -> None:
    fake.reply = Reply(text=SAID, shape=shape)
    task = asyncio.create_task(ask(engine))
    await fake.arrived()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(fake.seen[-1].hung_up.wait(), 5)


async def test_one_cancelled_call_leaves_the_others_alone(
    fake: FakeOllama, engine: OllamaEngine
) -> None:
    fake.reply = Reply(text=SAID, shape=Shape(gap_s=0.02))
    first = asyncio.create_task(ask(engine))
    second = asyncio.create_task(ask(engine))
    await fake.arrived(2)
    first.cancel()
    assert (await second)[0] == SAID
    await asyncio.gather(first, return_exceptions=True)


class PacketServer:
    """Answers every connection with these packets, one write each."""

    def __init__(self, packets: list[bytes]) -> None:
        self._packets = packets
        self.url = ""

    async def __aenter__(self) -> PacketServer:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = next(
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        )
        await reader.readexactly(size)
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        for packet in self._packets:
            writer.write(packet)
            await writer.drain()
            await asyncio.sleep(0)
        writer.close()
        await writer.wait_closed()


def test_pictures_go_with_the_users_message() -> None:
    body: Any = make("http://nowhere").to_wire(replace(PROMPT, pictures=(b"jpeg",)))
    assert body["messages"][-1] == {"role": "user", "content": PROMPT.user, "images": ["anBlZw=="]}
