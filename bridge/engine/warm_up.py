"""Loads models before the first person asks: at the start, and when a server has come back.

Nobody waits for it, and it waits for nobody: it takes no turn of the queue, and where a call of the
same model runs or waits, that call loads the model itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from bridge import log, metrics
from bridge.clock import Clock
from bridge.engine.pool import Endpoint, EnginePool
from bridge.errors import EngineError

MOST: Final = 3
"""Models on a server: so many an Ollama keeps for each GPU."""
_FIRST_PAUSE_S: Final = 5.0
_LONGEST_PAUSE_S: Final = 60.0


class WarmUp:
    """Belongs to the pool's process. `models`: those to load, in this order; "" is the one that a
    server uses where none is named."""

    def __init__(self, pool: EnginePool, clock: Clock, *, models: Sequence[str]) -> None:
        self._pool = pool
        self._clock = clock
        self._models = tuple(dict.fromkeys(models))
        self._pending: dict[str, Endpoint] = {}
        self._wake = asyncio.Event()
        self._log = log.get("engine.warm_up")

    def want(self, *endpoints: Endpoint) -> None:
        """Load what these should have ready, soon."""
        self._pending |= {each.name: each for each in endpoints if each.load is not None}
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled. A server that does not answer is tried again, ever more rarely."""
        pause_s = _FIRST_PAUSE_S
        while True:
            self._wake.clear()
            pending, self._pending = self._pending, {}
            served = await asyncio.gather(*(self._warm(each) for each in pending.values()))
            away = [each for each, is_done in zip(pending.values(), served, strict=True)
                    if not is_done and each in self._pool.endpoints]  # fmt: skip
            self._pending = {each.name: each for each in away} | self._pending
            if not self._pending:
                pause_s = _FIRST_PAUSE_S
                await self._wake.wait()
            elif not await self._clock.wait(self._wake, pause_s):
                pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)

    async def _warm(self, endpoint: Endpoint) -> bool:
        """False: try it again later."""
        assert endpoint.load is not None
        wanted = [model for model in self._models if endpoint.serves(model)]
        for model in wanted[:MOST]:
            if self._pool.is_busy(endpoint, model):
                continue
            try:
                await endpoint.load(model)
            except EngineError as error:
                metrics.WARM_UPS.labels(outcome=error.code).inc()
                self._log.info(
                    "not_warmed_up", endpoint=endpoint.name, model=model, problem=str(error)
                )
                if error.is_transient:
                    return False
            else:
                metrics.WARM_UPS.labels(outcome="loaded").inc()
        return True
