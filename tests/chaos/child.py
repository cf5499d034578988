"""The real program with its faults: forked from one process that has imported it.

    python -m tests.chaos.child          forks a process for each line of JSON (`Birth`) on stdin

Leases are short here, so that a stall outlives one. `without` takes one safeguard out; `pause`
stops the process by itself at a delicate moment (the driver lets it go on). SIGUSR1 steps its
clock, SIGUSR2 fills its disk or frees it. The shipped program has none of this.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import asyncpg

from bridge import app, config_file, log
from bridge.clock import SystemClock
from bridge.domain import turn
from bridge.domain.effect import Planned
from bridge.domain.ids import txn_id
from bridge.matrix.homeserver import MatrixHomeserver
from bridge.rooms import heart, lookback
from bridge.store import history, mailbox, outbox, rooms, sqlite, turns
from bridge.store.database import Connection, Database
from tests.lab.death import die_with_parent

Without = Literal["", "device", "fence", "outbox", "guard", "lookback"]
Pause = Literal["", "lease check", "plan"]

LEASE_TTL_S: Final = 2.0
SEND_TIMEOUT_S: Final = 0.9
CLOCK_STEP_MS: Final = 5_000
_PAUSE_CHANCE: Final = 0.04


@dataclass(frozen=True, kw_only=True)
class Birth:
    config: str
    role: app.Role
    output: str
    without: Without = ""
    pause: Pause = ""
    pause_until: float = 0.0
    """Monotonic seconds, which all processes of a machine share."""
    seed: int = 0


class Clocks:
    """How far this process's clocks are off."""

    def __init__(self) -> None:
        self.wall_off_ms = 0
        self.asleep_s = 0.0

    def step(self) -> None:
        self.wall_off_ms = {0: CLOCK_STEP_MS, CLOCK_STEP_MS: -CLOCK_STEP_MS}.get(
            self.wall_off_ms, 0
        )

    def patch(self) -> None:
        def now(_: SystemClock) -> int:
            return time.time_ns() // 1_000_000 + self.wall_off_ms

        def monotonic(_: SystemClock) -> float:
            return time.monotonic() - self.asleep_s

        SystemClock.now = now  # type: ignore[method-assign]
        SystemClock.monotonic = monotonic  # type: ignore[method-assign]


class Disk:
    """Full, for SQLite by its own limit of pages, for PostgreSQL by the error of its driver."""

    def __init__(self) -> None:
        self.is_full = False

    def toggle(self) -> None:
        self.is_full = not self.is_full

    def patch(self) -> None:
        begin = sqlite.SqliteConnection.transaction

        @asynccontextmanager
        async def of_sqlite(connection: sqlite.SqliteConnection) -> AsyncIterator[None]:
            row = await connection.fetchrow("PRAGMA page_count")
            assert row is not None
            most = row[0] if self.is_full else 2**31
            await connection.execute(f"PRAGMA max_page_count = {most}")
            async with begin(connection):
                yield

        sqlite.SqliteConnection.transaction = of_sqlite  # type: ignore[method-assign]
        transaction = Database.transaction

        @asynccontextmanager
        async def of_postgres(database: Database) -> AsyncIterator[Connection]:
            async with transaction(database) as connection:
                yield connection
                if self.is_full and database.dialect == "postgres":
                    raise asyncpg.exceptions.DiskFullError("no space left on device")

        Database.transaction = of_postgres  # type: ignore[method-assign]


def shorten_leases() -> None:
    heart.LEASE_TTL_S = LEASE_TTL_S  # type: ignore[misc]
    heart.SEND_MARGIN_S = LEASE_TTL_S / 2  # type: ignore[misc]
    for call in (MatrixHomeserver.call, MatrixHomeserver._call):
        call.__kwdefaults__["timeout_s"] = SEND_TIMEOUT_S


def take_out_lookback() -> None:
    async def look(*_: object) -> None:
        return None

    lookback.Lookback.look = look  # type: ignore[method-assign,assignment]


def take_out_device() -> None:
    # Who looks first sees in the room what would be sent again.
    take_out_lookback()
    api = MatrixHomeserver._api
    MatrixHomeserver._api = lambda self, user_id, _: api(self, user_id, "")  # type: ignore[method-assign]


def take_out_fence() -> None:
    @asynccontextmanager
    async def unfenced(database: Database, _: object) -> AsyncIterator[Connection]:
        async with database.transaction() as connection:
            yield connection

    async def unchecked(*_: object) -> int:
        return 0

    for module in (history, mailbox, outbox, rooms, turns):
        module.owning = unfenced  # type: ignore[attr-defined]
    mailbox.check_owned = unchecked  # type: ignore[attr-defined]


def take_out_outbox() -> None:
    """Effects are remembered in this process alone."""
    take_out_lookback()

    async def plan(store: Any, lease: Any, of: turn.Turn, effects: Any) -> Any:
        await turns.Turns(store._database).open(lease, of)
        return [
            Planned(
                txn_id=txn_id(of.turn_id, ordinal), turn_id=of.turn_id, room_id=of.room_id,
                puppet_id=of.puppet_id, effect=effect, planned_at=time.time_ns() // 1_000_000,
            )
            for ordinal, effect in effects
        ]  # fmt: skip

    outbox.Outbox.plan = plan  # type: ignore[method-assign]
    turn.LEGAL["thinking"] = turn.LEGAL["thinking"] | {"done"}


def take_out_guard() -> None:
    heart.Heart.check_lease = lambda _: None  # type: ignore[method-assign]


SAFEGUARDS: Final[dict[Without, Callable[[], None]]] = {
    "device": take_out_device,
    "fence": take_out_fence,
    "outbox": take_out_outbox,
    "guard": take_out_guard,
    "lookback": take_out_lookback,
}


def pause_at(birth: Birth, clocks: Clocks) -> None:
    """Stop by SIGSTOP before the last look at the lease, or before a reply is planned.

    The second as a virtual machine is suspended: its monotonic clock does not notice.
    """

    dice = random.Random(birth.seed)

    def stop() -> float:
        began_s = time.monotonic()
        if began_s < birth.pause_until and dice.random() < _PAUSE_CHANCE:
            os.kill(os.getpid(), signal.SIGSTOP)
        return time.monotonic() - began_s

    if birth.pause == "lease check":
        check = heart.Heart.check_lease

        def late_check(of: heart.Heart) -> None:
            stop()
            check(of)

        heart.Heart.check_lease = late_check  # type: ignore[method-assign]
    elif birth.pause == "plan":
        plan = outbox.Outbox.plan

        async def late_plan(*args: Any) -> Any:
            clocks.asleep_s += stop()
            return await plan(*args)

        outbox.Outbox.plan = late_plan  # type: ignore[method-assign]


async def live(birth: Birth, clocks: Clocks, disk: Disk) -> None:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, clocks.step)
    loop.add_signal_handler(signal.SIGUSR2, disk.toggle)
    await app.run(config_file.load(Path(birth.config)), birth.role)


def begin(birth: Birth) -> None:
    die_with_parent()
    output = os.open(birth.output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    clocks, disk = Clocks(), Disk()
    clocks.patch()
    disk.patch()
    shorten_leases()
    if birth.without:
        SAFEGUARDS[birth.without]()
    pause_at(birth, clocks)
    log.configure("info", "console")
    asyncio.run(live(birth, clocks, disk))


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print("ready", flush=True)
    for line in sys.stdin:
        birth = Birth(**json.loads(line))
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            status = 1
            try:
                begin(birth)
                status = 0
            finally:
                os._exit(status)
        print(pid, flush=True)


def as_line(birth: Birth) -> str:
    return json.dumps(dataclasses.asdict(birth))


if __name__ == "__main__":
    main()
