"""Effects that are planned before they are sent, and what became of them.

planned -> sent (the homeserver answered) -> confirmed (it came back as an echo); abandoned: it can
never be sent. An echo confirms a planned row too: the answer was lost, the message was not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from bridge.domain.effect import (
    EditText,
    Effect,
    Planned,
    React,
    Redact,
    SendText,
    is_for_prompts,
)
from bridge.domain.events import Echo, Repeat
from bridge.domain.history import Said
from bridge.domain.ids import EventId, RoomId, TurnId, TxnId, txn_id
from bridge.domain.lease import Lease
from bridge.domain.turn import Turn
from bridge.store.codec import EFFECTS
from bridge.store.database import Connection, Database, Row
from bridge.store.erasure import is_entombed, redact, strike_effects
from bridge.store.fence import owning
from bridge.store.history import append, rename
from bridge.store.turns import move_turn, open_turn

_COLUMNS = """txn_id, turn_id, room_id, puppet_id, body, state, event_id, attempts, planned_at"""


class Outbox:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def plan(
        self,
        lease: Lease,
        turn: Turn,
        effects: Sequence[tuple[str, Effect]],
        *,
        goes_on: bool = False,
    ) -> Sequence[Planned]:
        """Commit effects (ordinal, effect) of a turn and move the turn to `speaking`, unless it
        goes on thinking.

        A row that exists is kept as it is: the stored content is the truth, never made again.
        Returns the turn's rows in the order they were planned. Raises LeaseLost.
        """
        async with owning(self._database, lease) as connection:
            await open_turn(connection, turn)
            if not goes_on:
                await move_turn(connection, turn.turn_id, "speaking")
            planned_at = await connection.now()
            for ordinal, effect in effects:
                await connection.execute(
                    """
                    INSERT INTO outbox
                        (txn_id, turn_id, room_id, puppet_id, body, state, planned_at)
                    VALUES ($1, $2, $3, $4, $5, 'planned', $6) ON CONFLICT (txn_id) DO NOTHING
                    """,
                    txn_id(turn.turn_id, ordinal),
                    turn.turn_id,
                    turn.room_id,
                    turn.puppet_id,
                    EFFECTS.encode(effect),
                    planned_at,
                )
            rows = await connection.fetch(
                f"SELECT {_COLUMNS} FROM outbox WHERE turn_id = $1 ORDER BY seq", turn.turn_id
            )
        return [_planned(row) for row in rows]

    async def of_turn(self, turn_id: TurnId) -> Sequence[Planned]:
        """The turn's rows in the order they were planned."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(
                f"SELECT {_COLUMNS} FROM outbox WHERE turn_id = $1 ORDER BY seq", turn_id
            )
        return [_planned(row) for row in rows]

    async def unsent(self, lease: Lease) -> Sequence[Planned]:
        """Planned, not yet sent effects of the room, in the order they were planned."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(
                f"""
                SELECT {_COLUMNS} FROM outbox WHERE room_id = $1 AND state = 'planned' ORDER BY seq
                """,
                lease.room_id,
            )
        return [_planned(row) for row in rows]

    async def mark_sent(
        self, lease: Lease, txn_id: TxnId, event_id: EventId, said: Said | None
    ) -> None:
        """It is on the homeserver; `said` joins the history in the same commit. Idempotent."""
        async with owning(self._database, lease) as connection:
            body = await connection.fetchval(
                """
                UPDATE outbox SET state = 'sent', event_id = $2, attempts = attempts + 1
                WHERE txn_id = $1 AND state IN ('planned', 'abandoned') RETURNING body
                """,
                txn_id,
                event_id,
            )
            # An echo that was quicker has brought it into the history already.
            if body is None:
                return
            effect = EFFECTS.decode(body)
            if isinstance(effect, SendText) and said is not None:
                await _join_history(connection, txn_id, effect, said)
            else:
                await _change_history(connection, lease.room_id, txn_id, event_id, effect)

    async def abandon(self, lease: Lease, txn_id: TxnId, *, problem: str) -> None:
        """It can never be sent: its words are of no use to anybody."""
        async with owning(self._database, lease) as connection:
            rows = await connection.fetch(
                """
                UPDATE outbox SET state = 'abandoned', problem = $2
                WHERE txn_id = $1 AND state = 'planned' RETURNING seq, body
                """,
                txn_id,
                problem,
            )
            await strike_effects(connection, rows)


async def confirm(connection: Connection, echo: Echo) -> Repeat | bool:
    """Our own effect came back: never send it again. True when that was news to us.

    A `Repeat` when another event of the same transaction id came back before: the first one in the
    room's order counts, also where the homeserver's answer named the later one. Anybody can put
    our key into an event: only the puppet that was to send it is believed, in the room it was to be
    sent to.
    """
    row = await connection.fetchrow(
        """
        SELECT outbox.state, outbox.body, outbox.event_id, puppet.display_name FROM outbox
        JOIN puppet ON puppet.puppet_id = outbox.puppet_id
        WHERE outbox.txn_id = $1 AND outbox.room_id = $2 AND puppet.user_id = $3
        """,
        echo.txn_id,
        echo.room_id,
        echo.sender,
    )
    if row is None:
        return False
    now = await connection.now()
    if row["state"] == "confirmed":
        return False if row["event_id"] == echo.event_id else _repeat(echo, now)
    await connection.execute(
        "UPDATE outbox SET state = 'confirmed', event_id = $2 WHERE txn_id = $1",
        echo.txn_id,
        echo.event_id,
    )
    if row["state"] == "sent":
        if row["event_id"] != echo.event_id:
            await rename(connection, row["event_id"], echo.event_id)
        return False
    effect = EFFECTS.decode(row["body"])
    if isinstance(effect, SendText):
        said = _said(echo, effect, row["display_name"], now)
        await _join_history(connection, echo.txn_id, effect, said)
    else:
        await _change_history(connection, echo.room_id, echo.txn_id, echo.event_id, effect)
    return True


async def _join_history(
    connection: Connection, txn_id: TxnId, effect: SendText, said: Said
) -> None:
    """In the words that are still stored: some may have been taken back while they were sent."""
    is_context = said.is_context and bool(effect.text)
    await append(connection, replace(said, text=effect.text, is_context=is_context))
    if await is_entombed(connection, said.event_id):
        rows = await connection.fetch("SELECT seq, body FROM outbox WHERE txn_id = $1", txn_id)
        await strike_effects(connection, rows)


async def _change_history(
    connection: Connection, room_id: RoomId, txn_id: TxnId, event_id: EventId, effect: Effect
) -> None:
    """A message of ours says what its edit says, or nothing any more."""
    match effect:
        case EditText():
            await _edit_history(connection, room_id, txn_id, event_id, effect)
        case Redact():
            await redact(connection, room_id, effect.target)
        case SendText() | React():
            pass
        case _:
            assert_never(effect)


async def _edit_history(
    connection: Connection, room_id: RoomId, txn_id: TxnId, event_id: EventId, effect: EditText
) -> None:
    """Unless the message or its edit was taken back meanwhile."""
    if await is_entombed(connection, event_id):
        rows = await connection.fetch("SELECT seq, body FROM outbox WHERE txn_id = $1", txn_id)
        await strike_effects(connection, rows)
    elif effect.new.text:
        await connection.execute(
            """
            UPDATE message SET text = $3, is_context = $4
            WHERE event_id = $1 AND room_id = $2 AND redacted_at IS NULL
            """,
            effect.target,
            room_id,
            effect.new.text,
            is_for_prompts(effect.new),
        )


def _repeat(echo: Echo, now: int) -> Repeat:
    return Repeat(
        event_id=echo.event_id,
        room_id=echo.room_id,
        sender=echo.sender,
        sent_at=now,
        received_at=now,
        txn_id=echo.txn_id,
    )


def _said(echo: Echo, effect: SendText, sender_name: str, now: int) -> Said:
    return Said(
        event_id=echo.event_id,
        room_id=echo.room_id,
        sender=echo.sender,
        sender_name=sender_name,
        text=effect.text,
        sent_at=now,
        reply_to=effect.reply_to,
        thread_root=effect.thread_root,
        is_ours=True,
        is_ai=True,
        is_context=is_for_prompts(effect),
        is_notice=effect.is_notice,
        reason=effect.reason,
        hops=effect.hops,
    )


def _planned(row: Row) -> Planned:
    return Planned(
        txn_id=row["txn_id"],
        turn_id=row["turn_id"],
        room_id=row["room_id"],
        puppet_id=row["puppet_id"],
        effect=EFFECTS.decode(row["body"]),
        state=row["state"],
        event_id=row["event_id"],
        attempts=row["attempts"],
        planned_at=row["planned_at"],
    )
