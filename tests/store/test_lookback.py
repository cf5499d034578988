"""What the homeserver never sent is put where it belongs among what waits."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bridge.domain.events import Delivery, Echo, Redaction
from bridge.domain.ids import EventId, WorkerId
from bridge.domain.lease import Lease
from bridge.errors import LeaseLost
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
    text,
    turn,
)


async def waiting(store: Store, held: Lease) -> str:
    return "".join(a.event.event_id.lstrip("$") for a in await store.mailbox.take(held))


async def held_with(store: Store, delivered: str, handled: str = "") -> Lease:
    """The room, owned, after these events were delivered and those of them handled."""
    await deliver(store, *(message(f"${each}") for each in delivered))
    [held] = await claim(store)
    for arrival in await store.mailbox.take(held):
        if arrival.event.event_id.lstrip("$") in handled:
            await store.mailbox.finish(held, arrival.seq, reason="x", room=None)
    return held


async def caught_up(store: Store, held: Lease, timeline: str, answered: Sequence[str] = ()) -> str:
    seen = Delivery(events=tuple(message(f"${each}") for each in timeline))
    found = await store.lookback.catch_up(
        held,
        seen,
        answered={EventId(f"${each}") for each in answered},
        doubts=await store.lookback.doubts(held),
    )
    return "".join(each.lstrip("$") for each in found)


@pytest.mark.parametrize(
    ("delivered", "handled", "timeline", "found", "order"),
    [
        ("ab", "ab", "abc", "c", "c"),
        ("abd", "ab", "abcd", "c", "cd"),
        ("abd", "a", "abcd", "c", "bcd"),
        ("ace", "a", "abcdef", "bdf", "bcdef"),
        ("abd", "abd", "abcd", "c", "c"),
        ("ab", "a", "ab", "", "b"),
        ("ab", "", "cd", "", "ab"),
        ("axd", "a", "abcd", "bc", "xbcd"),
        ("adx", "a", "abcd", "bc", "bcdx"),
        ("ca", "", "abc", "b", "bca"),
    ],
)
async def test_what_is_missing_comes_in_the_order_of_the_timeline(
    store: Store, delivered: str, handled: str, timeline: str, found: str, order: str
) -> None:
    held = await held_with(store, delivered, handled)
    assert await caught_up(store, held, timeline) == found
    assert await waiting(store, held) == order


async def test_catching_up_again_changes_nothing(store: Store) -> None:
    held = await held_with(store, "abd", "a")
    assert await caught_up(store, held, "abcd") == "c"
    assert await caught_up(store, held, "abcd") == ""
    assert await deliver(store, message("$c")) == 0
    assert await waiting(store, held) == "bcd"


async def test_how_often_handling_crashed_is_not_forgotten(store: Store) -> None:
    held = await held_with(store, "ac", "a")
    [arrival] = await store.mailbox.take(held)
    await store.mailbox.count_crash(held, arrival.seq)
    assert await caught_up(store, held, "abc") == "b"
    assert [a.attempts for a in await store.mailbox.take(held)] == [0, 1]


async def test_what_an_earlier_database_answered_is_left_out(store: Store) -> None:
    held = await held_with(store, "a", "a")
    assert await caught_up(store, held, "abc", answered=["b"]) == "c"


async def test_a_redaction_that_was_missed_takes_the_words_back(store: Store) -> None:
    await deliver(store, message("$a", text="secret words"))
    [held] = await claim(store)
    redaction = Redaction(
        event_id=EventId("$r"), room_id=ROOM, sender=ALICE, sent_at=1, received_at=1,
        target=EventId("$a"),
    )  # fmt: skip
    seen = Delivery(events=(message("$a", text=""), redaction))
    await store.lookback.catch_up(held, seen, answered=(), doubts=0)
    assert "secret words" not in await everything(store.database)


async def test_an_echo_that_was_missed_confirms(store: Store) -> None:
    await record_luna(store)
    held = await lease(store)
    [row] = await store.outbox.plan(held, turn(), [("0", text())])
    await store.outbox.mark_sent(held, row.txn_id, EventId("$answer"), None)
    echo = Echo(txn_id=row.txn_id, event_id=EventId("$answer"), room_id=ROOM, sender=LUNA_USER)
    await store.lookback.catch_up(held, Delivery(echoes=(echo,)), answered=(), doubts=0)
    async with store.database.reading() as connection:
        assert await connection.fetchval("SELECT state FROM outbox") == "confirmed"


async def test_a_second_copy_whose_echo_was_missed_becomes_an_event(store: Store) -> None:
    await record_luna(store)
    held = await lease(store)
    [row] = await store.outbox.plan(held, turn(), [("0", text())])
    echoes = [
        Echo(txn_id=row.txn_id, event_id=EventId(each), room_id=ROOM, sender=LUNA_USER)
        for each in ("$copy1", "$copy2")
    ]
    await store.mailbox.deliver(Delivery(echoes=(echoes[0],)))
    for _ in range(2):
        await store.lookback.catch_up(held, Delivery(echoes=tuple(echoes)), answered=(), doubts=0)
    found = [arrival.event for arrival in await store.mailbox.take(held)][1:]
    assert [(each.kind, each.event_id) for each in found] == [("repeat", "$copy2")]


async def test_a_doubt_wakes_the_rooms_that_were_active_and_stays_until_they_looked(
    store: Store,
) -> None:
    await deliver(store, message("$1"), message("$2", OTHER_ROOM))
    for held in await claim(store):
        for arrival in await store.mailbox.take(held):
            await store.mailbox.finish(held, arrival.seq, reason="x", room=None)
        await store.mailbox.release(held, retry_in_ms=None)
    assert await claim(store) == []
    async with store.database.transaction() as connection:
        await connection.execute(
            "UPDATE inbox SET received_at = $2 WHERE room_id = $1", ROOM, await connection.now()
        )
    assert await store.lookback.doubt() == 1
    [held] = await claim(store)
    assert (held.room_id, held.doubts) == (ROOM, 1)
    await store.mailbox.release(held, retry_in_ms=60_000)
    assert await store.lookback.doubt() == 1
    assert await claim(store) == [], "a room that waits for a second try is not woken again"


async def test_a_doubt_that_arose_during_a_look_stays(store: Store) -> None:
    held = await held_with(store, "a", "a")
    async with store.database.transaction() as connection:
        await connection.execute("UPDATE inbox SET received_at = $1", await connection.now())
    await store.lookback.doubt()
    seen_with = await store.lookback.doubts(held)
    await store.lookback.doubt()
    await store.lookback.catch_up(held, Delivery(), answered=(), doubts=seen_with)
    assert await store.lookback.doubts(held) == seen_with + 1
    await store.lookback.catch_up(held, Delivery(), answered=(), doubts=seen_with + 1)
    assert await store.lookback.doubts(held) == 0


async def test_finishing_an_event_tells_of_doubts(store: Store) -> None:
    held = await held_with(store, "abc")
    first, second, _ = await store.mailbox.take(held)
    assert await store.mailbox.finish(held, first.seq, reason="x", room=None) == 0
    async with store.database.transaction() as connection:
        await connection.execute("UPDATE inbox SET received_at = $1", await connection.now())
    await store.lookback.doubt()
    assert await store.mailbox.finish(held, second.seq, reason="x", room=None) == 1
    assert await store.lookback.waiting(held) == 1


async def test_a_room_in_hand_is_due_again_when_a_doubt_arises(store: Store) -> None:
    held = await held_with(store, "a", "a")
    async with store.database.transaction() as connection:
        await connection.execute("UPDATE inbox SET received_at = $1", await connection.now())
    await store.lookback.doubt()
    await store.mailbox.release(held, retry_in_ms=None)
    [again] = await claim(store)
    assert again.doubts == 1


async def test_nobody_catches_up_for_a_room_that_another_owns(store: Store) -> None:
    held = await held_with(store, "a", "a")
    late = Lease(room_id=ROOM, worker_id=WorkerId("late"), epoch=held.epoch, arrivals=1)
    with pytest.raises(LeaseLost):
        await store.lookback.catch_up(
            late, Delivery(events=(message("$a"), message("$b"))), answered=(), doubts=0
        )
