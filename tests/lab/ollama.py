"""A real Ollama with tiny models of random weights, as a process."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Final, Self

import aiohttp

from tests.lab.death import die_with_parent
from tests.lab.gguf import write_model
from tests.lab.ports import free_port

_CACHE: Final = Path(__file__).resolve().parents[2] / ".cache"
_START_TIMEOUT_S: Final = 30.0
MODEL: Final = "tiny:latest"


def binary() -> Path | None:
    """The program that OLLAMA names, or that .ci/ollama-server has built."""
    if named := os.environ.get("OLLAMA"):
        return Path(named)
    return next(iter(sorted(_CACHE.glob("ollama-*/ollama"))), None)


class OllamaServer:
    """Use it as a context. `settings`: its environment, as `OLLAMA_NUM_PARALLEL`."""

    def __init__(self, folder: Path, *, models: Sequence[str] = (MODEL,), **settings: str) -> None:
        self._folder = folder
        self._models = models
        self._settings = settings
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._session: aiohttp.ClientSession | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        program = binary()
        assert program is not None
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "OLLAMA_HOST": f"127.0.0.1:{self._port}",
            "OLLAMA_MODELS": str(self._folder / "models"),
            "OLLAMA_NUM_PARALLEL": "1",
            **self._settings,
        }
        with (self._folder / "ollama.log").open("wb") as log:
            self._spawn(program, environment, log)
        self._session = aiohttp.ClientSession()
        await self._ready()
        for model in self._models:
            await self._make(model)
        return self

    def _spawn(self, program: Path, environment: Mapping[str, str], log: BinaryIO) -> None:
        self._process = subprocess.Popen(
            [program, "serve"], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            preexec_fn=die_with_parent,
        )  # fmt: skip

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        assert self._session is not None
        await self._session.close()
        # Asked nicely: it ends the runners that it has started.
        self._process.terminate()
        try:
            await asyncio.to_thread(self._process.wait, 10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    async def _ready(self) -> None:
        assert self._process is not None
        assert self._session is not None
        give_up_at_s = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < give_up_at_s and self._process.poll() is None:
            with suppress(aiohttp.ClientError):
                async with self._session.get(f"{self.url}/api/version") as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(0.05)
        log = (self._folder / "ollama.log").read_text(errors="replace")[-3000:]
        raise RuntimeError(f"Ollama did not start:\n{log}")

    async def _make(self, model: str) -> None:
        file = self._folder / "tiny.gguf"
        # Two names for one file would be one model to its scheduler.
        write_model(file, model)
        data = file.read_bytes()
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        await self._post(f"/api/blobs/{digest}", data=data)
        body = {"model": model, "files": {file.name: digest}, "stream": False}
        await self._post("/api/create", json=body)

    async def _post(self, path: str, **body: Any) -> None:
        assert self._session is not None
        async with self._session.post(f"{self.url}{path}", **body) as response:
            assert response.status in (200, 201), await response.text()
