"""The model of these runs: each reply says which question it answers, and whether it is whole."""

from __future__ import annotations

import itertools
import random
import re
import time
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from tests.chaos.oracle import mark
from tests.fakes.ollama import FakeOllama
from tests.fakes.ollama_stream import Body, Reply, Shape

_NONCE: Final = re.compile(r"\bq\d+\b")
_FILLING: Final = "word after word, as models like to go on; " * 45
_CHUNKS_OF_LONG: Final = (2, 5)
"""Two fit in a message, five are sent in parts."""
_SLOW_PACKET_S: Final = 0.03
"""Of 50 words: so slow that the bridge shows them before the end."""


@dataclass(slots=True, kw_only=True)
class Call:
    """One request. `broken_at`: when its client went away before the end."""

    nonce: str
    started_at: float
    broken_at: float | None = None


class ChaosEngine(FakeOllama):
    """`slowness_s`: how long a reply takes at most. `breaks`: the chance that one dies."""

    def __init__(
        self,
        dice: random.Random,
        *,
        slowness_s: float = 0.3,
        long_share: float = 0.15,
        is_live: bool = True,
    ) -> None:
        self._is_live = is_live
        super().__init__(reply=self._write, parallel=64)
        self.calls: list[Call] = []
        self.breaks = 0.0
        self.is_down = False
        self.slowness_s = slowness_s
        self._long_share = long_share
        self._dice = dice
        self._generations = itertools.count(1)

    async def _answer(self, request: web.Request, body: Body, key: str) -> web.StreamResponse:
        if self.is_down:
            assert request.transport is not None
            request.transport.abort()
            return web.Response(status=500)
        if not body.get("messages"):
            # A warm-up: no question, and no sign that one is asked again.
            return await super()._answer(request, body, key)
        call = Call(nonce=_asked(body), started_at=time.monotonic())
        self.calls.append(call)
        try:
            return await super()._answer(request, body, key)
        except BaseException:
            call.broken_at = time.monotonic()
            raise

    def _write(self, body: dict[str, Any]) -> Reply:
        nonce, generation = _asked(body), next(self._generations)
        is_long = self._dice.random() < self._long_share
        lengths = _CHUNKS_OF_LONG if self._is_live else _CHUNKS_OF_LONG[-1:]
        chunks = self._dice.choice(lengths) if is_long else 1
        text = "\n\n".join(
            f"{_FILLING if chunks > 1 else 'Well.'} {mark(nonce, generation, n, chunks)}"
            for n in range(1, chunks + 1)
        )
        shape = Shape(
            first_token_delay_s=self._dice.uniform(0.01, self.slowness_s),
            lines_per_packet=50,
            gap_s=_SLOW_PACKET_S if self._is_live and is_long and self._dice.random() < 0.7 else 0,
            reset_after=2 if self._dice.random() < self.breaks else None,
        )
        return Reply(text=text, shape=shape)


def _asked(body: Body) -> str:
    """The question that a prompt is about: the last one it names."""
    found = _NONCE.findall(str((body.get("messages") or [{}])[-1].get("content", "")))
    return found[-1] if found else ""
