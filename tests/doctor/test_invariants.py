"""`doctor --invariants`, and what `doctor` says of what was given up for good."""

from __future__ import annotations

import os
from pathlib import Path

from bridge.clock import FakeClock
from bridge.doctor.invariants import check_invariants, check_refusals
from bridge.store.invariants import NAMES
from bridge.store.store import Store
from tests.store.making import deliver, message, record_luna
from tests.store.test_invariants import run, spoken


async def test_a_sound_database_gives_one_good_finding_for_each_invariant(
    store: Store, database_url: str, clock: FakeClock
) -> None:
    await record_luna(store)
    findings = await check_invariants(database_url, 7, clock)
    assert [(one.name, one.level) for one in findings] == [(name, "ok") for name in NAMES]


async def test_what_is_broken_is_a_sentence_with_what_to_do(
    store: Store, database_url: str, clock: FakeClock
) -> None:
    await deliver(store, message("$1"))
    await run(store, "UPDATE mailbox SET wake_at = NULL", "UPDATE inbox SET received_at = {now}")
    [finding] = [f for f in await check_invariants(database_url, 7, clock) if f.level != "ok"]
    assert (finding.name, finding.level) == ("asleep", "fail")
    assert finding.sentence.startswith("1 rooms have events that nobody will be woken for")
    assert "report" in finding.fix


async def test_a_database_that_does_not_exist_yet_is_not_made(
    tmp_path: Path, clock: FakeClock
) -> None:
    url = f"sqlite:{tmp_path / 'none.db'}"
    assert [f.level for f in await check_invariants(url, 7, clock)] == ["ok"]
    assert [f.level for f in await check_refusals(url, clock)] == ["ok", "ok"]
    assert not os.listdir(tmp_path)


async def test_events_set_aside_and_refused_effects_are_told_with_their_causes(
    store: Store, database_url: str, clock: FakeClock
) -> None:
    findings = await check_refusals(database_url, clock)
    assert [(f.name, f.level) for f in findings] == [("set aside", "ok"), ("refused", "ok")]
    await spoken(store)
    await run(
        store,
        "UPDATE outbox SET state = 'abandoned', problem = 'M_FORBIDDEN'",
        "UPDATE inbox SET state = 'poison', problem = 'ZeroDivisionError'",
    )
    aside, refused = await check_refusals(database_url, clock)
    assert aside.level == refused.level == "warn"
    assert "ZeroDivisionError (1)" in aside.sentence
    assert "M_FORBIDDEN (1)" in refused.sentence
