"""What an operator does besides `run`, on a real Synapse. The tests build on each other's state:
the bridge runs, is stopped, and at the end its puppets are retired."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from bridge.clock import SystemClock
from bridge.doctor.finding import Finding
from bridge.doctor.main import examine
from bridge.registration import to_yaml
from tests.e2e.world import World
from tests.lab.people import Person


async def findings(world: World) -> dict[str, Finding]:
    found = await examine(world.bridge.config, SystemClock(), {})
    return {finding.name: finding for finding in found}


async def wrong(world: World) -> dict[str, str]:
    return {
        name: finding.sentence
        for name, finding in (await findings(world)).items()
        if finding.level in ("warn", "fail")
    }


async def call(world: World, *words: str) -> tuple[int, str]:
    def run() -> subprocess.CompletedProcess[str]:
        program = Path(sys.executable).with_name("matrix-ai-bridge")
        return subprocess.run(
            [program, *words, "--config", world.bridge.config],
            capture_output=True, text=True, timeout=40,
        )  # fmt: skip

    done = await asyncio.to_thread(run)
    return done.returncode, done.stdout + done.stderr


async def test_a_running_bridge_is_healthy_in_every_respect(world: World) -> None:
    found = await findings(world)
    assert {name: finding.level for name, finding in found.items()} == dict.fromkeys(found, "ok")


async def test_the_check_leaves_no_room_behind(world: World, alice: Person) -> None:
    room_id = await world.room_of(alice, world.luna)
    await findings(world)
    asked = await alice.send(room_id, "Luna, still there?")
    await world.answer(alice, room_id, asked, world.luna)
    assert "error" not in world.bridge.log_tail().lower()


async def test_nobody_is_retired_while_the_bridge_runs(world: World) -> None:
    status, said = await call(world, "retire", "luna", "--yes")
    assert status == 1
    assert "Stop it first" in said


async def test_a_stopped_bridge_is_stood_in_for(world: World) -> None:
    await world.bridge.stop()
    assert await wrong(world) == {}


async def test_tokens_that_synapse_does_not_know_are_told_apart(world: World) -> None:
    path = world.bridge.settings.appservice.registration
    before = path.read_text()
    try:
        path.write_text(to_yaml(replace(world.bridge.registration, hs_token="another")))
        assert "wrong hs_token" in (await wrong(world))["ping"]
        path.write_text(to_yaml(replace(world.bridge.registration, as_token="another")))
        assert "does not know our as_token" in (await wrong(world))["tokens"]
    finally:
        path.write_text(before)


async def test_an_address_that_synapse_cannot_reach_is_told(world: World) -> None:
    text = world.bridge.config.read_text()
    port = str(world.bridge.settings.appservice.listen_port)
    try:
        world.bridge.config.write_text(text.replace(f'"listen_port": {port}', '"listen_port": 0'))
        assert "cannot reach us" in (await wrong(world))["ping"]
    finally:
        world.bridge.config.write_text(text)


async def test_a_retired_puppet_leaves_its_rooms_and_all_the_others_follow(
    world: World, alice: Person
) -> None:
    await world.bridge.start()
    room_id = await world.room_of(alice, world.luna, world.milo)
    await world.bridge.stop()
    status, said = await call(world, "retire", "luna", "--yes")
    assert status == 0, said
    event = await alice.wait_membership(room_id, world.luna, "leave")
    assert event["content"]["reason"] == "This AI member has been retired by its operator."
    status, said = await call(world, "retire", "--all", "--yes")
    assert status == 0, said
    await alice.wait_membership(room_id, world.milo, "leave")
    assert await call(world, "retire", "--all") == (
        0,
        "Nothing to do: no such account is active.\n",
    )
