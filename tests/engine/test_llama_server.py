"""A real llama.cpp server, with a tiny model of random weights: `make test-engine`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.domain.prompt import Prompt
from bridge.engine.openai import OpenAIEngine
from bridge.errors import ContextTooLong
from tests.bench.rooms_read import Layout, replay
from tests.engine.asking import PROMPT, SCENE, ask
from tests.fakes.kv_cache import PromptCache
from tests.lab.llama import MODEL, LlamaServer, binary

pytestmark = [
    pytest.mark.engine,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        binary() is None, reason="there is no llama-server here: `make test-engine` builds one"
    ),
]

CTX = 8192
LETTERS = (("A", "luna"), ("B", "👍"), ("N", ""))


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[LlamaServer]:
    async with LlamaServer(tmp_path, ctx=CTX) as started:
        yield started


@pytest.fixture
async def engine(server: LlamaServer) -> AsyncIterator[OpenAIEngine]:
    made = OpenAIEngine(server.url, stall_timeout_s=60)
    yield made
    await made.close()


async def test_a_reply_streams_and_is_counted(engine: OpenAIEngine) -> None:
    text, end = await ask(engine, prompt(max_tokens=12))
    assert text
    assert end.reason == "length"
    assert end.reply_tokens == 12
    assert end.prompt_tokens > 10
    assert MODEL in end.model
    assert engine.label == MODEL


async def test_a_choice_is_likelihoods_of_letters(engine: OpenAIEngine) -> None:
    chances = await engine.choose(prompt(choices=LETTERS, max_tokens=1), affinity="room")
    assert set(chances) == {"A", "B", "N"}
    assert 0 <= sum(chances.values()) <= 1


async def test_a_prompt_that_is_too_long_is_refused_as_such(engine: OpenAIEngine) -> None:
    with pytest.raises(ContextTooLong):
        await ask(engine, prompt(user="word " * CTX))


@pytest.mark.parametrize("slots", [1, 2])
@pytest.mark.parametrize("layout", ["ours", "persona first"])
async def test_the_fake_cache_counts_what_the_real_one_evaluates(
    tmp_path: Path, slots: int, layout: Layout
) -> None:
    fake, evaluated, cached = PromptCache(slots=slots), 0, 0
    async with LlamaServer(tmp_path, slots=slots, ctx=CTX) as server:
        for asked in replay(rooms=4, puppets=3, replies=60, layout=layout):
            tokens = await server.tokens(asked.text)
            read = await server.read(tokens, write=8)
            evaluated += read.evaluated
            cached += read.cached
            # Of what it wrote, the last token was never read.
            fake.read(tokens, read.written[:-1])
    print(f"\n{slots} slots, {layout}: real {evaluated}, fake {fake.evaluated}, kept {cached}")
    assert fake.evaluated == pytest.approx(evaluated, rel=0.05)
    assert fake.prompted == evaluated + cached


def prompt(
    *, user: str = "", choices: tuple[tuple[str, str], ...] = (), max_tokens: int = 40
) -> Prompt:
    return Prompt(
        system=PROMPT.system,
        user=user or PROMPT.user,
        scene=SCENE if not choices else type(SCENE)(puppet_id=SCENE.puppet_id, speaker="Luna",
                                                   choices=choices),
        max_tokens=max_tokens,
        temperature=0.0,
    )  # fmt: skip
