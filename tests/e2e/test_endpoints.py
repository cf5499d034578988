"""Model servers fail, come and go while people are answered, on a real Synapse."""

from __future__ import annotations

import json

from tests.e2e.world import World
from tests.fakes.ollama import FakeOllama
from tests.lab.people import Person
from tests.lab.ports import free_port


def change_engine(world: World, **changes: object) -> None:
    config = json.loads(world.bridge.config.read_text())
    config["engine"] |= changes
    world.bridge.config.write_text(json.dumps(config))
    world.bridge.reload()


async def ask(world: World, alice: Person, room_id: str, text: str) -> str:
    asked = await alice.send(room_id, text)
    answer = await world.answer(alice, room_id, asked, world.luna)
    return answer["content"]["body"]


async def test_a_server_takes_over_from_one_that_is_gone_and_goes_again(
    world: World, alice: Person
) -> None:
    rooms = [await world.room_of(alice, world.luna) for _ in range(3)]
    for room_id in rooms:
        assert "luna" in (await ask(world, alice, room_id, "Luna, hello?")).lower()
    async with FakeOllama(reply="the second here") as second:
        nobody = f"http://127.0.0.1:{free_port()}"
        change_engine(world, url=nobody, endpoints=[{"url": second.url}])
        await world.bridge.logged("reloaded")
        for room_id in rooms:
            assert await ask(world, alice, room_id, "Luna, and now?") == "the second here"
        change_engine(world, url=world.ollama.url, endpoints=[])
        await world.bridge.logged("reloaded", times=2)
        for room_id in rooms:
            assert "luna" in (await ask(world, alice, room_id, "Luna, still?")).lower()


async def test_a_configuration_that_is_wrong_changes_nothing(world: World, alice: Person) -> None:
    before = world.bridge.config.read_text()
    world.bridge.config.write_text("engine: [")
    world.bridge.reload()
    await world.bridge.logged("reload_refused")
    world.bridge.config.write_text(before)
    room_id = await world.room_of(alice, world.luna)
    assert "luna" in (await ask(world, alice, room_id, "Luna, hello?")).lower()
