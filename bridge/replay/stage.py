"""Plays a conversation: the real pipeline on a simulated homeserver, clock and model."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from pydantic import TypeAdapter

from bridge.app import assemble
from bridge.clock import FakeClock
from bridge.domain.ids import EventId, RoomId, UserId
from bridge.domain.persona import PuppetRecord
from bridge.domain.room_settings import RoomSettings
from bridge.domain.vendor import AI_KEY, TXN_KEY
from bridge.engine.scripted import ScriptedEngine
from bridge.engine.scripted_keeper import ScriptedKeeper
from bridge.errors import ScenarioError
from bridge.matrix.ingest import Ingest
from bridge.matrix.simulated import SimulatedHomeserver
from bridge.policy.tokens import estimate_tokens
from bridge.replay.people import SERVER, house_of, user_of
from bridge.replay.scenario import MessagePart, Scenario
from bridge.rooms.dispatcher import Dispatcher
from bridge.store.rooms import write_room
from bridge.store.store import Store, open_store

_START_MS: Final = 1_764_000_000_000
_SETTLE_S: Final = 120
_LEAP_S: Final = 30
_DURING_S: Final = 2.0
_SETTINGS: Final = TypeAdapter(RoomSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Something a puppet did. `to` is the number of the message it belongs to, 0 for none."""

    puppet: str
    kind: str
    text: str
    to: int
    at_s: float
    reason: str = ""


@dataclass(slots=True, kw_only=True)
class Played:
    """What came of a conversation. `prompts`: by message number; `reasons`: why, or why not."""

    replies: list[Reply] = field(default_factory=list[Reply])
    reasons: dict[int, str] = field(default_factory=dict[int, str])
    prompts: dict[int, list[str]] = field(default_factory=dict[int, list[str]])
    asked_model: int = 0
    tokens: int = 0
    """About what the model had to read, were nothing kept between two calls."""
    ai_messages: int = 0


async def play(scenario: Scenario) -> Played:
    """Play the whole conversation. Takes no real time but that of the database."""
    with TemporaryDirectory(prefix="replay-") as folder:
        stage = Stage(scenario, Path(folder) / "replay.db")
        try:
            await stage.set_up()
            await stage.play()
            return await stage.outcome()
        finally:
            await stage.tear_down()


class Stage:
    """One conversation being played."""

    def __init__(self, scenario: Scenario, database: Path) -> None:
        self._scenario = scenario
        self._database = database
        self._start_ms = round(scenario.start.timestamp() * 1000) if scenario.start else _START_MS
        self._clock = FakeClock(self._start_ms - 3_600_000)
        self._house = house_of(scenario)
        self._keeper = ScriptedKeeper(
            clock=self._clock, models=[part.scripted() for part in scenario.models]
        )
        self._engine = ScriptedEngine(
            says=scenario.says, clock=self._clock, gate=scenario.gate, keeper=self._keeper
        )
        self._homeserver = SimulatedHomeserver(
            clock=self._clock, cast=self._house.cast, server=SERVER
        )
        self._room_id = RoomId("")
        self._events: dict[int, EventId] = {}
        self._store: Store | None = None
        self._dispatcher: Dispatcher | None = None
        self._running: asyncio.Task[None] | None = None
        self._after_set_up = 0

    async def set_up(self) -> None:
        """Everybody joins, disclosures are made, and an hour passes."""
        scenario, homeserver = self._scenario, self._homeserver
        await self._rise()
        host = self._user(scenario.people[0].name)
        self._room_id = await homeserver.create_room(
            host,
            name="" if scenario.room.kind == "dm" else "Lounge",
            is_public=scenario.room.public,
        )
        newcomers = {
            m.of for m in scenario.messages if m.event == "join" and m.of != scenario.people[0].name
        }
        for person in scenario.people:
            user = self._user(person.name)
            if person.name not in newcomers and user != host:
                await homeserver.member(
                    self._room_id, sender=user, user_id=user, membership="join",
                    display_name=person.display or person.name,
                )  # fmt: skip
        powers = {self._user(p.name): p.power for p in scenario.people if p.power}
        await homeserver.state(
            self._room_id, host, "m.room.power_levels", {"users": {**powers, host: 100}}
        )
        for name in scenario.bots:
            user = self._user(name)
            await homeserver.member(
                self._room_id, sender=user, user_id=user, membership="join", display_name=name
            )
        for puppet in self._house.cast.personas():
            await homeserver.invite(
                self._room_id, sender=host, user_id=puppet.user_id,
                is_direct=scenario.room.kind == "dm",
            )  # fmt: skip
            await self._until(self._clock.now() + 5_000)
        await self._until(self._clock.now() + 10_000)
        await self._furnish()
        await self._leap(self._start_ms)
        self._after_set_up = len(homeserver.timeline(self._room_id))
        self._engine.prompts.clear()
        self._engine.questions.clear()

    async def _furnish(self) -> None:
        """Set what the conversation says is set in its room."""
        assert self._store is not None
        part = self._scenario.room
        settings = _SETTINGS.validate_python({"level": part.level, **part.settings})
        room = await self._store.rooms.get(self._room_id)
        async with self._store.database.transaction() as connection:
            await write_room(connection, replace(room, settings=settings))

    async def play(self) -> None:
        """Let every message arrive at its time, then let the clock run on."""
        ordered = sorted(
            enumerate(self._scenario.messages, start=1), key=lambda pair: pair[1].arrives_at
        )
        for number, message in ordered:
            await self._pass_time(self._at(message.arrives_at))
            if message.restart is True:
                await self._fall()
                await self._rise()
            await self._arrive(number, message)
        last = self._at(ordered[-1][1].arrives_at)
        if self._scenario.until is not None:
            await self._pass_time(last + round(self._scenario.until * 1000))
        else:
            await self._until(last + _SETTLE_S * 1000, stop_when_idle=True)

    async def _arrive(self, number: int, message: MessagePart) -> None:
        if state := self._scenario.engine.get(number):
            self._engine.state = state
        before = self._engine.state
        if message.restart == "during":
            self._engine.state = "slow"
        self._events[number] = await self._post(message)
        await self._settle()
        if message.restart == "during":
            await self._until(self._clock.now() + round(_DURING_S * 1000))
            await self._fall()
            self._engine.state = before
            await self._rise()

    async def _post(self, message: MessagePart) -> EventId:
        homeserver, room = self._homeserver, self._room_id
        sender = self._user(message.sender)
        sent_at = self._at(message.at)
        if message.event == "power":
            powers = {"users": {self._user(message.of): message.power}}
            return await homeserver.state(room, sender, "m.room.power_levels", powers)
        if message.event:
            return await self._change_membership(message, sender)
        if message.redacts is not None:
            return await homeserver.redact(
                room, sender, self._events[message.redacts], sent_at=sent_at
            )
        if message.react:
            assert message.to is not None
            return await homeserver.react(
                room, sender, self._target(message.to), message.react, sent_at=sent_at
            )
        people = [self._user(name) for name in message.mentions if name != "@room"]
        return await homeserver.say(
            room,
            sender,
            message.text,
            mentions=people,
            mentions_room="@room" in message.mentions,
            reply_to=self._target(message.reply_to) if message.reply_to is not None else None,
            thread_root=self._events[message.thread] if message.thread else None,
            edit_of=self._events[message.edit_of] if message.edit_of else None,
            is_notice=message.notice,
            image=message.image,
            sent_at=sent_at,
        )

    async def _change_membership(self, message: MessagePart, sender: UserId) -> EventId:
        user_id = self._user(message.of)
        membership = {"join": "join", "ban": "ban"}.get(message.event or "", "leave")
        person = next((p for p in self._scenario.people if p.name == message.of), None)
        return await self._homeserver.member(
            self._room_id,
            sender=sender,
            user_id=user_id,
            membership=membership,
            display_name=(person.display if person else "") or message.of,
        )

    def _target(self, which: int | str) -> EventId:
        """The event of a message's number, or of a puppet's newest message."""
        if isinstance(which, int):
            return self._events[which]
        user_id = self._user(which)
        for event in reversed(self._homeserver.timeline(self._room_id)):
            if event["sender"] == user_id and event["type"] == "m.room.message":
                return event["event_id"]
        raise ScenarioError(f"{which} has said nothing that could be meant")

    def _at(self, seconds: float) -> int:
        return self._start_ms + round(seconds * 1000)

    def _user(self, name: str) -> UserId:
        return user_of(self._scenario, name)

    # The bridge: it rises, runs while the clock moves, and may fall at any moment.

    async def _rise(self) -> None:
        store = await open_store(f"sqlite:{self._database}", self._clock)
        for puppet in self._house.cast.puppets:
            await store.puppets.put(
                PuppetRecord(
                    puppet_id=puppet.puppet_id,
                    user_id=puppet.user_id,
                    device_id=puppet.device_id,
                    display_name=puppet.display_name,
                    state="registered",
                )
            )
        self._dispatcher = assemble(
            store=store,
            homeserver=self._homeserver,
            engine=self._engine,
            house=self._house,
            clock=self._clock,
            keeper=self._keeper,
        )
        store.mailbox.on_delivery = self._dispatcher.wake
        ingest = Ingest(
            hs_token="replay",
            deliver=store.mailbox.deliver,
            clock=self._clock,
            is_ours=self._house.cast.is_ours,
        )
        self._store = store
        await self._homeserver.attach(ingest.accept)
        self._running = asyncio.create_task(self._dispatcher.run(), name="dispatcher")
        await self._settle()

    async def _fall(self) -> None:
        """Die at once, as by `kill -9`: nothing is finished, nothing is handed over."""
        self._homeserver.detach()
        if self._running is not None:
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running
            self._running = None
        if self._store is not None:
            await self._store.close()
            self._store = None

    async def tear_down(self) -> None:
        await self._fall()

    def _is_busy(self) -> bool:
        return self._store is not None and self._store.database.in_progress > 0

    async def _settle(self) -> None:
        await self._clock.settle(self._is_busy)
        self._check()

    def _check(self) -> None:
        if self._running is not None and self._running.done():
            self._running.result()

    async def _until(self, at_ms: int, *, stop_when_idle: bool = False) -> None:
        while self._clock.now() < at_ms:
            if stop_when_idle and await self._is_idle():
                return
            await self._clock.advance_to(min(at_ms, self._clock.now() + 500), self._is_busy)
            self._check()

    async def _pass_time(self, at_ms: int) -> None:
        """Move to `at_ms`; where nothing is due for long, skip the bridge's idle beats."""
        while self._clock.now() < at_ms:
            if at_ms - self._clock.now() > _LEAP_S * 1000 and await self._is_idle():
                await self._leap(at_ms)
                return
            await self._until(min(at_ms, self._clock.now() + 1_000))

    async def _leap(self, at_ms: int) -> None:
        await self._settle()
        await self._fall()
        self._clock.shift(at_ms - self._clock.now())
        await self._rise()

    async def _is_idle(self) -> bool:
        await self._settle()
        assert self._store is not None
        is_anything_due = await self._store.mailbox.next_wake_in_ms() is not None
        return not is_anything_due and not self._dispatcher_is_working()

    def _dispatcher_is_working(self) -> bool:
        return self._dispatcher is not None and self._dispatcher.is_working

    async def outcome(self) -> Played:
        """Read off the timeline what the puppets did."""
        assert self._store is not None
        asked = [*self._engine.prompts, *self._engine.questions]
        tokens = sum(estimate_tokens(prompt.system + prompt.user) for prompt in asked)
        played = Played(asked_model=len(asked), tokens=round(tokens))
        numbers = {event_id: number for number, event_id in self._events.items()}
        reasons = await self._store.mailbox.reasons(self._room_id)
        played.reasons = {
            number: reasons[event_id] for event_id, number in numbers.items() if event_id in reasons
        }
        for prompt in self._engine.prompts:
            number = numbers.get(EventId(prompt.scene.cause_id), 0)
            played.prompts.setdefault(number, []).append(f"{prompt.system}\n{prompt.user}")
        turns: dict[str, Reply] = {}
        for event in self._homeserver.timeline(self._room_id)[self._after_set_up :]:
            if part := self._as_reply(event, numbers, played.reasons):
                played.ai_messages += part.kind == "text"
                # The further parts of a long answer refer to nothing: they belong to the first.
                turn = str(event["content"].get(TXN_KEY) or event["event_id"]).partition(".")[0]
                first = turns.get(turn)
                turns[turn] = replace(first, text=f"{first.text}\n{part.text}") if first else part
        played.replies = list(turns.values())
        return played

    def _as_reply(
        self, event: dict[str, Any], numbers: dict[EventId, int], reasons: dict[int, str]
    ) -> Reply | None:
        puppet = self._house.cast.by_user_id(str(event["sender"]))
        content = event["content"]
        if puppet is None or not isinstance(content, dict):
            return None
        relation: dict[str, Any] = content.get("m.relates_to") or {}
        at_s = (int(str(event["origin_server_ts"])) - self._start_ms) / 1000
        if event["type"] == "m.reaction":
            to = numbers.get(EventId(relation.get("event_id", "")), 0)
            return Reply(
                puppet=puppet.puppet_id, kind="reaction", text=relation.get("key", ""), to=to,
                at_s=at_s, reason=reasons.get(to, ""),
            )  # fmt: skip
        if event["type"] != "m.room.message":
            return None
        to = numbers.get(relation.get("m.in_reply_to", {}).get("event_id"), 0)
        is_generated = content.get(AI_KEY, {}).get("generated") is True
        return Reply(
            puppet=puppet.puppet_id,
            kind="text" if is_generated else "notice",
            text=content.get("body", ""),
            to=to,
            at_s=at_s,
            reason=reasons.get(to, ""),
        )
