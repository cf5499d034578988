"""What was planned before the program died, or while the homeserver was away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bridge.domain.ids import EventId, RoomId
from bridge.errors import Refused, Unreachable
from bridge.rooms.send import HOMESERVER_MEMORY_MS
from tests.rooms.conftest import ALICE, BOB, LUNA, World

UNSENT = "SELECT COUNT(*) FROM outbox WHERE state = 'planned'"
LONG = "\n\n".join(f"Paragraph {n}. " + f"word{n} " * 120 for n in range(30))


@contextmanager
def sends_fail(world: World, error: Exception, *, after: int = 0) -> Iterator[list[str]]:
    """Sends fail after so many that succeed; yields the transaction ids of all."""
    send, seen = world.homeserver.send, list[str]()

    async def failing(puppet: Any, room_id: Any, effect: Any, txn_id: Any) -> EventId:
        seen.append(txn_id)
        if len(seen) > after:
            raise error
        return await send(puppet, room_id, effect, txn_id)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.homeserver, "send", failing)
        yield seen


async def planned(world: World) -> tuple[RoomId, EventId]:
    """A question whose answer is planned and cannot be sent, for the homeserver is away."""
    room_id = await world.lounge()
    with sends_fail(world, Unreachable("away")):
        asked = await world.ask(room_id, "Luna, hello?")
        await world.fall()
    assert await world.figure(UNSENT) == 1
    return room_id, asked


async def test_what_was_planned_is_sent_once_and_not_generated_again(world: World) -> None:
    room_id, asked = await planned(world)
    await world.rise()
    await world.pass_s(5)
    assert len(world.said(room_id, asked)) == 1
    assert len(world.engine.prompts) == 1
    assert await world.turn_states() == ["done"]


async def test_what_was_planned_is_sent_also_when_the_question_is_old_by_then(
    world: World,
) -> None:
    room_id, asked = await planned(world)
    world.clock.shift(2 * world.house.limits.answer_age_ms)
    await world.rise()
    await world.pass_s(5)
    assert len(world.said(room_id, asked)) == 1


async def test_what_is_older_than_the_homeservers_memory_is_not_sent(world: World) -> None:
    room_id, asked = await planned(world)
    world.clock.shift(HOMESERVER_MEMORY_MS + 1)
    await world.rise()
    await world.pass_s(5)
    assert world.said(room_id, asked) == []
    assert await world.turn_states() == ["failed"]


@pytest.mark.parametrize("how", ["encryption", "stop", "redaction", "kick"])
async def test_what_was_planned_is_dropped_when_it_has_become_pointless(
    world: World, how: str
) -> None:
    room_id, asked = await planned(world)
    homeserver = world.homeserver
    match how:
        case "encryption":
            await homeserver.state(room_id, ALICE, "m.room.encryption", {"algorithm": "m.megolm"})
        case "stop":
            await homeserver.say(room_id, BOB, "Luna, stop")
        case "redaction":
            await homeserver.redact(room_id, ALICE, asked)
        case _:
            await homeserver.member(room_id, sender=ALICE, user_id=LUNA.user_id, membership="leave")
    await world.rise()
    await world.pass_s(10)
    assert world.said(room_id, asked) == []
    assert await world.turn_states() == ["dropped"]
    assert await world.figure(UNSENT) == 0


async def test_a_stop_between_two_parts_drops_the_rest(world: World) -> None:
    room_id = await world.lounge()
    world.engine._says = {LUNA.puppet_id: [LONG]}  # type: ignore[attr-defined]
    before = len(world.said(room_id))
    with sends_fail(world, Unreachable("away"), after=1):
        await world.ask(room_id, "Luna, tell me all?")
        await world.homeserver.say(room_id, BOB, "Luna, stop")
    await world.pass_s(10)
    assert len(world.said(room_id)) == before + 1
    assert await world.turn_states() == ["dropped"]


async def test_the_acknowledgement_of_a_stop_is_not_stopped_by_it(world: World) -> None:
    room_id = await world.lounge()
    with sends_fail(world, Unreachable("away")):
        stop = await world.ask(room_id, "Luna, stop")
        await world.fall()
    await world.rise()
    await world.pass_s(5)
    reactions = [e for e in world.homeserver.timeline(room_id) if e["type"] == "m.reaction"]
    assert [r["content"]["m.relates_to"]["event_id"] for r in reactions] == [stop]


async def test_the_rest_of_an_answer_is_not_sent_where_its_beginning_was_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    room_id = await world.lounge()
    world.engine._says = {LUNA.puppet_id: [LONG]}  # type: ignore[attr-defined]
    before = len(world.said(room_id))
    abandon, calls = world.store.outbox.abandon, 0

    async def die_after_the_first(*args: Any, **kwargs: Any) -> None:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise Unreachable("the process is about to die")
        await abandon(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(world.store.outbox, "abandon", die_after_the_first)
        with sends_fail(world, Refused("no", status=403, errcode="M_FORBIDDEN")):
            await world.ask(room_id, "Luna, tell me all?")
            await world.fall()
    assert await world.figure(UNSENT) > 0
    await world.rise()
    await world.pass_s(5)
    assert len(world.said(room_id)) == before
    assert await world.turn_states() == ["failed"]
    assert await world.figure(UNSENT) == 0


async def test_an_effect_that_crashes_us_blocks_nothing(world: World) -> None:
    room_id = await world.lounge()
    with sends_fail(world, ZeroDivisionError()) as tries:
        await world.ask(room_id, "Luna, hello?")
        await world.pass_s(30)
    assert len(tries) == 1
    again = await world.ask(room_id, "Luna, and now?")
    assert len(world.said(room_id, again)) == 1
    assert await world.turn_states() == ["failed", "done"]


async def test_the_homeserver_away_is_asked_ever_less_often(world: World) -> None:
    room_id = await world.lounge()
    with sends_fail(world, Unreachable("away")) as tries:
        asked = await world.ask(room_id, "Luna, hello?")
        await world.pass_s(120)
    assert 8 <= len(tries) <= 11
    assert len(set(tries)) == 1
    await world.pass_s(31)
    assert len(world.said(room_id, asked)) == 1


async def test_a_disclosure_that_was_refused_is_made_at_the_next_arrival(world: World) -> None:
    with sends_fail(world, Refused("no power", status=403, errcode="M_FORBIDDEN")):
        room_id = await world.lounge()
    homeserver = world.homeserver
    await homeserver.member(room_id, sender=ALICE, user_id=LUNA.user_id, membership="leave")
    await homeserver.invite(room_id, sender=ALICE, user_id=LUNA.user_id)
    await world.pass_s(2)
    assert len(world.said(room_id)) == 1


async def test_an_invite_is_not_refused_for_being_the_last_allowed_when_we_die_over_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = world.house.access.max_invites_per_day
    for _ in range(limit - 1):
        room_id = await world.homeserver.create_room(ALICE)
        await world.homeserver.invite(room_id, sender=ALICE, user_id=LUNA.user_id)
    await world.pass_s(2)
    finish = world.store.mailbox.finish

    async def die(*_: object, **__: object) -> None:
        raise Unreachable("the process is about to die")

    monkeypatch.setattr(world.store.mailbox, "finish", die)
    room_id = await world.homeserver.create_room(ALICE, name="the last")
    await world.homeserver.invite(room_id, sender=ALICE, user_id=LUNA.user_id)
    await world.settle()
    assert await world.figure("SELECT COUNT(*) FROM invite") == limit
    await world.fall()
    monkeypatch.setattr(world.store.mailbox, "finish", finish)
    await world.rise()
    await world.pass_s(2)
    assert room_id in await world.homeserver.joined_rooms(LUNA)
    assert len(world.said(room_id)) == 1
    one_more = await world.homeserver.create_room(ALICE)
    await world.homeserver.invite(one_more, sender=ALICE, user_id=LUNA.user_id)
    await world.pass_s(5)
    assert one_more not in await world.homeserver.joined_rooms(LUNA)
