"""A real llama.cpp server with a tiny model of random weights, as a process."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import aiohttp

from tests.lab.death import die_with_parent
from tests.lab.gguf import write_model
from tests.lab.ports import free_port

_CACHE: Final = Path(__file__).resolve().parents[2] / ".cache"
_START_TIMEOUT_S: Final = 30.0
MODEL: Final = "tiny"


def binary() -> Path | None:
    """The server that LLAMA_SERVER names, or that .ci/llama-server has built."""
    if named := os.environ.get("LLAMA_SERVER"):
        return Path(named)
    return next(iter(sorted(_CACHE.glob("llama-server-*/llama-server"))), None)


@dataclass(frozen=True, kw_only=True)
class Read:
    """What the server says of one prompt, in tokens."""

    cached: int
    evaluated: int
    written: tuple[int, ...]


class LlamaServer:
    """Use it as a context. `ctx`: tokens of each slot; `cache_mib`: saved states beside them."""

    def __init__(
        self, folder: Path, *, slots: int = 1, ctx: int = 8192, cache_mib: int = 2048
    ) -> None:
        self._folder = folder
        self._slots, self._ctx, self._cache_mib = slots, ctx, cache_mib
        self._process: subprocess.Popen[bytes] | None = None
        self._port = free_port()
        self._session: aiohttp.ClientSession | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        self._spawn()
        self._session = aiohttp.ClientSession()
        await self._ready()
        return self

    def _spawn(self) -> None:
        program = binary()
        assert program is not None
        model = self._folder / "tiny.gguf"
        write_model(model)
        with (self._folder / "llama.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    program, "-m", model, "--alias", MODEL, "--host", "127.0.0.1",
                    "--port", str(self._port), "-np", str(self._slots),
                    "-c", str(self._ctx * self._slots), "--cache-ram", str(self._cache_mib),
                    "-t", "1", "-b", "512", "--no-warmup", "--jinja",
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent,
            )  # fmt: skip

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        assert self._session is not None
        await self._session.close()
        self._process.kill()
        self._process.wait()

    async def _ready(self) -> None:
        assert self._process is not None
        assert self._session is not None
        give_up_at_s = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < give_up_at_s:
            if self._process.poll() is not None:
                break
            with suppress(aiohttp.ClientError):
                async with self._session.get(f"{self.url}/health") as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(0.02)
        log = (self._folder / "llama.log").read_text(errors="replace")[-3000:]
        raise RuntimeError(f"llama-server did not start:\n{log}")

    async def tokens(self, text: str) -> tuple[int, ...]:
        """The text as the model reads it."""
        body = {"content": text, "add_special": True, "parse_special": True}
        return tuple((await self._post("/tokenize", body))["tokens"])

    async def read(self, prompt: Sequence[int], *, write: int) -> Read:
        """Read a prompt of tokens and write so many more."""
        body = {
            "prompt": list(prompt), "n_predict": write, "cache_prompt": True,
            "return_tokens": True, "ignore_eos": True, "temperature": 0,
        }  # fmt: skip
        answer = await self._post("/completion", body)
        timings = answer["timings"]
        return Read(
            cached=timings["cache_n"],
            evaluated=timings["prompt_n"],
            written=tuple(answer["tokens"]),
        )

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        assert self._session is not None
        async with self._session.post(f"{self.url}{path}", json=body) as response:
            assert response.status == 200, await response.text()
            return await response.json()
