"""Short runs: nothing is lost, doubled, overtaken or half finished; and the oracle can tell."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.chaos.child import Without
from tests.chaos.main import as_json
from tests.chaos.oracle import Verdict
from tests.chaos.run import Outcome, Plan, run

pytestmark = pytest.mark.e2e


async def played(plan: Plan, capsys: pytest.CaptureFixture[str]) -> Outcome:
    outcome = await run(plan, lambda _: None)
    with capsys.disabled():
        print(f"\n{as_json(plan, outcome)}")
    return outcome


@pytest.mark.timeout(240)
async def test_nothing_is_lost_doubled_overtaken_or_half_finished(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One process on SQLite, and four on PostgreSQL."""
    for outcome in await asyncio.gather(
        played(Plan(seed=11, seconds=8, memory="none"), capsys),
        played(Plan(seed=12, seconds=8, database="postgres", workers=2), capsys),
    ):
        assert outcome.verdict.is_good, (outcome.verdict, outcome.notes, outcome.folder)
        assert outcome.verdict.answered > 50
        assert outcome.verdict.shown_live > 5
        assert outcome.kills > 2


@pytest.mark.timeout(240)
async def test_nor_on_a_real_synapse(capsys: pytest.CaptureFixture[str]) -> None:
    plan = Plan(seed=13, seconds=10, homeserver="synapse", database="postgres", workers=2, rooms=6)
    outcome = await played(plan, capsys)
    assert outcome.verdict.is_good, (outcome.verdict, outcome.notes, outcome.folder)
    assert outcome.verdict.answered > 30
    assert outcome.verdict.shown_live > 3
    assert outcome.kills > 2


TRIES = 6
CALM = Plan(seed=5, seconds=7, rooms=6, slowness_s=0.1, patience_s=30, live=False)
SPLIT = replace(CALM, workers=3, database="postgres", memory="none", faults=())
TRIALS: dict[Without, Plan] = {
    "device": replace(CALM, faults=("homeserver",), haste=5.0),
    "lookback": replace(CALM, faults=("homeserver",), haste=5.0, patience_s=8),
    "outbox": replace(CALM, faults=("kill",), long_share=0.7, slow_share=0.5),
    "guard": replace(SPLIT, pause="lease check"),
    # Two at work in one room: few rooms, and always something to answer in them.
    "fence": replace(
        SPLIT, pause="plan", workers=2, rooms=3, gap_s=0.2, slowness_s=0.3, seconds=11
    ),
}
"""What shows that a safeguard is missing. Of these faults nothing makes a copy that has to be taken
back while the safeguard is there, so such a copy tells, too."""


def shows(verdict: Verdict) -> bool:
    return bool(
        verdict.duplicate or verdict.out_of_order or verdict.half_finished or verdict.retracted
    )


async def is_noticed(name: Without, capsys: pytest.CaptureFixture[str]) -> bool:
    """Whether the oracle sees that the safeguard is missing. Chance decides when a process stops or
    dies: what one run does not show, another does."""
    for seed in range(5, 5 + TRIES):
        outcome = await played(replace(TRIALS[name], without=name, seed=seed), capsys)
        if shows(outcome.verdict):
            return True
    return False


@pytest.mark.timeout(400)
async def test_the_oracle_sees_when_nobody_looks_back(capsys: pytest.CaptureFixture[str]) -> None:
    for seed in range(5, 5 + TRIES):
        plan = replace(TRIALS["lookback"], without="lookback", seed=seed)
        if (await played(plan, capsys)).verdict.lost:
            return
    raise AssertionError("nothing was lost")


@pytest.mark.timeout(400)
async def test_the_oracle_sees_when_the_device_or_the_outbox_is_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert await asyncio.gather(is_noticed("device", capsys), is_noticed("outbox", capsys)) == [
        True,
        True,
    ]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", ["guard", "fence"])
async def test_the_oracle_sees_when_a_stalled_worker_is_not_held_back(
    name: Without, capsys: pytest.CaptureFixture[str]
) -> None:
    noticed, with_it = await asyncio.gather(is_noticed(name, capsys), played(TRIALS[name], capsys))
    assert noticed
    assert with_it.verdict.is_good, (with_it.verdict, with_it.folder)
    assert not shows(with_it.verdict)
