"""Short runs: nothing is lost, doubled, overtaken or half finished; and the oracle can tell."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import pytest

from tests.chaos.child import Without
from tests.chaos.faults import Fault
from tests.chaos.main import as_json
from tests.chaos.run import Outcome, Plan, run


async def played(plan: Plan, capsys: pytest.CaptureFixture[str]) -> Outcome:
    outcome = await run(plan, lambda _: None)
    with capsys.disabled():
        print(f"\n{as_json(plan, outcome)}")
    return outcome


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "plan",
    [
        Plan(seed=11, seconds=8, memory="none"),
        Plan(seed=12, seconds=10, database="postgres", workers=2),
    ],
    ids=["one process on SQLite", "two workers on PostgreSQL"],
)
async def test_nothing_is_lost_doubled_overtaken_or_half_finished(
    plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = await played(plan, capsys)
    assert outcome.verdict.is_good, (outcome.verdict, outcome.notes, outcome.folder)
    assert outcome.verdict.answered > 50
    assert outcome.kills > 2


@pytest.mark.timeout(240)
async def test_nor_on_a_real_synapse(capsys: pytest.CaptureFixture[str]) -> None:
    # What Synapse itself loses when it, or its database, restarts is no part of this.
    kinds: tuple[Fault, ...] = ("kill", "stop", "term", "cut", "engine", "clock", "disk")
    plan = Plan(
        seed=13, seconds=10, homeserver="synapse", database="postgres", workers=2, faults=kinds,
        rooms=6,
    )  # fmt: skip
    outcome = await played(plan, capsys)
    assert outcome.verdict.is_good, (outcome.verdict, outcome.notes, outcome.folder)
    assert outcome.verdict.answered > 30
    assert outcome.kills > 2


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What shows that a safeguard is missing. `strictly`: also a copy that was taken back tells,
    for nothing of these faults makes one while the safeguard is there."""

    plan: Plan
    strictly: bool = False


CALM = Plan(seed=5, seconds=6, rooms=8, slowness_s=0.1, patience_s=40)
SPLIT = replace(CALM, workers=2, database="postgres", memory="none", faults=())
TRIALS: dict[Without, Trial] = {
    "device": Trial(plan=replace(CALM, faults=("cut", "homeserver"), haste=6.0)),
    "outbox": Trial(plan=replace(CALM, faults=("kill",), haste=1.5)),
    "guard": Trial(plan=replace(SPLIT, pause="lease check"), strictly=True),
    "fence": Trial(plan=replace(SPLIT, pause="plan"), strictly=True),
}


@pytest.mark.timeout(240)
async def test_the_oracle_sees_when_a_safeguard_is_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """All at once, for they mostly wait."""
    async with asyncio.TaskGroup() as group:
        for name, trial in TRIALS.items():
            group.create_task(_try_out(name, trial, capsys))


async def _try_out(name: Without, trial: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    without = await played(replace(trial.plan, without=name, patience_s=8), capsys)
    assert not without.verdict.is_good or (trial.strictly and without.verdict.retracted), name
    if trial.strictly:
        with_it = await played(trial.plan, capsys)
        assert with_it.verdict.is_good, (with_it.verdict, with_it.folder)
        assert with_it.verdict.retracted == 0
