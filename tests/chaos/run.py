"""One run: people ask, things break, the oracle judges."""

from __future__ import annotations

import asyncio
import itertools
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, cast

import asyncpg

from bridge.app import Role
from bridge.clock import SystemClock
from bridge.store.database import open_database
from tests.chaos.bridges import Bridges, Death, import_s
from tests.chaos.child import Pause, Without
from tests.chaos.engine import ChaosEngine
from tests.chaos.faults import FAULTS, Fault, Faults
from tests.chaos.homeserver import Memory
from tests.chaos.oracle import Question, Verdict, judge
from tests.chaos.world import PEOPLE, FakeWorld, SynapseWorld, World
from tests.lab.limits import SLOTS, UNLIMITED
from tests.lab.postgres import Postgres

PUPPETS: Final = ("luna", "milo")
_QUIET_S: Final = 2.5
_BROKEN_BY_S: Final = 0.5
_SET_UP_S: Final = 3.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """`workers`: 0 is one `run` process; else 2 `ingest` and so many `work` over PostgreSQL."""

    seed: int = 1
    seconds: float = 60.0
    workers: int = 0
    homeserver: Literal["fake", "synapse"] = "fake"
    memory: Memory = "device"
    database: Literal["sqlite", "postgres"] = "sqlite"
    faults: tuple[Fault, ...] = FAULTS
    without: Without = ""
    pause: Pause = ""
    rooms: int = 10
    gap_s: float = 0.35
    slowness_s: float = 0.3
    patience_s: float = 120.0
    long_share: float = 0.15
    """How many of the replies are long enough to be sent in parts."""
    slow_share: float = 0.0
    """How many of the homeserver's answers take long."""
    live: bool = True
    """Are some of the long replies written so slowly that they are shown meanwhile?"""
    haste: float = 1.0
    """How many times as often as usual things break."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    verdict: Verdict
    events: int
    questions: int
    kills: int
    faults: dict[str, int]
    resume_s: list[float]
    typing_s: list[float]
    import_s: float
    folder: str
    notes: list[str] = field(default_factory=list[str])


Tell = Callable[[str], None]


class Load:
    """People who ask, talk among themselves and take turns."""

    def __init__(self, plan: Plan, world: World, puppets: Sequence[str]) -> None:
        self.questions: list[Question] = []
        self.said = 0
        self._plan = plan
        self._world = world
        self._puppets = puppets
        self._numbers = itertools.count(1)
        self._dice = random.Random(f"load {plan.seed}")

    async def run(self, rooms: Sequence[str], until: float) -> None:
        async with asyncio.TaskGroup() as group:
            for room_id in rooms:
                group.create_task(self._talk(room_id, until), name="room")

    async def _talk(self, room_id: str, until: float) -> None:
        dice, person = self._dice, 0
        while time.monotonic() < until:
            await asyncio.sleep(dice.uniform(0.2, 1.8) * self._plan.gap_s)
            person = (person + dice.randrange(1, PEOPLE)) % PEOPLE
            self.said += 1
            if dice.random() < 0.3:
                await self._world.say(room_id, person, "nobody in particular, just talking", ())
                continue
            nonce = f"q{next(self._numbers)}"
            asked = self._puppets if dice.random() < 0.1 else [dice.choice(self._puppets)]
            event_id = await self._world.say(room_id, person, f"what of {nonce}?", asked)
            self.questions.append(
                Question(
                    event_id=event_id,
                    room_id=room_id,
                    sender=self._world.sender(person),
                    nonce=nonce,
                    asked=tuple(asked),
                    at_s=time.monotonic(),
                )
            )


async def run(plan: Plan, tell: Tell) -> Outcome:
    """Play one run. Everything that it starts ends with it; its folder of logs stays."""
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    dice = random.Random(plan.seed)
    async with AsyncExitStack() as stack:
        postgres = _postgres(plan, stack)
        engine = await stack.enter_async_context(
            ChaosEngine(
                random.Random(f"engine {plan.seed}"),
                slowness_s=plan.slowness_s,
                long_share=plan.long_share,
                is_live=plan.live,
            )
        )
        world = _world(plan, folder, postgres, engine, dice)
        stack.push_async_callback(world.close)
        await world.start()
        roles: list[Role] = ["run"] if not plan.workers else ["ingest", "ingest"]
        roles += ["work"] * plan.workers
        bridges = Bridges(
            folder,
            world.configuration,
            roles,
            without=plan.without,
            pause=plan.pause,
            pause_for_s=plan.seconds + _SET_UP_S,
            dice=dice,
        )
        stack.push_async_callback(bridges.close)
        await world.connect(bridges.listeners())
        await bridges.start()
        name = world.configuration["homeserver"]["server_name"]
        puppets = [f"@ai_{puppet}:{name}" for puppet in PUPPETS]
        rooms = await world.rooms(plan.rooms, puppets)
        faults = Faults(
            plan.faults,
            haste=plan.haste,
            dice=dice,
            bridges=bridges,
            engine=engine,
            trouble=world.trouble,
            restart_homeserver=world.restart,
            hurt_database=_database_fault(postgres, dice),
        )
        world.trouble.slow = plan.slow_share
        load = Load(plan, world, puppets)
        await _play(plan, load, faults, rooms, tell)
        verdict = await _settle(plan, load, world, bridges, puppets, tell)
        return Outcome(
            verdict=verdict,
            events=load.said,
            questions=len(load.questions),
            kills=len(bridges.deaths),
            faults={**faults.counts, **({"stalls": bridges.stalls} if bridges.stalls else {})},
            resume_s=_resumed(bridges.deaths, engine, faults.windows),
            typing_s=_typed(load.questions, world),
            import_s=import_s(),
            folder=str(folder),
            notes=await _why_lost(world.configuration["database"]["url"], load, verdict),
        )


async def _play(plan: Plan, load: Load, faults: Faults, rooms: Sequence[str], tell: Tell) -> None:
    until = time.monotonic() + plan.seconds
    harm = asyncio.create_task(faults.run(), name="faults")
    talk = asyncio.create_task(load.run(rooms, until), name="load")
    while not talk.done():
        if harm.done():
            harm.result()
        await asyncio.wait({talk}, timeout=5)
        left = max(0, round(until - time.monotonic()))
        done = ", ".join(f"{n} {kind}" for kind, n in sorted(faults.counts.items()))
        tell(f"{left:4d} s left: {load.said} events, {done or 'no fault yet'}")
    talk.result()
    faults.stop()
    await harm


async def _settle(
    plan: Plan, load: Load, world: World, bridges: Bridges, puppets: Sequence[str], tell: Tell
) -> Verdict:
    """Nothing breaks any more: wait until nothing changes, and judge."""
    give_up_at = time.monotonic() + plan.patience_s
    before, quiet_since = "", time.monotonic()
    while True:
        timelines = await world.timelines()
        verdict = judge(load.questions, timelines, puppets)
        now = f"{sum(map(len, timelines.values()))} {verdict}"
        if now != before:
            before, quiet_since = now, time.monotonic()
        is_quiet = world.is_quiet() and time.monotonic() - quiet_since > _QUIET_S
        is_answered = not verdict.lost and not verdict.duplicate
        is_late = time.monotonic() > give_up_at
        if (is_quiet and is_answered) or is_late:
            return verdict
        tell(f"  settling: {len(verdict.lost)} questions wait")
        await asyncio.sleep(1.0)


def _postgres(plan: Plan, stack: AsyncExitStack) -> Postgres | None:
    if plan.database == "sqlite" and plan.homeserver == "fake":
        return None
    postgres = Postgres(keeps_commits=True)
    stack.callback(postgres.stop)
    postgres.start()
    return postgres


def _world(
    plan: Plan, folder: Path, postgres: Postgres | None, engine: ChaosEngine, dice: random.Random
) -> World:
    on_postgres = plan.database == "postgres"
    database_url = (
        postgres.create_database() if postgres and on_postgres else f"sqlite:{folder}/bridge.db"
    )
    configuration: dict[str, Any] = {
        "database": {"url": database_url},
        "engine": {
            "url": engine.url,
            "model": "gemma3:4b",
            "slots": SLOTS,
            "num_ctx": 32768,
            "max_reply_tokens": 8000,
        },
        "personas": {"enabled": list(PUPPETS)},
        "access": {"max_invites_per_day": 1000},
        "budgets": UNLIMITED,
        "rooms": {
            "window_messages": 8,
            "burst_pause_s": 0,
            "typing_chars_per_s": 0,
            "live": {"mode": "auto" if plan.live else "off", "after_s": 0.1, "every_s": 0.2},
        },
    }
    if plan.homeserver == "fake":
        return FakeWorld(folder, configuration, plan.memory, dice)
    assert postgres is not None
    return SynapseWorld(folder, configuration, postgres, dice)


def _database_fault(postgres: Postgres | None, dice: random.Random) -> Any:
    if postgres is None:
        return None

    async def hurt() -> None:
        """Restart it, cleanly or not, or end everybody's sessions."""
        choice = dice.choice(["restart", "crash", "sessions"])
        if choice == "sessions":
            connection = await asyncpg.connect(postgres.url("postgres"))
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname IS NOT NULL"
            )
            await connection.close()
        else:
            await asyncio.to_thread(postgres.restart, is_crash=choice == "crash")

    return hurt


def _resumed(
    deaths: Sequence[Death], engine: ChaosEngine, windows: Sequence[tuple[float, float]]
) -> list[float]:
    """For each reply that a kill broke: how long after the birth of the next process the model was
    asked for it again. 0: another worker was quicker than the birth. Left out: where meanwhile
    something else that it takes was away, or the next process was killed as well."""
    found: list[float] = []
    for death in deaths:
        broken = {
            call.nonce
            for call in engine.calls
            if call.broken_at is not None and 0 <= call.broken_at - death.at <= _BROKEN_BY_S
        }
        for nonce in broken:
            again = next(
                (
                    c.started_at
                    for c in engine.calls
                    if c.nonce == nonce and c.started_at > death.at
                ),
                None,
            )
            if again is None:
                continue
            is_disturbed = any(began < again and ended > death.at for began, ended in windows)
            is_killed_again = any(death.at < other.at < again for other in deaths)
            if not is_disturbed and not is_killed_again:
                found.append(max(0.0, again - death.born_at))
    return found


def _typed(questions: Sequence[Question], world: World) -> list[float]:
    """From the storing of a question to the next typing in its room."""
    found: list[float] = []
    for question in questions:
        stored = world.stored_at.get(question.event_id)
        typed = world.watching.typed.get(question.room_id, [])
        later = next((at for at in typed if stored is not None and at >= stored), None)
        if stored is not None and later is not None:
            found.append(later - stored)
    return found


async def _why_lost(url: str, load: Load, verdict: Verdict) -> list[str]:
    """What the bridge's tables say of what was lost: for whoever looks for the cause."""
    nonces = {what.partition(" ")[0] for what in verdict.lost}
    if not nonces:
        return []
    found: list[str] = []
    database = await open_database(url, SystemClock())
    async with database.reading() as connection:
        for question in load.questions:
            if question.nonce not in nonces:
                continue
            rows = [
                *await connection.fetch(
                    "SELECT 'inbox', state, reason, problem FROM inbox WHERE event_id = $1",
                    question.event_id,
                ),
                *await connection.fetch(
                    "SELECT 'turn', turn_id, state, epoch FROM turn, mailbox "
                    "WHERE mailbox.room_id = turn.room_id AND cause_id = $1",
                    question.event_id,
                ),
                *await connection.fetch(
                    "SELECT 'outbox', txn_id, outbox.state, problem, outbox.event_id FROM outbox, "
                    "turn WHERE turn.turn_id = outbox.turn_id AND cause_id = $1",
                    question.event_id,
                ),
            ]
            found += [f"{question.nonce}: {tuple(cast(Any, row))}" for row in rows]
    await database.close()
    return found


def percentile(values: Sequence[float], share: float) -> float:
    if not values:
        return 0.0
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[round(share * 100) - 1]
