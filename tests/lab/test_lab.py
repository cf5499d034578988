"""The lab itself: what the end-to-end tests stand on."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import pytest_asyncio

from tests.lab.labs import Pair, Town
from tests.lab.people import body_of, is_answer, replies_to
from tests.lab.ports import free_port
from tests.lab.synapse import Lab, Zygote, template_database


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pair(lab: Lab) -> Pair:
    home, away = lab.homeserver("home"), lab.homeserver("away")
    await lab.start(home, away)
    return Pair(home=home, away=away)


async def test_a_message_crosses_from_one_homeserver_to_the_other_and_back(
    pair: Pair, town: Town
) -> None:
    alice = await town.person(pair.home, "alice")
    bob = await town.person(pair.away, "bob")
    room_id = await alice.create_room(name="Across")
    await alice.invite(room_id, bob.user_id)
    await bob.wait_invite(room_id)
    await bob.join(room_id, via=pair.home.name)
    await alice.wait_membership(room_id, bob.user_id, "join")

    asked = await alice.send(room_id, "Do you hear me?")
    heard = await bob.wait_for(room_id, lambda event: event["event_id"] == asked)
    assert body_of(heard) == "Do you hear me?"

    await bob.send(room_id, "Loud and clear.", reply_to=asked)
    answer = await alice.wait_for(room_id, lambda event: is_answer(event, asked, bob.user_id))
    assert replies_to(answer) == asked


async def test_typing_and_redactions_are_seen(pair: Pair, town: Town) -> None:
    alice = await town.person(pair.home, "alice")
    room_id = await alice.create_room()
    event_id = await alice.send(room_id, "A secret.")
    since_s = time.monotonic()
    path = f"/_matrix/client/v3/rooms/{room_id}/typing/{alice.user_id}"
    await alice.call("PUT", path, {"typing": True, "timeout": 10_000})
    assert await alice.wait_typing(room_id, alice.user_id, since_s=since_s) >= since_s

    await alice.redact(room_id, event_id)
    await alice.wait_for(room_id, lambda event: event["type"] == "m.room.redaction")
    stored = [e for e in await alice.messages(room_id) if e["event_id"] == event_id]
    assert [body_of(event) for event in stored] == [""]


async def test_a_homeserver_that_was_killed_comes_back_with_its_data(
    pair: Pair, town: Town
) -> None:
    alice = await town.person(pair.home, "alice")
    room_id = await alice.create_room()
    event_id = await alice.send(room_id, "Remember this.")
    pair.home.kill()
    assert not pair.home.is_running()
    await pair.home.start()
    kept = await alice.wait_for(room_id, lambda event: event["event_id"] == event_id)
    assert body_of(kept) == "Remember this."


async def test_homeservers_end_when_their_zygote_does(tmp_path: Path) -> None:
    zygote = Zygote(tmp_path / "zygote.log")
    async with Lab(tmp_path / "lab", zygote) as lab:
        homeserver = lab.homeserver("home")
        await lab.start(homeserver)
        zygote.close()
        assert homeserver.wait(patience_s=10)


async def test_the_template_is_made_anew_for_another_version(
    zygote: Zygote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.lab.synapse.CACHE", tmp_path)
    template = await template_database(zygote)
    assert template.parent == tmp_path
    assert zygote.version in template.name
    assert os.listdir(tmp_path) == [template.name]


def test_ports_are_never_given_out_twice() -> None:
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == len(ports)
