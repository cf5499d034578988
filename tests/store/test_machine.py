"""Mailbox, turns and outbox against a model in plain Python, under any order of calls."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bridge.clock import FakeClock
from bridge.domain.events import Delivery, Echo
from bridge.domain.ids import EventId, RoomId, TxnId
from bridge.domain.lease import Lease
from bridge.errors import LeaseLost
from bridge.store.store import Store, open_store
from tests.lab.postgres import Postgres
from tests.store.making import LUNA_USER, hire, message, record_luna, text, turn

ROOMS: Final = tuple(RoomId(f"!{n}:example.org") for n in range(3))
WORKERS: Final = ("a", "b", "c")
EXAMPLES: Final = int(os.environ.get("TEST_EXAMPLES", "25"))

rooms = st.sampled_from(ROOMS)
workers = st.sampled_from(WORKERS)


class Machine(RuleBasedStateMachine):
    """`url` is set by the test. The model: what waits in each room, its owner, what was planned."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        url = self.url or f"sqlite:{self.folder.name}/bridge.db"
        self.store: Store = self.do(open_store(url, FakeClock()))
        self.do(self._empty())
        self.count = 0
        self.waiting: dict[RoomId, list[str]] = {room: [] for room in ROOMS}
        self.handled: set[str] = set()
        self.held: dict[RoomId, Lease] = {}
        self.outdated: list[Lease] = []
        self.planned: dict[TxnId, tuple[RoomId, str, str]] = {}
        """Transaction id: (room, text, state)."""

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    async def _empty(self) -> None:
        async with self.store.database.transaction() as connection:
            for table in ("mailbox", "inbox", "worker", "turn", "outbox", "message", "puppet"):
                await connection.execute(f"DELETE FROM {table}")
        await record_luna(self.store)

    @rule(room=rooms, events=st.integers(1, 4))
    def deliver(self, room: RoomId, events: int) -> None:
        ids = [f"${self.count + n}" for n in range(events)]
        self.count += events
        made = tuple(message(one, room, f"text {one}") for one in ids)
        assert self.do(self.store.mailbox.deliver(Delivery(events=made))) == events
        self.waiting[room] += ids

    @precondition(lambda self: self.count > 0)
    @rule(which=st.integers(0, 10_000), room=rooms)
    def deliver_again(self, which: int, room: RoomId) -> None:
        """Whatever room it is said to be in: an event id is one event."""
        again = message(f"${which % self.count}", room)
        assert self.do(self.store.mailbox.deliver(Delivery(events=(again,)))) == 0

    @rule(name=workers, limit=st.integers(1, 3))
    def claim(self, name: str, limit: int) -> None:
        worker = self.do(hire(self.store, name))
        for lease in self.do(self.store.mailbox.claim(worker, limit)):
            assert lease.room_id not in self.held, "two owners of one room"
            self.held[lease.room_id] = lease

    @rule(name=workers)
    def die(self, name: str) -> None:
        """Its lease runs out, and another notices."""

        async def lapse() -> None:
            async with self.store.database.transaction() as connection:
                await connection.execute(
                    "UPDATE worker SET lease_until_at = 1 WHERE worker_id = $1", name
                )
            other = next(one for one in WORKERS if one != name)
            await self.store.workers.free_dead(await hire(self.store, other))

        self.do(lapse())
        self._lose(name)

    @rule(name=workers)
    def hand_over(self, name: str) -> None:
        self.do(self.store.workers.end(self.do(hire(self.store, name))))
        self._lose(name)

    def _lose(self, name: str) -> None:
        lost = [room for room, lease in self.held.items() if lease.worker_id == name]
        self.outdated += [self.held.pop(room) for room in lost]

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def take_and_finish(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(list(self.held.values())))
        arrivals = self.do(self.store.mailbox.take(lease))
        assert [one.event.event_id for one in arrivals] == self.waiting[lease.room_id]
        if arrivals:
            first = arrivals[0]
            assert first.event.event_id not in self.handled
            self.do(self.store.mailbox.finish(lease, first.seq, reason="x", room=None))
            self.handled.add(first.event.event_id)
            self.waiting[lease.room_id].pop(0)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), cause=st.integers(0, 4), words=st.text("abc", max_size=4))
    def plan(self, data: st.DataObject, cause: int, words: str) -> None:
        lease = data.draw(st.sampled_from(list(self.held.values())))
        made = turn(f"$cause{cause}", lease.room_id)
        with suppress(ValueError):  # the turn is over
            for row in self.do(self.store.outbox.plan(lease, made, [("0", text(words))])):
                known = self.planned.setdefault(row.txn_id, (lease.room_id, words, "planned"))
                assert (row.effect.text, row.state) == known[1:], "what is planned never changes"

    @precondition(lambda self: self.held and self.planned)
    @rule(data=st.data())
    def send(self, data: st.DataObject) -> None:
        txn_id = data.draw(st.sampled_from(sorted(self.planned)))
        room, words, state = self.planned[txn_id]
        if room in self.held:
            event_id = EventId(f"$sent-{txn_id}")
            self.do(self.store.outbox.mark_sent(self.held[room], txn_id, event_id, None))
            self.planned[txn_id] = (room, words, "sent" if state == "planned" else state)

    @precondition(lambda self: self.planned)
    @rule(data=st.data())
    def come_back(self, data: st.DataObject) -> None:
        txn_id = data.draw(st.sampled_from(sorted(self.planned)))
        room, words, _ = self.planned[txn_id]
        echo = Echo(
            txn_id=txn_id, event_id=EventId(f"$sent-{txn_id}"), room_id=room, sender=LUNA_USER
        )
        self.do(self.store.mailbox.deliver(Delivery(echoes=(echo,))))
        self.planned[txn_id] = (room, words, "confirmed")

    @precondition(lambda self: self.held)
    @rule(data=st.data(), retry_in_ms=st.sampled_from([None, 0]))
    def release(self, data: st.DataObject, retry_in_ms: int | None) -> None:
        room = data.draw(st.sampled_from(list(self.held)))
        lease = self.held.pop(room)
        self.do(self.store.mailbox.release(lease, retry_in_ms=retry_in_ms))
        self.outdated.append(lease)

    @precondition(lambda self: self.outdated)
    @rule(data=st.data())
    def write_too_late(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(self.outdated))
        late: list[Coroutine[Any, Any, Any]] = [
            self.store.mailbox.finish(lease, 1, reason="late", room=None),
            self.store.outbox.plan(lease, turn("$late", lease.room_id), [("0", text())]),
            self.store.turns.open(lease, turn("$late", lease.room_id)),
        ]
        for work in late:
            with pytest.raises(LeaseLost):
                self.do(work)

    @invariant()
    def nothing_waits_for_nobody(self) -> None:
        """A room with events and no owner can be claimed: it is due, or will be."""

        async def asleep() -> int:
            async with self.store.database.reading() as connection:
                return await connection.fetchval(
                    """
                    SELECT COUNT(*) FROM mailbox WHERE owner IS NULL AND wake_at IS NULL AND EXISTS
                    (SELECT 1 FROM inbox WHERE inbox.room_id = mailbox.room_id AND state = 'new')
                    """
                )

        assert self.do(asleep()) == 0

    def teardown(self) -> None:
        self.do(self.store.close())
        self.loop.close()
        self.folder.cleanup()


def run(url: str) -> None:
    class Placed(Machine):
        pass

    Placed.url = url
    run_state_machine_as_test(
        Placed,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.timeout(600)
def test_any_order_of_calls_keeps_what_the_mailbox_promises_on_sqlite() -> None:
    run("")


@pytest.mark.timeout(600)
def test_any_order_of_calls_keeps_what_the_mailbox_promises_on_postgresql(
    postgres: Postgres,
) -> None:
    with postgres.database() as url:
        run(url)
