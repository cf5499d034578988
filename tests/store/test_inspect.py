from __future__ import annotations

from dataclasses import replace

from bridge.domain.events import Delivery, Malformed
from bridge.domain.ids import UserId
from bridge.domain.room import Member, Room
from bridge.store.inspect import Figures, Share, figures, most_used
from bridge.store.migrations import LATEST
from bridge.store.store import Store
from tests.store.making import ALICE, LUNA_USER, ROOM, lease, message, record_luna, said, text, turn


async def test_an_empty_store_counts_nothing(store: Store) -> None:
    counted = await figures(store.database)
    assert counted.size_bytes > 10_000
    assert counted == Figures(
        rooms=0,
        puppets=0,
        events_waiting=0,
        events_poison=0,
        events_malformed=0,
        turns_open=0,
        effects_unsent=0,
        texts=0,
        size_bytes=counted.size_bytes,
        oldest_text_at=None,
        schema_version=LATEST,
    )


async def test_what_is_there_is_counted(store: Store) -> None:
    await record_luna(store)
    malformed = Malformed(problem="x", raw="y", received_at=0)
    await store.mailbox.deliver(Delivery(events=(message("$a"),), malformed=(malformed,)))
    held = await lease(store)
    bad, *_ = await store.mailbox.take(held)
    await store.mailbox.set_aside(held, bad.seq, problem="x")
    member = Member(user_id=LUNA_USER, membership="join")
    await store.rooms.put(held, Room(room_id=ROOM, members={LUNA_USER: member}))
    await store.outbox.plan(held, turn(), [("0", text())])
    await store.history.add(held, said("$q"))
    counted = await figures(store.database)
    assert counted == Figures(
        rooms=1,
        puppets=1,
        events_waiting=1,
        events_poison=1,
        events_malformed=1,
        turns_open=1,
        effects_unsent=1,
        texts=3,
        size_bytes=counted.size_bytes,
        oldest_text_at=2,
        schema_version=LATEST,
    )


async def test_who_used_most_is_named_by_person_room_and_server(store: Store) -> None:
    held = await lease(store)
    carol = UserId("@carol:far.example")
    for n, asker in enumerate((ALICE, ALICE, carol, None)):
        asked = replace(turn(f"$cause{n}"), asker=asker, started_at=1000)
        await store.turns.open(held, asked)
        await store.turns.record_use(asked.turn_id, model="m", prompt_tokens=10, reply_tokens=n)
    used = await most_used(store.database, 0, 1)
    assert used == {
        "person": [Share(who=ALICE, replies=2, tokens=21)],
        "room": [Share(who=ROOM, replies=3, tokens=33)],
        "server": [Share(who="example.org", replies=2, tokens=21)],
    }
    assert await most_used(store.database, 2000, 1) == {"person": [], "room": [], "server": []}
