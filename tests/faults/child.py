"""The real program, made to die by SIGKILL at the n-th fault point after it is armed.

Fault points are each commit (before, after), each request to the homeserver (before it leaves) and
each of its answers (after it came). Lives in the tests: the shipped program has no such switch.

    python -m tests.faults.child          forks a life for each line `CONFIG N LOG` on stdin

A life is armed by SIGUSR1; it appends the fault points that it passes to LOG. N = 0 never dies.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from mautrix.api import HTTPAPI

from bridge import app, config_file, log
from bridge.store.database import Connection, Database


class Reaper:
    """Counts fault points once armed, and kills this process at the chosen one."""

    def __init__(self, dies_at: int, passed: Path) -> None:
        self._dies_at = dies_at
        self._passed = passed
        self._count = 0
        self._is_armed = False

    def arm(self) -> None:
        self._is_armed = True

    def pass_by(self, point: str) -> None:
        if not self._is_armed:
            return
        self._count += 1
        with self._passed.open("a") as file:
            file.write(f"{self._count} {point}\n")
        if self._count == self._dies_at:
            os.kill(os.getpid(), signal.SIGKILL)


def watch_commits(reaper: Reaper) -> None:
    transaction = Database.transaction

    @asynccontextmanager
    async def watched(database: Database) -> AsyncIterator[Connection]:
        async with transaction(database) as connection:
            yield connection
            reaper.pass_by("before a commit")
        reaper.pass_by("after a commit")

    Database.transaction = watched  # type: ignore[method-assign]


def watch_requests(reaper: Reaper) -> None:
    request = HTTPAPI.request

    async def watched(api: HTTPAPI, method: Any, path: Any, *args: Any, **kwargs: Any) -> Any:
        what = f"{method} {str(path).removeprefix('_matrix/client/').split('/')[3:4]}"
        reaper.pass_by(f"before the request {what}")
        answer = await request(api, method, path, *args, **kwargs)
        reaper.pass_by(f"after the answer to {what}")
        return answer

    HTTPAPI.request = watched  # type: ignore[method-assign]


async def live(config: Path, reaper: Reaper) -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, reaper.arm)
    await app.run(config_file.load(config))


def begin(config: Path, dies_at: int, passed: Path) -> None:
    out = os.open(config.parent / "bridge.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    reaper = Reaper(dies_at, passed)
    watch_commits(reaper)
    watch_requests(reaper)
    log.configure("info", "console")
    asyncio.run(live(config, reaper))


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)
    for line in sys.stdin:
        config, dies_at, passed = line.split()
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            try:
                begin(Path(config), int(dies_at), Path(passed))
            finally:
                os._exit(1)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
