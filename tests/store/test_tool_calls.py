"""Calls of tools: stored before they run, and without words once these are not needed any more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bridge.clock import FakeClock
from bridge.domain.events import Edit, Redaction
from bridge.domain.ids import EventId, UserId
from bridge.domain.lease import Lease
from bridge.domain.tool import ToolCall, ToolResult, ToolUse
from bridge.errors import LeaseLost
from bridge.store.store import Store
from tests.store.making import (
    ALICE,
    OTHER_ROOM,
    ROOM,
    deliver,
    everything,
    lease,
    message,
    record_luna,
    said,
    text,
    turn,
)

WORDS = "CANARY"
TURN = turn("$wake-!room:example.org")


def use(number: int = 0, **more: Any) -> ToolUse:
    return replace(
        ToolUse(
            turn_id=TURN.turn_id,
            number=number,
            step=0,
            call=ToolCall(name="search", arguments=f'{{"query": "{WORDS}"}}', call_id="c"),
            result=ToolResult(text="", outcome="running"),
            said=f"{WORDS} said",
        ),
        **more,
    )


def ended(one: ToolUse, outcome: Any = "ok") -> ToolUse:
    return replace(one, result=ToolResult(text=f"{WORDS} found", outcome=outcome))


async def called(store: Store) -> Lease:
    """A turn that thinks, with a call that has its result."""
    await record_luna(store)
    held = await lease(store)
    await store.turns.open(held, TURN)
    await store.tool_calls.begin(held, use())
    await store.tool_calls.end(held, ended(use()))
    return held


async def words(store: Store) -> tuple[bool, bool, bool]:
    """Which of arguments, text and result are there."""
    [one] = await store.tool_calls.of_turn(TURN.turn_id)
    assert (one.call.name, one.result.outcome) == ("search", "ok")
    return bool(one.call.arguments), bool(one.said), bool(one.result.text)


async def test_a_turns_calls_come_back_in_their_order(store: Store) -> None:
    held = await called(store)
    await store.tool_calls.begin(held, use(1, said=""))
    [first, second] = await store.tool_calls.of_turn(TURN.turn_id)
    assert first == ended(use())
    assert second == use(1, said="")


async def test_a_call_is_stored_once(store: Store) -> None:
    held = await called(store)
    await store.tool_calls.begin(held, use(call=ToolCall(name="other")))
    await store.tool_calls.end(held, ended(use(), "failed"))
    assert list(await store.tool_calls.of_turn(TURN.turn_id)) == [ended(use())]


async def test_only_the_rooms_owner_stores_calls(store: Store) -> None:
    held = await called(store)
    stale = replace(held, epoch=held.epoch - 1)
    with pytest.raises(LeaseLost):
        await store.tool_calls.begin(stale, use(1))
    with pytest.raises(LeaseLost):
        await store.tool_calls.end(stale, ended(use()))


async def test_what_a_planned_turn_was_given_is_gone_and_what_it_asked_stays(store: Store) -> None:
    held = await called(store)
    await store.outbox.plan(held, TURN, [("0", text("hi"))])
    assert await words(store) == (True, False, False)


@pytest.mark.parametrize("state", ["dropped", "failed"])
async def test_so_it_is_with_one_that_ends_without_words(store: Store, state: Any) -> None:
    held = await called(store)
    await store.turns.move(held, TURN.turn_id, state)
    assert await words(store) == (True, False, False)


async def test_the_question_takes_the_words_of_its_calls_with_it(store: Store) -> None:
    await called(store)
    await deliver(store, redaction("$r", TURN.cause_id))
    assert await words(store) == (False, False, False)
    assert WORDS not in await everything(store.database)


async def test_any_older_message_of_the_room_may_have_been_found(store: Store) -> None:
    held = await lease(store)
    await store.history.add(held, said("$old"))
    await called_again(store, held)
    await deliver(store, redaction("$r", "$old"))
    assert await words(store) == (False, False, False)


async def test_an_edit_of_one_takes_the_words_too(store: Store) -> None:
    held = await lease(store)
    await store.history.add(held, said("$old"))
    await called_again(store, held)
    await deliver(
        store,
        Edit(
            event_id=EventId("$e"), room_id=ROOM, sender=ALICE, sent_at=0, received_at=0,
            target=EventId("$old"), text="new",
        ),
    )  # fmt: skip
    assert await words(store) == (False, False, False)


async def test_a_later_message_was_not_found_by_it(store: Store, clock: FakeClock) -> None:
    held = await called(store)
    await later(store, clock)
    await store.history.add(held, said("$new"))
    await deliver(store, redaction("$r", "$new"))
    assert await words(store) == (True, True, True)


async def test_the_answer_takes_the_words_with_it(store: Store, clock: FakeClock) -> None:
    held = await called(store)
    [row] = await store.outbox.plan(held, TURN, [("0", text("hi"))])
    await later(store, clock)
    answer = said("$answer", "hi", is_ours=True)
    await store.outbox.mark_sent(held, row.txn_id, EventId("$answer"), answer)
    await deliver(store, redaction("$r", "$answer"))
    assert await words(store) == (False, False, False)


async def test_another_rooms_redaction_takes_nothing(store: Store) -> None:
    await called(store)
    await deliver(store, redaction("$r", TURN.cause_id, OTHER_ROOM))
    assert await words(store) == (True, True, True)


async def test_who_is_forgotten_is_forgotten_here(store: Store) -> None:
    held = await called(store)
    await deliver(store, message("$forget", text="!ai forget"))
    await store.people.forget(held, ALICE, EventId("$forget"))
    assert await words(store) == (False, False, False)
    assert WORDS not in await everything(store.database)


async def test_a_result_that_comes_after_a_redaction_is_not_kept(store: Store) -> None:
    held = await lease(store)
    await store.turns.open(held, TURN)
    await store.tool_calls.begin(held, use())
    await deliver(store, redaction("$r", TURN.cause_id))
    await store.tool_calls.end(held, ended(use()))
    assert await words(store) == (False, False, False)


async def test_calls_go_with_the_rooms_text(store: Store, clock: FakeClock) -> None:
    await called(store)
    await later(store, clock)
    async with store.database.reading() as connection:
        now = await connection.now()
    await store.prune(text_before=now, records_before=0)
    assert await store.tool_calls.of_turn(TURN.turn_id) == []


async def test_calls_go_with_a_room_that_was_left(store: Store) -> None:
    held = await called(store)
    await store.rooms.put(held, await store.rooms.get(ROOM))
    [arrival] = await store.mailbox.take(held)
    await store.mailbox.finish(held, arrival.seq, reason="x", room=None)
    await store.mailbox.release(held, retry_in_ms=None)
    assert await store.purge_left_rooms(2**60) == 1
    assert await store.tool_calls.of_turn(TURN.turn_id) == []


def redaction(event_id: str, target: str, room_id: Any = ROOM) -> Redaction:
    return Redaction(
        event_id=EventId(event_id), room_id=room_id, sender=UserId("@mod:example.org"), sent_at=0,
        received_at=0, target=EventId(target),
    )  # fmt: skip


async def called_again(store: Store, held: Lease) -> None:
    await store.turns.open(held, TURN)
    await store.tool_calls.begin(held, use())
    await store.tool_calls.end(held, ended(use()))


async def later(store: Store, clock: FakeClock) -> None:
    """A moment passes on the clock of either database."""
    clock.shift(5)
    if store.database.dialect == "postgres":
        async with store.database.reading() as connection:
            await connection.fetchval("SELECT 1 FROM pg_sleep(0.005)")
