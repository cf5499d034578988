"""What has come into a room behind the event in hand, each event looked at once.

Most of it interrupts nobody. What may is kept until its own turn has come, so that a room with a
thousand waiting events costs its turns no more than one with ten.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bridge.domain.events import (
    Membership,
    Message,
    Reaction,
    Redaction,
    RoomEvent,
    StateChange,
)
from bridge.domain.ids import PuppetId, UserId
from bridge.domain.lease import Arrival
from bridge.policy import reasons
from bridge.policy.decide import interrupts
from bridge.policy.machines import is_machine
from bridge.policy.view import View


@dataclass(frozen=True, slots=True, kw_only=True)
class _Noted:
    """`view`: as the room was when the event was looked at. `forgets`: who wants that."""

    arrival: Arrival
    view: View
    forgets: UserId | None


class Ahead:
    """Belongs to one lease of a room. `seen_seq`: everything up to there was looked at."""

    def __init__(self) -> None:
        self.seen_seq = 0
        self._noted: list[_Noted] = []
        self._human_seq = 0
        """The newest message of a person."""

    def may_matter(self, event: RoomEvent) -> bool:
        """Is it of a kind that can interrupt a turn? Cheap."""
        return isinstance(event, Message | Redaction | Reaction | Membership | StateChange)

    def note(self, arrival: Arrival, view: View, forgets: UserId | None) -> None:
        """Keep it if it interrupts any puppet at any cause."""
        event = arrival.event
        if isinstance(event, Message) and not is_machine(view, event):
            self._human_seq = max(self._human_seq, arrival.seq)
        concerns_somebody = isinstance(event, Redaction) or any(
            interrupts(view, puppet.puppet_id, event.event_id, event)
            for puppet in view.house.cast.puppets
        )
        if concerns_somebody or forgets is not None:
            self._noted.append(_Noted(arrival=arrival, view=view, forgets=forgets))

    def reasons(
        self, puppet_id: PuppetId, cause: Arrival, *, is_unasked: bool
    ) -> Iterator[str | None]:
        """Why what the puppet does for `cause` has become pointless, in the order of the events.

        What nobody asked for gives way to whatever a person says meanwhile.
        """
        if is_unasked and self._human_seq > cause.seq:
            yield reasons.SOMEBODY_SPOKE
        self._noted = [one for one in self._noted if one.arrival.seq > cause.seq]
        for one in self._noted:
            if one.forgets is not None and one.forgets == cause.event.sender:
                yield reasons.FORGOTTEN
            yield interrupts(one.view, puppet_id, cause.event.event_id, one.arrival.event)
