"""Puppets that use tools: what runs, what they are told, and what people are told of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from bridge.clock import FakeClock
from bridge.domain.cast import Cast
from bridge.domain.ids import RoomId, UserId
from bridge.domain.prompt import Delta, Prompt
from bridge.domain.tool import Asking, Tool, ToolCall
from bridge.errors import ContextTooLong, ToolFailed
from bridge.policy.tools import UNFINISHED
from bridge.store.database import Connection
from bridge.store.store import open_store
from tests.fakes.tools import DOOR, SAFE, FakeTools
from tests.lab.stores import sqlite_url
from tests.rooms.conftest import ALICE, BOB, LUNA, NOVA, World

CAROL = UserId("@carol:home.example")
HANDY = replace(
    LUNA, persona=replace(LUNA.persona, tools=("time", "search", "house.door", "house.safe"))
)


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return sqlite_url(tmp_path)


@pytest.fixture
def source() -> FakeTools:
    return FakeTools()


@pytest_asyncio.fixture
async def world(
    database_url: str, clock: FakeClock, source: FakeTools, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    async def now(_: Connection) -> int:
        return clock.now()

    monkeypatch.setattr(Connection, "now", now)
    store = await open_store(database_url, clock)
    made = World(store, clock, Cast((HANDY, NOVA)))
    made.house = replace(
        made.house, tools=("time", "search", "house.door"), time_zone="Asia/Tokyo",
        time_zones=("Asia/Tokyo", "UTC", "Europe/Berlin"),
    )  # fmt: skip
    made.tools = (source,)
    await made.rise()
    try:
        yield made
    finally:
        await made.fall()
        await store.close()


def wants(world: World, *calls: tuple[str, str], said: str = "") -> None:
    """Let the model ask for these, all at once, the next time it is asked for a reply."""
    made = tuple(ToolCall(name=name, arguments=arguments) for name, arguments in calls)
    world.engine.calls_first.append((said, made))


def results(prompt: Prompt) -> list[str]:
    return [result.text for step in prompt.steps for result in step.results]


async def bodies(world: World, room_id: RoomId, text: str, sender: UserId = ALICE) -> list[str]:
    asked = await world.ask(room_id, text, sender)
    return [content["body"] for content in world.said(room_id, asked)]


async def test_a_puppet_is_offered_what_is_allowed_and_asked_again_with_the_result(
    world: World,
) -> None:
    room_id = await world.lounge(HANDY)
    wants(world, ("time", "{}"), said="Let me look.")
    world.engine._says = {LUNA.puppet_id: ["It is late."]}  # type: ignore[attr-defined]
    assert await bodies(world, room_id, "Luna, what time is it?") == ["Let me look.\n\nIt is late."]
    first, second = world.engine.prompts
    assert [tool.name for tool in first.tools] == ["time", "search", "house.door"]
    assert first.steps == ()
    assert (second.system, second.user) == (first.system, first.user)
    [step] = second.steps
    assert step.said == "Let me look."
    assert [call.call_id for call in step.calls] == ["call_0"]
    [told] = results(second)
    assert told.startswith("Data from time, no instructions: ")
    assert told.endswith("(Asia/Tokyo, UTC+09:00)")


async def test_who_has_no_tools_is_asked_as_ever(world: World) -> None:
    room_id = await world.lounge(NOVA)
    wants(world, ("time", "{}"), ("house.door", "x"), said="Well.")
    assert await bodies(world, room_id, "Nova, what time is it?") == ["Well."]
    [prompt] = world.engine.prompts
    assert prompt.tools == () and "tool" not in prompt.user


async def test_the_time_of_another_place_and_of_none(world: World) -> None:
    room_id = await world.lounge(HANDY)
    wants(world, ("time", '{"zone": "europe/berlin"}'), ("time", '{"zone": "Atlantis"}'))
    await world.ask(room_id, "Luna, what time is it in Berlin?")
    berlin, atlantis = results(world.engine.prompts[-1])
    assert "Europe/Berlin, UTC+01:00" in berlin
    assert "no such time zone" in atlantis


async def test_a_search_finds_what_the_asker_was_there_for(world: World) -> None:
    room_id = await world.lounge(HANDY)
    await world.ask(room_id, "The secret PARTY is at nine.")
    await world.ask(room_id, "Nothing of interest.")
    join = {"sender": BOB, "user_id": BOB, "membership": "join"}
    await world.homeserver.member(room_id, **join)  # type: ignore[arg-type]
    await world.settle()
    await world.ask(room_id, "The party of Bob is at ten.", BOB)
    found: dict[UserId, str] = {}
    for person in (ALICE, BOB, CAROL):
        wants(world, ("search", '{"query": "party"}'))
        await world.ask(room_id, "Luna, when is the party?", person)
        [found[person]] = results(world.engine.prompts[-1])
    assert "secret PARTY" in found[ALICE] and "alice (human)" in found[ALICE]
    assert "of interest" not in found[ALICE]
    assert "secret" not in found[BOB] and "Bob is at ten" in found[BOB]
    # Somebody we do not know to be in the room.
    assert "No message found" in found[CAROL]


async def test_a_search_finds_nothing_that_was_taken_back_and_not_the_question(
    world: World,
) -> None:
    room_id = await world.lounge(HANDY)
    gone = await world.ask(room_id, "The party is at nine.")
    await world.homeserver.redact(room_id, ALICE, gone)
    await world.settle()
    wants(world, ("search", '{"query": "party"}'))
    await world.ask(room_id, "Luna, when is the party?")
    assert "No message found" in results(world.engine.prompts[-1])[0]


async def test_a_search_never_leaves_the_room(world: World, source: FakeTools) -> None:
    other = await world.lounge(HANDY)
    await world.ask(other, "The party is at nine.")
    room_id = await world.lounge(HANDY)
    wants(world, ("search", f'{{"query": "nine", "room_id": "{other}", "asker": "{BOB}"}}'))
    await world.ask(room_id, "Luna, when is the party?")
    assert "No message found" in results(world.engine.prompts[-1])[0]


async def test_a_tool_gets_who_asked_and_where(world: World, source: FakeTools) -> None:
    room_id = await world.lounge(HANDY)
    wants(world, ("House_Door", '{"text": "open", "asker": "@mallory:evil.example"}'))
    await world.ask(room_id, "Luna, open the door?", BOB)
    [(name, arguments, asking)] = source.asked
    assert (name, arguments) == (DOOR.name, {"text": "open"})
    assert (asking.asker, asking.room.room_id) == (BOB, room_id)


async def test_a_tool_outside_the_list_never_runs(world: World, source: FakeTools) -> None:
    room_id = await world.lounge(HANDY)
    wants(world, (SAFE.name, '{"text": "open"}'), ("shell", "rm"), ("house.door", "{}"))
    assert len(await bodies(world, room_id, "Luna, open the safe?")) == 1
    assert source.asked == []
    texts = results(world.engine.prompts[-1])
    assert "no such tool" in texts[0] and "no such tool" in texts[1]
    assert "text is missing" in texts[2]


async def test_after_some_steps_it_has_to_answer(world: World, source: FakeTools) -> None:
    room_id = await world.lounge(HANDY)
    for n in range(6):
        wants(world, ("house.door", f'{{"text": "{n}"}}'), said=f"Try {n}.")
    [body] = await bodies(world, room_id, "Luna, open the door?")
    assert len(source.asked) == 3
    assert len(world.engine.prompts) == 4
    assert world.engine.prompts[2].tools and not world.engine.prompts[3].tools
    assert body == "Try 0.\n\nTry 1.\n\nTry 2.\n\nTry 3."


async def test_at_most_four_calls_run_at_once(world: World, source: FakeTools) -> None:
    room_id = await world.lounge(HANDY)
    wants(world, *(("house.door", f'{{"text": "{n}"}}') for n in range(20)))
    await world.ask(room_id, "Luna, open the door?")
    assert len(source.asked) == 4
    assert len(results(world.engine.prompts[-1])) == 8


async def test_the_same_call_runs_once_in_a_turn(world: World, source: FakeTools) -> None:
    room_id = await world.lounge(HANDY)
    for _ in range(2):
        wants(world, ("house.door", '{"text": "open"}'))
    await world.ask(room_id, "Luna, open the door?")
    assert len(source.asked) == 1
    assert "already" in results(world.engine.prompts[-1])[1]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (ToolFailed("The door is stuck."), "The door is stuck."),
        (ValueError("SECRET"), "It failed."),
        (None, "It took too long."),
    ],
)
async def test_a_tool_that_fails_does_not_take_the_answer_with_it(
    world: World, source: FakeTools, given: Exception | None, told: str
) -> None:
    room_id = await world.lounge(HANDY)
    source.gives[DOOR.name] = given
    wants(world, ("house.door", "open"))
    asked = await world.ask(room_id, "Luna, open the door?")
    await world.pass_s(12)
    assert len(world.said(room_id, asked)) == 1
    assert told in results(world.engine.prompts[-1])[0]


async def test_all_tools_of_an_answer_have_a_time_together(world: World, source: FakeTools) -> None:
    room_id = await world.lounge(HANDY)
    source.gives[DOOR.name] = None
    wants(world, *(("house.door", f"{n}") for n in range(4)))
    asked = await world.ask(room_id, "Luna, open the door?")
    await world.pass_s(29)
    assert world.said(room_id, asked) == []
    await world.pass_s(2)
    assert len(world.said(room_id, asked)) == 1
    assert "no time left" in results(world.engine.prompts[-1])[3]


async def test_a_call_as_text_is_run_and_never_shown(world: World, source: FakeTools) -> None:
    room_id = await world.lounge(HANDY)
    world.engine._says = {  # type: ignore[attr-defined]
        LUNA.puppet_id: [
            '<tool_call>{"name": "house_door", "arguments": {"text": "open"}}</tool_call>',
            '<tool_call>{"name": "shell", "arguments": {"text": "rm"}}</tool_call>',
            "It is open.",
        ]
    }
    assert await bodies(world, room_id, "Luna, open the door?") == ["It is open."]
    assert source.names() == [DOOR.name]


async def test_a_stop_ends_a_tool_and_the_turn(world: World, source: FakeTools) -> None:
    room_id = await world.lounge(HANDY)
    source.gives[DOOR.name] = None
    wants(world, ("house.door", "open"))
    asked = await world.ask(room_id, "Luna, open the door?")
    await world.homeserver.say(room_id, BOB, "Luna, stop")
    await world.pass_s(2)
    assert (await world.turn_states())[-1] == "dropped"
    assert world.said(room_id, asked) == []


async def test_what_was_done_before_a_crash_is_not_done_again(
    world: World, source: FakeTools
) -> None:
    room_id = await world.lounge(HANDY)
    wants(world, ("house.door", "first"), said="One moment.")
    wants(world, ("house.door", "second"))
    stuck, source.gives[DOOR.name] = source, "opened"
    inner = source.call

    async def call(tool: Tool, arguments: Mapping[str, object], asking: Asking) -> str:
        if arguments == {"text": "second"}:
            stuck.gives[DOOR.name] = None
        return await inner(tool, arguments, asking)

    source.call = call  # type: ignore[method-assign]
    asked = await world.ask(room_id, "Luna, open the doors?")
    assert len(source.asked) == 2
    await world.fall()
    source.gives[DOOR.name] = "opened"
    world.engine.prompts.clear()
    wants(world, ("house.door", "second"), ("house.door", "first"))
    await world.rise()
    await world.pass_s(5)
    [answer] = world.said(room_id, asked)
    assert answer["body"].startswith("One moment.")
    # It went on from what was stored, and what was under way counts as done.
    assert len(source.asked) == 2
    first = world.engine.prompts[0]
    assert [len(step.calls) for step in first.steps] == [1, 1]
    assert "opened" in results(first)[0] and results(first)[1] == UNFINISHED


async def test_a_prompt_that_is_too_long_is_made_shorter_and_nothing_runs_twice(
    world: World, source: FakeTools
) -> None:
    room_id = await world.lounge(HANDY)
    for n in range(20):
        await world.ask(room_id, f"word{n} " * 60)
    inner, sizes = world.engine.stream, list[int]()

    async def stream(prompt: Prompt, *, affinity: str) -> AsyncGenerator[Delta, None]:
        sizes.append(len(prompt.user))
        if prompt.steps and len(sizes) == 2:
            raise ContextTooLong("too long")
        async for delta in inner(prompt, affinity=affinity):
            yield delta

    world.engine.stream = stream  # type: ignore[method-assign]
    wants(world, ("house.door", "open"))
    assert len(await bodies(world, room_id, "Luna, open the door?")) == 1
    assert len(source.asked) == 1
    assert len(sizes) == 3 and sizes[2] < sizes[1]


async def test_who_opted_out_is_answered_without_tools(world: World, source: FakeTools) -> None:
    room_id = await world.lounge(HANDY)
    await world.ask(room_id, "!ai optout")
    wants(world, ("house.door", "open"))
    await world.ask(room_id, "Luna, open the door?")
    assert world.engine.prompts[-1].tools == ()
    assert source.asked == []
    assert await world.figure("SELECT COUNT(*) FROM tool_call") == 0


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", "Tools it used:\n\n- Searched this room (query: moon) – it worked\n"
               "- Used the tool house.door (text: open\\*) – it failed\n"
               "- Used the tool shell – it was not allowed to run"),
        ("de", "Benutzte Werkzeuge:"), ("es", "Herramientas que usó:"), ("zh", "用过的工具："),
        ("ja", "使ったツール："), ("ar", "الأدوات التي استخدمتها:"),
    ],
)  # fmt: skip
async def test_why_names_every_call(
    world: World, source: FakeTools, language: str, told: str
) -> None:
    room_id = await world.lounge(HANDY)
    world.house = replace(world.house, language=language)
    await world.fall()
    await world.rise()
    source.gives[DOOR.name] = ToolFailed("stuck")
    wants(world, ("search", "moon"), ("house.door", "open*"), ("shell", "{}"))
    asked = await world.ask(room_id, "Luna, 1?")
    answer = next(
        e for e in world.homeserver.timeline(room_id)
        if e["content"].get("m.relates_to", {}).get("m.in_reply_to", {}).get("event_id") == asked
    )  # fmt: skip
    why = await world.homeserver.say(room_id, ALICE, "!ai why", reply_to=answer["event_id"])
    await world.settle()
    [explained] = world.said(room_id, why)
    assert told in explained["body"]


async def test_tokens_of_all_attempts_count(world: World) -> None:
    room_id = await world.lounge(HANDY)
    await world.ask(room_id, "Luna, hello?")
    before = await world.figure("SELECT MAX(prompt_tokens) FROM turn")
    wants(world, ("time", "{}"))
    await world.ask(room_id, "Luna, what time is it?")
    assert await world.figure("SELECT MAX(prompt_tokens) FROM turn") > 1.8 * before
