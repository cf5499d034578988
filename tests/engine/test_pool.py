"""Many servers as one engine: order, fairness, failing over, coming and going."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.clock import FakeClock
from bridge.domain.prompt import Delta, Finished, Prompt, Queued, TextDelta, Urgency
from bridge.engine.pool import NOTICE_S, STALE_S, Endpoint, EnginePool
from bridge.errors import (
    ContextTooLong,
    EngineBroken,
    EngineBusy,
    EngineError,
    EngineTimeout,
    EngineUnreachable,
    ModelMissing,
)
from tests.engine.asking import PROMPT


@dataclass(eq=False)
class FakeEngine:
    """Takes `takes_s` for a call, and fails with what is in `problems` first."""

    clock: FakeClock
    label: str = "fake"
    takes_s: float = 1.0
    problems: list[EngineError] = field(default_factory=list[EngineError])
    breaks_after_text: bool = False
    asked: list[str] = field(default_factory=list[str])
    served: list[str] = field(default_factory=list[str])
    models: list[str] = field(default_factory=list[str])
    running: int = 0
    most: int = 0
    is_closed: bool = False

    async def stream(self, prompt: Prompt, *, affinity: str) -> AsyncGenerator[Delta, None]:
        self.models.append(prompt.model)
        async with self._call(affinity):
            yield TextDelta(text="hello")
            if self.breaks_after_text:
                raise EngineBroken("broke")
            yield Finished(model=self.label)

    async def choose(self, prompt: Prompt, *, affinity: str) -> Mapping[str, float]:
        async with self._call(affinity):
            return {"A": 1.0}

    @asynccontextmanager
    async def _call(self, affinity: str) -> AsyncIterator[None]:
        self.asked.append(affinity)
        if self.problems:
            raise self.problems.pop(0)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.clock.sleep(self.takes_s)
            self.served.append(affinity)
            yield
        finally:
            self.running -= 1

    async def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def text_of(pool: EnginePool, room: str = "room", urgency: Urgency = "reply") -> str:
    said = ""
    prompt = replace(PROMPT, urgency=urgency)
    async with aclosing(pool.stream(prompt, affinity=room)) as deltas:
        async for delta in deltas:
            match delta:
                case TextDelta():
                    said += delta.text
                case Queued():
                    said += "(waits)"
                case Finished():
                    return said
    raise AssertionError("no end")


async def settled(clock: FakeClock, *tasks: asyncio.Task[str], seconds: float = 600) -> list[str]:
    """The results of the tasks, errors by name."""
    await clock.advance_to(clock.now() + round(seconds * 1000))
    results = await asyncio.gather(*tasks, return_exceptions=True)
    return [r if isinstance(r, str) else type(r).__name__ for r in results]


def ask(pool: EnginePool, room: str = "room", urgency: Urgency = "reply") -> asyncio.Task[str]:
    return asyncio.create_task(text_of(pool, room, urgency))


def pool_of(
    clock: FakeClock, *engines: FakeEngine, slots: int = 1, patience_s: float = 120
) -> EnginePool:
    endpoints = [
        Endpoint(name=f"{n}", engine=engine, slots=slots) for n, engine in enumerate(engines)
    ]
    return EnginePool(endpoints, clock, patience_s=patience_s)


async def test_no_more_calls_run_than_there_are_slots(clock: FakeClock) -> None:
    engine = FakeEngine(clock)
    pool = pool_of(clock, engine, slots=2)
    answers = await settled(clock, *(ask(pool, f"{n}") for n in range(6)))
    assert answers == ["hello"] * 6
    assert engine.most == 2


async def test_mentions_go_before_replies_and_these_before_the_rest(clock: FakeClock) -> None:
    engine = FakeEngine(clock)
    pool = pool_of(clock, engine)
    first = ask(pool, "first")
    await clock.settle()
    rest = [
        ask(pool, name, urgency)
        for name, urgency in [
            ("background", "background"), ("unasked", "unasked"), ("reply", "reply"),
            ("mention", "mention"),
        ]
    ]  # fmt: skip
    await settled(clock, first, *rest)
    assert engine.served == ["first", "mention", "reply", "unasked", "background"]


async def test_a_room_that_floods_costs_a_quiet_one_no_more_than_the_call_under_way(
    clock: FakeClock,
) -> None:
    engine = FakeEngine(clock, takes_s=4)
    pool = pool_of(clock, engine)
    flood = [ask(pool, "busy") for _ in range(20)]
    await clock.advance_to(clock.now() + 1000)
    quiet = ask(pool, "quiet")
    await settled(clock, quiet, *flood)
    assert engine.served.index("quiet") == 1


async def test_who_waits_for_long_is_told_once(clock: FakeClock) -> None:
    engine = FakeEngine(clock, takes_s=NOTICE_S + 2)
    pool = pool_of(clock, engine)
    answers = await settled(clock, *(ask(pool, f"{n}") for n in range(3)))
    assert answers == ["hello", "(waits)hello", "(waits)hello"]


async def test_who_waits_for_too_long_is_told_so(clock: FakeClock) -> None:
    pool = pool_of(clock, FakeEngine(clock, takes_s=100), patience_s=60)
    assert await settled(clock, ask(pool, "a"), ask(pool, "b")) == ["hello", "EngineBusy"]


async def test_what_nobody_waits_for_is_dropped_early_and_silently(clock: FakeClock) -> None:
    pool = pool_of(clock, FakeEngine(clock, takes_s=STALE_S + 1))
    answers = await settled(clock, ask(pool, "a"), ask(pool, "b", "unasked"))
    assert answers == ["hello", "EngineBusy"]


async def test_a_cancelled_call_gives_its_place_and_its_slot_back(clock: FakeClock) -> None:
    engine = FakeEngine(clock, takes_s=50)
    pool = pool_of(clock, engine)
    running, waiting, last = ask(pool, "running"), ask(pool, "waiting"), ask(pool, "last")
    await clock.settle()
    waiting.cancel()
    running.cancel()
    await clock.settle()
    assert engine.running == 1
    answers = await settled(clock, running, waiting, last)
    assert answers == ["CancelledError", "CancelledError", "hello"]


async def test_a_call_that_fails_before_its_text_is_tried_on_another_server(
    clock: FakeClock,
) -> None:
    engines = [FakeEngine(clock, problems=[EngineUnreachable("down")]) for _ in range(2)]
    engines[1].problems.clear()
    pool = pool_of(clock, *engines)
    rooms = [f"room{n}" for n in range(8)]
    assert set(await settled(clock, *(ask(pool, room) for room in rooms))) == {"hello"}


@pytest.mark.parametrize("problem", [EngineBroken("x"), EngineTimeout("x"), EngineUnreachable("x")])
async def test_with_one_server_a_call_is_tried_once_more(
    clock: FakeClock, problem: EngineError
) -> None:
    engine = FakeEngine(clock, problems=[problem])
    assert await settled(clock, ask(pool_of(clock, engine))) == ["hello"]
    engine.problems = [problem, problem]
    answers = await settled(clock, ask(pool_of(clock, engine)))
    assert answers == [type(problem).__name__]
    assert engine.problems == []


async def test_a_reply_that_has_begun_is_not_begun_again(clock: FakeClock) -> None:
    engine = FakeEngine(clock, breaks_after_text=True)
    assert await settled(clock, ask(pool_of(clock, engine))) == ["EngineBroken"]
    assert engine.asked == ["room"]


@pytest.mark.parametrize("problem", [ContextTooLong("x"), ModelMissing("x")])
async def test_what_would_fail_again_is_not_tried_again(
    clock: FakeClock, problem: EngineError
) -> None:
    engine = FakeEngine(clock, problems=[problem])
    assert await settled(clock, ask(pool_of(clock, engine))) == [type(problem).__name__]
    assert engine.asked == ["room"]


async def test_a_server_that_lacks_the_model_is_left_alone_for_a_while(clock: FakeClock) -> None:
    lacks, has = FakeEngine(clock, problems=[ModelMissing("x")] * 9), FakeEngine(clock)
    pool = pool_of(clock, lacks, has)
    rooms = [f"room{n}" for n in range(9)]
    for room in rooms:
        assert await settled(clock, ask(pool, room), seconds=2) == ["hello"]
    assert len(lacks.asked) == 1


async def test_a_server_that_keeps_failing_is_left_alone_and_comes_back_by_itself(
    clock: FakeClock,
) -> None:
    sick, well = FakeEngine(clock, problems=[EngineUnreachable("x")] * 1000), FakeEngine(clock)

    async def probe() -> None:
        if sick.problems:
            raise EngineUnreachable("still down")

    pool = EnginePool(
        [Endpoint(name="sick", engine=sick, probe=probe), Endpoint(name="well", engine=well)], clock
    )
    keeping = asyncio.create_task(pool.keep_well())
    rooms = [f"room{n}" for n in range(20)]
    for room in rooms:
        assert await settled(clock, ask(pool, room), seconds=2) == ["hello"]
    # Three calls opened the breaker; in forty seconds few were let through to see.
    assert len(sick.asked) <= 5
    sick.problems.clear()
    await clock.advance_to(clock.now() + 5000)
    for room in rooms:
        assert await settled(clock, ask(pool, room), seconds=2) == ["hello"]
    assert len(sick.served) >= 5
    keeping.cancel()


async def test_when_all_servers_fail_people_hear_so_at_once(clock: FakeClock) -> None:
    engine = FakeEngine(clock, problems=[EngineUnreachable("x")] * 9)
    pool = pool_of(clock, engine)
    for _ in range(3):
        assert await settled(clock, ask(pool), seconds=1) == ["EngineUnreachable"]
    asked = len(engine.asked)
    assert await settled(clock, ask(pool), seconds=0.1) == ["EngineUnreachable"]
    assert len(engine.asked) == asked


async def test_rooms_stay_on_their_server(clock: FakeClock) -> None:
    engines = [FakeEngine(clock) for _ in range(3)]
    pool = pool_of(clock, *engines)
    for _ in range(4):
        for room in ("a", "b", "c", "d", "e"):
            await settled(clock, ask(pool, room), seconds=2)
    for room in ("a", "b", "c", "d", "e"):
        assert sum(room in engine.asked for engine in engines) == 1


async def test_purposes_have_their_models_and_personas_their_own(clock: FakeClock) -> None:
    engine = FakeEngine(clock)
    pool = EnginePool([Endpoint(name="a", engine=engine)], clock, models={"gate": "small"})
    for prompt in (
        PROMPT,
        replace(PROMPT, purpose="gate"),
        replace(PROMPT, purpose="gate", model="own"),
    ):
        async with aclosing(pool.stream(prompt, affinity="room")) as deltas:
            task = asyncio.ensure_future(anext(deltas))
            await clock.advance_to(clock.now() + 2000)
            await task
    assert engine.models == ["", "small", "own"]


async def test_only_servers_that_list_a_model_are_asked_for_it(clock: FakeClock) -> None:
    large, small = FakeEngine(clock), FakeEngine(clock)
    pool = EnginePool(
        [
            Endpoint(name="large", engine=large, models=frozenset({"27b"})),
            Endpoint(name="small", engine=small, models=frozenset({"4b"})),
        ],
        clock,
    )

    async def ask_for(model: str) -> str:
        prompt = replace(PROMPT, model=model)
        async with aclosing(pool.stream(prompt, affinity="room")) as deltas:
            async for _ in deltas:
                pass
        return model

    tasks = [asyncio.create_task(ask_for(model)) for model in ("4b", "27b", "4b", "70b")]
    assert await settled(clock, *tasks) == ["4b", "27b", "4b", "ModelMissing"]
    assert (len(large.asked), len(small.asked)) == (1, 2)


async def test_a_server_can_be_taken_away_while_it_works(clock: FakeClock) -> None:
    old, new = FakeEngine(clock, label="old", takes_s=30), FakeEngine(clock, label="new")
    pool = EnginePool([Endpoint(name="old", engine=old)], clock)
    keeping = asyncio.create_task(pool.keep_well())
    running, waiting = ask(pool, "running"), ask(pool, "waiting")
    await clock.advance_to(clock.now() + 1000)
    pool.replace([Endpoint(name="new", engine=new)])
    await clock.advance_to(clock.now() + 5000)
    assert new.served == ["waiting"]
    assert not old.is_closed
    assert await settled(clock, running, waiting) == ["hello", "hello"]
    assert old.served == ["running"]
    assert old.is_closed
    assert pool.label == "new"
    keeping.cancel()


async def test_choosing_waits_its_turn_too_and_fails_over(clock: FakeClock) -> None:
    engine = FakeEngine(clock, problems=[EngineBroken("x")])
    pool = pool_of(clock, engine)
    choosing = asyncio.create_task(pool.choose(replace(PROMPT, urgency="gate"), affinity="room"))
    await clock.advance_to(clock.now() + 5000)
    assert await choosing == {"A": 1.0}
    engine.takes_s = 100
    running = ask(pool, "other")
    await clock.settle()
    choosing = asyncio.create_task(pool.choose(replace(PROMPT, urgency="gate"), affinity="room"))
    await clock.advance_to(clock.now() + 40_000)
    with pytest.raises(EngineBusy):
        await choosing
    running.cancel()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "ask", "cancel", "pass", "fail", "replace"]),
        st.integers(0, 5),
        st.sampled_from(["mention", "reply", "gate", "unasked", "background"]),
    ),
    max_size=40,
)


@settings(max_examples=120, deadline=None)
@given(STEPS, st.integers(1, 3))
def test_whatever_happens_every_call_ends_and_every_slot_comes_back(
    steps: list[tuple[str, int, Urgency]], slots: int
) -> None:
    async def play() -> None:
        clock = FakeClock()
        engines = [FakeEngine(clock, takes_s=3), FakeEngine(clock, takes_s=7)]
        pool = pool_of(clock, *engines, slots=slots)
        keeping = asyncio.create_task(pool.keep_well())
        calls: list[asyncio.Task[str]] = []
        for kind, number, urgency in steps:
            match kind:
                case "ask":
                    calls.append(ask(pool, f"room{number}", urgency))
                case "cancel" if calls:
                    calls[-1 - number % len(calls)].cancel()
                case "pass":
                    await clock.advance_to(clock.now() + 1500 * number)
                case "fail":
                    engines[number % 2].problems.append(EngineBroken("x"))
                case "replace":
                    pool.replace([pool.endpoints[0]])
                case _:
                    pass
            await clock.settle()
            assert all(engine.running <= slots for engine in engines)
        await settled(clock, *calls, seconds=2000)
        assert all(call.done() for call in calls)
        assert all(engine.running == 0 for engine in engines)
        for engine in engines:
            engine.problems.clear()
        last = ask(pool)
        assert await settled(clock, last) == ["hello"]
        keeping.cancel()

    asyncio.run(play())
