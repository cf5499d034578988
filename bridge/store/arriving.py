"""How events come into the inbox: many rows by few statements, and the mailboxes woken."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from bridge.domain.events import (
    Delivery,
    Echo,
    Edit,
    Malformed,
    Reaction,
    Redaction,
    Repeat,
    RoomEvent,
)
from bridge.domain.ids import RoomId
from bridge.store.codec import EVENTS, Uncodable
from bridge.store.database import Connection, Value
from bridge.store.outbox import confirm
from bridge.store.workers import HASTE_UNTIL_DEATHS

# One statement for all rooms of a transaction, in the order of their ids: the row lock makes the
# order of events within a room the order of commits. A row without wake_at is only locked.
_ARRIVE: Final = """
INSERT INTO mailbox (room_id, arrivals, wake_at) VALUES {rows}
ON CONFLICT (room_id) DO UPDATE SET arrivals = mailbox.arrivals + excluded.arrivals,
    wake_at = CASE
        WHEN excluded.wake_at IS NULL OR mailbox.wake_at < excluded.wake_at
            OR mailbox.deaths > {haste_until_deaths} THEN mailbox.wake_at
        ELSE excluded.wake_at END
"""

_STORE: Final = """
INSERT INTO inbox (event_id, room_id, kind, body, sent_at, received_at, target_id) VALUES {rows}
ON CONFLICT (event_id) DO NOTHING
"""

_PARAMETERS_AT_MOST: Final = 700
"""Of one statement. Rows are stored in chunks of powers of two, so that few texts exist."""


@dataclass(frozen=True, slots=True)
class Sorted:
    """A delivery with its events as JSON; what has no JSON form is malformed."""

    bodies: dict[RoomId, list[tuple[RoomEvent, str]]]
    malformed: list[Malformed]


def sort(delivery: Delivery) -> Sorted:
    bodies: defaultdict[RoomId, list[tuple[RoomEvent, str]]] = defaultdict(list)
    malformed = list(delivery.malformed)
    for event in delivery.events:
        try:
            bodies[event.room_id].append((event, EVENTS.encode(event)))
        except Uncodable as error:
            malformed.append(
                Malformed(problem=str(error), raw=event.event_id, received_at=event.received_at)
            )
    return Sorted(bodies, malformed)


async def arrive(connection: Connection, now: int, counts: Mapping[RoomId, int]) -> None:
    """Lock the mailboxes of these rooms, and wake those that something comes to."""
    rows = [(room_id, count, now if count else None) for room_id, count in sorted(counts.items())]
    sql = _ARRIVE.replace("{haste_until_deaths}", str(HASTE_UNTIL_DEATHS))
    await _insert(connection, sql, rows)


async def take_echo(connection: Connection, echo: Echo, now: int) -> bool:
    """True when it gives its room something to do."""
    outcome = await confirm(connection, echo)
    if isinstance(outcome, Repeat):
        await store_events(connection, [(outcome, EVENTS.encode(outcome))])
    if outcome:
        await arrive(connection, now, {echo.room_id: 1})
    return bool(outcome)


async def store_events(connection: Connection, bodies: Sequence[tuple[RoomEvent, str]]) -> int:
    """Returns how many events were new."""
    rows = [
        (
            event.event_id,
            event.room_id,
            event.kind,
            body,
            event.sent_at,
            event.received_at,
            event.target if isinstance(event, Edit | Redaction | Reaction) else None,
        )
        for event, body in bodies
    ]
    return await _insert(connection, _STORE, rows)


async def _insert(connection: Connection, sql: str, rows: Sequence[Sequence[Value]]) -> int:
    """Insert many rows by few statements; returns how many were."""
    inserted = start = 0
    while start < len(rows):
        width = len(rows[start])
        at_most = min(len(rows) - start, _PARAMETERS_AT_MOST // width)
        size = 1 << (at_most.bit_length() - 1)
        chunk = rows[start : start + size]
        inserted += await connection.execute(
            sql.replace("{rows}", _places(size, width)), *(value for row in chunk for value in row)
        )
        start += size
    return inserted


@lru_cache
def _places(rows: int, width: int) -> str:
    """`($1, $2), ($3, $4)` for two rows of two values."""
    numbers = iter(range(1, rows * width + 1))
    return ", ".join(
        "(" + ", ".join(f"${next(numbers)}" for _ in range(width)) + ")" for _ in range(rows)
    )


async def store_malformed(connection: Connection, malformed: Iterable[Malformed]) -> None:
    await connection.execute_many(
        "INSERT INTO malformed (problem, raw, received_at) VALUES ($1, $2, $3)",
        [(each.problem, each.raw, each.received_at) for each in malformed],
    )
