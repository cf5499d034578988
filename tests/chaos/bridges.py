"""The processes of the bridge: born from one that has imported it, kept alive, hurt and healed."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp

from bridge.app import Role
from tests.chaos.child import LEASE_TTL_S, Birth, Pause, Without, as_line
from tests.lab.ports import free_port

ROOT: Final = Path(__file__).parents[2]
STALL_S: Final = LEASE_TTL_S + 1.2
_TICK_S: Final = 0.02
_READY_S: Final = 30.0


class Mother:
    """Imports the program once; every process of the bridge is a fork of it."""

    def __init__(self, folder: Path) -> None:
        self._log = (folder / "mother.log").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            cwd=ROOT,
            start_new_session=True,
        )
        assert self._read() == "ready", (folder / "mother.log").read_text()

    def bear(self, birth: Birth) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write(as_line(birth) + "\n")
        self._process.stdin.flush()
        return int(self._read())

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._log.close()

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@dataclass(kw_only=True)
class Bridge:
    """One process, over all its lives."""

    role: Role
    config: Path
    listen_url: str
    ready_url: str
    pid: int = 0
    born_at: float = 0.0
    stopped_at: float | None = None

    def is_over(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        return False

    def is_stopped(self) -> bool:
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        except OSError:
            return False

    def tell(self, number: signal.Signals) -> bool:
        """Send a signal; False when there is nobody to get it."""
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True


@dataclass(frozen=True, kw_only=True)
class Death:
    """A process of the bridge that was killed, and when the one in its place was born."""

    at: float
    born_at: float


class Bridges:
    def __init__(
        self,
        folder: Path,
        configuration: Mapping[str, Any],
        roles: Sequence[Role],
        *,
        without: Without = "",
        pause: Pause = "",
        pause_for_s: float = 0.0,
        dice: random.Random,
    ) -> None:
        self.folder = folder
        self.all = [self._configured(n, role, configuration) for n, role in enumerate(roles)]
        self.deaths: list[Death] = []
        self.stalls = 0
        self._without: Without = without
        self._pause: Pause = pause
        self._pause_until = time.monotonic() + pause_for_s
        self._dice = dice
        self._mother = Mother(folder)
        self._killed_at: dict[int, float] = {}
        self._nurse: asyncio.Task[None] | None = None

    def _configured(self, n: int, role: Role, configuration: Mapping[str, Any]) -> Bridge:
        listen, http = free_port(), free_port()
        content = json.loads(json.dumps(configuration))
        content["appservice"]["listen_port"] = listen
        content["http"] = {"port": http}
        config = self.folder / f"{role}{n}.yaml"
        config.write_text(json.dumps(content, indent=1))  # JSON is YAML
        return Bridge(
            role=role,
            config=config,
            listen_url=f"http://127.0.0.1:{listen}",
            ready_url=f"http://127.0.0.1:{http}/ready",
        )

    def listeners(self) -> list[str]:
        return [bridge.listen_url for bridge in self.all if bridge.role != "work"]

    def workers(self) -> list[Bridge]:
        return [bridge for bridge in self.all if bridge.role != "ingest"]

    async def start(self) -> None:
        for bridge in self.all:
            self._bear(bridge)
        self._nurse = asyncio.create_task(self._keep_alive(), name="nurse")
        await self.ready()

    async def ready(self) -> None:
        """Wait until every process is ready."""
        give_up_at = time.monotonic() + _READY_S
        async with aiohttp.ClientSession() as http:
            for bridge in self.all:
                while not await _answers(http, bridge.ready_url):
                    if time.monotonic() > give_up_at:
                        raise TimeoutError(f"{bridge.config.stem} is not ready")
                    await asyncio.sleep(_TICK_S)

    def kill(self, bridge: Bridge) -> None:
        if bridge.tell(signal.SIGKILL):
            self._killed_at[bridge.pid] = time.monotonic()

    def stall(self, bridge: Bridge) -> None:
        bridge.tell(signal.SIGSTOP)

    async def close(self) -> None:
        if self._nurse is not None:
            self._nurse.cancel()
            await asyncio.gather(self._nurse, return_exceptions=True)
        for bridge in self.all:
            bridge.tell(signal.SIGKILL)
        self._mother.close()

    def _bear(self, bridge: Bridge) -> None:
        bridge.born_at = time.monotonic()
        bridge.stopped_at = None
        bridge.pid = self._mother.bear(
            Birth(
                config=str(bridge.config),
                role=bridge.role,
                output=str(self.folder / f"{bridge.config.stem}.log"),
                without=self._without,
                pause=self._pause if bridge.role != "ingest" else "",
                pause_until=self._pause_until,
                seed=self._dice.randrange(2**31),
            )
        )

    async def _keep_alive(self) -> None:
        """Whoever has died is born again, and whoever stalls goes on after a while."""
        while True:
            for bridge in self.all:
                if bridge.is_over():
                    killed_at = self._killed_at.pop(bridge.pid, None)
                    self._bear(bridge)
                    if killed_at is not None:
                        self.deaths.append(Death(at=killed_at, born_at=bridge.born_at))
                elif bridge.stopped_at is None and bridge.is_stopped():
                    bridge.stopped_at = time.monotonic()
                    self.stalls += 1
                elif bridge.stopped_at and time.monotonic() - bridge.stopped_at > STALL_S:
                    bridge.stopped_at = None
                    bridge.tell(signal.SIGCONT)
            await asyncio.sleep(_TICK_S)


async def _answers(http: aiohttp.ClientSession, url: str) -> bool:
    with suppress(aiohttp.ClientError, TimeoutError):
        async with http.get(url, timeout=aiohttp.ClientTimeout(total=1)) as response:
            return response.status == 200
    return False


def import_s() -> float:
    """How long a process takes to import the program: forks here have done that."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "import bridge.cli"], cwd=ROOT, check=True)
    return time.monotonic() - began
