"""Downloads of models belong to a worker, and outlive it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.domain.ids import EventId
from bridge.domain.lease import Lease
from bridge.domain.model import Pull
from bridge.errors import LeaseLost
from bridge.store.store import Store
from tests.store.making import LUNA, ROOM, hire, lease

PULL = Pull(
    pull_id="$command~0",
    server="http://one:11434",
    model="gemma3:4b",
    room_id=ROOM,
    puppet_id=LUNA,
    cause_id=EventId("$command"),
)
AGAIN = replace(PULL, pull_id="$later~0", cause_id=EventId("$later"))


async def begun(store: Store, *pulls: Pull) -> tuple[Lease, list[Pull]]:
    held = await lease(store)
    return held, [await store.pulls.begin(held, pull) for pull in pulls]


async def test_beginning_again_after_a_crash_changes_nothing(store: Store) -> None:
    held, (first,) = await begun(store, PULL)
    assert first == replace(PULL, started_at=first.started_at)
    assert first.started_at > 0
    await store.pulls.end(PULL.pull_id, "done")
    assert (await store.pulls.begin(held, PULL)).state == "done"
    assert await store.pulls.claim(await hire(store, "w")) == []


async def test_of_a_model_and_server_one_is_open_at_a_time(store: Store) -> None:
    held, (first, second) = await begun(store, PULL, AGAIN)
    assert second == first
    elsewhere = replace(AGAIN, pull_id="$later~1", server="http://two:11434")
    assert (await store.pulls.begin(held, elsewhere)).pull_id == "$later~1"
    await store.pulls.end(first.pull_id, "failed")
    assert (await store.pulls.begin(held, AGAIN)).pull_id == AGAIN.pull_id


async def test_one_worker_owns_it_and_another_one_when_that_has_gone(store: Store) -> None:
    await begun(store, PULL)
    one, two = await hire(store, "one"), await hire(store, "two")
    (claimed,) = await store.pulls.claim(one)
    assert claimed.pull_id == PULL.pull_id
    assert await store.pulls.claim(one) == []
    assert await store.pulls.claim(two) == []
    await store.pulls.note(PULL.pull_id, done_bytes=250, total_bytes=1000)
    await store.workers.end(one)
    (taken_over,) = await store.pulls.claim(two)
    assert (taken_over.done_bytes, taken_over.percent) == (250, 25)
    await store.pulls.end(PULL.pull_id, "done")
    await store.workers.end(two)
    assert await store.pulls.claim(await hire(store, "three")) == []


async def test_who_does_not_live_claims_nothing(store: Store) -> None:
    await begun(store, PULL)
    one = await hire(store, "one")
    await store.workers.end(one)
    assert await store.pulls.claim(one) == []


async def test_only_the_rooms_owner_begins_one(store: Store) -> None:
    held = await lease(store)
    with pytest.raises(LeaseLost):
        await store.pulls.begin(replace(held, epoch=held.epoch - 1), PULL)
    assert await store.pulls.newest(PULL.server, PULL.model) is None


async def test_the_newest_is_told_whatever_came_of_it(store: Store) -> None:
    held, _ = await begun(store, PULL)
    await store.pulls.end(PULL.pull_id, "failed")
    await store.pulls.begin(held, AGAIN)
    newest = await store.pulls.newest(PULL.server, PULL.model)
    assert newest is not None
    assert newest.pull_id == AGAIN.pull_id
    assert await store.pulls.newest("http://two:11434", PULL.model) is None


async def test_old_ones_that_ended_are_deleted_and_open_ones_never(store: Store) -> None:
    held, (first,) = await begun(store, PULL)
    later = first.started_at + 1_000_000
    assert await store.pulls.prune(later) == 0
    await store.pulls.end(PULL.pull_id, "done")
    await store.pulls.begin(held, AGAIN)
    assert await store.pulls.prune(later) == 1
    newest = await store.pulls.newest(PULL.server, PULL.model)
    assert newest is not None
    assert newest.pull_id == AGAIN.pull_id
