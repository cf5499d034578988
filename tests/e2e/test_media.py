"""Pictures on real Synapses, from the own server and another one, and what is none; voices."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

from PIL import Image

from tests.e2e.world import World
from tests.fakes.ollama_stream import FakeModel
from tests.fakes.openai import FakeOpenAI
from tests.lab.people import Person

EYES = "eyes:4b"
BRIDGE = {
    "engine": {"vision_model": EYES, "model": "gemma3:4b"},
    "access": {"invite": {"allow": ["*"]}, "ask": {"allow": ["*"]}},
}
SIGHT = "A red square on a white wall."


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (1600, 800), "red").save(out, "PNG")
    return out.getvalue()


def model(body: dict[str, Any]) -> str:
    return SIGHT if body["model"] == EYES else "I see."


async def show(person: Person, room_id: str, data: bytes) -> None:
    url = await person.upload(data, "image/png")
    await person.send(room_id, "square.png", msgtype="m.image", url=url)


async def ask(world: World, person: Person, room_id: str) -> list[dict[str, Any]]:
    """The chats that a question led to."""
    world.ollama.models[EYES] = FakeModel(name=EYES, capabilities=("completion", "vision"))
    world.ollama.reply = model
    before = len(world.ollama.chats())
    asked = await person.send(room_id, "Luna, what do you see?")
    await world.answer(person, room_id, asked, world.luna)
    return world.ollama.chats()[before:]


async def test_a_picture_is_seen_and_told(world: World, alice: Person) -> None:
    room_id = await world.room_of(alice, world.luna)
    await show(alice, room_id, png())
    look, reply = await ask(world, alice, room_id)
    assert look["model"] == EYES
    (sent,) = look["messages"][-1]["images"]
    assert Image.open(io.BytesIO(base64.b64decode(sent))).size == (1024, 512)
    assert f"[an image: square.png; it shows: {SIGHT}]" in reply["messages"][-1]["content"]
    (again,) = await ask(world, alice, room_id)
    assert SIGHT in again["messages"][-1]["content"]


async def test_a_picture_from_another_server_is_seen(world: World) -> None:
    dora = await world.town.person(world.away, "dora")
    room_id = await world.room_of(dora, world.luna)
    await show(dora, room_id, png())
    look, reply = await ask(world, dora, room_id)
    assert look["model"] == EYES
    assert SIGHT in reply["messages"][-1]["content"]


async def test_what_is_no_picture_is_only_named(world: World, alice: Person) -> None:
    room_id = await world.room_of(alice, world.luna)
    await show(alice, room_id, b"<svg onload='alert(1)'/>")
    (reply,) = await ask(world, alice, room_id)
    assert "[an image: square.png]" in reply["messages"][-1]["content"]


async def test_a_voice_message_is_heard_and_told(world: World, alice: Person) -> None:
    async with FakeOpenAI(reply="The tomatoes are ripe.") as ears:
        config = json.loads(world.bridge.config.read_text())
        config["engine"]["transcription"] = {"url": ears.url}
        world.bridge.config.write_text(json.dumps(config))
        await world.bridge.restart()
        room_id = await world.room_of(alice, world.luna)
        url = await alice.upload(b"OggS of a voice", "audio/ogg")
        voice = {"msgtype": "m.audio", "url": url, "org.matrix.msc3245.voice": {}}
        await alice.send(room_id, "voice.ogg", **voice)
        (reply,) = await ask(world, alice, room_id)
        assert ears.heard == [b"OggS of a voice"]
    told = "[a voice message: voice.ogg; it says: The tomatoes are ripe.]"
    assert told in reply["messages"][-1]["content"]
