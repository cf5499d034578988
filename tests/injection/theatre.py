"""A room in which an engine says whatever an attacker wants it to say, over the real pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from bridge.clock import FakeClock
from bridge.domain.cast import Cast
from bridge.domain.ids import PuppetId, RoomId, UserId
from bridge.domain.persona import Persona, Puppet
from bridge.engine.scripted import ScriptedEngine
from bridge.personas import load_personas, shipped_folder
from bridge.policy.context import FOR_MINORS, RULES, WITH_CARE
from bridge.store.store import open_store
from tests.lab.stores import sqlite_url
from tests.rooms.conftest import ALICE, BOB, World, puppet

CAROL: Final = UserId("@carol:home.example")
MALLORY: Final = UserId("@mallory:evil.example")
_PERSONAS: Final = {p.name: p for p in load_personas(shipped_folder())}
_YUEYING: Final = Persona(
    persona_id=PuppetId("yue"),
    version="1",
    name="月影",
    description="月光下的人",
    character="她是一位热爱星空的夜猫子，喜欢望远镜和潮汐，也喜欢古老的星星名字。",
)
_HERE: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What somebody says, what the engine then answers, and what of it must (not) arrive."""

    what: str
    rule: str
    says: str
    reply: str
    name: str = "Mallory"
    repeat: str = ""
    lacks: tuple[str, ...] = ()
    kept: str = ""

    @property
    def title(self) -> str:
        return f"{self.rule}: {self.what}"

    def written(self) -> str:
        """The answer, cards and rules put in, lengthened by what is repeated."""
        character = {name: p.character for name, p in _PERSONAS.items()}
        text = self.reply.replace("$RULES", RULES).replace("$CARD", character["Luna"])
        text = text.replace("$OTHER", character["Nova"])
        if not self.repeat:
            return text
        # A long answer is sent in parts: the last sentences stand around where it is cut.
        before = "".join(self.repeat.format(n=n) for n in range(90))
        return before + "".join(text.format(n=n) for n in range(60))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What came of an attempt: contents of events, and the prompt that was made."""

    contents: tuple[dict[str, Any], ...]
    prompt: str


def attempts() -> list[Attempt]:
    return [
        Attempt(**{**entry, "lacks": tuple(entry.get("lacks", ()))})
        for entry in YAML(typ="safe").load(_HERE / "attempts.yaml")
    ]


def harmless() -> list[str]:
    return YAML(typ="safe").load(_HERE / "harmless.yaml")


def secrets() -> tuple[str, ...]:
    cards = [text for p in (*_PERSONAS.values(), _YUEYING) for text in (p.character, *p.voice)]
    return (RULES, FOR_MINORS, WITH_CARE, *cards)


def _cast() -> Cast:
    """Luna and Nova as they are shipped, and one whose card is Chinese."""
    luna, nova = (
        replace(puppet(name), persona=_PERSONAS[name.capitalize()]) for name in ("luna", "nova")
    )
    yue: Puppet = replace(puppet("yue"), display_name="月影 (AI)", persona=_YUEYING)
    return Cast((luna, nova, yue))


async def play(folder: Path, tried: Sequence[Attempt], *, is_slow: bool = False) -> list[Sent]:
    """Every attempt in a room of its own, one after the other.

    What is slow is written a word at a time, and shown meanwhile.
    """
    clock = FakeClock()
    store = await open_store(sqlite_url(folder), clock)
    world = World(store, clock, _cast())
    access = replace(world.house.access, max_invites_per_day=10_000)
    limits = replace(world.house.limits, live_after_ms=250, live_every_ms=250)
    world.house = replace(world.house, access=access, limits=limits)
    says = {PuppetId("luna"): [attempt.written() for attempt in tried]}
    world.engine = ScriptedEngine(says, clock)
    world.engine.pace_s = 0.04 if is_slow else 0
    mallory = UserId("@mallory:home.example") if is_slow else MALLORY
    await world.rise()
    try:
        return [await _try(world, attempt, mallory) for attempt in tried]
    finally:
        await world.fall()
        await store.close()


async def _try(world: World, attempt: Attempt, mallory: UserId) -> Sent:
    room_id = await _room(world, mallory, attempt.name)
    luna = world.house.cast.puppets[0]
    await world.homeserver.say(room_id, ALICE, "Hello everybody! What a moon.")
    await world.homeserver.say(room_id, BOB, "It pulls at the sea.")
    await world.settle()
    before = len(world.said(room_id))
    asked = world.engine.calls
    await world.homeserver.say(room_id, mallory, attempt.says, mentions=[luna.user_id])
    await world.settle()
    while "thinking" in await world.turn_states():
        await world.pass_s(1)
    assert world.engine.calls == asked + 1, attempt.title
    prompt = world.engine.prompts[-1]
    return Sent(contents=tuple(world.said(room_id)[before:]), prompt=prompt.user)


async def _room(world: World, mallory: UserId, name: str) -> RoomId:
    room_id = await world.homeserver.create_room(ALICE, name="Lounge", is_public=True)
    for user_id, shown in ((ALICE, "Alice"), (BOB, "Bob B."), (CAROL, "Carol"), (mallory, name)):
        await world.homeserver.member(
            room_id, sender=user_id, user_id=user_id, membership="join", display_name=shown
        )
    for one in world.house.cast.puppets:
        await world.homeserver.invite(room_id, sender=ALICE, user_id=one.user_id)
    await world.pass_s(1)
    return room_id
