"""What a redaction or an edit takes back is gone at once, whatever the room's actor does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bridge.domain.effect import SendText
from bridge.domain.events import (
    Delivery,
    Echo,
    Edit,
    Membership,
    Message,
    Reaction,
    Redaction,
    RoomEvent,
    StateChange,
)
from bridge.domain.ids import EventId, RoomId, UserId
from bridge.domain.lease import Lease
from bridge.policy import reasons
from bridge.store import erasure
from bridge.store.database import Connection
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
    said,
    text,
    turn,
)

OLD = "CANARY"
MALLORY = UserId("@mallory:example.org")


def edit(event_id: str, target: str, words: str, sender: UserId = ALICE, **more: Any) -> Edit:
    envelope: dict[str, Any] = {"room_id": ROOM, "sent_at": 0, "received_at": 0} | more
    return Edit(
        event_id=EventId(event_id), sender=sender, target=EventId(target), text=words, **envelope
    )


def redaction(event_id: str, target: str, room_id: RoomId = ROOM) -> Redaction:
    return Redaction(
        event_id=EventId(event_id),
        room_id=room_id,
        sender=ALICE,
        sent_at=0,
        received_at=0,
        target=EventId(target),
    )


async def is_gone(store: Store) -> bool:
    return OLD not in await everything(store.database)


async def waiting(store: Store, held: Lease) -> dict[str, RoomEvent]:
    return {a.event.event_id: a.event for a in await store.mailbox.take(held)}


async def text_of(store: Store, event_id: str) -> str | None:
    line = await store.history.get(EventId(event_id))
    return None if line is None else line.text


async def handle(store: Store, held: Lease, event_id: str, reason: str = "x") -> None:
    """Finish an event as its actor does."""
    arrival = next(a for a in await store.mailbox.take(held) if a.event.event_id == event_id)
    await store.mailbox.finish(held, arrival.seq, reason=reason, room=None)


async def set_aside(store: Store, held: Lease, event_id: str) -> None:
    arrival = next(a for a in await store.mailbox.take(held) if a.event.event_id == event_id)
    await store.mailbox.set_aside(held, arrival.seq, problem="x")


async def test_a_redaction_removes_the_words_before_anybody_handles_it(store: Store) -> None:
    held = await lease(store)
    await store.history.add(held, said("$stored", OLD))
    await deliver(store, message("$waiting", text=OLD), message("$poison", text=OLD))
    await set_aside(store, held, "$poison")
    assert (await everything(store.database)).count(OLD) == 3
    targets = ("$stored", "$waiting", "$poison")
    await deliver(store, *(redaction(f"$r{target}", target) for target in targets))
    assert await is_gone(store)
    assert isinstance((await waiting(store, held))["$waiting"], Message)


async def test_a_redaction_removes_words_while_no_worker_lives(store: Store) -> None:
    await deliver(store, message("$q", text=OLD), edit("$e", "$q", OLD))
    await deliver(store, redaction("$r", "$q"))
    assert await is_gone(store)


async def test_a_redaction_in_the_same_transaction_counts(store: Store) -> None:
    await deliver(store, message("$q", text=OLD), edit("$e", "$q", OLD), redaction("$r", "$q"))
    assert await is_gone(store)


async def test_words_that_come_after_their_redaction_are_not_kept(store: Store) -> None:
    await deliver(store, redaction("$r", "$q"))
    await deliver(store, message("$q", text=OLD))
    await deliver(store, edit("$e", "$q", OLD))
    assert await is_gone(store)
    held = await lease(store)
    await store.history.add(held, said("$q", OLD))
    assert await is_gone(store)
    line = await store.history.get(EventId("$q"))
    assert line is not None
    assert (line.text, line.sender) == ("", ALICE)


async def test_nothing_is_known_of_an_event_that_was_redacted_before_it_came(store: Store) -> None:
    await deliver(store, redaction("$r", "$q"))
    assert await store.history.get(EventId("$q")) is None
    assert await store.history.recent(ROOM, from_seq=0, limit=9) == []


async def test_who_still_has_the_words_in_hand_cannot_store_them_again(store: Store) -> None:
    held = await lease(store)
    await deliver(store, message("$q", text=OLD))
    in_hand = said("$q", OLD)
    await deliver(store, redaction("$r", "$q"))
    await store.history.add(held, in_hand)
    await store.history.amend(held, EventId("$q"), OLD)
    assert await is_gone(store)


async def test_a_redaction_removes_our_own_words_from_the_outbox(store: Store) -> None:
    await record_luna(store)
    held = await lease(store)
    [row] = await store.outbox.plan(held, turn(), [("0", text(OLD))])
    await store.outbox.mark_sent(held, row.txn_id, EventId("$ours"), said("$ours", OLD))
    await deliver(store, redaction("$r", "$ours"))
    assert await is_gone(store)


@pytest.mark.parametrize("is_echoed", [False, True])
async def test_our_words_redacted_before_we_heard_that_they_arrived_are_not_kept(
    store: Store, is_echoed: bool
) -> None:
    await record_luna(store)
    held = await lease(store)
    [row] = await store.outbox.plan(held, turn(), [("0", text(OLD))])
    await deliver(store, redaction("$r", "$ours"))
    if is_echoed:
        echo = Echo(txn_id=row.txn_id, event_id=EventId("$ours"), room_id=ROOM, sender=LUNA_USER)
        await store.mailbox.deliver(Delivery(echoes=(echo,)))
    await store.outbox.mark_sent(held, row.txn_id, EventId("$ours"), said("$ours", OLD))
    assert await is_gone(store)


async def test_what_can_never_be_sent_keeps_no_words(store: Store) -> None:
    held = await lease(store)
    [row] = await store.outbox.plan(held, turn(), [("0", text(OLD))])
    await store.outbox.abandon(held, row.txn_id, problem="x")
    assert await is_gone(store)
    [row] = await store.outbox.plan(held, turn(), [])
    assert (row.state, row.effect) == ("abandoned", replace(text(""), mentions=()))
    assert isinstance(row.effect, SendText)


@pytest.mark.parametrize(
    "event",
    [
        Reaction(event_id=EventId("$x"), room_id=ROOM, sender=ALICE, sent_at=0, received_at=0,
                 target=EventId("$q"), key=OLD),
        Membership(event_id=EventId("$x"), room_id=ROOM, sender=ALICE, sent_at=0, received_at=0,
                   user_id=ALICE, membership="leave", reason=OLD),
        StateChange(event_id=EventId("$x"), room_id=ROOM, sender=ALICE, sent_at=0, received_at=0,
                    type="m.room.topic", content={"topic": OLD}),
        edit("$x", "$q", OLD),
    ],
    ids=lambda event: event.kind,
)  # fmt: skip
async def test_other_events_lose_their_words_too_and_are_handled_all_the_same(
    store: Store, event: RoomEvent
) -> None:
    held = await lease(store)
    await deliver(store, event)
    await deliver(store, redaction("$r", "$x"))
    assert await is_gone(store)
    assert (await waiting(store, held))["$x"].kind == event.kind


async def test_an_event_of_another_room_is_not_touched(store: Store) -> None:
    held = await lease(store)
    await store.history.add(held, said("$stored", OLD))
    await deliver(store, message("$waiting", text=OLD))
    for target in ("$stored", "$waiting"):
        await deliver(store, redaction(f"$r{target}", target, OTHER_ROOM))
        await deliver(store, edit(f"$e{target}", target, "new", room_id=OTHER_ROOM))
    assert (await everything(store.database)).count(OLD) == 2
    await deliver(store, redaction("$early", "$later", OTHER_ROOM), message("$later"))
    await store.history.add(held, said("$later", "heard"))
    assert await text_of(store, "$later") == "heard"


async def test_an_edit_replaces_the_words_of_what_waits_and_of_what_is_stored(store: Store) -> None:
    held = await lease(store)
    await store.history.add(held, said("$stored", OLD))
    await deliver(store, message("$waiting", text=OLD, pills=(MALLORY,)))
    await deliver(store, edit("$1", "$stored", "new"), edit("$2", "$waiting", "new"))
    assert await is_gone(store)
    assert await text_of(store, "$stored") == "new"
    assert (await waiting(store, held))["$waiting"] == message(
        "$waiting", text="new", pills=(MALLORY,)
    )


async def test_only_the_author_edits_a_message(store: Store) -> None:
    held = await lease(store)
    await store.history.add(held, said("$stored", OLD))
    await deliver(store, message("$waiting", text=OLD))
    await deliver(
        store, edit("$1", "$stored", "new", MALLORY), edit("$2", "$waiting", "new", MALLORY)
    )
    await deliver(store, redaction("$r1", "$1"), redaction("$r2", "$2"))
    assert (await everything(store.database)).count(OLD) == 2
    await store.history.add(held, said("$waiting", OLD))
    assert await text_of(store, "$waiting") == OLD


async def test_of_many_edits_the_newest_counts_and_the_others_are_gone(store: Store) -> None:
    held = await lease(store)
    await store.history.add(held, said("$q", OLD))
    for n in range(5):
        await deliver(store, edit(f"${n}", "$q", f"{OLD} {n}"), edit("$m", "$q", "evil", MALLORY))
    await deliver(store, edit("$new", "$q", "newest"))
    await deliver(store, edit("$3", "$q", f"{OLD} again"))
    assert await is_gone(store)
    assert await text_of(store, "$q") == "newest"
    assert "$3" not in await waiting(store, held)
    assert (await store.mailbox.reasons(ROOM))[EventId("$3")] == reasons.EDIT_SUPERSEDED


async def test_who_has_an_older_edit_in_hand_stores_the_newest(store: Store) -> None:
    held = await lease(store)
    await store.history.add(held, said("$q", "first"))
    await deliver(store, edit("$1", "$q", OLD))
    await deliver(store, edit("$2", "$q", "newest"))
    await store.history.amend(held, EventId("$q"), OLD)
    assert await text_of(store, "$q") == "newest"


async def test_who_has_the_message_in_hand_stores_it_as_edited(store: Store) -> None:
    held = await lease(store)
    await deliver(store, message("$q", text=OLD))
    await deliver(store, edit("$1", "$q", "better"), edit("$m", "$q", "evil", MALLORY))
    await store.history.add(held, said("$q", OLD))
    assert await text_of(store, "$q") == "better"
    assert await is_gone(store)


async def test_an_edit_that_comes_again_replaces_nothing_newer(store: Store) -> None:
    held = await lease(store)
    await store.history.add(held, said("$q", "first"))
    await deliver(store, edit("$1", "$q", "second"))
    await handle(store, held, "$1", reasons.EDIT)
    await deliver(store, edit("$2", "$q", "third"))
    await handle(store, held, "$2", reasons.EDIT)
    await deliver(store, edit("$1", "$q", "second"))
    assert await text_of(store, "$q") == "third"


@pytest.mark.parametrize("is_handled", [False, True])
async def test_redacting_an_edit_takes_the_words_that_it_brought(
    store: Store, is_handled: bool
) -> None:
    held = await lease(store)
    await store.history.add(held, said("$q", "first"))
    await deliver(store, edit("$e", "$q", OLD))
    if is_handled:
        await handle(store, held, "$e", reasons.EDIT)
    await deliver(store, redaction("$r", "$e"))
    assert await is_gone(store)


async def test_what_cannot_be_read_stops_no_redaction(store: Store) -> None:
    await deliver(store, message("$q", text=OLD), edit("$e", "$q", OLD))
    async with store.database.transaction() as connection:
        await connection.execute("UPDATE inbox SET body = $1", f'{{"kind": "{OLD}"')
    await deliver(store, redaction("$r", "$q"))
    await deliver(store, edit("$e2", "$q", "new"))
    assert await is_gone(store)


async def test_a_flood_of_edits_looks_at_few_rows(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    decodings = 0
    genuine = erasure.decoded

    def counted(body: str) -> RoomEvent | None:
        nonlocal decodings
        decodings += 1
        return genuine(body)

    monkeypatch.setattr(erasure, "decoded", counted)
    await deliver(store, message("$q", text="0"))
    for n in range(20):
        await deliver(store, *(edit(f"${n}.{m}", "$q", f"{n}.{m}") for m in range(10)))
    assert decodings <= 20 * 40
    held = (await claim(store))[0]
    assert len(await waiting(store, held)) == 2


async def test_erasing_counts_the_rows_it_changes(store: Store) -> None:
    await deliver(store, message("$q", text=OLD))

    async def again(connection: Connection) -> int:
        return await erasure.at_the_door(connection, [redaction("$r", "$q")])

    async with store.database.transaction() as connection:
        assert await again(connection) == 2
        assert await again(connection) == 0
