from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.domain.ids import EventId, UserId
from bridge.domain.room import Direct, Member, Room
from bridge.errors import LeaseLost
from bridge.store.store import Store
from tests.store.making import ALICE, LUNA, LUNA_USER, OTHER_ROOM, ROOM, lease, record_luna

BOB = UserId("@bob:example.org")


def member(user_id: UserId, membership: str = "join") -> Member:
    return Member(user_id=user_id, membership=membership, display_name="x")  # type: ignore[arg-type]


def room(*members: Member) -> Room:
    return Room(
        room_id=ROOM,
        name="Lounge",
        topic="héllo",
        is_encrypted=False,
        direct=Direct(person=ALICE, puppet_id=LUNA),
        members={one.user_id: one for one in members},
        muted_until={LUNA: 7},
        disclosed=(LUNA,),
        language="de",
        window_from=3,
    )


async def test_an_unknown_room_is_new(store: Store) -> None:
    assert await store.rooms.get(ROOM) == Room(room_id=ROOM)


async def test_a_room_comes_back_as_it_was_put(store: Store) -> None:
    held = await lease(store)
    full = room(member(ALICE), member(LUNA_USER, "invite"))
    await store.rooms.put(held, full)
    assert await store.rooms.get(ROOM) == full


async def test_members_change_and_go(store: Store) -> None:
    held = await lease(store)
    await store.rooms.put(held, room(member(ALICE), member(BOB)))
    changed = room(member(ALICE, "leave"), member(LUNA_USER))
    await store.rooms.put(held, replace(changed, name=""))
    assert await store.rooms.get(ROOM) == replace(changed, name="")


async def test_a_lost_lease_puts_nothing(store: Store) -> None:
    held = await lease(store)
    await store.workers.end(held.worker_id)
    with pytest.raises(LeaseLost):
        await store.rooms.put(held, room())
    with pytest.raises(LeaseLost):
        await store.rooms.note_invite(held, ALICE, EventId("$i"))


async def test_rooms_count_when_a_puppet_of_ours_is_joined(store: Store) -> None:
    held = await lease(store)
    other = await lease(store, OTHER_ROOM)
    await store.rooms.put(held, room(member(ALICE), member(LUNA_USER)))
    await store.rooms.put(other, replace(room(member(ALICE)), room_id=OTHER_ROOM))
    assert await store.rooms.count_joined() == 0
    await record_luna(store)
    assert await store.rooms.count_joined() == 1
    assert await store.rooms.of_puppet(LUNA_USER) == [ROOM]
    assert await store.rooms.of_puppet(ALICE) == [OTHER_ROOM, ROOM]


async def test_an_accepted_invite_counts_once_and_for_its_inviter(store: Store) -> None:
    held = await lease(store)
    for event_id, inviter in (("$1", ALICE), ("$1", ALICE), ("$2", ALICE), ("$3", BOB)):
        await store.rooms.note_invite(held, inviter, EventId(event_id))
    assert await store.rooms.count_invites(ALICE, 0) == 2
    assert await store.rooms.count_invites(ALICE, 2**60) == 0


async def test_dms_are_found_the_last_changed_first(store: Store) -> None:
    assert await store.rooms.direct() == []
    direct = Direct(person=ALICE, puppet_id=LUNA)
    for room_id, what in ((ROOM, direct), (OTHER_ROOM, None)):
        held = await lease(store, room_id)
        await store.rooms.put(held, Room(room_id=room_id, name='"direct":{', direct=what))
    (only,) = await store.rooms.direct()
    assert (only.room_id, only.direct) == (ROOM, direct)
