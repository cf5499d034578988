"""What a previous owner of the room left unfinished."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bridge import log
from bridge.domain.ids import PuppetId
from bridge.domain.lease import Lease
from bridge.domain.turn import Turn
from bridge.ports import Outbox, Turns
from bridge.rooms.send import Sender
from bridge.rooms.watch import Watch


async def settle(
    lease: Lease,
    *,
    outbox: Outbox,
    turns: Turns,
    sender: Sender,
    watch_for: Callable[[PuppetId], Watch],
) -> Sequence[Turn]:
    """Send planned effects and end the turns that were speaking.

    Returns those that were only thinking: their cause is still in the mailbox, and handling it
    generates again. Raises Unreachable and LeaseLost.
    """
    thinking: list[Turn] = []
    for turn in await turns.open_turns(lease):
        if turn.state != "speaking":
            thinking.append(turn)
            continue
        # All rows of the turn: whether the rest may be sent depends on what became of the first.
        rows = await outbox.plan(lease, turn, ())
        outcome = await sender.send_all(lease, rows, watch_for(turn.puppet_id))
        await turns.move(lease, turn.turn_id, outcome)
        log.get("rooms.recover").info(
            "turn_finished_after_restart", turn=turn.turn_id, outcome=outcome
        )
    return thinking
