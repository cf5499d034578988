"""Models are loaded before the first person asks, and nobody waits for that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from bridge.clock import FakeClock, SystemClock
from bridge.endpoints import Endpoints
from bridge.engine.ollama import OllamaEngine
from bridge.engine.pool import Endpoint, EnginePool
from bridge.engine.warm_up import WarmUp
from bridge.errors import EngineError, EngineUnreachable, ModelMissing
from bridge.metrics import MODEL_LOADS
from bridge.settings import EndpointSettings, EngineSettings
from tests.engine.asking import ask
from tests.engine.test_pool import FakeEngine
from tests.fakes.ollama import FakeOllama
from tests.fakes.ollama_stream import FakeModel


@asynccontextmanager
async def warming(warm_up: WarmUp) -> AsyncIterator[None]:
    task = asyncio.create_task(warm_up.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class Server:
    """An endpoint that notes what it loads, and fails with what is in `problems` first."""

    def __init__(self, clock: FakeClock, name: str = "one", models: tuple[str, ...] = ()) -> None:
        self.loaded: list[str] = []
        self.problems: list[EngineError] = []
        self.endpoint = Endpoint(
            name=name, engine=FakeEngine(clock), models=frozenset(models), load=self._load
        )

    async def _load(self, model: str) -> None:
        if self.problems:
            raise self.problems.pop(0)
        self.loaded.append(model)


async def test_what_people_ask_first_and_the_gate_are_loaded_in_this_order() -> None:
    clock = FakeClock()
    one, two = Server(clock), Server(clock, "two", models=("gate",))
    pool = EnginePool([one.endpoint, two.endpoint], clock)
    warm_up = WarmUp(pool, clock, models=["", "own", "gate", ""])
    warm_up.want(*pool.endpoints)
    async with warming(warm_up):
        await clock.settle()
    assert one.loaded == ["", "own", "gate"]
    assert two.loaded == ["", "gate"]


async def test_a_server_that_is_away_is_tried_again_and_ever_more_rarely() -> None:
    clock = FakeClock()
    one = Server(clock)
    one.problems = [EngineUnreachable("away")] * 3
    pool = EnginePool([one.endpoint], clock)
    warm_up = WarmUp(pool, clock, models=[""])
    warm_up.want(one.endpoint)
    async with warming(warm_up):
        await clock.settle()
        for seconds in (5, 10):
            await clock.advance_to(clock.now() + seconds * 1000)
            assert one.loaded == []
        await clock.advance_to(clock.now() + 20_000)
        assert one.loaded == [""]
        await clock.advance_to(clock.now() + 600_000)
    assert one.loaded == [""]


async def test_a_missing_model_keeps_no_other_from_being_loaded_and_is_not_asked_for_again() -> (
    None
):
    clock = FakeClock()
    one = Server(clock)
    one.problems = [ModelMissing("none")]
    pool = EnginePool([one.endpoint], clock)
    warm_up = WarmUp(pool, clock, models=["", "gate"])
    warm_up.want(one.endpoint)
    async with warming(warm_up):
        await clock.advance_to(clock.now() + 600_000)
    assert one.loaded == ["gate"]


async def test_a_server_that_comes_back_is_new_or_has_got_a_model_is_warmed_up() -> None:
    clock = FakeClock()
    one, two = Server(clock), Server(clock, "two")
    pool = EnginePool([one.endpoint], clock)
    warm_up = WarmUp(pool, clock, models=[""])
    pool.on_well = warm_up.want
    async with warming(warm_up):
        pool.replace([one.endpoint, two.endpoint])
        await clock.settle()
        assert (one.loaded, two.loaded) == ([], [""])
        pool.has_got("one", "gemma3:4b")
        await clock.settle()
        assert (one.loaded, two.loaded) == ([""], [""])


async def test_a_call_that_runs_loads_the_model_itself() -> None:
    clock = FakeClock()
    one = Server(clock)
    pool = EnginePool([one.endpoint], clock)
    warm_up = WarmUp(pool, clock, models=["", "gate"])
    asking = asyncio.create_task(ask(pool))
    await clock.settle()
    warm_up.want(one.endpoint)
    async with warming(warm_up):
        await clock.advance_to(clock.now() + 5_000)
    await asking
    assert one.loaded == ["gate"]


async def test_a_call_does_not_wait_for_a_warm_up() -> None:
    clock = FakeClock()
    never = asyncio.Event()

    async def load(_: str) -> None:
        await never.wait()

    endpoint = Endpoint(name="one", engine=FakeEngine(clock), load=load)
    pool = EnginePool([endpoint], clock)
    warm_up = WarmUp(pool, clock, models=[""])
    warm_up.want(endpoint)
    async with warming(warm_up):
        asking = asyncio.create_task(ask(pool))
        await clock.advance_to(clock.now() + 2_000)
        assert asking.done()


# -- on a server


@pytest.fixture
async def fake() -> AsyncIterator[FakeOllama]:
    async with FakeOllama(models=(FakeModel(name="gemma3:4b"), FakeModel(name="tiny"))) as ollama:
        yield ollama


async def test_the_first_reply_finds_the_model_loaded_as_it_wants_it(fake: FakeOllama) -> None:
    engine = OllamaEngine(fake.url, model="gemma3:4b", num_ctx=2048, keep_alive="-1")
    await engine.load()
    (body,) = fake.warm_ups()
    assert body["options"] == {"num_ctx": 2048}
    assert body["keep_alive"] == -1
    before = fake.runners.loads
    await ask(engine)
    assert (before, fake.runners.loads) == (1, 1)
    await engine.close()


async def test_a_load_has_a_cause_of_its_own(fake: FakeOllama) -> None:
    fake.runners.load_s = 0.25
    engine = OllamaEngine(fake.url, model="gemma3:4b")
    before = MODEL_LOADS.labels(cause="warm-up")._value.get()
    await engine.load()
    await engine.load()
    assert MODEL_LOADS.labels(cause="warm-up")._value.get() == before + 1
    await engine.close()


async def test_a_model_that_would_not_stay_is_not_loaded(fake: FakeOllama) -> None:
    engine = OllamaEngine(fake.url, model="gemma3:4b", keep_alive="0")
    await engine.load()
    assert fake.seen == []


async def test_a_missing_model_says_which_and_where(fake: FakeOllama) -> None:
    engine = OllamaEngine(fake.url, model="none")
    with pytest.raises(ModelMissing) as caught:
        await engine.load()
    assert (caught.value.server, caught.value.model) == (fake.url, "none")
    fake.models.clear()
    engine = OllamaEngine(fake.url)
    with pytest.raises(ModelMissing) as caught:
        await engine.load()
    assert (caught.value.server, caught.value.model) == (fake.url, "")
    await engine.close()


async def test_every_server_of_a_configuration_is_warmed_up(fake: FakeOllama) -> None:
    async with FakeOllama() as other:
        settings = EngineSettings(
            url=fake.url,
            model="gemma3:4b",
            gate_model="tiny",
            endpoints=(EndpointSettings(url=other.url, models=("big",)),),
        )
        endpoints = Endpoints(settings, SystemClock())
        async with warming(endpoints.warm_up):
            await fake.arrived(2)
            while not other.warm_ups():
                await other.arrived(len(other.seen) + 1)
        assert [body["model"] for body in fake.warm_ups()] == ["gemma3:4b", "tiny"]
        assert [body["model"] for body in other.warm_ups()] == ["gemma3:4b"]
        await endpoints.close()


async def test_who_does_not_want_it_gets_none(fake: FakeOllama) -> None:
    endpoints = Endpoints(EngineSettings(url=fake.url, warm_up=False), SystemClock())
    async with warming(endpoints.warm_up):
        for _ in range(20):
            await asyncio.sleep(0)
    assert fake.seen == []
    await endpoints.close()
