"""What `bench-engine` measures and suggests."""

from __future__ import annotations

import asyncio
import json

import pytest
from rich.console import Console

from bridge.bench_engine import Measured, Run, as_json, run, suggested_ctx, suggested_slots
from bridge.errors import EngineUnreachable, ModelMissing
from tests.fakes.ollama import FakeOllama
from tests.fakes.ollama_stream import FakeModel
from tests.fakes.openai import FakeOpenAI
from tests.lab.ports import free_port


def runs(*figures: tuple[float, float]) -> list[Run]:
    """(tokens a second of all, of each)."""
    return [
        Run(parallel=2**n, first_word_s=1, tokens_per_s=total, each_tokens_per_s=each)
        for n, (total, each) in enumerate(figures)
    ]


@pytest.mark.parametrize(
    ("figures", "slots"),
    [
        ([(40, 40), (78, 39), (140, 35), (240, 30)], 8),
        ([(40, 40), (78, 39), (82, 20), (83, 10)], 2),
        ([(40, 40), (41, 20), (42, 10), (43, 5)], 1),
        ([(9, 9), (15, 7.5), (20, 5), (24, 3)], 2),
        ([(3, 3), (4, 2), (5, 1), (6, 0.7)], 1),
    ],
)
def test_more_slots_are_suggested_while_they_pay_and_replies_keep_up_with_reading(
    figures: list[tuple[float, float]], slots: int
) -> None:
    assert suggested_slots(runs(*figures)) == slots


def test_the_context_holds_a_full_window_and_a_reply_within_what_the_model_can() -> None:
    assert suggested_ctx(3000, 400) == 4096
    assert suggested_ctx(3700, 400) == 8192
    assert suggested_ctx(3700, 400, max_ctx=4096) == 4096


def test_what_is_kept_of_a_room_is_told_by_the_times() -> None:
    measured = Measured(model="m", prompt_tokens=1, cold_s=2.0, warm_s=0.5)
    assert measured.cache_hit == 0.75
    assert Measured(model="m", prompt_tokens=1, cold_s=0.5, warm_s=2.0).cache_hit == 0


async def test_a_server_is_measured_and_the_table_says_what_to_set() -> None:
    console = Console(record=True, width=100, force_terminal=False)
    models = (FakeModel(name="gemma3:4b", capabilities=("completion",)),)
    async with FakeOllama(models=models, reply="a few words of reply") as fake:
        measured = await run(fake.url, "", 8192, "", console)
        chats = fake.chats()
    assert [each.parallel for each in measured.runs] == [1, 2, 4, 8]
    assert len(chats) == 3 + 1 + 2 + 4 + 8
    said = console.export_text()
    assert "engine.slots" in said
    assert "OLLAMA_NUM_PARALLEL" in said
    assert json.loads(as_json(measured))["model"] == "gemma3:4b"
    first, second, third = (str(chat["messages"]) for chat in chats[:3])
    assert second[:200] == third[:200] != first[:200]


async def test_a_server_that_is_not_there_is_a_sentence() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(EngineUnreachable):
        await run(url, "", 8192, "", Console(quiet=True))
    await asyncio.sleep(0)


async def test_a_model_that_is_not_there_is_a_sentence() -> None:
    async with FakeOllama() as fake:
        with pytest.raises(ModelMissing):
            await run(fake.url, "none:1b", 8192, "", Console(quiet=True))


async def test_a_server_with_the_chat_completions_api_is_measured_too() -> None:
    async with FakeOpenAI(reply="a few words of reply") as fake:
        measured = await run(fake.url, "", 8192, "", Console(quiet=True))
    assert measured.model == "tiny-chat"
