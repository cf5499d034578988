"""The statements that run all the time use their indexes at 50,000 rooms.

They are taken from the store as it runs them, so that this follows the code.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
import pytest_asyncio

from bridge.clock import FakeClock
from bridge.domain.events import Delivery, Echo, Edit, Redaction
from bridge.domain.ids import EventId, RoomId
from bridge.rooms.dispatcher import CLAIMED_AT_ONCE
from bridge.store.database import Connection
from bridge.store.store import Store, open_store
from tests.store.making import ALICE, LUNA_USER, ROOM, hire, message, record_luna, said, text, turn

ROOMS: Final = 50_000
BIG: Final = ("mailbox", "inbox", "message", "outbox", "turn", "member")
_SCAN: Final = re.compile(rf"\bSCAN ({'|'.join(BIG)})\b(?! USING (COVERING )?INDEX (\w+))")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def crowded(request: pytest.FixtureRequest, tmp_path_factory: Any) -> AsyncIterator[Store]:
    kind: str = request.param
    if kind == "sqlite":
        url = f"sqlite:{tmp_path_factory.mktemp('plans') / 'bridge.db'}"
    else:
        url = request.getfixturevalue("postgres").create_database()
    store = await open_store(url, FakeClock())
    await _fill(store)
    yield store
    await store.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "crowded" in metafunc.fixturenames:
        metafunc.parametrize("crowded", ["sqlite", "postgres"], indirect=True, scope="module")


async def _fill(store: Store) -> None:
    """Rooms with four handled events each, some text, turns and effects; 500 rooms are due."""
    postgres = store.database.dialect == "postgres"

    def numbers(count: int) -> str:
        if postgres:
            return f"generate_series(1, {count}) AS s(n)"
        return (
            f"(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count}) "
            "SELECT n FROM s) AS s"
        )

    statements = [
        f"""INSERT INTO mailbox (room_id, wake_at)
            SELECT '!r' || n, CASE WHEN n <= 500 THEN 1 END FROM {numbers(ROOMS)}""",
        f"""INSERT INTO inbox (event_id, room_id, kind, body, sent_at, received_at, state)
            SELECT '$' || n, '!r' || (n % {ROOMS} + 1), 'message', '', n, n, 'done'
            FROM {numbers(4 * ROOMS)}""",
        f"""INSERT INTO message (event_id, room_id, sender, sender_name, text, sent_at, stored_at,
                is_ours, is_ai, is_context)
            SELECT '$' || n, '!r' || (n % {ROOMS} + 1), '@p' || n, '', 'words', n, n, 0, 0, 1
            FROM {numbers(2 * ROOMS)}""",
        f"""INSERT INTO turn (turn_id, room_id, puppet_id, cause_id, reason, state, model,
                prompt_tokens, reply_tokens, started_at, ended_at)
            SELECT 't' || n, '!r' || n, 'luna', '$' || n, '', 'done', '', 0, 0, n, n
            FROM {numbers(ROOMS)}""",
        f"""INSERT INTO outbox (txn_id, turn_id, room_id, puppet_id, body, state, event_id,
                planned_at)
            SELECT 't' || n || '.0', 't' || n, '!r' || n, 'luna', '', 'confirmed', '$o' || n, n
            FROM {numbers(ROOMS)}""",
        f"""INSERT INTO member (room_id, user_id, membership, display_name)
            SELECT '!r' || n, '@p' || n, 'join', '' FROM {numbers(ROOMS)}""",
        "ANALYZE",
    ]
    async with store.database.transaction() as connection:
        for statement in statements:
            await connection.execute(statement)


@contextmanager
def captured() -> Iterator[list[tuple[str, tuple[Any, ...]]]]:
    """What the store asks of its connections."""
    seen: list[tuple[str, tuple[Any, ...]]] = []
    with pytest.MonkeyPatch.context() as patch:
        for name in ("execute", "fetch", "fetchrow", "fetchval"):
            original = getattr(Connection, name)

            async def watched(
                connection: Connection, sql: str, *args: Any, _original: Any = original
            ) -> Any:
                seen.append((sql, args))
                return await _original(connection, sql, *args)

            patch.setattr(Connection, name, watched)
        yield seen


async def _work(store: Store) -> None:
    """A question, from its delivery to its answer, and what takes it back."""
    await record_luna(store)
    events = [message(f"$new{n}", RoomId(f"!r{n}")) for n in range(1, 40)]
    await store.mailbox.deliver(Delivery(events=(message("$asked"), *events)))
    worker = await hire(store, "worker")
    await store.workers.free_dead(worker)
    await store.mailbox.next_wake_in_ms()
    held = None
    while held is None:
        leases = await store.mailbox.claim(worker, CLAIMED_AT_ONCE)
        held = next((lease for lease in leases if lease.room_id == ROOM), None)
    [arrival] = await store.mailbox.take(held)
    await store.rooms.get(ROOM)
    await store.turns.open(held, turn("$asked"))
    await store.turns.open_turns(held)
    await store.turns.spent(ALICE, ROOM)
    await store.history.add(held, said("$asked"))
    await store.history.recent(ROOM, from_seq=0, limit=60)
    await store.history.get(EventId("$asked"))
    [row] = await store.outbox.plan(held, turn("$asked"), [("0", text())])
    await store.outbox.unsent(held)
    await store.outbox.mark_sent(held, row.txn_id, EventId("$answer"), None)
    await store.turns.move(held, turn("$asked").turn_id, "done")
    await store.mailbox.finish(held, arrival.seq, reason="x", room=None)
    await store.mailbox.release(held, retry_in_ms=None)
    echo = Echo(txn_id=row.txn_id, event_id=EventId("$answer"), room_id=ROOM, sender=LUNA_USER)
    envelope: dict[str, Any] = {
        "room_id": ROOM, "sender": ALICE, "sent_at": 1, "received_at": 1,
        "target": EventId("$asked"),
    }  # fmt: skip
    edit = Edit(event_id=EventId("$edit"), text="new", **envelope)
    redaction = Redaction(event_id=EventId("$redaction"), **envelope)
    await store.mailbox.deliver(Delivery(events=(edit,), echoes=(echo,)))
    await store.mailbox.deliver(Delivery(events=(redaction,)))
    await store.prune(text_before=1, records_before=1)
    await store.workers.end(worker)


async def _scans(store: Store, sql: str, args: tuple[Any, ...]) -> list[str]:
    """Big tables that the plan reads from end to end."""
    async with store.database.reading() as connection:
        if store.database.dialect == "sqlite":
            rows = await connection.fetch(f"EXPLAIN QUERY PLAN {sql}", *args)
            found = [_SCAN.search(f"{row['detail']} ") for row in rows]
            return [match[1] for match in found if match]
        plan = json.loads(await connection.fetchval(f"EXPLAIN (FORMAT JSON) {sql}", *args))
    return [*_sequential(plan[0]["Plan"])]


def _sequential(node: dict[str, Any]) -> Iterator[str]:
    if node["Node Type"] == "Seq Scan" and node.get("Relation Name") in BIG:
        yield node["Relation Name"]
    for child in node.get("Plans", ()):
        yield from _sequential(child)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.timeout(120)
async def test_no_statement_of_a_turn_reads_a_big_table_from_end_to_end(crowded: Store) -> None:
    with captured() as seen:
        await _work(crowded)
    statements = {sql: args for sql, args in seen if any(table in sql for table in BIG)}
    assert len(statements) > 25, "else this has shown nothing"
    scans = {sql: await _scans(crowded, sql, args) for sql, args in statements.items()}
    assert not {sql: tables for sql, tables in scans.items() if tables}
