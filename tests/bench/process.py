"""A real process of the bridge: what it takes while nothing happens, and how soon it goes on."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from bridge.clock import SystemClock
from bridge.registration import load_registration, new_registration, write_registration
from bridge.settings import Settings
from bridge.store.store import open_store
from tests.bench.figure import Figure
from tests.chaos.bridges import import_s
from tests.chaos.engine import ChaosEngine
from tests.chaos.homeserver import NAME, ChaosHomeserver
from tests.lab.death import die_with_parent
from tests.lab.limits import SLOTS, UNLIMITED
from tests.lab.ports import free_port

_PROGRAM: Final = Path(sys.executable).with_name("matrix-ai-bridge")
_PERSONA: Final = "name: {name}\ndescription: One of many.\ncharacter: Kind and short.\n"
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_SETTLE_S: Final = 3.0
_PATIENCE_S: Final = 60.0
_TICK_S: Final = 0.005


class Lonely:
    """A bridge with its homeserver and its model, and nobody else."""

    def __init__(self, folder: Path, puppets: int) -> None:
        self.folder = folder
        self.names = [f"p{n:04}" for n in range(puppets)]
        self.engine = ChaosEngine(random.Random(1), slowness_s=0.05)
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self, stack: AsyncExitStack) -> None:
        await stack.enter_async_context(self.engine)
        personas = self.folder / "personas"
        personas.mkdir()
        for name in self.names:
            (personas / f"{name}.yaml").write_text(_PERSONA.format(name=name.capitalize()))
        port, gate = free_port(), free_port()
        content: dict[str, Any] = {
            "homeserver": {"url": f"http://127.0.0.1:{port}", "server_name": NAME},
            "appservice": {
                "registration": str(self.folder / "registration.yaml"),
                "listen_port": gate,
                "url": f"http://127.0.0.1:{gate}",
            },
            "database": {"url": f"sqlite:{self.folder / 'bridge.db'}"},
            "engine": {"url": self.engine.url, "model": "gemma3:4b", "slots": SLOTS},
            "personas": {"folder": str(personas), "enabled": self.names},
            "http": {"port": free_port()},
            "budgets": UNLIMITED,
            "log": {"level": "warning"},
        }
        (self.folder / "config.yaml").write_text(json.dumps(content))
        settings = Settings.model_validate(content)
        write_registration(settings.appservice.registration, new_registration(settings))
        registration = load_registration(settings.appservice.registration)
        self.homeserver = ChaosHomeserver(
            port=port, as_token=registration.as_token, hs_token=registration.hs_token,
            memory="device", dice=random.Random(1),
        )  # fmt: skip
        self.homeserver.appservice_url = settings.appservice.url
        await self.homeserver.start()
        stack.push_async_callback(self.homeserver.stop)
        self._ready = f"http://127.0.0.1:{content['http']['port']}/ready"

    def spawn(self) -> float:
        """Start the program; returns when that was."""
        began = time.monotonic()
        with (self.folder / "output.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(_PROGRAM), "run", "--config", str(self.folder / "config.yaml")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                preexec_fn=die_with_parent,
            )  # fmt: skip
        return began

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    async def ready(self) -> None:
        """Every puppet has been brought up when nothing is asked of the homeserver any more."""
        before = -1
        while self.homeserver.requests != before or before < len(self.names):
            before = self.homeserver.requests
            await asyncio.sleep(1.0)

    def cpu_s(self) -> float:
        fields = self._proc("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory_mb(self) -> float:
        """Resident memory of its own: what would be free if it ended (Pss)."""
        line = next(x for x in self._proc("smaps_rollup").splitlines() if x.startswith("Pss:"))
        return int(line.split()[1]) / 1024

    def _proc(self, name: str) -> str:
        assert self._process is not None
        return Path(f"/proc/{self._process.pid}/{name}").read_text()


async def idle(folder: Path, puppets: int, rooms: int, seconds: float) -> AsyncIterator[Figure]:
    """CPU, memory and requests of a process with so many puppets, and rooms in its database."""
    async with AsyncExitStack() as stack:
        lonely = Lonely(folder, puppets)
        await lonely.start(stack)
        await _fill(folder, lonely.names, rooms)
        lonely.spawn()
        stack.callback(lonely.kill)
        await lonely.ready()
        await asyncio.sleep(_SETTLE_S)
        cpu, requests = lonely.cpu_s(), lonely.homeserver.requests
        await asyncio.sleep(seconds)
        share = (lonely.cpu_s() - cpu) / seconds
        where = f"{puppets} puppets, {rooms} rooms"
        yield Figure(name=f"idle CPU, {where}", value=share * 100, unit="% of a core")
        yield Figure(name=f"idle memory, {where}", value=lonely.memory_mb(), unit="MB (Pss)")
        yield Figure(
            name=f"idle requests, {where}", value=float(lonely.homeserver.requests - requests),
            unit=f"in {seconds:.0f} s",
        )  # fmt: skip


async def _fill(folder: Path, names: list[str], rooms: int) -> None:
    store = await open_store(f"sqlite:{folder / 'bridge.db'}", SystemClock())
    async with store.database.transaction() as connection:
        await connection.execute_many(
            "INSERT INTO mailbox (room_id) VALUES ($1)", [(f"!r{n}:{NAME}",) for n in range(rooms)]
        )
        await connection.execute_many(
            "INSERT INTO member (room_id, user_id, membership, display_name) "
            "VALUES ($1, $2, 'join', '')",
            [(f"!r{n}:{NAME}", f"@ai_{names[n % len(names)]}:{NAME}") for n in range(rooms)],
        )
    await store.close()


async def resume(folder: Path, times: int) -> AsyncIterator[Figure]:
    """Killed in the middle of a reply: from the next spawn to the model being asked again."""
    async with AsyncExitStack() as stack:
        lonely = Lonely(folder, 1)
        await lonely.start(stack)
        homeserver, engine = lonely.homeserver, lonely.engine
        lonely.spawn()
        stack.callback(lonely.kill)
        await lonely.ready()
        puppet = f"@ai_{lonely.names[0]}:{NAME}"
        room_id = homeserver.create_room([f"@ana:{NAME}"], [puppet])
        await _until(lambda: homeserver.has_joined(room_id, puppet))
        took: list[float] = []
        for n in range(1, times + 1):
            engine.slowness_s = 30.0
            asked = len(engine.calls)
            homeserver.say(room_id, f"@ana:{NAME}", f"what of q{n}?",
                           **{"m.mentions": {"user_ids": [puppet]}})  # fmt: skip
            await _until_asked(engine, asked + 1)
            lonely.kill()
            engine.slowness_s = 0.02
            asked, began = len(engine.calls), lonely.spawn()
            await _until_asked(engine, asked + 1)
            took.append(engine.calls[asked].started_at - began)
            await asyncio.sleep(1.0)
        took.sort()
        yield Figure(name="resume after kill -9, p50", value=took[len(took) // 2], unit="s")
        yield Figure(name="resume after kill -9, worst", value=took[-1], unit="s")
        yield Figure(name="of that, importing the program", value=import_s(), unit="s")


async def _until_asked(engine: ChaosEngine, count: int) -> None:
    await _until(lambda: len(engine.calls) >= count)


async def _until(is_so: Callable[[], bool]) -> None:
    for _ in range(round(_PATIENCE_S / _TICK_S)):
        if is_so():
            return
        await asyncio.sleep(_TICK_S)
    raise TimeoutError("the bridge did not do it")
