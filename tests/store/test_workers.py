"""Who lives, who is dead, and what becomes of the rooms of the dead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bridge.clock import FakeClock
from bridge.domain.ids import WorkerId
from bridge.domain.lease import Lease
from bridge.domain.room import Room
from bridge.errors import LeaseLost
from bridge.store.store import Store, open_store
from bridge.store.workers import HASTE_UNTIL_DEATHS
from tests.lab.postgres import Postgres
from tests.store.making import ROOM, TTL_MS, claim, deliver, hire, lease, message


async def owned(store: Store, worker_id: WorkerId) -> Lease:
    await deliver(store, message("$1"))
    [held] = await store.mailbox.claim(worker_id, 1)
    return held


async def test_a_life_begins_with_a_lease_and_an_id_of_its_own(store: Store) -> None:
    first = await store.workers.begin(TTL_MS)
    assert await store.workers.beat(first, TTL_MS)
    second = await store.workers.begin(TTL_MS)
    assert second != first
    assert not await store.workers.beat(first, TTL_MS)


async def test_a_new_life_frees_the_rooms_of_the_one_before_at_once(store: Store) -> None:
    before = await owned(store, await store.workers.begin(TTL_MS))
    heir = await store.workers.begin(TTL_MS)
    [held] = await store.mailbox.claim(heir, 1)
    assert held.epoch > before.epoch
    assert held.deaths == 1
    with pytest.raises(LeaseLost):
        await store.rooms.put(before, Room(room_id=ROOM))


async def test_beating_in_time_renews_and_too_late_tells_so(store: Store) -> None:
    worker_id = await store.workers.begin(TTL_MS)
    assert await store.workers.beat(worker_id, TTL_MS)
    assert await store.workers.beat(worker_id, -1)
    assert not await store.workers.beat(worker_id, TTL_MS)


async def test_a_worker_that_overslept_is_replaced_by_another(store: Store) -> None:
    await hire(store, "sleeper", -1)
    await deliver(store, message("$1"))
    async with store.database.transaction() as connection:
        await connection.execute("UPDATE mailbox SET owner = 'sleeper'")
    heir = await hire(store, "heir")
    assert await store.mailbox.claim(heir, 1) == []
    assert await store.workers.free_dead(heir) == 1
    assert await store.workers.free_dead(heir) == 0
    assert len(await store.mailbox.claim(heir, 1)) == 1


async def test_a_lease_runs_out_with_the_clock(database_url: str, clock: FakeClock) -> None:
    if not database_url.startswith("sqlite"):
        return
    store = await open_store(database_url, clock)
    sleeper = await hire(store, "sleeper", 10_000)
    await owned(store, sleeper)
    clock.shift(10_000)
    assert await store.workers.free_dead(await hire(store, "heir")) == 0
    clock.shift(1)
    assert await store.workers.free_dead(await hire(store, "heir")) == 1
    assert len(await claim(store, "heir")) == 1
    await store.close()


async def test_rooms_are_handed_over_at_once_and_that_is_no_death(store: Store) -> None:
    held = await lease(store)
    await store.workers.end(held.worker_id)
    with pytest.raises(LeaseLost):
        await store.rooms.put(held, Room(room_id=ROOM))
    [now] = await claim(store, "heir")
    assert now.deaths == 0


async def test_a_room_whose_owners_keep_dying_waits_ever_longer_also_for_new_events(
    store: Store,
) -> None:
    await deliver(store, message("$1"))
    for n in range(HASTE_UNTIL_DEATHS + 1):
        [held] = await claim(store, f"worker{n}")
        assert held.deaths == n
        async with store.database.transaction() as connection:
            await connection.execute("UPDATE worker SET lease_until_at = 1")
        await store.workers.free_dead(await hire(store, "undertaker"))
    await deliver(store, message("$2"))
    assert await claim(store, "heir") == []
    due_in_ms = await store.mailbox.next_wake_in_ms()
    assert due_in_ms is not None
    assert 0 < due_in_ms <= 1000


async def test_a_finished_event_clears_the_deaths_of_its_room(store: Store) -> None:
    await owned(store, await store.workers.begin(TTL_MS))
    worker_id = await store.workers.begin(TTL_MS)
    [held] = await store.mailbox.claim(worker_id, 1)
    [arrival] = await store.mailbox.take(held)
    await store.mailbox.finish(held, arrival.seq, reason="silent", room=None)
    await store.mailbox.release(held, retry_in_ms=0)
    [again] = await store.mailbox.claim(worker_id, 1)
    assert again.deaths == 0


@pytest_asyncio.fixture
async def pair(postgres: Postgres, clock: FakeClock) -> AsyncIterator[tuple[Store, Store]]:
    """Two processes' stores on one PostgreSQL."""
    with postgres.database() as url:
        one, two = await open_store(url, clock), await open_store(url, clock)
        try:
            yield one, two
        finally:
            await one.close()
            await two.close()


async def test_a_living_worker_keeps_its_rooms_and_is_a_peer(pair: tuple[Store, Store]) -> None:
    one, two = pair
    first, second = await one.workers.begin(TTL_MS), await two.workers.begin(TTL_MS)
    held = await owned(one, first)
    assert await two.workers.free_dead(second) == 0
    assert await two.workers.count_peers(second) == 1
    await one.rooms.put(held, Room(room_id=ROOM))


async def test_a_dead_workers_rooms_are_free_long_before_its_lease_ends(
    pair: tuple[Store, Store],
) -> None:
    one, two = pair
    held = await owned(one, await one.workers.begin(TTL_MS))
    second = await two.workers.begin(TTL_MS)
    # What the server sees when a process is killed: its sessions end.
    await one.presence.end()
    assert await two.workers.count_peers(second) == 0
    assert await two.workers.free_dead(second) == 1
    with pytest.raises(LeaseLost):
        await one.rooms.put(held, Room(room_id=ROOM))
    assert len(await two.mailbox.claim(second, 1)) == 1


async def test_who_loses_its_proof_is_told(pair: tuple[Store, Store]) -> None:
    one, two = pair
    await one.workers.begin(TTL_MS)
    assert not one.workers.lost.is_set()
    async with two.database.reading() as connection:
        await connection.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE $1",
            "%presence",
        )
    async with asyncio.timeout(5):
        await one.workers.lost.wait()
    await one.workers.begin(TTL_MS)
    assert not one.workers.lost.is_set()


async def test_a_delivery_wakes_the_workers_of_other_processes(pair: tuple[Store, Store]) -> None:
    one, two = pair
    woken = asyncio.Event()
    one.presence.on_wake = woken.set
    await one.workers.begin(TTL_MS)
    await deliver(two, message("$1"))
    async with asyncio.timeout(5):
        await woken.wait()
