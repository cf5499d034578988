from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.domain.effect import React, Redact
from bridge.domain.events import Delivery, Echo
from bridge.domain.ids import EventId, TxnId, UserId
from bridge.domain.lease import Lease
from bridge.domain.room import Room
from bridge.errors import LeaseLost
from bridge.store.store import Store
from tests.store.making import (
    ALICE,
    LUNA_USER,
    OTHER_ROOM,
    ROOM,
    claim,
    lease,
    record_luna,
    said,
    text,
    turn,
)


async def planned(store: Store) -> tuple[Lease, TxnId]:
    """One planned text, its room released with nothing left to do."""
    await record_luna(store)
    held = await lease(store)
    [row] = await store.outbox.plan(held, turn(), [("0", text("CANARY"))])
    for arrival in await store.mailbox.take(held):
        await store.mailbox.finish(held, arrival.seq, reason="x", room=Room(room_id=ROOM))
    return held, row.txn_id


def echo(txn_id: TxnId, event_id: str = "$sent", sender: UserId = LUNA_USER) -> Echo:
    return Echo(txn_id=txn_id, event_id=EventId(event_id), room_id=ROOM, sender=sender)


async def state(store: Store) -> tuple[str, str | None]:
    async with store.database.reading() as connection:
        row = await connection.fetchrow("SELECT state, event_id FROM outbox")
    assert row is not None
    return row["state"], row["event_id"]


async def test_effects_come_back_in_planned_order_with_everything_in_them(store: Store) -> None:
    held = await lease(store)
    effects = [
        ("s2", replace(text("z"), reply_to=EventId("$q"), mentions=(ALICE,), hops=2)),
        ("0", React(target=EventId("$q"), key="👋")),
        ("s1", Redact(target=EventId("$q"), reason="twice")),
    ]
    rows = await store.outbox.plan(held, turn(), effects)
    assert [row.effect for row in rows] == [effect for _, effect in effects]
    assert await store.outbox.unsent(held) == rows
    assert [one.state for one in await store.turns.open_turns(held)] == ["speaking"]


async def test_the_first_plan_is_the_truth(store: Store) -> None:
    held = await lease(store)
    first = await store.outbox.plan(held, turn(), [("0", text("first"))])
    assert await store.outbox.plan(held, turn(), [("0", text("second"))]) == first


async def test_planning_for_a_turn_that_is_over_is_refused(store: Store) -> None:
    held = await lease(store)
    opened = await store.turns.open(held, turn())
    await store.turns.move(held, opened.turn_id, "dropped")
    with pytest.raises(ValueError, match="dropped"):
        await store.outbox.plan(held, opened, [("0", text())])
    assert await store.outbox.unsent(held) == []


async def test_a_lost_lease_plans_nothing(store: Store) -> None:
    held = await lease(store)
    await store.workers.end(held.worker_id)
    with pytest.raises(LeaseLost):
        await store.outbox.plan(held, turn(), [("0", text())])


async def test_sent_is_sent_once_and_joins_the_history(store: Store) -> None:
    held, txn_id = await planned(store)
    for _ in range(2):
        await store.outbox.mark_sent(held, txn_id, EventId("$sent"), said("$sent", "CANARY"))
    assert await store.outbox.unsent(held) == []
    assert len(await store.history.recent(ROOM, from_seq=0, limit=9)) == 1


async def test_an_echo_confirms_what_was_sent_and_wakes_nobody(store: Store) -> None:
    held, txn_id = await planned(store)
    await store.outbox.mark_sent(held, txn_id, EventId("$sent"), None)
    await store.mailbox.release(held, retry_in_ms=None)
    await store.mailbox.deliver(Delivery(echoes=(echo(txn_id),)))
    assert await state(store) == ("confirmed", "$sent")
    assert await claim(store) == []


async def test_an_echo_of_a_planned_effect_means_it_is_never_sent_again(store: Store) -> None:
    held, txn_id = await planned(store)
    await store.mailbox.release(held, retry_in_ms=None)
    assert await claim(store) == []
    await store.mailbox.deliver(Delivery(echoes=(echo(txn_id),)))
    [held] = await claim(store)
    assert await store.outbox.unsent(held) == []
    [line] = await store.history.recent(ROOM, from_seq=0, limit=9)
    assert (line.text, line.sender, line.sender_name) == ("CANARY", LUNA_USER, "Luna (AI)")
    assert line.is_ours
    await store.outbox.mark_sent(held, txn_id, EventId("$sent"), said("$sent"))
    assert await state(store) == ("confirmed", "$sent")


@pytest.mark.parametrize(
    "forged",
    [
        {"sender": ALICE},
        {"sender": UserId("@ai_rex:example.org")},
        {"room_id": OTHER_ROOM},
        {"txn_id": TxnId("unknown.0")},
    ],
)
async def test_a_forged_echo_confirms_nothing(store: Store, forged: dict[str, str]) -> None:
    held, txn_id = await planned(store)
    await store.mailbox.release(held, retry_in_ms=None)
    await store.mailbox.deliver(Delivery(echoes=(replace(echo(txn_id), **forged),)))
    assert await state(store) == ("planned", None)
    assert await claim(store) == []


async def repeats(store: Store) -> list[str]:
    async with store.database.reading() as connection:
        rows = await connection.fetch("SELECT event_id FROM inbox WHERE kind = 'repeat'")
    return [row["event_id"] for row in rows]


async def test_a_second_event_of_one_transaction_id_is_a_repeat_for_its_room(store: Store) -> None:
    _, txn_id = await planned(store)
    await store.mailbox.deliver(Delivery(echoes=(echo(txn_id), echo(txn_id, "$double"))))
    assert await state(store) == ("confirmed", "$sent")
    await store.mailbox.deliver(Delivery(echoes=(echo(txn_id), echo(txn_id, "$double"))))
    assert await repeats(store) == ["$double"]


async def test_the_first_event_in_the_room_counts_though_the_answer_named_a_later_one(
    store: Store,
) -> None:
    held, txn_id = await planned(store)
    words = replace(said("$sent", "CANARY"), sender=LUNA_USER, is_ours=True)
    await store.outbox.mark_sent(held, txn_id, EventId("$sent"), words)
    await store.mailbox.deliver(Delivery(echoes=(echo(txn_id, "$first"), echo(txn_id))))
    assert await state(store) == ("confirmed", "$first")
    assert await repeats(store) == ["$sent"]
    assert await store.history.get(EventId("$sent")) is None
    kept = await store.history.get(EventId("$first"))
    assert kept is not None
    assert kept.text == "CANARY"


async def test_an_answer_later_than_its_echo_joins_the_history_once(store: Store) -> None:
    held, txn_id = await planned(store)
    await store.mailbox.deliver(Delivery(echoes=(echo(txn_id),)))
    await store.outbox.mark_sent(held, txn_id, EventId("$other"), said("$other", "hi"))
    assert await store.history.get(EventId("$other")) is None


async def test_an_abandoned_effect_is_not_sent(store: Store) -> None:
    held, txn_id = await planned(store)
    await store.outbox.abandon(held, txn_id, problem="M_FORBIDDEN")
    assert await store.outbox.unsent(held) == []
    assert await state(store) == ("abandoned", None)
