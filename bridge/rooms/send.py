"""From the outbox to the homeserver: planned effects are sent in order, each exactly once."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, Literal

from bridge import log, metrics
from bridge.clock import Clock
from bridge.domain.cast import Cast
from bridge.domain.effect import EditText, Planned, SendText, is_for_prompts
from bridge.domain.history import Said
from bridge.domain.ids import EventId, RoomId, TxnId
from bridge.domain.lease import Lease
from bridge.domain.persona import Puppet
from bridge.errors import BridgeError, RateLimited, Refused, Unreachable
from bridge.policy.stopping import gives_way
from bridge.ports import Homeserver, Outbox
from bridge.rooms.watch import Watch

HOMESERVER_MEMORY_MS: Final = 20 * 3_600_000
"""Synapse recognises a repeated transaction id of a device for 24 h; later it would double."""

_MAX_RATE_LIMIT_WAITS: Final = 20
_ERRCODE: Final = re.compile(r"M_[A-Z_]{1,38}")

Outcome = Literal["done", "dropped", "failed"]
"""What becomes of a turn whose effects were sent: all of them, or pointless, or refused."""


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

    async def send_all(self, lease: Lease, rows: Sequence[Planned], watch: Watch) -> Outcome:
        """Send what is still planned of one turn, in order.

        Safe to repeat: the same transaction id again gives the same event. When one can never be
        sent, or `watch` has a reason against it, it and the rest are abandoned. Raises Unreachable
        when the homeserver is away, and LeaseLost.
        """
        outcome: Outcome = "done"
        for row in rows:
            if row.state == "abandoned":
                outcome = "failed"
            elif row.state == "planned" and outcome == "done":
                outcome = await self._send(lease, row, watch)
            elif row.state == "planned":
                await self._outbox.abandon(
                    lease, row.txn_id, problem="an earlier part was not sent"
                )
        return outcome

    async def _send(self, lease: Lease, row: Planned, watch: Watch) -> Outcome:
        puppet = self._cast.by_id(row.puppet_id)
        problem = self._why_never(row)
        if puppet is None or problem:
            problem = problem or "the puppet is no longer enabled"
            return await self._give_up(lease, row, problem)
        for _ in range(_MAX_RATE_LIMIT_WAITS):
            if (reason := await watch()) and gives_way(row.effect, reason):
                await self._give_up(lease, row, reason)
                return "dropped"
            self._check_lease()
            try:
                event_id = await self._homeserver.send(puppet, row.room_id, row.effect, row.txn_id)
            except RateLimited as limit:
                await self._clock.sleep(limit.retry_after_ms / 1000)
            except Refused as refusal:
                metrics.EFFECTS_REFUSED.labels(errcode=_known(refusal.errcode)).inc()
                return await self._give_up(lease, row, refusal.errcode or str(refusal.status))
            except BridgeError:
                raise
            except Exception as error:  # what cannot even be rendered would block the room for ever
                self._log.exception("effect_crashed", turn=row.turn_id, kind=row.effect.kind)
                return await self._give_up(lease, row, type(error).__name__)
            else:
                return await self._note_sent(lease, puppet, row, event_id)
        raise Unreachable("the homeserver keeps asking to wait")

    def _why_never(self, row: Planned) -> str | None:
        if isinstance(row.effect, EditText) and not row.effect.new.text:
            return "what it says was taken back"
        if self._clock.now() - row.planned_at > HOMESERVER_MEMORY_MS:
            return "too old to be sent without doubling"
        return None

    async def show(self, puppet: Puppet, room_id: RoomId, effect: EditText, txn_id: TxnId) -> None:
        """Send what may as well be lost: a better one follows. Raises HomeserverError."""
        self._check_lease()
        await self._homeserver.send(puppet, room_id, effect, txn_id)
        metrics.SENDS.labels(kind=effect.kind, outcome="sent").inc()

    async def _note_sent(
        self, lease: Lease, puppet: Puppet, row: Planned, event_id: EventId
    ) -> Outcome:
        said = self._as_said(puppet, row, event_id)
        await self._outbox.mark_sent(lease, row.txn_id, event_id, said)
        metrics.SENDS.labels(kind=row.effect.kind, outcome="sent").inc()
        return "done"

    async def _give_up(self, lease: Lease, row: Planned, problem: str) -> Outcome:
        self._log.warning("effect_abandoned", turn=row.turn_id, kind=row.effect.kind, why=problem)
        metrics.SENDS.labels(kind=row.effect.kind, outcome="abandoned").inc()
        await self._outbox.abandon(lease, row.txn_id, problem=problem)
        return "failed"

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
            is_context=is_for_prompts(row.effect),
            is_notice=row.effect.is_notice,
            reason=row.effect.reason,
            hops=row.effect.hops,
        )


def _known(errcode: str) -> str:
    """A homeserver chooses its error codes: as a label only what looks like one of Matrix."""
    return errcode if _ERRCODE.fullmatch(errcode) else "other"
