"""Which events of a room's timeline never reached us."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from bridge.domain.cast import Cast
from bridge.domain.events import Delivery, RoomEvent
from bridge.domain.ids import EventId, turn_id


def missed(
    events: Sequence[RoomEvent], known: Collection[EventId], answered: Collection[EventId]
) -> tuple[RoomEvent, ...]:
    """Of a timeline, the oldest first: the unknown ones that are newer than the oldest known one.

    What is older than anything known was perhaps never ours to see, or is still on its way. What
    was answered, an earlier state of the database knew: this one was put back from a backup.
    """
    first = next((n for n, event in enumerate(events) if event.event_id in known), len(events))
    return tuple(
        event
        for event in events[first:]
        if event.event_id not in known and event.event_id not in answered
    )


def answered(seen: Delivery, cast: Cast) -> frozenset[EventId]:
    """The events of a timeline whose answers, of ours, stand in the same timeline."""
    turns = {echo.txn_id.rpartition(".")[0] for echo in seen.echoes}
    return frozenset(
        event.event_id
        for event in seen.events
        for puppet in cast.puppets
        if turn_id(event.room_id, event.event_id, puppet.puppet_id) in turns
    )
