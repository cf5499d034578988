"""One room's trouble is no other's, and no room is ever kept for nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bridge.domain.ids import WorkerId
from bridge.domain.lease import Lease
from bridge.errors import DatabaseError, LeaseLost
from bridge.rooms import actor, ahead
from tests.rooms.conftest import ALICE, BOB, LUNA, World

WORKERS = "SELECT COUNT(*) FROM worker"


async def away(*_: object, **__: object) -> Any:
    raise DatabaseError("the database is away")


async def hang(*_: object, **__: object) -> Any:
    await asyncio.Event().wait()


def take_away(patch: pytest.MonkeyPatch, world: World, *calls: str) -> None:
    for call in calls:
        of = world.store.workers if hasattr(world.store.workers, call) else world.store.mailbox
        patch.setattr(of, call, away)


@pytest.mark.parametrize(
    "call", ["claim", "beat", "free_dead", "release", "take", "next_wake_in_ms"]
)
async def test_a_database_that_is_away_for_a_while_stops_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    room_id = await world.lounge()
    with monkeypatch.context() as patch:
        take_away(patch, world, call)
        await world.ask(room_id, "Luna, hello?")
        await world.pass_s(6)
    await world.pass_s(10)
    again = await world.ask(room_id, "Luna, and now?")
    await world.pass_s(2)
    assert len(world.said(room_id, again)) == 1
    assert not await world.is_owned(room_id)


async def test_a_database_that_is_away_for_longer_than_the_lease_begins_a_new_life(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    room_id = await world.lounge()
    with monkeypatch.context() as patch:
        take_away(
            patch, world, "claim", "beat", "begin", "release", "take", "next_wake_in_ms", "end"
        )
        asked = await world.ask(room_id, "Luna, hello?")
        await world.pass_s(40)
    await world.pass_s(5)
    assert len(world.said(room_id, asked)) == 1


async def test_nothing_is_sent_when_the_lease_may_end_first_and_the_room_is_given_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    room_id = await world.lounge()
    world.engine.state = "slow"
    with monkeypatch.context() as patch:
        take_away(patch, world, "beat")
        asked = await world.ask(room_id, "Luna, hello?")
        # The answer is there after 8 s; the lease, last renewed before, ends after 10 at most.
        await world.pass_s(8.3)
        assert await world.figure("SELECT COUNT(*) FROM outbox WHERE state = 'planned'") == 1
        assert world.said(room_id, asked) == []
    await world.pass_s(5)
    assert len(world.said(room_id, asked)) == 1
    assert len(world.engine.prompts) == 1
    assert not await world.is_owned(room_id)


async def test_a_room_that_another_worker_took_is_dropped_silently(world: World) -> None:
    room_id = await world.lounge()
    world.engine.state = "slow"
    asked = await world.ask(room_id, "Luna, hello?")
    async with world.store.database.transaction() as connection:
        await connection.execute(
            "UPDATE mailbox SET epoch = epoch + 1, owner = 'other' WHERE room_id = $1", room_id
        )
        await connection.execute(
            "INSERT INTO worker (worker_id, lease_until_at, started_at) VALUES ('other', $1, $1)",
            world.clock.now() + 20_000,
        )
    await world.pass_s(15)
    assert world.said(room_id, asked) == []
    assert await world.figure("SELECT COUNT(*) FROM outbox WHERE state = 'planned'") == 0
    await world.pass_s(20)
    assert len(world.said(room_id, asked)) == 1


async def test_a_room_that_crashes_or_hangs_stops_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashing, hanging, well = await world.lounge(), await world.lounge(), await world.lounge()
    get = world.store.rooms.get

    async def troubled(room_id: Any) -> Any:
        if room_id == crashing:
            raise ZeroDivisionError
        if room_id == hanging:
            await asyncio.Event().wait()
        return await get(room_id)

    with monkeypatch.context() as patch:
        patch.setattr(world.store.rooms, "get", troubled)
        first = await world.ask(crashing, "Luna, hello?")
        await world.ask(hanging, "Luna, hello?")
        asked = await world.ask(well, "Luna, hello?")
        await world.pass_s(5)
        assert len(world.said(well, asked)) == 1
    await world.pass_s(31)
    assert len(world.said(crashing, first)) == 1


async def test_a_room_may_end_within_the_grace_of_a_handover(world: World) -> None:
    room_id = await world.lounge()
    world.engine.state = "slow"
    asked = await world.ask(room_id, "Luna, hello?")
    assert world.dispatcher is not None
    handing_over = asyncio.create_task(world.dispatcher.hand_over(grace_s=30))
    await world.let_pass_s(9)
    await handing_over
    assert len(world.said(room_id, asked)) == 1
    assert await world.figure(WORKERS) == 0


async def test_after_a_handover_no_beat_brings_the_worker_back_and_nothing_is_claimed(
    world: World,
) -> None:
    room_id = await world.lounge()
    world.engine.state = "slow"
    asked = await world.ask(room_id, "Luna, hello?")
    assert world.dispatcher is not None
    await world.dispatcher.hand_over(grace_s=0.01)
    assert world.homeserver.typing[-1] == (LUNA.user_id, room_id, False)
    await world.homeserver.say(room_id, BOB, "anybody?")
    await world.let_pass_s(20)
    assert await world.figure(WORKERS) == 0
    assert not await world.is_owned(room_id)
    assert world.said(room_id, asked) == []


async def test_a_handover_without_a_database_ends_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert world.dispatcher is not None
    take_away(monkeypatch, world, "end")
    await world.dispatcher.hand_over(grace_s=0.01)
    monkeypatch.undo()


async def test_writes_of_an_outdated_lease_are_refused(world: World) -> None:
    room_id = await world.lounge()
    room = await world.store.rooms.get(room_id)
    world.engine.state = "slow"
    await world.ask(room_id, "Luna, hello?")
    outdated = Lease(room_id=room_id, worker_id=WorkerId("old"), epoch=1, arrivals=1)
    with pytest.raises(LeaseLost):
        await world.store.rooms.put(outdated, room)


async def test_a_poison_event_leaves_the_room_unwritable_until_its_state_is_read_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event that nobody could handle may have been the one that turned encryption on."""
    room_id = await world.lounge()
    decide = actor.decide

    def crash(view: Any, event: Any, now: int) -> Any:
        if event.kind == "state":
            raise ZeroDivisionError
        return decide(view, event, now)

    monkeypatch.setattr(actor, "decide", crash)
    before = len(world.said(room_id))
    await world.homeserver.state(room_id, ALICE, "m.room.encryption", {"algorithm": "m.megolm"})
    await world.ask(room_id, "Luna, hello?")
    await world.pass_s(5)
    assert len(world.said(room_id)) == before


async def test_a_poison_event_behind_a_question_does_not_spoil_its_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    room_id = await world.lounge()

    def crash(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(ahead, "interrupts", crash)
    world.engine.state = "slow"
    asked = await world.ask(room_id, "Luna, hello?")
    await world.ask(room_id, "poison", BOB)
    await world.pass_s(10)
    assert len(world.said(room_id, asked)) == 1
    assert len(world.engine.prompts) == 1


async def test_an_event_that_kills_the_process_is_set_aside_in_the_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actor, "MAX_DEATHS", 3)
    room_id = await world.lounge()
    world.engine.state = "slow"
    deadly = await world.ask(room_id, "Luna, say the deadly word?")
    for _ in range(3):
        assert await world.is_owned(room_id)
        await world.fall()
        await world.rise()
    world.engine.state = "up"
    asked = await world.ask(room_id, "Luna, hello?")
    await world.pass_s(10)
    assert len(world.said(room_id, asked)) == 1
    assert world.said(room_id, deadly) == []
    assert await world.figure("SELECT COUNT(*) FROM inbox WHERE state = 'poison'") == 1


async def test_a_step_that_hangs_is_a_crash_in_the_end_and_the_room_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actor, "STEP_LIMIT_S", 5.0)
    room_id = await world.lounge()
    with monkeypatch.context() as patch:
        patch.setattr(world.homeserver, "mark_read", hang)
        patch.setattr(world.store.history, "recent", hang)
        await world.ask(room_id, "Luna, hello?")
        await world.pass_s(20)
    asked = await world.ask(room_id, "Luna, and now?")
    await world.pass_s(5)
    assert len(world.said(room_id, asked)) == 1
    assert await world.figure("SELECT COUNT(*) FROM inbox WHERE state = 'poison'") == 1


async def test_a_draining_worker_gives_a_room_back_after_the_event_in_hand(world: World) -> None:
    room_id = await world.lounge()
    world.engine.state = "slow"
    first = await world.ask(room_id, "Luna, one?")
    second = await world.ask(room_id, "Luna, two?")
    assert world.dispatcher is not None
    handing_over = asyncio.create_task(world.dispatcher.hand_over(grace_s=30))
    await world.let_pass_s(20)
    await handing_over
    assert len(world.said(room_id, first)) == 1
    assert world.said(room_id, second) == []
    await world.fall()
    world.engine.state = "up"
    await world.rise()
    await world.pass_s(2)
    assert len(world.said(room_id, second)) == 1


async def test_what_waits_behind_a_turn_is_looked_at_once_however_many_turns_pass(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a flooded room would cost its every turn a look at all that waits."""
    room_id = await world.lounge()
    looks: list[Any] = []
    interrupts = ahead.interrupts

    def counted(view: Any, puppet_id: Any, cause_id: Any, event: Any) -> Any:
        looks.append(event.event_id)
        return interrupts(view, puppet_id, cause_id, event)

    monkeypatch.setattr(ahead, "interrupts", counted)
    world.engine.state = "slow"
    asked = [await world.ask(room_id, f"Luna, question {n}?") for n in range(20)]
    world.engine.state = "up"
    await world.pass_s(30)
    assert all(len(world.said(room_id, one)) == 1 for one in asked)
    puppets = len(world.house.cast.puppets)
    assert len(looks) <= len(asked) * puppets
