"""Real Synapse homeservers on loopback that federate with each other.

async with Lab(folder, zygote) as lab:
    home = lab.homeserver("home")            # its name and ports are known from here on
    home.registrations.append(path)          # before it starts
    await lab.start(home)
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final, Self

import aiohttp

from tests.lab.config import homeserver_config, log_config
from tests.lab.ports import free_port

ROOT: Final = Path(__file__).resolve().parents[2]
CACHE: Final = ROOT / ".cache"
REGISTRATION_SECRET: Final = "lab"
_HERE: Final = Path(__file__).parent
_START_TIMEOUT_S: Final = 60.0
_STOP_TIMEOUT_S: Final = 15.0
_TICK_S: Final = 0.02


class NoSynapse(RuntimeError):
    """There is no Synapse to test with."""


def synapse_python() -> Path:
    """The interpreter that has Synapse among its packages. Raises NoSynapse."""
    named = os.environ.get("MATRIX_AI_BRIDGE_SYNAPSE_PYTHON")
    python = Path(named) if named else ROOT / ".venv-synapse" / "bin" / "python"
    if not python.exists():
        raise NoSynapse(f"There is no {python}. Run `make setup-synapse`.")
    return python


class Zygote:
    """A process that has Synapse imported and forks homeservers in a tenth of the time."""

    def __init__(self, output: Path) -> None:
        self._log = output.open("ab")
        self._process = subprocess.Popen(
            [*_synapse_script("zygote.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            start_new_session=True,
        )
        self.version = self._read()

    def fork(self, config: Path, output: Path) -> int:
        """Start a homeserver; returns its process id."""
        order = json.dumps({"config": str(config), "output": str(output)})
        stdin = self._process.stdin
        assert stdin is not None
        stdin.write(f"{order}\n")
        stdin.flush()
        return int(self._read())

    def close(self) -> None:
        streams: list[IO[Any] | None] = [self._process.stdin, self._process.stdout]
        for stream in streams:
            if stream is not None:
                stream.close()
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            raise NoSynapse(
                f"{synapse_python()} cannot start Synapse (see {self._log.name}). Remove the "
                "environment and run `make setup-synapse`."
            )
        return line


class Homeserver:
    """One Synapse, which may be started and stopped more than once on the same data."""

    def __init__(self, folder: Path, zygote: Zygote, tls: Path, template: Path | None) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.registrations: list[Path] = []
        self.database: dict[str, Any] | None = None
        """For Synapse's configuration; None: SQLite."""
        self.settings: dict[str, Any] = {}
        """Over those of the lab, such as rate limits."""
        self.client_port, self.federation_port = free_port(), free_port()
        self.name = f"localhost:{self.federation_port}"
        self.url = f"http://127.0.0.1:{self.client_port}"
        self._zygote = zygote
        self._tls = tls
        self._process_id = 0
        if template is not None:
            shutil.copyfile(template, self._sqlite)

    def spawn(self) -> None:
        """Start it without waiting."""
        assert not self.is_running()
        self._write_files()
        self._process_id = self._zygote.fork(self.folder / "homeserver.yaml", self._output)

    async def ready(self) -> None:
        """Wait until it answers. Raises RuntimeError when it ended instead."""
        give_up_at_s = time.monotonic() + _START_TIMEOUT_S
        async with aiohttp.ClientSession() as session:
            while time.monotonic() < give_up_at_s:
                if not self.is_running():
                    raise RuntimeError(f"{self.name} ended:\n{self.log_tail()}")
                with suppress(aiohttp.ClientError, TimeoutError):
                    limit = aiohttp.ClientTimeout(total=5)
                    async with session.get(f"{self.url}/health", timeout=limit) as response:
                        if response.status == 200:
                            return
                await asyncio.sleep(_TICK_S)
        raise TimeoutError(f"{self.name} does not answer:\n{self.log_tail()}")

    async def start(self) -> None:
        self.spawn()
        await self.ready()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it and wait for that. Its data stays."""
        if not self.is_running():
            return
        os.kill(self._process_id, number)
        if not self.wait(_STOP_TIMEOUT_S):
            os.kill(self._process_id, signal.SIGKILL)
            self.wait(_STOP_TIMEOUT_S)
        self._process_id = 0

    def wait(self, patience_s: float) -> bool:
        """Wait until it has ended; False when it has not."""
        give_up_at_s = time.monotonic() + patience_s
        while self.is_running():
            if time.monotonic() > give_up_at_s:
                return False
            time.sleep(_TICK_S / 2)
        return True

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def is_running(self) -> bool:
        if not self._process_id:
            return False
        try:
            os.kill(self._process_id, 0)
        except ProcessLookupError:
            return False
        return True

    def log_tail(self) -> str:
        texts = [
            path.read_text(errors="replace")[-3000:]
            for path in (self._output, self.folder / "synapse.log")
            if path.exists()
        ]
        return "\n".join(texts)

    def checkpointed_database(self) -> Path:
        """The SQLite file of a stopped homeserver, with everything in the one file."""
        connection = sqlite3.connect(self._sqlite)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        return self._sqlite

    @property
    def _sqlite(self) -> Path:
        return self.folder / "synapse.db"

    @property
    def _output(self) -> Path:
        return self.folder / "output.log"

    def _write_files(self) -> None:
        key = self.folder / "signing.key"
        if not key.exists():
            seed = base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
            key.write_text(f"ed25519 a_{secrets.token_hex(2)} {seed}\n")
        config = homeserver_config(
            folder=self.folder,
            name=self.name,
            url=self.url,
            client_port=self.client_port,
            federation_port=self.federation_port,
            tls=self._tls,
            registrations=self.registrations,
            database=self.database or {"name": "sqlite3", "args": {"database": str(self._sqlite)}},
            registration_secret=REGISTRATION_SECRET,
        )
        # JSON is YAML, and needs no package.
        (self.folder / "homeserver.yaml").write_text(json.dumps(config | self.settings, indent=1))
        (self.folder / "log.yaml").write_text(json.dumps(log_config(self.folder)))


class Lab:
    """Homeservers that trust each other's certificates. Leaving it ends them all."""

    def __init__(self, folder: Path, zygote: Zygote) -> None:
        self.folder = folder
        self._zygote = zygote
        self._homeservers: list[Homeserver] = []
        self._template: Path | None = None

    async def __aenter__(self) -> Self:
        self._template = await template_database(self._zygote)
        _make_certificates(self.folder / "tls")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.kill_all()

    def homeserver(self, folder: str) -> Homeserver:
        """A further homeserver, not yet started."""
        made = Homeserver(self.folder / folder, self._zygote, self.folder / "tls", self._template)
        self._homeservers.append(made)
        return made

    async def start(self, *homeservers: Homeserver) -> None:
        """Start these at the same time."""
        for homeserver in homeservers:
            homeserver.spawn()
        await asyncio.gather(*(homeserver.ready() for homeserver in homeservers))

    def kill_all(self) -> None:
        for homeserver in self._homeservers:
            homeserver.kill()


async def template_database(zygote: Zygote) -> Path:
    """An empty SQLite database that Synapse has brought up to date: made once, then copied."""
    template = CACHE / f"synapse-{zygote.version}.db"
    if template.exists():
        return template
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="template-", dir=CACHE) as scratch:
        tls = Path(scratch) / "tls"
        _make_certificates(tls)
        homeserver = Homeserver(Path(scratch) / "homeserver", zygote, tls, None)
        try:
            await homeserver.start()
        finally:
            homeserver.stop()
        # Another run may be doing the same: whoever is last replaces one good file by another.
        os.replace(homeserver.checkpointed_database(), template)
    return template


def _make_certificates(folder: Path) -> None:
    if folder.exists():
        return
    folder.mkdir(parents=True)
    command = [*_synapse_script("tls.py"), str(folder), "localhost", "127.0.0.1"]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=60)


def _synapse_script(name: str) -> tuple[str, ...]:
    # -P: else this very module would be imported where a script asks for Synapse.
    return (str(synapse_python()), "-P", str(_HERE / name))
