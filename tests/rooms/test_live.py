"""Replies that are shown while they are being written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bridge.domain.ids import EventId, RoomId, UserId
from bridge.domain.vendor import AI_KEY, LIVE_KEY
from bridge.errors import EngineBroken, Refused, Unreachable
from tests.rooms.conftest import ALICE, BOB, LUNA, NOVA, World
from tests.rooms.test_recover import sends_fail

STORY = " ".join(
    f"Sentence number {n} of the story is a little longer than that." for n in range(16)
)
"""About 1 kB, 190 words."""
AFAR = UserId("@carol:away.example")

Content = dict[str, Any]


def tell(world: World, *texts: str, pace_s: float = 0.1) -> None:
    """What Luna says next, a word at a time."""
    world.engine._says = {LUNA.puppet_id: list(texts or [STORY])}  # type: ignore[attr-defined]
    world.engine.pace_s = pace_s


async def come(world: World, room_id: RoomId, who: UserId) -> None:
    await world.homeserver.member(room_id, sender=who, user_id=who, membership="join")


def events_of(world: World, room_id: RoomId, asked: EventId) -> tuple[Content, list[Content]]:
    """The message that replies, and its edits."""
    (root,) = (
        event
        for event in world.homeserver.timeline(room_id)
        if event["sender"] == LUNA.user_id
        and (event["content"].get("m.relates_to") or {}).get("m.in_reply_to", {}).get("event_id")
        == asked
    )
    edits = [
        event["content"]
        for event in world.homeserver.timeline(room_id)
        if (event["content"].get("m.relates_to") or {}).get("event_id") == root["event_id"]
    ]
    return root, edits


def shown(world: World, room_id: RoomId, asked: EventId) -> str:
    """What people see of the reply."""
    root, edits = events_of(world, room_id, asked)
    return edits[-1]["m.new_content"]["body"] if edits else root["content"].get("body", "")


async def test_a_reply_that_takes_long_grows_and_ends_whole(world: World) -> None:
    room_id = await world.lounge()
    tell(world)
    asked = await world.ask(room_id, "Luna, a story?")
    await world.pass_s(30)
    root, edits = events_of(world, room_id, asked)
    first = root["content"]
    assert first[LIVE_KEY] == {}
    assert first["msgtype"] == "m.text"
    assert first["body"].endswith("…")
    assert STORY.startswith(first["body"].removesuffix(" …"))
    *partial, last = edits
    assert 2 <= len(partial) <= 5
    for edit in partial:
        assert edit[LIVE_KEY] == edit["m.new_content"][LIVE_KEY] == {}
        assert STORY.startswith(edit["m.new_content"]["body"].removesuffix(" …"))
    assert LIVE_KEY not in last
    assert LIVE_KEY not in last["m.new_content"]
    assert last["m.new_content"]["body"] == STORY
    assert last["body"] == f"* {STORY}"
    for edit in edits:
        assert edit["m.mentions"] == edit["m.new_content"]["m.mentions"] == {}
        assert edit["m.new_content"][AI_KEY]["generated"] is True
    assert await world.turn_states() == ["done"]


async def test_edits_keep_their_distance(world: World) -> None:
    room_id = await world.lounge()
    tell(world)
    asked = await world.ask(room_id, "Luna, a story?")
    await world.pass_s(30)
    at = [
        event["origin_server_ts"]
        for event in world.homeserver.timeline(room_id)
        if event["sender"] == LUNA.user_id and event["type"] == "m.room.message"
    ][1:]
    asked_at = next(
        event["origin_server_ts"]
        for event in world.homeserver.timeline(room_id)
        if event["event_id"] == asked
    )
    assert at[0] - asked_at >= 4_000
    assert all(b - a >= 2_500 for a, b in zip(at[:-2], at[1:-1], strict=True))


async def test_a_reply_that_is_quick_is_one_event(world: World) -> None:
    room_id = await world.lounge()
    tell(world, pace_s=0.01)
    asked = await world.ask(room_id, "Luna, a story?")
    await world.pass_s(30)
    root, edits = events_of(world, room_id, asked)
    assert root["content"]["body"] == STORY
    assert edits == []


async def test_later_prompts_hold_the_whole_reply_once(world: World) -> None:
    room_id = await world.lounge()
    tell(world, STORY, "Yes.")
    await world.ask(room_id, "Luna, a story?")
    await world.pass_s(30)
    await world.ask(room_id, "Luna, and that was true?")
    await world.pass_s(10)
    prompt = world.engine.prompts[-1].user
    assert prompt.count("Sentence number 0 of") == 1
    assert prompt.count("Sentence number 15 of") == 1
    assert "…" not in prompt


@pytest.mark.parametrize("why", ["off", "far", "many", "forbidden"])
async def test_where_edits_are_dear_a_reply_is_one_event(world: World, why: str) -> None:
    room_id = await world.lounge()
    if why == "off":
        await world.fall()
        world.house = replace(world.house, limits=replace(world.house.limits, live_after_ms=None))
        await world.rise()
    elif why == "far":
        await come(world, room_id, AFAR)
    elif why == "many":
        for n in range(8):
            await come(world, room_id, UserId(f"@p{n}:home.example"))
    else:
        await world.homeserver.state(room_id, ALICE, "m.room.live_messaging", {"enabled": False})
    tell(world)
    asked = await world.ask(room_id, "Luna, a story?")
    await world.pass_s(40)
    root, edits = events_of(world, room_id, asked)
    assert root["content"]["body"] == STORY
    assert LIVE_KEY not in root["content"]
    assert edits == []


async def test_a_stop_leaves_what_was_said_and_says_no_more(world: World) -> None:
    room_id = await world.lounge()
    tell(world)
    asked = await world.ask(room_id, "Luna, a story?")
    await world.pass_s(8)
    await world.ask(room_id, "Luna, stop")
    await world.pass_s(20)
    _, edits = events_of(world, room_id, asked)
    assert LIVE_KEY not in edits[-1]["m.new_content"]
    text = shown(world, room_id, asked)
    assert text.endswith("…")
    assert "Sentence number 15" not in text
    assert await world.turn_states() == ["dropped"]


async def test_half_an_answer_to_a_question_that_was_taken_back_goes(world: World) -> None:
    room_id = await world.lounge()
    tell(world)
    asked = await world.ask(room_id, "Luna, a story?")
    await world.pass_s(8)
    root, _ = events_of(world, room_id, asked)
    await world.homeserver.redact(room_id, ALICE, asked)
    await world.pass_s(20)
    event = next(e for e in world.homeserver.timeline(room_id) if e["event_id"] == root["event_id"])
    assert event["content"] == {}
    assert await world.figure("SELECT COUNT(*) FROM outbox WHERE body LIKE '%Sentence%'") == 0
    assert await world.figure("SELECT COUNT(*) FROM message WHERE text LIKE '%Sentence%'") == 0


async def test_what_somebody_took_back_while_it_was_written_is_not_gone_on_with(
    world: World,
) -> None:
    room_id = await world.lounge()
    tell(world)
    asked = await world.ask(room_id, "Luna, a story?")
    await world.pass_s(8)
    root, edits = events_of(world, room_id, asked)
    await world.homeserver.redact(room_id, ALICE, root["event_id"])
    count = len(world.homeserver.timeline(room_id))
    await world.pass_s(20)
    assert len(world.homeserver.timeline(room_id)) == count
    assert edits
    assert await world.figure("SELECT COUNT(*) FROM outbox WHERE body LIKE '%Sentence%'") == 0
    assert await world.turn_states() == ["dropped"]


@pytest.mark.parametrize("which", ["message", "edit"])
async def test_redacting_a_whole_reply_or_its_last_edit_removes_the_words(
    world: World, which: str
) -> None:
    room_id = await world.lounge()
    tell(world)
    asked = await world.ask(room_id, "Luna, a story?")
    await world.pass_s(30)
    root, _ = events_of(world, room_id, asked)
    last = world.homeserver.timeline(room_id)[-1]
    assert last["content"]["m.new_content"]["body"] == STORY
    target = root["event_id"] if which == "message" else last["event_id"]
    await world.homeserver.redact(room_id, ALICE, EventId(target))
    await world.pass_s(2)
    assert await world.figure("SELECT COUNT(*) FROM outbox WHERE body LIKE '%Sentence%'") == 0
    assert await world.figure("SELECT COUNT(*) FROM message WHERE text LIKE '%Sentence%'") == 0


async def test_who_is_forgotten_leaves_no_half_answer(world: World) -> None:
    room_id = await world.lounge()
    tell(world)
    asked = await world.ask(room_id, "Luna, a story?")
    await world.pass_s(8)
    root, _ = events_of(world, room_id, asked)
    await world.ask(room_id, "!ai forget me")
    await world.pass_s(20)
    event = next(e for e in world.homeserver.timeline(room_id) if e["event_id"] == root["event_id"])
    assert event["content"] == {}
    assert await world.figure("SELECT COUNT(*) FROM outbox WHERE body LIKE '%Sentence%'") == 0


@pytest.mark.parametrize("at_s", [4.5, 6.0, 8.0, 12.0])
async def test_after_a_crash_the_same_message_is_finished(world: World, at_s: float) -> None:
    room_id = await world.lounge()
    tell(world, STORY, STORY.upper())
    asked = await world.ask(room_id, "Luna, a story?")
    await world.pass_s(at_s)
    root, before = events_of(world, room_id, asked)
    assert root["content"][LIVE_KEY] == {}
    await world.fall()
    await world.rise()
    await world.pass_s(60)
    _, edits = events_of(world, room_id, asked)
    assert shown(world, room_id, asked) == STORY.upper()
    assert len(edits) == len(before) + 1
    assert LIVE_KEY not in edits[-1]["m.new_content"]
    assert await world.turn_states() == ["done"]


@pytest.mark.parametrize("fault", ["before", "after"])
async def test_a_beginning_that_was_lost_on_the_wire_is_one_message(
    world: World, fault: str
) -> None:
    room_id = await world.lounge()
    tell(world)
    asked = await world.ask(room_id, "Luna, a story?")
    world.homeserver.fail_next_send(fault)  # type: ignore[arg-type]
    await world.pass_s(60)
    assert shown(world, room_id, asked) == STORY
    assert await world.turn_states() == ["done"]


async def test_edits_that_fail_cost_nothing_but_themselves(world: World) -> None:
    room_id = await world.lounge()
    tell(world)
    asked = await world.ask(room_id, "Luna, a story?")
    await world.pass_s(5)
    with sends_fail(world, Unreachable("away")) as tried:
        await world.pass_s(10)
    assert tried
    await world.pass_s(30)
    root, edits = events_of(world, room_id, asked)
    assert shown(world, room_id, asked) == STORY
    assert len(world.engine.prompts) == 1
    assert await world.turn_states() == ["done"]


async def test_a_room_that_refuses_the_beginning_ends_the_turn(world: World) -> None:
    room_id = await world.lounge()
    tell(world)
    with sends_fail(world, Refused("no", status=403, errcode="M_FORBIDDEN")):
        await world.ask(room_id, "Luna, a story?")
        await world.pass_s(60)
    assert await world.turn_states() == ["failed"]


async def test_an_engine_that_breaks_midway_says_so_in_the_same_message(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    room_id = await world.lounge()
    tell(world)
    stream = world.engine.stream

    async def breaking(*args: Any, **kwargs: Any) -> Any:
        count = 0
        async for delta in stream(*args, **kwargs):
            count += 1
            if count == 100:
                raise EngineBroken("in the middle")
            yield delta

    monkeypatch.setattr(world.engine, "stream", breaking)
    asked = await world.ask(room_id, "Luna, a story?")
    await world.pass_s(40)
    _, edits = events_of(world, room_id, asked)
    assert LIVE_KEY not in edits[-1]["m.new_content"]
    text = shown(world, room_id, asked)
    assert "… \n\n" in text or "…\n\n" in text
    assert text.startswith("Sentence number 0")
    assert await world.turn_states() == ["failed"]


async def test_a_question_nobody_answers_any_more_leaves_no_half_answer(world: World) -> None:
    room_id = await world.lounge()
    tell(world)
    asked = await world.ask(room_id, "Luna, a story?")
    await world.pass_s(8)
    root, _ = events_of(world, room_id, asked)
    await world.fall()
    world.clock.shift(2 * world.house.limits.answer_age_ms)
    await world.rise()
    await world.pass_s(30)
    event = next(e for e in world.homeserver.timeline(room_id) if e["event_id"] == root["event_id"])
    assert event["content"] == {}
    assert await world.turn_states() == ["dropped"]
    assert len(world.engine.prompts) == 1


async def test_a_long_reply_goes_on_in_further_messages(world: World) -> None:
    room_id = await world.lounge()
    text = "\n\n".join(f"Paragraph {n}. " + f"word{n} " * 120 for n in range(13))
    tell(world, text, pace_s=0.02)
    asked = await world.ask(room_id, "Luna, tell me all?")
    await world.pass_s(60)
    first = shown(world, room_id, asked)
    rest = world.homeserver.timeline(room_id)[-1]["content"]["body"]
    assert "".join((first + rest).split()) == "".join(text.split())


async def test_only_who_was_asked_by_a_person_is_shown_live(world: World) -> None:
    room_id = await world.lounge(LUNA, NOVA)
    tell(world)
    asked = await world.ask(room_id, "Luna, a story?", sender=BOB)
    await world.pass_s(30)
    root, edits = events_of(world, room_id, asked)
    assert edits
    assert root["content"][AI_KEY]["hops"] == 0
