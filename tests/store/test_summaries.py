"""Summaries of rooms, and when they go."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.domain.ids import EventId
from bridge.domain.lease import Lease
from bridge.domain.summary import Summary
from bridge.errors import LeaseLost
from bridge.store.store import Store
from tests.store.making import ALICE, OTHER_ROOM, ROOM, deliver, lease, message, said

OLD, NEW = EventId("$old"), EventId("$new")


async def idle(store: Store) -> Lease:
    """Own the room, with nothing that waits in it."""
    held = await lease(store)
    for arrival in await store.mailbox.take(held):
        await store.mailbox.finish(held, arrival.seq, reason="done", room=None)
    return held


async def summed_up(store: Store) -> tuple[Summary, Lease]:
    """A room with an old message that is summed up and a new one that is not."""
    held = await idle(store)
    for event_id in (OLD, NEW):
        await store.history.add(held, said(event_id))
    first, _ = await store.history.recent(ROOM, from_seq=0, limit=9)
    made = Summary(room_id=ROOM, text="They said hello.", upto_seq=first.seq, since_at=1000)
    assert await store.summaries.put(held, made, [OLD, NEW])
    return made, held


async def test_a_summary_is_kept_and_replaced(store: Store) -> None:
    assert await store.summaries.get(ROOM) is None
    made, held = await summed_up(store)
    assert await store.summaries.get(ROOM) == made
    again = replace(made, text="They said more.", upto_seq=made.upto_seq + 1)
    assert await store.summaries.put(held, again, [NEW])
    assert await store.summaries.get(ROOM) == again
    assert await store.summaries.get(OTHER_ROOM) is None


async def test_what_is_redacted_or_edited_takes_the_summary_with_it(store: Store) -> None:
    made, held = await summed_up(store)
    await store.history.forget(held, NEW)
    await store.history.amend(held, NEW, "another")
    assert await store.summaries.get(ROOM) == made
    await store.history.forget(held, OLD)
    assert await store.summaries.get(ROOM) is None


async def test_an_edit_of_what_was_summed_up_takes_the_summary_with_it(store: Store) -> None:
    _, held = await summed_up(store)
    await store.history.amend(held, OLD, "another")
    assert await store.summaries.get(ROOM) is None


async def test_a_redaction_of_what_nobody_knows_takes_the_summary_with_it(store: Store) -> None:
    _, held = await summed_up(store)
    await store.history.forget(held, EventId("$unknown"))
    assert await store.summaries.get(ROOM) is None


async def test_who_is_forgotten_takes_the_summaries_of_their_rooms_with_them(
    store: Store,
) -> None:
    _, held = await summed_up(store)
    await deliver(store, message("$forget", text="!ai forget"))
    await store.people.forget(held, ALICE, EventId("$forget"))
    assert await store.summaries.get(ROOM) is None


async def test_nothing_is_stored_of_words_that_were_taken_back_meanwhile(store: Store) -> None:
    made, held = await summed_up(store)
    await store.history.forget(held, OLD)
    assert not await store.summaries.put(held, made, [OLD, NEW])
    assert await store.summaries.get(ROOM) is None


async def test_nothing_is_stored_while_something_waits(store: Store) -> None:
    made, held = await summed_up(store)
    await deliver(store, message("$waits"))
    assert not await store.summaries.put(held, replace(made, text="later"), [NEW])
    assert await store.summaries.get(ROOM) == made


async def test_an_old_owner_stores_nothing(store: Store) -> None:
    made, held = await summed_up(store)
    with pytest.raises(LeaseLost):
        await store.summaries.put(replace(held, epoch=held.epoch - 1), made, [NEW])


async def test_a_summary_is_kept_no_longer_than_what_it_is_of(store: Store) -> None:
    made, held = await summed_up(store)
    await store.prune(text_before=made.since_at, records_before=0)
    assert await store.summaries.get(ROOM) == made
    await store.prune(text_before=made.since_at + 1, records_before=0)
    assert await store.summaries.get(ROOM) is None
