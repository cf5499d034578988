"""The worker's lease: renewed by beating, and never outlived by a send."""

from __future__ import annotations

from typing import Final

from bridge import log
from bridge.clock import Clock
from bridge.domain.ids import WorkerId
from bridge.errors import DatabaseError, LeaseLost
from bridge.ports import Workers

LEASE_TTL_S: Final = 10.0
SEND_MARGIN_S: Final = 5.0
"""A send may take this long, so none begins later than this before the lease ends."""
WATCH_S: Final = 1.0
"""How soon the death of another worker is noticed."""
_RETRY_S: Final = 0.25


class Heart:
    """Proof that a worker lives. While it beats, its rooms are its own."""

    def __init__(self, *, workers: Workers, clock: Clock) -> None:
        self.worker_id = WorkerId("")
        """That of this life; every life has another."""
        self._workers = workers
        self._clock = clock
        self._lease_until_s = 0.0
        self._beaten_s = 0.0
        self._log = log.get("rooms.heart")

    def check_lease(self) -> None:
        """Raise LeaseLost when a send that begins now might end after the lease."""
        if self._workers.lost.is_set():
            raise LeaseLost("the proof that this worker lives has gone")
        if self._clock.monotonic() > self._lease_until_s - SEND_MARGIN_S:
            raise LeaseLost("this worker's lease is about to run out")

    async def begin(self) -> None:
        """Begin a life: rooms of the dead, also of an earlier life of this worker, are freed.

        Waits for the database.
        """
        while True:
            started_s = self._clock.monotonic()
            try:
                self.worker_id = await self._workers.begin(round(LEASE_TTL_S * 1000))
            except DatabaseError as error:
                self._log.warning("database_unavailable", problem=str(error))
                await self._clock.sleep(_RETRY_S)
            else:
                self._has_beaten(started_s)
                return

    async def keep_beating(self) -> None:
        """Beat, and look for dead workers, until cancelled.

        Raises LeaseLost when the lease ran out before it was renewed, or its proof has gone.
        """
        while True:
            if await self._clock.wait(self._workers.lost, min(WATCH_S, LEASE_TTL_S / 3)):
                raise LeaseLost("the proof that this worker lives has gone")
            try:
                await self._beat_if_due()
                if buried := await self._workers.free_dead(self.worker_id):
                    self._log.warning("dead_workers_replaced", count=buried)
            except LeaseLost:
                raise
            except DatabaseError as error:
                self._log.warning("database_unavailable", problem=str(error))
                if self._clock.monotonic() > self._lease_until_s:
                    raise LeaseLost("the database was away for longer than the lease") from error

    async def _beat_if_due(self) -> None:
        started_s = self._clock.monotonic()
        if started_s - self._beaten_s < LEASE_TTL_S / 3:
            return
        if not await self._workers.beat(self.worker_id, round(LEASE_TTL_S * 1000)):
            raise LeaseLost("this worker overslept its lease")
        self._has_beaten(started_s)

    def _has_beaten(self, started_s: float) -> None:
        self._beaten_s = started_s
        self._lease_until_s = started_s + LEASE_TTL_S
