"""Break everything, and count what people notice.

    python -m tests.chaos.main --seed 7 --seconds 60 --workers 2 --database postgres

The last line is one JSON object. The exit status is 1 when something was lost, doubled, out of
order or half finished, else 0.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
from typing import Any, cast

from tests.chaos.faults import FAULTS, Fault
from tests.chaos.run import Outcome, Plan, percentile, run

_SHOWN = 5


def main(arguments: list[str]) -> int:
    plan = _plan(arguments)
    # Whoever is killed leaves broken connections behind, which are no news.
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL)
    outcome = asyncio.run(run(plan, lambda line: print(line, flush=True)))
    for line in _table(plan, outcome):
        print(line)
    print(json.dumps(as_json(plan, outcome)))
    return 0 if outcome.verdict.is_good else 1


def as_json(plan: Plan, outcome: Outcome) -> dict[str, Any]:
    verdict = outcome.verdict
    return {
        "events": outcome.events,
        "questions": outcome.questions,
        "answered": verdict.answered,
        "notices": verdict.notices,
        "kills": outcome.kills,
        "faults": outcome.faults,
        "lost": len(verdict.lost),
        "duplicate": len(verdict.duplicate),
        "out_of_order": len(verdict.out_of_order),
        "half_finished": len(verdict.half_finished),
        "retracted": verdict.retracted,
        "shown_live": verdict.shown_live,
        "resume_p50_s": round(percentile(outcome.resume_s, 0.5), 3),
        "resume_p99_s": round(percentile(outcome.resume_s, 0.99), 3),
        "typing_p50_s": round(percentile(outcome.typing_s, 0.5), 3),
        "typing_p99_s": round(percentile(outcome.typing_s, 0.99), 3),
        "import_s": round(outcome.import_s, 3),
        "seed": plan.seed,
        "homeserver": plan.homeserver,
        "memory": plan.memory if plan.homeserver == "fake" else "synapse",
        "database": plan.database,
        "workers": plan.workers,
        "without": plan.without,
    }


def _plan(arguments: list[str]) -> Plan:
    parser = argparse.ArgumentParser(
        prog="make chaos", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="the same seed, the same plan of faults"
    )
    parser.add_argument("--seconds", type=float, default=60, help="how long things break")
    parser.add_argument(
        "--workers", type=int, default=None,
        help="0: one `run` process; N: 2 `ingest` and N `work` (default: 0, with PostgreSQL 2)",
    )  # fmt: skip
    parser.add_argument("--homeserver", choices=["fake", "synapse"], default="fake")
    parser.add_argument(
        "--memory", choices=["device", "memory", "none"], default="device",
        help="what the fake homeserver remembers of transaction ids",
    )  # fmt: skip
    parser.add_argument("--database", choices=["sqlite", "postgres"], default=None,
                        help="the bridge's (default: sqlite, with workers postgres)")  # fmt: skip
    parser.add_argument(
        "--faults", default=",".join(FAULTS),
        help=f"of {','.join(FAULTS)} (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--without", choices=["device", "fence", "outbox", "guard", "lookback"], default="",
        help="take one safeguard out: the oracle should notice",
    )  # fmt: skip
    parser.add_argument("--rooms", type=int, default=10)
    parser.add_argument("--gap", type=float, default=0.35, help="mean seconds between messages")
    given = parser.parse_args(arguments)
    kinds = [kind for kind in given.faults.split(",") if kind]
    if unknown := [kind for kind in kinds if kind not in FAULTS]:
        parser.error(f"no such fault: {', '.join(unknown)}")
    workers, database = given.workers, given.database
    if database is None:
        database = "postgres" if workers or given.homeserver == "synapse" else "sqlite"
    if workers is None:
        workers = 2 if database == "postgres" else 0
    if workers and database == "sqlite":
        parser.error("several workers need --database postgres")
    return Plan(
        seed=given.seed,
        seconds=given.seconds,
        workers=workers,
        homeserver=given.homeserver,
        memory=given.memory,
        database=database,
        faults=tuple(cast(Fault, kind) for kind in kinds),
        without=given.without,
        rooms=given.rooms,
        gap_s=given.gap,
    )


def _table(plan: Plan, outcome: Outcome) -> list[str]:
    verdict = outcome.verdict
    lines = [
        "",
        f"{outcome.events} events, {outcome.questions} questions, {outcome.kills} kills; "
        f"logs in {outcome.folder}",
        f"  answered       {verdict.answered} ({verdict.notices} by a sentence of the bridge, "
        f"{verdict.shown_live} shown while they were written)",
        f"  lost           {len(verdict.lost)}",
        f"  duplicate      {len(verdict.duplicate)} ({verdict.retracted} copies taken back)",
        f"  out of order   {len(verdict.out_of_order)}",
        f"  half finished  {len(verdict.half_finished)}",
        f"  resumed after  p50 {percentile(outcome.resume_s, 0.5):.2f} s, "
        f"p99 {percentile(outcome.resume_s, 0.99):.2f} s, {len(outcome.resume_s)} replies "
        f"(from birth; importing takes {outcome.import_s:.2f} s more)",
        f"  typing after   p50 {percentile(outcome.typing_s, 0.5):.2f} s, "
        f"p99 {percentile(outcome.typing_s, 0.99):.2f} s",
    ]
    for name in ("lost", "duplicate", "out_of_order", "half_finished"):
        lines += [f"  {name}: {what}" for what in getattr(verdict, name)[:_SHOWN]]
    return [*lines, *(f"  {note}" for note in outcome.notes)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
