from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest

from bridge.clock import FakeClock
from bridge.domain.ids import PuppetId
from bridge.engine.scripted import SLOW_S, ScriptedEngine
from bridge.errors import EngineUnreachable
from tests.engine.asking import PROMPT, SCENE, ask

NOVA = replace(PROMPT, scene=replace(SCENE, puppet_id=PuppetId("nova"), speaker="Nova"))


async def test_each_puppet_says_its_lines_in_order_then_something_new_each_time() -> None:
    engine = ScriptedEngine({"luna": ["one", "two"]}, FakeClock())
    assert [(await ask(engine))[0] for _ in range(2)] == ["one", "two"]
    nova = [(await ask(engine, NOVA))[0] for _ in range(20)]
    assert len(set(nova)) == 20
    assert all("Nova" in line and str(n) in line for n, line in enumerate(nova, 1))
    assert "Luna" in (await ask(engine))[0]


async def test_two_engines_asked_the_same_say_the_same() -> None:
    first, second = ScriptedEngine({}, FakeClock()), ScriptedEngine({}, FakeClock())
    assert [await ask(first) for _ in range(3)] == [await ask(second) for _ in range(3)]


async def test_down_fails_uses_no_line_and_counts_the_call() -> None:
    engine = ScriptedEngine({"luna": ["one"]}, FakeClock())
    engine.state = "down"
    with pytest.raises(EngineUnreachable):
        await ask(engine)
    engine.state = "up"
    assert (await ask(engine))[0] == "one"
    assert engine.calls == 2
    assert engine.prompts == [PROMPT, PROMPT]


async def test_slow_speaks_only_after_its_time_and_keeps_the_line_when_cancelled() -> None:
    clock = FakeClock()
    engine = ScriptedEngine({"luna": ["one"]}, clock)
    engine.state = "slow"

    async def first_delta() -> object:
        async with aclosing(engine.stream(PROMPT, affinity="")) as deltas:
            return await anext(deltas)

    cancelled = asyncio.create_task(first_delta())
    await clock.advance_to(clock.now() + 1000)
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    task = asyncio.create_task(ask(engine))
    await clock.settle()
    await clock.advance_to(clock.now() + int(SLOW_S * 1000) - 1)
    assert not task.done()
    await clock.advance_to(clock.now() + 1)
    assert (await task)[0] == "one"
