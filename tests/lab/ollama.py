"""A real Ollama with tiny models of random weights, as a process."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

import aiohttp

from tests.lab.death import die_with_parent
from tests.lab.gguf import write_model
from tests.lab.ports import free_port

_CACHE: Final = Path(__file__).resolve().parents[2] / ".cache"
_START_TIMEOUT_S: Final = 30.0
_STOP_TIMEOUT_S: Final = 10.0
_FAMILY: Final = "lab.example/tests"
MODEL: Final = f"{_FAMILY}/tiny:latest"
OTHER: Final = f"{_FAMILY}/other:latest"
THINKER: Final = f"{_FAMILY}/thinker:latest"
"""Its template knows thinking; of what it writes, all is thoughts."""

_CHATML: Final = (
    "{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}"
    "{{ if .Thinking }}<think>{{ .Thinking }}</think>{{ end }}<|im_end|>\n{{ end }}"
    "<|im_start|>assistant\n{{ if .Think }}<think>{{ end }}"
)
_EVALUATED: Final = re.compile(r"prompt eval time =.*?/\s*(\d+) tokens")


def binary() -> Path | None:
    """The Ollama that .ci/ollama-server has built, with the server that runs its models."""
    for program in sorted(_CACHE.glob("ollama-*/bin/ollama")):
        if (program.parents[1] / "lib/ollama/llama-server").exists():
            return program
    return None


class OllamaServer:
    """Use it as a context. `settings`: variables of its environment beside its own folder's."""

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._settings = dict(settings or {})
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        _write_models(self._folder)
        self._spawn()
        await self._ready()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self._process.wait, _STOP_TIMEOUT_S)
        # What runs its models is of the same group.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def evaluated(self) -> list[int]:
        """Tokens of each prompt so far that were not kept from earlier ones, by its log."""
        log = (self._folder / "ollama.log").read_text(errors="replace")
        return [int(count) for count in _EVALUATED.findall(log)]

    def _spawn(self) -> None:
        program = binary()
        assert program is not None
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(self._folder),
            "OLLAMA_HOST": f"127.0.0.1:{self._port}",
            "OLLAMA_MODELS": str(self._folder / "models"),
            "OLLAMA_NO_CLOUD": "1",
            "OLLAMA_DEBUG": "1",
            "LLAMA_ARG_THREADS": "1",
        }
        with (self._folder / "ollama.log").open("wb") as log:
            self._process = subprocess.Popen(
                [program, "serve"],
                cwd=self._folder, env=environment | self._settings,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=_end_with_parent,
            )  # fmt: skip

    async def _ready(self) -> None:
        assert self._process is not None
        give_up_at_s = time.monotonic() + _START_TIMEOUT_S
        async with aiohttp.ClientSession() as session:
            while time.monotonic() < give_up_at_s and self._process.poll() is None:
                with suppress(aiohttp.ClientError):
                    async with session.get(f"{self.url}/api/version") as response:
                        if response.status == 200:
                            return
                await asyncio.sleep(0.02)
        log = (self._folder / "ollama.log").read_text(errors="replace")[-3000:]
        raise RuntimeError(f"Ollama did not start:\n{log}")


def _end_with_parent() -> None:
    """Told to end, and not killed: it ends what runs its models."""
    die_with_parent(signal.SIGTERM)


def _write_models(folder: Path) -> None:
    """Models as a pull leaves them: making them by the API takes a further program."""
    store = folder / "models"
    (store / "blobs").mkdir(parents=True, exist_ok=True)
    for n, (name, template) in enumerate(((MODEL, ""), (OTHER, ""), (THINKER, _CHATML))):
        file = folder / "model.gguf"
        # Models with the same weights are one to its scheduler.
        write_model(file, seed=n + 1)
        layers = [_blob(store, "application/vnd.ollama.image.model", file.read_bytes())]
        if template:
            layers.append(_blob(store, "application/vnd.ollama.image.template", template.encode()))
        config = {
            "model_format": "gguf", "model_family": "llama", "model_families": ["llama"],
            "model_type": "0.1M", "file_type": "F32", "architecture": "amd64", "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
        }  # fmt: skip
        image = "application/vnd.docker.container.image.v1+json"
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": _blob(store, image, json.dumps(config).encode()),
            "layers": layers,
        }
        path = store / "manifests" / name.replace(":", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(manifest))


def _blob(store: Path, kind: str, data: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    (store / "blobs" / f"sha256-{digest}").write_bytes(data)
    return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(data)}
