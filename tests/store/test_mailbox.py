from __future__ import annotations

import asyncio
import random

import pytest

from bridge.clock import FakeClock
from bridge.domain.events import Delivery, Malformed, StateChange
from bridge.domain.ids import EventId, RoomId, WorkerId
from bridge.domain.room import Member, Room
from bridge.errors import LeaseLost
from bridge.store.store import Store, open_store
from tests.store.making import (
    ALICE,
    OTHER_ROOM,
    ROOM,
    WORKER,
    claim,
    deliver,
    everything,
    hire,
    lease,
    message,
)


async def taken(store: Store, room_id: RoomId = ROOM) -> list[str]:
    held = next(one for one in await claim(store) if one.room_id == room_id)
    return [arrival.event.event_id for arrival in await store.mailbox.take(held)]


async def state_of(store: Store, event_id: str) -> tuple[str, str]:
    async with store.database.reading() as connection:
        row = await connection.fetchrow(
            "SELECT state, body FROM inbox WHERE event_id = $1", event_id
        )
    assert row is not None
    return row["state"], row["body"]


async def test_an_event_delivered_twice_is_new_once(store: Store) -> None:
    assert await deliver(store, message("$1"), message("$2"), message("$1")) == 2
    assert await deliver(store, message("$2"), message("$3")) == 1
    assert await taken(store) == ["$1", "$2", "$3"]


async def test_a_room_takes_its_events_in_the_order_they_came(store: Store) -> None:
    await deliver(store, message("$b"), message("$x", OTHER_ROOM), message("$a"))
    await deliver(store, message("$0"))
    assert await taken(store) == ["$b", "$a", "$0"]


async def test_events_come_back_as_they_were(store: Store) -> None:
    event = message("$1", text="héllo \u4f60\x00 👋", age_ms=7, pills=(ALICE,))
    await deliver(store, event)
    [held] = await claim(store)
    [arrival] = await store.mailbox.take(held)
    assert arrival.event == event


async def test_an_event_without_a_json_form_is_malformed_and_blocks_nothing(
    store: Store,
) -> None:
    strange = StateChange(
        event_id=EventId("$strange"),
        room_id=ROOM,
        sender=ALICE,
        sent_at=0,
        received_at=0,
        type="m.room.name",
        content={"name": object()},
    )
    malformed = Malformed(problem="no sender", raw="{}\x00\ud800", received_at=10**40)
    delivery = Delivery(events=(strange, message("$1")), malformed=(malformed,))
    assert await store.mailbox.deliver(delivery) == 1
    assert await taken(store) == ["$1"]
    assert "no sender" in await everything(store.database)
    assert "$strange" in await everything(store.database)


async def test_a_claim_is_exclusive(store: Store) -> None:
    await deliver(store, message("$1"), message("$2", OTHER_ROOM))
    await hire(store, "a")
    await hire(store, "b")
    claimed = await asyncio.gather(
        *(store.mailbox.claim(WorkerId(name), 1) for name in ("a", "b", "a", "b"))
    )
    assert sorted(one.room_id for leases in claimed for one in leases) == [OTHER_ROOM, ROOM]


async def test_the_longest_due_room_is_claimed_first(store: Store) -> None:
    rooms = [RoomId(f"!{name}:example.org") for name in "cab"]
    for due_at, room_id in enumerate(rooms, start=1):
        await deliver(store, message(f"${room_id}", room_id))
        async with store.database.transaction() as connection:
            await connection.execute(
                "UPDATE mailbox SET wake_at = $2 WHERE room_id = $1", room_id, due_at
            )
    assert [one.room_id for one in await claim(store)] == rooms


async def test_a_worker_that_does_not_live_claims_nothing(store: Store) -> None:
    await deliver(store, message("$1"))
    assert await store.mailbox.claim(WORKER, 10) == []


async def test_a_dead_workers_rooms_can_be_claimed_and_it_can_no_longer_write(
    store: Store,
) -> None:
    await deliver(store, message("$1"))
    [dead] = await claim(store, "dead")
    assert await claim(store, "heir") == []
    async with store.database.transaction() as connection:
        await connection.execute("UPDATE worker SET lease_until_at = 1 WHERE worker_id = 'dead'")
    assert await store.workers.free_dead(await hire(store, "heir")) == 1
    [heir] = await claim(store, "heir")
    assert heir.epoch > dead.epoch
    assert heir.deaths == 1
    [arrival] = await store.mailbox.take(heir)
    room = Room(room_id=ROOM)
    with pytest.raises(LeaseLost):
        await store.mailbox.finish(dead, arrival.seq, reason="silent", room=room)
    with pytest.raises(LeaseLost):
        await store.mailbox.count_crash(dead, arrival.seq)
    with pytest.raises(LeaseLost):
        await store.mailbox.set_aside(dead, arrival.seq, problem="x")
    await store.mailbox.release(dead, retry_in_ms=None)
    await store.mailbox.finish(heir, arrival.seq, reason="silent", room=room)


async def test_a_released_lease_no_longer_writes(store: Store) -> None:
    held = await lease(store)
    await store.mailbox.release(held, retry_in_ms=None)
    with pytest.raises(LeaseLost):
        await store.rooms.put(held, Room(room_id=ROOM))


async def test_a_lease_of_the_workers_earlier_life_no_longer_writes(store: Store) -> None:
    earlier = await lease(store)
    await store.workers.end(WORKER)
    [now] = await claim(store)
    assert now.worker_id == earlier.worker_id
    with pytest.raises(LeaseLost):
        await store.rooms.put(earlier, Room(room_id=ROOM))
    await store.rooms.put(now, Room(room_id=ROOM))


@pytest.mark.parametrize("retry_in_ms", [None, 2**40])
async def test_an_event_between_the_last_take_and_release_wakes_the_room(
    store: Store, retry_in_ms: int | None
) -> None:
    held = await lease(store)
    for arrival in await store.mailbox.take(held):
        await store.mailbox.finish(held, arrival.seq, reason="silent", room=Room(room_id=ROOM))
    assert await store.mailbox.take(held) == []
    await deliver(store, message("$late"))
    await store.mailbox.release(held, retry_in_ms=retry_in_ms)
    assert await taken(store) == ["$late"]


async def test_a_released_room_sleeps_until_it_is_due(store: Store) -> None:
    held = await lease(store)
    for arrival in await store.mailbox.take(held):
        await store.mailbox.finish(held, arrival.seq, reason="silent", room=Room(room_id=ROOM))
    await store.mailbox.release(held, retry_in_ms=3_600_000)
    assert await claim(store) == []
    due_in_ms = await store.mailbox.next_wake_in_ms()
    assert due_in_ms is not None
    assert 3_500_000 < due_in_ms <= 3_600_000
    await deliver(store, message("$new"))
    assert len(await claim(store)) == 1
    assert await store.mailbox.next_wake_in_ms() is None


async def test_a_room_with_unhandled_events_never_sleeps_for_ever(store: Store) -> None:
    held = await lease(store)
    await store.mailbox.release(held, retry_in_ms=None)
    assert len(await claim(store)) == 1


async def test_a_finished_event_is_gone_and_its_text_too_and_the_room_is_stored(
    store: Store,
) -> None:
    await deliver(store, message("$1", text="CANARY"))
    [held] = await claim(store)
    [arrival] = await store.mailbox.take(held)
    room = Room(
        room_id=ROOM, name="Lounge", members={ALICE: Member(user_id=ALICE, membership="join")}
    )
    await store.mailbox.finish(held, arrival.seq, reason="not_addressed", room=room)
    assert await store.mailbox.take(held) == []
    assert await store.rooms.get(ROOM) == room
    dump = await everything(store.database)
    assert "CANARY" not in dump
    assert "not_addressed" in dump
    assert await deliver(store, message("$1", text="CANARY")) == 0


async def test_crashes_are_counted_and_poison_is_set_aside(store: Store) -> None:
    await deliver(store, message("$bad"), message("$good"))
    [held] = await claim(store)
    bad, _ = await store.mailbox.take(held)
    assert [await store.mailbox.count_crash(held, bad.seq) for _ in range(2)] == [1, 2]
    assert (await store.mailbox.take(held))[0].attempts == 2
    await store.mailbox.set_aside(held, bad.seq, problem="KeyError")
    assert [one.event.event_id for one in await store.mailbox.take(held)] == ["$good"]


async def test_a_row_that_cannot_be_read_is_set_aside_on_the_way(store: Store) -> None:
    await deliver(store, message("$bad"), message("$good"))
    async with store.database.transaction() as connection:
        await connection.execute("UPDATE inbox SET body = '{}' WHERE event_id = '$bad'")
    assert await taken(store) == ["$good"]
    assert (await state_of(store, "$bad"))[0] == "poison"


async def test_a_delivery_with_news_calls_back_after_its_commit(store: Store) -> None:
    calls: list[str] = []
    store.mailbox.on_delivery = lambda: calls.append("woken")
    await deliver(store, message("$1"))
    await deliver(store, message("$1"))
    await deliver(store)
    assert calls == ["woken"]


async def test_what_was_handled_long_ago_is_pruned_and_what_waits_is_not(store: Store) -> None:
    await store.mailbox.deliver(
        Delivery(
            events=(message("$done"), message("$waiting")),
            malformed=(Malformed(problem="x", raw="y", received_at=2),),
        )
    )
    [held] = await claim(store)
    done, _ = await store.mailbox.take(held)
    await store.mailbox.finish(held, done.seq, reason="silent", room=Room(room_id=ROOM))
    assert await store.mailbox.prune(before=2) == 0
    assert await store.mailbox.prune(before=3) == 2
    assert (await state_of(store, "$waiting"))[0] == "new"


async def test_concurrent_deliveries_on_two_stores_neither_deadlock_nor_lose(
    database_url: str, clock: FakeClock
) -> None:
    first, second = await open_store(database_url, clock), await open_store(database_url, clock)
    rooms = [RoomId(f"!{n}:example.org") for n in range(8)]
    dice = random.Random(1)

    def batch(n: int) -> list[object]:
        return [message(f"${n}.{r}", r) for r in dice.sample(rooms, len(rooms))]

    batches = [batch(n) for n in range(20)]
    work = [deliver(s, *b) for b in batches for s in (first, second)]
    beats = [claim(s, name, 3) for s, name in ((first, "a"), (second, "b")) for _ in range(5)]
    results = await asyncio.gather(*work, *beats)
    assert sum(r for r in results if isinstance(r, int)) == 20 * len(rooms)
    leases = [one for r in results if isinstance(r, list) for one in r]
    assert len({one.room_id for one in leases}) == len(leases)
    await first.workers.end(WorkerId("a"))
    await second.workers.end(WorkerId("b"))
    [held] = [one for one in await claim(first, "c", 20) if one.room_id == rooms[0]]
    seqs = [one.seq for one in await first.mailbox.take(held)]
    assert len(seqs) == 20
    await first.close()
    await second.close()
