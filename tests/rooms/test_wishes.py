"""Stop, 🛑, continue and optout do exactly what they say: there, to those, for that long."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.clock import FakeClock
from bridge.domain.ids import EventId, RoomId, UserId
from bridge.domain.persona import Puppet
from bridge.store.database import Connection
from bridge.store.store import open_store
from tests.lab.stores import sqlite_url
from tests.rooms.conftest import ALICE, BOB, LUNA, NOVA, World

EXAMPLES = int(os.environ.get("TEST_EXAMPLES", "20"))
HOUR_MS: Final = 3_600_000

Kind = Literal[
    "ask", "chat", "stop", "hand", "stop command", "stop all", "continue", "out", "in", "wait",
    "restart",
]  # fmt: skip


@dataclass(frozen=True)
class Step:
    kind: Kind
    who: UserId = ALICE
    puppet: Puppet = LUNA
    room: int = 0


def steps_of(*kinds: Kind) -> st.SearchStrategy[Step]:
    return st.builds(
        Step,
        kind=st.sampled_from(kinds),
        who=st.sampled_from([ALICE, BOB]),
        puppet=st.sampled_from([LUNA, NOVA]),
        room=st.integers(0, 1),
    )


STEPS = st.lists(
    st.one_of(
        steps_of("ask"),
        steps_of("ask", "chat"),
        steps_of("stop", "hand", "stop command", "stop all", "continue"),
        steps_of("out", "in", "wait", "restart"),
    ),
    max_size=16,
)


@dataclass
class Model:
    """What must hold, as the documentation says it. Alice has the power, Bob has not."""

    muted: dict[tuple[int, Puppet], int] = field(default_factory=dict[tuple[int, Puppet], int])
    out: set[UserId] = field(default_factory=set[UserId])
    hidden: set[str] = field(default_factory=set[str])
    """Words that no model may read any more."""
    shown: dict[UserId, set[str]] = field(default_factory=lambda: {ALICE: set(), BOB: set()})


class Chat:
    def __init__(self, world: World, rooms: list[RoomId]) -> None:
        self.world = world
        self.rooms = rooms
        self.model = Model()
        self.newest: dict[int, tuple[EventId, Puppet]] = {}
        self.count = 0

    async def play(self, steps: list[Step]) -> None:
        for step in steps:
            await self._step(step)
            await self.world.pass_s(1)

    async def _step(self, step: Step) -> None:
        match step.kind:
            case "ask":
                await self._ask(step)
            case "chat":
                await self._silent(step, self._word(step.who))
            case "out" | "in":
                await self._opt(step)
            case "wait":
                await self._restart(after_ms=HOUR_MS // 3)
            case "restart":
                await self._restart()
            case "continue":
                await self._tell(step, "!ai continue")
                if step.who == ALICE:
                    muted = self.model.muted
                    self.model.muted = {k: v for k, v in muted.items() if k[0] != step.room}
            case _:
                await self._stop(step)

    async def _stop(self, step: Step) -> None:
        until = self.world.clock.now() + HOUR_MS
        puppets = [step.puppet]
        match step.kind:
            case "stop":
                await self._silent(step, f"{step.puppet.persona.name}, stop")
            case "stop command":
                await self._tell(step, f"!ai stop {step.puppet.puppet_id}")
            case "stop all":
                await self._tell(step, "!ai stop")
                puppets = [LUNA, NOVA]
            case _:
                event_id, by = self.newest.get(step.room, (None, None))
                if event_id is None or by is None:
                    return
                room_id = self.rooms[step.room]
                await self.world.homeserver.react(room_id, step.who, event_id, "🛑")
                puppets = [by]
        self.model.muted |= {(step.room, puppet): until for puppet in puppets}

    async def _opt(self, step: Step) -> None:
        if step.kind == "in":
            await self._tell(step, "!ai optout off")
            self.model.out.discard(step.who)
        else:
            await self._tell(step, "!ai optout")
            self.model.out.add(step.who)
            self.model.hidden |= self.model.shown[step.who]

    async def _ask(self, step: Step) -> None:
        word = self._word(step.who)
        calls = self.world.engine.calls
        asked = await self.world.ask(
            self.rooms[step.room], f"{step.puppet.persona.name}, {word}?", step.who
        )
        await self.world.pass_s(3)
        is_muted = self.world.clock.now() - 3_000 < self.model.muted.get(
            (step.room, step.puppet), 0
        )
        answers = self.world.said(self.rooms[step.room], asked)
        assert len(answers) == (0 if is_muted else 1), step
        assert self.world.engine.calls - calls == len(answers)
        if answers:
            prompt = self.world.engine.prompts[-1]
            read = prompt.system + prompt.user
            assert word in read
            assert not [each for each in self.model.hidden - {word} if each in read], step
            timeline = self.world.homeserver.timeline(self.rooms[step.room])
            own = [e for e in timeline if e["sender"] == step.puppet.user_id]
            self.newest[step.room] = own[-1]["event_id"], step.puppet

    async def _restart(self, after_ms: int = 0) -> None:
        await self.world.fall()
        self.world.clock.shift(after_ms)
        await self.world.rise()

    async def _silent(self, step: Step, text: str) -> None:
        before = self.world.engine.calls
        asked = await self.world.ask(self.rooms[step.room], text, step.who)
        assert not self.world.said(self.rooms[step.room], asked)
        assert self.world.engine.calls == before

    async def _tell(self, step: Step, text: str) -> None:
        before = self.world.engine.calls
        await self.world.ask(self.rooms[step.room], text, step.who)
        assert self.world.engine.calls == before

    def _word(self, who: UserId) -> str:
        self.count += 1
        word = f"word{self.count:04}"
        (self.model.hidden if who in self.model.out else self.model.shown[who]).add(word)
        return word


async def play(url: str, steps: list[Step]) -> None:
    clock = FakeClock()
    store = await open_store(url, clock)
    world = World(store, clock)
    try:
        await world.rise()
        rooms = [await world.lounge(LUNA, NOVA), await world.lounge(LUNA, NOVA)]
        for room_id in rooms:
            await world.homeserver.member(room_id, sender=BOB, user_id=BOB, membership="join")
        await world.settle()
        await Chat(world, rooms).play(steps)
    finally:
        await world.fall()
        await store.close()


def run(steps: list[Step]) -> None:
    clock_now = FakeClock.now
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:

        async def now(connection: Connection) -> int:
            return clock_now(connection._clock)  # type: ignore[arg-type]  # noqa: SLF001

        patch.setattr(Connection, "now", now)
        asyncio.run(play(sqlite_url(Path(folder)), steps))


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_wishes_are_followed_to_the_letter(steps: list[Step]) -> None:
    run(steps)


def test_the_model_notices_a_stop_that_is_not_heeded() -> None:
    steps = [Step(kind="ask"), Step(kind="hand"), Step(kind="ask")]
    run(steps)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(AssertionError):
        patch.setattr("bridge.policy.decide.stopped_by_reaction", lambda *_: None)
        run(steps)


def test_the_model_notices_words_that_are_still_read() -> None:
    steps = [Step(kind="chat"), Step(kind="out"), Step(kind="ask", who=BOB)]
    run(steps)

    async def keep(*_: object, **__: object) -> None:
        return

    with pytest.MonkeyPatch.context() as patch, pytest.raises(AssertionError):
        patch.setattr("bridge.store.people.People.forget", keep)
        patch.setattr("bridge.store.people.People.opt", keep)
        run(steps)
