"""Persons who want to be forgotten."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bridge.clock import FakeClock
from bridge.domain.events import Edit, Message, Reaction, Redaction
from bridge.domain.history import Erased
from bridge.domain.ids import EventId, RoomId, UserId
from bridge.domain.lease import Lease
from bridge.errors import LeaseLost
from bridge.store.store import Store, open_store
from tests.lab.stores import sqlite_url
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

BOB = UserId("@bob:example.org")
WORDS = "CANARY"
COMMAND = EventId("$command")
DAY_MS = 86_400_000


async def is_gone(store: Store) -> bool:
    return WORDS not in await everything(store.database)


async def leases(store: Store, *rooms: RoomId) -> list[Lease]:
    for room_id in rooms:
        await deliver(store, replace(message(f"$wake-{room_id}", room_id, ""), sender=BOB))
    held = {one.room_id: one for one in await claim(store)}
    for one in held.values():
        [arrival] = await store.mailbox.take(one)
        await store.mailbox.finish(one, arrival.seq, reason="x", room=None)
    return [held[room_id] for room_id in rooms]


async def command(store: Store, event_id: EventId = COMMAND) -> EventId:
    await deliver(store, message(event_id, text="!ai forget"))
    return event_id


async def store_said(store: Store, held: Lease, event_id: str, **changed: Any) -> None:
    line = said(event_id, WORDS)
    await store.history.add(held, replace(line, room_id=held.room_id, **changed))


async def answer(
    store: Store, held: Lease, cause: str, parts: int = 1, *, is_sent: bool = True
) -> None:
    """Luna's answer to an event, in parts."""
    effects = [(str(n), text(WORDS)) for n in range(parts)]
    for row in await store.outbox.plan(held, turn(cause, held.room_id), effects):
        if is_sent:
            event_id = EventId(f"$re-{row.txn_id}")
            line = said(event_id, WORDS, is_ours=True)
            line = replace(line, room_id=held.room_id, sender=LUNA_USER)
            await store.outbox.mark_sent(held, row.txn_id, event_id, line)


async def test_their_messages_and_the_answers_to_them_are_erased_in_all_rooms(
    store: Store,
) -> None:
    await record_luna(store)
    here, there = await leases(store, ROOM, OTHER_ROOM)
    await store_said(store, here, "$1")
    await store_said(store, there, "$2")
    await store_said(store, there, "$3")
    await answer(store, here, "$1", parts=3)
    await answer(store, there, "$2")
    erased = await store.people.forget(here, ALICE, await command(store))
    assert erased == Erased(messages=3, replies=2, rooms=2)
    assert await is_gone(store)
    for room_id in (ROOM, OTHER_ROOM):
        assert await store.history.recent(room_id, from_seq=0, limit=9) == []
    assert ALICE not in "".join(
        line for line in (await everything(store.database)).splitlines() if "$1" in line
    )


async def test_others_and_the_answers_to_them_stay(store: Store) -> None:
    [here] = await leases(store, ROOM)
    await store_said(store, here, "$bob", sender=BOB)
    await answer(store, here, "$bob")
    await deliver(store, replace(message("$waits", text=f"{ALICE}: {WORDS}"), sender=BOB))
    erased = await store.people.forget(here, ALICE, await command(store))
    assert erased == Erased(messages=0, replies=0, rooms=0)
    assert len(await store.history.recent(ROOM, from_seq=0, limit=9)) == 2
    assert (await everything(store.database)).count(WORDS) == 4


async def test_whose_words_an_erased_answer_was_stays_known(store: Store) -> None:
    [here] = await leases(store, ROOM)
    await store_said(store, here, "$1")
    await answer(store, here, "$1")
    await store.people.forget(here, ALICE, await command(store))
    [row] = await store.outbox.plan(here, turn("$1"), [])
    assert row.event_id is not None
    line = await store.history.get(row.event_id)
    assert line is not None
    assert (line.sender, line.text) == (LUNA_USER, "")


async def test_what_waits_and_what_was_set_aside_is_erased_and_counted_once(
    store: Store,
) -> None:
    [here] = await leases(store, ROOM)
    await deliver(store, message("$poison", text=WORDS))
    [arrival] = await store.mailbox.take(here)
    await store.mailbox.set_aside(here, arrival.seq, problem="x")
    await deliver(store, message("$waits", text=WORDS), message("$there", OTHER_ROOM, WORDS))
    await deliver(store, edit("$edit", "$waits", WORDS), reaction("$reaction", WORDS))
    await store_said(store, here, "$waits")
    erased = await store.people.forget(here, ALICE, await command(store))
    assert erased == Erased(messages=3, replies=0, rooms=2)
    assert await is_gone(store)


async def test_it_may_be_done_early_and_twice_and_the_counts_are_right(store: Store) -> None:
    here, there = await leases(store, ROOM, OTHER_ROOM)
    await store_said(store, here, "$1")
    await answer(store, here, "$1")
    await deliver(store, message("$2", OTHER_ROOM, WORDS))
    await command(store)
    early = await store.people.forget(here, ALICE, COMMAND)
    assert early == Erased(messages=2, replies=1, rooms=2)
    await store_said(store, there, "$2")  # its actor had it in hand
    await store_said(store, here, COMMAND)
    for _ in range(2):
        assert await store.people.forget(here, ALICE, COMMAND) == early
    assert await is_gone(store)
    await command(store, EventId("$again"))
    again = await store.people.forget(here, ALICE, EventId("$again"))
    assert again == Erased(messages=0, replies=0, rooms=0)


async def test_the_answer_to_the_command_is_not_erased_with_it(store: Store) -> None:
    [here] = await leases(store, ROOM)
    await command(store)
    await store.history.add(here, said(COMMAND, "!ai forget"))
    await store.people.forget(here, ALICE, COMMAND)
    await answer(store, here, f"{COMMAND}#n", is_sent=False)
    await store.people.forget(here, ALICE, COMMAND)
    [row] = await store.outbox.plan(here, turn(f"{COMMAND}#n"), [])
    assert (row.state, row.effect) == ("planned", text(WORDS))


async def test_what_they_say_after_the_command_stays(store: Store) -> None:
    here, there = await leases(store, ROOM, OTHER_ROOM)
    await command(store)
    await deliver(store, message("$later", OTHER_ROOM, WORDS), message("$waits", text=WORDS))
    await store_said(store, there, "$later")
    erased = await store.people.forget(here, ALICE, COMMAND)
    assert erased.messages == 0
    assert (await everything(store.database)).count(WORDS) == 3


async def test_who_works_on_a_message_of_theirs_learns_that_it_is_pointless(store: Store) -> None:
    here, there = await leases(store, ROOM, OTHER_ROOM)
    await deliver(store, message("$first", OTHER_ROOM, WORDS), message("$second", OTHER_ROOM))
    [in_hand, waiting] = await store.mailbox.take(there)
    await store.people.forget(here, ALICE, await command(store))
    *struck, news = await store.mailbox.take(there)
    assert [a.event for a in struck] == [
        replace(in_hand.event, text=""),
        replace(waiting.event, text=""),
    ]
    assert isinstance(news.event, Redaction)
    assert news.event.target == "$first"
    await store_said(store, there, "$first")
    assert await is_gone(store)
    line = await store.history.get(EventId("$first"))
    assert line is not None
    assert line.text == ""


async def test_an_answer_that_is_not_sent_yet_never_will_be(store: Store) -> None:
    [here] = await leases(store, ROOM)
    await store_said(store, here, "$1")
    await answer(store, here, "$1", is_sent=False)
    await store.people.forget(here, ALICE, await command(store))
    [row] = await store.outbox.plan(here, turn("$1"), [])
    assert row.state == "abandoned"
    assert await is_gone(store)
    await store.outbox.mark_sent(here, row.txn_id, EventId("$re"), said("$re", WORDS))
    assert await is_gone(store)


@pytest.mark.parametrize(
    "person",
    ["@100%:example.org", "@a_b!c:example.org", '@a"b\\:example.org', "@ü:example.org"],
)
async def test_odd_user_ids_are_found_and_no_others(store: Store, person: str) -> None:
    [here] = await leases(store, ROOM)
    other = person.replace("%", "x").replace("_", "x")
    for n, sender in enumerate(dict.fromkeys((person, other))):
        await deliver(store, replace(message(f"${n}", text=f"{n}-{WORDS}"), sender=UserId(sender)))
    await store.people.forget(here, UserId(person), await command(store))
    dump = await everything(store.database)
    assert f"0-{WORDS}" not in dump
    assert (f"1-{WORDS}" in dump) is (other != person)


async def test_old_invites_are_forgotten_and_those_of_today_still_count(store: Store) -> None:
    [here] = await leases(store, ROOM)
    await store.rooms.note_invite(here, ALICE, EventId("$old"))
    await store.rooms.note_invite(here, ALICE, EventId("$new"))
    async with store.database.transaction() as connection:
        await connection.execute(
            "UPDATE invite SET accepted_at = accepted_at - $1 WHERE event_id = '$old'", 2 * DAY_MS
        )
    await store.people.forget(here, ALICE, await command(store))
    assert await store.rooms.count_invites(ALICE, 0) == 1


async def test_only_the_owner_of_the_commands_room_forgets(store: Store) -> None:
    held = await lease(store)
    await store.history.add(held, said("$1", WORDS))
    await command(store)
    await store.workers.end(held.worker_id)
    with pytest.raises(LeaseLost):
        await store.people.forget(held, ALICE, COMMAND)
    assert not await is_gone(store)


async def test_many_messages_are_forgotten(store: Store) -> None:
    [here] = await leases(store, ROOM)
    for start in range(0, 450, 150):
        await deliver(store, *(message(f"${start + n}", text=WORDS) for n in range(150)))
    erased = await store.people.forget(here, ALICE, await command(store))
    assert erased == Erased(messages=450, replies=0, rooms=1)
    assert await is_gone(store)
    assert all(
        not a.event.text for a in await store.mailbox.take(here) if isinstance(a.event, Message)
        and a.event.event_id != COMMAND
    )  # fmt: skip


async def test_nothing_of_them_stays_in_the_files_of_sqlite(
    tmp_path: Path, clock: FakeClock
) -> None:
    store = await open_store(sqlite_url(tmp_path), clock)
    [here] = await leases(store, ROOM)
    await deliver(store, message("$waits", text=WORDS * 2000))
    await store_said(store, here, "$1", text=WORDS * 2000)
    await answer(store, here, "$1")
    assert WORDS.encode() in contents(tmp_path)
    await store.people.forget(here, ALICE, await command(store))
    await store.tidy()
    assert WORDS.encode() not in contents(tmp_path)
    await store.close()


def contents(folder: Path) -> bytes:
    """Every file of the database, its journal included."""
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def test_what_only_counts_is_pruned(store: Store) -> None:
    [here] = await leases(store, ROOM)
    await store.rooms.note_invite(here, ALICE, EventId("$invite"))
    await store.people.forget(here, ALICE, await command(store))
    assert await store.people.prune(0) == 0
    async with store.database.reading() as connection:
        now = await connection.now()
    assert await store.people.prune(now + DAY_MS) == 2


def edit(event_id: str, target: str, words: str) -> Edit:
    return Edit(
        event_id=EventId(event_id), room_id=ROOM, sender=ALICE, sent_at=0, received_at=0,
        target=EventId(target), text=words,
    )  # fmt: skip


def reaction(event_id: str, key: str) -> Reaction:
    return Reaction(
        event_id=EventId(event_id), room_id=ROOM, sender=ALICE, sent_at=0, received_at=0,
        target=EventId("$any"), key=key,
    )  # fmt: skip
