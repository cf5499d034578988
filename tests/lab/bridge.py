"""The program itself, as a process of its own beside a homeserver of the lab."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import aiohttp

from bridge.config_file import load
from bridge.registration import load_registration, new_registration, write_registration
from tests.lab.death import die_with_parent
from tests.lab.limits import SLOTS, UNLIMITED
from tests.lab.ports import free_port
from tests.lab.synapse import Homeserver

_PROGRAM: Final = Path(sys.executable).with_name("matrix-ai-bridge")
_START_TIMEOUT_S: Final = 45.0
_STOP_TIMEOUT_S: Final = 20.0
_TICK_S: Final = 0.05


class BridgeProcess:
    """Configured for a homeserver when it is made, which is before that homeserver starts."""

    def __init__(
        self,
        folder: Path,
        homeserver: Homeserver,
        *,
        engine_url: str,
        database_url: str = "sqlite:bridge.db",
        **sections: Mapping[str, Any] | list[str],
    ) -> None:
        """`sections` are added to the configuration: `access={"invite": {"allow": ["*"]}}`."""
        folder.mkdir(parents=True)
        self.folder = folder
        self.config = folder / "config.yaml"
        self.log = folder / "output.log"
        port = free_port()
        self._http = f"http://127.0.0.1:{(http_port := free_port())}"
        content: dict[str, Any] = {
            "homeserver": {"url": homeserver.url, "server_name": homeserver.name},
            "appservice": {"listen_port": port, "url": f"http://127.0.0.1:{port}"},
            "database": {"url": database_url},
            "engine": {"url": engine_url, "slots": SLOTS},
            "personas": {"enabled": ["luna", "milo"]},
            "operator": {"name": "the lab"},
            "budgets": UNLIMITED,
            "http": {"port": http_port},
            "log": {"level": "debug"},
            "rooms": {"burst_pause_s": 0, "typing_chars_per_s": 0},
        }
        for name, section in sections.items():
            is_list = isinstance(section, list)
            content[name] = section if is_list else {**content.get(name, {}), **section}
        self.config.write_text(json.dumps(content, indent=1))  # JSON is YAML
        self.settings = load(self.config, {})
        registration = self.settings.appservice.registration
        write_registration(registration, new_registration(self.settings))
        self.registration = load_registration(registration)
        homeserver.registrations.append(registration)
        self._process: subprocess.Popen[bytes] | None = None

    def user_id(self, puppet_id: str) -> str:
        return self.settings.puppet_user_id(puppet_id)

    def url(self, page: str) -> str:
        """Where people and programs see how it is."""
        return f"{self._http}/{page}"

    def spawn(self) -> None:
        """Start it without waiting."""
        assert not self.is_running()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(_PROGRAM), "run", "--config", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        self.spawn()
        await self.ready()

    async def ready(self) -> None:
        give_up_at_s = time.monotonic() + _START_TIMEOUT_S
        async with aiohttp.ClientSession() as session:
            while time.monotonic() < give_up_at_s:
                if not self.is_running():
                    raise RuntimeError(f"the bridge ended:\n{self.log_tail()}")
                with suppress(aiohttp.ClientError, TimeoutError):
                    limit = aiohttp.ClientTimeout(total=5)
                    async with session.get(f"{self._http}/ready", timeout=limit) as response:
                        if response.status == 200:
                            return
                await asyncio.sleep(_TICK_S)
        raise TimeoutError(f"the bridge is not ready:\n{self.log_tail()}")

    async def logged(self, words: str, patience_s: float = 15.0, *, times: int = 1) -> None:
        """Wait until the log holds these words so often."""
        for _ in range(round(patience_s / _TICK_S)):
            if self.log.read_text(errors="replace").count(words) >= times:
                return
            await asyncio.sleep(_TICK_S)
        raise TimeoutError(f"{words!r} was not logged")

    async def stop(self) -> int:
        """SIGTERM, as a system would; returns the exit status."""
        return await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """SIGKILL: it gets no chance to tidy up."""
        await self._end(signal.SIGKILL)

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    def reload(self) -> None:
        """Let it read its configuration again."""
        self._tell(signal.SIGHUP)

    def pause(self) -> None:
        self._tell(signal.SIGSTOP)

    def go_on(self) -> None:
        self._tell(signal.SIGCONT)

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def log_tail(self) -> str:
        return self.log.read_text(errors="replace")[-6000:] if self.log.exists() else ""

    async def deliver(self, txn_id: str, body: Mapping[str, Any]) -> int:
        """Send it a transaction as its homeserver would; returns the HTTP status."""
        url = f"{self.settings.appservice.url}/_matrix/app/v1/transactions/{txn_id}"
        headers = {"Authorization": f"Bearer {self.registration.hs_token}"}
        async with (
            aiohttp.ClientSession() as session,
            session.put(url, json=body, headers=headers) as response,
        ):
            return response.status

    def _tell(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def _end(self, number: signal.Signals) -> int:
        process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(number)
        try:
            return await asyncio.to_thread(process.wait, _STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)
            raise RuntimeError(f"the bridge did not end on {number.name}") from None
