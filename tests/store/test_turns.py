from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.domain.budget import Spent
from bridge.domain.ids import EventId, UserId
from bridge.errors import LeaseLost
from bridge.store.store import Store
from tests.store.making import ALICE, OTHER_ROOM, ROOM, deliver, lease, message, turn


async def now_of(store: Store) -> int:
    async with store.database.reading() as connection:
        return await connection.now()


async def test_a_turn_is_opened_once(store: Store) -> None:
    held = await lease(store)
    first = await store.turns.open(held, turn())
    await store.turns.move(held, first.turn_id, "speaking")
    again = await store.turns.open(held, replace(turn(), reason="other"))
    assert again == replace(first, state="speaking")


async def test_open_turns_are_those_that_are_not_over(store: Store) -> None:
    held = await lease(store)
    over, speaking, thinking = [
        await store.turns.open(held, turn(cause)) for cause in ("$a", "$b", "$c")
    ]
    await store.turns.move(held, over.turn_id, "failed")
    await store.turns.move(held, speaking.turn_id, "speaking")
    states = {one.turn_id: one.state for one in await store.turns.open_turns(held)}
    assert states == {speaking.turn_id: "speaking", thinking.turn_id: "thinking"}


async def test_only_legal_moves_are_made_and_repeating_one_is_nothing(store: Store) -> None:
    held = await lease(store)
    opened = await store.turns.open(held, turn())
    with pytest.raises(ValueError, match="from thinking to done"):
        await store.turns.move(held, opened.turn_id, "done")
    for state in ("speaking", "speaking", "done", "done"):
        await store.turns.move(held, opened.turn_id, state)
    stored = await store.turns.open(held, turn())
    assert stored.state == "done"
    assert stored.ended_at is not None


async def test_a_lost_lease_moves_nothing(store: Store) -> None:
    held = await lease(store)
    opened = await store.turns.open(held, turn())
    await store.workers.end(held.worker_id)
    with pytest.raises(LeaseLost):
        await store.turns.move(held, opened.turn_id, "dropped")


async def test_what_a_turn_took_is_recorded(store: Store) -> None:
    held = await lease(store)
    opened = await store.turns.open(held, turn())
    await store.turns.record_use(opened.turn_id, model="m", prompt_tokens=5, reply_tokens=3)
    stored = await store.turns.open(held, turn())
    assert (stored.model, stored.prompt_tokens, stored.reply_tokens) == ("m", 5, 3)


async def test_only_turns_that_ended_are_pruned(store: Store) -> None:
    held = await lease(store)
    over = await store.turns.open(held, turn("$a"))
    await store.turns.open(held, turn("$b"))
    await store.turns.move(held, over.turn_id, "failed")
    assert await store.turns.prune(before=2**60) == 1
    assert len(await store.turns.open_turns(held)) == 1


async def test_what_was_spent_is_counted_by_person_room_and_server(store: Store) -> None:
    held = await lease(store)
    now = await now_of(store)
    carol = UserId("@carol:far.example")
    for n, (asker, at) in enumerate(
        [(ALICE, now), (ALICE, now - 120_000), (ALICE, now - 90_000_000), (carol, now), (None, now)]
    ):
        asked = replace(turn(f"$cause{n}"), asker=asker, started_at=at)
        await store.turns.open(held, asked)
        await store.turns.record_use(asked.turn_id, model="m", prompt_tokens=10, reply_tokens=1)
    spending = await store.turns.spent(ALICE, ROOM)
    assert spending.of("person") == Spent(
        messages_in_minute=1, messages_in_day=2, tokens_in_minute=11, tokens_in_day=22
    )
    assert spending.of("room").messages_in_day == 3
    assert spending.of("server").messages_in_day == 2
    assert (await store.turns.spent(carol, OTHER_ROOM)).of("server").messages_in_day == 1
    assert (await store.turns.spent(carol, OTHER_ROOM)).of("room") == Spent()


async def test_who_is_forgotten_keeps_what_they_spent_without_their_name(store: Store) -> None:
    await deliver(store, message("$forget", text="!ai forget"))
    held = await lease(store)
    asked = replace(turn(), asker=ALICE, started_at=await now_of(store))
    await store.turns.open(held, asked)
    await store.people.forget(held, ALICE, EventId("$forget"))
    stored = await store.turns.open(held, asked)
    assert stored.asker != ALICE
    assert (await store.turns.spent(ALICE, ROOM)).of("person").messages_in_day == 1


async def test_replies_without_a_model_count_as_used(store: Store) -> None:
    held = await lease(store)
    await store.turns.open(held, replace(turn("$asked"), asker=ALICE))
    await store.turns.open(held, turn("$said"))
    assert (await store.turns.used(ROOM, 0)).turns == 1
