"""Replies that people see being written, on a real Synapse."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.world import World, is_message
from tests.fakes.ollama_stream import Reply, Shape
from tests.lab.people import Event, Person, replies_to

BRIDGE = {"rooms": {"live": {"after_s": 0.3, "every_s": 0.4}}}
LIVE = "org.matrix.msc4357.live"
STORY = "\n".join(f"- **{n}.** The tide comes in, and the tide goes out again." for n in range(18))
SLOW = Reply(text=STORY, shape=Shape(gap_s=0.02))
"""About 1 kB, in about four seconds."""


def new_content(event: Event) -> dict[str, Any]:
    return event["content"].get("m.new_content", {})


def is_whole(event: Event, puppet: str) -> bool:
    return is_message(event, puppet) and new_content(event).get("body") == STORY


async def reply_events(person: Person, room_id: str, asked: str, puppet: str) -> list[Event]:
    """The message and its edits, as the homeserver has them."""
    own = [event for event in await person.messages(room_id) if is_message(event, puppet)]
    (root,) = (event for event in own if replies_to(event) == asked)
    relation = {"rel_type": "m.replace", "event_id": root["event_id"]}
    return [root, *(e for e in own if e["content"].get("m.relates_to") == relation)]


async def test_people_see_a_long_reply_grow_and_end(world: World, alice: Person) -> None:
    room_id = await world.room_of(alice, world.luna)
    world.ollama.once.append(SLOW)
    asked = await alice.send(room_id, "Luna, a story?")
    await alice.wait_for(room_id, lambda event: is_whole(event, world.luna))
    root, *edits = await reply_events(alice, room_id, asked, world.luna)
    assert root["content"][LIVE] == {}
    assert all(LIVE in new_content(edit) for edit in edits[:-1])
    assert LIVE not in json.dumps(edits[-1]["content"])
    assert "<li><strong>17.</strong>" in new_content(edits[-1])["formatted_body"]
    assert 2 <= len(edits) <= 6
    content = [json.dumps(event["content"], ensure_ascii=False) for event in (root, *edits)]
    assert sum(len(text.encode()) for text in content) <= 12_000
    # What the homeserver shows to a client that asks for the message alone.
    path = f"/_matrix/client/v3/rooms/{room_id}/event/{root['event_id']}"
    now = await alice.call("GET", path)
    assert new_content(now["unsigned"]["m.relations"]["m.replace"])["body"] == STORY


async def test_after_a_kill_the_same_message_is_finished(world: World, alice: Person) -> None:
    room_id = await world.room_of(alice, world.luna)
    world.ollama.once += [SLOW, Reply(text=STORY)]
    asked = await alice.send(room_id, "Luna, a story?")
    await world.answer(alice, room_id, asked, world.luna)
    await world.bridge.kill()
    await world.bridge.start()
    await alice.wait_for(room_id, lambda event: is_whole(event, world.luna))
    _, *edits = await reply_events(alice, room_id, asked, world.luna)
    assert LIVE not in json.dumps(edits[-1]["content"])


async def test_people_of_other_servers_get_one_event(world: World, alice: Person) -> None:
    dora = await world.town.person(world.away, "dora")
    room_id = await world.room_of(alice, world.luna, invite=[dora.user_id])
    await dora.join(room_id)
    world.ollama.once.append(SLOW)
    asked = await alice.send(room_id, "Luna, a story?")
    await world.answer(dora, room_id, asked, world.luna)
    (root,) = await reply_events(dora, room_id, asked, world.luna)
    assert root["content"]["body"] == STORY


async def test_a_stop_ends_the_message_where_it_is(world: World, alice: Person) -> None:
    room_id = await world.room_of(alice, world.luna)
    world.ollama.once.append(SLOW)
    asked = await alice.send(room_id, "Luna, a story?")
    await world.answer(alice, room_id, asked, world.luna)
    await alice.send(room_id, "Luna, stop")
    ended = await alice.wait_for(
        room_id, lambda e: bool(new_content(e)) and LIVE not in new_content(e)
    )
    assert new_content(ended)["body"].endswith("…")
    assert STORY.startswith(new_content(ended)["body"].removesuffix(" …"))
