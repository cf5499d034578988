from __future__ import annotations

from pathlib import Path

import pytest

from bridge.clock import FakeClock
from bridge.domain.effect import SendText
from bridge.domain.events import Delivery, Edit, Malformed, Media
from bridge.domain.ids import EventId, RoomId
from bridge.errors import LeaseLost
from bridge.store.store import Store, open_store
from tests.store.making import (
    ALICE,
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

CANARY = "CANARY"


def edit(event_id: str, target: str, words: str) -> Edit:
    return Edit(
        event_id=EventId(event_id),
        room_id=ROOM,
        sender=ALICE,
        sent_at=0,
        received_at=0,
        target=EventId(target),
        text=words,
    )


def contents(folder: Path) -> list[bytes]:
    """Every file of the database, its journal included."""
    return [path.read_bytes() for path in folder.iterdir()]


async def words(store: Store, room_id: RoomId = ROOM) -> list[str]:
    return [line.text for line in await store.history.recent(room_id, from_seq=0, limit=9)]


async def test_history_is_the_newest_lines_oldest_first(store: Store) -> None:
    held = await lease(store)
    for n in range(5):
        await store.history.add(held, said(f"${n}", f"line {n}", is_context=n != 3))
    lines = await store.history.recent(ROOM, from_seq=0, limit=3)
    assert [line.text for line in lines] == ["line 1", "line 2", "line 4"]
    newer = await store.history.recent(ROOM, from_seq=lines[1].seq, limit=9)
    assert [line.text for line in newer] == ["line 2", "line 4"]
    assert await words(store, OTHER_ROOM) == []


async def test_a_line_comes_back_as_it_was_and_is_added_once(store: Store) -> None:
    held = await lease(store)
    line = said("$1", reply_to=EventId("$0"), thread_root=EventId("$t"), is_ai=True, is_ours=True)
    await store.history.add(held, line)
    await store.history.add(held, said("$1", "other words"))
    stored = await store.history.get(EventId("$1"))
    assert stored is not None
    assert stored.seq > 0
    assert stored == said(
        "$1",
        seq=stored.seq,
        reply_to=EventId("$0"),
        thread_root=EventId("$t"),
        is_ai=True,
        is_ours=True,
        stored_at=stored.stored_at,
    )
    assert await store.history.get(EventId("$2")) is None


async def test_forgetting_removes_the_text_from_every_table(store: Store) -> None:
    held = await lease(store)
    await deliver(store, message("$q", text=CANARY), edit("$e", "$q", CANARY))
    await store.history.add(held, said("$q", CANARY))
    waiting = await store.mailbox.take(held)
    await store.mailbox.set_aside(held, waiting[-1].seq, problem="x")
    assert (await everything(store.database)).count(CANARY) == 3
    assert await store.history.forget(held, EventId("$q")) == 3
    assert CANARY not in await everything(store.database)
    assert await store.history.forget(held, EventId("$q")) == 0
    assert await words(store) == []


async def test_forgetting_our_own_message_removes_it_from_the_outbox(store: Store) -> None:
    await record_luna(store)
    held = await lease(store)
    [row] = await store.outbox.plan(held, turn(), [("0", text(CANARY))])
    await store.outbox.mark_sent(held, row.txn_id, EventId("$ours"), said("$ours", CANARY))
    await store.history.forget(held, EventId("$ours"))
    assert CANARY not in await everything(store.database)
    [row] = await store.outbox.plan(held, turn(), [])
    assert isinstance(row.effect, SendText)
    assert row.effect.text == ""


async def test_a_forgotten_message_does_not_come_back(store: Store) -> None:
    held = await lease(store)
    await store.history.add(held, said("$q", CANARY))
    await store.history.forget(held, EventId("$q"))
    await store.history.add(held, said("$q", CANARY))
    await store.history.amend(held, EventId("$q"), CANARY)
    assert CANARY not in await everything(store.database)
    stored = await store.history.get(EventId("$q"))
    assert stored is not None
    assert (stored.text, stored.sender) == ("", ALICE)


async def test_forgetting_leaves_nothing_in_the_sqlite_file(
    tmp_path: Path, clock: FakeClock
) -> None:
    store = await open_store(f"sqlite:{tmp_path}/bridge.db", clock)
    held = await lease(store)
    await deliver(store, message("$q", text=CANARY * 2000))
    await store.history.add(held, said("$q", CANARY * 2000))
    await store.history.forget(held, EventId("$q"))
    await store.tidy()
    files = contents(tmp_path)
    assert len(files) >= 2
    assert not any(CANARY.encode() in content for content in files)
    await store.close()


async def test_an_edit_replaces_the_text_everywhere(store: Store) -> None:
    held = await lease(store)
    await deliver(store, message("$q", text=CANARY))
    await store.history.add(held, said("$q", CANARY))
    await store.history.amend(held, EventId("$q"), "better")
    assert await words(store) == ["better"]
    await deliver(store, edit("$later", "$q", "newest"))
    await store.history.amend(held, EventId("$q"), "better")
    assert await words(store) == ["newest"]
    assert CANARY not in await everything(store.database)


async def test_another_rooms_message_is_neither_amended_nor_forgotten(store: Store) -> None:
    held = await lease(store)
    other = await lease(store, OTHER_ROOM)
    await store.history.add(held, said("$q", "here"))
    await store.history.amend(other, EventId("$q"), "there")
    assert await store.history.forget(other, EventId("$q")) == 0
    assert await words(store) == ["here"]


async def test_a_lost_lease_changes_no_history(store: Store) -> None:
    held = await lease(store)
    await store.workers.end(held.worker_id)
    with pytest.raises(LeaseLost):
        await store.history.add(held, said("$q"))
    with pytest.raises(LeaseLost):
        await store.history.forget(held, EventId("$q"))
    with pytest.raises(LeaseLost):
        await store.history.amend(held, EventId("$q"), "x")


async def test_old_text_is_deleted_from_every_table_whatever_age_its_sender_claims(
    store: Store,
) -> None:
    await store.mailbox.deliver(
        Delivery(
            events=(message("$poison", text=CANARY),),
            malformed=(Malformed(problem="x", raw=CANARY, received_at=2),),
        )
    )
    [held] = await claim(store)
    [poison] = await store.mailbox.take(held)
    await store.mailbox.set_aside(held, poison.seq, problem="x")
    await store.history.add(held, said("$q", CANARY))
    await store.outbox.plan(held, turn(), [("0", text(CANARY))])
    async with store.database.transaction() as connection:
        await connection.execute("UPDATE message SET sent_at = $1", 2**60)
        now = await connection.now()
    assert await store.history.prune(0) == 0
    assert await store.history.prune(now + 1_000_000) == 4
    assert CANARY not in await everything(store.database)


async def test_old_events_that_nobody_handled_lose_their_words_and_are_handled_all_the_same(
    store: Store,
) -> None:
    await deliver(store, message("$old", text=CANARY), edit("$edit", "$other", CANARY))
    assert await store.history.prune(0) == 0
    assert await store.history.prune(3) == 2
    assert CANARY not in await everything(store.database)
    [held] = await claim(store)
    waiting = await store.mailbox.take(held)
    assert [arrival.event.event_id for arrival in waiting] == ["$old", "$edit"]
    assert await store.history.prune(3) == 0


async def test_a_picture_is_described_unless_it_was_forgotten(store: Store) -> None:
    held = await lease(store)
    for event_id in ("$kept", "$gone"):
        await store.history.add(
            held, said(event_id, "[an image: a]", media=Media(kind="image", mxc="mxc://a/b"))
        )
    await store.history.forget(held, EventId("$gone"))
    for event_id in ("$kept", "$gone"):
        await store.history.describe(held, EventId(event_id), "[an image: a; it shows: a cat]")
    kept, gone = [await store.history.get(EventId(e)) for e in ("$kept", "$gone")]
    assert kept is not None
    assert (kept.text, kept.media) == ("[an image: a; it shows: a cat]", None)
    assert gone is None or (gone.text, gone.media) == ("", None)
