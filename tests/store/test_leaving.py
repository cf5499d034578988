"""Rooms that no puppet is in any more."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bridge.domain.events import MembershipState
from bridge.domain.ids import EventId, RoomId
from bridge.domain.lease import Lease
from bridge.domain.room import Member, Room
from bridge.store.store import Store
from tests.store.making import (
    ALICE,
    LUNA_USER,
    OTHER_ROOM,
    ROOM,
    claim,
    deliver,
    everything,
    lease,
    message,
    record_luna,
    said,
    text,
    turn,
)

LATER_MS = 1_000


async def lived_in(store: Store, room_id: RoomId, membership: MembershipState) -> Lease:
    """A room in which something was said and stored, with Luna's membership at the end."""
    await record_luna(store)
    held = await lease(store, room_id)
    line = replace(said(f"$said-{room_id}", "words"), room_id=room_id)
    await store.history.add(held, line)
    await store.outbox.plan(held, turn("$q", room_id), [("0", text())])
    members = {
        user_id: Member(user_id=user_id, membership=state, display_name="somebody")
        for user_id, state in ((LUNA_USER, membership), (ALICE, "join"))
    }
    room = Room(room_id=room_id, name="Lounge", members=members)  # type: ignore[arg-type]
    for arrival in await store.mailbox.take(held):
        await store.mailbox.finish(held, arrival.seq, reason="x", room=room)
    return held


async def purge(store: Store) -> int:
    async with store.database.reading() as connection:
        now = await connection.now()
    return await store.purge_left_rooms(now + LATER_MS)


async def is_gone(store: Store, room_id: RoomId = ROOM) -> bool:
    return room_id not in await everything(store.database)


async def test_nothing_stays_of_a_room_that_was_left_long_ago(store: Store) -> None:
    left = await lived_in(store, ROOM, "leave")
    stays = await lived_in(store, OTHER_ROOM, "join")
    for held in (left, stays):
        await store.mailbox.release(held, retry_in_ms=None)
    kept = (await everything(store.database)).count(OTHER_ROOM)
    assert await store.purge_left_rooms(0) == 0
    assert await purge(store) == 1
    assert await is_gone(store)
    assert (await everything(store.database)).count(OTHER_ROOM) == kept
    assert await purge(store) == 0


@pytest.mark.parametrize("membership", ["join", "invite"])
async def test_a_room_that_a_puppet_is_in_or_invited_to_stays(
    store: Store, membership: MembershipState
) -> None:
    held = await lived_in(store, ROOM, membership)
    await store.mailbox.release(held, retry_in_ms=None)
    assert await purge(store) == 0


async def test_a_room_that_is_worked_on_stays(store: Store) -> None:
    await lived_in(store, ROOM, "ban")
    assert await purge(store) == 0
    assert not await is_gone(store)


async def test_a_room_with_news_stays(store: Store) -> None:
    held = await lived_in(store, ROOM, "leave")
    await store.mailbox.release(held, retry_in_ms=None)
    await deliver(store, message("$invite"))
    assert await purge(store) == 0


async def test_a_room_that_comes_back_begins_anew(store: Store) -> None:
    held = await lived_in(store, ROOM, "leave")
    await store.mailbox.release(held, retry_in_ms=None)
    assert await purge(store) == 1
    await deliver(store, message("$again"))
    [again] = await claim(store)
    assert [a.event.event_id for a in await store.mailbox.take(again)] == ["$again"]
    assert (await store.rooms.get(ROOM)).members == {}
    assert await store.history.get(EventId("$said-!room:example.org")) is None


async def test_many_rooms_are_purged_while_events_come(store: Store) -> None:
    await record_luna(store)
    rooms = [RoomId(f"!{n:03}:example.org") for n in range(250)]
    await deliver(store, *(message(f"$wake-{room_id}", room_id) for room_id in rooms))
    for held in await claim(store, limit=300):
        member = Member(user_id=LUNA_USER, membership="leave")
        room = Room(room_id=held.room_id, members={LUNA_USER: member})
        [arrival] = await store.mailbox.take(held)
        await store.mailbox.finish(held, arrival.seq, reason="x", room=room)
        await store.mailbox.release(held, retry_in_ms=None)

    async def invite_again() -> None:
        for room_id in rooms[::10]:
            await deliver(store, message(f"$news-{room_id}", room_id))

    await asyncio.gather(purge(store), invite_again())
    await purge(store)
    waiting = {held.room_id for held in await claim(store, limit=300)}
    assert waiting == set(rooms[::10])
    for room_id in rooms:
        assert await is_gone(store, room_id) is (room_id not in waiting)
