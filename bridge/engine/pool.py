"""One engine made of many: which server, whose turn it is there, and what to do when one fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from bridge import log, metrics
from bridge.clock import Clock
from bridge.domain.model import is_same_model
from bridge.domain.prompt import (
    URGENCIES,
    Delta,
    Finished,
    Prompt,
    Purpose,
    Queued,
    TextDelta,
    Urgency,
)
from bridge.engine.breaker import Breaker
from bridge.engine.fair_queue import FairQueue
from bridge.engine.placement import Place, place
from bridge.errors import ContextTooLong, EngineBusy, EngineError, EngineUnreachable, ModelMissing
from bridge.ports import Engine

ATTEMPTS: Final = 2
"""Of one call: on different servers where there are more, and none once text has come."""
NOTICE_S: Final = 8.0
"""After so long in the queue people are told that they wait."""
STALE_S: Final = 30.0
"""What nobody waits for is not worth more waiting."""
ABSENT_S: Final = 60.0
"""For so long a server that lacks a model is not asked for it."""
_RETRY_S: Final = 0.5
_PROBE_S: Final = 5.0
_CHARS_PER_TOKEN: Final = 3
_AWAITED: Final[frozenset[Urgency]] = frozenset({"mention", "reply"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A server. `slots`: calls that it works on at once, of each model. `models`: those that it
    may be asked for by name, empty for any. `probe` raises EngineError where it is not well."""

    name: str
    engine: Engine
    slots: int = 1
    models: frozenset[str] = frozenset()
    probe: Callable[[], Awaitable[object]] | None = None
    load: Callable[[str], Awaitable[None]] | None = None
    """Makes a model ready ("": its own) before it is asked; None where that is of no use."""

    def serves(self, model: str) -> bool:
        return not model or not self.models or model in self.models


@dataclass(eq=False, slots=True)
class _Call:
    """`ready`: its turn has come, or it has to go elsewhere (`has_slot` is False then)."""

    ready: asyncio.Event = field(default_factory=asyncio.Event)
    has_slot: bool = False


@dataclass(eq=False, slots=True)
class _Lane:
    """A model on a server: what runs there and what waits."""

    endpoint: Endpoint
    queue: FairQueue[_Call] = field(default_factory=FairQueue[_Call])
    breaker: Breaker = field(default_factory=Breaker)
    running: int = 0
    absent_until_s: float = 0.0

    def admit(self) -> None:
        """Let those in whose turn it is."""
        while self.running < self.endpoint.slots and (call := self.queue.pop()):
            self.running += 1
            call.has_slot = True
            call.ready.set()

    def send_away(self) -> None:
        """What waits here shall wait elsewhere."""
        for call in self.queue.clear():
            call.ready.set()


class EnginePool:
    """Engine port. A room's calls go to one server while that can take them."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        clock: Clock,
        *,
        models: Mapping[Purpose, str] | None = None,
        patience_s: float = 120.0,
    ) -> None:
        """`models`: that of each purpose, where it has one of its own. `patience_s`: how long a
        call that people wait for may wait for its turn."""
        self._endpoints = tuple(endpoints)
        self._clock = clock
        self._models = models or {}
        self._patience_s = patience_s
        self._lanes: dict[tuple[str, str], _Lane] = {}
        self._leaving: list[tuple[Endpoint, Sequence[_Lane]]] = []
        self.on_well: Callable[[Endpoint], None] | None = None
        """Called with a server that is new, or well again."""
        self._log = log.get("engine.pool")

    @property
    def label(self) -> str:
        return ", ".join(dict.fromkeys(each.engine.label for each in self._endpoints))

    @property
    def endpoints(self) -> Sequence[Endpoint]:
        return self._endpoints

    async def close(self) -> None:
        for endpoint in (*self._endpoints, *(each for each, _ in self._leaving)):
            await endpoint.engine.close()

    async def stream(self, prompt: Prompt, *, affinity: str) -> AsyncGenerator[Delta, None]:
        """See `ports.Engine`. Yields `Queued` once where people wait for long.

        Tries another server, or the same once more, when one fails before its first text. Raises
        EngineBusy where the call's turn did not come.
        """
        prompt = self._with_model(prompt)
        failed: list[Endpoint] = []
        while True:
            lane = self._place(prompt.model, affinity, failed)
            has_spoken = False
            with self._queueing(lane, prompt, affinity) as call:
                if prompt.urgency in _AWAITED and not await self._clock.wait(call.ready, NOTICE_S):
                    yield Queued()
                if not await self._has_turn(call, prompt.urgency):
                    continue
                lane.breaker.begin()
                stream = lane.endpoint.engine.stream(prompt, affinity=affinity)
                try:
                    async with aclosing(stream) as deltas:
                        async for delta in deltas:
                            has_spoken = has_spoken or isinstance(delta, TextDelta)
                            if isinstance(delta, Finished):
                                lane.breaker.succeed()
                            yield delta
                    return
                except EngineError as error:
                    problem = error
                    self._note_failure(lane, error)
                finally:
                    lane.breaker.give_up()
            await self._before_retry(lane, problem, failed, has_spoken=has_spoken)

    async def choose(self, prompt: Prompt, *, affinity: str) -> Mapping[str, float]:
        prompt = self._with_model(prompt)
        failed: list[Endpoint] = []
        while True:
            lane = self._place(prompt.model, affinity, failed)
            with self._queueing(lane, prompt, affinity) as call:
                if not await self._has_turn(call, prompt.urgency):
                    continue
                lane.breaker.begin()
                try:
                    chances = await lane.endpoint.engine.choose(prompt, affinity=affinity)
                    lane.breaker.succeed()
                    return chances
                except EngineError as error:
                    problem = error
                    self._note_failure(lane, error)
                finally:
                    lane.breaker.give_up()
            await self._before_retry(lane, problem, failed, has_spoken=False)

    def replace(self, endpoints: Sequence[Endpoint]) -> None:
        """Use these servers from now on, as they are.

        What runs on one that has gone runs to its end; what waits for it waits elsewhere.
        """
        before = self._endpoints
        gone = [each for each in before if each not in endpoints]
        self._endpoints = tuple(endpoints)
        lanes = [(key, lane) for key, lane in self._lanes.items() if lane.endpoint in gone]
        self._leaving += [(each, [x for _, x in lanes if x.endpoint is each]) for each in gone]
        for key, lane in lanes:
            del self._lanes[key]
            lane.send_away()
        for endpoint in self._endpoints:
            if endpoint not in before:
                self._is_well(endpoint)

    async def keep_well(self) -> None:
        """Look after servers that fail, so that nobody has to try them, and close those that have
        gone. Until cancelled."""
        while True:
            await self._clock.sleep(_PROBE_S)
            for gone in [one for one in self._leaving if not any(x.running for x in one[1])]:
                self._leaving.remove(gone)
                await gone[0].engine.close()
            for lane in [each for each in self._lanes.values() if each.breaker.is_open]:
                if lane.endpoint.probe is None:
                    continue
                try:
                    await lane.endpoint.probe()
                except EngineError:
                    continue
                lane.breaker.succeed()
                self._log.info("endpoint_is_back", endpoint=lane.endpoint.name)
                self._is_well(lane.endpoint)

    def is_busy(self, endpoint: Endpoint, model: str) -> bool:
        """Does a call of this model run there, or wait?"""
        lane = self._lanes.get((endpoint.name, model))
        return lane is not None and bool(lane.running or len(lane.queue))

    def has_got(self, server: str, model: str) -> None:
        """A server that lacked this model has it now."""
        for (name, asked), lane in self._lanes.items():
            if name == server and (not asked or is_same_model(asked, model)):
                lane.absent_until_s = 0.0
        for endpoint in self._endpoints:
            if endpoint.name == server:
                self._is_well(endpoint)

    def _is_well(self, endpoint: Endpoint) -> None:
        if self.on_well is not None:
            self.on_well(endpoint)

    def _with_model(self, prompt: Prompt) -> Prompt:
        return prompt if prompt.model else replace(
            prompt, model=self._models.get(prompt.purpose, "")
        )  # fmt: skip

    def _place(self, model: str, affinity: str, failed: Sequence[Endpoint]) -> _Lane:
        """Where the call goes. Raises EngineError where nobody can take it."""
        serving = [self._lane(each, model) for each in self._endpoints if each.serves(model)]
        if not serving:
            names = ", ".join(each.name for each in self._endpoints)
            problem = f"No endpoint of engine.endpoints lists the model {model!r}."
            raise ModelMissing(problem, server=names, model=model)
        now_s = self._clock.monotonic()
        well = [
            each for each in serving if each.breaker.allows(now_s) and now_s >= each.absent_until_s
        ]
        if not well:
            names = ", ".join(each.endpoint.name for each in serving)
            raise EngineUnreachable(f"The model's servers fail ({names}); they are tried again.")
        fresh = [each for each in well if each.endpoint not in failed] or well
        lanes = {each.endpoint.name: each for each in fresh}
        chosen = place(
            affinity,
            [Place(name=name, slots=lane.endpoint.slots) for name, lane in lanes.items()],
            {name: lane.running + len(lane.queue) for name, lane in lanes.items()},
        )
        assert chosen is not None
        return lanes[chosen.name]

    def _lane(self, endpoint: Endpoint, model: str) -> _Lane:
        return self._lanes.setdefault((endpoint.name, model), _Lane(endpoint=endpoint))

    @contextmanager
    def _queueing(self, lane: _Lane, prompt: Prompt, affinity: str) -> Generator[_Call]:
        """A place in the lane's queue, and then a slot, until the end of the block."""
        call = _Call()
        rank = URGENCIES.index(prompt.urgency)
        cost = (len(prompt.system) + len(prompt.user)) / _CHARS_PER_TOKEN + prompt.max_tokens
        lane.queue.push(call, rank=rank, room=affinity, cost=cost)
        lane.admit()
        try:
            yield call
        finally:
            if call.has_slot:
                lane.running -= 1
            else:
                lane.queue.remove(call)
            lane.admit()

    async def _has_turn(self, call: _Call, urgency: Urgency) -> bool:
        """Wait for the call's turn; False where it has to go elsewhere. Raises EngineBusy."""
        began_s = self._clock.monotonic()
        patience_s = self._patience_s if urgency in _AWAITED else STALE_S
        if not await self._clock.wait(call.ready, patience_s):
            raise EngineBusy(f"The call waited {patience_s:.0f} s for its turn.")
        waited_s = self._clock.monotonic() - began_s
        metrics.ENGINE_WAIT_SECONDS.labels(urgency=urgency).observe(waited_s)
        return call.has_slot

    def _note_failure(self, lane: _Lane, error: EngineError) -> None:
        now_s = self._clock.monotonic()
        if isinstance(error, ContextTooLong):
            lane.breaker.succeed()
        elif isinstance(error, ModelMissing):
            if error.model and not error.server:
                error.server = lane.endpoint.name
            lane.absent_until_s = now_s + ABSENT_S if len(self._endpoints) > 1 else 0.0
        elif lane.breaker.fail(now_s):
            self._log.warning(
                "endpoint_fails", endpoint=lane.endpoint.name, code=error.code, problem=str(error)
            )
            lane.send_away()

    async def _before_retry(
        self, lane: _Lane, error: EngineError, failed: list[Endpoint], *, has_spoken: bool
    ) -> None:
        """Raises the error where trying again is of no use."""
        failed.append(lane.endpoint)
        others = [each for each in self._endpoints if each not in failed]
        is_hopeless = isinstance(error, ContextTooLong) or not (error.is_transient or others)
        if has_spoken or is_hopeless or len(failed) >= ATTEMPTS:
            raise error
        metrics.ENGINE_RETRIES.labels(code=error.code).inc()
        if not others:
            await self._clock.sleep(_RETRY_S)
