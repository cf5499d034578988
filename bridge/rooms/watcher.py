"""Looks at what comes into a room while something is being done there."""

from __future__ import annotations

from bridge import log
from bridge.domain.events import Edit, Message, Reaction, Redaction, RoomEvent
from bridge.domain.history import Said
from bridge.domain.ids import EventId, PuppetId
from bridge.domain.lease import Arrival, Lease
from bridge.domain.room import Room
from bridge.policy.decide import wish_to_be_forgotten
from bridge.policy.view import House, View
from bridge.ports import Store
from bridge.rooms.ahead import Ahead
from bridge.rooms.watch import Watch


class Watcher:
    """Makes the watches of turns."""

    def __init__(self, *, store: Store, house: House) -> None:
        self._store = store
        self._house = house
        self._log = log.get("rooms.watcher")

    def watch(
        self,
        lease: Lease,
        room: Room,
        puppet_id: PuppetId | None,
        ahead: Ahead,
        cause: Arrival | None = None,
        *,
        is_unasked: bool = False,
    ) -> Watch:
        """Does anything that has arrived since make what the puppet is doing pointless?

        What is being done belongs to `cause`, or to the first event in the mailbox: it leaves it
        when all is done.
        """

        async def watch() -> str | None:
            nonlocal cause
            if puppet_id is None:
                return None
            if cause is None:
                cause = next(iter(await self._store.mailbox.take(lease, 1)), None)
            if cause is None:
                return None
            from_seq = max(ahead.seen_seq, cause.seq)
            for arrival in await self._store.mailbox.take(lease, after_seq=from_seq):
                ahead.seen_seq = arrival.seq
                if ahead.may_matter(arrival.event):
                    await self._look_at(lease, room, arrival, ahead)
            found = ahead.reasons(puppet_id, cause, is_unasked=is_unasked)
            return next((reason for reason in found if reason), None)

        return watch

    async def _look_at(self, lease: Lease, room: Room, later: Arrival, ahead: Ahead) -> None:
        """Keep in mind whom it interrupts, and do at once what cannot wait for its turn."""
        said = await self.referred(later.event)
        view = View(house=self._house, room=room, before=room, said=said)
        try:
            wish = wish_to_be_forgotten(view, later.event)
            ahead.note(later, view, wish.person if wish else None)
        except Exception as error:  # its own turn will come; it must not spoil that of the cause
            problem = type(error).__name__
            self._log.debug("event_not_understood", event_id=later.event.event_id, problem=problem)
            return
        if wish is not None:
            await self._store.people.forget(lease, wish.person, wish.cause_id)

    async def referred(self, event: RoomEvent) -> dict[EventId, Said]:
        """The stored messages that an event points at."""
        match event:
            case Message():
                targets = (event.reply_to, event.thread_root)
            case Edit() | Redaction() | Reaction():
                targets = (event.target,)
            case _:
                targets = ()
        found: dict[EventId, Said] = {}
        for target in targets:
            if target is not None and (said := await self._store.history.get(target)):
                found[target] = said
                if isinstance(event, Reaction) and said.reply_to is not None:
                    asked = await self._store.history.get(said.reply_to)
                    found |= {said.reply_to: asked} if asked else {}
        return found
