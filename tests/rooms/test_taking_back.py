"""After any order of words, edits, redactions and wishes to be forgotten, what was taken back is
in no table: while replies are made, while words come later than their redaction, across deaths."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.clock import FakeClock
from bridge.domain.events import Delivery, Edit, Message, Redaction, RoomEvent
from bridge.domain.ids import EventId, RoomId, UserId
from bridge.engine.scripted import ScriptedEngine
from bridge.store.database import Connection
from bridge.store.store import open_store
from tests.lab.postgres import Postgres
from tests.lab.stores import sqlite_url
from tests.rooms.conftest import ALICE, BOB, LUNA, World
from tests.store.making import everything

EXAMPLES = int(os.environ.get("TEST_EXAMPLES", "15"))

Kind = Literal["say", "edit", "redact", "forget", "wait", "restart", "slow", "up", "arrive"]


@dataclass(frozen=True)
class Step:
    """`of` picks the message that an edit or a redaction is about, from the newest backwards."""

    kind: Kind
    who: UserId = ALICE
    room: int = 0
    of: int = 0
    is_to_luna: bool = False
    is_late: bool = False
    """Said now, and arriving later than what is said next."""


WHO = st.sampled_from([ALICE, BOB])
SAY = st.builds(
    Step,
    kind=st.just("say"),
    who=WHO,
    room=st.integers(0, 1),
    is_to_luna=st.booleans(),
    is_late=st.booleans(),
)
ABOUT = st.builds(Step, kind=st.sampled_from(["edit", "redact"]), who=WHO, of=st.integers(0, 3))
FORGET = st.builds(Step, kind=st.just("forget"), who=WHO, room=st.integers(0, 1))
OTHER = st.builds(Step, kind=st.sampled_from(["wait", "restart", "slow", "up", "arrive"]))
STEPS = st.lists(st.one_of(SAY, SAY, ABOUT, ABOUT, FORGET, OTHER), max_size=14)


@dataclass
class Words:
    """Something written: its words occur nowhere else. `target` is the message that it edits."""

    event: Message | Edit
    word: str
    has_arrived: bool = False


@dataclass
class Chat:
    """Plays steps on a bridge, and knows what must be gone."""

    world: World
    rooms: list[RoomId]
    written: list[Words] = field(default_factory=list[Words])
    gone: set[str] = field(default_factory=set[str])
    redacted: set[str] = field(default_factory=set[str])
    count: int = 0

    async def play(self, steps: list[Step]) -> None:
        for step in steps:
            await self._step(step)
            await self._check(step)
        await self._arrive_late()
        await self._check("what was late has come")
        self.world.engine.state = "up"
        await self.world.pass_s(60)
        await self._check("the end")
        unhandled = await self.world.figure("SELECT COUNT(*) FROM inbox WHERE state <> 'done'")
        assert unhandled == 0

    async def _step(self, step: Step) -> None:
        match step.kind:
            case "say":
                await self._say(step)
            case "edit":
                await self._edit(step)
            case "redact":
                await self._redact(step)
            case "forget":
                await self._forget(step)
            case "wait":
                await self.world.pass_s(3)
            case "restart":
                await self.world.fall()
                await self.world.rise()
            case "slow" | "up":
                self.world.engine.state = step.kind
            case "arrive":
                await self._arrive_late()

    async def _say(self, step: Step) -> None:
        word = self._new("word")
        text = f"Luna, {word}" if step.is_to_luna else word
        said = Words(Message(**self._envelope(step.who, self.rooms[step.room]), text=text), word)
        self.written.append(said)
        if not step.is_late:
            await self._arrive(said)

    async def _edit(self, step: Step) -> None:
        target = self._about(step)
        if target is None or not target.has_arrived:
            return
        word = self._new("edit")
        envelope = self._envelope(step.who, target.event.room_id)
        edit = Words(Edit(**envelope, target=target.event.event_id, text=word), word)
        self.written.append(edit)
        if step.who == target.event.sender:
            self.gone |= {one.word for one in self._versions(target) if one is not edit}
        await self._arrive(edit)

    async def _redact(self, step: Step) -> None:
        about = self.written[-1 - step.of] if step.of < len(self.written) else None
        if about is None:
            return
        self.redacted.add(about.event.event_id)
        self.gone.add(about.word)
        if isinstance(about.event, Message):
            self.gone |= {one.word for one in self._versions(about)}
        envelope = self._envelope(step.who, about.event.room_id)
        await self._deliver(Redaction(**envelope, target=about.event.event_id))

    async def _forget(self, step: Step) -> None:
        mine = {one.event.event_id for one in self.written
                if one.has_arrived and one.event.sender == step.who}  # fmt: skip
        room_id = self.rooms[step.room]
        await self._deliver(Message(**self._envelope(step.who, room_id), text="!ai forget"))
        await self.world.pass_s(2)
        self.gone |= {one.word for one in self.written if one.event.event_id in mine}
        for room in self.rooms:
            for event in self.world.homeserver.timeline(room):
                content: dict[str, Any] = event["content"]
                relation = content.get("m.relates_to", {}).get("m.in_reply_to", {})
                if event["sender"] == LUNA.user_id and relation.get("event_id") in mine:
                    self.gone.add(content["body"])

    async def _arrive(self, words: Words) -> None:
        words.has_arrived = True
        if isinstance(words.event, Edit) and words.event.target in self.redacted:
            self.gone.add(words.word)
        await self._deliver(words.event)

    async def _arrive_late(self) -> None:
        for one in self.written:
            if not one.has_arrived:
                await self._arrive(one)

    async def _deliver(self, event: RoomEvent) -> None:
        await self.world.store.mailbox.deliver(Delivery(events=(event,)))

    async def _check(self, after: object) -> None:
        dump = await everything(self.world.store.database)
        assert not [word for word in self.gone if word in dump], after
        await self.world.settle()
        dump = await everything(self.world.store.database)
        assert not [word for word in self.gone if word in dump], after

    def _about(self, step: Step) -> Words | None:
        messages = [one for one in self.written if isinstance(one.event, Message)]
        return messages[-1 - step.of] if step.of < len(messages) else None

    def _versions(self, message: Words) -> list[Words]:
        """The message and its author's edits of it."""
        return [message] + [
            one
            for one in self.written
            if isinstance(one.event, Edit)
            and one.event.target == message.event.event_id
            and one.event.sender == message.event.sender
        ]

    def _envelope(self, sender: UserId, room_id: RoomId) -> dict[str, Any]:
        now = self.world.clock.now()
        return {
            "event_id": EventId(self._new("$event")),
            "room_id": room_id,
            "sender": sender,
            "sent_at": now,
            "received_at": now,
        }

    def _new(self, what: str) -> str:
        self.count += 1
        return f"{what}{self.count:04}"


async def play(url: str, steps: list[Step], *, is_slow: bool = False) -> None:
    clock = FakeClock()
    store = await open_store(url, clock)
    world = World(store, clock)
    lines = [f"answer{n:04}" for n in range(60)]
    world.engine = ScriptedEngine({LUNA.puppet_id: lines}, clock)
    try:
        await world.rise()
        rooms = [await world.lounge(), await world.lounge()]
        for room_id in rooms:
            await world.homeserver.member(room_id, sender=BOB, user_id=BOB, membership="join")
        await world.settle()
        world.engine.state = "slow" if is_slow else "up"
        await Chat(world, rooms).play(steps)
    finally:
        await world.fall()
        await store.close()


@contextmanager
def fresh_database(kind: str, request: pytest.FixtureRequest) -> Iterator[str]:
    if kind == "sqlite":
        with TemporaryDirectory() as folder:
            yield sqlite_url(Path(folder))
        return
    server: Postgres = request.getfixturevalue("postgres")
    with server.database() as url:
        yield url


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_what_was_taken_back_is_in_no_table(kind: str, request: pytest.FixtureRequest) -> None:
    clock_now = FakeClock.now

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(STEPS, st.booleans())
    def property_holds(steps: list[Step], is_slow: bool) -> None:
        with fresh_database(kind, request) as url, pytest.MonkeyPatch.context() as patch:

            async def now(connection: Connection) -> int:
                return clock_now(connection._clock)  # type: ignore[arg-type]  # noqa: SLF001

            patch.setattr(Connection, "now", now)
            asyncio.run(play(url, steps, is_slow=is_slow))

    property_holds()


def test_the_oracle_notices_words_that_stay(tmp_path: Path) -> None:
    async def keep(*_: object) -> int:
        return 0

    said = Step(kind="say")
    steps = [said, Step(kind="redact")]
    asyncio.run(play(sqlite_url(tmp_path), steps))
    (tmp_path / "bridge.db").unlink()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(AssertionError):
        patch.setattr("bridge.store.mailbox.at_the_door", keep)
        asyncio.run(play(sqlite_url(tmp_path), [replace(said, is_to_luna=True), *steps]))
