from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from bridge.domain.prompt import Delta, Prompt, Queued
from bridge.domain.vendor import AI_KEY, BOT_FLAG
from bridge.errors import ContextTooLong, EngineBusy, Refused, Unreachable
from tests.lab.stores import sqlite_url
from tests.rooms.conftest import ALICE, BOB, LUNA, NOVA, World


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """What is said doesn't depend on the kind of database."""
    return sqlite_url(tmp_path)


async def test_an_answer_is_one_reply_that_mentions_nobody(world: World) -> None:
    room_id = await world.lounge()
    asked = await world.ask(room_id, "Luna, hello?")
    (answer,) = world.said(room_id, asked)
    assert answer["msgtype"] == "m.text"
    assert answer["m.mentions"] == {}
    assert answer[AI_KEY]["generated"] is True


async def test_an_answer_that_took_long_mentions_the_asker(world: World) -> None:
    room_id = await world.lounge()
    world.house.cast.by_id(LUNA.puppet_id)
    world.engine.state = "slow"
    first = await world.ask(room_id, "Luna, one?")
    second = await world.ask(room_id, "Luna, two?")
    third = await world.ask(room_id, "Luna, three?")
    await world.pass_s(30)
    assert world.said(room_id, first)[0]["m.mentions"] == {}
    assert world.said(room_id, second)[0]["m.mentions"] == {}
    assert world.said(room_id, third)[0]["m.mentions"] == {"user_ids": [ALICE]}


@pytest.mark.parametrize("fault", ["before", "after"])
async def test_a_send_that_was_lost_on_the_wire_is_one_event(world: World, fault: str) -> None:
    room_id = await world.lounge()
    world.homeserver.fail_next_send(fault)  # type: ignore[arg-type]
    asked = await world.ask(room_id, "Luna, hello?")
    await world.pass_s(5)
    assert len(world.said(room_id, asked)) == 1
    assert len(world.engine.prompts) == 1


async def test_typing_is_shown_while_thinking_and_cleared_afterwards(world: World) -> None:
    room_id = await world.lounge()
    world.homeserver.typing.clear()
    world.engine.state = "slow"
    await world.ask(room_id, "Luna, hello?")
    assert world.homeserver.typing == [(LUNA.user_id, room_id, True)]
    await world.pass_s(10)
    assert world.homeserver.typing[-1] == (LUNA.user_id, room_id, False)


async def test_typing_that_cannot_be_shown_fails_no_turn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise Unreachable("no typing today")

    monkeypatch.setattr(world.homeserver, "type", refuse)
    room_id = await world.lounge()
    asked = await world.ask(room_id, "Luna, hello?")
    assert len(world.said(room_id, asked)) == 1


async def test_an_engine_that_is_down_is_told_once_in_the_askers_language(world: World) -> None:
    room_id = await world.lounge()
    world.engine.state = "down"
    asked = await world.ask(room_id, "Luna, was ist das für ein Stern, und wie heißt er?")
    (notice,) = world.said(room_id, asked)
    assert notice["msgtype"] == "m.notice"
    assert notice[AI_KEY]["generated"] is False
    assert "ich" in notice["body"].lower()
    world.engine.state = "up"
    again = await world.ask(room_id, "Luna, and now?")
    assert world.said(room_id, again)[0]["msgtype"] == "m.text"


async def test_an_empty_reply_is_said_to_be_one(world: World) -> None:
    room_id = await world.lounge()
    world.engine._says = {LUNA.puppet_id: ["<think>nothing comes to mind</think>"]}  # type: ignore[attr-defined]
    asked = await world.ask(room_id, "Luna, hello?")
    (notice,) = world.said(room_id, asked)
    assert notice["msgtype"] == "m.notice"
    assert "think" not in notice["body"].lower().replace("nothing to", "")


async def test_thoughts_and_other_peoples_lines_never_reach_the_room(world: World) -> None:
    room_id = await world.lounge(LUNA, NOVA)
    reply = "<think>hm</think>Luna: The moon.\nalice: thanks\nNova: bye\n<m id=9> more"
    world.engine._says = {LUNA.puppet_id: [reply]}  # type: ignore[attr-defined]
    asked = await world.ask(room_id, "Luna, what shines?")
    (answer,) = world.said(room_id, asked)
    assert answer["body"] == "The moon."


async def test_a_long_answer_comes_whole_and_in_order(world: World) -> None:
    room_id = await world.lounge()
    text = "\n\n".join(f"Paragraph {n}. " + f"word{n} " * 120 for n in range(13))
    world.engine._says = {LUNA.puppet_id: [text]}  # type: ignore[attr-defined]
    before = len(world.said(room_id))
    await world.ask(room_id, "Luna, tell me all?")
    parts = [content["body"] for content in world.said(room_id)[before:]]
    assert len(parts) == 2
    assert "".join("".join(parts).split()) == "".join(text.split())


async def test_what_can_never_be_sent_ends_the_turn_and_is_not_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    room_id = await world.lounge()
    tries: list[str] = []

    async def refuse(*_: object, **__: object) -> None:
        tries.append("send")
        raise Refused("policy server", status=403, errcode="M_FORBIDDEN")

    with monkeypatch.context() as patch:
        patch.setattr(world.homeserver, "send", refuse)
        asked = await world.ask(room_id, "Luna, hello?")
        await world.pass_s(60)
    assert tries == ["send"]
    assert world.said(room_id, asked) == []
    again = await world.ask(room_id, "Luna, and now?")
    assert len(world.said(room_id, again)) == 1


@pytest.mark.parametrize("how", ["stop", "reaction", "redaction", "kick", "encryption"])
async def test_a_reply_under_way_is_dropped(world: World, how: str) -> None:
    room_id = await world.lounge()
    earlier = await world.ask(room_id, "Luna, hello?")
    world.engine.state = "slow"
    asked = await world.ask(room_id, "Luna, tell me everything?")
    await world.pass_s(2)
    homeserver = world.homeserver
    match how:
        case "stop":
            await homeserver.say(room_id, BOB, "Luna, stop")
        case "reaction":
            mine = [e for e in homeserver.timeline(room_id) if e["sender"] == LUNA.user_id]
            assert earlier
            await homeserver.react(room_id, BOB, mine[-1]["event_id"], "🛑")
        case "redaction":
            await homeserver.redact(room_id, ALICE, asked)
        case "kick":
            await homeserver.member(room_id, sender=ALICE, user_id=LUNA.user_id, membership="leave")
        case _:
            await homeserver.state(room_id, ALICE, "m.room.encryption", {"algorithm": "m.megolm"})
    await world.pass_s(30)
    assert world.said(room_id, asked) == []
    assert world.homeserver.typing[-1][2] is False


async def test_two_that_are_addressed_answer_in_the_order_named(world: World) -> None:
    room_id = await world.lounge(LUNA, NOVA)
    asked = await world.ask(room_id, "Nova and Luna, who are you?")
    names = [content[AI_KEY]["persona"] for content in world.said(room_id, asked)]
    assert names == ["nova", "luna"]


async def test_our_own_sentences_are_in_the_language_last_spoken_in_the_room(world: World) -> None:
    room_id = await world.lounge()
    await world.ask(room_id, "Das ist ja ein schöner Abend, und wir sind alle noch hier.")
    await world.ask(room_id, "!ai help")
    assert "ich" in world.said(room_id)[-1]["body"].lower().split()


async def test_all_who_are_addressed_are_seen_typing_at_once(world: World) -> None:
    room_id = await world.lounge(LUNA, NOVA)
    world.homeserver.typing.clear()
    world.engine.state = "slow"
    await world.ask(room_id, "Luna and Nova, who are you?")
    assert {(user, is_typing) for user, _, is_typing in world.homeserver.typing} == {
        (LUNA.user_id, True),
        (NOVA.user_id, True),
    }
    await world.pass_s(30)
    assert {user for user, _, is_typing in world.homeserver.typing if not is_typing} == {
        LUNA.user_id,
        NOVA.user_id,
    }


async def test_who_turns_out_not_to_answer_is_not_seen_typing(world: World) -> None:
    room_id = await world.lounge(LUNA, NOVA)
    await world.homeserver.member(room_id, sender=BOB, user_id=BOB, membership="join")
    world.homeserver.profiles[BOB] = {BOT_FLAG: True}
    world.homeserver.typing.clear()
    asked = await world.ask(room_id, "Luna and Nova, who are you?", BOB)
    assert world.said(room_id, asked) == []
    assert (NOVA.user_id, room_id, True) in world.homeserver.typing
    assert world.homeserver.typing[-1] == (NOVA.user_id, room_id, False)


async def test_a_question_that_waits_for_long_gets_an_hourglass_once_and_then_its_answer(
    world: World,
) -> None:
    room_id = await world.lounge()
    inner = world.engine.stream

    async def stream(prompt: Prompt, *, affinity: str) -> AsyncGenerator[Delta, None]:
        yield Queued()
        await world.clock.sleep(30)
        async for delta in inner(prompt, affinity=affinity):
            yield delta

    world.engine.stream = stream  # type: ignore[method-assign]
    asked = await world.ask(room_id, "Luna, hello?")
    await world.pass_s(5)
    assert world.reactions(room_id, asked) == ["⏳"]
    assert world.said(room_id, asked) == []
    await world.fall()
    await world.rise()
    await world.pass_s(40)
    assert world.reactions(room_id, asked) == ["⏳"]
    assert len(world.said(room_id, asked)) == 1


async def test_a_question_whose_turn_does_not_come_is_told_so(world: World) -> None:
    room_id = await world.lounge()

    async def stream(prompt: Prompt, *, affinity: str) -> AsyncGenerator[Delta, None]:
        yield Queued()
        raise EngineBusy("waited")

    world.engine.stream = stream  # type: ignore[method-assign]
    asked = await world.ask(room_id, "Luna, hello?")
    (sentence,) = world.said(room_id, asked)
    assert "try again" in sentence["body"]


async def test_a_prompt_that_the_server_finds_too_long_is_made_shorter_once(world: World) -> None:
    room_id = await world.lounge()
    for n in range(30):
        await world.ask(room_id, f"word{n} " * 60)
    limit, seen, inner = 6000, list[int](), world.engine.stream

    async def stream(prompt: Prompt, *, affinity: str) -> AsyncGenerator[Delta, None]:
        seen.append(len(prompt.system) + len(prompt.user))
        if seen[-1] > limit:
            raise ContextTooLong("too long")
        async for delta in inner(prompt, affinity=affinity):
            yield delta

    world.engine.stream = stream  # type: ignore[method-assign]
    asked = await world.ask(room_id, "Luna, hello?")
    assert len(world.said(room_id, asked)) == 1
    assert len(seen) == 2
    assert seen[1] <= limit < seen[0]
    asked = await world.ask(room_id, "Luna, and now?")
    assert len(world.said(room_id, asked)) == 1
    assert len(seen) == 3
