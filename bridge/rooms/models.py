"""What admins ask of models: which are there, and to have one pulled."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.domain.decision import FetchModel, Say, TakeStock
from bridge.domain.lease import Lease
from bridge.domain.model import Pull, Wanted
from bridge.domain.room import Room
from bridge.policy.operating import Unfit, filled, meant, stock_told
from bridge.ports import ModelKeeper, Pulls
from bridge.rooms.puller import Puller


class Models:
    """Finds out what there is to say. Every wish may be carried out again after a crash."""

    def __init__(self, *, pulls: Pulls, keeper: ModelKeeper, puller: Puller) -> None:
        self._pulls = pulls
        self._keeper = keeper
        self._puller = puller

    async def stock(self, wish: TakeStock) -> Say:
        return stock_told(wish.say, await self._keeper.stock())

    async def fetch(self, lease: Lease, room: Room, wish: FetchModel) -> Sequence[Say]:
        """Begin the downloads; the puller tells what comes of them. Returns what is to be said at
        once. Raises LeaseLost."""
        found = meant(self._keeper.wanted(), wish.model, wish.server)
        if isinstance(found, Unfit):
            return (filled(wish.say, found.sentence, found.values),)
        sayings: list[Say] = []
        for number, wanted in enumerate(found):
            if say := await self._begin(lease, room, wish, wanted, number):
                sayings.append(say)
        return sayings

    async def _begin(
        self, lease: Lease, room: Room, wish: FetchModel, wanted: Wanted, number: int
    ) -> Say | None:
        mine = Pull(
            pull_id=f"{wish.cause_id}~{number}",
            server=wanted.server,
            model=wanted.model,
            room_id=room.room_id,
            puppet_id=wish.puppet_id,
            cause_id=wish.cause_id,
        )
        stored = await self._pulls.begin(lease, mine)
        if stored.pull_id == mine.pull_id:
            self._puller.wake()
            return None
        values = (
            ("model", stored.model),
            ("server", stored.server),
            ("percent", str(stored.percent or "")),
        )
        return filled(wish.say, "pull_running", values, ordinal=f"n{number}")
