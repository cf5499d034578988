"""On a homeserver that does not recognise a repeated send, a room shows an answer once as well."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.domain.ids import EventId, RoomId
from bridge.matrix.ingest import Ingest
from tests.rooms.conftest import LUNA, World


def visible(world: World, room_id: RoomId) -> list[dict[str, Any]]:
    """Luna's messages that were not redacted."""
    return [content for content in world.said(room_id) if content]


async def sent_twice(world: World, room_id: RoomId) -> EventId:
    """A question whose answer was sent, and again because neither its id nor its echo came."""
    world.engine.state = "slow"
    asked = await world.ask(room_id, "Luna, hello?")
    deliver = world.store.mailbox.deliver
    world.homeserver.detach()
    world.homeserver.fail_next_send("after")
    await world.pass_s(15)
    world.engine.state = "up"
    ingest = Ingest(
        hs_token="t", deliver=deliver, clock=world.clock, is_ours=world.house.cast.is_ours
    )
    await world.homeserver.attach(ingest.accept)
    await world.pass_s(5)
    return asked


@pytest.fixture
def forgetful(world: World) -> World:
    world.homeserver.remembers = "none"
    return world


async def test_a_second_copy_of_an_answer_is_redacted_by_its_puppet(forgetful: World) -> None:
    world = forgetful
    room_id = await world.lounge()
    before = len(visible(world, room_id))
    await sent_twice(world, room_id)
    said = world.said(room_id)
    assert len(said) == before + 2, "else this test has not shown anything"
    assert len(visible(world, room_id)) == before + 1
    redactions = [e for e in world.homeserver.timeline(room_id) if e["type"] == "m.room.redaction"]
    assert [e["sender"] for e in redactions] == [LUNA.user_id]
    assert said[before], "the first copy is the one that stays"


async def test_the_first_copy_is_what_later_prompts_and_redactions_mean(forgetful: World) -> None:
    world = forgetful
    room_id = await world.lounge()
    asked = await sent_twice(world, room_id)
    assert await world.figure("SELECT COUNT(*) FROM message WHERE is_ours = 1 AND text <> ''") == 2
    await world.ask(room_id, "Luna, and now?")
    await world.pass_s(2)
    [answer] = world.said(room_id, asked)
    assert world.engine.prompts[-1].user.count(str(answer["body"])) == 1


async def test_a_room_whose_events_come_twice_gets_no_redaction(world: World) -> None:
    room_id = await world.lounge()
    await world.ask(room_id, "Luna, hello?")
    await world.pass_s(5)
    await world.homeserver.redeliver(room_id)
    await world.pass_s(5)
    kinds = {event["type"] for event in world.homeserver.timeline(room_id)}
    assert "m.room.redaction" not in kinds
