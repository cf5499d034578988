"""Tells the operator's admins, in their DMs, of what only they can mend."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from bridge import log
from bridge.clock import Clock
from bridge.domain.events import Delivery, News
from bridge.domain.ids import EventId, UserId
from bridge.domain.model import is_same_model
from bridge.domain.room import Direct, Room
from bridge.errors import ModelMissing
from bridge.policy.operating import is_admin
from bridge.policy.view import House
from bridge.ports import ModelKeeper, Store

_AGAIN_S: Final = 600.0
"""So long this process does not even look whether an admin has been told."""
_MOST_ADMINS: Final = 20


class Herald:
    """Belongs to a worker. An admin without a DM with one of ours is told nothing."""

    def __init__(self, *, store: Store, keeper: ModelKeeper, house: House, clock: Clock) -> None:
        self._store = store
        self._keeper = keeper
        self._house = house
        self._clock = clock
        self._told_s: dict[tuple[str, str], float] = {}
        self._log = log.get("rooms.herald")

    async def model_missing(self, problem: ModelMissing) -> None:
        """Somebody could not be answered. Each admin hears it once of a model and server, and again
        only after a download of it, or when the record of having told it has gone."""
        server, model = problem.server, problem.model
        if not server or not self._house.admins or not self._is_new(server, model):
            return
        newest = await self._store.pulls.newest(server, model)
        seed = "\n".join((server, model, newest.pull_id if newest else ""))
        rooms = await self._dms()
        for direct, room in rooms[:_MOST_ADMINS]:
            await self._store.mailbox.deliver(
                Delivery(events=(self._news(direct, room, seed, problem),))
            )
        self._log.warning("model_missing", server=server, model=model, admins_told=len(rooms))
        self._told_s[server, model] = self._clock.monotonic()

    def _is_new(self, server: str, model: str) -> bool:
        now_s = self._clock.monotonic()
        self._told_s = {key: at for key, at in self._told_s.items() if now_s - at < _AGAIN_S}
        return (server, model) not in self._told_s

    async def _dms(self) -> list[tuple[Direct, Room]]:
        """One DM of each admin, the most recently changed; one with the bridge user before all."""
        found: dict[UserId, tuple[Direct, Room]] = {}
        for room in await self._store.rooms.direct():
            direct = room.direct
            if direct is None or not is_admin(self._house, direct.person, room):
                continue
            puppet = self._house.cast.by_id(direct.puppet_id)
            is_better = puppet is not None and puppet.role == "bridge"
            if puppet is not None and (direct.person not in found or is_better):
                found[direct.person] = (direct, room)
        return list(found.values())

    def _news(self, direct: Direct, room: Room, seed: str, problem: ModelMissing) -> News:
        puppet = self._house.cast.by_id(direct.puppet_id)
        assert puppet is not None
        now = self._clock.now()
        digest = blake2b(f"{seed}\n{room.room_id}".encode(), digest_size=16).hexdigest()
        values: tuple[tuple[str, str], ...] = (
            ("server", problem.server),
            ("prefix", self._house.command_prefix),
        )
        if problem.model:
            can_be_pulled = any(
                each.server == problem.server
                and each.can_be_pulled
                and is_same_model(each.model, problem.model)
                for each in self._keeper.wanted()
            )
            pull = problem.model if can_be_pulled else ""
            values = (*values, ("model", problem.model), ("pull", pull))
        return News(
            event_id=EventId(f"~missing~{digest}"),
            room_id=room.room_id,
            sender=puppet.user_id,
            sent_at=now,
            received_at=now,
            puppet_id=puppet.puppet_id,
            sentence="missing_told" if problem.model else "no_model_told",
            values=values,
        )
