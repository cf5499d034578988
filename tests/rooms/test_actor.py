from __future__ import annotations

from typing import Any

import pytest

from bridge.domain.vendor import BOT_FLAG
from bridge.errors import DatabaseError, RateLimited, Refused, TokenRejected, Unreachable
from bridge.rooms import actor
from tests.rooms.conftest import ALICE, BOB, LUNA, World


async def test_a_question_that_came_while_the_program_was_dead_is_answered_once(
    world: World,
) -> None:
    room_id = await world.lounge()
    await world.fall()
    asked = await world.homeserver.say(room_id, ALICE, "Luna, hello?")
    await world.rise()
    await world.fall()
    await world.rise()
    await world.homeserver.redeliver(room_id)
    await world.pass_s(2)
    assert len(world.said(room_id, asked)) == 1


async def test_a_program_that_dies_while_thinking_answers_once_after_its_start(
    world: World,
) -> None:
    room_id = await world.lounge()
    world.engine.state = "slow"
    asked = await world.ask(room_id, "Luna, hello?")
    await world.pass_s(2)
    await world.fall()
    world.engine.state = "up"
    await world.rise()
    await world.pass_s(2)
    assert len(world.said(room_id, asked)) == 1


async def test_a_program_that_dies_between_two_parts_sends_the_rest_and_thinks_no_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    room_id = await world.lounge()
    text = "\n\n".join(f"Paragraph {n}. " + f"word{n} " * 120 for n in range(13))
    world.engine._says = {LUNA.puppet_id: [text]}  # type: ignore[attr-defined]
    send, sent = world.homeserver.send, 0

    async def send_one(*args: object, **kwargs: object) -> object:
        nonlocal sent
        sent += 1
        if sent > 1:
            raise Unreachable("the homeserver is away")
        return await send(*args, **kwargs)  # type: ignore[arg-type]

    before = len(world.said(room_id))
    with monkeypatch.context() as patch:
        patch.setattr(world.homeserver, "send", send_one)
        await world.ask(room_id, "Luna, tell me all?")
        await world.fall()
    await world.rise()
    await world.pass_s(5)
    parts = [content["body"] for content in world.said(room_id)[before:]]
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert len(world.engine.prompts) == 1


async def test_an_event_that_crashes_us_is_set_aside_and_the_next_is_handled(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    room_id = await world.lounge()
    decide, tries = actor.decide, 0

    def crash(view: object, event: object, now: int) -> object:
        nonlocal tries
        if getattr(event, "text", "") == "Luna, poison?":
            tries += 1
            raise ZeroDivisionError
        return decide(view, event, now)  # type: ignore[arg-type]

    monkeypatch.setattr(actor, "decide", crash)
    poison = await world.ask(room_id, "Luna, poison?")
    asked = await world.ask(room_id, "Luna, hello?")
    await world.pass_s(2)
    assert tries == actor.MAX_CRASHES
    assert world.said(room_id, poison) == []
    assert len(world.said(room_id, asked)) == 1


@pytest.mark.parametrize(
    "error", [Unreachable("away"), DatabaseError("away"), TokenRejected("wrong")]
)
async def test_what_may_mend_itself_or_be_mended_loses_no_question(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    room_id = await world.lounge()

    async def refuse(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(world.homeserver, "send", refuse)
        asked = await world.ask(room_id, "Luna, hello?")
        await world.pass_s(20)
    assert world.said(room_id, asked) == []
    await world.pass_s(60)
    assert len(world.said(room_id, asked)) == 1


async def test_a_rate_limit_is_waited_for_as_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    room_id = await world.lounge()
    send, refusals = world.homeserver.send, 0

    async def limited(*args: object, **kwargs: object) -> object:
        nonlocal refusals
        if refusals == 0:
            refusals += 1
            raise RateLimited("slow down", retry_after_ms=3_000)
        return await send(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(world.homeserver, "send", limited)
    asked = await world.ask(room_id, "Luna, hello?")
    await world.pass_s(2)
    assert world.said(room_id, asked) == []
    await world.pass_s(2)
    assert len(world.said(room_id, asked)) == 1


async def test_a_room_whose_encryption_is_unknown_is_never_written_to(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise Refused("no", status=403, errcode="M_FORBIDDEN")

    monkeypatch.setattr(world.homeserver, "room_state", refuse)
    room_id = await world.lounge()
    await world.ask(room_id, "Luna, hello?")
    await world.pass_s(5)
    assert world.said(room_id) == []


async def test_an_encrypted_room_is_left_without_a_word(world: World) -> None:
    room_id = await world.homeserver.create_room(ALICE, is_encrypted=True)
    await world.homeserver.invite(room_id, sender=ALICE, user_id=LUNA.user_id)
    await world.pass_s(3)
    assert world.said(room_id) == []
    members = [e for e in world.homeserver.timeline(room_id) if e.get("state_key") == LUNA.user_id]
    assert members[-1]["content"]["membership"] == "leave"
    assert members[-1]["content"]["reason"]


async def test_a_room_that_thinks_long_holds_up_no_other(world: World) -> None:
    slow, quick = await world.lounge(), await world.lounge()
    world.engine.state = "slow"
    first = await world.ask(slow, "Luna, hello?")
    world.engine.state = "up"
    second = await world.ask(quick, "Luna, hello?")
    assert world.said(slow, first) == []
    assert len(world.said(quick, second)) == 1


async def test_after_a_handover_nothing_is_claimed_and_the_turn_goes_on_at_the_next_start(
    world: World,
) -> None:
    room_id = await world.lounge()
    world.engine.state = "slow"
    asked = await world.ask(room_id, "Luna, hello?")
    assert world.dispatcher is not None
    await world.dispatcher.hand_over(grace_s=0.01)
    await world.fall()
    world.engine.state = "up"
    await world.rise()
    await world.pass_s(2)
    assert len(world.said(room_id, asked)) == 1


async def test_a_worker_that_overslept_sends_nothing_and_begins_a_new_life(world: World) -> None:
    room_id = await world.lounge()
    world.engine.state = "slow"
    asked = await world.ask(room_id, "Luna, hello?")
    # The whole machine sleeps: the clock jumps past the lease, and nobody has beaten meanwhile.
    world.clock.shift(60_000)
    await world.pass_s(30)
    assert len(world.said(room_id, asked)) == 1


async def test_who_says_in_the_profile_to_be_a_program_is_answered_when_it_mentions(
    world: World,
) -> None:
    room_id = await world.lounge()
    world.homeserver.profiles[BOB] = {BOT_FLAG: True}
    by_name = await world.ask(room_id, "Luna, hello?", BOB)
    await world.pass_s(2)
    assert world.said(room_id, by_name) == []
    mentioned = await world.homeserver.say(room_id, BOB, "Luna, hello?", mentions=[LUNA.user_id])
    await world.pass_s(5)
    assert len(world.said(room_id, mentioned)) == 1


async def test_a_profile_is_looked_at_once_a_day(world: World) -> None:
    room_id = await world.lounge()
    profile, looks = world.homeserver.profile, 0

    async def counted(*args: Any) -> Any:
        nonlocal looks
        looks += 1
        return await profile(*args)

    world.homeserver.profile = counted  # type: ignore[method-assign]
    for _ in range(3):
        await world.ask(room_id, "Luna, hello?", BOB)
        await world.pass_s(5)
    assert looks == 1
