"""What somebody may see of a room's history: what came since they are there, and nothing erased."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.domain.events import Redaction
from bridge.domain.ids import EventId, RoomId, UserId
from bridge.domain.lease import Lease
from bridge.domain.room import Member, Room
from bridge.store.migrations import UPGRADES, migrate
from bridge.store.store import Store
from tests.store.making import ALICE, OTHER_ROOM, ROOM, deliver, lease, said

BOB = UserId("@bob:example.org")


async def members(store: Store, held: Lease, **states: Any) -> None:
    """Store who is in the room, by their first names."""
    of = [
        Member(user_id=UserId(f"@{name}:example.org"), membership=state)
        for name, state in states.items()
    ]
    room = Room(room_id=held.room_id, members={member.user_id: member for member in of})
    await store.rooms.put(held, room)


async def say(store: Store, held: Lease, *events: str, **more: Any) -> None:
    for event_id in events:
        await store.history.add(held, said(event_id, **more))


async def seen(store: Store, person: UserId, room_id: RoomId = ROOM, **more: Any) -> list[str]:
    options: dict[str, Any] = {"below_seq": None, "limit": 100} | more
    return [one.event_id for one in await store.history.seen_by(room_id, person, **options)]


async def test_who_came_later_sees_what_came_later(store: Store) -> None:
    held = await lease(store)
    await members(store, held, alice="join")
    await say(store, held, "$1", "$2")
    await members(store, held, alice="join", bob="join")
    await say(store, held, "$3")
    assert await seen(store, ALICE) == ["$3", "$2", "$1"]
    assert await seen(store, BOB) == ["$3"]


async def test_who_was_away_does_not_see_what_was_said_meanwhile_or_before(store: Store) -> None:
    held = await lease(store)
    await members(store, held, alice="join", bob="join")
    await say(store, held, "$1")
    await members(store, held, alice="join", bob="leave")
    await say(store, held, "$2")
    assert await seen(store, BOB) == []
    await members(store, held, alice="join", bob="join")
    await say(store, held, "$3")
    assert await seen(store, BOB) == ["$3"]


@pytest.mark.parametrize("state", ["invite", "leave", "ban", "knock", None])
async def test_who_is_not_in_the_room_sees_nothing(store: Store, state: Any) -> None:
    held = await lease(store)
    await members(store, held, alice="join", **({"bob": state} if state else {}))
    await say(store, held, "$1")
    assert await seen(store, BOB) == []


async def test_a_new_name_is_no_new_start(store: Store) -> None:
    held = await lease(store)
    await members(store, held, alice="join")
    await say(store, held, "$1")
    named = Member(user_id=ALICE, membership="join", display_name="Al")
    await store.rooms.put(held, Room(room_id=ROOM, members={ALICE: named}))
    assert await seen(store, ALICE) == ["$1"]


async def test_a_new_name_shows_nothing_older(store: Store) -> None:
    held = await lease(store)
    await members(store, held, alice="join")
    await say(store, held, "$1")
    await members(store, held, alice="join", bob="join")
    await say(store, held, "$2")
    room = await store.rooms.get(ROOM)
    named = Member(user_id=BOB, membership="join", display_name="Alice")
    await store.rooms.put(held, Room(room_id=ROOM, members={**room.members, BOB: named}))
    assert await seen(store, BOB) == ["$2"]


async def test_nothing_of_other_rooms_is_seen(store: Store) -> None:
    held, other = await lease(store), await lease(store, OTHER_ROOM)
    for one in (held, other):
        await members(store, one, alice="join")
    await say(store, held, "$here")
    assert await seen(store, ALICE, OTHER_ROOM) == []


async def test_what_was_redacted_or_is_no_context_is_not_seen(store: Store) -> None:
    held = await lease(store)
    await members(store, held, alice="join")
    await say(store, held, "$1", "$2")
    await say(store, held, "$private", is_context=False, is_ours=True)
    await say(store, held, "$empty", text="")
    await deliver(
        store,
        Redaction(
            event_id=EventId("$r"), room_id=ROOM, sender=ALICE, sent_at=0, received_at=0,
            target=EventId("$1"),
        ),
    )  # fmt: skip
    assert await seen(store, ALICE) == ["$2"]


async def test_words_of_who_opted_out_are_not_seen(store: Store) -> None:
    held = await lease(store)
    await members(store, held, alice="join", bob="join")
    await say(store, held, "$1")
    assert await seen(store, BOB) == ["$1"]
    await store.people.opt(held, ALICE, out=True)
    assert await seen(store, BOB) == []


async def test_pages_go_back(store: Store) -> None:
    held = await lease(store)
    await members(store, held, alice="join")
    await say(store, held, *(f"${n}" for n in range(5)))
    first = await store.history.seen_by(ROOM, ALICE, below_seq=None, limit=2)
    assert [one.event_id for one in first] == ["$4", "$3"]
    assert await seen(store, ALICE, below_seq=first[-1].seq, limit=2) == ["$2", "$1"]


async def test_of_members_before_the_upgrade_only_what_comes_after_it_is_known(
    store: Store,
) -> None:
    """The rows as the version before left them."""
    held = await lease(store)
    await members(store, held, alice="join", bob="leave")
    await say(store, held, "$1")
    async with store.database.transaction() as connection:
        await connection.execute("DROP TABLE tool_call")
        await connection.execute("DROP TABLE pull")
        await connection.execute("ALTER TABLE member DROP COLUMN joined_seq")
        await connection.execute("UPDATE schema_version SET version = 4")
    assert await migrate(store.database, UPGRADES) == 4
    await say(store, held, "$2")
    assert await seen(store, ALICE) == ["$2"]
    assert await seen(store, BOB) == []


async def test_a_row_of_the_version_before_shows_nothing(store: Store) -> None:
    held = await lease(store)
    await members(store, held, alice="join")
    async with store.database.transaction() as connection:
        await connection.execute("UPDATE member SET joined_seq = NULL")
    await say(store, held, "$1")
    assert await seen(store, ALICE) == []
