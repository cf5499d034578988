"""Looking back: what the homeserver did not give us, rooms ask it for.

Synapse keeps events for an appservice in memory before it writes them down; what is there when it,
or its database, stops is never sent. So when something has failed, every room that was lately
active compares its timeline with its inbox before it goes on.
"""

from __future__ import annotations

import asyncio
from typing import Final

from bridge import log, metrics
from bridge.clock import Clock
from bridge.domain.cast import Cast
from bridge.domain.events import Delivery
from bridge.domain.lease import Lease
from bridge.domain.persona import Puppet
from bridge.errors import DatabaseError, Refused, TimedOut
from bridge.policy.missed import answered
from bridge.ports import Homeserver
from bridge.ports import Lookback as LookbackStore

EVENTS: Final = 50
"""Of a room, and as many more as wait there: what was dropped came before them. To ask for more
would make Synapse fetch older ones from other servers."""
_EVENTS_AT_MOST: Final = 500
_AT_ONCE: Final = 8
_PAUSE_S: Final = 1.0


class Lookback:
    """One for each process."""

    def __init__(
        self, *, store: LookbackStore, homeserver: Homeserver, cast: Cast, clock: Clock
    ) -> None:
        self._store = store
        self._homeserver = homeserver
        self._cast = cast
        self._clock = clock
        self._has_doubts = asyncio.Event()
        self._is_urgent = asyncio.Event()
        self._turnstile = asyncio.Semaphore(_AT_ONCE)
        self._log = log.get("rooms.lookback")

    def doubt(self) -> None:
        """Something has failed: the homeserver may have dropped events."""
        self._has_doubts.set()

    def doubt_at_once(self) -> None:
        """It has probably died just now: the rooms are told before anything else comes."""
        self._is_urgent.set()
        self._has_doubts.set()

    async def keep_doubting(self) -> None:
        """Whenever there is doubt, tell the rooms, until cancelled: at most once a second, where it
        isn't urgent."""
        while True:
            await self._has_doubts.wait()
            self._has_doubts.clear()
            self._is_urgent.clear()
            await self.tell_rooms()
            await self._clock.wait(self._is_urgent, _PAUSE_S)

    async def tell_rooms(self) -> None:
        """Let every room that was lately active look back before it goes on; where the database is
        away, later."""
        try:
            rooms = await self._store.doubt()
        except DatabaseError as error:
            self._log.warning("database_unavailable", problem=str(error))
            self.doubt()
        else:
            self._log.debug("looking_back", rooms=rooms)

    async def look(self, lease: Lease, puppet: Puppet | None, doubts: int) -> None:
        """Until no doubt is left: compare the room's timeline, as this puppet sees it, with its
        inbox, and put what is missing there.

        Raises LeaseLost, and HomeserverError where it cannot be asked now. One that is too slow is
        not asked again.
        """
        while doubts:
            seen = Delivery() if puppet is None else await self._seen(lease, puppet)
            found = await self._store.catch_up(
                lease, seen, answered=answered(seen, self._cast), doubts=doubts
            )
            if found:
                metrics.EVENTS_MISSED.inc(len(found))
                self._log.warning("events_were_missing", room=lease.room_id, count=len(found))
            doubts = await self._store.doubts(lease)

    async def _seen(self, lease: Lease, puppet: Puppet) -> Delivery:
        room_id = lease.room_id
        limit = min(_EVENTS_AT_MOST, EVENTS + await self._store.waiting(lease))
        async with self._turnstile:
            try:
                return await self._homeserver.look_back(
                    puppet,
                    room_id,
                    limit=limit,
                    now=self._clock.now(),
                    is_ours=self._cast.is_ours,
                )
            except (Refused, TimedOut) as error:
                self._log.warning("cannot_look_back", room=room_id, problem=str(error))
                return Delivery()
