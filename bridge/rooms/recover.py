"""What a previous owner of the room left unfinished."""

from __future__ import annotations

from itertools import groupby

from bridge import log
from bridge.domain.lease import Lease
from bridge.ports import Outbox, Turns
from bridge.rooms.send import Sender


async def settle(lease: Lease, *, outbox: Outbox, turns: Turns, sender: Sender) -> None:
    """Send planned effects and end the turns that were speaking.

    Turns that were only thinking showed nothing: their cause is still in the mailbox, and handling
    it generates again. Raises Unreachable and LeaseLost.
    """
    failed: set[str] = set()
    for turn_id, rows in groupby(await outbox.unsent(lease), key=lambda row: row.turn_id):
        if not await sender.send_all(lease, list(rows)):
            failed.add(turn_id)
    for turn in await turns.open_turns(lease):
        if turn.state == "speaking":
            await turns.move(lease, turn.turn_id, "failed" if turn.turn_id in failed else "done")
            log.get("rooms.recover").info("turn_finished_after_restart", turn=turn.turn_id)
