"""Figures of speed and size, a line of JSON each: {"name", "value", "unit", "baseline", "ratio"}.

    python -m tests.bench.main [--quick] [ingest] [claim] [latency] [flood] [handover]
        [reply] [queue] [prompt] [resume] [idle]

Progress goes to stderr. A figure with a baseline is worth more than one without: both were measured
in the same run on the same machine.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from bridge import log
from tests.bench import (
    claiming,
    flood,
    gating,
    handover,
    ingest,
    latency,
    prefixes,
    process,
    queueing,
    replying,
    streaming,
)
from tests.bench.figure import Figure
from tests.lab.postgres import Postgres

PARTS: Final = (
    "ingest", "claim", "latency", "flood", "handover", "reply", "live", "stream", "queue",
    "prompt", "gate", "resume", "idle",
)  # fmt: skip


async def figures(parts: tuple[str, ...], *, is_quick: bool = False) -> AsyncIterator[Figure]:
    """`is_quick`: tiny sizes, to see that everything runs; the values mean nothing."""
    with ExitStack() as stack:
        postgres = Postgres(keeps_commits=True)
        stack.callback(postgres.stop)
        postgres.start()

        def folder() -> Path:
            return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))

        for part in parts:
            print(f"measuring: {part}", file=sys.stderr, flush=True)
            for kind in ("sqlite", "postgres"):

                def make_url(kind: str = kind) -> str:
                    return postgres.create_database() if kind == "postgres" else _sqlite(folder())

                if part == "flood":
                    async for figure in _floods(make_url, kind, is_quick):
                        yield figure
                async for figure in _on_database(part, make_url(), kind, is_quick):
                    yield figure
            async for figure in _of_process(part, folder, is_quick):
                yield figure


def _sqlite(folder: Path) -> str:
    return f"sqlite:{folder / 'bridge.db'}"


async def _on_database(part: str, url: str, kind: str, is_quick: bool) -> AsyncIterator[Figure]:
    match part:
        case "ingest":
            found = ingest.figures(url, kind, 0.2 if is_quick else 5.0)
        case "claim":
            found = claiming.figures(url, kind, 2_000 if is_quick else 50_000, 60)
        case "latency":
            found = latency.figures(url, kind, 3 if is_quick else 100)
        case "reply":
            found = replying.figures(url, kind, 3 if is_quick else 100)
        case "live":
            found = replying.figures_live(url, kind, 1 if is_quick else 5, 50 if is_quick else 5)
        case "handover" if kind == "postgres":
            found = handover.figures(url, 2 if is_quick else 30)
        case _:
            return
    async for figure in found:
        yield figure


async def _floods(make_url: Callable[[], str], kind: str, is_quick: bool) -> AsyncIterator[Figure]:
    for rooms in (2,) if is_quick else (1, 1_000):
        events, seconds = (100, 1.0) if is_quick else (10_000, 60.0)
        async for figure in flood.figures(make_url(), kind, rooms, events, seconds):
            yield figure


async def _of_process(
    part: str, folder: Callable[[], Path], is_quick: bool
) -> AsyncIterator[Figure]:
    match part:
        case "queue":
            found = queueing.figures(0.5 if is_quick else 10.0)
        case "stream":
            found = streaming.figures(50 if is_quick else 2_000, 2 if is_quick else 15)
        case "gate":
            found = gating.figures(20 if is_quick else 1_000)
        case "prompt":
            found = prefixes.figures(10 if is_quick else 300)
        case "resume":
            found = process.resume(folder(), 1 if is_quick else 9)
        case "idle":
            found = _idle(folder, is_quick)
        case _:
            return
    async for figure in found:
        yield figure


async def _idle(folder: Callable[[], Path], is_quick: bool) -> AsyncIterator[Figure]:
    for puppets in (3,) if is_quick else (3, 100, 1000):
        rooms = 100 if is_quick else 10_000
        async for figure in process.idle(folder(), puppets, rooms, 1 if is_quick else 20):
            yield figure


async def _print(parts: tuple[str, ...], *, is_quick: bool) -> None:
    async for figure in figures(parts, is_quick=is_quick):
        print(figure.line(), flush=True)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    given = parser.parse_args(arguments)
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    log.configure("error")
    asyncio.run(_print(tuple(given.parts) or PARTS, is_quick=given.quick))


if __name__ == "__main__":
    main(sys.argv[1:])
