from __future__ import annotations

import asyncio

from bridge.clock import FakeClock, SystemClock


async def test_the_fake_clock_wakes_sleepers_in_the_order_of_their_time() -> None:
    clock = FakeClock(now_ms=0)
    woken: list[tuple[str, int]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.now()))

    async with asyncio.TaskGroup() as group:
        group.create_task(sleeper("late", 5))
        group.create_task(sleeper("early", 1))
        await clock.advance_to(10_000)
    assert woken == [("early", 1_000), ("late", 5_000)]
    assert clock.now() == 10_000


async def test_the_fake_clock_stands_still_until_it_is_moved() -> None:
    clock = FakeClock(now_ms=0)
    task = asyncio.create_task(clock.sleep(1))
    await clock.settle()
    assert not task.done()
    await clock.advance_to(999)
    assert not task.done()
    await clock.advance_to(1_000)
    assert task.done()


async def test_the_fake_clock_waits_for_work_outside_the_event_loop() -> None:
    clock = FakeClock(now_ms=0)
    busy = True
    seen: list[int] = []

    async def work() -> None:
        nonlocal busy
        await asyncio.to_thread(lambda: None)
        seen.append(clock.now())
        busy = False

    task = asyncio.create_task(work())
    await clock.advance_to(60_000, lambda: busy)
    await task
    assert seen == [0]


async def test_a_wait_ends_at_the_event_or_at_its_timeout() -> None:
    clock = FakeClock(now_ms=0)
    event = asyncio.Event()
    waiting = asyncio.create_task(clock.wait(event, 5))
    await clock.advance_to(1_000)
    event.set()
    await clock.settle()
    assert await waiting is True
    again = asyncio.create_task(clock.wait(asyncio.Event(), 5))
    await clock.settle()
    await clock.advance_to(7_000)
    assert await again is False


async def test_the_system_clock_gives_milliseconds_and_waits() -> None:
    clock = SystemClock()
    assert clock.now() > 1_700_000_000_000
    assert await clock.wait(asyncio.Event(), 0.001) is False
    event = asyncio.Event()
    event.set()
    assert await clock.wait(event, 0) is True
