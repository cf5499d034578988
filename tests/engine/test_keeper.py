"""What should be on which server, what is, and getting the rest."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bridge.domain.model import Wanted
from bridge.engine.keeper import Keeper, Shelf, shelf_wanted
from bridge.errors import EngineError, EngineUnreachable
from tests.fakes.ollama import FakeOllama
from tests.fakes.ollama_stream import FakeModel


@pytest.fixture
async def fake() -> AsyncIterator[FakeOllama]:
    async with FakeOllama(models=(FakeModel(name="gemma3:4b"),)) as ollama:
        yield ollama


def keeper(url: str, *named: tuple[str, str]) -> Keeper:
    wanted = shelf_wanted(url, named, can_be_pulled=True)
    return Keeper([Shelf(name=url, wanted=wanted, url=url)])


def test_a_model_for_several_purposes_is_wanted_once() -> None:
    named = (("reply", "a:1b"), ("gate", "A:1B"), ("vision", "b"), ("summary", "b:latest"))
    assert shelf_wanted("s", named, can_be_pulled=True) == (
        Wanted(server="s", model="a:1b", purposes=("reply", "gate")),
        Wanted(server="s", model="b", purposes=("vision", "summary")),
    )


async def test_stock_tells_what_is_there_what_is_loaded_and_what_is_not(fake: FakeOllama) -> None:
    fake.runners.put("gemma3:4b", (8192, True))
    found = await keeper(fake.url, ("reply", "gemma3:4b"), ("vision", "moondream")).stock()
    told = [(each.model, each.state, each.is_loaded, each.size_bytes) for each in found]
    assert told == [
        ("gemma3:4b", "there", True, 4_000_000_000),
        ("moondream", "missing", False, 0),
    ]


async def test_where_no_model_is_named_the_one_that_would_reply_is_told(fake: FakeOllama) -> None:
    (only,) = await keeper(fake.url, ("reply", "")).stock()
    assert (only.model, only.state) == ("gemma3:4b", "there")
    fake.models.clear()
    (only,) = await keeper(fake.url, ("reply", "")).stock()
    assert (only.model, only.state) == ("", "missing")


async def test_a_server_that_is_away_hides_nothing_of_the_others(fake: FakeOllama) -> None:
    away = "http://127.0.0.1:9"
    both = Keeper(
        [
            Shelf(
                name=url, url=url, wanted=shelf_wanted(url, (("reply", "m"),), can_be_pulled=True)
            )
            for url in (away, fake.url)
        ]
    )
    assert [each.state for each in await both.stock()] == ["unknown", "missing"]
    with pytest.raises(EngineUnreachable):
        await both.has(away, "m")


async def test_a_server_of_the_other_dialect_lists_its_own() -> None:
    async def listing() -> list[str]:
        return ["big"]

    wanted = shelf_wanted("s", (("reply", ""), ("gate", "small")), can_be_pulled=False)
    found = await Keeper([Shelf(name="s", wanted=wanted, listing=listing)]).stock()
    assert [(each.model, each.state) for each in found] == [
        ("big", "there"),
        ("small", "missing"),
    ]


async def test_what_was_pulled_is_there_and_told(fake: FakeOllama) -> None:
    told: list[tuple[str, str]] = []
    mine = keeper(fake.url, ("gate", "Tiny:1b"))
    mine.on_pulled = lambda server, model: told.append((server, model))
    assert not await mine.has(fake.url, "tiny:1b")
    steps = [step async for step in mine.pull(fake.url, "tiny:1b")]
    assert steps[-1].is_done
    assert await mine.has(fake.url, "tiny:1b")
    assert told == [(fake.url, "tiny:1b")]


@pytest.mark.parametrize("model", ["other:1b", "gemma3:12b", ""])
async def test_what_the_configuration_does_not_name_is_never_pulled(
    fake: FakeOllama, model: str
) -> None:
    mine = keeper(fake.url, ("reply", "gemma3:4b"), ("gate", ""))
    with pytest.raises(EngineError, match="configuration names no model"):
        [step async for step in mine.pull(fake.url, model)]
    assert fake.pulls() == []


async def test_a_server_that_was_taken_out_is_asked_for_nothing(fake: FakeOllama) -> None:
    mine = keeper(fake.url, ("reply", "gemma3:4b"))
    mine.replace([])
    with pytest.raises(EngineError):
        await mine.has(fake.url, "gemma3:4b")
    assert fake.seen == []
