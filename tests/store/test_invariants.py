"""Each invariant holds of an ordinary store, and is told when a row breaks it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bridge.domain.ids import EventId
from bridge.store.invariants import NAMES, SLACK_MS, STUCK_MS, UNCONFIRMED_MS, broken, refusals
from bridge.store.store import Store
from tests.store.making import LUNA_USER, ROOM, lease, record_luna, said, text, turn

WEEK_MS = 7 * 86_400_000


async def told(store: Store) -> list[str]:
    return [one.name for one in await broken(store.database, retention_ms=WEEK_MS)]


async def run(store: Store, *statements: str) -> None:
    """`{now}` is the store's clock."""
    async with store.database.transaction() as connection:
        now = await connection.now()
        for statement in statements:
            await connection.execute(statement.format(now=now))


async def spoken(store: Store) -> None:
    """A room with a turn that is done and its effect confirmed, and everything handled."""
    await record_luna(store)
    held = await lease(store)
    [row] = await store.outbox.plan(held, turn(), [("0", text("CANARY"))])
    await store.outbox.mark_sent(held, row.txn_id, EventId("$sent"), said("$sent", "CANARY"))
    await store.turns.move(held, turn().turn_id, "done")
    for arrival in await store.mailbox.take(held):
        await store.mailbox.finish(held, arrival.seq, reason="x", room=None)
    await store.mailbox.release(held, retry_in_ms=None)
    join = f"""
        INSERT INTO member (room_id, user_id, membership, display_name)
        VALUES ('{ROOM}', '{LUNA_USER}', 'join', '')"""
    await run(
        store,
        "UPDATE outbox SET state = 'confirmed'",
        "UPDATE inbox SET received_at = {now}",
        join,
    )


async def test_an_empty_store_and_an_ordinary_one_break_nothing(store: Store) -> None:
    assert await told(store) == []
    await spoken(store)
    assert await told(store) == []


BREAKS: Sequence[tuple[str, tuple[str, ...]]] = (
    (
        "unhandled",
        (
            f"UPDATE inbox SET state = 'new', received_at = {{now}} - {STUCK_MS} - 1",
            "UPDATE mailbox SET wake_at = 0",
        ),
    ),
    ("unsettled_turn", ("DELETE FROM outbox", "UPDATE turn SET ended_at = {now} - 1")),
    (
        "unsettled_turn",
        ("UPDATE outbox SET state = 'abandoned'", "UPDATE turn SET ended_at = {now} - 1"),
    ),
    (
        "unconfirmed",
        (f"UPDATE outbox SET state = 'sent', planned_at = {{now}} - {UNCONFIRMED_MS} - 1",),
    ),
    (
        "stuck_effect",
        (
            f"UPDATE outbox SET state = 'planned', planned_at = {{now}} - {STUCK_MS} - 1",
            "UPDATE turn SET state = 'speaking', started_at = {now}, ended_at = NULL",
        ),
    ),
    (
        "stuck_turn",
        (f"UPDATE turn SET state = 'thinking', started_at = {{now}} - {STUCK_MS} - 1",),
    ),
    ("too_old", (f"UPDATE message SET stored_at = {{now}} - {WEEK_MS + SLACK_MS} - 1",)),
    ("too_old", (f"UPDATE outbox SET planned_at = {{now}} - {WEEK_MS + SLACK_MS} - 1",)),
    ("orphan", ("UPDATE mailbox SET owner = 'nobody'",)),
    (
        "asleep",
        (
            "UPDATE inbox SET state = 'new', received_at = {now}",
            "UPDATE mailbox SET wake_at = NULL",
        ),
    ),
)


@pytest.mark.parametrize(("name", "statements"), BREAKS)
async def test_what_breaks_an_invariant_is_told_with_an_example(
    store: Store, name: str, statements: tuple[str, ...]
) -> None:
    await spoken(store)
    await run(store, *statements)
    [one] = await broken(store.database, retention_ms=WEEK_MS)
    assert (one.name, one.count) == (name, 1)
    assert one.example
    assert one.since > 0
    assert "CANARY" not in repr(one)


def test_every_invariant_has_a_test_that_breaks_it() -> None:
    assert {name for name, _ in BREAKS} == set(NAMES)


async def test_a_sent_effect_of_a_puppet_that_left_is_not_waited_for(store: Store) -> None:
    await spoken(store)
    await run(
        store,
        "UPDATE outbox SET state = 'sent', planned_at = {now} - 86400000",
        "UPDATE member SET membership = 'leave'",
    )
    assert await told(store) == []


async def test_refusals_are_counted_by_error_code_and_our_own_reasons_are_not(
    store: Store,
) -> None:
    await spoken(store)
    await run(store, "UPDATE outbox SET state = 'abandoned', problem = 'M_FORBIDDEN'")
    assert (await refusals(store.database, since=0)).by_problem == {"M_FORBIDDEN": 1}
    await run(store, "UPDATE outbox SET problem = 'redacted'")
    assert (await refusals(store.database, since=0)).by_problem == {}
    await run(store, "UPDATE inbox SET state = 'poison', problem = 'ZeroDivisionError'")
    assert (await refusals(store.database, since=0)).poison == {"ZeroDivisionError": 1}
