"""Which rooms are worked on: claim what is due, one task a room, beat, hand over on shutdown."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from bridge import log, metrics
from bridge.clock import Clock
from bridge.domain.ids import RoomId
from bridge.domain.lease import Lease
from bridge.errors import BridgeError, DatabaseError, LeaseLost, RateLimited
from bridge.ports import Mailbox, Workers
from bridge.rooms.actor import Actor
from bridge.rooms.heart import Heart
from bridge.rooms.lookback import Lookback
from bridge.rooms.puller import Puller

CLAIMED_AT_ONCE: Final = 32
"""For more, PostgreSQL would rather read all mailboxes than look each one up."""
_MAX_ROOMS: Final = 256
_IDLE_POLL_S: Final = 5.0
_FIRST_BACKOFF_S: Final = 0.25
_MAX_BACKOFF_S: Final = 30.0
_RETRY_S: Final = 1.0
_GRACE_WITH_PEERS_S: Final = 0.1


class Dispatcher:
    """Runs rooms until cancelled or drained. One for each worker."""

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        workers: Workers,
        heart: Heart,
        actor: Actor,
        lookback: Lookback,
        puller: Puller,
        clock: Clock,
    ) -> None:
        self._heart = heart
        self.lookback = lookback
        self._puller = puller
        self._mailbox = mailbox
        self._workers = workers
        self._actor = actor
        self._clock = clock
        self._wake = asyncio.Event()
        self._running: dict[RoomId, asyncio.Task[None]] = {}
        self._failures: defaultdict[RoomId, int] = defaultdict(int)
        self._claiming: asyncio.Task[None] | None = None
        self._beating: asyncio.Task[None] | None = None
        self._doubting: asyncio.Task[None] | None = None
        self._pulling: asyncio.Task[None] | None = None
        self._is_draining = False
        self._log = log.get("rooms.dispatcher")

    def wake(self) -> None:
        """Something was delivered: look at once."""
        self._wake.set()

    @property
    def is_working(self) -> bool:
        """Some room is being worked on, or something is being downloaded."""
        return bool(self._running) or self._puller.is_working

    async def run(self) -> None:
        """Claim and run rooms until cancelled or drained. A lease lost (the database was away, the
        machine slept) ends every room at once and begins a new life."""
        while not self._is_draining:
            try:
                await self._live()
            except* LeaseLost:
                self._log.warning("lease_lost_by_worker")

    async def _live(self) -> None:
        await self._heart.begin()
        # Before any room goes on: what happened while this worker did not live, nobody knows.
        await self.lookback.tell_rooms()
        async with asyncio.TaskGroup() as group:
            self._doubting = group.create_task(self.lookback.keep_doubting(), name="doubt")
            self._beating = group.create_task(self._heart.keep_beating(), name="beat")
            self._claiming = group.create_task(self._keep_claiming(group), name="claim")
            self._pulling = group.create_task(self._puller.run(self._heart.worker_id), name="pulls")

    async def hand_over(self, grace_s: float) -> None:
        """Claim nothing more, and give each room back after the event in hand.

        A room that takes longer than `grace_s`, or any time where another worker lives, is
        cancelled: its turn goes on there, or at the next start.
        """
        self._is_draining = True
        self._actor.drain()
        await _end(self._claiming)
        await _end(self._doubting)
        await _end(self._pulling)
        tasks = list(self._running.values())
        if tasks:
            grace_s = min(grace_s, _GRACE_WITH_PEERS_S) if await self._has_peers() else grace_s
            _, late = await asyncio.wait(tasks, timeout=grace_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        # A beat after the worker has gone would bring it back.
        await _end(self._beating)
        try:
            await self._workers.end(self._heart.worker_id)
        except DatabaseError as error:
            self._log.warning("rooms_not_handed_over", problem=str(error))

    async def _has_peers(self) -> bool:
        try:
            return await self._workers.count_peers(self._heart.worker_id) > 0
        except DatabaseError:
            return False

    async def _keep_claiming(self, group: asyncio.TaskGroup) -> None:
        while not self._is_draining:
            self._wake.clear()
            try:
                has_claimed = await self._claim(group)
                idle_s = 0.0 if has_claimed else await self._idle_s()
            except DatabaseError as error:
                self._log.warning("database_unavailable", problem=str(error))
                idle_s = _RETRY_S
            if idle_s:
                await self._clock.wait(self._wake, idle_s)

    async def _claim(self, group: asyncio.TaskGroup) -> bool:
        free = _MAX_ROOMS - len(self._running)
        leases: Sequence[Lease] = ()
        if free > 0:
            at_once = min(free, CLAIMED_AT_ONCE)
            leases = await self._mailbox.claim(self._heart.worker_id, at_once)
        for lease in leases:
            task = group.create_task(self._run_room(lease), name="room")
            self._running[lease.room_id] = task
        return bool(leases)

    async def _idle_s(self) -> float:
        if len(self._running) >= _MAX_ROOMS:
            return _IDLE_POLL_S
        due_in_ms = await self._mailbox.next_wake_in_ms()
        if due_in_ms is None:
            return _IDLE_POLL_S
        return min(_IDLE_POLL_S, max(0.02, due_in_ms / 1000))

    async def _run_room(self, lease: Lease) -> None:
        metrics.ROOMS_ACTIVE.inc()
        try:
            retry_in_ms = await self._attempt(lease)
            await self._release(lease, retry_in_ms)
        finally:
            metrics.ROOMS_ACTIVE.dec()
            # The room may be claimed again between its release and this line.
            if self._running.get(lease.room_id) is asyncio.current_task():
                del self._running[lease.room_id]
            self._wake.set()

    async def _attempt(self, lease: Lease) -> int | None:
        """Run the room; returns in how many ms to look at it again, or None: when something
        comes."""
        try:
            wait_ms = await self._actor.run_room(lease)
        except LeaseLost:
            # Perhaps it only was about to run out, and the room is still ours to give back.
            self._log.info("lease_lost", room=lease.room_id)
            return round(_RETRY_S * 1000)
        except BridgeError as error:
            self._log.warning(
                "room_postponed", room=lease.room_id, why=type(error).__name__, problem=str(error)
            )
            told_ms = error.retry_after_ms if isinstance(error, RateLimited) else 0
            return self._after_failure(lease.room_id, told_ms)
        except Exception:
            self._log.exception("room_crashed", room=lease.room_id)
            return self._after_failure(lease.room_id)
        self._failures.pop(lease.room_id, None)
        return wait_ms

    async def _release(self, lease: Lease, retry_in_ms: int | None) -> None:
        """Until it succeeds: nobody can claim the room of a worker that lives."""
        while True:
            try:
                await self._mailbox.release(lease, retry_in_ms=retry_in_ms)
            except LeaseLost:
                return
            except DatabaseError as error:
                self._log.warning("database_unavailable", problem=str(error))
                await self._clock.sleep(_RETRY_S)
            else:
                return

    def _after_failure(self, room_id: RoomId, at_least_ms: int = 0) -> int:
        self._failures[room_id] += 1
        doubled = 2.0 ** min(10, self._failures[room_id] - 1)
        backoff_s = min(_MAX_BACKOFF_S, _FIRST_BACKOFF_S * doubled)
        return max(at_least_ms, round(backoff_s * 1000))


async def _end(task: asyncio.Task[None] | None) -> None:
    """Cancel a task and wait until it has gone; its own end is its group's matter."""
    if task is not None:
        task.cancel()
        await asyncio.wait({task})
