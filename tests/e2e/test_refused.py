"""What can never succeed ends once, is seen, and is not tried again."""

from __future__ import annotations

import re

import aiohttp

from bridge.clock import SystemClock
from bridge.doctor.main import examine
from tests.e2e.world import STUCK, World
from tests.lab.people import Person


async def refusals(world: World) -> float:
    """What the bridge's metrics count."""
    async with aiohttp.ClientSession() as session, session.get(world.bridge.url("metrics")) as got:
        found = re.search(
            r'bridge_effects_refused_total{errcode="M_FORBIDDEN"} ([\d.]+)', await got.text()
        )
    return float(found[1]) if found else 0


def tries(world: World, room_id: str) -> int:
    """How often Synapse refused a message of the puppet's in this room."""
    log = (world.home.folder / "synapse.log").read_text()
    room = re.escape(room_id.partition(":")[0].removeprefix("!"))
    return len(
        re.findall(rf'403 "PUT /_matrix/client/v3/rooms/%21{room}[^"]*send/m.room.mess', log)
    )


async def test_an_answer_that_power_levels_forbid_is_tried_once_and_seen(
    world: World, alice: Person
) -> None:
    room_id = await world.room_of(alice, world.luna)
    before = await refusals(world)
    power = await alice.state(room_id, "m.room.power_levels")
    await alice.set_state(room_id, "m.room.power_levels", {**power, "events_default": 50})
    forbidden = [await alice.send(room_id, f"Luna, question {n}?") for n in (1, 2)]
    other = await world.room_of(alice, world.luna)
    await world.catch_up(alice, other, world.luna)
    await alice.set_state(room_id, "m.room.power_levels", power)
    await world.catch_up(alice, room_id, world.luna)
    for asked in forbidden:
        assert await world.answers(alice, room_id, asked) == []
    assert tries(world, room_id) == 2
    assert await refusals(world) == before + 2
    found = {f.name: f for f in await examine(world.bridge.config, SystemClock(), {})}
    assert found["refused"].level == "warn"
    assert "M_FORBIDDEN" in found["refused"].sentence


async def test_a_puppet_banned_while_it_thinks_says_no_more_and_serves_other_rooms(
    world: World, alice: Person
) -> None:
    room_id, other = [await world.room_of(alice, world.luna) for _ in range(2)]
    world.ollama.once.append(STUCK)
    asked = await alice.send(room_id, "Luna, tell me everything.")
    thinking = await world.thinking()
    await alice.ban(room_id, world.luna)
    await thinking.hung_up.wait()
    await world.catch_up(alice, other, world.luna)
    assert await world.answers(alice, room_id, asked) == []
    assert (await alice.members(room_id))[world.luna] == "ban"
