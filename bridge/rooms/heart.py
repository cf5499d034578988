"""The worker's lease: renewed by beating, and never outlived by a send."""

from __future__ import annotations

from typing import Final

from bridge import log
from bridge.clock import Clock
from bridge.domain.ids import WorkerId
from bridge.errors import DatabaseError, LeaseLost
from bridge.ports import Mailbox

LEASE_TTL_S: Final = 10.0
SEND_MARGIN_S: Final = 5.0
"""A send may take this long, so none begins later than this before the lease ends."""


class Heart:
    """Proof that a worker lives. While it beats, its rooms are its own."""

    def __init__(self, *, worker_id: WorkerId, mailbox: Mailbox, clock: Clock) -> None:
        self.worker_id = worker_id
        self._mailbox = mailbox
        self._clock = clock
        self._lease_until_s = 0.0
        self._log = log.get("rooms.heart")

    def check_lease(self) -> None:
        """Raise LeaseLost when a send that begins now might end after the lease."""
        if self._clock.monotonic() > self._lease_until_s - SEND_MARGIN_S:
            raise LeaseLost("this worker's lease is about to run out")

    async def begin(self) -> None:
        """Begin a life. Rooms of an earlier life of this worker are given back first: it is
        dead, or this one would not begin. Waits for the database."""
        while True:
            try:
                await self._mailbox.retire_worker(self.worker_id)
                await self._beat()
                return
            except DatabaseError as error:
                self._log.warning("database_unavailable", problem=str(error))
                await self._clock.sleep(1.0)

    async def keep_beating(self) -> None:
        """Beat until cancelled. Raises LeaseLost when the lease ran out before it was renewed."""
        while True:
            await self._clock.sleep(LEASE_TTL_S / 3)
            try:
                await self._beat()
            except LeaseLost:
                raise
            except DatabaseError as error:
                self._log.warning("database_unavailable", problem=str(error))
                if self._clock.monotonic() > self._lease_until_s:
                    raise LeaseLost("the database was away for longer than the lease") from error

    async def _beat(self) -> None:
        started_s = self._clock.monotonic()
        if not await self._mailbox.beat(self.worker_id, round(LEASE_TTL_S * 1000)):
            raise LeaseLost("this worker overslept its lease")
        self._lease_until_s = started_s + LEASE_TTL_S
