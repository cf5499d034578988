"""`bench-engine`: what a model server does for this program's own kind of work, in a table."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from typing import Final

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bridge.domain.access import Access, Limits
from bridge.domain.cast import Cast
from bridge.domain.history import Said
from bridge.domain.ids import DeviceId, EventId, PuppetId, RoomId, UserId
from bridge.domain.persona import Persona, Puppet
from bridge.domain.prompt import Finished, Prompt, TextDelta
from bridge.domain.room import Member, Room
from bridge.engine import models
from bridge.engine.ollama import OllamaEngine
from bridge.engine.openai import OpenAIEngine
from bridge.errors import EngineBroken, EngineError
from bridge.personas import load_personas, shipped_folder
from bridge.policy.context import build_prompt
from bridge.policy.view import House
from bridge.ports import Engine

PARALLEL: Final = (1, 2, 4, 8)
WINDOW: Final = 60
"""Messages of a room that a prompt shows, as `rooms.window_messages` has it."""
_REPLY_TOKENS: Final = 100
_SLOWEST_TOKENS_PER_S: Final = 6.0
"""About as fast as people read: a reply that comes slower feels slow."""
_WORTH: Final = 1.15
"""More slots pay where they bring so many times more."""
_MARGIN_TOKENS: Final = 64
_PATIENCE_S: Final = 600.0
"""A large model takes long to load."""
_SAMPLE: Final = (
    "anyone else awake? I cannot stop thinking about that film",
    "which one, the one with the lighthouse?",
    "yes! the ending made no sense to me at all",
    "I liked it, it leaves room to think",
    "Luna, what do you make of it?",
    "we could watch another one on Friday, I will bring the popcorn",
    "Friday is fine, Saturday would be better for me though",
    "Saturday then. Who has the large screen?",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """So many replies at once: seconds to the first word (median), tokens a second of all and of
    each reply, and how much of the prompts was read anew."""

    parallel: int
    first_word_s: float
    tokens_per_s: float
    each_tokens_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """`cold_s` and `warm_s`: seconds to the first word in a room that the server reads for the
    first time, and in one that it has read but for the last line."""

    model: str
    prompt_tokens: int
    cold_s: float
    warm_s: float
    runs: tuple[Run, ...] = field(default_factory=tuple[Run, ...])

    @property
    def cache_hit(self) -> float:
        """How much of a known room needs no reading, estimated from the times; 0 to 1."""
        return max(0.0, 1 - self.warm_s / self.cold_s) if self.cold_s else 0.0


def suggested_slots(runs: Sequence[Run]) -> int:
    """As many as bring more words in all, while each reply comes as fast as people read."""
    best = runs[0]
    for run in runs[1:]:
        is_worth_it = run.tokens_per_s >= _WORTH * best.tokens_per_s
        if not is_worth_it or run.each_tokens_per_s < _SLOWEST_TOKENS_PER_S:
            break
        best = run
    return best.parallel


def suggested_ctx(prompt_tokens: int, reply_tokens: int, max_ctx: int = 0) -> int:
    """The power of two that holds a full window and a reply; at most what the model can."""
    needed = prompt_tokens + reply_tokens + _MARGIN_TOKENS
    wanted = 2 ** math.ceil(math.log2(max(1024, needed)))
    return min(wanted, max_ctx) if max_ctx else wanted


class Bench:
    """Asks a server what rooms would ask it."""

    def __init__(self, engine: Engine, now_s: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._now_s = now_s
        self._rooms = 0

    @property
    def steps(self) -> int:
        return 3 + sum(PARALLEL)

    async def measure(self, on_step: Callable[[], None] = lambda: None) -> Measured:
        """Raises EngineError. `on_step` is called after each of the `steps` replies."""
        # The first reply loads the model.
        await self._reply(self._fresh_room(), WINDOW)
        on_step()
        room = self._fresh_room()
        cold = await self._reply(room, WINDOW - 1)
        on_step()
        warm = await self._reply(room, WINDOW)
        on_step()
        runs = [await self._run(parallel, on_step) for parallel in PARALLEL]
        return Measured(
            model=cold.finished.model,
            prompt_tokens=warm.finished.prompt_tokens,
            cold_s=cold.first_word_s,
            warm_s=warm.first_word_s,
            runs=tuple(runs),
        )

    async def _run(self, parallel: int, on_step: Callable[[], None]) -> Run:
        rooms = [self._fresh_room() for _ in range(parallel)]
        began_s = self._now_s()

        async def one(room: str) -> _Heard:
            heard = await self._reply(room, WINDOW)
            on_step()
            return heard

        heard = await asyncio.gather(*map(one, rooms))
        took_s = max(self._now_s() - began_s, 1e-9)
        firsts = sorted(each.first_word_s for each in heard)
        return Run(
            parallel=parallel,
            first_word_s=firsts[len(firsts) // 2],
            tokens_per_s=sum(each.finished.reply_tokens for each in heard) / took_s,
            each_tokens_per_s=sum(each.tokens_per_s for each in heard) / parallel,
        )

    def _fresh_room(self) -> str:
        self._rooms += 1
        return f"!bench{self._rooms}-{self._now_s()}:bench"

    async def _reply(self, room: str, messages: int) -> _Heard:
        began_s, first_s = self._now_s(), 0.0
        async with aclosing(self._engine.stream(_prompt(room, messages), affinity=room)) as deltas:
            async for delta in deltas:
                match delta:
                    case TextDelta():
                        first_s = first_s or self._now_s()
                    case Finished():
                        ended_s = self._now_s()
                        spoke_s = ended_s - (first_s or began_s)
                        return _Heard(
                            first_word_s=(first_s or ended_s) - began_s,
                            tokens_per_s=delta.reply_tokens / max(spoke_s, 1e-9),
                            finished=delta,
                        )
                    case _:
                        pass
        raise EngineBroken("the engine ended without finishing")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    first_word_s: float
    tokens_per_s: float
    finished: Finished


def _prompt(room_id: str, messages: int) -> Prompt:
    """A room in which the shipped characters are, and so many messages."""
    cast = Cast(tuple(_puppet(persona) for persona in load_personas(shipped_folder())))
    luna = cast.personas()[0]
    people = [UserId(f"@{name}:bench") for name in ("ana", "ben", "cleo")]
    room = Room(
        room_id=RoomId(room_id),
        name="Lounge",
        is_encrypted=False,
        members={
            user_id: Member(user_id=user_id, membership="join", display_name=user_id[1:4].title())
            for user_id in (*people, *(puppet.user_id for puppet in cast.personas()))
        },
    )
    said = [
        Said(
            seq=n + 1,
            event_id=EventId(f"$bench{n}"),
            room_id=room.room_id,
            sender=people[n % 3],
            sender_name=room.display_name(people[n % 3]),
            text=_SAMPLE[n % len(_SAMPLE)],
            sent_at=0,
        )
        for n in range(messages)
    ]
    limits = Limits(prompt_tokens=100_000, max_reply_tokens=_REPLY_TOKENS, window_messages=WINDOW)
    house = House(cast=cast, access=Access(own_server="bench"), limits=limits)
    return build_prompt(house=house, room=room, puppet=luna, said=said, cause=said[-1])


def _puppet(persona: Persona) -> Puppet:
    return Puppet(
        puppet_id=PuppetId(persona.persona_id),
        user_id=UserId(f"@ai_{persona.persona_id}:bench"),
        device_id=DeviceId("BENCH"),
        display_name=f"{persona.name} (AI)",
        persona=persona,
    )


async def bench(engine: Engine, console: Console, *, max_ctx: int = 0) -> Measured:
    """Measure with a progress bar, and print the table. Raises EngineError."""
    bench = Bench(engine)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("asking the model", total=bench.steps)
        measured = await bench.measure(lambda: progress.advance(task))
    console.print(table_of(measured))
    slots = suggested_slots(measured.runs)
    num_ctx = suggested_ctx(measured.prompt_tokens, _REPLY_TOKENS * 4, max_ctx)
    console.print(
        f"A full window is {measured.prompt_tokens} tokens. A room is read for the first time in "
        f"{measured.cold_s:.2f} s, and goes on after {measured.warm_s:.2f} s (about "
        f"{measured.cache_hit:.0%} is kept)."
    )
    console.print(
        f"For your config.yaml: engine.slots: {slots}, engine.num_ctx: {num_ctx}. Let the server "
        f"make as many at once (Ollama: OLLAMA_NUM_PARALLEL={slots})."
    )
    return measured


async def run(url: str, model: str, num_ctx: int, api_key: str, console: Console) -> Measured:
    """Measure the server there, an Ollama or one with the chat completions API.

    Raises EngineError.
    """
    engine, max_ctx = await _engine_at(url, model, num_ctx, api_key)
    try:
        return await bench(engine, console, max_ctx=max_ctx)
    finally:
        await engine.close()


async def _engine_at(url: str, model: str, num_ctx: int, api_key: str) -> tuple[Engine, int]:
    """The engine, and how many tokens its model reads at most (0: unknown)."""
    try:
        known = await models.chat_models(url, api_key)
    except EngineError:
        openai = OpenAIEngine(url, model=model, api_key=api_key, first_token_timeout_s=_PATIENCE_S)
        try:
            await openai.models()
        except EngineError:
            await openai.close()
        else:
            return openai, 0
        raise
    chosen = models.choose_model(known, model)
    described = await models.describe(url, chosen, api_key)
    ollama = OllamaEngine(
        url, model=chosen, num_ctx=num_ctx, api_key=api_key, first_token_timeout_s=_PATIENCE_S
    )
    return ollama, described.max_ctx


def table_of(measured: Measured) -> Table:
    table = Table(title=f"{measured.model}: replies of up to {_REPLY_TOKENS} tokens")
    for heading in ("at once", "first word", "tokens/s, each", "tokens/s, all"):
        table.add_column(heading, justify="right")
    for run in measured.runs:
        table.add_row(
            str(run.parallel),
            f"{run.first_word_s:.2f} s",
            f"{run.each_tokens_per_s:.1f}",
            f"{run.tokens_per_s:.1f}",
        )
    return table


def as_json(measured: Measured) -> str:
    """One line for programs."""
    return json.dumps(asdict(measured) | {"cache_hit": round(measured.cache_hit, 3)})
