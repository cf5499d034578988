from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.errors import LeaseLost
from bridge.store.store import Store
from tests.store.making import lease, turn


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
