"""From the outbox to the homeserver: planned effects are sent in order, each exactly once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from bridge import log, metrics
from bridge.clock import Clock
from bridge.domain.cast import Cast
from bridge.domain.effect import Planned, SendText
from bridge.domain.history import Said
from bridge.domain.ids import EventId
from bridge.domain.lease import Lease
from bridge.domain.persona import Puppet
from bridge.errors import RateLimited, Refused, Unreachable
from bridge.ports import Homeserver, Outbox

HOMESERVER_MEMORY_MS: Final = 20 * 3_600_000
"""Synapse recognises a repeated transaction id of a device for 24 h; later it would double."""

_MAX_RATE_LIMIT_WAITS: Final = 20


class Sender:
    """Sends planned effects of one room at a time."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        homeserver: Homeserver,
        cast: Cast,
        clock: Clock,
        check_lease: Callable[[], None],
    ) -> None:
        self._outbox = outbox
        self._homeserver = homeserver
        self._cast = cast
        self._clock = clock
        self._check_lease = check_lease
        self._log = log.get("rooms.send")

    async def send_all(self, lease: Lease, rows: Sequence[Planned]) -> bool:
        """Send what is still planned, in order; True when every row is on the homeserver.

        Safe to repeat: the same transaction id again gives the same event. When one can never be
        sent, it and the rest are abandoned. Raises Unreachable when the homeserver is away, and
        LeaseLost.
        """
        is_complete = True
        for row in rows:
            if row.state != "planned":
                is_complete = is_complete and row.state != "abandoned"
            elif not is_complete:
                await self._outbox.abandon(lease, row.txn_id, problem="an earlier part failed")
            else:
                is_complete = await self._send(lease, row)
        return is_complete

    async def _send(self, lease: Lease, row: Planned) -> bool:
        puppet = self._cast.by_id(row.puppet_id)
        if puppet is None:
            return await self._give_up(lease, row, "the puppet is no longer enabled")
        if self._clock.now() - row.planned_at > HOMESERVER_MEMORY_MS:
            return await self._give_up(lease, row, "too old to be sent without doubling")
        try:
            event_id = await self._send_within_limits(puppet, row)
        except Refused as refusal:
            return await self._give_up(lease, row, refusal.errcode or str(refusal.status))
        await self._outbox.mark_sent(
            lease, row.txn_id, event_id, self._as_said(puppet, row, event_id)
        )
        metrics.SENDS.labels(kind=row.effect.kind, outcome="sent").inc()
        return True

    async def _send_within_limits(self, puppet: Puppet, row: Planned) -> EventId:
        for _ in range(_MAX_RATE_LIMIT_WAITS):
            self._check_lease()
            try:
                return await self._homeserver.send(puppet, row.room_id, row.effect, row.txn_id)
            except RateLimited as limit:
                await self._clock.sleep(limit.retry_after_ms / 1000)
        raise Unreachable("the homeserver keeps asking to wait")

    async def _give_up(self, lease: Lease, row: Planned, problem: str) -> bool:
        self._log.warning("effect_abandoned", turn=row.turn_id, kind=row.effect.kind, why=problem)
        metrics.SENDS.labels(kind=row.effect.kind, outcome="abandoned").inc()
        await self._outbox.abandon(lease, row.txn_id, problem=problem)
        return False

    def _as_said(self, puppet: Puppet, row: Planned, event_id: EventId) -> Said | None:
        if not isinstance(row.effect, SendText):
            return None
        return Said(
            event_id=event_id,
            room_id=row.room_id,
            sender=puppet.user_id,
            sender_name=puppet.display_name,
            text=row.effect.text,
            sent_at=self._clock.now(),
            reply_to=row.effect.reply_to,
            thread_root=row.effect.thread_root,
            is_ours=True,
            is_ai=True,
            is_context=row.effect.is_generated,
        )
